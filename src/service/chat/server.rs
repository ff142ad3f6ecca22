//! A room: many clients, each in a conversation of its own with the server's side. A room for one client is a
//! conversation between two: it ends when that client leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::client::not_your_turn;
use super::flood::{self, Flood, Slowed};
use super::outbox::{Outbox, Queued};
use super::plain::{self, Plain};
use super::text::{check, check_name, unique};
use super::turn::{Stamp, Turns, Wrong};
use crate::base::escape::escape_line;
use crate::base::{Transport, Value};
use crate::language::Arguments;
use crate::net::Message as Wire;
use crate::net::connection::malformed;
use crate::net::{Connection, FIRST_MESSAGE_LIMIT};
use crate::report::Failure;
use crate::service::{Context, Job, Server};
use crate::session::{Guest, Handle};
use crate::wire::chat::Message;
use crate::wire::{Code, Frame, frame};

/// What the server's side is called.
pub(super) const HOST: &str = "host";
/// A client that takes nothing for so long, although something waits, is dropped (FAULTS row 82).
pub(super) const READ_LIMIT: Duration = Duration::from_secs(10);
/// Characters of a client's notice that are kept.
const NOTICE_LIMIT: usize = 200;
/// The host waits so long for clients that only read more slowly than it speaks.
const GRACE: Duration = Duration::from_millis(100);
pub(super) const PARTING_LIMIT: Duration = Duration::from_millis(500);

struct Member {
    turns: Turns,
    /// What the host said and the client has not confirmed (FAULTS row 85).
    unconfirmed: BTreeSet<u64>,
    outbox: Outbox,
    /// Fires when it is dropped because it does not read.
    kicked: CancellationToken,
}

#[derive(Default)]
struct Members {
    by_name: BTreeMap<String, Member>,
    sent: u64,
    received: u64,
}

pub(super) struct Room {
    transport: Transport,
    /// `turns off`.
    free: bool,
    /// The conversation is between two: it ends when the client leaves.
    for_two: bool,
    members: Mutex<Members>,
}

pub(super) fn make(session: &Handle, arguments: &Arguments, _: &Context) -> Result<Arc<dyn Server>, Failure> {
    let transport = arguments.transport("transport").unwrap_or(Transport::Tcp);
    session.listens();
    let max = arguments.number("max").unwrap_or_else(|| (super::PROVIDER.max)(transport));
    let free = arguments.text("turns") == Some("off");
    Ok(Arc::new(Room { transport, free, for_two: max == 1, members: Mutex::default() }))
}

impl Server for Room {
    fn serve(self: Arc<Self>, session: Handle, connection: Connection, client: Guest) -> Job<()> {
        Box::pin(async move { self.converse(session, connection, &client).await })
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
                let (text, answer) = session.next_saying().await;
                let said = self.say(&session, &text).await;
                // Whoever asked may have stopped waiting.
                drop(answer.send(said));
            }
        }))
    }

    fn describe(&self) -> String {
        if self.for_two { "a conversation for two".into() } else { "a conversation with many".into() }
    }
}

