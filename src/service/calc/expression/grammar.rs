//! Text → expression.
//!
//! ```text
//! sum     = product { ( "+" | "-" ) product } ;             "−" is "-"
//! product = unary { ( "*" | "/" | "%" ) unary } ;          "×" and "·" are "*", "÷" is "/"
//! unary   = { "-" | "+" } atom ;
//! atom    = number | "(" sum ")" ;
//! number  = digits [ "." digits ] ;
//! ```

use nom::branch::alt;
use nom::character::complete::{anychar, char, digit1, space0};
use nom::combinator::{cut, map, map_opt, opt, recognize, rest_len};
use nom::error::{ErrorKind, ParseError};
use nom::multi::fold_many0;
use nom::sequence::{preceded, terminated};
use nom::{Err, IResult, Parser};

use super::{DEPTH_LIMIT, DIGIT_LIMIT, EXPRESSION_LIMIT, Trouble};

/// An expression. Places are counted in bytes from the end of the text.
#[derive(Debug)]
pub(super) enum Expression<'a> {
    /// Digits, with at most one point between them.
    Number(&'a str),
    /// The opposite of an expression.
    Negated(Box<Self>),
    /// Operands joined by operators of one precedence, computed from the left.
    Chain(Box<Self>, Vec<Operation<'a>>),
}

/// An operator and its right operand.
#[derive(Debug)]
pub(super) struct Operation<'a> {
    pub(super) operator: Operator,
    /// Where the operator is.
    pub(super) behind: usize,
    pub(super) operand: Expression<'a>,
}

/// An operator between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Plus,
    Minus,
    Times,
    DividedBy,
    /// `a % b` is `a - b * floor(a / b)`: it takes the sign of `b`.
    Modulo,
}

const SUMS: [(char, Operator); 3] =
    [('+', Operator::Plus), ('-', Operator::Minus), ('\u{2212}', Operator::Minus)];
const PRODUCTS: [(char, Operator); 6] = [
    ('*', Operator::Times),
    ('\u{d7}', Operator::Times),
    ('\u{b7}', Operator::Times),
    ('/', Operator::DividedBy),
    ('\u{f7}', Operator::DividedBy),
    ('%', Operator::Modulo),
];

/// What a rule returns: the text after it and its value.
type Read<'a, T> = IResult<&'a str, T, Trouble>;

impl ParseError<&str> for Trouble {
    /// No rule lets this be seen: whoever fails says why.
    fn from_error_kind(rest: &str, _: ErrorKind) -> Self {
        Self { why: String::new(), behind: rest.len() }
    }

    fn append(_: &str, _: ErrorKind, other: Self) -> Self {
        other
    }
}

/// Reads a whole text.
pub(super) fn expression(text: &str) -> Result<Expression<'_>, Trouble> {
    let trouble = |why: String| Trouble { why, behind: text.len() };
    if text.bytes().filter(|byte| !byte.is_ascii_digit()).count() > EXPRESSION_LIMIT {
        return Err(trouble(format!("too long: more than {EXPRESSION_LIMIT} characters besides digits")));
    }
    match preceded(space0, terminated(given, end)).parse(text) {
        Ok((_, expression)) => Ok(expression),
        Err(Err::Error(trouble) | Err::Failure(trouble)) => Err(trouble),
        Err(Err::Incomplete(_)) => Err(trouble("the expression ends too early".into())),
    }
}

fn given(input: &str) -> Read<'_, Expression<'_>> {
    if input.is_empty() { fails(input, "nothing to compute") } else { sum(0)(input) }
}

fn end(rest: &str) -> Read<'_, ()> {
    match rest.chars().next() {
        None => Ok((rest, ())),
        Some(')') => fails(rest, "a `)` without its `(`"),
        Some(c) if begins_operand(c) => fails(rest, "an operator is missing here"),
        Some(',') => fails(rest, "a decimal is written with a point"),
        Some(c) => unknown(rest, c),
    }
}

fn sum<'a>(depth: usize) -> impl Fn(&'a str) -> Read<'a, Expression<'a>> {
    move |input| chain(input, &SUMS, |input| chain(input, &PRODUCTS, unary(depth)))
}

