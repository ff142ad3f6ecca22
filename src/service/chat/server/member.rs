//! The server's side of one client in a room, from its welcome to its end. Text clients are handled in `text_client`.

use std::time::{Duration, Instant};

use super::connection::MemberConnection;
use super::flood::{self, Slowed};
use super::outbox::Queued;
use super::speaker::Speaker;
use super::text_client;
use crate::base::escape::escape_line;
use crate::net::errors::{idle_client_replaced, malformed};
use crate::net::{Connection, Message as Wire};
use crate::report::Failure;
use crate::service::chat::command;
use crate::service::chat::errors;
use crate::service::chat::protocol::{self, Message, Welcome};
use crate::service::chat::room::{Room, Rules};
use crate::service::chat::text::{HOST, check};
use crate::service::chat::turn::{Stamp, TurnError};
use crate::service::contract::conversation::bytes_of_frame;
use crate::wire::Frame;

/// Time limit for the last message to a client, and for closing.
pub(crate) const PARTING_LIMIT: Duration = Duration::from_millis(500);
/// Who says nothing for this long makes room for another client if all places are taken (faults.md row 62).
const GIVES_WAY_AFTER: Duration = Duration::from_mins(10);
/// A client's notice is cut to this many characters.
const NOTICE_LIMIT: usize = 200;

/// The welcome: the client has joined, under this name.
pub(crate) fn welcome(room: &Room, name: &str, token: u64) -> Frame {
    let Rules { free, relay, .. } = room.rules;
    Message::Welcome(Welcome { free, relay, token, name: name.into(), host: HOST.into() }).encode()
}

