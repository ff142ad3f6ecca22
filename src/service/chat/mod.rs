//! Chat: two people over TCP or UDP, or many clients with the server's side over TCP. A message must be answered
//! before its author may send another; both ends keep that rule.
//!
//! | file | holds |
//! |---|---|
//! | `turn` | pure: whose turn it is |
//! | `text` | pure: what may be said, and by which name |
//! | `server` | the room: all clients and the server's own side |
//! | `client` | one conversation |

mod client;
mod server;
mod text;
mod turn;

use super::{Client, Provider, Run};
use crate::base::Transport;
use crate::language::verb::Lasting;
use crate::language::{Field, Keyword, Kind, Param, Service, Verb};
use crate::wire::ServiceId;
use crate::wire::datagram::BASE_DATAGRAM;

pub static PROVIDER: Provider = Provider {
    row: Service {
        name: "chat",
        transports: &[Transport::Tcp, Transport::Udp],
        summary: "conversations: chat, say, attach",
    },
    id: ServiceId::Chat,
    lines: false,
    datagram: BASE_DATAGRAM,
    max: |transport| if transport == Transport::Udp { 1 } else { 256 },
    make: server::make,
};

pub static CHAT: Client = Client {
    verb: &Verb {
        name: "chat",
        aliases: &[],
        summary: "join a conversation",
        details: "A message must be answered before you may send the next one. Over udp it has at most 1000 characters. `say NAME TEXT` speaks; at the prompt you are attached at once and simply type. Ctrl-C ends it on both sides.",
        params: &[Param::required("server", Kind::Endpoint, "the chat server")],
        keywords: &[Keyword::new("name", Kind::Text, "your name").default("your login name")],
        fields: &[
            Field::new("peer", "who is on the other side"),
            Field::new("name", "your name there"),
            Field::new("sent", "messages sent"),
            Field::new("received", "messages received"),
            Field::new("last", "the last text received"),
            Field::new("unconfirmed", "messages sent and not yet confirmed"),
            Field::new("transport", "tcp or udp"),
            Field::new("state", "connected, done, failed or cancelled"),
            Field::new("error", "why it failed"),
            Field::new("id", "the number of the session"),
        ],
        example: "chat tcp $room name alice as alice",
        lasting: Lasting::Service,
    },
    place: Some(("server", ServiceId::Chat)),
    transport: Transport::Tcp,
    run: Run::Session { kind: |_| "chat".into(), start: client::chat },
};
