//! One connection: its state, its inputs and its outputs. SendSide is in `send`, acknowledgement and loss in `loss`,
//! receiving in `receive`, the first datagrams in `handshake`.
//!
//! | file | holds |
//! |---|---|
//! | `input_output` | its edge: what goes in, what comes out |
//! | `greet` | the first datagrams |
//! | `seal` | where datagrams are encrypted and opened |
//! | `transmit` | builds datagrams |
//! | `receive` | takes datagrams |
//! | `loss_and_probes` | acknowledgements, losses, probes |
//! | `timers` | what it waits for |
//! | `notes` | what is noted of packets as they leave and come |
//! | `recorder` | the notes since they were last taken |

mod greet;
mod input_output;
mod loss_and_probes;
mod notes;
mod receive;
pub(in crate::reliable) mod recorder;
mod seal;
mod timers;
mod transmit;

pub use input_output::{Input, Output};
pub use seal::Inside;
pub(in crate::reliable) use seal::Sealing;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use self::recorder::Recorder;
use super::arq::Arq;
use super::congestion::{Congestion, Control};
use super::handshake::Handshake;
use super::mtu::Mtu;
use super::receive_side::ReceiveSide;
use super::recovery::rtt::Rtt;
use super::recovery::sent_packets::SentPackets;
use super::send_side::SendSide;
use super::{CloseReason, Config};
use crate::base::{Time, mix};
use crate::record::{Fate, Way, kind_of};
use crate::wire::datagram::{self, Credit, Packet};
use crate::wire::time_spent::Cause;
use crate::wire::{Code, ConnectionId, Frame};

/// What happened on a connection, for the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Client only: the server answered for the first time, with a cookie.
    Answered,
    /// Client only: the server accepted the connection.
    Open,
    /// The next frame of the ordered stream.
    Frame(Frame),
    /// A part of a file, which begins at `offset`. Parts come in any order, each byte exactly once.
    Block {
        /// Position of the first byte in the file.
        offset: u64,
        /// Never empty.
        bytes: Bytes,
    },
    /// The connection ended; no event follows.
    Ended(CloseReason),
}

/// Counters of a connection, for display and for test results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Datagrams built for sending, of every kind.
    pub datagrams_out: u64,
    /// Datagrams received with the id of this connection and a correct checksum.
    pub datagrams_in: u64,
    /// Bytes of the datagrams sent, without IP and UDP headers.
    pub bytes_out: u64,
    /// Bytes of the datagrams received, without IP and UDP headers.
    pub bytes_in: u64,
    /// Bytes of blocks sent, retransmissions included.
    pub block_bytes: u64,
    /// Pieces of blocks sent again, for any reason.
    pub retransmitted: u64,
    /// Bytes of pieces and stream ranges sent again near the end of the data, before they were declared lost.
    pub copies: u64,
    /// Datagrams declared lost, including those that were only late.
    pub lost: u64,
    /// Datagrams received that were damaged, out of date or repeated.
    pub ignored: u64,
}

/// Bytes that may always wait to be sent: a few datagrams, so that the path never waits for the service.
const BACKLOG_LEAST: usize = 8 << 10;

/// How long blocks waited to be sent, by cause.
#[derive(Debug, Default)]
pub(in crate::reliable) struct WaitTimes {
    /// Since when they wait, and true if for credit from the peer.
    since: Option<(Time, bool)>,
    /// Waiting for credit from the peer.
    peer: Duration,
    /// Waiting for the congestion window or the pacing.
    path: Duration,
}

impl WaitTimes {
    /// Ends a wait, if there was one: something is about to be sent.
    pub(in crate::reliable) fn release(&mut self, now: Time) {
        if let Some((since, by_peer)) = self.since.take() {
            *(if by_peer { &mut self.peer } else { &mut self.path }) += now.since(since);
        }
    }

