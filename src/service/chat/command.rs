//! Parses a line of a conversation, by the same rules for `nls`, for `nc`, and for the server's own side. Pure.

use super::errors::unknown_command;
use super::text::check_name;
use crate::report::Failure;

/// The answer to `/help`.
pub(super) const HELP: &str =
    "/name NEW, /who, /quit, /help; @NAME TEXT sends to NAME only; //TEXT sends /TEXT";

/// A parsed line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// A message to everybody in the conversation.
    Say(&'a str),
    /// A private message: the receiver's name, and the text.
    Whisper(&'a str, &'a str),
    /// `/name NEW`: take this name.
    Name(&'a str),
    /// `/who`: list the members.
    Who,
    /// `/quit`: leave.
    Quit,
    /// `/help`: list the commands.
    Help,
}

/// Parses a line. An unknown command is an error for its author and is never sent as a message.
pub(super) fn read(line: &str) -> Result<Line<'_>, Failure> {
    if let Some(text) = line.strip_prefix("//") {
        return Ok(Line::Say(&line[line.len() - text.len() - 1..]));
    }
    if let Some((name, text)) = line.strip_prefix('@').and_then(|rest| rest.split_once(' '))
        && (check_name(name).is_ok() || name == super::text::HOST)
    {
        return Ok(Line::Whisper(name, text.trim()));
    }
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let is_command = word.strip_prefix('/').is_some_and(|word| word.chars().all(char::is_alphabetic));
    match (word, rest.trim()) {
        ("/who", "") => Ok(Line::Who),
        ("/quit", "") => Ok(Line::Quit),
        ("/help", "") => Ok(Line::Help),
        ("/name", name) => Ok(Line::Name(name)),
        _ if is_command => Err(unknown_command(word, HELP)),
        _ => Ok(Line::Say(line)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_message_unless_it_begins_as_a_command_does() {
        for text in ["hello", "/etc/passwd is a file", "1/2", "@ home", "a @dee b", "@dee", ""] {
            assert_eq!(read(text).unwrap(), Line::Say(text), "{text}");
        }
        assert_eq!(read("//who").unwrap(), Line::Say("/who"));
    }

    #[test]
    fn what_is_for_one_goes_to_one_and_unknown_commands_are_not_said() {
        assert_eq!(read("@dee psst").unwrap(), Line::Whisper("dee", "psst"));
        assert_eq!(read("@host psst you").unwrap(), Line::Whisper("host", "psst you"));
        assert_eq!(read("/name  zoe ").unwrap(), Line::Name("zoe"));
        for line in ["/frob", "/who is there", "/Quit", "/"] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
