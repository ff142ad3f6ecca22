//! What may follow the words of a line. The parser itself answers, so "expected …", completion and hints cannot
//! disagree with what it accepts.

use crate::base::Carrier;
use crate::language::kind::Kind;
use crate::language::script::Comparison;
use crate::language::statement;
use crate::language::verb::{Keyword, Param};

/// One thing that may come next.
#[derive(Clone, Copy, Debug)]
pub enum Next {
    /// A built-in statement, by its first word.
    Statement(&'static str),
    /// The verb of a command.
    Verb,
    /// A keyword inside a statement.
    Word(&'static str),
    /// A value inside a statement, described in words.
    Value(&'static str),
    /// A local path.
    Path,
    /// A positional argument of the verb.
    Param(&'static Param),
    /// A service, over the carrier if that is known already.
    Service(&'static Param, Option<Carrier>),
    /// A keyword of the verb.
    Keyword(&'static Keyword),
    /// The value after a keyword.
    KeywordValue(&'static Keyword, Kind),
    /// `HOST:PORT`, after `tcp` or `udp`.
    Address,
    /// `as NAME`
    As,
    /// A name after `as`.
    Name,
    /// `&`
    Background,
    /// Nothing more.
    End,
}

impl PartialEq for Next {
    /// Used to list each of the language's own words once. The arguments of a verb are listed once anyway and never
    /// compare equal.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Statement(one), Self::Statement(two))
            | (Self::Word(one), Self::Word(two))
            | (Self::Value(one), Self::Value(two)) => one == two,
            (Self::Verb, Self::Verb) | (Self::Path, Self::Path) | (Self::End, Self::End) => true,
            _ => false,
        }
    }
}

impl Next {
    /// The text for "expected …".
    pub fn describe(&self) -> String {
        match self {
            Self::Statement(word) | Self::Word(word) | Self::Value(word) => (*word).into(),
            Self::Verb => "a command".into(),
            Self::Path => Kind::Path.describe(),
            Self::Param(param) | Self::Service(param, _) => param.kind.describe(),
            Self::Keyword(keyword) => keyword.form(),
            Self::KeywordValue(_, kind) => kind.describe(),
            Self::Address => Kind::Endpoint.describe(),
            Self::As => "as NAME".into(),
            Self::Name => "a name".into(),
            Self::Background => "&".into(),
            Self::End => "the end of the line".into(),
        }
    }

    /// The text for the grey hint after the cursor; `None` for what a hint does not show.
    pub fn placeholder(&self) -> Option<String> {
        Some(match self {
            Self::Word(word) => format!("[{word}]"),
            Self::Value(what) => format!("<{what}>"),
            Self::Path => Kind::Path.placeholder(),
            Self::Service(param, _) => param.kind.placeholder_of(param.name),
            Self::Param(param) if param.required => param.kind.placeholder_of(param.name),
            Self::Param(param) => format!("[{}]", param.kind.placeholder_of(param.name)),
            Self::Keyword(keyword) if keyword.required => keyword.form(),
            Self::Keyword(keyword) => format!("[{}]", keyword.form()),
            Self::KeywordValue(_, kind) => kind.placeholder(),
            Self::Address => Kind::Endpoint.placeholder(),
            Self::Name => "NAME".into(),
            Self::Statement(_) | Self::Verb | Self::As | Self::Background | Self::End => return None,
        })
    }

    /// What it means, in a few words; empty if nothing is known.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Statement(word) => statement::statement(word).map_or("", |form| form.help),
            Self::Word(word) => Comparison::WORDS
                .iter()
                .find(|(name, _)| name == word)
                .map(|(_, comparison)| comparison.help())
                .or_else(|| statement::help_of(word))
                .unwrap_or_default(),
            Self::Param(param) | Self::Service(param, _) => param.help,
            Self::Keyword(keyword) | Self::KeywordValue(keyword, _) => keyword.help,
            Self::As => "bind the result to a name",
            Self::Background => "run in the background",
            Self::Value(_) | Self::Path | Self::Verb | Self::Address | Self::Name | Self::End => "",
        }
    }
}
