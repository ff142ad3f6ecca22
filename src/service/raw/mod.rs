//! Raw sessions: any bytes with any server (`connect`) and with any client (`listen … raw`).
//!
//! | file | holds |
//! |---|---|
//! | `client` | `connect` |
//! | `pipe` | … with the standard streams |
//! | `server` | `listen … raw`: each client is a session of its own |
//! | `talk` | a conversation, whoever began it |
//! | `answering` | what it answers by itself |
//! | `shown` | what of it is shown and logged |
//! | `replay` | one side of a recorded conversation |
//! | `options` | what both sides take |
//! | `errors` | the errors of a replay |

mod answering;
mod client;
mod errors;
mod options;
mod pipe;
pub mod replay;
mod server;
mod shown;
mod talk;

use super::{Client, Provider, Run, Serves};
use crate::base::{Carrier, Transport};
use crate::language::verb::{Capability, Lasting};
use crate::language::{Field, FromArguments, Keyword, Kind, Param, Service, Verb};
use crate::wire::ServiceId;

use self::options::{CERT, ConnectOptions, EOL, TO, VERB};

pub static PROVIDER: Provider = Provider {
    row: Service {
        name: "raw",
        carriers: &Carrier::ALL,
        summary: "any bytes with any client, each a session: $srv.1, $srv.last",
        keywords: &[EOL, TO, CERT],
        fields: &[
            Field::text("fingerprint", "over tls: SHA-256 of the certificate, for `pin`"),
            Field::text("newest", "the newest client, as `srv.7`"),
            Field::count("answers", "how often a handler reacted"),
        ],
    },
    id: ServiceId::new(6),
    max: |_| 256,
    serves: Serves::Bytes(server::make),
};

pub static CONNECT: Client = Client {
    verb: &Verb {
        name: VERB,
        aliases: &[],
        summary: "any bytes with any server",
        details: "`say X` sends a line, `say X hex \"…\"` bytes; `expect X says \"…\"` waits for some; `finish X` sends the end (FIN), `reset X` cuts (RST), `stop X` closes. Attached to it, Ctrl-X shows what passes in hexadecimal.",
        params: &[
            Param::required("carrier", Kind::Carrier, "what carries the bytes"),
            Param::required("server", Kind::Peer, "where to; after `unix`, a path"),
        ],
        keywords: &[
            EOL,
            TO,
            Keyword::new("name", Kind::Text, "over tls: whom the certificate must be for")
                .default("the host"),
            Keyword::new("ca", Kind::Path, "over tls: the authorities to trust, in PEM")
                .default("those of this machine"),
            CERT,
            Keyword::new("pin", Kind::Text, "over tls: SHA-256 of the one certificate to trust"),
            Keyword::new("alpn", Kind::Text, "over tls: protocols to offer, as `h2,http/1.1`"),
            Keyword::flag("insecure", "over tls: any certificate will do"),
        ],
        fields: &[
            Field::text("peer", "who is on the other side"),
            Field::text("transport", "tcp, udp, tls or unix"),
            Field::size("bytes_in", "bytes received"),
            Field::size("bytes_out", "bytes sent"),
            Field::text("last", "the last line or datagram received"),
            Field::count("answers", "how often a handler reacted"),
            Field::text("tls", "over tls: its version"),
            Field::text("cipher", "over tls: the cipher suite"),
            Field::text("alpn", "over tls: the protocol that was agreed on"),
            Field::text("subject", "over tls: whom the certificate of the peer is for"),
            Field::text("issuer", "over tls: who vouches for it"),
            Field::count("days_left", "over tls: until it expires"),
            Field::text("fingerprint", "over tls: its SHA-256, for `pin`"),
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
