//! A verb is one row of data. Parser, completion, hints, `help` and the reference come from the row, so
//! they cannot disagree.

use super::kind::Kind;
use crate::base::{Carrier, Dimension};

/// A command of the language.
#[derive(Debug)]
pub struct Verb {
    /// The word that begins the command.
    pub name: &'static str,
    /// Other words for the same verb, for users of other programs.
    pub aliases: &'static [&'static str],
    /// One line for `help`.
    pub summary: &'static str,
    /// More lines for `help VERB`.
    pub details: &'static str,
    /// Positional arguments, in order.
    pub params: &'static [Param],
    /// Arguments introduced by a keyword, in any order.
    pub keywords: &'static [Keyword],
    /// The fields of the result.
    pub fields: &'static [Field],
    /// A valid example, which the tests run.
    pub example: &'static str,
    /// The command to suggest after a success, shown once at the prompt; empty for none. `{session}` is the session
    /// that was created, `{peer}` its destination, `{name}` a field of its result.
    pub next: &'static str,
    /// How long the command takes.
    pub lasting: Lasting,
    /// What others may build on: what it does is asked here, never by its name.
    pub capabilities: &'static [Capability],
}

/// What a command does, for those who treat such commands alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// A conversation: the prompt enters it at once.
    Converse,
    /// It moves data that somebody waits for: it may finish when nobody reads the output any more.
    MoveData,
    /// What was interrupted is resumed by the same command.
    Resume,
    /// It stores what it receives in the current folder, unless `to` says where.
    Store,
    /// The connections of others run through it.
    Pass,
    /// A recorded script names its result and expects the same again.
    Record,
}

/// How long a command takes, and whether `&` may follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasting {
    /// Answers at once, without a session; `&` is an error.
    Instant,
    /// A session that the prompt waits for, unless `&` follows the command.
    Job,
    /// A session that continues in the background once it is ready.
    Service,
}

/// A positional argument.
#[derive(Debug)]
pub struct Param {
    /// Its name in the bound arguments, and in help if the kind has no name of its own.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// True if it must be given.
    pub required: bool,
    /// True if several values may be given, one after the other.
    pub many: bool,
    /// A short description.
    pub help: &'static str,
}

/// An argument after its keyword, such as `chunk 64K`, or a flag, such as `replace`.
#[derive(Debug)]
pub struct Keyword {
    /// The keyword, which is also its name in the bound arguments.
    pub word: &'static str,
    /// The type of its value; `None` for a flag.
    pub kind: Option<Kind>,
    /// The value may be left out (`play`, `play mpv`).
    pub optional: bool,
    /// True if it must be given.
    pub required: bool,
    /// True if it may be given several times.
    pub many: bool,
    /// The parameter in whose place it stands; empty for none.
    pub replaces: &'static str,
    /// The value is a secret: shown as `***` everywhere.
    pub secret: bool,
    /// A short description.
    pub help: &'static str,
    /// The default as `help` shows it; empty for none.
    pub default: &'static str,
}

/// A field of a result.
#[derive(Debug, PartialEq, Eq)]
pub struct Field {
    /// The name after the dot, as in `$up.bytes`.
    pub name: &'static str,
    /// A short description.
    pub help: &'static str,
    /// What its value measures.
    pub dimension: Dimension,
}

/// A service that `listen` can start.
#[derive(Debug)]
pub struct Service {
    /// The word after the port in `listen`.
    pub name: &'static str,
    /// What it can be reached over.
    pub carriers: &'static [Carrier],
    /// What it does, in one line.
    pub summary: &'static str,
    /// What it adds to the options of `listen`.
    pub keywords: &'static [Keyword],
    /// What it adds to the fields of `listen`.
    pub fields: &'static [Field],
}

/// The fields of a result: those of its verb, then those of its service.
#[derive(Clone, Copy, Debug, Default)]
pub struct FieldRows(pub &'static [Field], pub &'static [Field]);

impl FieldRows {
    /// All of them.
    pub fn iter(self) -> impl Iterator<Item = &'static Field> {
        self.0.iter().chain(self.1)
    }

    /// The field of this name.
    pub fn find(self, name: &str) -> Option<&'static Field> {
        self.iter().find(|field| field.name == name)
    }
}

