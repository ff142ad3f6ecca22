//! A text as the modules of a QR code (ISO/IEC 18004).

use fast_qr::{ECL, QRBuilder};

use crate::report::{Failure, Ground, Symbol};
use crate::shell::builtin::share::errors;

/// Bytes that a code holds: version 40 at level L. Of digits alone it holds more.
const TEXT_LIMIT: usize = 2953;

/// The smallest code of the text. Its level is L: nothing stains a screen, and larger modules are read from farther away.
///
/// # Errors
/// The text is empty, or too long.
pub(in crate::shell::builtin::share) fn symbol(text: &str, ground: Ground) -> Result<Symbol, Failure> {
    if text.is_empty() {
        return Err(errors::text_empty());
    }
    let too_long = |_| errors::text_too_long_for_a_code(text.len(), TEXT_LIMIT);
    let code = QRBuilder::new(text).ecl(ECL::L).build().map_err(too_long)?;
    let dark = code.data[..code.size * code.size].iter().map(|module| module.value()).collect();
    Ok(Symbol { size: code.size, dark, ground })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(text: &str) -> Option<usize> {
        symbol(text, Ground::Dark).ok().map(|symbol| symbol.size)
    }

    #[test]
    fn a_code_is_as_small_as_its_text_allows() {
        assert_eq!(size("http://10.0.0.7/"), Some(21));
        assert_eq!(size("http://192.168.100.107:41234/"), Some(25));
    }

    /// The three finder patterns, and none in the fourth corner.
    #[test]
    fn its_corners_are_those_of_a_code() {
        let symbol = symbol("192.168.1.7:9000", Ground::Dark).unwrap();
        let far = symbol.size - 7;
        let frame = |row: usize, column: usize| {
            (0..7).all(|n| symbol.is_dark(row, column + n) && symbol.is_dark(row + 6, column + n))
                && (1..6).all(|n| !symbol.is_dark(row + 1, column + n))
        };
        assert!(frame(0, 0) && frame(0, far) && frame(far, 0) && !frame(far, far));
    }

    #[test]
    fn a_text_that_is_too_long_or_empty_is_refused_with_the_limit() {
        assert_eq!(size(&"é".repeat(TEXT_LIMIT / 2)), Some(177));
        assert_eq!(size(&"a".repeat(TEXT_LIMIT)), Some(177));
        let failure = symbol(&"a".repeat(TEXT_LIMIT + 1), Ground::Dark).unwrap_err().to_string();
        assert!(failure.contains("2954 bytes") && failure.contains("holds 2953"), "{failure}");
        assert_eq!(size(""), None);
    }
}
