//! One conversation with a chat server.

use std::collections::BTreeSet;
use std::time::Duration;

use super::text::{check, check_name, login_name};
use super::turn::{Stamp, Turns, Wrong};
use crate::base::Value;
use crate::base::escape::escape_line;
use crate::language::Arguments;
use crate::net::Message as Wire;
use crate::net::connection::{malformed, told};
use crate::net::{Connection, FIRST_MESSAGE_LIMIT, udp};
use crate::report::{Failure, Outcome};
use crate::service::{Context, Job, connect_with};
use crate::session::Handle;
use crate::session::handle::cancelled;
use crate::wire::chat::Message;
use crate::wire::{Code, ServiceId, frame};

/// How long a goodbye may take.
const PARTING_LIMIT: Duration = Duration::from_millis(500);

struct Conversation {
    session: Handle,
    connection: Connection,
    turns: Turns,
    host: String,
    /// Messages that the other side has not confirmed (FAULTS row 85).
    unconfirmed: BTreeSet<u64>,
}

pub(super) fn chat(session: Handle, arguments: Arguments, _context: Context) -> Job {
    Box::pin(async move {
        let name = arguments.text("name").map_or_else(login_name, str::to_owned);
        check_name(&name).map_err(|failure| failure.of("chat"))?;
        let options = udp::Options { give_up: super::PATIENCE, ..udp::Options::default() };
        let mut connection = connect_with(&session, &arguments, "server", ServiceId::Chat, options)
            .await
            .map_err(|failure| failure.of("chat"))?;
        let welcome = session.unless_cancelled(join(&mut connection, name)).await;
        let (free, name, host) = welcome.map_err(|failure| failure.of("chat"))?;
        session.set_all([
            ("peer", Value::text(host.clone())),
            ("name", Value::text(name.clone())),
            ("sent", Value::count(0)),
            ("received", Value::count(0)),
            ("last", Value::text("")),
            ("unconfirmed", Value::count(0)),
            ("transport", Value::text(connection.transport.word())),
        ]);
        session.log("joined", format!("you are {name}, with {host}"));
        session.listens();
        session.running("connected");
        Conversation { session, connection, turns: Turns::new(free), host, unconfirmed: BTreeSet::new() }
            .run()
            .await
    })
}

/// Whether turns are off, our name there, and the host's.
async fn join(connection: &mut Connection, name: String) -> Result<(bool, String, String), Failure> {
    connection.request([Message::Join { name }.encode()]).await?;
    match Message::decode(&connection.incoming.frame(FIRST_MESSAGE_LIMIT, "welcome").await?)
        .map_err(malformed)?
    {
        Message::Welcome { free, name, host } => {
            Ok((free, escape_line(&name).into_owned(), escape_line(&host).into_owned()))
        }
        _ => Err(Failure::new(Code::Misbehaved, "the server did not say welcome")),
    }
}

impl Conversation {
    async fn run(mut self) -> Result<Outcome, Failure> {
        let result = loop {
            let session = self.session.clone();
            tokio::select! {
                () = session.cancelled() => {
                    drop(tokio::time::timeout(PARTING_LIMIT, self.leave("left")).await);
                    break Err(cancelled());
                }
                message = self.connection.incoming.next() => match self.receive(message).await {
                    Ok(None) => {}
                    Ok(Some(outcome)) => break Ok(outcome),
                    Err(failure) => break Err(failure.of("chat")),
                },
                (text, answer) = session.next_saying() => {
                    let said = self.say(text).await;
                    // Whoever asked may have stopped waiting.
                    drop(answer.send(said));
                }
            }
        };
        self.connection.outgoing.close(Code::Other, "").await;
        for id in &self.unconfirmed {
            self.session.tell("unconfirmed", format!("message {id} was not confirmed by {}", self.host));
        }
        result
    }

    /// Says goodbye and takes the confirmations that are on their way, until the other side closes.
    async fn leave(&mut self, reason: &str) -> Result<(), Failure> {
        self.connection.outgoing.send_now(Message::Leave { reason: reason.into() }.encode()).await?;
        while let Some(Wire::Frame(frame)) = self.connection.incoming.next().await? {
            match Message::decode(&frame) {
                Ok(Message::Delivered { id }) => {
                    self.unconfirmed.remove(&id);
                }
                // Both said goodbye at once: nothing more comes.
                Ok(Message::Leave { .. }) => break,
                _ => {}
            }
        }
        Ok(())
    }

    async fn say(&mut self, text: String) -> Result<(), Failure> {
        check(&text, self.connection.transport)?;
        let Some(stamp) = self.turns.send() else { return Err(not_your_turn(&self.host)) };
        self.session.count_out(text.len() as u64);
        self.connection
            .outgoing
            .send_now(Message::Say { id: stamp.id, seen: stamp.seen, text }.encode())
            .await?;
        self.unconfirmed.insert(stamp.id);
        self.session.set_all([
            ("sent", Value::count(stamp.id)),
            ("unconfirmed", Value::count(self.unconfirmed.len() as u64)),
        ]);
        Ok(())
    }

    /// `Some`: the conversation is over.
    async fn receive(&mut self, message: Result<Option<Wire>, Failure>) -> Result<Option<Outcome>, Failure> {
        let frame = match message? {
            Some(Wire::Frame(frame)) if frame.kind == frame::ERROR => return Err(told(&frame)),
            Some(Wire::Frame(frame)) => frame,
            Some(Wire::Block { .. }) => {
                return Err(Failure::new(Code::Misbehaved, "a block has no place in a chat"));
            }
            None => return Ok(Some(self.over("the connection was closed"))),
        };
        match Message::decode(&frame).map_err(malformed)? {
            Message::Say { id, seen, text } => self.heard(Stamp { id, seen }, &text).await?,
            Message::Delivered { id } => {
                self.unconfirmed.remove(&id);
                self.session.set("unconfirmed", Value::count(self.unconfirmed.len() as u64));
            }
            Message::Notice { text } => self.session.tell("notice", escape_line(&text)),
            Message::Leave { reason } => {
                return Ok(Some(self.over(&format!("{} {}", self.host, escape_line(&reason)))));
            }
            Message::Join { .. } | Message::Welcome { .. } => {
                return Err(Failure::new(Code::Misbehaved, "a greeting in the middle of a chat"));
            }
        }
        Ok(None)
    }

    fn over(&self, how: &str) -> Outcome {
        self.session.tell("left", how);
        Outcome::new(format!("chat over: {how}"), Vec::new())
    }

    async fn heard(&mut self, stamp: Stamp, text: &str) -> Result<(), Failure> {
        let reply = match self.turns.receive(stamp) {
            Ok(()) => {
                self.session.count_in(text.len() as u64);
                let text = escape_line(text).into_owned();
                self.session
                    .set_all([("received", Value::count(stamp.id)), ("last", Value::text(text.clone()))]);
                self.session.heard(&self.host, &text);
                Message::Delivered { id: stamp.id }
            }
            Err(Wrong::OutOfTurn) => {
                Message::Notice { text: "it is not your turn: wait for an answer".into() }
            }
            Err(Wrong::Impossible) => {
                return Err(Failure::new(Code::Misbehaved, "the other side lost count of its messages"));
            }
        };
        self.connection.outgoing.send_now(reply.encode()).await
    }
}

/// What who speaks out of turn is told.
pub(super) fn not_your_turn(peer: &str) -> Failure {
    Failure::new(Code::Turn, format!("it is the turn of {peer}: your last message was not answered yet"))
        .fix("wait for the answer")
}