    /// Begins a wait: `by_peer` for credit, else for the path.
    pub(in crate::reliable) fn hold(&mut self, now: Time, by_peer: bool) {
        self.since = Some((now, by_peer));
    }
}

/// Where a connection is in its life.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::reliable) enum State {
    /// A client that waits for ACCEPT.
    Handshake(Handshake),
    /// The handshake is complete, and no side has closed.
    Open,
    /// CLOSE is to be sent once everything before it is acknowledged.
    Closing {
        /// For CLOSE.
        code: Code,
        /// For CLOSE.
        reason: String,
        /// CLOSE is sent at this time at the latest.
        deadline: Time,
    },
    /// Over; CLOSE may still be sent a few times.
    Ended,
}

/// Number of CLOSE datagrams sent: a peer that misses all of them runs into its own silence limit.
const FAREWELLS: u8 = 5;
/// Unanswered probes of a connection that has delivered nothing, after which it no longer uses ECN.
const MARK_PROBES: u32 = 2;
/// How long an orderly close waits for the peer to acknowledge everything.
const LINGER: Duration = Duration::from_secs(5);

/// A reliable connection over datagrams: a state machine.
#[derive(Debug)]
pub struct Connection {
    /// The connection id, in every datagram of both sides.
    pub(in crate::reliable) id: ConnectionId,
    /// The parameters of this side.
    pub(in crate::reliable) config: Config,
    /// Where the connection is in its life.
    pub(in crate::reliable) state: State,
    /// The round-trip estimate.
    pub(in crate::reliable) rtt: Rtt,
    /// Congestion control and pacing.
    pub(in crate::reliable) congestion: Congestion,
    /// Data that waits to be sent.
    pub(in crate::reliable) send_side: SendSide,
    /// Packets sent and not yet acknowledged.
    pub(in crate::reliable) sent_packets: SentPackets,
    /// What was received, and what is to be acknowledged.
    pub(in crate::reliable) receive_side: ReceiveSide,
    /// The size of datagrams, and the search for a larger one.
    pub(in crate::reliable) mtu: Mtu,
    /// How long blocks waited, for [`Self::held_by`].
    pub(in crate::reliable) held: WaitTimes,
    /// When a copy of a packet in flight may be sent in spare time; `None` if none is wanted.
    pub(in crate::reliable) tail_at: Option<Time>,
    /// The state of the generator that picks packet numbers to skip.
    pub(in crate::reliable) skip_seed: u64,
    /// The number of the service that a client asked for; `None` on a server.
    pub(in crate::reliable) service: Option<u8>,
    /// The cookie of a RETRY on an open connection: the server asks a client for proof of its new address.
    pub(in crate::reliable) moved: Option<Vec<u8>>,
    /// When the peer was last heard; at first, when the connection began.
    pub(in crate::reliable) heard: Time,
    /// Code and reason of CLOSE, and the number of times it is still to be sent: nothing confirms it.
    pub(in crate::reliable) farewell: Option<(Code, String, u8)>,
    /// Events that the application has not fetched yet.
    pub(in crate::reliable) events: VecDeque<Event>,
    /// The counters so far.
    pub(in crate::reliable) stats: Stats,
    /// What is noted about each packet.
    pub(in crate::reliable) recorder: Recorder,
    /// What encrypts it, see [`seal`].
    pub(in crate::reliable) sealing: Sealing,
    /// What is inside its datagrams, for who looks at it.
    inside: Option<Vec<Inside>>,
}

impl Connection {
    fn new(id: ConnectionId, config: Config, state: State, peer: Credit, now: Time) -> Self {
        Self {
            id,
            config,
            state,
            rtt: Rtt::default(),
            congestion: Congestion::new(config.control, config.datagram, config.seed ^ id.0),
            send_side: SendSide::new(peer, config.arq),
            sent_packets: SentPackets::default(),
            receive_side: ReceiveSide::new(config.credit, config.credit_limit),
            mtu: Mtu::new(config.datagram, config.datagram_most),
            held: WaitTimes::default(),
            tail_at: None,
            skip_seed: mix(config.seed ^ id.0),
            service: None,
            moved: None,
            heard: now,
            farewell: None,
            events: VecDeque::new(),
            stats: Stats::default(),
            recorder: Recorder::new(id, config.record),
            sealing: Sealing::Plain,
            inside: None,
        }
    }

