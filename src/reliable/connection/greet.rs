//! The first datagrams of a connection.

use std::time::Duration;

use super::{Connection, Event, State};
use crate::base::Time;
use crate::reliable::CloseReason;
use crate::reliable::handshake::{EARLY_CREDIT, RETRY_AFTER};
use crate::wire::datagram::{self, Credit, Packet};

/// Longest wait between two HELLOs: short enough that a loss of one third in bursts does not end in "no answer", and
/// still only 32 kbit/s.
const RETRY_LIMIT: Duration = Duration::from_millis(300);
/// Once the round trip is known, a HELLO with a cookie is repeated after this number of round trips, with this minimum.
const RETRY_ROUND_TRIPS: u32 = 2;
const RETRY_LEAST: Duration = Duration::from_millis(20);

impl Connection {
    /// Builds the HELLO that proves a new address, if the server has asked for it.
    pub(in crate::reliable) fn poll_moved(&mut self, out: &mut Vec<u8>) -> bool {
        let (Some(cookie), Some(service)) = (self.moved.take(), self.service) else { return false };
        out.extend(self.hello(service, cookie, true));
        true
    }

    /// Builds a HELLO, if one is due.
    pub(in crate::reliable) fn poll_greeting(&mut self, now: Time, out: &mut Vec<u8>) -> bool {
        let State::Handshake(greeting) = &mut self.state else { return false };
        if now < greeting.next_send {
            return false;
        }
        let (service, cookie) = (greeting.service, greeting.cookie.clone());
        // The answer could be to any of several HELLOs: no sample of the round trip.
        greeting.sent = greeting.first.then_some(now);
        greeting.first = false;
        greeting.next_send = now + greeting.wait;
        greeting.wait = (greeting.wait * 2).min(RETRY_LIMIT);
        out.extend(self.hello(service, cookie, false));
        true
    }

    /// The server accepted the connection: shown by ACCEPT, or by any DATA that it sends afterwards.
    pub(in crate::reliable) fn opened(&mut self, now: Time) {
        self.heard = now;
        self.state = State::Open;
        self.events.push_back(Event::Open);
    }

    /// False if a packet of the handshake is not heeded, because this side has a key.
    fn is_trusted(&mut self, packet: &Packet, datagram: &[u8]) -> bool {
        match (packet, &self.state) {
            (Packet::Retry { handshake, .. }, State::Handshake(greeting)) if self.has_key() => {
                let service = greeting.service;
                if handshake.is_empty() {
                    self.end(CloseReason::NotEncrypted);
                    return false;
                }
                !greeting.has_cookie() && self.take_answer(service, handshake)
            }
            (Packet::Accept { proof, .. }, _) => self
                .has_proven(datagram::proven_by_accept(datagram), proof.as_ref().map_or(&[], |proof| proof)),
            _ => true,
        }
    }

    /// Handles RETRY, ACCEPT or REFUSE; any other packet is counted as ignored.
    pub(in crate::reliable) fn handle_greeting(&mut self, now: Time, packet: Packet, datagram: &[u8]) {
        if !self.is_trusted(&packet, datagram) {
            self.stats.ignored += 1;
            return;
        }
        let State::Handshake(greeting) = &mut self.state else {
            match packet {
                // The address of this client changed on the path, and the server asks for proof of the new one (faults.md
                // row 54).
                Packet::Retry { cookie, .. } if self.service.is_some() && self.state != State::Ended => {
                    self.moved = Some(cookie);
                }
                _ => self.stats.ignored += 1,
            }
            return;
        };
        match packet {
            Packet::Retry { cookie, .. } if greeting.cookie != cookie => {
                self.heard = now;
                if let Some(sent) = greeting.sent {
                    self.rtt.sample(now, now.since(sent), Duration::ZERO);
                    greeting.wait = (self.rtt.smoothed() * RETRY_ROUND_TRIPS).clamp(RETRY_LEAST, RETRY_AFTER);
                } else {
                    greeting.wait = RETRY_AFTER;
                }
                if greeting.cookie.is_empty() {
                    self.events.push_back(Event::Answered);
                }
                (greeting.cookie, greeting.next_send, greeting.first) = (cookie, now, true);
                self.send_side.set_limits(Credit { stream: EARLY_CREDIT, block: 0 });
            }
            Packet::Accept { credit, .. } => {
                if let Some(sent) = greeting.sent {
                    self.rtt.sample(now, now.since(sent), Duration::ZERO);
                }
                self.send_side.set_limits(credit);
                self.opened(now);
            }
            Packet::Refuse { code, text } => self.end(CloseReason::Refused { code, reason: text }),
            _ => self.stats.ignored += 1,
        }
    }
}
