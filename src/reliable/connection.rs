//! One connection: its state, its inputs and its outputs. Sending stands in `send`, acknowledgement and loss in
//! `loss`, receiving in `receive`, the first datagrams in `handshake`.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::arq::Arq;
use super::congestion::{Congestion, Control};
use super::handshake::Greeting;
use super::loss::InFlight;
use super::mtu::Mtu;
use super::receive::Receiving;
use super::rtt::Rtt;
use super::send::Sending;
use super::{Config, Ending};
use crate::base::{Time, mix};
use crate::wire::datagram::{self, Credit, Packet};
use crate::wire::spent::Cause;
use crate::wire::{Code, Frame};

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The server is there.
    Answered,
    /// The server let us in.
    Open,
    /// The next frame, in order.
    Frame(Frame),
    /// A part of a file, in any order, each exactly once.
    Block { offset: u64, bytes: Bytes },
    /// Nothing comes after this.
    Ended(Ending),
}

/// Counts for people and for results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub datagrams_out: u64,
    pub datagrams_in: u64,
    pub bytes_out: u64,
    pub bytes_in: u64,
    /// Bytes of blocks, those that were sent again among them.
    pub block_bytes: u64,
    /// Pieces of blocks that were sent again.
    pub retransmitted: u64,
    /// Bytes of pieces that were sent once more at the end, before they were missed.
    pub copies: u64,
    pub lost: u64,
    /// Damaged, stale or repeated datagrams.
    pub ignored: u64,
}

/// Bytes that may always wait to be sent: some datagrams, so that the path never waits for the service.
const BACKLOG_LEAST: usize = 8 << 10;

/// How long blocks waited, by cause.
#[derive(Debug, Default)]
pub(super) struct Held {
    since: Option<(Time, bool)>,
    peer: Duration,
    path: Duration,
}

impl Held {
    /// Something was sent, or is about to be.
    pub(super) fn release(&mut self, now: Time) {
        if let Some((since, by_peer)) = self.since.take() {
            *(if by_peer { &mut self.peer } else { &mut self.path }) += now.since(since);
        }
    }

    pub(super) fn hold(&mut self, now: Time, by_peer: bool) {
        self.since = Some((now, by_peer));
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Waiting for ACCEPT.
    Greeting(Greeting),
    Open,
    /// CLOSE is to be sent, once everything before it is acknowledged.
    Closing {
        code: Code,
        reason: String,
        deadline: Time,
    },
    Ended,
}

/// How often CLOSE is sent: a peer that misses all of them runs into its own silence limit.
const FAREWELLS: u8 = 5;
/// Unanswered probes of a connection that has delivered nothing, after which it does without marks.
const MARK_PROBES: u32 = 2;
/// How long a close waits for the peer to have everything.
const LINGER: Duration = Duration::from_secs(5);

/// A reliable connection over datagrams.
#[derive(Debug)]
pub struct Connection {
    pub(super) id: u64,
    pub(super) config: Config,
    pub(super) state: State,
    pub(super) rtt: Rtt,
    pub(super) congestion: Congestion,
    pub(super) sending: Sending,
    pub(super) flight: InFlight,
    pub(super) receiving: Receiving,
    pub(super) mtu: Mtu,
    pub(super) held: Held,
    /// When spare time may be spent on a copy of what is outstanding.
    pub(super) tail_at: Option<Time>,
    pub(super) skip_seed: u64,
    /// What a client asked for.
    pub(super) service: Option<u8>,
    /// The server asks who sends from a new address.
    pub(super) moved: Option<Vec<u8>>,
    pub(super) heard: Time,
    /// CLOSE, and how often it is still to be sent: nothing confirms it.
    pub(super) farewell: Option<(Code, String, u8)>,
    pub(super) events: VecDeque<Event>,
    pub(super) stats: Stats,
}

impl Connection {
    fn new(id: u64, config: Config, state: State, peer: Credit, now: Time) -> Self {
        Self {
            id,
            config,
            state,
            rtt: Rtt::default(),
            congestion: Congestion::new(config.control, config.datagram, config.seed ^ id),
            sending: Sending::new(peer, config.arq),
            flight: InFlight::default(),
            receiving: Receiving::new(config.credit, config.credit_limit),
            mtu: Mtu::new(config.datagram, config.datagram_most),
            held: Held::default(),
            tail_at: None,
            skip_seed: mix(config.seed ^ id),
            service: None,
            moved: None,
            heard: now,
            farewell: None,
            events: VecDeque::new(),
            stats: Stats::default(),
        }
    }