    /// The client side of a new connection; `id` is 64 random bits, `service` the number of a service.
    pub fn connect(id: ConnectionId, service: u8, config: Config, now: Time) -> Self {
        let state = State::Handshake(Handshake::new(service, now));
        let connection = Self::new(id, config, state, Credit { stream: 0, block: 0 }, now);
        Self { service: Some(service), ..connection }
    }

    /// The server side of a connection whose client sent back a valid cookie; `peer` is the credit that the client
    /// grants.
    pub(in crate::reliable) fn accept(id: ConnectionId, peer: Credit, config: Config, now: Time) -> Self {
        Self::new(id, config, State::Open, peer, now)
    }

    /// True if a client began it.
    pub(in crate::reliable) const fn is_of_server(&self) -> bool {
        self.service.is_none()
    }

    /// The connection id.
    pub const fn id(&self) -> ConnectionId {
        self.id
    }

    /// The counters so far.
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// True once the connection is over; a few CLOSE datagrams may still be waiting in `poll_transmit`.
    pub fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// The smoothed round-trip time; 100 ms before the first sample.
    pub fn round_trip(&self) -> Duration {
        self.rtt.smoothed()
    }

    /// What blocks waited for most; `Cause::Unknown` if they never waited.
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

    /// The share of packets, 0 to 1, that the path loses whatever its load, as far as congestion control knows it.
    pub fn loss(&self) -> f64 {
        self.congestion.loss()
    }

    /// True if datagrams sent now may be declared ECN-capable. Some networks drop such datagrams: if nothing at all was
    /// acknowledged, the connection goes on without ECN (RFC 9000, section 13.4.2).
    pub fn can_be_marked(&self) -> bool {
        let open = matches!(self.state, State::Open | State::Closing { .. });
        open && !(self.sent_packets.delivered == 0 && self.sent_packets.probe_count >= MARK_PROBES)
    }

    /// True if the application may write more: the backlog is below its limits.
    pub fn is_writable(&self) -> bool {
        let backlog = self.send_side.backlog();
        backlog < self.config.backlog && (backlog < BACKLOG_LEAST || self.leaves_in_time(backlog))
    }

    /// True if the peer has all blocks that were written: a frame that is written now comes behind them.
    pub fn blocks_have_arrived(&self) -> bool {
        self.send_side.blocks_have_arrived()
    }

    /// True if the present rate sends this number of bytes within `backlog_time`.
    fn leaves_in_time(&self, bytes: usize) -> bool {
        let rate = self.congestion.rate(&self.rtt);
        rate == 0.0 || bytes as f64 <= rate * self.config.backlog_time.as_secs_f64()
    }

    /// Queues a frame of the ordered stream.
    pub fn write_frame(&mut self, frame: &Frame) {
        let mut bytes = BytesMut::with_capacity(frame.body.len() + 8);
        frame.encode(&mut bytes);
        self.send_side.stream.write(&bytes);
    }

    /// Queues a block that begins at `offset` in the file; it is cut into pieces as datagrams are built.
    pub fn write_block(&mut self, offset: u64, bytes: Bytes) {
        self.send_side.write_block(offset, bytes);
    }

    /// Closes the connection in order: the peer gets everything that was written before, then the reason. Before the
    /// server has accepted, the connection ends at once, and nothing is sent.
    pub fn close(&mut self, now: Time, code: Code, reason: &str) {
        match self.state {
            State::Open => {
                self.state = State::Closing { code, reason: reason.into(), deadline: now + LINGER }
            }
            State::Handshake(_) => {
                self.end(CloseReason::Closed { code, reason: reason.into(), by_peer: false });
            }
            State::Closing { .. } | State::Ended => {}
        }
    }

