//! The messages of the calculator. A plain client, such as `nc`, sends and receives lines of text instead.
//!
//! ```text
//! ASK    | u64 id | text expression |
//! ANSWER | u64 id | u8 ok | text |            ok: 1 text is the value, 0 it is the error
//! ```

use crate::wire::ServiceId;
use crate::wire::{DecodeError, Frame, Reader, Writer};

/// The number of the service on the wire.
pub const ID: ServiceId = ServiceId::new(2);

/// Frame kind of [`Message::Ask`].
pub const ASK: u8 = 0x10;
/// Frame kind of [`Message::Answer`].
pub const ANSWER: u8 = 0x11;

/// A message of the calculator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Client: compute this expression. The client chooses `id`.
    Ask { id: u64, expression: String },
    /// Server: the value or the error, with the `id` of the question.
    Answer { id: u64, result: Result<String, String> },
}

impl Message {
    /// Encodes the message as a frame. A text of more than 65 535 bytes is cut.
    pub fn encode(&self) -> Frame {
        match self {
            Self::Ask { id, expression } => Frame::new(ASK, Writer::new().u64(*id).text(expression).finish()),
            Self::Answer { id, result } => {
                let (ok, text) = match result {
                    Ok(text) => (1, text),
                    Err(text) => (0, text),
                };
                Frame::new(ANSWER, Writer::new().u64(*id).u8(ok).text(text).finish())
            }
        }
    }

    /// Reads a message from a frame. Fails on an unknown kind, on missing or extra bytes, and on an answer
    /// that says nothing.
    pub fn decode(frame: &Frame) -> Result<Self, DecodeError> {
        let mut r = Reader::new(&frame.body);
        let message = match frame.kind {
            ASK => {
                Self::Ask { id: r.u64()?, expression: r.text("expression", usize::from(u16::MAX))?.into() }
            }
            ANSWER => {
                let (id, ok) = (r.u64()?, r.u8()?);
                let text = r.text("answer", usize::from(u16::MAX))?.to_owned();
                if text.is_empty() {
                    return Err(DecodeError::Unknown { what: "length of an answer", value: 0 });
                }
                Self::Answer { id, result: if ok == 1 { Ok(text) } else { Err(text) } }
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
    fn an_answer_without_a_word_is_none() {
        for result in [Ok(String::new()), Err(String::new())] {
            Message::decode(&Message::Answer { id: 1, result }.encode()).unwrap_err();
        }
        let answer = Message::Answer { id: 1, result: Ok("1".into()) };
        assert_eq!(Message::decode(&answer.encode()).unwrap(), answer);
    }
}
