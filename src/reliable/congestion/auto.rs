//! The default: a model of the path in the manner of BBR (Cardwell et al., 2016) that tells random loss from
//! congestion.
//!
//! The path delivers at most `rate` and loses the share `p` whatever its load. A flow sent at `S` is delivered at
//! `min(rate, S · (1 − p))`. So the sender paces at `gain × rate / (1 − p)`: random loss costs no more than it must.
//! `p` is measured while the load is below the rate: in the phase after each probe for bandwidth, which lets queues
//! drain. Loss above `p` in other phases, or a standing queue, is congestion: only then does the sender back off.
//!
//! Flows that keep queues filled (CUBIC, BBR) would starve one that keeps them empty. If the queue does not drain
//! although this flow sends less, other flows fill it, and this one takes its share as BBR would (after Copa, Arun and
//! Balakrishnan, 2018).

use std::collections::VecDeque;
use std::time::Duration;

use super::controller::{Controller, Delivery, INITIAL_PACED, INITIAL_PACKETS, MIN_PACKETS, ProbePhase};
use super::samples::{Phase, Sample, Samples};
use crate::base::Time;
use crate::reliable::recovery::rtt::Rtt;

/// Rounds over which the highest delivery rate is remembered.
const RATE_ROUNDS: u64 = 10;
/// Shortest round: a shorter one would measure the scheduler.
const ROUND_LEAST: Duration = Duration::from_millis(1);
/// Start-up ends when the rate grew by less than this factor in this number of rounds; it paces at this gain.
const STARTUP_GROWTH: f64 = 1.25;
const STARTUP_ROUNDS: u32 = 3;
const STARTUP_GAIN: f64 = 2.77;
/// … or as soon as this number of consecutive ACKs has seen a queue (RFC 9406 asks for 8 samples of the round trip).
const FULL_ACKS: u32 = 8;
const DRAIN_GAIN: f64 = 0.5;
const UP_GAIN: f64 = 1.25;
/// … but on a long path, a probe builds no longer queue than this before the first ACK tells of it.
const UP_QUEUE: Duration = Duration::from_millis(12);
/// A probe that delivers at least half of the increase is repeated with a higher gain, up to this.
const UP_MOST: f64 = 2.0;
const DOWN_GAIN: f64 = 0.75;
/// Round trips at the rate of the path between two probes; with the probe, a cycle has 8.
const CRUISE_ROUNDS: u32 = 6;
/// Shortest phase, in time and in packets: a few packets tell nothing.
const PHASE_LEAST: Duration = Duration::from_millis(4);
const PHASE_PACKETS: f64 = 8.0;
/// A queue of this delay is tolerated: the round trip divided by `QUEUE_SHARE`, within these bounds.
const QUEUE_TARGET: Duration = Duration::from_millis(3);
const QUEUE_MOST: Duration = Duration::from_millis(6);
const QUEUE_SHARE: u32 = 10;
/// … but this number of packets may always wait: on a slow path, each takes its time.
const QUEUE_PACKETS: f64 = 4.0;
/// An epoch with this number of packets counts as much as all that was known before.
const SAMPLE_HALF: f64 = 400.0;
/// Loss rate above that of the path that indicates congestion, or a change of the path.
const EXCESS: f64 = 0.05;
/// … and the excess that ends start-up.
const STARTUP_EXCESS: f64 = 0.15;
/// The highest loss rate that is attributed to the path itself.
const LOSS_LIMIT: f64 = 0.5;
/// Cycles in which the queue did not drain, after which other flows are assumed to fill it.
const COMPETING_CYCLES: u32 = 2;
/// Then the window, as a multiple of what fills the path.
const COMPETING_WINDOW: f64 = 2.15;
/// Factor on the estimated rate after congestion.
const BACKOFF: f64 = 0.85;

