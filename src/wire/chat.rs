//! The messages of chat, the same for two and for many.
//!
//! ```text
//! JOIN      | u64 token | text name |                  client, first; later: another name
//! WELCOME   | u8 flags | u64 token | text your name | text host name |   server: you are in, under this name
//! SAY       | u64 id | u64 seen | text |               id counts from 1 in each direction
//! DELIVERED | u64 id |                                 shown to a person or a script
//! NOTICE    | text |                                   from the program, not from a person
//! LEAVE     | text reason |                            the conversation is over
//! ASK       | text |                               client: a line for the server itself: `/who`, `@name text`
//! RELAYED   | u64 id | u64 seen | text from | text |   server: what another client said; not confirmed
//! ```
//! `flags`: 1 turns are off, 2 clients hear each other. A client whose connection broke gives the `token` of its last
//! WELCOME, and takes the place of what is left of it; 0 is none. RELAYED is counted as a SAY of the server is, and may
//! come at any time. `seen` is how many messages of the other side came before this one: both ends judge the turn by it alone.

use super::{DecodeError, Frame, Reader, TEXT_LIMIT, Writer};

pub const JOIN: u8 = 0x10;
pub const WELCOME: u8 = 0x11;
pub const SAY: u8 = 0x12;
pub const DELIVERED: u8 = 0x13;
pub const NOTICE: u8 = 0x14;
pub const LEAVE: u8 = 0x15;
pub const RELAYED: u8 = 0x16;
pub const ASK: u8 = 0x17;

const TURNS_OFF: u8 = 1;
const RELAY: u8 = 2;

/// Longest message, in bytes (FAULTS row 80).
pub const MESSAGE_LIMIT: usize = 4 << 10;
/// Longest message over UDP, in characters.
pub const UDP_CHARACTER_LIMIT: usize = 1000;
/// Longest name, in characters.
pub const NAME_CHARACTER_LIMIT: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    Join { token: u64, name: String },
    Welcome(Welcome),
    Say { id: u64, seen: u64, text: String },
    Delivered { id: u64 },
    Notice { text: String },
    Leave { reason: String },
    Ask { text: String },
    Relayed { id: u64, seen: u64, from: String, text: String },
}

/// How a client is let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// Turns are off.
    pub free: bool,
    /// Clients hear each other.
    pub relay: bool,
    pub token: u64,
    pub name: String,
    pub host: String,
}

impl Message {
    pub fn encode(&self) -> Frame {
        let out = Writer::new();
        let (kind, body) = match self {
            Self::Join { token, name } => (JOIN, out.u64(*token).text(name)),
            Self::Welcome(Welcome { free, relay, token, name, host }) => {
                let flags = (TURNS_OFF * u8::from(*free)) | (RELAY * u8::from(*relay));
                (WELCOME, out.u8(flags).u64(*token).text(name).text(host))
            }
            Self::Say { id, seen, text } => (SAY, out.u64(*id).u64(*seen).text(text)),
            Self::Delivered { id } => (DELIVERED, out.u64(*id)),
            Self::Notice { text } => (NOTICE, out.text(text)),
            Self::Leave { reason } => (LEAVE, out.text(reason)),
            Self::Ask { text } => (ASK, out.text(text)),
            Self::Relayed { id, seen, from, text } => {
                (RELAYED, out.u64(*id).u64(*seen).text(from).text(text))
            }
        };
        Frame::new(kind, body.finish())
    }

    pub fn decode(frame: &Frame) -> Result<Self, DecodeError> {
        let mut r = Reader::new(&frame.body);
        let text = |r: &mut Reader<'_>| r.text("text", TEXT_LIMIT).map(str::to_owned);
        let message = match frame.kind {
            JOIN => Self::Join { token: r.u64()?, name: text(&mut r)? },
            WELCOME => {
                let flags = r.u8()?;
                if flags > TURNS_OFF | RELAY {
                    return Err(DecodeError::Unknown { what: "flag", value: u64::from(flags) });
                }
                Self::Welcome(Welcome {
                    free: flags & TURNS_OFF != 0,
                    relay: flags & RELAY != 0,
                    token: r.u64()?,
                    name: text(&mut r)?,
                    host: text(&mut r)?,
                })
            }
            SAY => Self::Say { id: r.u64()?, seen: r.u64()?, text: text(&mut r)? },
            DELIVERED => Self::Delivered { id: r.u64()? },
            NOTICE => Self::Notice { text: text(&mut r)? },
            LEAVE => Self::Leave { reason: text(&mut r)? },
            ASK => Self::Ask { text: text(&mut r)? },
            RELAYED => {
                Self::Relayed { id: r.u64()?, seen: r.u64()?, from: text(&mut r)?, text: text(&mut r)? }
            }
            kind => return Err(DecodeError::Unknown { what: "frame", value: u64::from(kind) }),
        };
        r.finish(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_read_back_and_truncations_do_not() {
        for message in [
            Message::Join { token: 9, name: "alice".into() },
            Message::Welcome(Welcome {
                free: true,
                relay: true,
                token: 7,
                name: "alice".into(),
                host: "bob".into(),
            }),
            Message::Say { id: 1, seen: 2, text: "hi".into() },
            Message::Delivered { id: 3 },
            Message::Notice { text: String::new() },
            Message::Leave { reason: "bye".into() },
            Message::Relayed { id: 4, seen: 1, from: "ann".into(), text: "hi".into() },
        ] {
            let frame = message.encode();
            assert_eq!(Message::decode(&frame), Ok(message));
            for end in 0..frame.body.len() {
                assert!(Message::decode(&Frame::new(frame.kind, frame.body.slice(..end))).is_err());
            }
        }
        assert!(Message::decode(&Frame::new(0x7f, &b""[..])).is_err());
    }
}
