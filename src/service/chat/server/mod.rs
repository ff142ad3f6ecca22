//! The server's side of a chat: accepts clients, serves each, and reports how it ended. A room for one client is a
//! conversation between two: it ends when that client leaves, but waits for a client whose connection was lost.
//!
//! | file | holds |
//! |---|---|
//! | `connection`, `member` | the server's side of one client: what it is, and what it does |
//! | `text_client` | clients without nls, such as `nc`: lines of text |
//! | `outbox` | the bounded send queue of one client |
//! | `flood` | pure: rate limit for the messages of a client |
//! | `announcements` | pure: announcements to everybody, batched |

pub(super) mod announcements;
pub(super) mod connection;
pub(super) mod flood;
pub(super) mod member;
pub(super) mod outbox;
pub(super) mod text_client;

use crate::base::{Carrier, Transport};
use std::sync::Arc;

use self::connection::MemberConnection;
use self::member::{PARTING_LIMIT, welcome};

use super::errors;
use super::protocol::Message;
use super::room::{Admitted, Room, Rules};
use super::text::check_name;
use crate::base::Value;
use crate::language::{Arguments, FromArguments};
use crate::net::errors::malformed;
use crate::net::{Connection, FIRST_MESSAGE_LIMIT, Message as Wire};
use crate::report::Failure;
use crate::service::files::protocol::{self, Entries};
use crate::service::listen::options::ListenOptions;
use crate::service::{Context, Job, Server};
use crate::session::{ClientEntry, Handle};
use crate::wire::{Code, Frame, frame};

/// Bytes of the socket's send buffer for a client: the rest is queued here, where it is counted (faults.md row 82).
const SEND_BUFFER: usize = 64 << 10;

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
    Ok(Arc::new(Room::new(Rules {
        transport: listen.carrier.transport().unwrap_or(Transport::Tcp),
        free: !turns,
        for_two,
        relay,
    })))
}

/// Clients at once, without `max`.
pub(super) fn clients(carrier: Carrier) -> u64 {
    if carrier == Carrier::UDP { 1 } else { 256 }
}

impl Server for Room {
    fn serve(self: Arc<Self>, session: Handle, connection: Connection, client: ClientEntry) -> Job<()> {
        Box::pin(async move { converse(&self, &session, connection, &client).await })
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
                        let said = self.say(&session, &text).await;
                        // The caller may have stopped waiting for the result.
                        drop(answer.send(said));
                    }
                    () = self.news_are_due() => self.tell_news(),
                }
            }
        }))
    }

    fn describe(&self) -> String {
        match (self.rules.for_two, self.rules.relay) {
            (true, _) => "a conversation for two".into(),
            (false, false) => "a conversation with many".into(),
            (false, true) => "a room: everybody hears everybody".into(),
        }
    }

    fn invitation(&self) -> &'static str {
        "chat {transport} {at}"
    }
}

/// Serves one client, from joining to its end.
async fn converse(
    room: &Room,
    session: &Handle,
    mut connection: Connection,
    client: &ClientEntry,
) -> Result<(), Failure> {
    let Some(entry) = admit(room, &mut connection).await? else { return Ok(()) };
    let (name, token) = (entry.name, entry.token);
    connection.outgoing.bound_buffer(SEND_BUFFER);
    room.show_members(session);
    client.does(format!("is {name}"));
    let (kind, how) = if entry.again { ("returned", "came back") } else { ("joined", "joined") };
    session.tell(kind, format!("{name} {how} from {client}"));
    let mut visit = MemberConnection { room, session, connection, queue: entry.queue, name, token };
    let result = visit.run().await;
    let MemberConnection { mut connection, name, .. } = visit;
    let how = how_it_left(room, &result);
    let left = room.leave(&name, token, &how);
    room.show_members(session);
    part(&mut connection, result.as_ref().err(), left.is_none()).await;
    let Some(unconfirmed) = left else {
        session.log("replaced", format!("{name} came back; its old connection is closed"));
        return Ok(());
    };
    if unconfirmed > 0 {
        session.tell("unconfirmed", format!("{unconfirmed} messages were not confirmed by {name}"));
    }
    if !session.is_cancelled() {
        session.tell("left", format!("{name} {how}"));
    }
    // A client whose connection was lost or replaced can come back: only a regular goodbye ends the session.
    if room.rules.for_two && result.is_ok() {
        session.token().cancel();
    }
    result.map(|_| ())
}

