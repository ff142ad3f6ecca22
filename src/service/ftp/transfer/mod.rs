//! The result of a transfer, and what its two sides, `send` and `receive`, share.
//!
//! | file | holds |
//! |---|---|
//! | `send` | sends one file |
//! | `receive` | receives one file |
//! | `start` | what the receiver has, as it says before the first block |
//! | `writer` | the part, which a disk job takes while it writes |
//! | `write_target` | where the bytes of received blocks go |
//! | `ending` | what both sides say of a file that one of them gives up |
//! | `confirm` | what a receiver says about data that it has already |
//! | `told_rate` | the receiver's rate limit, as it tells the sender |
//! | `bottleneck` | where both ends spent their time, and what limited the transfer |

pub(super) mod bottleneck;
pub(super) mod confirm;
pub(super) mod ending;
pub(super) mod receive;
pub(super) mod send;
pub(super) mod start;
pub(super) mod told_rate;
pub(super) mod write_target;
mod writer;

use std::cell::Cell;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::errors;
use super::protocol::{Framing, SMALL_LIMIT};
use crate::base::{Transport, Value, quantity};
use crate::net::errors::told;
use crate::net::{Connection, MINIMUM_RATE, Message, clock};
use crate::report::Failure;
use crate::session::{Blocking, ClientEntry, Handle, RateLimiter};
use crate::wire::Code;
use crate::wire::frame::ERROR;

/// Disk jobs that run at once: with more, others wait for the processors beside hundreds of busy clients (twice as many: four
/// times as long); with fewer, 1 000 clients at once spend more on scheduling than on work. Jobs are short and are served
/// in the order in which they come: a transfer holds no thread while its peer is slow, and a large transfer does not keep
/// small ones from the disk.
static DISK: Semaphore = Semaphore::const_new(32);
/// Long readings that run at once: files that are compared, and parts that are read back, in steps that take a hundred times
/// as long as other jobs. They have places of their own, in which neither keeps the other waiting.
static READINGS: Semaphore = Semaphore::const_new(2);
/// Lanes: transfers that have a thread of their own.
static LANES: Semaphore = Semaphore::const_new(4);
/// Transfers of fewer bytes are over before a thread of their own is worth it.
const LANE_FROM: u64 = 4 << 20;
/// A shorter sleep of the machine does not explain a broken connection.
const ASLEEP: Duration = Duration::from_secs(2);
/// Under a rate limit of r bytes/s, a file that travels as one message has at most r / `SMALL_A_SECOND` bytes.
const SMALL_A_SECOND: u64 = 25;
/// How many clients may share our rate limit: a peer that is slow because of that is not disconnected.
const SHARERS: u64 = 512;
/// How long a file may take to reach the receiver's disk after its last byte was sent.
const COMMIT_LIMIT: Duration = Duration::from_mins(5);
/// The interval over which the minimum rate is measured (faults.md row 40).
const RATE_SPAN: Duration = Duration::from_secs(30);

/// The result of a transfer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delivered {
    pub(super) bytes: u64,
    pub(super) hash: blake3::Hash,
    pub(super) chunks: u64,
    pub(super) acks: u64,
    /// Bytes that did not travel: the receiver had them.
    pub(super) resumed: u64,
    /// Nothing travelled: the file was there with the same content.
    pub(super) there: bool,
    /// Another file of that name was there before.
    pub(super) replaced: bool,
    pub(super) retransmitted: u64,
    /// Bytes that were sent, including retransmissions.
    pub(super) sent: u64,
    /// Datagrams that the system dropped on this side.
    pub(super) kernel_drops: u64,
    pub(super) elapsed: Duration,
    /// The bottleneck, see `bottleneck::judge`.
    pub(super) limited_by: &'static str,
}

/// Where the progress of a transfer is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProgressTarget<'a> {
    pub(super) name: &'a str,
    /// Bytes of the tree that were done before this file.
    pub(super) before: u64,
    /// Bytes of the whole file, or of the whole tree.
    pub(super) total: u64,
    /// At a server, the client whose transfer it is; `None`: the session itself.
    pub(super) guest: Option<&'a ClientEntry>,
}

impl ProgressTarget<'_> {
    pub(super) fn progress(&self, session: &Handle, done: u64) {
        let done = (self.before + done).min(self.total);
        match self.guest {
            Some(guest) => guest.progress(done, self.total),
            None => session.progress(done, self.total),
        }
    }
}

/// Largest file, in bytes, that travels as one message; less under a rate limit, so that it is no burst.
pub(super) fn small_limit(rate: Option<u64>) -> u64 {
    rate.map_or(SMALL_LIMIT, |rate| (rate / SMALL_A_SECOND).min(SMALL_LIMIT))
}

