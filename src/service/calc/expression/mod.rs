//! Exact arithmetic: text → [`grammar`] → expression → [`compute`] → value → [`show`]. Pure, linear in the number of
//! operators, and bounded: characters, digits, nesting, and the size of every result.
//!
//! | file | holds |
//! |---|---|
//! | `grammar` | text → expression, with nom |
//! | `compute` | expression → value |
//! | `show` | value → text |

mod compute;
mod grammar;
mod show;

use std::fmt;

/// Maximum digits of a number or a result; numerator and denominator are counted separately.
pub const DIGIT_LIMIT: usize = 10_000;
/// Maximum nesting of parentheses and signs.
pub const DEPTH_LIMIT: usize = 64;
/// Maximum bytes that are not digits: operators, parentheses, blanks.
pub const EXPRESSION_LIMIT: usize = 4 << 10;

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
    grammar::expression(text).err().map(|trouble| trouble.in_text(text))
}

/// Computes `text`. `is_late` is called between operations; when it returns true, the computation is given up.
pub fn evaluate(text: &str, is_late: &dyn Fn() -> bool) -> Result<String, ExpressionError> {
    let value = grammar::expression(text).and_then(|expression| compute::value(&expression, is_late));
    value.map(|value| show::show(&value)).map_err(|trouble| trouble.in_text(text))
}

/// What is wrong with an expression, and how many bytes from its end.
#[derive(Debug)]
struct Trouble {
    why: String,
    behind: usize,
}

impl Trouble {
    fn in_text(self, text: &str) -> ExpressionError {
        let before = &text[..text.len().saturating_sub(self.behind)];
        ExpressionError { why: self.why, column: before.chars().count() + 1 }
    }
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
