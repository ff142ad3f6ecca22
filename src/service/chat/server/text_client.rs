//! Clients without nls, such as `nc`: lines of text instead of frames. Lines from the server itself begin with `* `.

use std::time::Duration;

use super::connection::MemberConnection;
use crate::base::escape::escape_line;
use crate::report::Failure;
use crate::service::chat::command::{self, Line};
use crate::service::chat::errors::client_does_not_read;
use crate::service::chat::protocol::Message;
use crate::service::chat::room::Room;
use crate::service::chat::text::{HOST, check};
use crate::service::chat::turn::TurnError;
use crate::wire::{Frame, frame};

/// Name of a text client until it takes another with `/name`.
pub(crate) const NAME: &str = "guest";
/// Time limit for sending a client the answer to its own line.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// A queued message as a line of text. A text client cannot confirm, so the host's message counts as delivered at once.
pub(crate) fn line(room: &Room, (name, token): (&str, u64), message: &Message) -> Option<Frame> {
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
}

impl MemberConnection<'_> {
    /// Tells a text client its name and the commands.
    pub(crate) async fn greet(&mut self) -> Result<(), Failure> {
        if self.room.rules.relay {
            self.say("* a room: everybody here sees what you say").await?;
        }
        self.say(&format!("* you are {}; /name NEW, /who, /quit, /help", self.name)).await
    }

    /// Sends one line; an error if the client does not read it in time.
    pub(crate) async fn say(&mut self, line: &str) -> Result<(), Failure> {
        let sent = self.connection.outgoing.send_now(Frame::new(frame::LINE, line.to_owned()));
        tokio::time::timeout(ANSWER_LIMIT, sent).await.map_err(|_| client_does_not_read(ANSWER_LIMIT))?
    }

    /// Handles a line from the client; `Some` if it left, with how.
    pub(crate) async fn heard_line(&mut self, line: &str) -> Result<Option<String>, Failure> {
        if line.is_empty() {
            return Ok(None);
        }
        let answer = match command::read(line) {
            Err(failure) => failure.to_string(),
            Ok(Line::Quit) => {
                self.say("* goodbye").await?;
                return Ok(Some("left".into()));
            }
            Ok(Line::Name(name)) => match self.take_name(name) {
                Ok(()) => format!("you are {}", self.name),
                Err(failure) => failure.to_string(),
            },
            Ok(Line::Say(text)) => match self.heard_text(text) {
                Ok(None) => return Ok(None),
                Ok(Some(answer)) => answer,
                Err(how) => return Ok(Some(how.into())),
            },
            Ok(other) => self.answer(&other),
        };
        self.say(&format!("* {answer}")).await?;
        Ok(None)
    }

    /// Handles a message: `Ok(Some)` is an error text to send back; `Err` if the client is no longer a member.
    fn heard_text(&mut self, text: &str) -> Result<Option<String>, &'static str> {
        if let Err(failure) = check(text, self.connection.transport) {
            return Ok(Some(failure.to_string()));
        }
        match self.room.heard_plain(self.session, (&self.name, self.token), text) {
            Ok(()) => Ok(None),
            Err(TurnError::OutOfTurn) => Ok(Some(
                "it is not your turn: a message must be answered before you may send the next".into(),
            )),
            Err(TurnError::Impossible) => Err("is gone"),
        }
    }
}