impl Room {
    fn lock(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The host speaks: to everybody whose turn allows it, or with `@name` to one.
    async fn say(&self, session: &Handle, text: &str) -> Result<(), Failure> {
        let (name, text) = match text.strip_prefix('@').and_then(|rest| rest.split_once(' ')) {
            Some((name, text)) => (Some(name), text),
            None => (None, text),
        };
        check(text, self.transport)?;
        let (queues, sent) = {
            let mut members = self.lock();
            let queues = members.address(name, text)?;
            members.sent += 1;
            (queues, members.sent)
        };
        let mut full = Vec::new();
        for (outbox, kicked, message) in queues {
            session.count_out(text.len() as u64);
            if let Err(message) = outbox.put(message, text.len()) {
                full.push((outbox, kicked, message));
            }
        }
        session.set("sent", Value::count(sent));
        // Everybody else has it. One that does not read is seen off by its own task.
        let until = tokio::time::Instant::now() + GRACE;
        for (outbox, kicked, message) in full {
            if tokio::time::timeout_at(until, outbox.put_later(message, text.len())).await.is_err() {
                kicked.cancel();
            }
        }
        Ok(())
    }

    async fn converse(
        self: Arc<Self>,
        session: Handle,
        mut connection: Connection,
        client: &Guest,
    ) -> Result<(), Failure> {
        let (name, queue) = match self.join(&mut connection).await {
            Ok(joined) => joined,
            Err(failure) => {
                drop(connection.outgoing.send_now(farewell(&connection, &failure)).await);
                connection.outgoing.close(Code::Other, "").await;
                return Err(failure);
            }
        };
        self.show_members(&session);
        client.does(format!("is {name}"));
        session.tell("joined", format!("{name} joined from {client}"));
        let (result, mut connection, name) = if connection.plain {
            let mut visit = Plain { room: &self, session: &session, connection, queue, name };
            (visit.run().await, visit.connection, visit.name)
        } else {
            let mut visit = Visit { room: &self, session: &session, connection, queue, name };
            (visit.run().await, visit.connection, visit.name)
        };
        let unconfirmed = self.lock().by_name.remove(&name).map_or(0, |member| member.unconfirmed.len());
        if unconfirmed > 0 {
            session.tell("unconfirmed", format!("{unconfirmed} messages were not confirmed by {name}"));
        }
        self.show_members(&session);
        let how = match &result {
            Ok(how) => how.clone(),
            Err(failure) => {
                if !failure.told {
                    // It may be gone already, or read nothing: then there is nobody to tell.
                    let words = farewell(&connection, failure);
                    drop(tokio::time::timeout(PARTING_LIMIT, connection.outgoing.send_now(words)).await);
                }
                format!("is gone: {failure}")
            }
        };
        // What a client that does not read was not given is not waited for.
        drop(tokio::time::timeout(PARTING_LIMIT, connection.outgoing.close(Code::Other, "")).await);
        if !session.is_cancelled() {
            session.tell("left", format!("{name} {how}"));
        }
        if self.for_two {
            session.token().cancel();
        }
        result.map(|_| ())
    }

    async fn join(
        &self,
        connection: &mut Connection,
    ) -> Result<(String, mpsc::UnboundedReceiver<Queued>), Failure> {
        if connection.plain {
            return Ok(self.enter(plain::NAME));
        }
        let frame = connection.incoming.frame(FIRST_MESSAGE_LIMIT, "name").await?;
        let Message::Join { name } = Message::decode(&frame).map_err(malformed)? else {
            return Err(Failure::new(Code::Misbehaved, "the client did not say its name first"));
        };
        check_name(&name)?;
        let (name, waiting) = self.enter(&name);
        let welcome = Message::Welcome { free: self.free, name: name.clone(), host: HOST.into() };
        if let Err(failure) = connection.outgoing.send_now(welcome.encode()).await {
            self.lock().by_name.remove(&name);
            return Err(failure);
        }
        Ok((name, waiting))
    }

    /// A new member, under this name or one like it.
    fn enter(&self, name: &str) -> (String, mpsc::UnboundedReceiver<Queued>) {
        let (outbox, waiting) = Outbox::new();
        let mut members = self.lock();
        let name = members.free_name(name);
        let member = Member {
            turns: Turns::new(self.free),
            unconfirmed: BTreeSet::new(),
            outbox,
            kicked: CancellationToken::new(),
        };
        members.by_name.insert(name.clone(), member);
        (name, waiting)
    }

    /// Another name for a member, or one like it.
    pub(super) fn rename(&self, before: &str, name: &str) -> String {
        let mut members = self.lock();
        let Some(member) = members.by_name.remove(before) else { return before.to_owned() };
        let name = members.free_name(name);
        members.by_name.insert(name.clone(), member);
        name
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.lock().by_name.keys().cloned().collect()
    }

    pub(super) fn show_members(&self, session: &Handle) {
        session.set("peer", Value::text(self.names().join(", ")));
    }

    /// Fires when a member is dropped because it does not read.
    pub(super) fn kicked(&self, name: &str) -> CancellationToken {
        self.lock().by_name.get(name).map(|member| member.kicked.clone()).unwrap_or_default()
    }

    pub(super) fn does_not_read() -> Failure {
        let why = "it does not read: what waits for it is too much, or waited for 10 s";
        Failure::new(Code::Timeout, why)
    }

    pub(super) fn confirmed(&self, name: &str, id: u64) {
        if let Some(member) = self.lock().by_name.get_mut(name) {
            member.unconfirmed.remove(&id);
        }
    }

    /// A line of a client that counts nothing itself.
    pub(super) fn heard_plain(&self, session: &Handle, name: &str, text: &str) -> Result<(), Wrong> {
        let stamp = self.lock().by_name.get(name).map(|member| member.turns.stamp_of_plain());
        self.take(session, name, stamp.ok_or(Wrong::Impossible)?, text)
    }

    /// Judges a message, and shows it if it is one.
    fn take(&self, session: &Handle, name: &str, stamp: Stamp, text: &str) -> Result<(), Wrong> {
        let received = {
            let mut members = self.lock();
            let member = members.by_name.get_mut(name).ok_or(Wrong::Impossible)?;
            member.turns.receive(stamp)?;
            members.received += 1;
            members.received
        };
        session.count_in(text.len() as u64);
        let text = escape_line(text).into_owned();
        session.set_all([("received", Value::count(received)), ("last", Value::text(text.clone()))]);
        session.heard(name, &text);
        Ok(())
    }
}

impl Members {
    fn free_name(&self, name: &str) -> String {
        unique(name, |taken| self.by_name.keys().any(|known| known.to_lowercase() == taken))
    }

