//! Chat: two people over TCP or UDP, or many clients with the server's side over TCP. A message must be answered
//! before its author may send another; both ends enforce that rule.
//!
//! | file | holds |
//! |---|---|
//! | `protocol` | pure: the messages |
//! | `turn` | pure: whose turn it is |
//! | `text` | pure: rules for messages and names |
//! | `look_alikes` | data: characters that look like others |
//! | `command` | pure: parses a line: message, `/command` or `@name` |
//! | `room` | the members, their turns, and who receives which message |
//! | `server` | accepts clients; each client's connection; the server's own side |
//! | `web` | the room over HTTP: as a page, and for curl |
//! | `client` | one conversation |
//! | `resume_tokens` | with which a client resumes its place |
//! | `errors` | the errors of a chat |

mod client;
mod command;
mod errors;
mod look_alikes;
pub mod protocol;
mod resume_tokens;
mod room;
mod server;
mod text;
mod turn;
mod web;

use self::client::{ChatOptions, PATIENCE};
use self::protocol::ID;
use super::contract::keys::{CODE, KEY, KEYS, OFFERS_CODE};
use super::{Client, MessageService, Provider, Run, Serves};
use crate::base::{Carrier, Transport};
use crate::language::verb::Lasting;
use crate::language::{Capability, Field, FromArguments, Keyword, Kind, Param, Service, Verb};
use crate::net::accept::admission::Lines;
use crate::net::udp::Options;
use crate::wire::dialect::Dialect;

pub static PROVIDER: Provider = Provider {
    row: Service {
        name: "chat",
        carriers: &[Carrier::TCP, Carrier::UDP],
        summary: "conversations: chat, say, attach",
        keywords: &[
            Keyword::new("turns", Kind::Choice(&["on", "off"]), "a message must be answered before the next")
                .default("on"),
            Keyword::flag("relay", "clients hear each other, too"),
            Keyword::flag("open", "with `on`: relay chat of everybody who can reach the port"),
            KEYS,
            OFFERS_CODE,
        ],
        fields: &[
            Field::count("sent", "messages sent"),
            Field::count("received", "messages received"),
            Field::text("last", "the last message received"),
            Field::text("peer", "who is there"),
        ],
    },
    id: ID,
    max: server::clients,
    serves: Serves::Messages(MessageService {
        lists: true,
        lines: Lines::Conversation,
        dialects: &[Dialect::Own, Dialect::Http, Dialect::Text],
        greeting: "",
        options: Options { give_up: PATIENCE, ..Options::STANDARD },
        make: server::make,
    }),
};

pub static CHAT: Client = Client {
    verb: &Verb {
        name: "chat",
        aliases: &[],
        summary: "join a conversation",
        details: "A message must be answered before you may send the next one. Over udp it has at most 1000 characters. Plain clients (`nc host 9001`, `nc -u host 9001`) take part in lines of text. `say NAME TEXT` speaks; `/name NEW` takes another name, `/who` tells who is here, `@NAME TEXT` is for NAME alone, `/quit` leaves; at the prompt you are attached at once and simply type. Ctrl-C ends it on both sides.",
        params: &[Param::required("server", Kind::Endpoint, "the chat server")],
        keywords: &[
            Keyword::new("name", Kind::Text, "your name").default("your login name"),
            Keyword::new("to", Kind::Path, "a file to which every message is added, with its time"),
            KEY,
            CODE,
        ],
        fields: &[
            Field::text("peer", "who is on the other side"),
            Field::text("name", "your name there"),
            Field::count("sent", "messages sent"),
            Field::count("received", "messages received"),
            Field::text("last", "the last text received"),
            Field::count("unconfirmed", "messages sent and not yet confirmed"),
            Field::text("mark", "of your last message: sent, delivered, answered or not confirmed"),
            Field::text("transport", "tcp or udp"),
            Field::text("key", "the name of the key that it is encrypted with"),
            Field::state("state", "connected, done, failed or cancelled"),
            Field::text("error", "why it failed"),
            Field::count("id", "the number of the session"),
        ],
        example: "chat tcp $room name alice as alice",
        next: "",
        lasting: Lasting::Service,
        capabilities: &[Capability::Converse],
    },
    place: Some(("server", ID)),
    transport: Transport::Tcp,
    run: Run::Session {
        kind: |_| "chat".into(),
        start: |session, arguments, context| {
            client::chat(session, ChatOptions::from_arguments(&arguments), context)
        },
    },
};

/// Reads a request, for the fuzzer: see [`super::fuzz_entry`].
pub(super) fn read_request(bytes: &[u8]) {
    web::read_request(bytes);
}

/// Parses a line of a peer, for the fuzzer: see [`super::fuzz_entry`].
pub(super) fn read_line(line: &str) {
    drop(command::read(line));
}