impl Service {
    /// An option of its own.
    pub fn keyword(&self, word: &str) -> Option<&'static Keyword> {
        self.keywords.iter().find(|keyword| keyword.word == word)
    }
}

impl Param {
    /// Exactly one value.
    pub const fn required(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self { name, kind, required: true, many: false, help }
    }

    /// One or more values.
    pub const fn many(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self { name, kind, required: true, many: true, help }
    }

    /// Any number of values, or none.
    pub const fn any(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self { name, kind, required: false, many: true, help }
    }

    /// One value or none.
    pub const fn optional(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self { name, kind, required: false, many: false, help }
    }
}

impl Keyword {
    /// A keyword with a value.
    pub const fn new(word: &'static str, kind: Kind, help: &'static str) -> Self {
        Self {
            word,
            kind: Some(kind),
            optional: false,
            required: false,
            many: false,
            replaces: "",
            secret: false,
            help,
            default: "",
        }
    }

    /// A keyword without a value.
    pub const fn flag(word: &'static str, help: &'static str) -> Self {
        Self { kind: None, ..Self::new(word, Kind::Text, help) }
    }

    /// It stands in place of this parameter.
    pub const fn instead_of(mut self, parameter: &'static str) -> Self {
        self.replaces = parameter;
        self
    }

    /// Makes it required.
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Lets it be given several times, each time with its word: `key ann key bob`.
    pub const fn many(mut self) -> Self {
        self.many = true;
        self
    }

    /// Lets its value be left out.
    pub const fn optional_value(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Sets the default that `help` shows.
    pub const fn default(mut self, default: &'static str) -> Self {
        self.default = default;
        self
    }

    /// The keyword as usage lines show it: `chunk SIZE`, `replace`, `play [PLAYER]`.
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

    /// A number of bytes.
    pub const fn size(name: &'static str, help: &'static str) -> Self {
        Self::of(Dimension::Size, name, help)
    }

    /// A rate in bytes per second.
    pub const fn rate(name: &'static str, help: &'static str) -> Self {
        Self::of(Dimension::Rate, name, help)
    }

    /// A duration in seconds.
    pub const fn seconds(name: &'static str, help: &'static str) -> Self {
        Self::of(Dimension::Duration, name, help)
    }

    /// The state of a session.
    pub const fn state(name: &'static str, help: &'static str) -> Self {
        Self::of(Dimension::State, name, help)
    }

    /// A text.
    pub const fn text(name: &'static str, help: &'static str) -> Self {
        Self::of(Dimension::Text, name, help)
    }
}

impl Verb {
    /// The usage line: `send PATH to ENDPOINT [chunk SIZE] …`
    pub fn usage(&self) -> String {
        let usage = self.usage_with(&[]);
        let starts = self.params.iter().any(|param| param.kind == Kind::Service);
        if starts { usage + " [OPTION OF THE SERVICE]…" } else { usage }
    }

    /// The usage line with the options of a service.
    pub fn usage_with(&self, own: &[Keyword]) -> String {
        let mut out = self.name.to_owned();
        for param in self.params {
            let name = param.kind.placeholder_of(param.name);
            out.push_str(&match (param.required, param.many) {
                (true, false) => format!(" {name}"),
                (true, true) => format!(" {name}…"),
                (false, false) => format!(" [{name}]"),
                (false, true) => format!(" [{name}…]"),
            });
        }
        for keyword in self.keywords.iter().filter(|k| k.required) {
            out.push_str(&format!(" {}", keyword.form()));
        }
        for keyword in self.keywords.iter().chain(own).filter(|k| !k.required) {
            out.push_str(&format!(" [{}]{}", keyword.form(), if keyword.many { "…" } else { "" }));
        }
        out
    }

    /// The keyword of this name; `None` if the verb has none.
    pub fn keyword(&self, word: &str) -> Option<&'static Keyword> {
        self.keywords.iter().find(|keyword| keyword.word == word)
    }
}
