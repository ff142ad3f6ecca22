//! A verb is one row of data. Parser, completion, hints, `help` and the reference come from the row, so
//! they cannot disagree.

use super::diagnostic::nearest;
use super::kind::Kind;
use crate::base::{Dimension, Transport};

/// A command of the language.
#[derive(Debug)]
pub struct Verb {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    /// One line for `help`.
    pub summary: &'static str,
    /// More lines for `help VERB`.
    pub details: &'static str,
    pub params: &'static [Param],
    pub keywords: &'static [Keyword],
    /// What the result holds.
    pub fields: &'static [Field],
    /// A line that the tests run.
    pub example: &'static str,
    /// What one would do behind a success, said once at the prompt; empty: nothing. `{session}` is what it made,
    /// `{peer}` where it went, `{name}` a field of its result.
    pub next: &'static str,
    pub lasting: Lasting,
}

/// How long a command takes, and whether it may stand before `&`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasting {
    /// Answers at once; no session.
    Instant,
    /// A session that the prompt waits for, unless `&` stands behind it.
    Job,
    /// A session that goes on in the background once it is ready.
    Service,
}

/// A positional argument.
#[derive(Debug)]
pub struct Param {
    pub name: &'static str,
    pub kind: Kind,
    pub required: bool,
    /// Several may stand one behind the other.
    pub many: bool,
    pub help: &'static str,
}

/// An argument behind its word: `chunk 64K`, or a flag: `replace`.
#[derive(Debug)]
pub struct Keyword {
    pub word: &'static str,
    /// `None`: a flag.
    pub kind: Option<Kind>,
    /// The value may be left out (`play`, `play mpv`).
    pub optional: bool,
    pub required: bool,
    /// The value is a secret: shown as `***` everywhere.
    pub secret: bool,
    /// Shown in `help`.
    pub help: &'static str,
    pub default: &'static str,
}

/// A field of a result.
#[derive(Debug, PartialEq, Eq)]
pub struct Field {
    pub name: &'static str,
    pub help: &'static str,
    pub dimension: Dimension,
}

/// A service that `listen` can start.
#[derive(Debug)]
pub struct Service {
    pub name: &'static str,
    pub transports: &'static [Transport],
    pub summary: &'static str,
}

impl Param {
    pub const fn required(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self { name, kind, required: true, many: false, help }
    }

    /// One or more.
    pub const fn many(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self { name, kind, required: true, many: true, help }
    }

    pub const fn optional(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self { name, kind, required: false, many: false, help }
    }
}

impl Keyword {
    pub const fn new(word: &'static str, kind: Kind, help: &'static str) -> Self {
        Self { word, kind: Some(kind), optional: false, required: false, secret: false, help, default: "" }
    }

    pub const fn flag(word: &'static str, help: &'static str) -> Self {
        Self { word, kind: None, optional: false, required: false, secret: false, help, default: "" }
    }

    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    pub const fn optional_value(mut self) -> Self {
        self.optional = true;
        self
    }

    pub const fn default(mut self, default: &'static str) -> Self {
        self.default = default;
        self
    }

    /// `chunk SIZE`, `replace`, `play [PLAYER]`
    pub fn form(&self) -> String {
        match (&self.kind, self.optional) {
            (None, _) => self.word.to_owned(),
            (Some(kind), false) => format!("{} {}", self.word, kind.placeholder()),
            (Some(kind), true) => format!("{} [{}]", self.word, kind.placeholder()),
        }
    }
}

impl Field {
    const fn of(dimension: Dimension, name: &'static str, help: &'static str) -> Self {
        Self { name, help, dimension }
    }

    /// A plain number.
    pub const fn count(name: &'static str, help: &'static str) -> Self {
        Self::of(Dimension::Count, name, help)
    }

    /// In bytes.
    pub const fn size(name: &'static str, help: &'static str) -> Self {
        Self::of(Dimension::Size, name, help)
    }

    /// In bytes a second.
    pub const fn rate(name: &'static str, help: &'static str) -> Self {
        Self::of(Dimension::Rate, name, help)
    }

    /// A time in seconds.
    pub const fn seconds(name: &'static str, help: &'static str) -> Self {
        Self::of(Dimension::Duration, name, help)
    }

    pub const fn state(name: &'static str, help: &'static str) -> Self {
        Self::of(Dimension::State, name, help)
    }

    pub const fn text(name: &'static str, help: &'static str) -> Self {
        Self::of(Dimension::Text, name, help)
    }
}

impl Verb {
    /// The usage line: `send PATH to ENDPOINT [chunk SIZE] …`
    pub fn usage(&self) -> String {
        let mut out = self.name.to_owned();
        for param in self.params {
            let name = param.kind.placeholder_of(param.name);
            out.push_str(&match (param.required, param.many) {
                (true, false) => format!(" {name}"),
                (true, true) => format!(" {name}…"),
                (false, _) => format!(" [{name}]"),
            });
        }
        for keyword in self.keywords.iter().filter(|k| k.required) {
            out.push_str(&format!(" {}", keyword.form()));
        }
        for keyword in self.keywords.iter().filter(|k| !k.required) {
            out.push_str(&format!(" [{}]", keyword.form()));
        }
        out
    }

    pub fn keyword(&self, word: &str) -> Option<&'static Keyword> {
        self.keywords.iter().find(|keyword| keyword.word == word)
    }
}

/// Says what is wrong with an expression, and at which character, from 1.
pub type CheckExpression = fn(&str) -> Option<(String, usize)>;

/// All verbs and services: the catalogue, as the language sees it.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    pub verbs: Vec<&'static Verb>,
    pub services: Vec<&'static Service>,
    /// What is wrong with an arithmetic expression, and at which character, from 1.
    pub check_expression: Option<CheckExpression>,
    /// The words of the error codes, for `expect error E-…`.
    pub codes: Vec<&'static str>,
    /// At the prompt a unique prefix of a verb is enough; in files it is not.
    pub prefixes: bool,
}

impl Vocabulary {
    /// The verb that `word` names.
    pub fn verb(&self, word: &str) -> Option<&'static Verb> {
        let exact = self.verbs.iter().find(|verb| verb.name == word || verb.aliases.contains(&word));
        if exact.is_some() || !self.prefixes || word.is_empty() {
            return exact.copied();
        }
        let mut matching = self.verbs.iter().filter(|verb| verb.name.starts_with(word));
        match (matching.next(), matching.next()) {
            (Some(verb), None) => Some(verb),
            _ => None,
        }
    }

    /// What an unknown verb was probably meant to be.
    pub fn nearest_verb(&self, word: &str) -> Option<&'static str> {
        let names =
            self.verbs.iter().flat_map(|verb| std::iter::once(verb.name).chain(verb.aliases.iter().copied()));
        nearest(word, names.chain(super::statement::STATEMENTS.iter().map(|form| form.word)))
    }
}
