//! Raw sessions: any bytes with any server (`connect`) and with any client (`listen … raw`).
//!
//! | file | holds |
//! |---|---|
//! | `client` | `connect` |
//! | `server` | `listen … raw`: each client is a session of its own |
//! | `talk` | a conversation, whoever began it |
//! | `shown` | what of it is shown and logged |
//! | `errors` | why it failed |

mod client;
mod errors;
mod server;
mod shown;
mod talk;

use super::{Client, Provider, Run, Serves};
use crate::base::{Carrier, Transport};
use crate::language::verb::{Capability, Lasting};
use crate::language::{Arguments, Field, FromArguments, Keyword, Kind, Param, Service, Verb};
use crate::wire::ServiceId;

use self::client::ConnectOptions;

/// `eol`, for both sides.
const EOL: Keyword =
    Keyword::new("eol", Kind::Choice(&["lf", "crlf", "none"]), "what `say` puts behind a text").default("lf");
/// The file of everything that was said.
const TO: Keyword = Keyword::new("to", Kind::Path, "a file to which all that passes is added, with its time");

pub static PROVIDER: Provider = Provider {
    row: Service {
        name: "raw",
        carriers: &Carrier::ALL,
        summary: "any bytes with any client, each a session: $srv.1, $srv.last",
        keywords: &[EOL, TO],
        fields: &[],
    },
    id: ServiceId::new(6),
    max: |_| 256,
    serves: Serves::Bytes(server::make),
};

pub static CONNECT: Client = Client {
    verb: &Verb {
        name: "connect",
        aliases: &[],
        summary: "any bytes with any server",
        details: "`say X` sends a line, `say X hex \"…\"` bytes; `expect X says \"…\"` waits for some; `finish X` sends the end (FIN), `reset X` cuts (RST), `stop X` closes.",
        params: &[
            Param::required("carrier", Kind::Carrier, "what carries the bytes"),
            Param::required("server", Kind::Peer, "where to; after `unix`, a path"),
        ],
        keywords: &[EOL, TO],
        fields: &[
            Field::text("peer", "who is on the other side"),
            Field::text("transport", "tcp, udp, tls or unix"),
            Field::size("bytes_in", "bytes received"),
            Field::size("bytes_out", "bytes sent"),
            Field::text("last", "the last line or datagram received"),
            Field::state("state", "connected, half-closed, done, failed or cancelled"),
            Field::text("error", "why it failed"),
            Field::count("id", "the number of the session"),
        ],
        example: "connect tcp $web as c",
        next: "",
        lasting: Lasting::Service,
        capabilities: &[Capability::Converse],
    },
    place: None,
    transport: Transport::Tcp,
    run: Run::Session {
        kind: |arguments| format!("connect {}", ConnectOptions::from_arguments(arguments).carrier),
        start: |session, arguments, context| {
            client::connect(session, ConnectOptions::from_arguments(&arguments), context)
        },
    },
};

/// What `say` puts behind a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Eol {
    #[default]
    Lf,
    CrLf,
    None,
}

impl Eol {
    fn from_arguments(arguments: &Arguments) -> Self {
        match arguments.text("eol") {
            Some("crlf") => Self::CrLf,
            Some("none") => Self::None,
            _ => Self::Lf,
        }
    }

    const fn bytes(self) -> &'static [u8] {
        match self {
            Self::Lf => b"\n",
            Self::CrLf => b"\r\n",
            Self::None => b"",
        }
    }
}