impl Delivered {
    pub(super) fn fields(&self, shape: Framing) -> Vec<(&'static str, Value)> {
        vec![
            ("bytes", Value::count(self.bytes)),
            ("blake3", Value::text(self.hash.to_hex().as_str())),
            ("chunk", Value::count(u64::from(shape.chunk))),
            ("chunks", Value::count(self.chunks)),
            ("acks", Value::count(self.acks)),
            ("window", Value::count(u64::from(shape.window))),
            ("resumed", Value::count(self.resumed)),
            ("updated", Value::count(u64::from(self.replaced && !self.there))),
            ("retransmitted", Value::count(self.retransmitted)),
            ("sent_bytes", Value::count(self.sent)),
            ("kernel_drops", Value::count(self.kernel_drops)),
            ("files", Value::count(1)),
            ("seconds", Value::seconds(self.elapsed)),
            ("rate", Value::Integer(self.rate() as i128)),
            ("limited_by", Value::text(self.limited_by)),
        ]
    }

    /// Bytes/s, counting only those that travelled.
    fn rate(&self) -> f64 {
        self.bytes.saturating_sub(self.resumed) as f64 / self.elapsed.as_secs_f64().max(1e-6)
    }

    pub(super) fn describe(&self, shape: Framing) -> String {
        let size = format!("{} ({} bytes)", quantity::show_size(self.bytes), self.bytes);
        let hash = &self.hash.to_hex()[..16];
        if self.there {
            return format!("{size} already there, verified blake3 {hash}…");
        }
        let again = match self.retransmitted {
            0 => String::new(),
            count => format!(", {count} sent again"),
        };
        let resumed = match self.resumed {
            0 => String::new(),
            bytes => format!(", {} resumed", quantity::show_size(bytes)),
        };
        format!(
            "{size} in {}, {}, {} of {} bytes, {} acknowledged{again}{resumed}, verified blake3 {hash}…",
            quantity::show_duration(self.elapsed),
            quantity::show_rate(self.rate()),
            quantity::counted(self.chunks, "chunk"),
            shape.chunk,
            self.acks,
        )
    }
}

/// The lower of this side's rate limit and of the one that the other side asked for, in bytes/s.
pub(super) fn rate_limit(session: &Handle, asked: &RateLimiter) -> Option<u64> {
    session.rate_limit().into_iter().chain(asked.rate()).min()
}

/// Counts bytes that are about to be sent; when both limits allow them.
pub(super) fn pace(session: &Handle, asked: &RateLimiter, bytes: u64) -> Option<Instant> {
    session.pace(bytes).max(asked.take(bytes, Instant::now()))
}

/// A disk job that was begun.
pub(super) enum Work<T> {
    /// On a thread for blocking work.
    Elsewhere(Blocking<T>),
    /// On this thread, when it is waited for: the transfer has a lane.
    Here(Option<Box<dyn FnOnce() -> T + Send>>),
}

impl<T: 'static> Work<T> {
    /// Waits for the result; may be called only once.
    pub(super) async fn done(&mut self) -> Result<T, Failure> {
        match self {
            Self::Elsewhere(job) => job.await,
            Self::Here(work) => work.take().map(|work| work()).ok_or_else(Failure::of_worker),
        }
    }
}

/// Begins a disk job when it is its turn.
pub(super) async fn on_disk<T: Send + 'static>(
    session: &Handle,
    work: impl FnOnce() -> T + Send + 'static,
) -> Work<T> {
    if has_lane() {
        return Work::Here(Some(Box::new(work)));
    }
    in_turn(&DISK, session, work).await
}

/// Begins a job when one of these places is free.
async fn in_turn<T: Send + 'static>(
    places: &'static Semaphore,
    session: &Handle,
    work: impl FnOnce() -> T + Send + 'static,
) -> Work<T> {
    let turn = places.acquire().await;
    Work::Elsewhere(session.spawn_blocking(move || {
        let done = work();
        drop(turn);
        done
    }))
}

/// As [`on_disk`], but nothing waits for the job while the network can go on: over TCP a lane is busy with the socket, and
/// gives the job to another thread (for 1 GiB on two cores 6 to 14 % less time). Over UDP the socket has a thread already.
pub(super) async fn beside_network<T: Send + 'static>(
    session: &Handle,
    transport: Transport,
    work: impl FnOnce() -> T + Send + 'static,
) -> Work<T> {
    if transport == Transport::Tcp && has_lane() {
        return Work::Elsewhere(session.spawn_blocking(work));
    }
    on_disk(session, work).await
}

/// Runs a disk job and waits for it.
pub(super) async fn by_disk<T: Send + 'static>(
    session: &Handle,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    on_disk(session, work).await.done().await
}

/// Begins a step of a long reading when it is its turn.
pub(super) async fn long_reading<T: Send + 'static>(
    session: &Handle,
    work: impl FnOnce() -> T + Send + 'static,
) -> Work<T> {
    in_turn(&READINGS, session, work).await
}

thread_local! {
    static LANE: Cell<bool> = const { Cell::new(false) };
}

/// True on the thread of a lane, which may block on a disk.
pub(super) fn has_lane() -> bool {
    LANE.get()
}

/// On the thread of a lane, lets that thread also wait for the socket itself, until [`Connection::share`].
pub(super) fn take_lane(session: &Handle, connection: &mut Connection) {
    if has_lane() {
        connection.own(&session.token());
    }
}

