//! The syntax of a script: what was written, with spans, before any name is looked up.

use std::ops::Range;
use std::time::Duration;

use super::parse::lexer::Word;
use crate::base::Dimension;

/// One statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// Byte range in the text, prefixes included.
    pub span: Range<usize>,
    /// Prefixes such as `retry`, outermost first.
    pub prefixes: Vec<Prefix>,
    /// The statement after the prefixes.
    pub body: Body,
}

/// A modifier before a simple statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Prefix {
    /// Passes only if the command fails, and with this text in its reason or this code, if one is given.
    ExpectError(Option<Word>),
    /// Runs the statement until it succeeds.
    Retry {
        /// Most attempts.
        times: u64,
        /// The pause between two attempts.
        every: Duration,
    },
    /// Runs the statement this many times.
    Repeat(u64),
    /// Runs the statement when the test or script ends, in reverse order.
    Defer,
    /// Runs the statement whenever something happens in a session; `it` is who spoke.
    On(Box<Trigger>),
}

/// `on X (says TEXT | matching RE | joins | ends | otherwise) {delay D | times N}`
#[derive(Clone, Debug, PartialEq)]
pub struct Trigger {
    /// A raw session, or a raw server: then all its clients.
    pub session: Word,
    /// What it waits for.
    pub event: TriggerEvent,
    /// How long after that the statement runs.
    pub delay: Duration,
    /// How often it runs at most; `None`: as often as it happens.
    pub times: Option<u64>,
}

/// What a handler waits for.
#[derive(Clone, Debug, PartialEq)]
pub enum TriggerEvent {
    /// This text came.
    Says(Word),
    /// Something came that this regular expression matches.
    Matching(Word),
    /// A client has connected.
    Joins,
    /// The peer has sent its end.
    Ends,
    /// A line or a datagram came that no other handler took.
    Otherwise,
}

/// A statement without its prefixes.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A verb with its arguments.
    Command {
        /// The first word.
        verb: Word,
        /// The words after the verb.
        words: Vec<Word>,
        /// True if the command ends in `&`.
        background: bool,
    },
    /// `expect VALUE …`
    Expect(Expectation),
    /// `expect X says …`
    ExpectSession(SessionExpectation),
    /// `expect file …`
    ExpectFile(FileExpectation),
    /// `let NAME = VALUE`
    Let {
        /// The name to bind.
        name: String,
        /// The value, which may contain references.
        value: Word,
    },
    /// `secret NAME`: read from the environment and never shown.
    Secret(String),
    /// `!CMD`: a command line for the system's shell.
    Shell(String),
    /// `skip "reason" [unless VALUE]`
    Skip {
        /// Why the rest of the test is skipped.
        reason: Word,
        /// The rest runs if this value is true; `None` always skips.
        unless: Option<Word>,
    },
    /// `source PATH`
    Source(Word),
    /// `test "name" …`, which begins a test.
    Test(Heading),
    /// `timeout D`
    Timeout(Duration),
}

/// The error code that an unquoted word such as `E-refused` names; `None` for any other word.
pub fn error_code(word: &Word) -> Option<std::borrow::Cow<'_, str>> {
    word.literal().filter(|text| !word.quoted && text.starts_with("E-"))
}

/// `test "name" serial timeout 5s tag slow`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heading {
    /// The name of the test.
    pub name: String,
    /// True if no other test may run at the same time.
    pub serial: bool,
    /// Time limit of the test; `None` for the default.
    pub timeout: Option<Duration>,
    /// Tags to choose tests by.
    pub tags: Vec<String>,
}

/// `expect [not] left [op right] [within D]`
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// True after `not`: the condition must not hold.
    pub negated: bool,
    /// The value that is tested.
    pub left: Word,
    /// The comparison and its right side; `None` if `left` is a condition by itself.
    pub test: Option<(Comparison, Word)>,
    /// How long to wait for the condition; `None` tests it once.
    pub within: Option<Duration>,
}

/// `expect [not] X (says TEXT | says matching RE | hex HEX | ends | silent for D) [within D] [as NAME]`
#[derive(Clone, Debug, PartialEq)]
pub struct SessionExpectation {
    /// True after `not`: the condition must not hold.
    pub negated: bool,
    /// The session that is looked at.
    pub session: Word,
    /// What is tested.
    pub test: SessionTest,
    /// How long to wait for the condition; `None` tests it once.
    pub within: Option<Duration>,
    /// The name for what was matched.
    pub binding: Option<String>,
}

