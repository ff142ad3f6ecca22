//! Network impairment: what a bad network does to a datagram, as a seeded state machine without sockets or clock.
//!
//! A decision about packet n is drawn from hash(seed, name, direction, stage, n), and every stage draws for
//! every packet, so other settings or other timing do not change which packets are lost. Stages, in order:
//! loss, corrupt, duplicate, rate and queue, delay and jitter, reorder, deliver. `burst b` is the two-state
//! Gilbert–Elliott model with r = 1/b and p = r·loss/(1 − loss).
//!
//! The simulator of the tests and the `link` command run this code.
//!
//! | file | holds |
//! |---|---|
//! | `profile` | what a link does to packets, and what it has done |
//! | `hand` | packets by hand: held back, let go one by one, dropped, doubled |
//! | `decision` | random draws that depend on seed, name, direction, stage and packet number |

mod decision;
mod hand;
mod profile;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use crate::base::Time;
use decision::{Decisions, Stage};
pub use hand::{Carries, DropNext, HELD_BYTES_LIMIT, HELD_LIMIT, Hand, HandPacket, Handled};
pub use profile::{Counts, Direction, Profile, Verdict};

/// Approximate memory overhead of a packet in flight, in bytes.
const ENTRY: usize = 128;

/// One direction of a link. Each packet has a tag, chosen by the caller, that tells whose packet it is.
#[derive(Debug)]
pub struct Link<T = ()> {
    profile: Profile,
    decisions: Decisions,
    number: u64,
    in_burst: bool,
    /// When the bottleneck has sent all that is queued.
    free_at: Time,
    last_delivery: Time,
    /// Packets in flight, by arrival time and order of entry.
    flying: BTreeMap<(Time, u64), (T, Bytes)>,
    /// Bytes of the packets in flight, with [`ENTRY`] for each.
    flying_bytes: usize,
    /// Upper limit of `flying_bytes`.
    bound: usize,
    order: u64,
    counts: Counts,
}

impl<T: Clone> Link<T> {
    /// The same `seed`, `name` and `direction` repeat the same decisions.
    pub fn new(profile: Profile, seed: u64, name: &str, direction: Direction) -> Self {
        Self {
            profile,
            decisions: Decisions::new(seed, name, direction),
            number: 0,
            in_burst: false,
            free_at: Time::ZERO,
            last_delivery: Time::ZERO,
            flying: BTreeMap::new(),
            flying_bytes: 0,
            bound: usize::MAX,
            order: 0,
            counts: Counts::default(),
        }
    }

    /// Limits the memory of packets in flight, in bytes; packets above it are dropped as by a full queue.
    pub const fn bounded(mut self, bytes: usize) -> Self {
        self.bound = bytes;
        self
    }

    /// The totals so far.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Counts a packet that came and was dropped by hand.
    pub fn lose(&mut self, bytes: usize) {
        self.counts.bytes_in += bytes as u64;
        self.counts.dropped += 1;
    }

    /// Changes the impairments from the next packet on.
    pub fn set_profile(&mut self, profile: Profile) {
        self.profile = profile;
    }

    /// A packet enters the link at `now`; what becomes of it is decided at once.
    pub fn offer(&mut self, now: Time, tag: T, mut packet: Bytes) -> Verdict {
        let number = self.number;
        self.number += 1;
        self.counts.offered += 1;
        self.counts.bytes_in += packet.len() as u64;
        let lost = self.draws_loss(number);
        let corrupt = self.decisions.chance(Stage::Corrupt, number, self.profile.corrupt);
        let twice = self.decisions.chance(Stage::Duplicate, number, self.profile.duplicate);
        let late = self.decisions.chance(Stage::Reorder, number, self.profile.reorder);
        let jitter = self.decisions.unit(Stage::Jitter, number);
        if lost || self.profile.mtu > 0 && packet.len() + self.profile.header > self.profile.mtu {
            self.counts.dropped += 1;
            return Verdict::Lost;
        }
        if corrupt {
            self.counts.corrupted += 1;
            packet = self.flip(number, &packet);
        }
        let mut carried = 0;
        for _ in 0..=usize::from(twice) {
            carried += usize::from(self.carry(now, tag.clone(), packet.clone(), jitter, late));
        }
        self.counts.duplicated += u64::from(twice);
        self.counts.reordered += u64::from(late);
        match carried {
            0 => Verdict::QueueFull,
            _ if corrupt => Verdict::Corrupted,
            2 => Verdict::Doubled,
            _ if late => Verdict::HeldBack,
            _ => Verdict::Passed,
        }
    }

    fn draws_loss(&mut self, number: u64) -> bool {
        let Profile { loss, burst, .. } = self.profile;
        let (stay, state) =
            (self.decisions.unit(Stage::Burst, number), self.decisions.unit(Stage::Loss, number));
        if burst <= 1.0 || loss <= 0.0 || loss >= 1.0 {
            return state < loss;
        }
        let end = 1.0 / burst;
        let begin = (end * loss / (1.0 - loss)).min(1.0);
        self.in_burst = if self.in_burst { stay >= end } else { stay < begin };
        self.in_burst
    }

