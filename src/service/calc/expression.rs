//! Exact arithmetic: text → value. Pure, linear in the number of operators, and bounded: characters, digits,
//! nesting, and the size of every result.
//!
//! ```text
//! sum     = product { ( "+" | "-" ) product } ;             "−" is "-"
//! product = unary { ( "*" | "/" | "%" ) unary } ;          "×" and "·" are "*", "÷" is "/"
//! unary   = { "-" | "+" } atom ;
//! atom    = number | "(" sum ")" ;
//! number  = digits [ "." digits ] ;
//! ```
//! `a % b` is `a - b * floor(a / b)`: it takes the sign of `b`.

use std::fmt;

use dashu_int::ops::BitTest;
use dashu_int::{IBig, UBig};
use dashu_ratio::RBig;

/// Maximum digits of a number or a result; numerator and denominator are counted separately.
pub const DIGIT_LIMIT: usize = 10_000;
/// Maximum nesting of parentheses and signs.
pub const DEPTH_LIMIT: usize = 64;
/// Maximum bytes that are not digits: operators, parentheses, blanks.
pub const EXPRESSION_LIMIT: usize = 4 << 10;
/// A terminating fraction is written as a decimal up to this many places.
const PLACES_LIMIT: usize = 60;
/// Significant digits of an approximation.
const SIGNIFICANT: usize = 16;

/// An error in an expression, and where: the column counts characters from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpressionError {
    pub why: String,
    pub column: usize,
}

impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at column {}", self.why, self.column)
    }
}

/// Checks the syntax without computing anything; `None` if the expression is valid.
pub fn check(text: &str) -> Option<ExpressionError> {
    read(text, None).err()
}

/// Computes `text`. `is_late` is called between operations; when it returns true, the computation is given up.
pub fn evaluate(text: &str, is_late: &dyn Fn() -> bool) -> Result<String, ExpressionError> {
    read(text, Some(is_late)).map(|value| show(&value))
}

