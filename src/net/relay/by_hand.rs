//! Packets of a relay that are held back, let go, dropped or doubled by hand: what the commands and the link's task share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use crate::link::{Carries, Direction, Hand, HandPacket, Handled};
use crate::record::{Kind, summarize};

/// The id of a client of the link.
pub type Flow = u64;

/// A packet that came to the link, with its permits.
#[derive(Clone, Debug)]
pub(super) struct Came {
    pub(super) direction: Direction,
    pub(super) flow: Flow,
    pub(super) bytes: Bytes,
    pub(super) place: Option<Arc<OwnedSemaphorePermit>>,
}

/// What is shared; without a command so far it costs a packet nothing.
#[derive(Debug, Default)]
pub(super) struct ByHand {
    is_used: AtomicBool,
    hand: Mutex<Hand<Came>>,
}

impl ByHand {
    /// Does what a command asks for. From now on each packet is looked at.
    pub(super) fn act<R>(&self, act: impl FnOnce(&mut Hand<Came>) -> R) -> R {
        let done = act(&mut self.lock());
        self.is_used.store(true, Ordering::Release);
        done
    }

    /// Looks at what waits; `None` if no command has been given so far, which takes no lock.
    pub(super) fn look<R>(&self, look: impl FnOnce(&Hand<Came>) -> R) -> Option<R> {
        self.is_used.load(Ordering::Acquire).then(|| look(&self.lock()))
    }

    fn lock(&self) -> MutexGuard<'_, Hand<Came>> {
        self.hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What becomes of a packet that came.
    pub(super) fn take(&self, came: Came) -> Handled<Came> {
        if !self.is_used.load(Ordering::Acquire) {
            return Handled::Passes(came);
        }
        let seen = summarize(&came.bytes);
        let carries = match seen.kind {
            // The end of a stream.
            _ if came.bytes.is_empty() => Carries::Other,
            Kind::Data | Kind::Stream | Kind::Frame | Kind::Line | Kind::Other => Carries::Data,
            Kind::Ack => Carries::Ack,
            Kind::Hello | Kind::Retry | Kind::Accept | Kind::Refuse | Kind::Ping | Kind::Close => {
                Carries::Other
            }
        };
        let size = came.bytes.len();
        self.lock().take(HandPacket { number: seen.number, carries, size, packet: came })
    }

    /// The next packet that was let go, or dropped while it waited.
    pub(super) fn next(&self) -> Option<Handled<Came>> {
        let mut hand = self.lock();
        let gone = hand.next_to_go().map(Handled::Passes);
        gone.or_else(|| hand.next_lost().map(Handled::Dropped))
    }
}

/// A packet that waits: its number, what it carries, and where it goes.
pub type Waiting = (u64, Carries, Direction);
