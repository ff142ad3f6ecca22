//! A room: many clients, each in a conversation of its own with the server's side. A room for one client is a
//! conversation between two: it ends when that client leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use super::client::not_your_turn;
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
use crate::wire::{Code, Frame};

/// What the server's side is called.
const HOST: &str = "host";
/// Messages that may wait for a client; one that reads less is dropped.
const QUEUE_LIMIT: usize = 256;
/// Characters of a client's notice that are kept.
const NOTICE_LIMIT: usize = 200;
const PARTING_LIMIT: Duration = Duration::from_millis(500);

struct Member {
    turns: Turns,
    /// What the host said and the client has not confirmed (FAULTS row 85).
    unconfirmed: BTreeSet<u64>,
    queue: mpsc::Sender<Message>,
}

#[derive(Default)]
struct Members {
    by_name: BTreeMap<String, Member>,
    sent: u64,
    received: u64,
}

struct Room {
    transport: Transport,
    /// The conversation is between two: it ends when the client leaves.
    for_two: bool,
    members: Mutex<Members>,
}

pub(super) fn make(session: &Handle, arguments: &Arguments, _: &Context) -> Result<Arc<dyn Server>, Failure> {
    let transport = arguments.transport("transport").unwrap_or(Transport::Tcp);
    session.listens();
    let max = arguments.number("max").unwrap_or_else(|| (super::PROVIDER.max)(transport));
    Ok(Arc::new(Room { transport, for_two: max == 1, members: Mutex::default() }))
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
                let said = self.say(&session, &text);
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
    fn say(&self, session: &Handle, text: &str) -> Result<(), Failure> {
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
        for (queue, message) in queues {
            // A member that just left, or that does not read, is seen off by its own task.
            session.count_out(text.len() as u64);
            drop(queue.try_send(message));
        }
        session.set("sent", Value::count(sent));
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
                drop(connection.outgoing.send_now(Frame::error(failure.code, &failure.to_string())).await);
                connection.outgoing.close(Code::Other, "").await;
                return Err(failure);
            }
        };
        self.show_members(&session);
        client.does(format!("is {name}"));
        session.tell("joined", format!("{name} joined from {client}"));
        let mut visit = Visit { room: &self, session: &session, connection, queue, name: name.clone() };
        let result = visit.run().await;
        let mut connection = visit.connection;
        let unconfirmed = self.lock().by_name.remove(&name).map_or(0, |member| member.unconfirmed.len());
        if unconfirmed > 0 {
            session.tell("unconfirmed", format!("{unconfirmed} messages were not confirmed by {name}"));
        }
        self.show_members(&session);
        let how = match &result {
            Ok(how) => how.clone(),
            Err(failure) => {
                if !failure.told {
                    // It may be gone already: then there is nobody to tell.
                    drop(
                        connection.outgoing.send_now(Frame::error(failure.code, &failure.to_string())).await,
                    );
                }
                format!("is gone: {failure}")
            }
        };
        connection.outgoing.close(Code::Other, "").await;
        if !session.is_cancelled() {
            session.tell("left", format!("{name} {how}"));
        }
        if self.for_two {
            session.token().cancel();
        }
        result.map(|_| ())
    }

    async fn join(&self, connection: &mut Connection) -> Result<(String, mpsc::Receiver<Message>), Failure> {
        let frame = connection.incoming.frame(FIRST_MESSAGE_LIMIT, "name").await?;
        let Message::Join { name } = Message::decode(&frame).map_err(malformed)? else {
            return Err(Failure::new(Code::Misbehaved, "the client did not say its name first"));
        };
        check_name(&name)?;
        let (queue, waiting) = mpsc::channel(QUEUE_LIMIT);
        let name = {
            let mut members = self.lock();
            let name =
                unique(&name, |taken| members.by_name.keys().any(|known| known.to_lowercase() == taken));
            members.by_name.insert(
                name.clone(),
                Member { turns: Turns::default(), unconfirmed: BTreeSet::new(), queue },
            );
            name
        };
        let welcome = Message::Welcome { name: name.clone(), host: HOST.into() };
        if let Err(failure) = connection.outgoing.send_now(welcome.encode()).await {
            self.lock().by_name.remove(&name);
            return Err(failure);
        }
        Ok((name, waiting))
    }

    fn show_members(&self, session: &Handle) {
        let names: Vec<String> = self.lock().by_name.keys().cloned().collect();
        session.set("peer", Value::text(names.join(", ")));
    }
}

impl Members {
    /// Stamps a message of the host for those who may hear it now.
    fn address(
        &mut self,
        name: Option<&str>,
        text: &str,
    ) -> Result<Vec<(mpsc::Sender<Message>, Message)>, Failure> {
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
                    member.queue.clone(),
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

/// One client in the room.
struct Visit<'a> {
    room: &'a Room,
    session: &'a Handle,
    connection: Connection,
    queue: mpsc::Receiver<Message>,
    name: String,
}

impl Visit<'_> {
    /// Until the client leaves: how it did.
    async fn run(&mut self) -> Result<String, Failure> {
        loop {
            tokio::select! {
                () = self.session.cancelled() => {
                    // Confirmations that are on their way still count.
                    drop(tokio::time::timeout(PARTING_LIMIT, self.part()).await);
                    return Ok("was told goodbye".into());
                }
                message = self.connection.incoming.next() => match message? {
                    Some(Wire::Frame(frame)) => {
                        if let Some(how) = self.receive(Message::decode(&frame).map_err(malformed)?).await? {
                            return Ok(how);
                        }
                    }
                    Some(Wire::Block { .. }) => return Err(Failure::new(Code::Misbehaved, "a block has no place in a chat")),
                    None => return Ok("left".into()),
                },
                message = self.queue.recv() => if let Some(message) = message {
                    self.connection.outgoing.send_now(message.encode()).await?;
                },
            }
        }
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
            Message::Delivered { id } => {
                if let Some(member) = self.room.lock().by_name.get_mut(&self.name) {
                    member.unconfirmed.remove(&id);
                }
            }
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
        let (verdict, received) = {
            let mut members = self.room.lock();
            let verdict = members
                .by_name
                .get_mut(&self.name)
                .map_or(Err(Wrong::Impossible), |member| member.turns.receive(stamp));
            members.received += u64::from(verdict.is_ok());
            (verdict, members.received)
        };
        let reply = match verdict {
            Ok(()) => {
                self.session.count_in(text.len() as u64);
                let text = escape_line(text).into_owned();
                self.session
                    .set_all([("received", Value::count(received)), ("last", Value::text(text.clone()))]);
                self.session.heard(&self.name, &text);
                Message::Delivered { id: stamp.id }
            }
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
