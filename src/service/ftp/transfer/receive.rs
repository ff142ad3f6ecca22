//! Receives one file over one connection: at a client for `get`, and at a server for `send`.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::bottleneck::{Clock, judge};
use super::confirm::{Confirmed, confirm, heartbeats, offer_part, stored};
use super::ending::{Side, Stage, give_up};
use super::send::say_resuming;
use super::told_rate::ToldRate;
use super::write_target::{WriteTarget, integrity};
use super::writer::{Saved, Spoilt, WriterState, commit, keep};
use super::{
    Awake, Delivered, MinimumRate, ProgressTarget, beside_network, has_lane, last_words, long_reading,
    take_lane,
};
use crate::base::Transport;
use crate::net::connection::message::land;
use crate::net::errors::{malformed, told, unexpected};
use crate::net::{Connection, Message as Wire, Received, SILENCE_LIMIT};
use crate::report::Failure;
use crate::service::contract::errors::closed_early;
use crate::service::files::disk::RealDisk;
use crate::service::ftp::errors;
use crate::service::ftp::protocol::{Framing, GroupHash, HASHES_LIMIT, Message};
use crate::service::ftp::storage::assembly::{Assembly, AssemblyError, Group};
use crate::service::ftp::storage::buffers;
use crate::service::ftp::storage::part::{Arrived, Begun, Intent, Part};
use crate::session::Handle;
use crate::wire::time_spent::Spent;
use crate::wire::{Code, Frame, frame};

/// Most groups that wait for the disk; then reading from the network stops.
const QUEUE_LIMIT: usize = 4;
/// Complete groups that wait for their hash: over UDP the frame with the hash may be lost several times while later
/// blocks arrive. From this number on nothing is acknowledged, so that the sender's window closes …
const UNHASHED_PATIENCE: usize = 64;
/// … which by default holds 192 more groups. More than this limit is a protocol violation.
const UNHASHED_LIMIT: usize = 320;
/// How often a damaged group is requested again (faults.md row 27).
const TRIES: u8 = 3;
/// An ACK is sent after each quarter of the window, but after at most this many chunks.
const ACK_EVERY_LIMIT: u64 = 4096;
/// The sender gets an ACK at least this often, however slow the transfer is: its bar moves with them.
const SAY_EVERY: Duration = Duration::from_millis(200);
/// Groups of an earlier attempt that are verified in one disk job, …
const READ_BACK: usize = 64;
/// … and while others are still to come, which would have to wait for it.
const READ_BACK_BETWEEN: usize = 8;

struct Receiver<'a> {
    session: &'a Handle,
    connection: &'a mut Connection,
    places: WriteTarget,
    writer: WriterState,
    /// Groups that were here at the start and are not verified yet.
    unverified: VecDeque<u64>,
    /// Complete groups with a known hash, not yet verified or written.
    queue: Vec<Arrived>,
    /// The sender's hashes of groups that are not complete yet.
    hashes: HashMap<u64, GroupHash>,
    /// Complete groups whose hash has not arrived yet.
    unhashed: HashMap<u64, Group>,
    tries: HashMap<u64, u8>,
    pace: MinimumRate,
    ack_every: u64,
    acked: u64,
    counted: u64,
    groups: u64,
    /// How many empty HASHES frames the sender may still send to show that it is comparing.
    beats: u64,
    said: Instant,
    awake: Awake,
    limited: bool,
    told_rate: ToldRate,
    watched: Option<ProgressTarget<'a>>,
    clock: Clock,
}

/// Options of one receive.
#[derive(Clone, Debug)]
pub(crate) struct ReceiveOptions<'a> {
    pub(crate) shape: Framing,
    /// The sender knows that the receiver has nothing, and begins without waiting for READY.
    pub(crate) fresh: bool,
    /// The sender announced a rate limit: the minimum rate does not apply.
    pub(crate) limited: bool,
    /// The rate that the sender was told to keep.
    pub(crate) told_rate: ToldRate,
    pub(crate) watched: Option<ProgressTarget<'a>>,
    /// The connection is used for others behind this file.
    pub(crate) others_follow: bool,
}