    /// Closes the connection at once: unsent data is dropped, and the peer is told the reason.
    pub fn abort(&mut self, code: Code, reason: &str) {
        self.end(CloseReason::Closed { code, reason: reason.into(), by_peer: false });
    }

    /// Ends the connection with this event; without effect if it has ended already.
    pub(in crate::reliable) fn end(&mut self, ending: CloseReason) {
        if self.state == State::Ended {
            return;
        }
        // A peer with state for this connection is told why it ended.
        let was_open = !matches!(self.state, State::Handshake(_));
        self.farewell = match &ending {
            CloseReason::Closed { code, reason, by_peer: false } if was_open => {
                Some((*code, reason.clone(), FAREWELLS))
            }
            CloseReason::ProtocolViolation(how) if was_open => {
                Some((Code::Misbehaved, (*how).to_owned(), FAREWELLS))
            }
            _ => None,
        };
        self.state = State::Ended;
        self.events.push_back(Event::Ended(ending));
    }

    /// The application has consumed this much of the stream (bytes, as in [`super::receive::stream_cost`]) and of
    /// blocks (bytes, plus [`super::PIECE_COST`] for each part).
    pub fn consumed(&mut self, stream: u64, blocks: u64) {
        self.receive_side.consumed(stream, blocks);
    }

    /// Handles a datagram with the id of this connection, already decoded.
    pub(in crate::reliable) fn handle_packet(
        &mut self,
        now: Time,
        packet: Packet,
        datagram: Bytes,
        marked: bool,
    ) {
        self.stats.datagrams_in += 1;
        self.stats.bytes_in += datagram.len() as u64;
        match packet {
            Packet::Data { number, now: at_once, in_order, frames } => {
                let waits = in_order && !self.is_next(&datagram, &frames);
                if waits || self.is_beyond_gaps(&datagram, &frames) {
                    self.note_dropped(now, number, (&datagram, &frames), Fate::OutOfOrder);
                    // It is dropped without an acknowledgement; what has arrived in order is acknowledged once more.
                    self.receive_side.ack_soon(now);
                    self.heard = now;
                } else {
                    if marked {
                        self.receive_side.note_mark(now);
                    }
                    self.handle_data(now, number, at_once, datagram, &frames);
                }
            }
            packet => {
                self.recorder.greeting(now, Way::In, kind_of(&packet), datagram.len());
                self.handle_greeting(now, packet, &datagram);
            }
        }
    }

    /// A datagram from the network; a damaged one, or one with another id, is counted and dropped. `marked` is true if
    /// a router reports a growing queue (ECN).
    pub(in crate::reliable) fn handle_datagram(&mut self, now: Time, bytes: Bytes, marked: bool) {
        match datagram::decode(&bytes) {
            Ok((id, packet)) if id == self.id => match self.admit(packet, bytes) {
                Some((packet, bytes)) => self.handle_packet(now, packet, bytes, marked),
                None => self.stats.ignored += 1,
            },
            _ => self.stats.ignored += 1,
        }
    }

    /// The next event, if there is one.
    pub(in crate::reliable) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Ends an orderly close: everything is acknowledged, or the time for that is over.
    pub(in crate::reliable) fn abandon(&mut self) {
        if let State::Closing { code, reason, .. } = &self.state {
            let ending = CloseReason::Closed { code: *code, reason: reason.clone(), by_peer: false };
            self.end(ending);
        }
    }

    /// Ends the connection because the peer is silent.
    pub(in crate::reliable) fn time_out(&mut self, now: Time) {
        let after = now.since(self.heard);
        let sent = self.stats.bytes_out;
        self.end(CloseReason::TimedOut { after, sent, acknowledged: self.sent_packets.delivered });
    }
}
