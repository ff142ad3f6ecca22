//! Draws that depend on nothing but their place: seed, link, direction, stage and packet number.

use super::Direction;
use crate::base::mix;

/// What is decided.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stage {
    Burst = 1,
    Loss,
    Corrupt,
    Bit,
    Duplicate,
    Jitter,
    Reorder,
}

/// The draws of one direction of one link.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decisions {
    key: u64,
}

impl Decisions {
    pub(super) fn new(seed: u64, name: &str, direction: Direction) -> Self {
        let mut key = mix(seed);
        for byte in name.bytes().chain([direction as u8]) {
            key = mix(key ^ u64::from(byte));
        }
        Self { key }
    }

    /// 64 bits.
    pub(super) fn bits(self, stage: Stage, number: u64) -> u64 {
        mix(mix(self.key ^ (stage as u64) << 56) ^ number)
    }

    /// From 0.0 to below 1.0.
    pub(super) fn unit(self, stage: Stage, number: u64) -> f64 {
        (self.bits(stage, number) >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(super) fn chance(self, stage: Stage, number: u64, probability: f64) -> bool {
        self.unit(stage, number) < probability
    }
}
