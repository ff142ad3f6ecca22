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
//! | `options` | what both sides take |
//! | `errors` | why it failed |

mod answering;
mod client;
mod errors;
mod options;
mod pipe;
mod server;
mod shown;
mod talk;

use super::{Client, Provider, Run, Serves};
use crate::base::{Carrier, Transport};
use crate::language::verb::{Capability, Lasting};
use crate::language::{Field, FromArguments, Kind, Param, Service, Verb};
use crate::wire::ServiceId;

use self::options::{ConnectOptions, EOL, TO, VERB};

pub static PROVIDER: Provider = Provider {
    row: Service {
        name: "raw",
        carriers: &Carrier::ALL,
        summary: "any bytes with any client, each a session: $srv.1, $srv.last",
        keywords: &[EOL, TO],
        fields: &[
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
            Field::count("answers", "how often a handler reacted"),
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
