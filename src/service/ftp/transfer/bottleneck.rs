//! What limited a transfer: both ends measure where their time went, and both apply the same rules to that.

use std::time::{Duration, Instant};

use crate::net::Outgoing;
use crate::service::ftp::protocol::Framing;
use crate::wire::time_spent::{Cause, Spent, WHOLE};

/// A cause with a smaller share of the time, in thousandths, is not the bottleneck.
const THIRD: u16 = WHOLE / 3;
/// A program that used at least this share of a core, in thousandths, had no time to wait.
const BUSY: u16 = 850;
/// A window of at least this many bytes is no limit by itself.
const WIDE: u64 = 8 << 20;
/// Datagrams per thousand received that the system may drop before the socket buffer is the bottleneck.
const DROPS: u64 = 5;

/// Time that an end spent waiting, by cause.
pub(crate) struct Clock {
    began: Instant,
    /// Processor time of the program at the start.
    processor: Duration,
    pub(crate) disk: Duration,
    pub(crate) network: Duration,
    pub(crate) limit: Duration,
    /// At the sender: for the rate limit of the receiver.
    pub(crate) asked: Duration,
    /// At the sender: waiting for acknowledgements, with its window full.
    pub(crate) window: Duration,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            began: Instant::now(),
            processor: processor_time(),
            disk: Duration::ZERO,
            network: Duration::ZERO,
            limit: Duration::ZERO,
            asked: Duration::ZERO,
            window: Duration::ZERO,
        }
    }

    /// The shares of time up to now.
    fn spent(&self) -> Spent {
        let total = self.began.elapsed().as_secs_f64().max(1e-6);
        let share = |time: Duration| {
            (time.as_secs_f64() / total * f64::from(WHOLE)).round().min(f64::from(WHOLE)) as u16
        };
        Spent {
            elapsed: self.began.elapsed().as_micros() as u64,
            disk: share(self.disk),
            network: share(self.network + self.window),
            limit: share(self.limit + self.asked),
            processor: share(processor_time().saturating_sub(self.processor)),
            cause: Cause::Unknown,
        }
    }

    /// Statistics of a sending end.
    pub(crate) fn of_sender(&self, shape: Framing, outgoing: &Outgoing) -> Spent {
        // A wide window is full only because something downstream is slow.
        let narrow = u64::from(shape.window) * u64::from(shape.chunk) < WIDE;
        let cause = match self {
            Self { asked, limit, .. } if asked > limit => Cause::Asked,
            _ if narrow && self.window > self.network => Cause::Window,
            _ => outgoing.held_by(),
        };
        Spent { cause, ..self.spent() }
    }

    /// Statistics of a receiving end.
    pub(crate) fn of_receiver(&self, outgoing: &Outgoing) -> Spent {
        let path = outgoing.path().unwrap_or_default();
        let overflows = path.kernel_drops * 1000 > path.received * DROPS;
        Spent { cause: if overflows { Cause::Buffer } else { Cause::Unknown }, ..self.spent() }
    }
}

/// Processor time of the whole program so far.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

/// Extends the sender's time to `elapsed` µs: after it passed its last bytes to the system, it waited for the network.
fn until_the_end(sender: Spent, elapsed: u64) -> Spent {
    if elapsed <= sender.elapsed {
        return sender;
    }
    let scaled = |share: u16| (u64::from(share) * sender.elapsed / elapsed.max(1)) as u16;
    Spent {
        elapsed,
        disk: scaled(sender.disk),
        network: WHOLE - scaled(WHOLE - sender.network),
        limit: scaled(sender.limit),
        processor: scaled(sender.processor),
        cause: sender.cause,
    }
}

/// The bottleneck, from what both ends measured.
pub(crate) fn judge(sender: Spent, receiver: Spent) -> &'static str {
    let sender = until_the_end(sender, receiver.elapsed);
    let starved = receiver.network >= THIRD;
    if sender.limit >= THIRD && sender.cause == Cause::Asked {
        "the receiver's rate limit"
    } else if sender.limit >= THIRD {
        "the rate limit"
    // One thread reads and hashes: if it computes all the time, it does not wait for the disk.
    } else if sender.processor >= BUSY {
        "the sender's processor"
    } else if sender.disk >= THIRD && sender.disk >= sender.network {
        "the sender's disk"
    } else if receiver.limit >= THIRD {
        "the receiver's rate limit"
    } else if receiver.processor >= BUSY {
        "the receiver's processor"
    } else if receiver.disk >= THIRD && receiver.disk >= receiver.network {
        "the receiver's disk"
    } else if sender.cause == Cause::Window && sender.network >= THIRD {
        "the window"
    } else if receiver.cause == Cause::Buffer || sender.cause == Cause::Buffer {
        "the socket buffer"
    } else if !starved && sender.network >= THIRD {
        "the receiver's processor"
    } else if sender.network < THIRD {
        "the sender's processor"
    } else {
        match sender.cause {
            Cause::Loss => "loss",
            // The receiver takes what comes and waits for more: its window is too small for the delay of the path.
            Cause::Peer => "the receiver's window",
            Cause::Unknown | Cause::Path | Cause::Window | Cause::Buffer | Cause::Asked => "the path's rate",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn spent(disk: u16, network: u16, limit: u16, processor: u16, cause: Cause) -> Spent {
        Spent { elapsed: 1, disk, network, limit, processor, cause }
    }

    /// A receiver that waits for data.
    const STARVED: Spent = spent(5, 950, 0, 30, Cause::Unknown);

    #[test]
    fn each_cause_has_its_picture() {
        let waits = |cause| spent(5, 950, 0, 40, cause);
        let pictures = [
            (spent(0, 100, 890, 20, Cause::Path), STARVED, "the rate limit"),
            (spent(0, 100, 890, 20, Cause::Asked), STARVED, "the receiver's rate limit"),
            (spent(900, 50, 0, 20, Cause::Path), STARVED, "the sender's disk"),
            (waits(Cause::Peer), spent(0, 80, 900, 20, Cause::Unknown), "the receiver's rate limit"),
            (waits(Cause::Peer), spent(900, 80, 0, 20, Cause::Unknown), "the receiver's disk"),
            (waits(Cause::Peer), spent(30, 80, 0, 990, Cause::Unknown), "the receiver's processor"),
            (spent(5, 120, 0, 990, Cause::Path), STARVED, "the sender's processor"),
            (waits(Cause::Window), STARVED, "the window"),
            (waits(Cause::Path), STARVED, "the path's rate"),
            (waits(Cause::Loss), STARVED, "loss"),
            (waits(Cause::Peer), STARVED, "the receiver's window"),
            (waits(Cause::Buffer), STARVED, "the socket buffer"),
            (waits(Cause::Path), Spent { cause: Cause::Buffer, ..STARVED }, "the socket buffer"),
        ];
        for (sender, receiver, cause) in pictures {
            assert_eq!(judge(sender, receiver), cause, "{sender:?} {receiver:?}");
        }
        // The sender passed everything to the system at once; the receiver waited much longer.
        let quick = spent(10, 20, 0, 990, Cause::Path);
        assert_eq!(judge(quick, Spent { elapsed: 1000, ..STARVED }), "the path's rate");
    }
}