    /// Flips one bit. The kernel's check sum was tested before, so only the application's own check can notice it.
    fn flip(&self, number: u64, packet: &Bytes) -> Bytes {
        let mut bytes = packet.to_vec();
        if !bytes.is_empty() {
            let bit = self.decisions.bits(Stage::Bit, number) as usize % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        bytes.into()
    }

    /// False if there is no room for it.
    fn carry(&mut self, now: Time, tag: T, packet: Bytes, jitter: f64, late: bool) -> bool {
        if self.flying_bytes + packet.len() + ENTRY > self.bound {
            self.counts.queue_dropped += 1;
            return false;
        }
        let mut leaves = now;
        if self.profile.rate > 0 {
            let start = self.free_at.max(now);
            let waiting = start.since(now).as_secs_f64() * self.profile.rate as f64 / 8.0;
            let length = packet.len() + self.profile.header;
            if self.profile.queue > 0 && waiting as usize + length > self.profile.queue {
                self.counts.queue_dropped += 1;
                return false;
            }
            let serial = length as f64 * 8.0 / self.profile.rate as f64;
            self.free_at = start + Duration::from_secs_f64(serial);
            leaves = self.free_at;
        }
        let jitter = self.profile.jitter.mul_f64(jitter * 2.0);
        let mut arrives = leaves + (self.profile.delay + jitter).saturating_sub(self.profile.jitter);
        if late {
            arrives = arrives + self.profile.reorder_by;
        } else {
            // Jitter alone does not reorder.
            arrives = arrives.max(self.last_delivery);
            self.last_delivery = arrives;
        }
        self.order += 1;
        self.flying_bytes += packet.len() + ENTRY;
        self.flying.insert((arrives, self.order), (tag, packet));
        true
    }

    /// The next packet that has arrived by `now`; `None` if none has.
    pub fn poll(&mut self, now: Time) -> Option<(T, Bytes)> {
        let (&(at, _), _) = self.flying.first_key_value()?;
        if at > now {
            return None;
        }
        self.counts.forwarded += 1;
        let (_, (tag, packet)) = self.flying.pop_first()?;
        self.flying_bytes -= packet.len() + ENTRY;
        self.counts.bytes_out += packet.len() as u64;
        Some((tag, packet))
    }

    /// How long a packet that enters at `now` would wait for the bottleneck.
    pub fn backlog(&self, now: Time) -> Duration {
        self.free_at.since(now)
    }

    /// When the next packet arrives; `None` if none is in flight.
    pub fn deadline(&self) -> Option<Time> {
        self.flying.first_key_value().map(|((at, _), _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fates(profile: Profile, seed: u64, packets: u64) -> (Vec<u64>, Counts) {
        let mut link = Link::new(profile, seed, "test", Direction::Up);
        let mut out = Vec::new();
        for n in 0..packets {
            let now = Time::from_micros(n * 100);
            link.offer(now, (), Bytes::copy_from_slice(&n.to_be_bytes()));
            while let Some(((), packet)) = link.poll(now) {
                out.push(u64::from_be_bytes(packet[..8].try_into().unwrap()));
            }
        }
        while let Some(((), packet)) = link.poll(Time::from_micros(u64::MAX)) {
            out.push(u64::from_be_bytes(packet[..8].try_into().unwrap()));
        }
        (out, link.counts())
    }

    #[test]
    fn with_everything_off_packets_pass_unchanged_and_in_order() {
        let (out, counts) = fates(Profile::default(), 1, 1000);
        assert!(out.iter().copied().eq(0..1000));
        assert_eq!(counts.forwarded, 1000);
    }

    #[test]
    fn loss_and_bursts_have_the_asked_rate_and_length() {
        for (loss, burst) in [(0.01, 1.0), (0.2, 1.0), (0.05, 8.0)] {
            let packets = 200_000;
            let (out, counts) = fates(Profile { loss, burst, ..Profile::default() }, 3, packets);
            let measured = counts.dropped as f64 / packets as f64;
            assert!((measured - loss).abs() < 0.05 * loss + 0.002, "{loss} {burst}: {measured}");
            let bursts = out.windows(2).filter(|pair| pair[1] > pair[0] + 1).count();
            let mean = counts.dropped as f64 / bursts as f64;
            assert!((mean / burst - 1.0).abs() < 0.3, "{loss} {burst}: mean {mean}");
        }
    }

    #[test]
    fn another_setting_does_not_change_which_packets_die() {
        let plain = Profile { loss: 0.1, ..Profile::default() };
        let slow = Profile {
            delay: Duration::from_millis(20),
            jitter: Duration::from_millis(5),
            corrupt: 0.0,
            ..plain
        };
        assert_eq!(fates(plain, 9, 5000).0, fates(slow, 9, 5000).0);
        assert_ne!(fates(plain, 9, 5000).0, fates(plain, 10, 5000).0);
    }

    #[test]
    fn a_full_queue_drops_and_the_rate_holds() {
        let profile = Profile { rate: 80_000, queue: 40, ..Profile::default() };
        let (out, counts) = fates(profile, 1, 1000);
        // 8 bytes take 0.8 ms at 80 kbit/s; a packet comes each 0.1 ms.
        assert!(counts.queue_dropped > 850, "{counts:?}");
        assert!(out.len() >= 125);
    }

    #[test]
    fn the_fate_of_a_seed_is_the_same_for_ever() {
        let profile = Profile { loss: 0.3, duplicate: 0.1, ..Profile::default() };
        let (out, _) = fates(profile, 42, 24);
        assert_eq!(
            out, GOLDEN,
            "the generator or the order of its draws changed: seeds would mean something else"
        );
    }

    const GOLDEN: &[u64] = &[0, 1, 3, 5, 7, 9, 10, 11, 12, 13, 17, 18, 20, 21, 21, 23];
}
