//! The only clock: monotonic, so the wall clock may jump (FAULTS row 35).

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::base::Time;

static ORIGIN: OnceLock<Instant> = OnceLock::new();

fn origin() -> Instant {
    // A little in the past, so that a time minus a duration does not stick at zero.
    *ORIGIN.get_or_init(|| Instant::now().checked_sub(Duration::from_mins(2)).unwrap_or_else(Instant::now))
}

/// Now, on the scale of the state machines.
pub fn now() -> Time {
    Time::ZERO + origin().elapsed()
}

/// The tokio instant of a [`Time`].
pub fn instant(time: Time) -> tokio::time::Instant {
    tokio::time::Instant::from_std(origin() + time.since(Time::ZERO))
}

/// Processor time of this thread so far: what others do meanwhile does not count.
pub fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// How long the machine was suspended since it started: the clock that runs meanwhile, less the one that does not.
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
