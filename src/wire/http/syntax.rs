//! The smallest parts of fields (RFC 9110, section 5.6): tokens, digits, blanks, lists.

use super::status::HttpError;

/// True for a byte of a token: a method, the name of a field.
pub(super) const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// True for a token; it is never empty.
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| is_token_byte(*byte))
}

/// True for a byte that a field's value may have: no control character but the tab.
pub(super) const fn is_value_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// True for the optional white space of fields.
pub(super) const fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

/// A number in decimal digits and nothing else; no sign, no blank. `None` also above `u64`.
pub(super) fn digits(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// The elements of a comma-separated list, without blanks; empty ones are ignored (RFC 9110, section 5.6.1.2).
pub(super) fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(|element| element.trim_matches(is_blank)).filter(|element| !element.is_empty())
}

/// One field line without its end: `name: value` (RFC 9112, section 5).
pub(super) fn field(line: &[u8]) -> Result<(&[u8], &[u8]), HttpError> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(HttpError::bad("a field is folded over several lines"));
    }
    let Some(colon) = line.iter().position(|byte| *byte == b':') else {
        return Err(HttpError::bad("a field has no colon"));
    };
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if matches!(name.last(), Some(b' ' | b'\t')) {
        return Err(HttpError::bad("a blank stands before the colon of a field"));
    }
    if !is_token(name) {
        return Err(HttpError::bad("the name of a field is no token"));
    }
    if !value.iter().all(|byte| is_value_byte(*byte)) {
        return Err(HttpError::bad("the value of a field has control characters"));
    }
    Ok((name, value.trim_ascii()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_digits_only() {
        assert_eq!(digits("18446744073709551615"), Some(u64::MAX));
        for text in ["", "+1", "-1", " 1", "1 ", "1_0", "0x1", "18446744073709551616", "٣"] {
            assert_eq!(digits(text), None, "{text}");
        }
    }

    #[test]
    fn lists_skip_empty_elements() {
        assert_eq!(list(" a ,, b\t,").collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn fields_are_read_strictly() {
        assert_eq!(field(b"a:\t b c \t"), Ok((&b"a"[..], &b"b c"[..])));
        assert_eq!(field(b"a:"), Ok((&b"a"[..], &b""[..])));
        for line in [&b"a"[..], b":b", b"a :b", b" a: b", b"a b: c", b"a: b\x00", b"a: b\x7f", b"\xe4: b"] {
            assert!(field(line).is_err(), "{line:?}");
        }
    }
}
