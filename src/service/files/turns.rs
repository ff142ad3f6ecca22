//! Whose turn it is to have a folder read: one reading serves all who ask for it while it waits for its turn, so that many
//! who list one folder cost no more than a few, and whoever lists another waits behind those few only (faults.md row 58).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};

use super::names::{Name, Names};
use super::protocol::LIST_LIMIT;
use crate::report::Failure;

/// A folder with more names than this is long.
const SHORT: usize = 2048;
/// Folders that are looked into at once, up to so many names. This limit is separate from that of transfers, so that neither
/// delays the other.
static LOOKS: Semaphore = Semaphore::const_new(4);
/// Long folders that are read at once: whoever lists a short one waits for none of them.
static LONG: Semaphore = Semaphore::const_new(2);

/// A reading that somebody wants.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Wanted {
    pub(super) path: String,
    /// The name behind which it begins.
    pub(super) after: Option<Name>,
    pub(super) extent: Extent,
}

/// How far a reading goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Extent {
    /// It ends where the folder turns out to be long.
    Short,
    Whole,
}

impl Extent {
    /// The most names that it takes.
    pub(super) const fn most(self) -> usize {
        match self {
            Self::Short => SHORT,
            Self::Whole => LIST_LIMIT,
        }
    }

    pub(super) async fn turn(self) -> Option<SemaphorePermit<'static>> {
        let turns = match self {
            Self::Short => &LOOKS,
            Self::Whole => &LONG,
        };
        turns.acquire().await.ok()
    }
}

/// What a reading has found, once it has; `None` if the folder is longer than its extent.
type Found = OnceCell<Result<Option<Arc<Names>>, Failure>>;

/// Readings that wait for their turn.
#[derive(Debug, Default)]
pub(super) struct Readings(Mutex<HashMap<Wanted, Weak<Found>>>);

impl Readings {
    /// The reading that waits, or a new one.
    pub(super) fn join(&self, wanted: &Wanted) -> Arc<Found> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reading) = waiting.get(wanted).and_then(Weak::upgrade) {
            return reading;
        }
        // Those that nobody waits for any more, because the clients have gone.
        waiting.retain(|_, reading| reading.strong_count() > 0);
        let reading = Arc::new(Found::new());
        waiting.insert(wanted.clone(), Arc::downgrade(&reading));
        reading
    }

    /// The reading begins: whoever asks from now on could miss what changes meanwhile, and gets another one.
    pub(super) fn begin(&self, wanted: &Wanted, reading: &Arc<Found>) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.get(wanted).is_some_and(|waits| std::ptr::eq(waits.as_ptr(), Arc::as_ptr(reading))) {
            waiting.remove(wanted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_58_who_asks_while_a_reading_waits_joins_it_and_who_asks_later_does_not() {
        let of = |path: &str, after: Option<&str>, extent| Wanted {
            path: path.into(),
            after: after.map(|after| Name::from_slice(after.as_bytes())),
            extent,
        };
        let (readings, wanted) = (Readings::default(), of("d", None, Extent::Short));
        let first = readings.join(&wanted);
        assert!(Arc::ptr_eq(&first, &readings.join(&wanted)));
        for other in
            [of("e", None, Extent::Short), of("d", Some("n"), Extent::Short), of("d", None, Extent::Whole)]
        {
            assert!(!Arc::ptr_eq(&first, &readings.join(&other)), "another folder, or another part of it");
        }
        readings.begin(&wanted, &first);
        let second = readings.join(&wanted);
        assert!(!Arc::ptr_eq(&first, &second));
        // Whoever was first has gone, and the next one begins the same once more: that is not what waits now.
        readings.begin(&wanted, &first);
        assert!(Arc::ptr_eq(&second, &readings.join(&wanted)));
        drop((first, second));
        let third = readings.join(&wanted);
        assert_eq!(readings.0.lock().unwrap().len(), 1, "nothing is kept of those who have gone");
        drop(third);
    }
}
