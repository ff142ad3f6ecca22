//! The server's side of a chat: lets clients in, gives each its conversation, and says how it ended. A room for one
//! client is a conversation between two: it ends when that client leaves, and waits for one that was lost.

use std::sync::Arc;
use std::time::Duration;

use super::plain;
use super::room::{Entry, Room, Rules};
use super::text::check_name;
use super::visit::Visit;
use crate::base::{Transport, Value};
use crate::language::Arguments;
use crate::net::connection::malformed;
use crate::net::{Connection, FIRST_MESSAGE_LIMIT, Message as Wire};
use crate::report::Failure;
use crate::service::listen::is_guarded;
use crate::service::{Context, Job, Server};
use crate::session::{Guest, Handle};
use crate::wire::chat::{Message, Welcome};
use crate::wire::listing::{self, Entries};
use crate::wire::{Code, Frame, frame};

/// What the server's side is called.
pub(super) const HOST: &str = "host";
/// What the system may keep for a client: the rest waits here, and is counted (FAULTS row 82).
const SEND_BUFFER: usize = 64 << 10;
pub(super) const PARTING_LIMIT: Duration = Duration::from_millis(500);

pub(super) fn make(session: &Handle, arguments: &Arguments, _: &Context) -> Result<Arc<dyn Server>, Failure> {
    let transport = arguments.transport("transport").unwrap_or(Transport::Tcp);
    let relay = arguments.flag("relay");
    if relay && is_guarded(arguments) {
        let why = "what clients say would be passed on to everybody who can reach this machine";
        return Err(Failure::new(Code::Policy, why).fix("add `open` if that is meant, or leave `on` out"));
    }
    session.listens();
    let max = arguments.number("max").unwrap_or_else(|| (super::PROVIDER.max)(transport));
    let free = arguments.text("turns") == Some("off");
    Ok(Arc::new(Room::new(Rules { transport, free, for_two: max == 1, relay })))
}

impl Server for Room {
    fn serve(self: Arc<Self>, session: Handle, connection: Connection, client: Guest) -> Job<()> {
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
                    (text, answer) = session.next_saying() => {
                        let said = self.say(&session, &text).await;
                        // Whoever asked may have stopped waiting.
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

/// One client, from its name to its end.
async fn converse(
    room: &Room,
    session: &Handle,
    mut connection: Connection,
    client: &Guest,
) -> Result<(), Failure> {
    let entry = match join(room, &mut connection).await {
        Ok(Some(entry)) => entry,
        Ok(None) => {
            connection.outgoing.close(Code::Other, "").await;
            return Ok(());
        }
        Err(failure) => {
            drop(connection.outgoing.send_now(farewell(&connection, &failure)).await);
            connection.outgoing.close(Code::Other, "").await;
            return Err(failure);
        }
    };
    let (name, token) = (entry.name, entry.token);
    connection.outgoing.bound_buffer(SEND_BUFFER);
    room.show_members(session);
    client.does(format!("is {name}"));
    let (kind, how) = if entry.again { ("returned", "came back") } else { ("joined", "joined") };
    session.tell(kind, format!("{name} {how} from {client}"));
    let mut visit = Visit { room, session, connection, queue: entry.queue, name, token };
    let result = visit.run().await;
    let Visit { mut connection, name, .. } = visit;
    let how = match &result {
        Ok(how) => how.clone(),
        Err(failure) if room.rules.for_two => format!("is gone: {}; who comes next goes on", failure.why),
        Err(failure) => format!("is gone: {}", failure.why),
    };
    let left = room.leave(&name, token, &how);
    room.show_members(session);
    part(&mut connection, result.as_ref().err(), left.is_none()).await;
    let Some(unconfirmed) = left else {
        session.log("replaced", format!("{name} came back; what was left of it is closed"));
        return Ok(());
    };
    if unconfirmed > 0 {
        session.tell("unconfirmed", format!("{unconfirmed} messages were not confirmed by {name}"));
    }
    if !session.is_cancelled() {
        session.tell("left", format!("{name} {how}"));
    }
    // One that was lost, or whose place another took, can come back.
    if room.rules.for_two && result.is_ok() {
        session.token().cancel();
    }
    result.map(|_| ())
}

/// The last words to a client: it may be gone already, or read nothing, and is not waited for.
async fn part(connection: &mut Connection, failure: Option<&Failure>, replaced: bool) {
    let again = Failure::new(Code::Cancelled, "you came back from another place");
    if let Some(failure) = failure.filter(|failure| !failure.told) {
        let words = farewell(connection, if replaced { &again } else { failure });
        drop(tokio::time::timeout(PARTING_LIMIT, connection.outgoing.send_now(words)).await);
    }
    drop(tokio::time::timeout(PARTING_LIMIT, connection.outgoing.close(Code::Other, "")).await);
}

/// The client's name; `None`: it only wanted to know who is here.
async fn join(room: &Room, connection: &mut Connection) -> Result<Option<Entry>, Failure> {
    if connection.plain {
        return Ok(Some(room.enter(plain::NAME, 0)));
    }
    let mut frame = connection.incoming.frame(FIRST_MESSAGE_LIMIT, "name").await?;
    while frame.kind == listing::LIST {
        for page in list(room, &frame)? {
            connection.outgoing.send(page).await?;
        }
        connection.outgoing.flush().await?;
        // It asks again, or joins, or closes.
        match tokio::time::timeout(FIRST_MESSAGE_LIMIT, connection.incoming.next()).await {
            Ok(Ok(Some(Wire::Frame(next)))) => frame = next,
            _ => return Ok(None),
        }
    }
    let Message::Join { token, name } = Message::decode(&frame).map_err(malformed)? else {
        return Err(Failure::new(Code::Misbehaved, "the client did not say its name first"));
    };
    check_name(&name)?;
    let entry = room.enter(&name, token);
    if let Err(failure) = connection.outgoing.send_now(welcome(room, &entry.name, entry.token)).await {
        room.leave(&entry.name, entry.token, "left");
        return Err(failure);
    }
    Ok(Some(entry))
}

/// You are in, under this name.
pub(super) fn welcome(room: &Room, name: &str, token: u64) -> Frame {
    let Rules { free, relay, .. } = room.rules;
    Message::Welcome(Welcome { free, relay, token, name: name.into(), host: HOST.into() }).encode()
}

/// Who is here, as `ls` shows it: names, and how many messages each has said; in pages.
fn list(room: &Room, frame: &Frame) -> Result<Vec<Frame>, Failure> {
    listing::List::decode(frame).map_err(malformed)?;
    let person =
        |(name, size)| listing::Entry { name, kind: listing::EntryKind::Person, mode: 0, size, modified: 0 };
    let mut entries: Vec<listing::Entry> = room.members().into_iter().map(person).collect();
    let mut pages = Vec::new();
    loop {
        let rest = entries.split_off(entries.len().min(listing::PAGE_LIMIT));
        let more = !rest.is_empty();
        pages.push(Entries { entries, more }.encode());
        if !more {
            return Ok(pages);
        }
        entries = rest;
    }
}

/// Why it is over, as the client reads it.
fn farewell(connection: &Connection, failure: &Failure) -> Frame {
    if connection.plain {
        Frame::new(frame::LINE, format!("* {failure}"))
    } else {
        Frame::error(failure.code, &failure.to_string())
    }
}