/// The model of a path, and the state of its probing.
#[derive(Debug)]
pub(super) struct Auto {
    datagram: usize,
    phase: Phase,
    phase_at: Time,
    /// Round trips of `Cruise` in this cycle.
    cruised: u32,
    /// The number of the round; 0 before the first ACK.
    round: u64,
    /// The round ends with the ACK of a packet sent when this number of bytes was delivered.
    round_ends_at: u64,
    round_at: Time,
    /// Bytes delivered when the round began.
    round_from: u64,
    /// The rate of this round was limited by the application.
    round_idle: bool,
    /// Bytes delivered so far.
    delivered: u64,
    /// Round and delivery rate in bytes/s, highest rate first.
    rates: VecDeque<(u64, f64)>,
    /// The rate is only assumed: no round was measured yet.
    assumed: bool,
    /// The last rate in start-up that had grown enough, and the rounds since then.
    best_rate: f64,
    stale_rounds: u32,
    samples: Samples,
    /// The loss rate of the path itself, 0 to 1.
    loss: f64,
    /// Packets from which `loss` was estimated.
    weight: f64,
    /// The last epoch of `Cruise` lost more than the path itself would.
    high: bool,
    /// Two in a row did: the next phase `Down` will tell whether the path or the load is to blame.
    suspected: bool,
    /// Gain of the phase `Up`.
    up_gain: f64,
    /// The rate in bytes/s when the phase `Up` began.
    up_from: f64,
    /// The shortest queueing delay of this cycle, and a count of cycles in which the queue never drained.
    shortest: Duration,
    full_cycles: u32,
    /// Consecutive ACKs that have seen a queue.
    full_acks: u32,
    /// When the first of those came, and the bytes delivered by then.
    full_at: Time,
    full_from: u64,
    /// The last round in which a router marked packets.
    marked_in: Option<u64>,
}

impl Controller for Auto {
    fn phase(&self) -> ProbePhase {
        self.samples.phase()
    }

    fn on_sent(&mut self) {
        self.samples.on_sent();
    }

    fn on_acked(&mut self, phase: ProbePhase) {
        self.samples.on_acked(phase);
    }

    fn on_late(&mut self, phase: ProbePhase) {
        self.samples.on_late(phase);
    }

    fn on_lost(&mut self, _: Time, phase: ProbePhase, _: Time) {
        self.samples.on_lost(phase);
    }

    fn on_marked(&mut self, now: Time, _: Time) {
        self.on_queue_growth(now);
    }

    fn on_delivery(&mut self, now: Time, delivery: &Delivery, rtt: &Rtt) {
        self.on_ack(now, delivery, rtt);
    }

    fn loss(&self) -> f64 {
        self.loss
    }

    fn window(&self, rtt: &Rtt) -> usize {
        self.congestion_window(rtt)
    }

    fn rate(&self, rtt: &Rtt) -> f64 {
        self.pacing_rate(rtt)
    }
}

impl Auto {
    /// `datagram` is the size of a packet in bytes; `seed` staggers the cycles of connections that begin together.
    pub(super) fn new(datagram: usize, seed: u64) -> Self {
        Self {
            datagram,
            phase: Phase::Startup,
            phase_at: Time::ZERO,
            cruised: (seed % u64::from(CRUISE_ROUNDS)) as u32,
            round: 0,
            round_ends_at: 0,
            round_at: Time::ZERO,
            round_from: 0,
            round_idle: false,
            delivered: 0,
            rates: VecDeque::new(),
            assumed: true,
            best_rate: 0.0,
            stale_rounds: 0,
            samples: Samples::new(),
            loss: 0.0,
            weight: 0.0,
            high: false,
            suspected: false,
            up_gain: UP_GAIN,
            up_from: 0.0,
            shortest: Duration::MAX,
            full_cycles: 0,
            full_acks: 0,
            full_at: Time::ZERO,
            full_from: 0,
            marked_in: None,
        }
    }

    /// A router reports a growing queue (ECN): backs off once for each round, by the factor that RFC 8511 advises.
    fn on_queue_growth(&mut self, now: Time) {
        if self.marked_in == Some(self.round) {
            return;
        }
        self.marked_in = Some(self.round);
        self.back_off();
        match self.phase {
            Phase::Startup => self.enter(Phase::Drain, now),
            Phase::Up => self.enter(Phase::Down, now),
            Phase::Drain | Phase::Cruise | Phase::Down => {}
        }
    }

    /// Highest delivery rate of the last rounds, in bytes/s; 0 before the first ACK.
    fn delivery_rate(&self) -> f64 {
        self.rates.front().map_or(0.0, |(_, rate)| *rate)
    }