/// Receives a file, and gives it its final name when it is complete and its hash is right. The inner error is about this
/// file alone: the connection goes on, if others follow.
pub(crate) async fn receive_file(
    session: &Handle,
    connection: &mut Connection,
    begun: Begun<RealDisk>,
    intent: Intent,
    manner: ReceiveOptions<'_>,
) -> Result<Result<Delivered, Failure>, Failure> {
    let mut stage = if manner.fresh { Stage::Open } else { Stage::Asked };
    let (others_follow, size) = (manner.others_follow, intent.size);
    match receive_begun(session, (connection, &mut stage), begun, intent, manner).await {
        Ok(delivered) => Ok(Ok(delivered)),
        Err(failure) if others_follow => {
            give_up(session, connection, Side::Receiver { stage, size }, failure).await
        }
        Err(failure) => Err(failure),
    }
}

async fn receive_begun(
    session: &Handle,
    (connection, stage): (&mut Connection, &mut Stage),
    begun: Begun<RealDisk>,
    intent: Intent,
    manner: ReceiveOptions<'_>,
) -> Result<Delivered, Failure> {
    let (part, first) = match begun {
        Begun::There(there) => {
            let confirmed = confirm(session, (connection, stage), there, intent);
            match session.unless_cancelled(confirmed).await? {
                Confirmed::Same(delivered) => return Ok(delivered),
                Confirmed::Differs(part, first) => (*part, Some(first)),
            }
        }
        Begun::Part(part) => (part, None),
    };
    take_lane(session, connection);
    let received = receive_part(session, (connection, stage), Incoming { part, first, intent, manner }).await;
    connection.share();
    received
}

/// A file that is to be received.
struct Incoming<'a> {
    part: Part<RealDisk>,
    /// What the sender has already begun with.
    first: Option<Wire>,
    intent: Intent,
    manner: ReceiveOptions<'a>,
}

async fn receive_part(
    session: &Handle,
    (connection, stage): (&mut Connection, &mut Stage),
    incoming: Incoming<'_>,
) -> Result<Delivered, Failure> {
    let Incoming { mut part, first, intent, mut manner } = incoming;
    let began = Instant::now();
    let assembly = Assembly::new(intent.size, intent.group, manner.shape.chunk, part.have());
    let (resumed, replaced) = (assembly.received(), part.replaces());
    if !manner.fresh && first.is_none() {
        part = offer_part(session, connection, part, (resumed, manner.told_rate.news(session))).await?;
        say_resuming(session, manner.watched, resumed, intent.size);
    }
    *stage = Stage::Open;
    let mut receiver = Receiver::new((session, connection), part, assembly, first.is_none(), manner);
    let received = receiver.receive(first).await;
    let (chunks, again) = (receiver.places.assembly.chunks(), receiver.places.assembly.replaced());
    let resumed = resumed.saturating_sub(again);
    let (written, mut clock) = receiver.into_part(received).await;
    let (part, (expected, theirs)) = match written {
        Ok(written) => written,
        Err(spoilt) => return Err(keep(session, spoilt).await),
    };
    let hash = commit(session, &mut clock, part, expected, intent.fast).await?;
    let ours = clock.of_receiver(&connection.outgoing);
    stored(connection, false, intent.size, hash, ours).await;
    Ok(Delivered {
        bytes: intent.size,
        hash,
        chunks,
        acks: chunks,
        resumed,
        there: false,
        replaced,
        retransmitted: 0,
        sent: 0,
        kernel_drops: connection.outgoing.path().map_or(0, |path| path.kernel_drops),
        elapsed: began.elapsed(),
        limited_by: judge(theirs, ours),
    })
}

impl<'a> Receiver<'a> {
    /// `verify`: the groups that are there are read again; those of a file that is being replaced were read a moment ago.
    fn new(
        (session, connection): (&'a Handle, &'a mut Connection),
        part: Part<RealDisk>,
        assembly: Assembly,
        verify: bool,
        manner: ReceiveOptions<'a>,
    ) -> Self {
        let (groups, resumed, began) = (part.tree().count(), assembly.received(), Instant::now());
        Self {
            session,
            connection,
            groups,
            unverified: if verify { part.have().iter().copied().collect() } else { VecDeque::new() },
            places: WriteTarget { assembly, whole: Vec::new() },
            writer: WriterState::Idle(Box::new(part)),
            queue: Vec::new(),
            hashes: HashMap::new(),
            unhashed: HashMap::new(),
            tries: HashMap::new(),
            pace: MinimumRate::new(began),
            ack_every: (u64::from(manner.shape.window) / 4).clamp(1, ACK_EVERY_LIMIT),
            acked: 0,
            counted: resumed,
            beats: heartbeats(groups),
            said: began,
            awake: Awake::since_now(),
            limited: manner.limited,
            told_rate: manner.told_rate,
            watched: manner.watched,
            clock: Clock::start(),
        }
    }
}