fn chain<'a>(
    input: &'a str,
    operators: &'static [(char, Operator)],
    operand: impl Fn(&'a str) -> Read<'a, Expression<'a>>,
) -> Read<'a, Expression<'a>> {
    let (rest, first) = operand(input)?;
    let operation = map((rest_len, one_of(operators), cut(operand)), |(behind, operator, operand)| {
        Operation { operator, behind, operand }
    });
    // Folded, for `many0` reserves memory before it has found one.
    let (rest, others) = fold_many0(operation, Vec::new, |mut found, operation| {
        found.push(operation);
        found
    })
    .parse(rest)?;
    let chained = if others.is_empty() { first } else { Expression::Chain(Box::new(first), others) };
    Ok((rest, chained))
}

/// One of the operators, and the blanks after it.
fn one_of<'a>(
    operators: &'static [(char, Operator)],
) -> impl Parser<&'a str, Output = Operator, Error = Trouble> {
    let known = |c| operators.iter().find(|(written, _)| *written == c).map(|(_, operator)| *operator);
    terminated(map_opt(anychar, known), space0)
}

fn unary<'a>(depth: usize) -> impl Fn(&'a str) -> Read<'a, Expression<'a>> {
    move |input| match one_of(&SUMS).parse(input) {
        Ok((rest, sign)) => {
            let (rest, operand) = unary(deeper(input, depth)?)(rest)?;
            let operand =
                if sign == Operator::Minus { Expression::Negated(Box::new(operand)) } else { operand };
            Ok((rest, operand))
        }
        Err(_) => atom(depth, input),
    }
}

fn atom(depth: usize, input: &str) -> Read<'_, Expression<'_>> {
    alt((
        |input| parenthesised(depth, input),
        terminated(map(number, Expression::Number), space0),
        no_operand,
    ))
    .parse(input)
}

fn parenthesised(depth: usize, input: &str) -> Read<'_, Expression<'_>> {
    let (rest, _) = terminated(char('('), space0).parse(input)?;
    let (rest, inside) = cut(sum(deeper(input, depth)?)).parse(rest)?;
    match rest.chars().next() {
        Some(')') => space0.parse(&rest[1..]).map(|(rest, _)| (rest, inside)),
        None => fails(input, "this `(` is never closed"),
        Some(c) if begins_operand(c) => fails(rest, "an operator is missing here"),
        Some(c) => unknown(rest, c),
    }
}

fn number(input: &str) -> Read<'_, &str> {
    let digits = recognize((digit1, opt((char('.'), digit1))));
    let (rest, number) = { digits }.parse(input)?;
    if number.split('.').any(|part| part.len() > DIGIT_LIMIT) {
        return fails(input, format!("a number has more than {DIGIT_LIMIT} digits"));
    }
    match rest.chars().next() {
        Some('.') => fails(rest, "a digit must follow the point, and there is one point in a number"),
        Some(c) if c.is_alphabetic() || c == '_' => {
            fails(rest, "numbers are decimal: digits and at most one point")
        }
        _ => Ok((rest, number)),
    }
}

fn no_operand<T>(input: &str) -> Read<'_, T> {
    match input.chars().next() {
        Some(')' | '*' | '/' | '%') => fails(input, "a number is missing here"),
        Some('.') => fails(input, "a number begins with a digit"),
        Some(c) => unknown(input, c),
        None => fails(input, "the expression ends too early"),
    }
}

const fn begins_operand(c: char) -> bool {
    c.is_ascii_digit() || c == '('
}

fn unknown<T>(rest: &str, c: char) -> Read<'_, T> {
    let shown = crate::base::escape::escape_line(c.encode_utf8(&mut [0; 4])).into_owned();
    fails(rest, format!("`{shown}` is not part of arithmetic"))
}

/// One level of nesting more; `input` begins with what nests.
fn deeper(input: &str, depth: usize) -> Result<usize, Err<Trouble>> {
    if depth < DEPTH_LIMIT {
        return Ok(depth + 1);
    }
    fails(input, format!("nested too deeply: more than {DEPTH_LIMIT} levels")).map(|(_, depth)| depth)
}

/// The error of a rule that has begun: no alternative is tried.
fn fails<T>(rest: &str, why: impl Into<String>) -> Read<'_, T> {
    Err(Err::Failure(Trouble { why: why.into(), behind: rest.len() }))
}