    /// A client's end; `id` is random, 64 bits.
    pub fn connect(id: u64, service: u8, config: Config, now: Time) -> Self {
        let state = State::Greeting(Greeting::new(service, now));
        let connection = Self::new(id, config, state, Credit { stream: 0, block: 0 }, now);
        Self { service: Some(service), ..connection }
    }

    /// A server's end, once the cookie came back.
    pub(super) fn accept(id: u64, peer: Credit, config: Config, now: Time) -> Self {
        Self::new(id, config, State::Open, peer, now)
    }

    pub const fn id(&self) -> u64 {
        self.id
    }

    pub const fn stats(&self) -> Stats {
        self.stats
    }

    pub fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// The smoothed round-trip time.
    pub fn round_trip(&self) -> Duration {
        self.rtt.smoothed()
    }

    /// What blocks waited for most, if they waited at all.
    pub fn held_by(&self) -> Cause {
        let loses = self.stats.lost * 1000 > self.stats.datagrams_out;
        match (self.held.peer, self.held.path) {
            (Duration::ZERO, Duration::ZERO) => Cause::Unknown,
            (peer, path) if peer > path => Cause::Peer,
            _ if self.config.arq != Arq::Selective => Cause::Window,
            _ if loses && matches!(self.config.control, Control::Cubic | Control::Reno) => Cause::Loss,
            _ => Cause::Path,
        }
    }

    /// The share of packets that the path loses whatever its load is.
    pub fn loss(&self) -> f64 {
        self.congestion.loss()
    }

    /// True if routers may mark what leaves now instead of dropping it. Some networks drop what could be marked: if
    /// nothing at all comes back, it goes on without (RFC 9000, section 13.4.2).
    pub fn can_be_marked(&self) -> bool {
        let open = matches!(self.state, State::Open | State::Closing { .. });
        open && !(self.flight.delivered == 0 && self.flight.probe_count >= MARK_PROBES)
    }

    /// True if there is room for more to be sent.
    pub fn is_writable(&self) -> bool {
        let backlog = self.sending.backlog();
        backlog < self.config.backlog && (backlog < BACKLOG_LEAST || self.leaves_in_time(backlog))
    }

    fn leaves_in_time(&self, bytes: usize) -> bool {
        let rate = self.congestion.rate(&self.rtt);
        rate == 0.0 || bytes as f64 <= rate * self.config.backlog_time.as_secs_f64()
    }

    /// Queues a frame of the ordered stream.
    pub fn write_frame(&mut self, frame: &Frame) {
        let mut bytes = BytesMut::with_capacity(frame.body.len() + 8);
        frame.encode(&mut bytes);
        self.sending.stream.write(&bytes);
    }

    /// Queues a block; it is cut into pieces that fit a datagram when they leave.
    pub fn write_block(&mut self, offset: u64, bytes: Bytes) {
        self.sending.write_block(offset, bytes);
    }

    /// Ends the connection: the peer gets everything that was written before, then the reason.
    pub fn close(&mut self, now: Time, code: Code, reason: &str) {
        match self.state {
            State::Open => {
                self.state = State::Closing { code, reason: reason.into(), deadline: now + LINGER }
            }
            State::Greeting(_) => self.end(Ending::Closed { code, reason: reason.into(), by_peer: false }),
            State::Closing { .. } | State::Ended => {}
        }
    }

    /// Ends the connection now: what was not sent is dropped, the peer hears why.
    pub fn abort(&mut self, code: Code, reason: &str) {
        self.end(Ending::Closed { code, reason: reason.into(), by_peer: false });
    }

