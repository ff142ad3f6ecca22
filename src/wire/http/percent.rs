//! Percent escapes (RFC 3986, section 2.1), and those of forms.

use super::status::HttpError;

/// A segment of a path for a link: all but the unreserved characters is escaped.
pub fn percent_encode_segment(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    encode_into(&mut out, bytes, |byte| matches!(byte, b'-' | b'.' | b'_' | b'~'));
    out
}

/// Letters, digits and what `is_plain` names stay; the rest is escaped.
pub(super) fn encode_into(out: &mut String, bytes: &[u8], is_plain: impl Fn(u8) -> bool) {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || is_plain(*byte) {
            out.push(char::from(*byte));
        } else {
            out.extend(['%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
}

/// The bytes meant; refuses an escape without two hexadecimal digits, and NUL, which ends names for some readers.
pub fn percent_decode(text: &[u8]) -> Result<Vec<u8>, HttpError> {
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        let byte = if first == b'%' {
            let (pair, after) = rest.split_first_chunk().ok_or(BROKEN)?;
            rest = after;
            escaped(*pair)?
        } else {
            first
        };
        if byte == 0 {
            return Err(HttpError::bad("the target has a NUL"));
        }
        out.push(byte);
    }
    Ok(out)
}

const BROKEN: HttpError = HttpError::bad("the target has a broken percent escape");

fn escaped([high, low]: [u8; 2]) -> Result<u8, HttpError> {
    let digit = |byte: u8| char::from(byte).to_digit(16).ok_or(BROKEN);
    Ok((digit(high)? << 4 | digit(low)?) as u8)
}

/// A name or value of a form: `+` is a blank; what is not UTF-8 is replaced.
pub fn form_decode(text: &str) -> Result<String, HttpError> {
    let bytes = percent_decode(text.replace('+', " ").as_bytes())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_but_nul_come_back() {
        let bytes: Vec<u8> = (1..=255).collect();
        let text = percent_encode_segment(&bytes);
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)), "{text}");
        assert_eq!(percent_decode(text.as_bytes()), Ok(bytes));
        assert_eq!(percent_encode_segment("ä b/%".as_bytes()), "%C3%A4%20b%2F%25");
    }

    #[test]
    fn broken_escapes_and_nul_are_refused() {
        for text in ["%", "%4", "%4g", "%g4", "a%", "%+1", "%00", "a%00b", "\0"] {
            assert!(percent_decode(text.as_bytes()).is_err(), "{text:?}");
        }
        assert_eq!(form_decode("a+b%2Bc%ff"), Ok("a b+c\u{fffd}".to_owned()));
    }
}