/// Parses `text`, and computes it unless `is_late` is `None`.
fn read(text: &str, is_late: Option<&dyn Fn() -> bool>) -> Result<RBig, ExpressionError> {
    let others = text.bytes().filter(|b| !b.is_ascii_digit()).count();
    if others > EXPRESSION_LIMIT {
        return Err(ExpressionError {
            why: format!("too long: more than {EXPRESSION_LIMIT} characters besides digits"),
            column: 1,
        });
    }
    let mut parser = Parser { text, at: 0, depth: 0, is_late };
    parser.blanks();
    if parser.peek().is_none() {
        return Err(parser.trouble("nothing to compute"));
    }
    let value = parser.sum()?;
    match parser.peek() {
        None => Ok(value),
        Some(')') => Err(parser.trouble("a `)` without its `(`")),
        Some(c) if c.is_ascii_digit() || c == '(' => Err(parser.trouble("an operator is missing here")),
        Some(',') => Err(parser.trouble("a decimal is written with a point")),
        Some(c) => Err(parser.unknown(c)),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    is_late: Option<&'a dyn Fn() -> bool>,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    /// Consumes the next operator, in any of its spellings, if it is one of `among`.
    fn operator(&mut self, among: &[char]) -> Option<char> {
        let written = self.peek()?;
        let operator = match written {
            '\u{2212}' => '-',
            '\u{d7}' | '\u{b7}' => '*',
            '\u{f7}' => '/',
            other => other,
        };
        among.contains(&operator).then(|| {
            self.take(written.len_utf8());
            operator
        })
    }

    fn blanks(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start_matches([' ', '\t']).len();
    }

    fn take(&mut self, length: usize) {
        self.at += length;
        self.blanks();
    }

    fn column(&self, at: usize) -> usize {
        self.text[..at].chars().count() + 1
    }

    fn trouble(&self, why: impl Into<String>) -> ExpressionError {
        ExpressionError { why: why.into(), column: self.column(self.at) }
    }

    fn unknown(&self, c: char) -> ExpressionError {
        self.trouble(format!(
            "`{}` is not part of arithmetic",
            crate::base::escape::escape_line(&c.to_string())
        ))
    }

    fn deeper(&mut self) -> Result<(), ExpressionError> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            Err(self.trouble(format!("nested too deeply: more than {DEPTH_LIMIT} levels")))
        } else {
            Ok(())
        }
    }

    fn sum(&mut self) -> Result<RBig, ExpressionError> {
        self.chain(&['+', '-'], Self::product)
    }

    fn product(&mut self) -> Result<RBig, ExpressionError> {
        self.chain(&['*', '/', '%'], Self::unary)
    }

    /// Operands joined by `operators`, left-associative.
    fn chain(
        &mut self,
        operators: &[char],
        operand: fn(&mut Self) -> Result<RBig, ExpressionError>,
    ) -> Result<RBig, ExpressionError> {
        let mut left = operand(self)?;
        let mut at = self.at;
        while let Some(operator) = self.operator(operators) {
            let right = operand(self)?;
            left = self.apply(left, operator, right, at)?;
            at = self.at;
        }
        Ok(left)
    }

    /// `at`: byte offset of the operator, for the error message.
    fn apply(&self, left: RBig, operator: char, right: RBig, at: usize) -> Result<RBig, ExpressionError> {
        if self.is_late.is_none() {
            return Ok(right);
        }
        if matches!(operator, '/' | '%') && right.is_zero() {
            return Err(ExpressionError { why: "division by zero".into(), column: self.column(at) });
        }
        let value = match operator {
            '+' => left + right,
            '-' => left - right,
            '*' => left * right,
            '/' => left / right,
            _ => {
                let whole = RBig::from((left.clone() / right.clone()).floor());
                left - right * whole
            }
        };
        self.bounded(at, value)
    }

    /// Operands are bounded, so an operation is safe to compute first; its result is checked afterwards.
    fn bounded(&self, at: usize, value: RBig) -> Result<RBig, ExpressionError> {
        const BITS: usize = DIGIT_LIMIT * 3322 / 1000 + 4;
        let large = value.numerator().bit_len() > BITS || value.denominator().bit_len() > BITS;
        match (large, self.is_late.is_some_and(|is_late| is_late())) {
            (true, _) => Err(ExpressionError {
                why: format!("result too large: more than {DIGIT_LIMIT} digits"),
                column: self.column(at),
            }),
            (_, true) => {
                Err(ExpressionError { why: "the computation takes too long".into(), column: self.column(at) })
            }
            _ => Ok(value),
        }
    }

    fn unary(&mut self) -> Result<RBig, ExpressionError> {
        let (mut negative, mut signs) = (false, 0);
        while matches!(self.peek(), Some('-' | '+' | '\u{2212}')) {
            self.deeper()?;
            signs += 1;
            negative ^= self.operator(&['-', '+']) == Some('-');
        }
        let value = self.atom()?;
        self.depth -= signs;
        Ok(if negative { -value } else { value })
    }

    fn atom(&mut self) -> Result<RBig, ExpressionError> {
        match self.peek() {
            Some('(') => {
                self.deeper()?;
                let open = self.at;
                self.take(1);
                let value = self.sum()?;
                if self.peek() != Some(')') {
                    return Err(match self.peek() {
                        None => ExpressionError {
                            why: "this `(` is never closed".into(),
                            column: self.column(open),
                        },
                        Some(c) if c.is_ascii_digit() || c == '(' => {
                            self.trouble("an operator is missing here")
                        }
                        Some(c) => self.unknown(c),
                    });
                }
                self.take(1);
                self.depth -= 1;
                Ok(value)
            }
            Some(c) if c.is_ascii_digit() => self.number(),
            Some(')' | '*' | '/' | '%') => Err(self.trouble("a number is missing here")),
            Some('.') => Err(self.trouble("a number begins with a digit")),
            Some(c) => Err(self.unknown(c)),
            None => Err(self.trouble("the expression ends too early")),
        }
    }

    fn number(&mut self) -> Result<RBig, ExpressionError> {
        let rest = &self.text[self.at..];
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let whole = digits(rest);
        let places = rest[whole..].strip_prefix('.').map_or(0, digits);
        if whole.max(places) > DIGIT_LIMIT {
            return Err(self.trouble(format!("a number has more than {DIGIT_LIMIT} digits")));
        }
        let end = whole + if places > 0 { 1 + places } else { 0 };
        if rest[end..].starts_with('.') {
            self.at += end;
            return Err(self.trouble("a digit must follow the point, and there is one point in a number"));
        }
        if rest[end..].starts_with(|c: char| c.is_alphabetic() || c == '_') {
            self.at += end;
            return Err(self.trouble("numbers are decimal: digits and at most one point"));
        }
        if self.is_late.is_none() {
            self.take(end);
            return Ok(RBig::ONE);
        }
        let text: String = rest[..end].chars().filter(|&c| c != '.').collect();
        let value = IBig::from_str_radix(&text, 10).map_err(|_| self.trouble("not a number"))?;
        self.take(end);
        Ok(RBig::from_parts(value, UBig::from(10u8).pow(places)))
    }
}

