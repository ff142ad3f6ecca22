//! A client that has only `nc`: lines of text instead of messages. What the program says itself begins with `* `.

use std::time::Instant;

use tokio::sync::mpsc;

use super::flood::{self, Flood};
use super::outbox::Queued;
use super::server::Room;
use super::text::{check, check_name};
use super::turn::Wrong;
use crate::base::escape::escape_line;
use crate::net::{Connection, Message as Wire};
use crate::report::Failure;
use crate::session::Handle;
use crate::wire::chat::Message;
use crate::wire::{Frame, frame};

/// What a client is called until it says otherwise.
pub(super) const NAME: &str = "guest";

/// One plain client in the room.
pub(super) struct Plain<'a> {
    pub(super) room: &'a Room,
    pub(super) session: &'a Handle,
    pub(super) connection: Connection,
    pub(super) queue: mpsc::UnboundedReceiver<Queued>,
    pub(super) name: String,
}

impl Plain<'_> {
    /// Until the client leaves: how it did.
    pub(super) async fn run(&mut self) -> Result<String, Failure> {
        self.say(&format!("* you are {}; /name NEW, /who, /quit", self.name)).await?;
        let kicked = self.room.kicked(&self.name);
        let mut flood = Flood::new(Instant::now());
        loop {
            let session = self.session.clone();
            tokio::select! {
                () = session.cancelled() => {
                    // It may read nothing any more.
                    drop(tokio::time::timeout(super::server::PARTING_LIMIT, self.say("* host ended the conversation")).await);
                    return Ok("was told goodbye".into());
                }
                () = kicked.cancelled() => return Err(Room::does_not_read()),
                message = self.connection.incoming.next() => match message? {
                    Some(Wire::Frame(frame)) => {
                        let line = String::from_utf8_lossy(&frame.body).into_owned();
                        if let Some(how) = self.heard(line.trim_end_matches('\r')).await? {
                            return Ok(how);
                        }
                        if let Some(slowed) = flood.count(Instant::now()) {
                            if slowed.tell {
                                self.say(&format!("* {}", flood::TEXT)).await?;
                            }
                            tokio::select! {
                                () = session.cancelled() => {}
                                () = tokio::time::sleep(slowed.wait) => {}
                            }
                        }
                    }
                    Some(Wire::Block { .. }) => {}
                    None => return Ok("left".into()),
                },
                queued = self.queue.recv() => if let Some(queued) = queued {
                    let Message::Say { id, text, .. } = &queued.message else { continue };
                    let line = format!("{}: {}", super::server::HOST, escape_line(text));
                    tokio::select! {
                        () = kicked.cancelled() => return Err(Room::does_not_read()),
                        sent = self.say(&line) => sent?,
                    }
                    self.room.confirmed(&self.name, *id);
                },
            }
        }
    }

    async fn say(&mut self, line: &str) -> Result<(), Failure> {
        let sent = self.connection.outgoing.send_now(Frame::new(frame::LINE, line.to_owned()));
        tokio::time::timeout(super::server::READ_LIMIT, sent).await.map_err(|_| Room::does_not_read())?
    }

    /// `Some`: the client left, and how.
    async fn heard(&mut self, line: &str) -> Result<Option<String>, Failure> {
        let answer = match line.split_once(' ').unwrap_or((line, "")) {
            ("", "") => return Ok(None),
            ("/quit", _) => return Ok(Some("left".into())),
            ("/who", _) => format!("* here: {}", self.room.names().join(", ")),
            ("/name", name) => match check_name(name.trim()) {
                Ok(()) => {
                    let new = self.room.rename(&self.name, name.trim());
                    let before = std::mem::replace(&mut self.name, new);
                    self.session.tell("renamed", format!("{before} is now {}", self.name));
                    self.room.show_members(self.session);
                    format!("* you are {}", self.name)
                }
                Err(failure) => format!("* {failure}"),
            },
            _ => match check(line, self.connection.transport) {
                Err(failure) => format!("* {failure}"),
                Ok(()) => match self.room.heard_plain(self.session, &self.name, line) {
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
