//! What a connection waits for: one table of all timers. They are computed from the state whenever somebody asks, so
//! none is ever forgotten or left over.

use super::{Connection, State};
use crate::base::Time;

/// A reason to wake up without an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::reliable) enum Timer {
    /// The next HELLO is due.
    Hello,
    /// A server that does not answer the handshake is given up.
    Connect,
    /// A close in order has lasted long enough.
    Close,
    /// The oldest packet in flight is declared lost (RFC 9002, section 6.1.2).
    Loss,
    /// The probe timeout, PTO (RFC 9002, section 6.2).
    Probe,
    /// A silent peer is given up.
    Silence,
    /// An acknowledgement is due.
    Acknowledge,
    /// Pacing allows the next datagram.
    Pace,
    /// The retransmission timeout of a textbook ARQ.
    Retransmit,
    /// An idle connection sends a PING.
    KeepAlive,
}

impl Timer {
    /// All, in the order in which they are handled.
    pub(in crate::reliable) const ALL: [Self; 10] = [
        Self::Connect,
        Self::Hello,
        Self::Close,
        Self::Silence,
        Self::Retransmit,
        Self::Loss,
        Self::Probe,
        Self::KeepAlive,
        Self::Acknowledge,
        Self::Pace,
    ];
}

impl Connection {
    /// When a timer fires; `None` if it is not set.
    pub(in crate::reliable) fn timer(&self, timer: Timer) -> Option<Time> {
        match (timer, &self.state) {
            (_, State::Ended) => None,
            (Timer::Hello, State::Handshake(greeting)) => Some(greeting.next_send),
            (Timer::Connect, State::Handshake(greeting)) => {
                Some(greeting.began.max(self.heard) + self.config.connect)
            }
            (Timer::Close, State::Closing { deadline, .. }) => Some(*deadline),
            (Timer::Hello | Timer::Connect | Timer::Close, _) => None,
            // The server has no state yet that could be asked.
            (_, State::Handshake(greeting)) if !greeting.has_cookie() => None,
            (Timer::Loss, _) => self.sent_packets.loss_at,
            (Timer::Probe, _) => self.probe_deadline(),
            (Timer::Silence, _) => self.silence_deadline(),
            (Timer::Acknowledge, _) => self.receive_side.ack_deadline(),
            (Timer::Pace, _) => self.pace_deadline(),
            (Timer::Retransmit, _) => {
                self.send_side.textbook.as_ref().and_then(|textbook| textbook.deadline(&self.rtt))
            }
            (Timer::KeepAlive, _) => {
                Some(self.heard.max(self.sent_packets.last_eliciting) + self.config.keep_alive)
            }
        }
    }

    /// When [`Self::handle_timeout`] or [`Self::poll_transmit`] has something to do without an input; `None` once
    /// ended.
    pub(in crate::reliable) fn deadline(&self) -> Option<Time> {
        Timer::ALL.into_iter().filter_map(|timer| self.timer(timer)).min()
    }

    /// Does what is due at `now`: declares packets lost, sends probes, gives up a silent peer. What an earlier timer
    /// does may stop a later one.
    pub(in crate::reliable) fn handle_timeout(&mut self, now: Time) {
        for timer in Timer::ALL {
            if self.timer(timer).is_some_and(|at| now >= at) {
                self.fire(timer, now);
            }
        }
    }

    fn fire(&mut self, timer: Timer, now: Time) {
        match timer {
            Timer::Connect | Timer::Silence => self.time_out(now),
            Timer::Close => self.abandon(),
            Timer::Hello => {
                if let State::Handshake(greeting) = &mut self.state {
                    greeting.on_timeout(now);
                }
            }
            Timer::Retransmit => {
                if let Some(textbook) = &mut self.send_side.textbook {
                    textbook.on_timeout(now, &self.rtt);
                }
            }
            Timer::Loss => self.detect_losses(now),
            Timer::Probe => self.probe(now),
            Timer::KeepAlive => self.send_side.ping = true,
            // `poll_transmit` looks at the time itself.
            Timer::Acknowledge | Timer::Pace => {}
        }
    }

    /// All timers that are set, for a test that hangs.
    #[cfg(test)]
    pub(in crate::reliable) fn describe_timers(&self) -> String {
        let set =
            Timer::ALL.into_iter().filter_map(|timer| Some(format!("{timer:?} {:?}", self.timer(timer)?)));
        let set: Vec<String> = set.collect();
        format!(
            "{}; wants {}; heard {:?}; {:?}",
            set.join(", "),
            self.send_side.describe(),
            self.heard,
            self.state
        )
    }
}
