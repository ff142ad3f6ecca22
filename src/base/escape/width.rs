//! Text measured in terminal columns.

use unicode_width::UnicodeWidthChar;

/// The longest prefix of `text` that fits into `columns` terminal columns.
pub fn front(text: &str, columns: usize) -> &str {
    let mut width = 0;
    let end = text.char_indices().find(|(_, c)| {
        width += c.width().unwrap_or(0);
        width > columns
    });
    end.map_or(text, |(at, _)| &text[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_whole_and_none_is_too_many() {
        assert_eq!(front("日本語", 6), "日本語");
        assert_eq!(front("日本語", 5), "日本");
        assert_eq!(front("ab", 0), "");
        assert_eq!(front("", 3), "");
    }
}