impl Receiver<'_> {
    /// As [`Self::run`]; if that fails, for the reason that the sender gave.
    async fn receive(&mut self, first: Option<Wire>) -> Result<([u8; 32], Spent), Failure> {
        match self.run(first).await {
            Ok(received) => Ok(received),
            Err(failure) => Err(self.reason_of(failure).await),
        }
    }

    /// Runs until every group is here, verified and written, and END has come; returns the hash and the sender's time
    /// statistics from it. Frames after that belong to the next request, or are the end of the connection (row 42).
    /// `first`: what the sender has already begun with.
    async fn run(&mut self, first: Option<Wire>) -> Result<([u8; 32], Spent), Failure> {
        match first {
            Some(Wire::Frame(frame)) => drop(self.frame(&frame)?),
            Some(Wire::Block { offset, bytes }) => {
                land(&mut self.places, offset, &bytes)?;
                self.landed().await?;
            }
            None => {}
        }
        let mut end = None;
        loop {
            self.write_queue().await;
            if let Some(said) = end.filter(|_| self.is_written()) {
                // The rate limit also applies to the last bytes.
                if let Some(until) = self.session.owed() {
                    self.pause(until).await?;
                }
                self.acknowledge().await?;
                return Ok(said);
            }
            let all_here = end.is_some() && self.unhashed.is_empty() && self.places.assembly.is_complete();
            let full = all_here || self.queue.len() >= QUEUE_LIMIT;
            match self.timed_next(full).await? {
                Next::Saved(saved) => self.saved(saved).await?,
                Next::Message(Ok(Some(Received::Bytes))) => self.landed().await?,
                Next::Message(Ok(Some(Received::Frame(frame)))) => {
                    if let Some(said) = self.frame_after_blocks(&frame).await?
                        && end.replace(said).is_some()
                    {
                        return Err(unexpected("the peer"));
                    }
                }
                Next::Message(Ok(None)) => {
                    return Err(self.vanished(closed_early("the peer")));
                }
                Next::Message(Err(failure)) => return Err(self.vanished(failure)),
            }
        }
    }

    /// True if every group is here, verified and written.
    fn is_written(&self) -> bool {
        let idle = self.queue.is_empty() && matches!(self.writer, WriterState::Idle(_));
        idle && self.unverified.is_empty() && self.unhashed.is_empty() && self.places.assembly.is_complete()
    }

    /// As [`Self::next`]; the time that it takes is counted as that of the disk or of the network.
    async fn timed_next(&mut self, full: bool) -> Result<Next, Failure> {
        let waiting = Instant::now();
        let next = self.next(full).await?;
        // Disk time only if the queue is full, since otherwise the network could go on. A lane over UDP does one after
        // the other.
        let in_lane = matches!(next, Next::Saved(_)) && has_lane();
        let for_disk = full || in_lane || self.places.assembly.is_complete();
        *(if for_disk { &mut self.clock.disk } else { &mut self.clock.network }) += waiting.elapsed();
        Ok(next)
    }

    /// Waits for the disk or the network; `full`: for the disk only.
    async fn next(&mut self, full: bool) -> Result<Next, Failure> {
        let (connection, places) = (&mut *self.connection, &mut self.places);
        let saving = self.writer.saved();
        tokio::select! {
            biased;
            () = self.session.cancelled() => Err(crate::net::errors::cancelled()),
            saved = saving => Ok(Next::Saved(saved)),
            message = tokio::time::timeout(SILENCE_LIMIT, connection.incoming.next_into(places)), if !full => {
                Ok(Next::Message(message.unwrap_or_else(|_| Err(errors::no_data(SILENCE_LIMIT)))))
            }
        }
    }

    /// The disk has finished a batch: asks again for what was damaged.
    async fn saved(&mut self, saved: Result<Saved, Failure>) -> Result<(), Failure> {
        let (part, wrong) = saved?;
        self.writer = WriterState::Idle(part);
        for index in wrong? {
            self.ask_again(index).await?;
        }
        // Verifying may take long: the ACK shows the sender that the receiver is alive.
        if self.said.elapsed() >= SAY_EVERY {
            self.acknowledge().await?;
        }
        Ok(())
    }

    /// An acknowledgement may have failed only because the sender gave up and said why, in what is not read yet.
    async fn reason_of(&mut self, failure: Failure) -> Failure {
        if failure.code != Code::Broken || failure.told || self.session.is_cancelled() {
            return failure;
        }
        last_words(self.connection).await.filter(|words| words.told).unwrap_or(failure)
    }

    /// Row 12: adds to the failure how much had arrived when the peer vanished.
    fn vanished(&self, failure: Failure) -> Failure {
        let failure = self.awake.explain(failure);
        match failure.code {
            Code::Timeout | Code::Broken if !failure.told => {
                let received = self.places.assembly.received();
                let why = format!("the peer vanished after {received} bytes ({})", failure.why);
                Failure { why, ..failure }
            }
            _ => failure,
        }
    }

    /// As [`Self::frame`], with the blocks that arrived before the frame, and the groups that it completes.
    async fn frame_after_blocks(&mut self, frame: &Frame) -> Result<Option<([u8; 32], Spent)>, Failure> {
        self.landed().await?;
        let said = self.frame(frame)?;
        if !self.places.whole.is_empty() {
            self.landed().await?;
        }
        Ok(said)
    }

    /// Handles a frame that is not a block; for END, returns the hash and the sender's time statistics.
    fn frame(&mut self, frame: &Frame) -> Result<Option<([u8; 32], Spent)>, Failure> {
        if frame.kind == frame::ERROR {
            return Err(told(frame));
        }
        match Message::decode(frame).map_err(malformed)? {
            Message::Hashes { hashes, .. } if hashes.is_empty() && self.beats > 0 => {
                self.beats -= 1;
                // The sender is busy comparing.
                self.pace.restart(Instant::now());
                Ok(None)
            }
            Message::Hashes { first, hashes } => {
                self.take_hashes(first, hashes)?;
                Ok(None)
            }
            Message::Anew { group } if self.places.assembly.replace(group) => {
                self.counted = self.counted.min(self.places.assembly.received());
                Ok(None)
            }
            Message::Hole { group } => {
                // A HOLE is valid only after its hash: otherwise each of these small frames would hold a group in
                // memory.
                if !self.hashes.contains_key(&group)
                    || !self.places.assembly.hole(group, &mut self.places.whole)
                {
                    return Err(unexpected("the peer"));
                }
                Ok(None)
            }
            Message::End { hash, spent } => Ok(Some((hash, spent))),
            _ => Err(unexpected("the peer")),
        }
    }

    /// Takes the sender's hashes of the groups from `first` on.
    fn take_hashes(&mut self, first: u64, hashes: Vec<GroupHash>) -> Result<(), Failure> {
        let end = first.checked_add(hashes.len() as u64).filter(|&end| end <= self.groups);
        if end.is_none() || self.hashes.len() > HASHES_LIMIT {
            return Err(unexpected("the peer"));
        }
        for (index, hash) in (first..).zip(hashes) {
            match self.unhashed.remove(&index) {
                Some(group) => self.queue.push(Arrived { group, hash }),
                None => drop(self.hashes.insert(index, hash)),
            }
        }
        Ok(())
    }

    /// Counts bytes that were placed in the assembly, queues completed groups and acknowledges.
    async fn landed(&mut self) -> Result<(), Failure> {
        let received = self.places.assembly.received();
        // The total falls when a group that was here is sent again with other content.
        let new = received.saturating_sub(self.counted);
        self.counted = received;
        self.session.count_in(new);
        if let Some(watched) = self.watched.as_ref().filter(|_| new > 0) {
            watched.progress(self.session, received);
        }
        let limit = if self.limited { Some(0) } else { self.session.rate_limit() };
        self.pace.count(new, Instant::now(), limit)?;
        for group in self.places.whole.drain(..) {
            match self.hashes.remove(&group.index) {
                Some(hash) => self.queue.push(Arrived { group, hash }),
                // Over TCP the hash comes before the bytes.
                None if self.connection.transport == Transport::Tcp => return Err(unexpected("the peer")),
                None => {
                    let held = Some(buffers::hold(false).ok_or_else(|| integrity(AssemblyError::TooMuch))?);
                    drop(self.unhashed.insert(group.index, Group { held, ..group }));
                }
            }
            if self.unhashed.len() > UNHASHED_LIMIT {
                return Err(unexpected("the peer"));
            }
        }
        let due = self.places.assembly.chunks() - self.acked >= self.ack_every;
        let patient = self.unhashed.len() < UNHASHED_PATIENCE;
        if patient && (due || new > 0 && self.said.elapsed() >= SAY_EVERY) {
            self.acknowledge().await?;
        }
        if let Some(until) = self.session.pace(new) {
            self.pause(until).await?;
        }
        Ok(())
    }

    /// Waits for the rate limit; an ACK now and then shows the sender that the receiver is alive.
    async fn pause(&mut self, until: Instant) -> Result<(), Failure> {
        let waiting = Instant::now();
        while Instant::now() < until {
            let slice = until.min(Instant::now() + SAY_EVERY);
            tokio::select! {
                () = self.session.cancelled() => return Err(crate::net::errors::cancelled()),
                () = tokio::time::sleep_until(slice.into()) => {}
            }
            if slice < until {
                self.acknowledge().await?;
            }
        }
        self.clock.limit += waiting.elapsed();
        self.pace.restart(Instant::now());
        Ok(())
    }

    async fn acknowledge(&mut self) -> Result<(), Failure> {
        self.acked = self.places.assembly.chunks();
        self.said = Instant::now();
        if let Some(news) = self.told_rate.news(self.session) {
            self.connection.outgoing.send(news.encode()).await?;
        }
        let ack = Message::Ack { chunks: self.acked, bytes: self.places.assembly.received() };
        self.connection.outgoing.send_now(ack.encode()).await
    }

    /// Passes waiting groups to the disk, unless it is busy; if there are none, those of an earlier attempt are verified.
    async fn write_queue(&mut self) {
        let enough = self.queue.len() >= 2 || has_lane() || self.places.assembly.is_complete();
        let writes = !self.queue.is_empty() && enough;
        if !writes && self.unverified.is_empty() {
            return;
        }
        let mut part = match std::mem::replace(&mut self.writer, WriterState::Gone) {
            WriterState::Idle(part) => part,
            other => return self.writer = other,
        };
        let arrived = if writes { std::mem::take(&mut self.queue) } else { Vec::new() };
        let most = match self.places.assembly.is_complete() {
            _ if writes => 0,
            true => READ_BACK,
            false => READ_BACK_BETWEEN,
        };
        let back: Vec<u64> = self.unverified.drain(..self.unverified.len().min(most)).collect();
        let job = move || {
            let wrong = if writes { part.save(&arrived) } else { part.verify(&back) };
            arrived.into_iter().for_each(|arrived| buffers::give(arrived.group.buffer));
            (part, wrong)
        };
        self.writer = WriterState::Busy(if writes {
            beside_network(self.session, self.connection.transport, job).await
        } else {
            long_reading(self.session, job).await
        });
    }

    /// Row 27: requests a damaged group again, or gives up.
    async fn ask_again(&mut self, index: u64) -> Result<(), Failure> {
        let tries = self.tries.entry(index).or_insert(0);
        *tries += 1;
        if *tries > TRIES {
            let offset = index * crate::service::ftp::storage::hashes::tree::GROUP;
            return Err(errors::damaged_repeatedly(offset, TRIES + 1));
        }
        if self.places.assembly.reopen(index) {
            self.counted = self.places.assembly.received();
            self.connection.outgoing.send_now(Message::Again { group: index }.encode()).await?;
        }
        Ok(())
    }

    /// Waits for the disk; returns the part with what was `received`, and the clock.
    async fn into_part<T>(
        self,
        received: Result<T, Failure>,
    ) -> (Result<(Box<Part<RealDisk>>, T), Spoilt>, Clock) {
        (self.writer.into_part(received).await, self.clock)
    }
}

enum Next {
    Saved(Result<Saved, Failure>),
    Message(Result<Option<Received>, Failure>),
}
