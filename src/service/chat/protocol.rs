//! The messages of chat, both for two people and for a room.
//!
//! ```text
//! JOIN      | u64 token | text name |                  client: first frame; later: change of name
//! WELCOME   | u8 flags | u64 token | text your name | text host name |   server: you have joined under this name
//! SAY       | u64 id | u64 seen | text |               id counts from 1 in each direction
//! DELIVERED | u64 id |                                 the SAY was shown to a person or a script
//! NOTICE    | text |                                   from the program, not from a person
//! LEAVE     | text reason |                            the conversation is over
//! ASK       | text |                               client: a line for the server itself: `/who`, `@name text`
//! RELAYED   | u64 id | u64 seen | text from | text |   server: a message of another client; not confirmed
//! ```
//! `flags`: 1 turns are off, 2 clients hear each other. A client that reconnects gives in JOIN the `token` of its last
//! WELCOME and replaces its old connection; 0: no token. RELAYED takes its `id` from the same count as the SAYs of the
//! server, and may come at any time. `seen` is how many messages of the other side the author had received before this
//! one; both ends judge turns by it alone.

use crate::wire::ServiceId;
use crate::wire::{DecodeError, Frame, Reader, TEXT_LIMIT, Writer};

/// The number of the service on the wire.
pub const ID: ServiceId = ServiceId::new(3);

/// Frame kind of [`Message::Join`].
pub const JOIN: u8 = 0x10;
/// Frame kind of [`Message::Welcome`].
pub const WELCOME: u8 = 0x11;
/// Frame kind of [`Message::Say`].
pub const SAY: u8 = 0x12;
/// Frame kind of [`Message::Delivered`].
pub const DELIVERED: u8 = 0x13;
/// Frame kind of [`Message::Notice`].
pub const NOTICE: u8 = 0x14;
/// Frame kind of [`Message::Leave`].
pub const LEAVE: u8 = 0x15;
/// Frame kind of [`Message::Relayed`].
pub const RELAYED: u8 = 0x16;
/// Frame kind of [`Message::Ask`].
pub const ASK: u8 = 0x17;

const TURNS_OFF: u8 = 1;
const RELAY: u8 = 2;

/// Longest message, in bytes (faults.md row 80).
pub const MESSAGE_LIMIT: usize = 4 << 10;
/// Longest message over UDP, in characters.
pub const UDP_CHARACTER_LIMIT: usize = 1000;
/// Longest name, in characters.
pub const NAME_CHARACTER_LIMIT: usize = 32;

/// A message of chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Client: join under this name, or change it. `token`: that of the last [`Welcome`] after a broken connection,
    /// else 0.
    Join { token: u64, name: String },
    /// Server: the client has joined, or has its new name.
    Welcome(Welcome),
    /// A message of a person or script. `seen`: messages received from the other side before it.
    Say { id: u64, seen: u64, text: String },
    /// The SAY with this id was shown.
    Delivered { id: u64 },
    /// A line from the program of the other side, not from a person.
    Notice { text: String },
    /// The conversation is over; the sender closes.
    Leave { reason: String },
    /// Client: a command for the server itself, answered by NOTICE.
    Ask { text: String },
    /// Server: another client's message. `id` and `seen` as in SAY of the server.
    Relayed { id: u64, seen: u64, from: String, text: String },
}

/// The server's answer to JOIN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// Turns are off: each side may speak at any time.
    pub free: bool,
    /// Clients hear each other.
    pub relay: bool,
    /// Lets the client take its place again after its connection broke; known to this client only.
    pub token: u64,
    /// The name that the client has now; it may differ from the one asked for.
    pub name: String,
    /// The name of the server's side.
    pub host: String,
}

impl Message {
    /// Encodes the message as a frame. A text of more than 65 535 bytes is cut.
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

    /// Reads a message from a frame. Fails on an unknown kind or flag, a text over [`TEXT_LIMIT`] and missing or extra
    /// bytes.
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
