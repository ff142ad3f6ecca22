//! What `connect` and `listen … raw` both take.

use crate::base::{Carrier, Endpoint};
use crate::language::{Arguments, FromArguments, Keyword, Kind};
use crate::report::Failure;
use crate::service::contract::errors::server_missing;

/// The verb of a raw session, whoever began it.
pub(super) const VERB: &str = "connect";
/// `eol`, for both sides.
pub(super) const EOL: Keyword =
    Keyword::new("eol", Kind::Choice(&["lf", "crlf", "none"]), "what `say` puts behind a text").default("lf");
/// The own certificate and its key.
pub(super) const CERT: Keyword =
    Keyword::new("cert", Kind::Path, "over tls: a certificate and its key, in PEM");
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
        arguments.text("eol").map_or(Self::default(), Self::from_word)
    }

    pub(super) fn from_word(word: &str) -> Self {
        match word {
            "crlf" => Self::CrLf,
            "none" => Self::None,
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

/// `connect`.
pub(super) struct ConnectOptions {
    pub(super) carrier: Carrier,
    /// `None` for a Unix socket.
    pub(super) endpoint: Option<Endpoint>,
    /// The file of a Unix socket.
    pub(super) path: String,
    pub(super) eol: Eol,
    /// For TLS.
    pub(super) tls: TlsArguments,
    /// The file of the transcript.
    pub(super) to: Option<String>,
}

impl FromArguments for ConnectOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        Self {
            carrier: arguments.carrier("carrier").unwrap_or(Carrier::TCP),
            endpoint: arguments.endpoint("server").cloned(),
            path: arguments.text("server").unwrap_or_default().to_owned(),
            eol: Eol::from_arguments(arguments),
            tls: TlsArguments::from_arguments(arguments),
            to: arguments.text("to").map(str::to_owned),
        }
    }
}

impl ConnectOptions {
    /// Where the server is.
    pub(super) fn endpoint(&self) -> Result<&Endpoint, Failure> {
        self.endpoint.as_ref().ok_or_else(server_missing)
    }

    /// The command, for messages.
    pub(super) fn what(&self) -> String {
        match &self.endpoint {
            Some(endpoint) => format!("connect {} {endpoint}", self.carrier),
            None => format!("connect {} {}", self.carrier, self.path),
        }
    }
}

/// What `connect tls` takes besides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TlsArguments {
    pub(super) name: Option<String>,
    pub(super) ca: Option<String>,
    pub(super) cert: Option<String>,
    pub(super) pin: Option<String>,
    pub(super) insecure: bool,
    pub(super) alpn: Vec<String>,
}

impl FromArguments for TlsArguments {
    fn from_arguments(arguments: &Arguments) -> Self {
        let text = |name: &str| arguments.text(name).map(str::to_owned);
        let protocols = text("alpn").unwrap_or_default();
        Self {
            name: text("name"),
            ca: text("ca"),
            cert: text("cert"),
            pin: text("pin"),
            insecure: arguments.flag("insecure"),
            alpn: protocols.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        }
    }
}
