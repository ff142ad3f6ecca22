//! The server's side of a chat: accepts clients, serves each, and reports how it ended. A room for one client is a
//! conversation between two: it ends when that client leaves, but waits for a client whose connection was lost.
//!
//! | file | holds |
//! |---|---|
//! | `visit` | one member's visit, and what others are told of it |
//! | `connection`, `member` | the server's side of one client: what it is, and what it does |
//! | `text_client`, `speaker` | clients without nls, such as `nc`: lines of text, and what they do |
//! | `listener` | clients that say nothing |
//! | `outbox` | the bounded send queue of one client |
//! | `flood` | pure: rate limit for the messages of a client |
//! | `announcements` | pure: announcements to everybody, batched |

pub(super) mod announcements;
pub(super) mod connection;
pub(super) mod flood;
mod listener;
pub(super) mod member;
pub(super) mod outbox;
pub(super) mod speaker;
pub(super) mod text_client;
pub(super) mod visit;

use crate::base::{Carrier, Transport};
use std::sync::Arc;

use self::visit::Visit;
use super::errors;
use super::room::{Room, Rules};
use super::web::{self, Guests};
use crate::base::Value;
use crate::language::{Arguments, FromArguments};
use crate::net::Connection;
use crate::report::Failure;
use crate::service::contract::errors::dialect_unknown;
use crate::service::listen::options::ListenOptions;
use crate::service::{Context, ForeignClient, Job, Server};
use crate::session::{ClientEntry, Handle};
use crate::wire::dialect::Dialect;

/// A room, and those who are in it by way of pages.
struct Chat {
    room: Arc<Room>,
    guests: Arc<Guests>,
}

/// What `listen … chat` takes besides what every service does.
struct RoomOptions {
    /// Clients hear each other.
    relay: bool,
    /// A message must be answered before the next.
    turns: bool,
}

impl FromArguments for RoomOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        Self { relay: arguments.flag("relay"), turns: arguments.text("turns") != Some("off") }
    }
}

pub(super) fn make(
    session: &Handle,
    listen: &ListenOptions,
    arguments: &Arguments,
    _: &Context,
) -> Result<Arc<dyn Server>, Failure> {
    let RoomOptions { relay, turns } = RoomOptions::from_arguments(arguments);
    if relay && listen.is_guarded() {
        return Err(errors::relay_to_network());
    }
    session.listens();
    let for_two = listen.max(clients) == 1;
    let rules = Rules {
        transport: listen.carrier.transport().unwrap_or(Transport::Tcp),
        free: !turns,
        for_two,
        relay,
    };
    Ok(Arc::new(Chat { room: Arc::new(Room::new(rules)), guests: Arc::default() }))
}

/// Clients at once, without `max`.
pub(super) fn clients(carrier: Carrier) -> u64 {
    if carrier == Carrier::UDP { 1 } else { 256 }
}

impl Server for Chat {
    fn serve(self: Arc<Self>, session: Handle, connection: Connection, client: ClientEntry) -> Job<()> {
        Box::pin(async move {
            let visit = Visit { room: &self.room, session: &session, client: &client };
            visit.converse(connection).await
        })
    }

    fn serve_foreign(self: Arc<Self>, session: Handle, client: ForeignClient, entry: ClientEntry) -> Job<()> {
        Box::pin(async move {
            let visit = Visit { room: &self.room, session: &session, client: &entry };
            match client {
                ForeignClient::Stream(Dialect::Http, stream) => web::serve(visit, &self.guests, stream).await,
                ForeignClient::Silent(client) => listener::attend(visit, &self.guests, *client).await,
                other => Err(dialect_unknown(other.dialect())),
            }
        })
    }

    fn host(self: Arc<Self>, session: Handle) -> Option<Job<()>> {
        Some(Box::pin(async move {
            session.set_all([
                ("sent", Value::count(0)),
                ("received", Value::count(0)),
                ("last", Value::text("")),
                ("peer", Value::text("")),
            ]);
            loop {
                tokio::select! {
                    (text, answer) = session.next_outgoing_line() => {
                        let said = self.room.say(&session, &text).await;
                        // The caller may have stopped waiting for the result.
                        drop(answer.send(said));
                    }
                    () = self.room.news_are_due() => self.room.tell_news(),
                }
            }
        }))
    }

    fn describe(&self) -> String {
        match (self.room.rules.for_two, self.room.rules.relay) {
            (true, _) => "a conversation for two".into(),
            (false, false) => "a conversation with many".into(),
            (false, true) => "a room: everybody hears everybody".into(),
        }
    }

    fn invitation(&self) -> &'static str {
        "chat {transport} {at}"
    }
}
