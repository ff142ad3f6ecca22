//! What `connect` and `listen … raw` both take.

use crate::language::{Arguments, Keyword, Kind};

/// The verb of a raw session, whoever began it.
pub(super) const VERB: &str = "connect";
/// `eol`, for both sides.
pub(super) const EOL: Keyword =
    Keyword::new("eol", Kind::Choice(&["lf", "crlf", "none"]), "what `say` puts behind a text").default("lf");
/// The file of everything that was said.
pub(super) const TO: Keyword =
    Keyword::new("to", Kind::Path, "a file to which all that passes is added, with its time");

/// What `say` puts behind a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Eol {
    #[default]
    Lf,
    CrLf,
    None,
}

impl Eol {
    pub(super) fn from_arguments(arguments: &Arguments) -> Self {
        match arguments.text("eol") {
            Some("crlf") => Self::CrLf,
            Some("none") => Self::None,
            _ => Self::Lf,
        }
    }

    pub(super) const fn bytes(self) -> &'static [u8] {
        match self {
            Self::Lf => b"\n",
            Self::CrLf => b"\r\n",
            Self::None => b"",
        }
    }
}