    /// Stamps a message of the host for those who may hear it now.
    fn address(
        &mut self,
        name: Option<&str>,
        text: &str,
    ) -> Result<Vec<(Outbox, CancellationToken, Message)>, Failure> {
        let known: Vec<String> = self.by_name.keys().cloned().collect();
        if known.is_empty() {
            return Err(
                Failure::new(Code::Missing, "nobody is here to hear it").fix("wait until somebody joined")
            );
        }
        if let Some(name) = name.filter(|name| !self.by_name.contains_key(*name)) {
            return Err(Failure::new(Code::Missing, format!("nobody is called {name}"))
                .fix(format!("here are: {}", known.join(", "))));
        }
        let mut messages = Vec::new();
        for (_, member) in self.by_name.iter_mut().filter(|(n, _)| name.is_none_or(|name| name == n.as_str()))
        {
            if let Some(stamp) = member.turns.send() {
                member.unconfirmed.insert(stamp.id);
                messages.push((
                    member.outbox.clone(),
                    member.kicked.clone(),
                    Message::Say { id: stamp.id, seen: stamp.seen, text: text.into() },
                ));
            }
        }
        if messages.is_empty() {
            return Err(not_your_turn(name.unwrap_or(if known.len() == 1 {
                &known[0]
            } else {
                "everybody else"
            })));
        }
        Ok(messages)
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

/// One client in the room.
struct Visit<'a> {
    room: &'a Room,
    session: &'a Handle,
    connection: Connection,
    queue: mpsc::UnboundedReceiver<Queued>,
    name: String,
}

impl Visit<'_> {
    /// Until the client leaves: how it did.
    async fn run(&mut self) -> Result<String, Failure> {
        let kicked = self.room.kicked(&self.name);
        let mut flood = Flood::new(Instant::now());
        loop {
            tokio::select! {
                () = kicked.cancelled() => return Err(Room::does_not_read()),
                () = self.session.cancelled() => {
                    // Confirmations that are on their way still count.
                    drop(tokio::time::timeout(PARTING_LIMIT, self.part()).await);
                    return Ok("was told goodbye".into());
                }
                message = self.connection.incoming.next() => match message? {
                    Some(Wire::Frame(frame)) => {
                        let message = Message::decode(&frame).map_err(malformed)?;
                        let counts = matches!(message, Message::Say { .. } | Message::Notice { .. });
                        if let Some(how) = self.receive(message).await? {
                            return Ok(how);
                        }
                        if counts && let Some(slowed) = flood.count(Instant::now()) {
                            self.slow_down(slowed).await?;
                        }
                    }
                    Some(Wire::Block { .. }) => return Err(Failure::new(Code::Misbehaved, "a block has no place in a chat")),
                    None => return Ok("left".into()),
                },
                queued = self.queue.recv() => if let Some(queued) = queued {
                    let sent = self.connection.outgoing.send_now(queued.message.encode());
                    tokio::select! {
                        () = kicked.cancelled() => return Err(Room::does_not_read()),
                        sent = tokio::time::timeout(READ_LIMIT, sent) => sent.map_err(|_| Room::does_not_read())??,
                    }
                },
            }
        }
    }

    /// Nothing is read from who speaks too fast: its own sending comes to a stop.
    async fn slow_down(&mut self, slowed: Slowed) -> Result<(), Failure> {
        if slowed.tell {
            let notice = Message::Notice { text: flood::TEXT.into() };
            self.connection.outgoing.send_now(notice.encode()).await?;
        }
        tokio::select! {
            () = self.session.cancelled() => {}
            () = tokio::time::sleep(slowed.wait) => {}
        }
        Ok(())
    }

    /// Says goodbye and takes what the client still says, until it closes.
    async fn part(&mut self) -> Result<(), Failure> {
        let leave = Message::Leave { reason: "ended the conversation".into() };
        self.connection.outgoing.send_now(leave.encode()).await?;
        while let Some(Wire::Frame(frame)) = self.connection.incoming.next().await? {
            // Both said goodbye at once: nothing more comes.
            if self.receive(Message::decode(&frame).map_err(malformed)?).await?.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// `Some`: the client left, and how.
    async fn receive(&mut self, message: Message) -> Result<Option<String>, Failure> {
        match message {
            Message::Say { id, seen, text } => self.heard(Stamp { id, seen }, &text).await?,
            Message::Leave { reason } => return Ok(Some(escape_line(&reason).into_owned())),
            Message::Delivered { id } => self.room.confirmed(&self.name, id),
            // A notice is the program's own voice: a client's is for the log, and short.
            Message::Notice { text } => {
                let text: String = text.chars().take(NOTICE_LIMIT).collect();
                self.session.log("notice", format!("{}: {}", self.name, escape_line(&text)));
            }
            Message::Join { .. } | Message::Welcome { .. } => {
                return Err(Failure::new(Code::Misbehaved, "a greeting in the middle of a chat"));
            }
        }
        Ok(None)
    }

    async fn heard(&mut self, stamp: Stamp, text: &str) -> Result<(), Failure> {
        check(text, self.room.transport)?;
        let reply = match self.room.take(self.session, &self.name, stamp, text) {
            Ok(()) => Message::Delivered { id: stamp.id },
            Err(Wrong::OutOfTurn) => {
                Message::Notice { text: "it is not your turn: wait for an answer".into() }
            }
            Err(Wrong::Impossible) => {
                return Err(Failure::new(Code::Misbehaved, "the client lost count of its messages"));
            }
        };
        self.connection.outgoing.send_now(reply.encode()).await
    }
}
