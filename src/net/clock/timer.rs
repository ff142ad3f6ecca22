//! A timer with finer resolution than tokio's, which has 1 ms steps and fires about 1 ms late: `timerfd` is 20 to 30 µs
//! late.

use crate::base::Time;

#[cfg(target_os = "linux")]
mod system {
    use std::os::fd::OwnedFd;

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::unix::AsyncFd;

    use super::Time;
    use crate::net::clock;

    /// The timer descriptor, and the time it is set for.
    #[derive(Debug)]
    pub struct Timer {
        timer: Option<AsyncFd<OwnedFd>>,
        set: Option<Time>,
    }

    impl Timer {
        /// If no descriptor is available, tokio's timer is used instead.
        pub fn new() -> Self {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = timerfd_create(TimerfdClockId::Monotonic, flags).ok();
            #[expect(deprecated, reason = "it doubts other types; an `OwnedFd` owns what is registered")]
            let timer = timer.and_then(|timer| AsyncFd::new(timer).ok());
            Self { timer, set: None }
        }

        /// Resolves at `at` or shortly after. Cancel-safe: called again with the same time, it keeps the running timer.
        pub async fn at(&mut self, at: Time) {
            let Some(timer) = &self.timer else {
                return tokio::time::sleep_until(clock::instant(at)).await;
            };
            if self.set != Some(at) {
                let wait = at.since(clock::now()).max(std::time::Duration::from_micros(1));
                let time = Itimerspec {
                    it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
                    it_value: Timespec {
                        tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
                        tv_nsec: i64::from(wait.subsec_nanos()),
                    },
                };
                if timerfd_settime(timer.get_ref(), TimerfdTimerFlags::empty(), &time).is_err() {
                    return tokio::time::sleep_until(clock::instant(at)).await;
                }
                self.set = Some(at);
            }
            loop {
                let Ok(mut ready) = timer.readable().await else {
                    return tokio::time::sleep_until(clock::instant(at)).await;
                };
                if ready.try_io(|timer| Ok(rustix::io::read(timer, &mut [0; 8])?)).is_ok() {
                    self.set = None;
                    return;
                }
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::Time;
    use crate::net::clock;

    /// Tokio's timer, where there is no `timerfd`.
    #[derive(Debug)]
    pub struct Timer;

    impl Timer {
        pub fn new() -> Self {
            Self
        }

        /// Resolves at `at` or shortly after.
        pub async fn at(&mut self, at: Time) {
            tokio::time::sleep_until(clock::instant(at)).await;
        }
    }
}

pub use system::Timer;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::net::clock;

    #[tokio::test]
    async fn it_never_rings_early_and_can_be_set_anew() {
        let mut alarm = Timer::new();
        let far = clock::now() + Duration::from_hours(1);
        tokio::select! {
            biased;
            () = alarm.at(far) => panic!("an hour is over"),
            () = std::future::ready(()) => {}
        }
        let soon = clock::now() + Duration::from_millis(3);
        alarm.at(soon).await;
        assert!(clock::now() >= soon);
        alarm.at(clock::now()).await;
    }
}
