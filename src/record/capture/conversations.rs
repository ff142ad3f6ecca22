//! The state of TCP connections in a capture: how many bytes went each way. An application sees a stream of bytes, so
//! segments and acknowledgements are made up: each part is acknowledged at once.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::headers::Ends;
use super::packet::End;
use super::segment::{ACK, FIN, PSH, RST, SYN, Segment};
use crate::base::stable_hash::mix;

/// Most connections whose state is kept; the one that was silent for longest goes. If it speaks again, it begins anew.
pub const CONVERSATION_LIMIT: usize = 4096;

/// The interface, the lower and the higher address.
type Key = (u32, SocketAddr, SocketAddr);

/// One connection; the side of the lower address comes first.
#[derive(Clone, Debug)]
struct Conversation {
    /// The sequence number of the next byte.
    next: [u32; 2],
    has_ended: [bool; 2],
    /// When it was used last, as a count of uses of all of them.
    used: u64,
}

/// All connections of a capture.
#[derive(Clone, Debug, Default)]
pub(super) struct Conversations {
    known: BTreeMap<Key, Conversation>,
    uses: u64,
}

impl Conversations {
    /// SYN, SYN-ACK, ACK; `ends.from` is the client. What was known of these addresses is forgotten.
    pub(super) fn open(&mut self, interface: u32, ends: Ends) -> Vec<Segment> {
        let (key, side) = place(interface, ends);
        if self.known.len() >= CONVERSATION_LIMIT && !self.known.contains_key(&key) {
            let oldest = self.known.iter().min_by_key(|(_, known)| known.used).map(|(key, _)| *key);
            oldest.and_then(|key| self.known.remove(&key));
        }
        self.uses += 1;
        // Other numbers for each connection, so that addresses that come again are not taken for a retransmission.
        let first = [mix(self.uses) as u32, mix(!self.uses) as u32];
        let next = first.map(|number| number.wrapping_add(1));
        self.known.insert(key, Conversation { next, has_ended: [false; 2], used: self.uses });
        let (client, server) = (side, 1 - side);
        let segment = |is_answer, flags, sequence, acknowledgment| Segment {
            is_answer,
            flags,
            sequence,
            acknowledgment,
            payload: 0..0,
        };
        vec![
            segment(false, SYN, first[client], 0),
            segment(true, SYN | ACK, first[server], next[client]),
            segment(false, ACK, next[client], next[server]),
        ]
    }

    /// `length` bytes, and the acknowledgement of them. A connection that is not known is opened by its sender.
    pub(super) fn data(&mut self, interface: u32, ends: Ends, length: usize) -> Vec<Segment> {
        let (key, side) = place(interface, ends);
        let mut out = if self.known.contains_key(&key) { Vec::new() } else { self.open(interface, ends) };
        self.uses += 1;
        let Some(known) = self.known.get_mut(&key) else { return out };
        known.used = self.uses;
        let (acknowledgment, most) = (known.next[1 - side], Segment::size_limit(ends.is_v4()));
        for start in (0..length).step_by(most) {
            let payload = start..length.min(start + most);
            let flags = if payload.end == length { ACK | PSH } else { ACK };
            let sequence = known.next[side];
            known.next[side] = sequence.wrapping_add(payload.len() as u32);
            out.push(Segment { is_answer: false, flags, sequence, acknowledgment, payload });
        }
        out.push(known.answer(side));
        out
    }

    /// The end of the direction from `ends.from`, or of both; nothing for a connection that is not known or whose
    /// direction has ended.
    pub(super) fn end(&mut self, interface: u32, ends: Ends, how: End) -> Vec<Segment> {
        let (key, side) = place(interface, ends);
        let Some(known) = self.known.get_mut(&key).filter(|known| !known.has_ended[side]) else {
            return Vec::new();
        };
        let flags = if how == End::Fin { FIN | ACK } else { RST | ACK };
        let (sequence, acknowledgment) = (known.next[side], known.next[1 - side]);
        let mut out = vec![Segment { is_answer: false, flags, sequence, acknowledgment, payload: 0..0 }];
        if how == End::Fin {
            known.next[side] = sequence.wrapping_add(1);
            known.has_ended[side] = true;
            out.push(known.answer(side));
        }
        if how == End::Reset || known.has_ended == [true; 2] {
            self.known.remove(&key);
        }
        out
    }
}

impl Conversation {
    /// The acknowledgement of all that `side` sent.
    fn answer(&self, side: usize) -> Segment {
        let (sequence, acknowledgment) = (self.next[1 - side], self.next[side]);
        Segment { is_answer: true, flags: ACK, sequence, acknowledgment, payload: 0..0 }
    }
}

/// The key of a connection, and the side that sends.
fn place(interface: u32, ends: Ends) -> (Key, usize) {
    let Ends { from, to } = ends;
    if from <= to { ((interface, from, to), 0) } else { ((interface, to, from), 1) }
}