/// Formats the value as an integer, a terminating decimal, or a fraction with its approximation.
fn show(value: &RBig) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> String {
        evaluate(text, &|| false).unwrap_or_else(|trouble| format!("error: {trouble}"))
    }

    #[test]
    fn precedence_parentheses_and_signs() {
        for (text, expected) in [
            ("7 % 3", "1"),
            ("7%3", "1"),
            ("2+3*4", "14"),
            ("(2+3)*4", "20"),
            ("2-3-4", "-5"),
            ("100/10/5", "2"),
            ("-(2+3)", "-5"),
            ("--5", "5"),
            ("2*-3", "-6"),
            ("1.5+1.5", "3"),
            ("0.1+0.2", "0.3"),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
    }

    #[test]
    fn operators_may_be_written_as_in_a_book() {
        for (text, expected) in
            [("7 \u{2212} 3", "4"), ("\u{2212}3 \u{d7} 2", "-6"), ("7 \u{f7} 2", "3.5"), ("2\u{b7}3", "6")]
        {
            assert_eq!(value(text), expected, "{text}");
        }
    }

    #[test]
    fn approximations_are_rounded_to_the_nearest() {
        for (text, expected) in [("20/3", "20/3 ≈ 6.666666666666667"), ("2/3", "2/3 ≈ 0.6666666666666667")]
        {
            assert_eq!(value(text), expected, "{text}");
        }
        // Rounding carries into a new digit: 0.99999999999999995…
        assert!(
            value("29999999999999998.6/30000000000000000.1").ends_with("≈ 1"),
            "{}",
            value("29999999999999998.6/30000000000000000.1")
        );
        for n in 1..400 {
            for d in [3, 7, 11, 13, 17, 999] {
                let shown = value(&format!("{n}/{d}"));
                let Some((_, about)) = shown.split_once("≈ ") else { continue };
                let (about, exact) = (about.parse::<f64>().unwrap(), f64::from(n) / f64::from(d));
                assert!((about - exact).abs() <= exact * 8e-16, "{shown}");
            }
        }
    }

    #[test]
    fn what_is_wrong_is_found_without_computing() {
        for (text, column) in [
            ("1 +", Some(4)),
            ("2 3", Some(3)),
            ("(1", Some(1)),
            ("1/0", None),
            ("9*9", None),
            ("x", Some(1)),
        ] {
            assert_eq!(check(text).map(|trouble| trouble.column), column, "{text}");
        }
    }

    #[test]
    fn row_68_remainder_takes_the_divisors_sign_and_quotients_are_exact() {
        for (text, expected) in [
            ("7 % -3", "-2"),
            ("-7 % 3", "2"),
            ("-7 % -3", "-1"),
            ("7 / 2", "3.5"),
            ("-7 / 2", "-3.5"),
            ("1/3", "1/3 ≈ 0.3333333333333333"),
            ("-2/3", "-2/3 ≈ -0.6666666666666667"),
            ("1/3*3", "1"),
            ("7.5 % 2", "1.5"),
            ("1/8", "0.125"),
            ("22/7", "22/7 ≈ 3.142857142857143"),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
    }

    #[test]
    fn row_66_division_by_zero_says_where() {
        assert_eq!(value("1/0"), "error: division by zero at column 2");
        assert_eq!(value("5 % 0"), "error: division by zero at column 3");
        assert_eq!(value("1/(2-2)"), "error: division by zero at column 2");
    }

    #[test]
    fn row_67_numbers_are_exact_to_ten_thousand_digits_and_then_refused() {
        let big = "9".repeat(5000);
        let square = value(&format!("{big}*{big}"));
        assert_eq!(square.len(), 10_000);
        assert!(square.starts_with("9999") && square.ends_with("0001"));
        assert!(value(&format!("{big}*{big}*100")).starts_with("error: result too large"));
        assert!(value(&"9".repeat(10_001)).starts_with("error: a number has more than 10000 digits"));
        assert_eq!(value(&format!("{0}-{0}", "7".repeat(10_000))), "0");
        assert!(value("1/7").len() < 40);
    }

    #[test]
    fn row_69_nesting_ends_at_64() {
        let nested = |n: usize| format!("{}1{}", "(".repeat(n), ")".repeat(n));
        assert_eq!(value(&nested(64)), "1");
        assert_eq!(value(&nested(65)), "error: nested too deeply: more than 64 levels at column 65");
        assert!(value(&nested(2000)).contains("nested too deeply"));
        assert!(value(&format!("{}1", "-".repeat(2000))).contains("nested too deeply"));
    }

    #[test]
    fn row_70_an_expression_has_a_limit_and_takes_linear_time() {
        assert!(value(&"1+".repeat(1 << 19)).starts_with("error: too long"));
        assert_eq!(value(&format!("{}0", "1+".repeat(4000))), "4000");
    }

    #[test]
    fn row_71_odd_input_is_answered_with_a_column() {
        for (text, column) in [
            ("", 1),
            ("   ", 4),
            ("2 3", 3),
            ("0x10", 2),
            ("1..2", 2),
            ("٣+1", 1),
            ("1\0", 2),
            ("1,5", 2),
            ("1+", 3),
            ("*2", 1),
            ("(1", 1),
            ("1)", 2),
            ("()", 2),
            ("1.", 2),
            (".5", 1),
            ("a", 1),
            ("1 + é", 5),
            ("(1 2)", 4),
        ] {
            let answer = value(text);
            assert!(
                answer.starts_with("error: ") && answer.ends_with(&format!("at column {column}")),
                "{text:?}: {answer}"
            );
        }
    }

    #[test]
    fn huge_and_tiny_quotients_are_approximated() {
        assert!(
            value("1/30000000000000000000000").ends_with("≈ 3.333333333333333e-23"),
            "{}",
            value("1/30000000000000000000000")
        );
        assert!(value("100000000000000000000000/3").ends_with("≈ 3.333333333333333e22"));
    }

    #[test]
    fn any_text_is_answered() {
        let alphabet: Vec<char> = "0123456789+-*/%() .,aé\0".chars().collect();
        let mut state = 3u64;
        for _ in 0..50_000 {
            let mut text = String::new();
            for _ in 0..state >> 60 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(17);
                text.push(alphabet[(state >> 33) as usize % alphabet.len()]);
            }
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            drop(evaluate(&text, &|| false));
        }
    }
}