/// Runs a transfer, if it is large and a lane is free, on a thread of its own, where it waits for the socket itself: no
/// other thread has to be woken for each read, which on two cores takes half of the time. Lanes are few, so a slow
/// transfer that holds one keeps no other from the disk.
pub(super) async fn in_lane<T: Send + 'static>(
    session: &Handle,
    size: u64,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Failure> {
    let lane = (size >= LANE_FROM).then(|| LANES.try_acquire().ok()).flatten();
    let Some(lane) = lane else { return Ok(work.await) };
    let runtime = tokio::runtime::Handle::current();
    let run = move || {
        LANE.set(true);
        let done = runtime.block_on(work);
        LANE.set(false);
        drop(lane);
        done
    };
    Work::Elsewhere(session.spawn_blocking(run)).done().await
}

/// Time limit for what a peer said before it closed.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(1);

/// Why the peer has closed: what it said, or how the connection ended; `None` if that tells nothing.
async fn last_words(connection: &mut Connection) -> Option<Failure> {
    let words = async {
        loop {
            match connection.incoming.next().await {
                Ok(Some(Message::Frame(frame))) if frame.kind == ERROR => return Some(told(&frame)),
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(failure) => return Some(failure),
            }
        }
    };
    tokio::time::timeout(LAST_WORDS_LIMIT, words).await.ok().flatten()
}

/// Tells whether the machine slept since a transfer began (faults.md row 34): our deadlines stop meanwhile, the peer's do
/// not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Awake {
    suspended: Duration,
}

impl Awake {
    pub(super) fn since_now() -> Self {
        Self { suspended: clock::suspended() }
    }

    /// Adds to the failure of a broken connection that the machine slept.
    pub(super) fn explain(self, failure: Failure) -> Failure {
        self.explain_at(failure, clock::suspended())
    }

    fn explain_at(self, failure: Failure, suspended: Duration) -> Failure {
        let asleep = suspended.saturating_sub(self.suspended);
        let broke = matches!(failure.code, Code::Broken | Code::Timeout) && !failure.told;
        if !broke || asleep < ASLEEP {
            return failure;
        }
        let asleep = quantity::show_duration(asleep);
        let why = format!("the peer went away while this machine slept for {asleep}: {}", failure.why);
        Failure { why, ..failure }
    }
}

/// Disconnects a peer that sends next to nothing (faults.md rows 40 and 63).
#[derive(Clone, Copy, Debug)]
pub(super) struct MinimumRate {
    since: Instant,
    bytes: u64,
}

impl MinimumRate {
    pub(super) const fn new(now: Instant) -> Self {
        Self { since: now, bytes: 0 }
    }

    /// Counts `bytes` that came; `limit` is the rate that we asked the peer to keep to, in bytes/s.
    pub(super) fn count(&mut self, bytes: u64, now: Instant, limit: Option<u64>) -> Result<(), Failure> {
        self.bytes += bytes;
        let span = now.duration_since(self.since);
        if span < RATE_SPAN {
            return Ok(());
        }
        let least = limit.map_or(MINIMUM_RATE, |limit| MINIMUM_RATE.min(limit / SHARERS));
        let rate = self.bytes / span.as_secs().max(1);
        *self = Self::new(now);
        if rate >= least {
            return Ok(());
        }
        Err(errors::peer_too_slow(rate, RATE_SPAN, MINIMUM_RATE))
    }

    /// Begins a new interval, after a time in which the peer did not have to send.
    pub(super) fn restart(&mut self, now: Instant) {
        *self = Self::new(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_34_a_connection_that_broke_while_the_machine_slept_says_so() {
        let awake = Awake { suspended: Duration::from_secs(100) };
        let broken = || Failure::new(Code::Broken, "the peer reset the connection");
        let night = awake.explain_at(broken(), Duration::from_secs(100 + 8 * 3600));
        assert!(night.why.starts_with("the peer went away while this machine slept for 8h"), "{}", night.why);
        assert_eq!(awake.explain_at(broken(), Duration::from_secs(101)), broken());
        let full = Failure::new(Code::Full, "no space left on device");
        assert_eq!(awake.explain_at(full.clone(), Duration::from_secs(9999)), full);
        // The clock advances only while this machine sleeps.
        assert!(Awake::since_now().explain(broken()) == broken());
    }

    #[test]
    fn row_40_and_63_a_peer_that_dribbles_is_let_go_after_thirty_seconds() {
        let began = Instant::now();
        let second = |n: u64| began + Duration::from_secs(n);
        let (mut slow, mut fair) = (MinimumRate::new(began), MinimumRate::new(began));
        for n in 1..30 {
            slow.count(500, second(n), None).unwrap();
        }
        assert!(slow.count(500, second(30), None).unwrap_err().to_string().contains("too slow: 500 bytes/s"));
        (1..100).for_each(|n| fair.count(1100, second(n), None).unwrap());
        // A limit that was asked for is not held against the peer.
        let mut limited = MinimumRate::new(began);
        (1..100).for_each(|n| limited.count(100, second(n), Some(100)).unwrap());
    }
}
