//! Expression → value, as an exact fraction.

use dashu_int::ops::BitTest;
use dashu_int::{IBig, UBig};
use dashu_ratio::RBig;

use super::grammar::{Expression, Operation, Operator};
use super::{DIGIT_LIMIT, Trouble};

/// Computes `expression`, unless `is_late` says between two operations that it takes too long.
pub(super) fn value(expression: &Expression<'_>, is_late: &dyn Fn() -> bool) -> Result<RBig, Trouble> {
    match expression {
        Expression::Number(text) => Ok(number(text)),
        Expression::Negated(operand) => value(operand, is_late).map(|value| -value),
        Expression::Chain(first, operations) => {
            operations.iter().try_fold(value(first, is_late)?, |left, operation| {
                let right = value(&operation.operand, is_late)?;
                apply(left, operation, right, is_late)
            })
        }
    }
}

fn number(text: &str) -> RBig {
    let (whole, places) = text.split_once('.').unwrap_or((text, ""));
    let digits = [whole, places].concat();
    let value = IBig::from_str_radix(&digits, 10).expect("the grammar lets only digits pass");
    RBig::from_parts(value, UBig::from(10u8).pow(places.len()))
}

fn apply(
    left: RBig,
    operation: &Operation<'_>,
    right: RBig,
    is_late: &dyn Fn() -> bool,
) -> Result<RBig, Trouble> {
    let fails = |why: String| Err(Trouble { why, behind: operation.behind });
    if matches!(operation.operator, Operator::DividedBy | Operator::Modulo) && right.is_zero() {
        return fails("division by zero".into());
    }
    let value = match operation.operator {
        Operator::Plus => left + right,
        Operator::Minus => left - right,
        Operator::Times => left * right,
        Operator::DividedBy => left / right,
        Operator::Modulo => {
            let whole = RBig::from((left.clone() / right.clone()).floor());
            left - right * whole
        }
    };
    if is_large(&value) {
        fails(format!("result too large: more than {DIGIT_LIMIT} digits"))
    } else if is_late() {
        fails("the computation takes too long".into())
    } else {
        Ok(value)
    }
}

/// Operands are bounded, so an operation is safe to compute first; its result is checked afterwards.
fn is_large(value: &RBig) -> bool {
    const BITS: usize = DIGIT_LIMIT * 3322 / 1000 + 4;
    value.numerator().bit_len() > BITS || value.denominator().bit_len() > BITS
}
