//! Random draws that depend only on the seed, link name, direction, stage and packet number.

use super::profile::Direction;
use crate::base::mix;

/// What a draw decides.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stage {
    /// Whether a burst of losses begins or goes on.
    Burst = 1,
    /// Whether the packet is lost, where losses are independent.
    Loss,
    /// Whether a bit is flipped.
    Corrupt,
    /// Which bit is flipped.
    Bit,
    /// Whether the packet is delivered twice.
    Duplicate,
    /// How much the delay deviates.
    Jitter,
    /// Whether the packet is held back.
    Reorder,
}

/// The draws for one direction of one link.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decisions {
    key: u64,
}

impl Decisions {
    /// The same arguments give the same draws.
    pub(super) fn new(seed: u64, name: &str, direction: Direction) -> Self {
        let mut key = mix(seed);
        for byte in name.bytes().chain([direction as u8]) {
            key = mix(key ^ u64::from(byte));
        }
        Self { key }
    }

    /// 64 random bits for packet `number`.
    pub(super) fn bits(self, stage: Stage, number: u64) -> u64 {
        mix(mix(self.key ^ (stage as u64) << 56) ^ number)
    }

    /// A random number from 0.0 to below 1.0 for packet `number`.
    pub(super) fn unit(self, stage: Stage, number: u64) -> f64 {
        (self.bits(stage, number) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True with this probability (0.0 to 1.0) for packet `number`.
    pub(super) fn chance(self, stage: Stage, number: u64, probability: f64) -> bool {
        self.unit(stage, number) < probability
    }
}
