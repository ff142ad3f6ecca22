//! Clients without nls, such as `nc`: lines of text instead of frames. Lines from the server itself begin with `* `.

use std::time::Duration;

use super::connection::MemberConnection;
use super::speaker::Heard;
use crate::base::escape::escape_line;
use crate::report::Failure;
use crate::service::chat::errors::client_does_not_read;
use crate::service::chat::protocol::Message;
use crate::service::chat::room::Room;
use crate::service::chat::text::HOST;
use crate::wire::{Frame, frame};

/// Name of a text client until it takes another with `/name`.
pub(crate) const NAME: &str = "guest";
/// Time limit for sending a client the answer to its own line.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// A queued message as a line of text, which leaves as a frame.
pub(crate) fn line(room: &Room, member: (&str, u64), message: &Message) -> Option<Frame> {
    text(room, member, message).map(|line| Frame::new(frame::LINE, line))
}

/// The line itself. A text client cannot confirm, so the host's message counts as delivered at once.
pub(crate) fn text(room: &Room, (name, token): (&str, u64), message: &Message) -> Option<String> {
    Some(match message {
        Message::Say { id, text, .. } => {
            room.confirmed(name, token, *id);
            format!("{HOST}: {}", escape_line(text))
        }
        Message::Relayed { from, text, .. } => format!("{from}: {}", escape_line(text)),
        Message::Notice { text } => format!("* {text}"),
        _ => return None,
    })
}

/// The bytes of its text.
pub(crate) fn size(message: &Message) -> usize {
    match message {
        Message::Say { text, .. } | Message::Relayed { text, .. } | Message::Notice { text } => text.len(),
        _ => 0,
    }
}

/// What a text client is told at first: its name and the commands.
pub(crate) fn greeting(room: &Room, name: &str) -> String {
    let rule = if room.rules.relay { "* a room: everybody here sees what you say\n" } else { "" };
    format!("{rule}* you are {name}; /name NEW, /who, /quit, /help")
}

impl MemberConnection<'_> {
    /// Tells a text client its name and the commands.
    pub(crate) async fn greet(&mut self) -> Result<(), Failure> {
        for line in greeting(self.room, &self.name).lines() {
            self.say(line).await?;
        }
        Ok(())
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
        let answer = match self.speaker().line(line) {
            Ok(Heard::Said) => return Ok(None),
            Ok(Heard::Gone) => return Ok(Some("is gone".into())),
            Ok(Heard::Quit) => {
                self.say("* goodbye").await?;
                return Ok(Some("left".into()));
            }
            Ok(Heard::Answer(answer)) => answer,
            Err(failure) => failure.to_string(),
        };
        self.say(&format!("* {answer}")).await?;
        Ok(None)
    }
}
