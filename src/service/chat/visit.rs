//! One client in a room that speaks the protocol.

use std::time::Instant;

use super::flood::{self, Flood, Slowed};
use super::outbox::Queue;
use super::room::Room;
use super::server::{PARTING_LIMIT, welcome};
use super::text::{check, check_name};
use super::turn::{Stamp, Wrong};
use crate::base::escape::escape_line;
use crate::net::connection::malformed;
use crate::net::{Connection, Message as Wire};
use crate::report::Failure;
use crate::session::Handle;
use crate::wire::Code;
use crate::wire::chat::Message;

/// Characters of a client's notice that are kept.
const NOTICE_LIMIT: usize = 200;

pub(super) struct Visit<'a> {
    pub(super) room: &'a Room,
    pub(super) session: &'a Handle,
    pub(super) connection: Connection,
    pub(super) queue: Queue,
    pub(super) name: String,
    pub(super) token: u64,
}

impl Visit<'_> {
    /// Until the client leaves: how it did.
    pub(super) async fn run(&mut self) -> Result<String, Failure> {
        let mut flood = Flood::new(Instant::now());
        loop {
            tokio::select! {
                () = self.session.cancelled() => {
                    // Confirmations that are on their way still count.
                    drop(tokio::time::timeout(PARTING_LIMIT, self.part()).await);
                    return Ok("was told goodbye".into());
                }
                message = self.connection.incoming.next() => match message? {
                    Some(Wire::Frame(frame)) => {
                        let message = Message::decode(&frame).map_err(malformed)?;
                        let counts = !matches!(message, Message::Delivered { .. });
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
                queued = self.queue.next() => {
                    self.queue.send(queued?, &mut self.connection.outgoing, |message| Some(message.encode())).await?;
                }
            }
        }
    }

    /// Nothing is read from who speaks too fast: its own sending comes to a stop. It still hears the others.
    async fn slow_down(&mut self, slowed: Slowed) -> Result<(), Failure> {
        if slowed.tell {
            let notice = Message::Notice { text: flood::TEXT.into() };
            self.connection.outgoing.send_now(notice.encode()).await?;
        }
        let until = tokio::time::Instant::now() + slowed.wait;
        loop {
            tokio::select! {
                () = self.session.cancelled() => return Ok(()),
                () = tokio::time::sleep_until(until) => return Ok(()),
                queued = self.queue.next() => {
                    self.queue.send(queued?, &mut self.connection.outgoing, |message| Some(message.encode())).await?;
                }
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
            Message::Delivered { id } => self.room.confirmed(&self.name, self.token, id),
            // A notice is the program's own voice: a client's is for the log, and short.
            Message::Notice { text } => {
                let text: String = text.chars().take(NOTICE_LIMIT).collect();
                self.session.log("notice", format!("{}: {}", self.name, escape_line(&text)));
            }
            Message::Join { name, .. } => self.rename(&name).await?,
            Message::Welcome(_) | Message::Relayed { .. } => {
                return Err(Failure::new(Code::Misbehaved, "it says what only a server does"));
            }
        }
        Ok(None)
    }

    async fn rename(&mut self, name: &str) -> Result<(), Failure> {
        let answer = match check_name(name) {
            Ok(()) => {
                let new = self.room.rename(&self.name, self.token, name);
                let before = std::mem::replace(&mut self.name, new);
                self.session.tell("renamed", format!("{before} is now {}", self.name));
                self.room.show_members(self.session);
                welcome(self.room, &self.name, self.token)
            }
            Err(failure) => Message::Notice { text: failure.to_string() }.encode(),
        };
        self.connection.outgoing.send_now(answer).await
    }

    async fn heard(&mut self, stamp: Stamp, text: &str) -> Result<(), Failure> {
        check(text, self.room.rules.transport)?;
        let reply = match self.room.heard(self.session, (&self.name, self.token), stamp, text) {
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
