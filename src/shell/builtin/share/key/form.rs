//! What follows each word of `key`.

use crate::language::{Arguments, FromArguments};
use crate::report::Failure;
use crate::service::contract::keys::{KeyChoice, KeySource};
use crate::shell::builtin::share::errors;

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    New,
    Show,
    List,
    Import,
    Forget,
}

impl What {
    pub(super) const WORDS: [&str; 5] = ["new", "show", "list", "import", "forget"];

    /// The form of the command.
    const fn usage(self) -> &'static str {
        match self {
            Self::New => "key new [NAME] [to FILE]",
            Self::Show => "key show NAME|FILE [text|words|qr]",
            Self::List => "key list",
            Self::Import => "key import NAME [from FILE]",
            Self::Forget => "key forget NAME",
        }
    }
}

/// How `show` shows a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Text,
    Words,
    Code,
}

impl Shown {
    pub(super) const WORDS: [&str; 3] = ["text", "words", "qr"];
}

/// `key`.
pub(super) struct KeyOptions {
    pub(super) what: What,
    pub(super) key: Option<KeyChoice>,
    pub(super) form: Shown,
    /// True if the form was given.
    has_form: bool,
    pub(super) to: Option<String>,
    pub(super) from: Option<String>,
}

impl FromArguments for KeyOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        Self {
            what: match arguments.text("what") {
                Some("new") => What::New,
                Some("show") => What::Show,
                Some("import") => What::Import,
                Some("forget") => What::Forget,
                _ => What::List,
            },
            key: arguments.keys("name").next().map(KeyChoice::from),
            form: match arguments.text("form") {
                Some("words") => Shown::Words,
                Some("qr") => Shown::Code,
                _ => Shown::Text,
            },
            has_form: arguments.flag("form"),
            to: arguments.text("to").map(str::to_owned),
            from: arguments.text("from").map(str::to_owned),
        }
    }
}

impl KeyOptions {
    /// Refuses words that do not belong together.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let (needs_key, takes_key) = match self.what {
            What::New => (false, true),
            What::List => (false, false),
            What::Show | What::Import | What::Forget => (true, true),
        };
        let fits = (self.key.is_some() || !needs_key)
            && (self.key.is_none() || takes_key)
            && (!self.has_form || self.what == What::Show)
            && (self.to.is_none() || self.what == What::New)
            && (self.from.is_none() || self.what == What::Import);
        if fits { Ok(()) } else { Err(self.misused()) }
    }

    /// The name, where no file can stand.
    pub(super) fn name(&self) -> Result<String, Failure> {
        match &self.key {
            Some(KeyChoice { name, source: KeySource::Folder }) => Ok(name.clone()),
            _ => Err(self.misused()),
        }
    }

    /// The same, with what it is without one.
    pub(super) fn name_or(&self, default: &str) -> Result<String, Failure> {
        if self.key.is_none() { Ok(default.to_owned()) } else { self.name() }
    }

    pub(super) fn misused(&self) -> Failure {
        errors::not_a_form(self.what.usage())
    }
}
