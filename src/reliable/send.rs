//! What waits to be sent, and the building of datagrams.

use std::collections::VecDeque;

use bytes::Bytes;

use super::PIECE_COST;
use super::connection::{Connection, State};
use super::loss::Sent;
use super::stream::Outgoing;
use crate::base::Time;
use crate::wire::datagram::{self, BLOCK_OVERHEAD, Credit, DATA_OVERHEAD};

/// Bytes of a STREAM frame before its data, at most.
const STREAM_OVERHEAD: usize = 1 + 8 + 4;

/// A part of a block that fits into one datagram.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) number: u64,
    pub(super) offset: u64,
    pub(super) bytes: Bytes,
}

impl Piece {
    fn cost(&self) -> u64 {
        self.bytes.len() as u64 + PIECE_COST
    }
}

/// The sending half of a connection, without what is in flight.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) stream: Outgoing,
    fresh: VecDeque<Piece>,
    pub(super) lost: VecDeque<Piece>,
    fresh_bytes: usize,
    next_piece: u64,
    /// Cost of all pieces that were sent at least once.
    charged: u64,
    limits: Credit,
    pub(super) next_number: u64,
    /// Datagrams that may go beyond the window: probes.
    pub(super) probes: u8,
    pub(super) ping: bool,
}

impl Sending {
    pub(super) fn new(limits: Credit) -> Self {
        Self {
            stream: Outgoing::default(),
            fresh: VecDeque::new(),
            lost: VecDeque::new(),
            fresh_bytes: 0,
            next_piece: 0,
            charged: 0,
            limits,
            next_number: 0,
            probes: 0,
            ping: false,
        }
    }

    pub(super) fn set_limits(&mut self, limits: Credit) {
        self.limits.stream = self.limits.stream.max(limits.stream);
        self.limits.block = self.limits.block.max(limits.block);
    }

    pub(super) fn backlog(&self) -> usize {
        self.fresh_bytes + self.stream.backlog()
    }

    pub(super) fn write_block(&mut self, offset: u64, mut bytes: Bytes, datagram: usize) {
        let most = datagram - DATA_OVERHEAD - BLOCK_OVERHEAD;
        let mut offset = offset;
        while !bytes.is_empty() {
            let part = bytes.split_to(bytes.len().min(most));
            self.fresh_bytes += part.len();
            let length = part.len() as u64;
            self.fresh.push_back(Piece { number: self.next_piece, offset, bytes: part });
            self.next_piece += 1;
            offset += length;
        }
    }

    /// True if something could be sent, were the window open.
    pub(super) fn wants(&self) -> bool {
        self.ping || !self.lost.is_empty() || self.stream.wants(self.limits.stream) || self.fresh_fits()
    }

    /// Something waits only for the peer to take what it has.
    pub(super) fn is_blocked_by_peer(&self) -> bool {
        !self.wants() && (!self.fresh.is_empty() || self.stream.wants(u64::MAX))
    }

    fn fresh_fits(&self) -> bool {
        self.fresh.front().is_some_and(|piece| self.charged + piece.cost() <= self.limits.block)
    }

    fn next_piece(&mut self, room: usize) -> Option<Piece> {
        if self.lost.front().is_some_and(|piece| piece.bytes.len() + BLOCK_OVERHEAD <= room) {
            return self.lost.pop_front();
        }
        if !self.lost.is_empty()
            || !self.fresh_fits()
            || self.fresh.front().is_none_or(|piece| piece.bytes.len() + BLOCK_OVERHEAD > room)
        {
            return None;
        }
        let piece = self.fresh.pop_front()?;
        self.charged += piece.cost();
        self.fresh_bytes -= piece.bytes.len();
        Some(piece)
    }

    fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.lost.is_empty() && self.stream.backlog() == 0
    }
}