    pub(super) fn end(&mut self, ending: Ending) {
        if self.state == State::Ended {
            return;
        }
        // A peer that knows us hears why it is over.
        let was_open = !matches!(self.state, State::Greeting(_));
        self.farewell = match &ending {
            Ending::Closed { code, reason, by_peer: false } if was_open => {
                Some((*code, reason.clone(), FAREWELLS))
            }
            Ending::Misbehaved(how) if was_open => Some((Code::Misbehaved, (*how).to_owned(), FAREWELLS)),
            _ => None,
        };
        self.state = State::Ended;
        self.events.push_back(Event::Ended(ending));
    }

    /// The application has taken this much of the stream and of blocks (bytes plus [`super::PIECE_COST`] each).
    pub fn consumed(&mut self, stream: u64, blocks: u64) {
        self.receiving.consumed(stream, blocks);
    }

    /// A datagram with this connection's id, already checked.
    pub(super) fn handle_packet(&mut self, now: Time, packet: Packet, datagram: Bytes, marked: bool) {
        self.stats.datagrams_in += 1;
        self.stats.bytes_in += datagram.len() as u64;
        match packet {
            Packet::Data { number, now: at_once, in_order, frames } => {
                if in_order && !self.is_next(&datagram, &frames) {
                    // Not acknowledged; what is here is said once more.
                    self.receiving.ack_soon(now);
                    self.heard = now;
                } else {
                    if marked {
                        self.receiving.note_mark(now);
                    }
                    self.handle_data(now, number, at_once, datagram, &frames);
                }
            }
            packet => self.handle_greeting(now, packet),
        }
    }

    /// A datagram from the network; damaged ones are counted and dropped. `marked`: a router says that its queue fills
    /// (ECN).
    pub fn handle_datagram(&mut self, now: Time, bytes: Bytes, marked: bool) {
        match datagram::decode(&bytes) {
            Ok((id, packet)) if id == self.id => self.handle_packet(now, packet, bytes, marked),
            _ => self.stats.ignored += 1,
        }
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Time passed: lost packets, probes, silence.
    pub fn handle_timeout(&mut self, now: Time) {
        match &mut self.state {
            State::Ended => {}
            State::Greeting(greeting) => {
                let early = greeting.has_cookie();
                if now >= greeting.began.max(self.heard) + self.config.connect {
                    self.vanished(now);
                } else {
                    greeting.on_timeout(now);
                    if early {
                        self.handle_recovery_timeout(now);
                    }
                }
            }
            State::Closing { deadline, .. } if now >= *deadline => self.abandon(),
            State::Open | State::Closing { .. } => self.handle_recovery_timeout(now),
        }
    }

    /// Ends an orderly close: everything is acknowledged, or was waited for long enough.
    pub(super) fn abandon(&mut self) {
        if let State::Closing { code, reason, .. } = &self.state {
            let ending = Ending::Closed { code: *code, reason: reason.clone(), by_peer: false };
            self.end(ending);
        }
    }

    pub(super) fn vanished(&mut self, now: Time) {
        let after = now.since(self.heard);
        let sent = self.stats.bytes_out;
        self.end(Ending::Vanished { after, sent, acknowledged: self.flight.delivered });
    }

    /// When [`Self::handle_timeout`] or [`Self::poll_transmit`] has something to do without an input.
    pub fn deadline(&self) -> Option<Time> {
        match &self.state {
            State::Ended => None,
            State::Greeting(greeting) => {
                let hello = greeting.next_send.min(greeting.began.max(self.heard) + self.config.connect);
                let early = if greeting.has_cookie() { self.recovery_deadline() } else { None };
                Some(early.map_or(hello, |early| early.min(hello)))
            }
            State::Open => self.recovery_deadline(),
            State::Closing { deadline, .. } => {
                Some(self.recovery_deadline().map_or(*deadline, |d| d.min(*deadline)))
            }
        }
    }
}