    /// The queueing delay that is tolerated.
    fn queue_target(&self, rtt: &Rtt) -> Duration {
        (rtt.min() / QUEUE_SHARE).clamp(QUEUE_TARGET, QUEUE_MOST).max(self.time_of(QUEUE_PACKETS))
    }

    /// True if there is a queue, be it ours or that of other flows.
    fn is_full(&self, rtt: &Rtt) -> bool {
        rtt.queue() > self.queue_target(rtt) * 2
    }

    /// How long the path takes to deliver this number of packets.
    fn time_of(&self, packets: f64) -> Duration {
        let rate = self.delivery_rate().max(1.0);
        Duration::from_secs_f64((packets * self.datagram as f64 / rate).min(10.0))
    }

    /// True if other flows are assumed to keep the queue filled.
    fn competes(&self) -> bool {
        self.full_cycles >= COMPETING_CYCLES
    }

    /// Takes what an ACK tells: measures rounds, learns the loss of the path, moves between phases.
    fn on_ack(&mut self, now: Time, delivery: &Delivery, rtt: &Rtt) {
        self.round_idle |= delivery.idle;
        self.delivered = delivery.delivered;
        self.shortest = self.shortest.min(rtt.queue());
        // A sender limited by its application fills no queue.
        self.full_acks = if self.is_full(rtt) && !delivery.idle { self.full_acks + 1 } else { 0 };
        if self.full_acks == 1 {
            (self.full_at, self.full_from) = (now, delivery.delivered);
        }
        if self.full_acks > 0 {
            self.samples.on_queue();
        }
        if self.round == 0 {
            // Until a round is measured, the first window counts as one.
            let first = (INITIAL_PACED * self.datagram) as f64;
            self.remember(first / rtt.smoothed().max(ROUND_LEAST).as_secs_f64());
            self.begin_round(now, delivery);
        } else if now.since(self.round_at) >= ROUND_LEAST
            && (delivery.delivered_before >= self.round_ends_at || self.has_gone_too_far())
        {
            self.measure(now, delivery);
            self.end_round(now, rtt);
            self.begin_round(now, delivery);
        }
        while let Some(sample) = self.samples.settled() {
            self.learn(&sample, now, rtt);
        }
        self.advance(now, delivery, rtt);
    }

    /// True if start-up has filled a queue: it need not wait for the end of the round, which that queue makes long.
    fn has_gone_too_far(&self) -> bool {
        self.phase == Phase::Startup && self.full_acks >= FULL_ACKS
    }

    /// Takes the delivery rate of this round; the first measured one replaces what was assumed.
    fn measure(&mut self, now: Time, delivery: &Delivery) {
        // A flow with a queue gets all that the path can deliver, however the round began.
        let in_queue = self.has_gone_too_far() && now.since(self.full_at) >= ROUND_LEAST;
        let (from, at) =
            if in_queue { (self.full_from, self.full_at) } else { (self.round_from, self.round_at) };
        let rate = (delivery.delivered - from) as f64 / now.since(at).as_secs_f64();
        let is_whole = !self.round_idle || in_queue;
        if is_whole && std::mem::take(&mut self.assumed) {
            self.rates.clear();
        }
        if is_whole || rate > self.delivery_rate() {
            self.remember(rate);
        }
    }

    fn begin_round(&mut self, now: Time, delivery: &Delivery) {
        self.round += 1;
        self.round_ends_at = delivery.delivered;
        self.round_from = delivery.delivered;
        self.round_at = now;
        self.round_idle = delivery.idle;
    }

    /// Adds the rate of a round to those remembered, and drops old or lower ones.
    fn remember(&mut self, rate: f64) {
        while self.rates.back().is_some_and(|(_, r)| *r <= rate) {
            self.rates.pop_back();
        }
        self.rates.push_back((self.round, rate));
        while self.rates.len() > 1
            && self.rates.front().is_some_and(|(round, _)| round + RATE_ROUNDS < self.round)
        {
            self.rates.pop_front();
        }
    }

