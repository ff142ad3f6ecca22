//! A value as text: exact, or a fraction with its approximation.

use dashu_int::ops::BitTest;
use dashu_int::{IBig, UBig};
use dashu_ratio::RBig;

/// A terminating fraction is written as a decimal up to this many places.
const PLACES_LIMIT: usize = 60;
/// Significant digits of an approximation.
const SIGNIFICANT: usize = 16;

/// Formats the value as an integer, a terminating decimal, or a fraction with its approximation.
pub(super) fn show(value: &RBig) -> String {
    let (numerator, denominator) = (value.numerator(), value.denominator());
    if denominator.is_one() {
        return numerator.to_string();
    }
    match places(denominator) {
        Some(places) => {
            let scaled =
                numerator * IBig::from(UBig::from(10u8).pow(places)) / IBig::from(denominator.clone());
            point(&scaled, places)
        }
        None => format!("{numerator}/{denominator} ≈ {}", approximate(numerator, denominator)),
    }
}

/// Decimal places of `1/denominator`; `None` if it does not terminate within `PLACES_LIMIT`.
fn places(denominator: &UBig) -> Option<usize> {
    let mut power = UBig::ONE;
    (0..=PLACES_LIMIT).find(|_| {
        let divides = (&power % denominator).is_zero();
        power *= UBig::from(10u8);
        divides
    })
}

/// `scaled / 10^places` as a decimal.
fn point(scaled: &IBig, places: usize) -> String {
    let text = scaled.to_string();
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
    let digits = format!("{digits:0>width$}", width = places + 1);
    let (whole, part) = digits.split_at(digits.len() - places);
    let part = part.trim_end_matches('0');
    if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
}

/// The quotient, rounded to 16 significant digits; in scientific notation if it is very large or very small.
fn approximate(numerator: &IBig, denominator: &UBig) -> String {
    let magnitude = |n: usize| n as i64 * 30_103 / 100_000;
    let exponent = magnitude(numerator.bit_len()) - magnitude(denominator.bit_len());
    // A few more digits than are shown: the first of them decides the rounding.
    let shift = SIGNIFICANT as i64 + 3 - exponent;
    let ten = |n: i64| IBig::from(UBig::from(10u8).pow(n.unsigned_abs() as usize));
    let denominator = IBig::from(denominator.clone());
    let quotient = if shift >= 0 {
        numerator * ten(shift) / denominator
    } else {
        numerator / (denominator * ten(shift))
    };
    let text = quotient.to_string();
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
    let (digits, carried) = rounded(digits);
    let exponent = text.len() as i64 - sign.len() as i64 - 1 - shift + i64::from(carried);
    if (-5..16).contains(&exponent) {
        let (places, scaled) = (
            (digits.len() as i64 - 1 - exponent).max(0) as usize,
            IBig::from_str_radix(&digits, 10).unwrap_or_default(),
        );
        return format!("{sign}{}", point(&scaled, places));
    }
    let (first, rest) = digits.split_at(1);
    let rest = rest.trim_end_matches('0');
    let rest = if rest.is_empty() { String::new() } else { format!(".{rest}") };
    format!("{sign}{first}{rest}e{exponent}")
}

/// The first `SIGNIFICANT` digits, rounded by the next one, and whether rounding carried into a new digit.
fn rounded(digits: &str) -> (String, bool) {
    let (kept, rest) = digits.split_at(digits.len().min(SIGNIFICANT));
    if !rest.starts_with(|next: char| next >= '5') {
        return (kept.to_owned(), false);
    }
    let up = (IBig::from_str_radix(kept, 10).unwrap_or_default() + IBig::ONE).to_string();
    let carried = up.len() > kept.len();
    (up[..kept.len()].to_owned(), carried)
}
