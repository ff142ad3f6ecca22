//! The parts of a word.

use nom::bytes::complete::{take_while, take_while_m_n, take_while1};
use nom::character::complete::char;
use nom::combinator::{map, recognize, verify};
use nom::multi::{many0_count, separated_list1};
use nom::sequence::preceded;
use nom::{IResult, Parser};
use smallvec::SmallVec;

use super::token::Segment;

/// One piece of a word.
pub(super) enum WordPart<'a> {
    Bare(&'a str),
    Quoted(SmallVec<[Segment; 1]>),
    Reference(Vec<String>),
}

/// What a double quote holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Text,
    /// A regular expression: its own escapes stay, and a `$` that begins no name is the end of a line.
    Pattern,
}

/// True if a word ends before this.
pub(super) fn ends_word(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with(|c: char| c.is_whitespace() || c == ';' || c == '#')
}

/// `$name`, `$name.field`, `$1`
pub(super) fn reference(input: &str) -> IResult<&str, Vec<String>> {
    preceded(char('$'), separated_list1(char('.'), map(name, String::from))).parse(input)
}

/// A name: letters, digits, `_`, and `-` inside.
fn name(input: &str) -> IResult<&str, &str> {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    verify(
        recognize((
            take_while_m_n(1, 1, inside),
            take_while(inside),
            many0_count((char('-'), take_while1(inside))),
        )),
        |name: &str| !name.is_empty(),
    )
    .parse(input)
}