    /// Ends start-up if the rate no longer grows or a queue is seen.
    fn end_round(&mut self, now: Time, rtt: &Rtt) {
        if self.phase != Phase::Startup {
            return;
        }
        if self.delivery_rate() >= self.best_rate * STARTUP_GROWTH {
            (self.best_rate, self.stale_rounds) = (self.delivery_rate(), 0);
        } else if !self.round_idle {
            self.stale_rounds += 1;
        }
        if self.stale_rounds >= STARTUP_ROUNDS || self.is_full(rtt) {
            self.enter(Phase::Drain, now);
        } else {
            self.samples.open(self.phase);
        }
    }

    fn enter(&mut self, phase: Phase, now: Time) {
        (self.phase, self.phase_at) = (phase, now);
        self.samples.open(phase);
    }

    /// Learns the loss of the path from a complete epoch, and detects excess loss.
    fn learn(&mut self, sample: &Sample, now: Time, rtt: &Rtt) {
        let (loss, packets) = (sample.loss(), sample.settled() as f64);
        let noise = 3.0 * (self.loss.max(0.01) * (1.0 - self.loss) / packets).sqrt();
        let excess = loss > self.loss + EXCESS.max(noise);
        // Loss while there is a queue says nothing about the path itself. (`Down` begins with a queue, and should end
        // without one.)
        let overloaded = self.is_full(rtt) && loss > self.loss;
        match sample.phase {
            Phase::Startup if sample.saw_queue && loss > self.loss => {}
            Phase::Startup if loss > self.loss + STARTUP_EXCESS.max(noise) && self.weight >= 50.0 => {
                if self.phase == Phase::Startup {
                    self.enter(Phase::Drain, now);
                }
            }
            Phase::Startup => {
                self.weight += packets;
                self.blend(loss, packets / self.weight);
            }
            Phase::Down => {
                let share = packets / (packets + self.weight.min(SAMPLE_HALF));
                if self.suspected {
                    self.suspected = false;
                    if !excess {
                        self.back_off();
                    }
                    if !overloaded {
                        self.blend(loss, share.max(0.5));
                    }
                } else if !overloaded {
                    self.weight += packets;
                    self.blend(loss, share);
                }
            }
            Phase::Cruise if excess => {
                if std::mem::replace(&mut self.high, true) && !self.suspected {
                    self.suspected = true;
                    if self.phase == Phase::Cruise {
                        self.enter(Phase::Down, now);
                    }
                }
            }
            _ => {
                self.high &= sample.phase != Phase::Cruise;
                if loss < self.loss {
                    self.blend(loss, packets / (packets + 2.0 * SAMPLE_HALF));
                }
            }
        }
    }

    /// Moves the estimated loss towards `loss`, with this weight.
    fn blend(&mut self, loss: f64, share: f64) {
        self.loss = (self.loss + (loss - self.loss) * share).min(LOSS_LIMIT);
    }

    fn back_off(&mut self) {
        for (_, rate) in &mut self.rates {
            *rate *= BACKOFF;
        }
    }

    /// Enters the next phase if this one has lasted long enough.
    fn advance(&mut self, now: Time, delivery: &Delivery, rtt: &Rtt) {
        let lasted = now.since(self.phase_at);
        let turn = rtt.min().max(PHASE_LEAST).max(self.time_of(PHASE_PACKETS));
        match self.phase {
            Phase::Startup => {}
            Phase::Drain => {
                if delivery.in_flight as f64 <= self.product(rtt) || lasted >= turn * 3 {
                    self.cycle(now);
                }
            }
            Phase::Cruise if lasted >= turn => {
                self.cruised += 1;
                if self.cruised < CRUISE_ROUNDS {
                    self.enter(Phase::Cruise, now);
                } else {
                    let step = UP_QUEUE.as_secs_f64() / rtt.min().as_secs_f64().max(1e-6);
                    (self.up_gain, self.up_from) = (UP_GAIN.min(1.0 + step), self.delivery_rate());
                    self.enter(Phase::Up, now);
                }
            }
            Phase::Up if lasted >= turn => {
                let full = !self.competes() && self.is_full(rtt);
                if full || lasted >= turn * 2 {
                    self.end_probe(now, full);
                }
            }
            Phase::Down if lasted >= turn * 2 || lasted >= turn && rtt.queue() <= self.queue_target(rtt) => {
                self.see_others(rtt);
                self.cycle(now);
            }
            Phase::Up | Phase::Cruise | Phase::Down => {}
        }
    }

