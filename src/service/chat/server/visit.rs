//! One member's visit, from joining to its end, and what others are told of it.

use std::sync::Arc;
use std::time::Instant;

use super::connection::MemberConnection;
use super::member::{PARTING_LIMIT, welcome};
use super::text_client;
use crate::net::errors::malformed;
use crate::net::{Connection, FIRST_MESSAGE_LIMIT, Message as Wire};
use crate::report::Failure;
use crate::service::chat::errors;
use crate::service::chat::protocol::Message;
use crate::service::chat::room::{Admitted, Room};
use crate::service::chat::text::check_name;
use crate::service::files::protocol::{self, Entries};
use crate::session::{ClientEntry, Handle};
use crate::wire::{Code, Frame, frame};

/// Bytes of the socket's send buffer for a client: the rest is queued here, where it is counted (faults.md row 82).
pub(crate) const SEND_BUFFER: usize = 64 << 10;

/// A client that visits a room.
#[derive(Clone, Copy)]
pub(crate) struct Visit<'a> {
    pub(crate) room: &'a Arc<Room>,
    pub(crate) session: &'a Handle,
    pub(crate) client: &'a ClientEntry,
}

impl Visit<'_> {
    /// Serves one client, from joining to its end.
    pub(crate) async fn converse(&self, mut connection: Connection) -> Result<(), Failure> {
        let Some(admitted) = admit(self.room, &mut connection).await? else { return Ok(()) };
        self.begins(&admitted);
        self.stay(connection, admitted, false).await
    }

    /// Serves a member until it leaves; `is_greeted`: as a text client, it knows its name.
    pub(crate) async fn stay(
        &self,
        connection: Connection,
        admitted: Admitted,
        is_greeted: bool,
    ) -> Result<(), Failure> {
        connection.outgoing.bound_buffer(SEND_BUFFER);
        let Self { room, session, .. } = *self;
        let Admitted { name, token, queue, .. } = admitted;
        let address = connection.peer.ip();
        let flood = room.buckets.take(address, Instant::now());
        let mut member =
            MemberConnection { room, session, connection, queue, name, token, flood, is_greeted };
        let result = member.run().await;
        let MemberConnection { mut connection, name, flood, .. } = member;
        room.buckets.keep(address, flood, Instant::now());
        let how = how_it_left(room, &result);
        let left = self.leaves(&name, token, &how);
        part(&mut connection, result.as_ref().err(), left.is_none()).await;
        if self.has_left(&name, &how, left) && room.rules.for_two && result.is_ok() {
            // A client whose connection was lost or replaced can come back: only a regular goodbye ends the session.
            session.finish();
        }
        if left.is_none() { Ok(()) } else { result.map(|_| ()) }
    }

    /// Tells that a member is there.
    pub(crate) fn begins(&self, admitted: &Admitted) {
        let Admitted { name, again, .. } = admitted;
        self.room.show_members(self.session);
        self.client.does(format!("is {name}"));
        let (kind, how) = if *again { ("returned", "came back") } else { ("joined", "joined") };
        self.session.tell(kind, format!("{name} {how} from {}", self.client));
    }

    /// Removes the member, as [`Room::leave`] does.
    pub(crate) fn leaves(&self, name: &str, token: u64, how: &str) -> Option<usize> {
        let left = self.room.leave(name, token, how);
        self.room.show_members(self.session);
        left
    }

    /// Tells that a member has left, and what it did not confirm; false if another connection has its place.
    pub(crate) fn has_left(&self, name: &str, how: &str, left: Option<usize>) -> bool {
        let Some(unconfirmed) = left else {
            self.session.log("replaced", format!("{name} came back; its old connection is closed"));
            return false;
        };
        if unconfirmed > 0 {
            self.session.tell("unconfirmed", format!("{unconfirmed} messages were not confirmed by {name}"));
        }
        if !self.session.is_cancelled() || self.session.cut_off().is_some() {
            self.session.tell("left", format!("{name} {how}"));
        }
        true
    }
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
