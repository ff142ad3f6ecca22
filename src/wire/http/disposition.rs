//! Under what name a file is saved (RFC 6266, RFC 8187).

use super::percent;

/// The field `Content-Disposition`: `kind` is `inline` or `attachment`. A name that is not plain ASCII stands twice: in a
/// form that every client reads, and in full.
pub fn disposition(kind: &'static str, name: &str) -> String {
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let mut out = format!("{kind}; filename=\"{plain}\"");
    if plain != name {
        out += "; filename*=UTF-8''";
        // attr-char of RFC 8187, section 3.2.1.
        percent::encode_into(&mut out, name.as_bytes(), |byte| b"!#$&+-.^_`|~".contains(&byte));
    }
    out
}

/// Means nothing to any client: no quote, no escape of any kind, no separator of folders (RFC 6266, appendix D).
fn is_plain(c: char) -> bool {
    (c.is_ascii_graphic() || c == ' ') && !matches!(c, '"' | '\\' | '%' | '/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_fits_in_quotes() {
        for (name, expected) in [
            ("a b.txt", "inline; filename=\"a b.txt\""),
            ("naïve €.txt", "inline; filename=\"na_ve _.txt\"; filename*=UTF-8''na%C3%AFve%20%E2%82%AC.txt"),
            ("a\"; x=\"b", "inline; filename=\"a_; x=_b\"; filename*=UTF-8''a%22%3B%20x%3D%22b"),
            (
                "a\r\nSet-Cookie: b",
                "inline; filename=\"a__Set-Cookie: b\"; filename*=UTF-8''a%0D%0ASet-Cookie%3A%20b",
            ),
            ("50%25.txt", "inline; filename=\"50_25.txt\"; filename*=UTF-8''50%2525.txt"),
            ("", "inline; filename=\"\""),
        ] {
            assert_eq!(disposition("inline", name), expected);
        }
        assert!(disposition("attachment", "a").starts_with("attachment; "));
    }
}