    /// Ends a probe for bandwidth, or goes on with a higher gain; `full` if it has built a queue.
    fn end_probe(&mut self, now: Time, full: bool) {
        let step = self.up_gain - 1.0;
        if full || self.delivery_rate() < self.up_from * (1.0 + step / 2.0) {
            return self.enter(Phase::Down, now);
        }
        // The path delivers more: it has become faster, or start-up ended too soon.
        (self.up_gain, self.up_from) = ((1.0 + step * 2.0).min(UP_MOST), self.delivery_rate());
        self.enter(Phase::Up, now);
    }

    fn cycle(&mut self, now: Time) {
        self.cruised = if self.phase == Phase::Drain { self.cruised } else { 0 };
        self.enter(Phase::Cruise, now);
    }

    /// At the end of a cycle: checks if its queue has drained, or if other flows fill it.
    fn see_others(&mut self, rtt: &Rtt) {
        let target = self.queue_target(rtt);
        if self.shortest > target * 2 {
            self.full_cycles = (self.full_cycles + 1).min(2 * COMPETING_CYCLES);
        } else {
            self.full_cycles = self.full_cycles.saturating_sub(COMPETING_CYCLES);
        }
        self.shortest = Duration::MAX;
    }

    /// Bytes in flight that fill the path without a queue (bandwidth-delay product).
    fn product(&self, rtt: &Rtt) -> f64 {
        self.delivery_rate() * rtt.min().as_secs_f64() / (1.0 - self.loss)
    }

    /// Pacing gain of the present phase.
    fn gain(&self, rtt: &Rtt) -> f64 {
        match self.phase {
            Phase::Startup => STARTUP_GAIN,
            Phase::Drain => DRAIN_GAIN,
            Phase::Up => self.up_gain,
            Phase::Down => DOWN_GAIN,
            Phase::Cruise if self.competes() => 1.0,
            // Empties a queue within two round trips.
            Phase::Cruise => {
                let over = rtt.queue().saturating_sub(self.queue_target(rtt)).as_secs_f64();
                let time = (rtt.min() * 2).max(Duration::from_millis(10)).as_secs_f64();
                1.0 - (over / time).min(0.25)
            }
        }
    }

    /// The pacing rate in bytes/s; 0 if nothing is known yet.
    fn pacing_rate(&self, rtt: &Rtt) -> f64 {
        let rate = self.delivery_rate();
        if rate > 0.0 {
            // While there is a long queue, the path is overloaded: no reason to send more to make up for losses.
            let is_long = rtt.queue() > self.queue_target(rtt) * 4;
            let loss = if is_long && !self.competes() { 0.0 } else { self.loss };
            return rate * self.gain(rtt) / (1.0 - loss);
        }
        if rtt.is_known() {
            return (INITIAL_PACED * self.datagram) as f64 / (rtt.smoothed() / 2).as_secs_f64().max(1e-4);
        }
        0.0
    }

    /// The congestion window in bytes.
    fn congestion_window(&self, rtt: &Rtt) -> usize {
        let rate = self.delivery_rate();
        if rate == 0.0 {
            return self.datagram * if rtt.is_known() { INITIAL_PACED } else { INITIAL_PACKETS };
        }
        let product = self.product(rtt);
        // Acknowledgements come in groups, and this machine may be busy for a moment.
        let slack = rate / (1.0 - self.loss) * 0.004 + (MIN_PACKETS * self.datagram) as f64;
        let queue = rate / (1.0 - self.loss) * (self.queue_target(rtt) * 3).as_secs_f64();
        let window = match self.phase {
            Phase::Startup => product * STARTUP_GAIN,
            _ if self.competes() => product * COMPETING_WINDOW,
            Phase::Up => product * self.up_gain,
            _ => product + queue,
        };
        // While the rate is only assumed, the window grows with the bytes delivered, as in slow start.
        let proved = if self.assumed {
            INITIAL_PACED * self.datagram + 2 * self.delivered as usize
        } else {
            usize::MAX
        };
        proved.min((window + slack) as usize)
    }
}
