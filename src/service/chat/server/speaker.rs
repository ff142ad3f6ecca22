//! A member that sends lines of text, with `nc` or from a page: what a line does.

use crate::report::Failure;
use crate::service::chat::command::{self, HELP, Line};
use crate::service::chat::errors;
use crate::service::chat::room::Room;
use crate::service::chat::text::{check, check_name};
use crate::service::chat::turn::TurnError;
use crate::session::Handle;

/// A member, while it is heard.
pub(crate) struct Speaker<'a> {
    pub(crate) room: &'a Room,
    pub(crate) session: &'a Handle,
    pub(crate) name: &'a mut String,
    pub(crate) token: u64,
}

/// What came of a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It was a message, and was said.
    Said,
    /// It was for the server, which answers this.
    Answer(String),
    /// It was the goodbye of the member.
    Quit,
    /// Another connection has taken the place of the member.
    Gone,
}

impl Speaker<'_> {
    /// Does what the line says.
    ///
    /// # Errors
    /// It was refused, and nothing was said.
    pub(crate) fn line(&mut self, line: &str) -> Result<Heard, Failure> {
        match command::read(line)? {
            Line::Quit => Ok(Heard::Quit),
            Line::Name(name) => {
                self.take_name(name)?;
                Ok(Heard::Answer(format!("you are {}", self.name)))
            }
            Line::Say(text) => self.say(text),
            other => Ok(Heard::Answer(self.answer(&other))),
        }
    }

    fn say(&self, text: &str) -> Result<Heard, Failure> {
        check(text, self.room.rules.transport)?;
        match self.room.heard_plain(self.session, (self.name, self.token), text) {
            Ok(()) => Ok(Heard::Said),
            Err(TurnError::OutOfTurn) => Err(errors::out_of_turn()),
            Err(TurnError::Impossible) => Ok(Heard::Gone),
        }
    }

    /// The answer to a request to the server itself: `/who`, `@name`, `/help`.
    pub(crate) fn answer(&self, line: &Line<'_>) -> String {
        match line {
            Line::Who => format!("here: {}", self.room.names()),
            Line::Whisper(to, text) => {
                let whispered = check(text, self.room.rules.transport)
                    .and_then(|()| self.room.whisper(self.session, self.name, to, text));
                whispered.map_or_else(|failure| failure.to_string(), |()| format!("{to} was told"))
            }
            _ => HELP.into(),
        }
    }

    /// Takes another name, and announces it.
    ///
    /// # Errors
    /// It is no name.
    pub(crate) fn take_name(&mut self, name: &str) -> Result<(), Failure> {
        check_name(name)?;
        let new = self.room.rename(self.name, self.token, name);
        let before = std::mem::replace(self.name, new);
        self.session.tell("renamed", format!("{before} is now {}", self.name));
        self.room.show_members(self.session);
        Ok(())
    }
}