/// A condition on what a session receives. A match consumes what was received, up to its end.
#[derive(Clone, Debug, PartialEq)]
pub enum SessionTest {
    /// It received this text.
    Says(Word),
    /// It received something that this regular expression matches.
    Matching(Word),
    /// It received these bytes; `??` is any.
    Hex(Word),
    /// Nothing more will come from the peer.
    Ends,
    /// Nothing comes for this time from now on.
    Silent(Duration),
    /// Its record holds a packet that this filter matches.
    Traced(Word),
}

impl SessionTest {
    /// The word of the test, if it has one.
    pub const fn word(&self) -> Option<&Word> {
        match self {
            Self::Says(word) | Self::Matching(word) | Self::Hex(word) | Self::Traced(word) => Some(word),
            Self::Ends | Self::Silent(_) => None,
        }
    }
}

/// `expect [not] file PATH (exists | same as PATH | contains TEXT) [within D]`
#[derive(Clone, Debug, PartialEq)]
pub struct FileExpectation {
    /// True after `not`: the condition must not hold.
    pub negated: bool,
    /// The file that is tested.
    pub path: Word,
    /// What is tested.
    pub test: FileTest,
    /// How long to wait for the condition; `None` tests it once.
    pub within: Option<Duration>,
}

/// A condition on a file.
#[derive(Clone, Debug, PartialEq)]
pub enum FileTest {
    /// The file exists.
    Exists,
    /// Its content equals that of the file at this path.
    SameAs(Word),
    /// It contains this text.
    Contains(Word),
}

/// A comparison of two values; [`Comparison::help`] says when each holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `contains`: a part of a text.
    Contains,
    /// `matches`: a regular expression.
    Matches,
}

impl Comparison {
    /// The words of the language for the comparisons.
    pub const WORDS: [(&'static str, Self); 8] = [
        ("==", Self::Equal),
        ("!=", Self::NotEqual),
        ("<", Self::Less),
        ("<=", Self::LessOrEqual),
        (">", Self::Greater),
        (">=", Self::GreaterOrEqual),
        ("contains", Self::Contains),
        ("matches", Self::Matches),
    ];

    /// True for `==`, `contains` and the other words for comparisons.
    pub fn is_word(word: &Word) -> bool {
        Self::WORDS.iter().any(|(name, _)| word.is(name))
    }

    /// When the comparison holds, in words.
    pub const fn help(self) -> &'static str {
        match self {
            Self::Equal => "both are equal; numbers, sizes, rates and durations compare by value",
            Self::NotEqual => "the two values differ",
            Self::Less => "the left one is smaller",
            Self::LessOrEqual => "the left one is smaller, or they are equal",
            Self::Greater => "the left one is larger",
            Self::GreaterOrEqual => "the left one is larger, or they are equal",
            Self::Contains => "the right text is a part of the left one",
            Self::Matches => "the right one is a regular expression that the left one matches",
        }
    }

    const fn wants_order(self) -> bool {
        matches!(self, Self::Less | Self::LessOrEqual | Self::Greater | Self::GreaterOrEqual)
    }

    /// False if the comparison makes no sense between the two dimensions: `<` without an order, or `==` between
    /// dimensions that are never equal.
    pub fn fits(self, left: Dimension, right: Dimension) -> bool {
        match self {
            Self::Equal | Self::NotEqual => !left.excludes(right),
            _ => !self.wants_order() || left.has_order_with(right),
        }
    }

    /// Why the comparison does not fit, for an error message.
    pub fn mismatch(self, left: Dimension, right: Dimension) -> String {
        let (one, other) = (left.describe(), right.describe());
        match (self.wants_order(), left == right) {
            (true, true) => format!("`{}`: {one} has no order", self.word()),
            (true, false) => format!("`{}`: {one} and {other} have no order", self.word()),
            (false, _) => format!("`{}`: {one} is never {other}", self.word()),
        }
    }

    /// The word of the language for it.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, c)| *c == self).map_or("", |(word, _)| word)
    }
}