/// Admits the client, as [`join`] does. The connection of one that is not admitted is closed, with the reason.
async fn admit(room: &Room, connection: &mut Connection) -> Result<Option<Admitted>, Failure> {
    let joined = join(room, connection).await;
    if let Err(failure) = &joined {
        drop(connection.outgoing.send_now(farewell(connection, failure)).await);
    }
    if !matches!(joined, Ok(Some(_))) {
        connection.outgoing.close(Code::Other, "").await;
    }
    joined
}

/// How the client left, for the announcement; `result`: of its conversation.
fn how_it_left(room: &Room, result: &Result<String, Failure>) -> String {
    match result {
        Ok(how) => how.clone(),
        Err(failure) if room.rules.for_two => {
            format!("is gone: {}; the next client continues the conversation", failure.why)
        }
        Err(failure) => format!("is gone: {}", failure.why),
    }
}

/// Sends the reason and closes, within a time limit: the client may be gone already, or may not read.
async fn part(connection: &mut Connection, failure: Option<&Failure>, replaced: bool) {
    let again = errors::came_back_elsewhere();
    if let Some(failure) = failure.filter(|failure| !failure.told) {
        let words = farewell(connection, if replaced { &again } else { failure });
        drop(tokio::time::timeout(PARTING_LIMIT, connection.outgoing.send_now(words)).await);
    }
    drop(tokio::time::timeout(PARTING_LIMIT, connection.outgoing.close(Code::Other, "")).await);
}

/// Reads the client's first message and admits it; `None` if it only asked who is here.
async fn join(room: &Room, connection: &mut Connection) -> Result<Option<Admitted>, Failure> {
    if connection.is_text {
        return Ok(Some(room.enter(text_client::NAME, 0)));
    }
    let mut frame = connection.incoming.frame(FIRST_MESSAGE_LIMIT, "name").await?;
    while frame.kind == protocol::LIST {
        for page in list(room, &frame)? {
            connection.outgoing.send(page).await?;
        }
        connection.outgoing.flush().await?;
        // The client may ask again, join, or close.
        match tokio::time::timeout(FIRST_MESSAGE_LIMIT, connection.incoming.next()).await {
            Ok(Ok(Some(Wire::Frame(next)))) => frame = next,
            _ => return Ok(None),
        }
    }
    let Message::Join { token, name } = Message::decode(&frame).map_err(malformed)? else {
        return Err(errors::name_expected());
    };
    check_name(&name)?;
    let entry = room.enter(&name, token);
    if let Err(failure) = connection.outgoing.send_now(welcome(room, &entry.name, entry.token)).await {
        room.leave(&entry.name, entry.token, "left");
        return Err(failure);
    }
    Ok(Some(entry))
}

/// The members as `ls` shows them, in pages: names, with the number of messages sent as the size.
fn list(room: &Room, frame: &Frame) -> Result<Vec<Frame>, Failure> {
    protocol::List::decode(frame).map_err(malformed)?;
    let person = |(name, size)| protocol::Entry {
        name,
        kind: protocol::EntryKind::Person,
        mode: 0,
        size,
        modified: 0,
    };
    let mut entries: Vec<protocol::Entry> = room.members().into_iter().map(person).collect();
    let mut pages = Vec::new();
    loop {
        let rest = entries.split_off(entries.len().min(protocol::PAGE_LIMIT));
        let more = !rest.is_empty();
        pages.push(Entries { entries, more }.encode());
        if !more {
            return Ok(pages);
        }
        entries = rest;
    }
}

/// The reason for closing, as a frame or as a line of text.
fn farewell(connection: &Connection, failure: &Failure) -> Frame {
    if connection.is_text {
        Frame::new(frame::LINE, format!("* {failure}"))
    } else {
        Frame::error(failure.code, &failure.to_string())
    }
}
