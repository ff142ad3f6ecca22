//! The syntax of a script: what was written, with spans, before any name is looked up.

use std::ops::Range;
use std::time::Duration;

use super::lexer::Word;
use crate::base::Dimension;

#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    pub span: Range<usize>,
    pub prefixes: Vec<Prefix>,
    pub body: Body,
}

/// What stands before a simple statement, outermost first.
#[derive(Clone, Debug, PartialEq)]
pub enum Prefix {
    /// Passes only if the command fails with this in its reason, or with this code.
    ExpectError(Option<Word>),
    Retry {
        times: u64,
        every: Duration,
    },
    Repeat(u64),
    /// Runs when the test or script ends, last first.
    Defer,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    Command {
        verb: Word,
        words: Vec<Word>,
        background: bool,
    },
    Expect(Expectation),
    ExpectFile(FileExpectation),
    Let {
        name: String,
        value: Word,
    },
    /// `secret NAME`: from the environment, shown nowhere.
    Secret(String),
    /// `!CMD`
    Shell(String),
    Skip {
        reason: Word,
        unless: Option<Word>,
    },
    Source(Word),
    Test(Heading),
    Timeout(Duration),
}

/// The code of an error that a word names: `E-refused`, not in quotes.
pub fn error_code(word: &Word) -> Option<std::borrow::Cow<'_, str>> {
    word.literal().filter(|text| !word.quoted && text.starts_with("E-"))
}

/// `test "name" serial timeout 5s tag slow`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heading {
    pub name: String,
    pub serial: bool,
    pub timeout: Option<Duration>,
    pub tags: Vec<String>,
}

/// `expect [not] left [op right] [within D]`
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    pub negated: bool,
    pub left: Word,
    pub test: Option<(Comparison, Word)>,
    pub within: Option<Duration>,
}

/// `expect [not] file PATH (exists | same as PATH | contains TEXT) [within D]`
#[derive(Clone, Debug, PartialEq)]
pub struct FileExpectation {
    pub negated: bool,
    pub path: Word,
    pub test: FileTest,
    pub within: Option<Duration>,
}

/// What a file is to be.
#[derive(Clone, Debug, PartialEq)]
pub enum FileTest {
    Exists,
    SameAs(Word),
    Contains(Word),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Contains,
    Matches,
    Says,
}

impl Comparison {
    pub const WORDS: [(&'static str, Self); 9] = [
        ("==", Self::Equal),
        ("!=", Self::NotEqual),
        ("<", Self::Less),
        ("<=", Self::LessOrEqual),
        (">", Self::Greater),
        (">=", Self::GreaterOrEqual),
        ("contains", Self::Contains),
        ("matches", Self::Matches),
        ("says", Self::Says),
    ];

    /// True for `==`, `contains` and their like.
    pub fn is_word(word: &Word) -> bool {
        Self::WORDS.iter().any(|(name, _)| word.is(name))
    }

    /// When it holds, in words.
    pub const fn help(self) -> &'static str {
        match self {
            Self::Equal => "both are the same; numbers, sizes, rates and durations compare by value",
            Self::NotEqual => "they differ",
            Self::Less => "the left one is smaller",
            Self::LessOrEqual => "it is smaller, or the same",
            Self::Greater => "it is larger",
            Self::GreaterOrEqual => "it is larger, or the same",
            Self::Contains => "the right text is a part of the left one",
            Self::Matches => "the right one is a regular expression that the left one matches",
            Self::Says => "a line that the session received, and was not matched before, contains the text",
        }
    }

    const fn wants_order(self) -> bool {
        matches!(self, Self::Less | Self::LessOrEqual | Self::Greater | Self::GreaterOrEqual)
    }

    /// False if the comparison of the two kinds means nothing: `<` without an order, or two that are never equal.
    pub fn fits(self, left: Dimension, right: Dimension) -> bool {
        match self {
            Self::Equal | Self::NotEqual => !left.excludes(right),
            _ => !self.wants_order() || left.has_order_with(right),
        }
    }

    /// Why it does not fit.
    pub fn mismatch(self, left: Dimension, right: Dimension) -> String {
        let (one, other) = (left.describe(), right.describe());
        match (self.wants_order(), left == right) {
            (true, true) => format!("`{}`: {one} has no order", self.word()),
            (true, false) => format!("`{}`: {one} and {other} have no order", self.word()),
            (false, _) => format!("`{}`: {one} is never {other}", self.word()),
        }
    }

    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, c)| *c == self).map_or("", |(word, _)| word)
    }
}
