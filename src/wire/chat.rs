//! The messages of chat, the same for two and for many.
//!
//! ```text
//! JOIN      | text name |                              client, first
//! WELCOME   | u8 flags | text your name | text host name |   server: you are in, under this name; 1: turns are off
//! SAY       | u64 id | u64 seen | text |               id counts from 1 in each direction
//! DELIVERED | u64 id |                                 shown to a person or a script
//! NOTICE    | text |                                   from the program, not from a person
//! LEAVE     | text reason |                            the conversation is over
//! ```
//! `seen` is how many messages of the other side came before this one: both ends judge the turn by it alone.

use super::{DecodeError, Frame, Reader, TEXT_LIMIT, Writer};

pub const JOIN: u8 = 0x10;
pub const WELCOME: u8 = 0x11;
pub const SAY: u8 = 0x12;
pub const DELIVERED: u8 = 0x13;
pub const NOTICE: u8 = 0x14;
pub const LEAVE: u8 = 0x15;

/// Longest message, in bytes (FAULTS row 80).
pub const MESSAGE_LIMIT: usize = 4 << 10;
/// Longest message over UDP, in characters.
pub const UDP_CHARACTER_LIMIT: usize = 1000;
/// Longest name, in characters.
pub const NAME_CHARACTER_LIMIT: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    Join { name: String },
    Welcome { free: bool, name: String, host: String },
    Say { id: u64, seen: u64, text: String },
    Delivered { id: u64 },
    Notice { text: String },
    Leave { reason: String },
}

impl Message {
    pub fn encode(&self) -> Frame {
        let out = Writer::new();
        let (kind, body) = match self {
            Self::Join { name } => (JOIN, out.text(name)),
            Self::Welcome { free, name, host } => (WELCOME, out.u8(u8::from(*free)).text(name).text(host)),
            Self::Say { id, seen, text } => (SAY, out.u64(*id).u64(*seen).text(text)),
            Self::Delivered { id } => (DELIVERED, out.u64(*id)),
            Self::Notice { text } => (NOTICE, out.text(text)),
            Self::Leave { reason } => (LEAVE, out.text(reason)),
        };
        Frame::new(kind, body.finish())
    }

    pub fn decode(frame: &Frame) -> Result<Self, DecodeError> {
        let mut r = Reader::new(&frame.body);
        let text = |r: &mut Reader<'_>| r.text("text", TEXT_LIMIT).map(str::to_owned);
        let message = match frame.kind {
            JOIN => Self::Join { name: text(&mut r)? },
            WELCOME => Self::Welcome {
                free: match r.u8()? {
                    flags @ 0..=1 => flags == 1,
                    flags => return Err(DecodeError::Unknown { what: "flag", value: u64::from(flags) }),
                },
                name: text(&mut r)?,
                host: text(&mut r)?,
            },
            SAY => Self::Say { id: r.u64()?, seen: r.u64()?, text: text(&mut r)? },
            DELIVERED => Self::Delivered { id: r.u64()? },
            NOTICE => Self::Notice { text: text(&mut r)? },
            LEAVE => Self::Leave { reason: text(&mut r)? },
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
            Message::Join { name: "alice".into() },
            Message::Welcome { free: true, name: "alice".into(), host: "bob".into() },
            Message::Say { id: 1, seen: 2, text: "hi".into() },
            Message::Delivered { id: 3 },
            Message::Notice { text: String::new() },
            Message::Leave { reason: "bye".into() },
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
