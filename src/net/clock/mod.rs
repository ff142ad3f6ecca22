//! The only source of time: monotonic, so steps of the wall clock do no harm (faults.md row 35).
//!
//! | file | holds |
//! |---|---|
//! | `timer` | a timer that is finer than the runtime's |

pub(super) mod timer;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::base::Time;

static ORIGIN: OnceLock<Instant> = OnceLock::new();

fn origin() -> Instant {
    // Two minutes in the past, so that subtracting a duration from an early time does not saturate at zero.
    *ORIGIN.get_or_init(|| Instant::now().checked_sub(Duration::from_mins(2)).unwrap_or_else(Instant::now))
}

/// The current time, on the time scale of the state machines.
pub fn now() -> Time {
    Time::ZERO + origin().elapsed()
}

/// Converts a [`Time`] to a tokio instant.
pub fn instant(time: Time) -> tokio::time::Instant {
    tokio::time::Instant::from_std(origin() + time.since(Time::ZERO))
}

/// CPU time used by this thread so far; time in which other threads ran is not counted.
pub fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// Total time the machine was suspended since boot: CLOCK_BOOTTIME minus CLOCK_MONOTONIC. Zero where this is unknown.
pub fn suspended() -> Duration {
    #[cfg(target_os = "linux")]
    {
        use rustix::time::{ClockId, clock_gettime};
        let at = |clock| {
            let time = clock_gettime(clock);
            Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
        };
        at(ClockId::Boottime).saturating_sub(at(ClockId::Monotonic))
    }
    #[cfg(not(target_os = "linux"))]
    Duration::ZERO
}