impl MemberConnection<'_> {
    /// Serves the client until it leaves; returns how it left.
    pub(crate) async fn run(&mut self) -> Result<String, Failure> {
        if self.connection.is_text && !self.is_greeted {
            self.greet().await?;
        }
        let mut idle_at = tokio::time::Instant::now() + GIVES_WAY_AFTER;
        loop {
            let Connection { incoming, place, .. } = &mut self.connection;
            tokio::select! {
                () = self.session.cancelled() => return self.end().await,
                () = place.given_away(idle_at) => return Err(idle_client_replaced()),
                message = incoming.next() => match message? {
                    Some(Wire::Frame(frame)) => {
                        if frame.kind != protocol::DELIVERED {
                            idle_at = tokio::time::Instant::now() + GIVES_WAY_AFTER;
                            self.await_turn(bytes_of_frame(&frame)).await?;
                        }
                        if let Some(how) = self.receive(&frame).await? {
                            return Ok(how);
                        }
                        let bytes = bytes_of_frame(&frame);
                        if frame.kind != protocol::DELIVERED
                            && let Some(slowed) = self.flood.count(Instant::now(), bytes)
                        {
                            self.slow_down(slowed).await?;
                        }
                        self.keep_to_rate(bytes).await?;
                    }
                    Some(Wire::Block { .. }) => return Err(errors::block_in_chat()),
                    None => {
                        drop(tokio::time::timeout(PARTING_LIMIT, self.answer_end()).await);
                        return Ok("left".into());
                    }
                },
                queued = self.queue.next() => self.pass_on(queued?).await?,
            }
        }
    }

    /// Sends a queued message and those after it, as frames or as lines of text.
    async fn pass_on(&mut self, queued: Queued) -> Result<(), Failure> {
        let (room, name, token, plain) = (self.room, &self.name, self.token, self.connection.is_text);
        let mut bytes = 0;
        let frame = |message: &Message| {
            let frame =
                if plain { text_client::line(room, (name, token), message) } else { Some(message.encode()) };
            bytes += frame.as_ref().map_or(0, bytes_of_frame);
            frame
        };
        self.queue.send(queued, &mut self.connection.outgoing, frame).await?;
        self.session.pace(bytes);
        Ok(())
    }

    /// Reads nothing while the room is beyond the rate of `listen … rate`.
    async fn keep_to_rate(&mut self, received: u64) -> Result<(), Failure> {
        self.session.pace(received);
        match self.session.owed() {
            Some(until) => self.read_nothing_until(until.into()).await,
            None => Ok(()),
        }
    }

    /// Reads nothing from a client that sends too fast, so that backpressure stops it. It still receives messages.
    async fn slow_down(&mut self, slowed: Slowed) -> Result<(), Failure> {
        match (slowed.tell, self.connection.is_text) {
            (false, _) => {}
            (true, true) => self.say(&format!("* {}", flood::TEXT)).await?,
            (true, false) => {
                let notice = Message::Notice { text: flood::TEXT.into() };
                self.connection.outgoing.send_now(notice.encode()).await?;
            }
        }
        self.read_nothing_until(tokio::time::Instant::now() + slowed.wait).await
    }

    async fn read_nothing_until(&mut self, until: tokio::time::Instant) -> Result<(), Failure> {
        self.read_nothing_before(tokio::time::sleep_until(until)).await
    }

    /// Reads nothing while others have much to read: what this client says would throw them out.
    async fn await_turn(&mut self, bytes: u64) -> Result<(), Failure> {
        let room = self.room;
        let is_much = self.flood.is_much(Instant::now(), bytes);
        self.read_nothing_before(room.turn_to_speak(is_much)).await
    }

    /// Passes on what is queued until `end`. That has its turn in a row of others: it goes on also while a client that reads
    /// nothing is waited for.
    async fn read_nothing_before(&mut self, end: impl Future<Output = ()>) -> Result<(), Failure> {
        let mut end = std::pin::pin!(end);
        let mut ended = false;
        while !ended {
            let queued = tokio::select! {
                biased;
                () = self.session.cancelled() => return Ok(()),
                () = &mut end => return Ok(()),
                queued = self.queue.next() => queued?,
            };
            let mut passing = std::pin::pin!(self.pass_on(queued));
            loop {
                tokio::select! {
                    biased;
                    () = &mut end, if !ended => ended = true,
                    passed = &mut passing => break passed?,
                }
            }
        }
        Ok(())
    }

    /// The room closes, or the client's key was revoked.
    async fn end(&mut self) -> Result<String, Failure> {
        if let Some(failure) = self.session.cut_off() {
            return Err(failure);
        }
        // Confirmations in flight still count. There is a time limit, for the client may have stopped reading.
        drop(tokio::time::timeout(PARTING_LIMIT, self.part()).await);
        Ok("was told goodbye".into())
    }

    /// Says goodbye, and handles what the client still sends, until it closes.
    async fn part(&mut self) -> Result<(), Failure> {
        if self.connection.is_text {
            return self.say("* host ended the conversation").await;
        }
        let leave = Message::Leave { reason: "ended the conversation".into() };
        self.connection.outgoing.send_now(leave.encode()).await?;
        while let Some(Wire::Frame(frame)) = self.connection.incoming.next().await? {
            // Both said goodbye at once: nothing more comes.
            if self.receive(&frame).await?.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// Answers a client that closed its sending side: it may still read, for half-closed is not gone.
    async fn answer_end(&mut self) -> Result<(), Failure> {
        if self.connection.is_text {
            return self.say("* goodbye").await;
        }
        let leave = Message::Leave { reason: "says goodbye".into() };
        self.connection.outgoing.send_now(leave.encode()).await
    }

    pub(crate) fn speaker(&mut self) -> Speaker<'_> {
        Speaker { room: self.room, session: self.session, name: &mut self.name, token: self.token }
    }

    /// Handles a frame or line from the client; `Some` if it left, with how.
    async fn receive(&mut self, frame: &Frame) -> Result<Option<String>, Failure> {
        if self.connection.is_text {
            let line = String::from_utf8_lossy(&frame.body).into_owned();
            return self.heard_line(line.trim_end_matches('\r')).await;
        }
        match Message::decode(frame).map_err(malformed)? {
            Message::Say { id, seen, text } => self.heard(Stamp { id, seen }, &text).await?,
            Message::Leave { reason } => return Ok(Some(escape_line(&reason).into_owned())),
            Message::Delivered { id } => self.room.confirmed(&self.name, self.token, id),
            // Notices are the program's own voice: one from a client only goes into the log, truncated.
            Message::Notice { text } => {
                let text: String = text.chars().take(NOTICE_LIMIT).collect();
                self.session.log("notice", format!("{}: {}", self.name, escape_line(&text)));
            }
            Message::Join { name, .. } => self.rename(&name).await?,
            Message::Ask { text } => {
                let text = match command::read(&text) {
                    Ok(line) => self.speaker().answer(&line),
                    Err(failure) => failure.to_string(),
                };
                self.connection.outgoing.send_now(Message::Notice { text }.encode()).await?;
            }
            Message::Welcome(_) | Message::Relayed { .. } => {
                return Err(errors::message_of_a_server());
            }
        }
        Ok(None)
    }

    async fn rename(&mut self, name: &str) -> Result<(), Failure> {
        let answer = match self.speaker().take_name(name) {
            Ok(()) => welcome(self.room, &self.name, self.token),
            Err(failure) => Message::Notice { text: failure.to_string() }.encode(),
        };
        self.connection.outgoing.send_now(answer).await
    }

    async fn heard(&mut self, stamp: Stamp, text: &str) -> Result<(), Failure> {
        check(text, self.room.rules.transport)?;
        let reply = match self.room.heard(self.session, (&self.name, self.token), stamp, text) {
            Ok(()) => Message::Delivered { id: stamp.id },
            Err(TurnError::OutOfTurn) => {
                Message::Notice { text: "it is not your turn: wait for an answer".into() }
            }
            Err(TurnError::Impossible) => {
                return Err(errors::numbers_inconsistent());
            }
        };
        self.connection.outgoing.send_now(reply.encode()).await
    }
}