impl Connection {
    /// Builds the next datagram into the empty `out`; false if there is none to send now.
    pub fn poll_transmit(&mut self, now: Time, out: &mut Vec<u8>) -> bool {
        debug_assert!(out.is_empty(), "one datagram for each buffer");
        let built = match self.state {
            State::Greeting(_) => self.poll_greeting(now, out),
            State::Open | State::Closing { .. } => self.poll_data(now, out),
            State::Ended => self.poll_farewell(out),
        };
        if built {
            self.stats.datagrams_out += 1;
            self.stats.bytes_out += out.len() as u64;
        }
        built
    }

    /// True if the window, the pace or a probe lets data leave now.
    fn may_send(&self, now: Time) -> bool {
        self.sending.probes > 0
            || (self.flight.bytes + self.config.datagram <= self.congestion.window(&self.rtt)
                && now >= self.congestion.next_send())
    }

    /// When the pace lets the next datagram leave, if one waits for that alone.
    pub(super) fn pace_deadline(&self) -> Option<Time> {
        let waits = self.sending.wants()
            && self.flight.bytes + self.config.datagram <= self.congestion.window(&self.rtt);
        waits.then(|| self.congestion.next_send())
    }

    fn poll_data(&mut self, now: Time, out: &mut Vec<u8>) -> bool {
        let data = self.sending.wants() && self.may_send(now);
        if self.close_is_due() {
            self.abandon();
            return self.poll_farewell(out);
        }
        if !data && !self.receiving.ack_is_due(now) {
            return false;
        }
        let number = self.sending.next_number;
        datagram::begin_data(out, self.id, number);
        let empty = out.len();
        if self.receiving.has_unacknowledged() {
            let room = (self.config.datagram - DATA_OVERHEAD) / if data { 4 } else { 1 };
            self.push_ack(now, out, room.max(64));
        }
        let mut sent = Sent::at(now);
        if data {
            self.fill(out, &mut sent);
        }
        if out.len() == empty {
            out.clear();
            return false;
        }
        if sent.eliciting && !self.sending.wants() {
            // Nothing follows that would make the peer acknowledge this one soon.
            datagram::acknowledge_now(out);
        }
        datagram::finish(out);
        self.sending.next_number += 1;
        self.register(now, number, out.len(), sent);
        true
    }

    /// Frames first, then one piece of a block: a piece is a datagram, as the exercise says.
    fn fill(&mut self, out: &mut Vec<u8>, sent: &mut Sent) {
        let room = |out: &Vec<u8>| self.config.datagram.saturating_sub(out.len() + DATA_OVERHEAD - 17);
        if room(out) > STREAM_OVERHEAD
            && let Some(range) =
                self.sending.stream.next(room(out) - STREAM_OVERHEAD, self.sending.limits.stream)
        {
            datagram::push_stream(out, range.start, &self.sending.stream.copy(&range));
            sent.stream = Some(range);
            sent.eliciting = true;
        }
        if let Some(piece) = self.sending.next_piece(room(out)) {
            datagram::push_block(out, piece.number, piece.offset, &piece.bytes);
            sent.piece = Some(piece);
            sent.eliciting = true;
        }
        if self.sending.ping {
            self.sending.ping = false;
            if !sent.eliciting {
                datagram::push_ping(out);
                sent.eliciting = true;
            }
        }
        if sent.eliciting {
            self.sending.probes = self.sending.probes.saturating_sub(1);
        }
    }

    /// CLOSE leaves once the peer has everything.
    fn close_is_due(&self) -> bool {
        matches!(self.state, State::Closing { .. }) && self.sending.is_empty() && self.flight.is_idle()
    }

    /// CLOSE, a few times.
    fn poll_farewell(&mut self, out: &mut Vec<u8>) -> bool {
        let Some((code, reason, left)) = &mut self.farewell else { return false };
        let number = self.sending.next_number;
        datagram::begin_data(out, self.id, number);
        datagram::push_close(out, *code, reason);
        datagram::finish(out);
        self.sending.next_number += 1;
        *left -= 1;
        if *left == 0 {
            self.farewell = None;
        }
        true
    }
}
