//! The settings of a link, and its packets by hand: what commands change while it runs.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::by_hand::{ByHand, Came, Waiting};
use crate::link::{Carries, DropNext, Hand, Profile};
use crate::net::connection::keys::Keyring;

/// The settings of a link, up (to the server) and down; may be changed while it runs.
#[derive(Debug, Default)]
pub struct RelayControl {
    profiles: Mutex<[Profile; 2]>,
    changed: Notify,
    /// The link carries byte streams (TCP): no loss, duplication or reordering.
    lossless: bool,
    by_hand: ByHand,
    /// Of those who may pass; `None`: all.
    keys: Option<Keyring>,
}

impl RelayControl {
    /// `lossless`: for byte streams (TCP); only corruption, delay, jitter and rate of the profiles apply.
    pub fn new(up: Profile, down: Profile, lossless: bool, keys: Option<Keyring>) -> Arc<Self> {
        let control = Self { lossless, keys, ..Self::default() };
        control.change(|profiles| *profiles = [up, down]);
        Arc::new(control)
    }

    /// The keys of those who may pass; `None`: all may.
    pub const fn keys(&self) -> Option<&Keyring> {
        self.keys.as_ref()
    }

    pub const fn is_lossless(&self) -> bool {
        self.lossless
    }

    /// Changes the profiles, up and down, from the next packet on. On a lossless link only corruption, delay, jitter
    /// and rate are kept.
    pub fn change(&self, change: impl FnOnce(&mut [Profile; 2])) {
        let mut profiles = self.profiles.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut profiles);
        if self.lossless {
            for profile in profiles.iter_mut() {
                let Profile { corrupt, delay, jitter, rate, .. } = *profile;
                *profile = Profile { corrupt, delay, jitter, rate, ..Profile::default() };
            }
        }
        drop(profiles);
        self.changed.notify_one();
    }

    /// The current profiles, up and down.
    pub fn profiles(&self) -> [Profile; 2] {
        *self.profiles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves when something was changed.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    pub(super) const fn by_hand(&self) -> &ByHand {
        &self.by_hand
    }

    fn act<R>(&self, act: impl FnOnce(&mut Hand<Came>) -> R) -> R {
        let done = self.by_hand.act(act);
        self.changed.notify_one();
        done
    }

    /// From now on packets wait in the link.
    pub fn hold(&self) {
        self.act(Hand::hold);
    }

    /// Lets the first `count` packets that wait go; returns them.
    pub fn step(&self, count: usize) -> Vec<Waiting> {
        self.act(|hand| {
            let gone = hand.waiting().take(count);
            let gone: Vec<Waiting> =
                gone.map(|held| (held.number, held.carries, held.packet.direction)).collect();
            hand.step(count);
            gone
        })
    }

    /// Lets everything go; returns how many waited.
    pub fn release(&self) -> usize {
        self.act(Hand::release)
    }

    /// Drops the first packet that carries this: one that waits, or the next that comes.
    pub fn drop_next(&self, carries: Carries) -> DropNext {
        self.act(|hand| hand.drop_next(carries))
    }

    /// Doubles the packet of this number that waits; false if none does.
    pub fn duplicate(&self, number: u64) -> bool {
        self.act(|hand| hand.duplicate(number))
    }

    /// Packets that wait.
    pub fn held(&self) -> usize {
        self.by_hand.look(Hand::held).unwrap_or(0)
    }

    /// The number of the first packet that waits.
    pub fn first(&self) -> Option<u64> {
        self.by_hand.look(|hand| hand.waiting().next().map(|held| held.number)).flatten()
    }

    /// True if what comes waits.
    pub fn holds(&self) -> bool {
        self.by_hand.look(Hand::holds).unwrap_or(false)
    }
}
