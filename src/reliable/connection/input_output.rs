//! The edge of a connection: all that a network and a clock do to it, and all that it wants from them.

use bytes::Bytes;

use super::{Connection, Event};
use crate::base::Time;

/// What the network or the clock brings.
#[derive(Clone, Debug)]
pub enum Input {
    /// A UDP payload. A damaged one, or one of another connection, is counted and dropped.
    Datagram {
        /// The payload.
        bytes: Bytes,
        /// A router reports a growing queue: the ECN mark CE (RFC 3168).
        marked: bool,
    },
    /// Time has passed: see [`Output::Wait`].
    Timeout,
}

/// What a connection wants done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send the UDP payload that is in the buffer.
    Transmit,
    /// Something happened that the application should know.
    Event(Event),
    /// Nothing more for now: wait for a datagram, or until this time, then pass [`Input::Timeout`]. `None`: the
    /// connection is over.
    Wait(Option<Time>),
}

impl Connection {
    /// Takes an input; ask [`Self::poll_output`] afterwards.
    pub fn handle_input(&mut self, now: Time, input: Input) {
        match input {
            Input::Datagram { bytes, marked } => self.handle_datagram(now, bytes, marked),
            Input::Timeout => self.handle_timeout(now),
        }
    }

    /// The next thing to do. `buffer` is overwritten with a datagram for [`Output::Transmit`]. To be called until it
    /// says [`Output::Wait`], after each input and each write.
    pub fn poll_output(&mut self, now: Time, buffer: &mut Vec<u8>) -> Output {
        buffer.clear();
        if self.poll_transmit(now, buffer) {
            return Output::Transmit;
        }
        match self.poll_event() {
            Some(event) => Output::Event(event),
            None => Output::Wait(self.deadline()),
        }
    }
}
