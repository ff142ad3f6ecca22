//! A client that has only `nc`: lines of text instead of messages. What the program says itself begins with `* `.

use std::time::{Duration, Instant};

use super::flood::{self, Flood, Slowed};
use super::outbox::{Queue, Queued};
use super::room::Room;
use super::server::{HOST, PARTING_LIMIT};
use super::text::{check, check_name};
use super::turn::Wrong;
use crate::base::escape::escape_line;
use crate::net::{Connection, Message as Wire};
use crate::report::Failure;
use crate::session::Handle;
use crate::wire::chat::Message;
use crate::wire::{Code, Frame, frame};

/// What a client is called until it says otherwise.
pub(super) const NAME: &str = "guest";
/// How long a client may take for an answer to its own line.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// One plain client in the room.
pub(super) struct Plain<'a> {
    pub(super) room: &'a Room,
    pub(super) session: &'a Handle,
    pub(super) connection: Connection,
    pub(super) queue: Queue,
    pub(super) name: String,
    pub(super) token: u64,
}

impl Plain<'_> {
    /// Until the client leaves: how it did.
    pub(super) async fn run(&mut self) -> Result<String, Failure> {
        self.greet().await?;
        let mut flood = Flood::new(Instant::now());
        loop {
            tokio::select! {
                () = self.session.cancelled() => {
                    // It may read nothing any more.
                    drop(tokio::time::timeout(PARTING_LIMIT, self.say("* host ended the conversation")).await);
                    return Ok("was told goodbye".into());
                }
                message = self.connection.incoming.next() => match message? {
                    Some(Wire::Frame(frame)) => {
                        let line = String::from_utf8_lossy(&frame.body).into_owned();
                        if let Some(how) = self.heard(line.trim_end_matches('\r')).await? {
                            return Ok(how);
                        }
                        if let Some(slowed) = flood.count(Instant::now()) {
                            self.slow_down(slowed).await?;
                        }
                    }
                    Some(Wire::Block { .. }) => {}
                    None => return Ok("left".into()),
                },
                queued = self.queue.next() => self.pass_on(queued?).await?,
            }
        }
    }

    async fn greet(&mut self) -> Result<(), Failure> {
        if self.room.rules.relay {
            self.say("* a room: everybody here sees what you say").await?;
        }
        self.say(&format!("* you are {}; /name NEW, /who, /quit", self.name)).await
    }

    /// What others said, as lines; what was sent counts as delivered.
    async fn pass_on(&mut self, queued: Queued) -> Result<(), Failure> {
        let (room, name, token) = (self.room, &self.name, self.token);
        let frame = |message: &Message| {
            let line = match message {
                Message::Say { id, text, .. } => {
                    room.confirmed(name, token, *id);
                    format!("{HOST}: {}", escape_line(text))
                }
                Message::Relayed { from, text, .. } => format!("{from}: {}", escape_line(text)),
                Message::Notice { text } => format!("* {text}"),
                _ => return None,
            };
            Some(Frame::new(frame::LINE, line))
        };
        self.queue.send(queued, &mut self.connection.outgoing, frame).await
    }

    /// Nothing is read from who speaks too fast. It still hears the others.
    async fn slow_down(&mut self, slowed: Slowed) -> Result<(), Failure> {
        if slowed.tell {
            self.say(&format!("* {}", flood::TEXT)).await?;
        }
        let until = tokio::time::Instant::now() + slowed.wait;
        loop {
            tokio::select! {
                () = self.session.cancelled() => return Ok(()),
                () = tokio::time::sleep_until(until) => return Ok(()),
                queued = self.queue.next() => self.pass_on(queued?).await?,
            }
        }
    }

    async fn say(&mut self, line: &str) -> Result<(), Failure> {
        let sent = self.connection.outgoing.send_now(Frame::new(frame::LINE, line.to_owned()));
        let slow = |_| Failure::new(Code::Timeout, "it does not read: an answer waited for 10 s");
        tokio::time::timeout(ANSWER_LIMIT, sent).await.map_err(slow)?
    }

    /// `Some`: the client left, and how.
    async fn heard(&mut self, line: &str) -> Result<Option<String>, Failure> {
        let answer = match line.split_once(' ').unwrap_or((line, "")) {
            ("", "") => return Ok(None),
            ("/quit", _) => return Ok(Some("left".into())),
            ("/who", _) => format!("* here: {}", self.room.names()),
            ("/name", name) => match check_name(name.trim()) {
                Ok(()) => {
                    let new = self.room.rename(&self.name, self.token, name.trim());
                    let before = std::mem::replace(&mut self.name, new);
                    self.session.tell("renamed", format!("{before} is now {}", self.name));
                    self.room.show_members(self.session);
                    format!("* you are {}", self.name)
                }
                Err(failure) => format!("* {failure}"),
            },
            _ => match check(line, self.connection.transport) {
                Err(failure) => format!("* {failure}"),
                Ok(()) => match self.room.heard_plain(self.session, (&self.name, self.token), line) {
                    Ok(()) => return Ok(None),
                    Err(Wrong::OutOfTurn) => {
                        "* it is not your turn: a message must be answered before you may send the next"
                            .into()
                    }
                    Err(Wrong::Impossible) => return Ok(Some("is gone".into())),
                },
            },
        };
        self.say(&answer).await?;
        Ok(None)
    }
}
