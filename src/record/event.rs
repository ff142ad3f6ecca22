//! An event: one packet at one place, and what became of it there.

use std::fmt;

use crate::base::Time;

/// The number of a packet that has none.
pub const NO_NUMBER: u64 = u64::MAX;

/// Where a packet goes, as seen by the session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Way {
    /// From this session to its peer; at a link, from the client to the server.
    #[default]
    Out,
    /// From the peer to this session; at a link, from the server to the client.
    In,
}

/// What a packet is for. A DATA datagram is named after the most important frame in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// HELLO: opens a connection.
    Hello,
    /// RETRY: the server asks for proof of the address.
    Retry,
    /// ACCEPT: the connection is open.
    Accept,
    /// REFUSE: no connection.
    Refuse,
    /// A piece of a block, perhaps with an acknowledgement.
    Data,
    /// A part of the ordered stream, perhaps with an acknowledgement.
    Stream,
    /// Nothing but an acknowledgement.
    Ack,
    /// PING, or a probe of the path.
    Ping,
    /// CLOSE: the connection is over.
    Close,
    /// A frame over TCP.
    Frame,
    /// A line of text.
    Line,
    /// Bytes that are not of our protocol.
    #[default]
    Other,
}

/// What became of a packet, as far as its place knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It left.
    #[default]
    Sent,
    /// It came, and was taken.
    Arrived,
    /// It came again, and was dropped.
    Duplicate,
    /// It came damaged, or was not for us, and was dropped.
    Damaged,
    /// It came out of order where only the next one is taken, and was dropped.
    OutOfOrder,
    /// The sender declared it lost: later ones were acknowledged, this one was not.
    Missing,
    /// The sender declared it lost, and was wrong: it was acknowledged afterwards.
    Late,
    /// A link passed it on.
    Passed,
    /// A link lost it.
    LostByLink,
    /// It found the queue of a link full.
    QueueFull,
    /// A link flipped a bit in it.
    Corrupted,
    /// A link passed it on twice.
    Doubled,
    /// A link held it back, so that later ones overtook it.
    HeldBack,
    /// The kernel had no room for it.
    LostByKernel,
}

/// Why something was sent again: for each retransmission exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The retransmission timeout of a textbook method fired.
    Timeout,
    /// Later packets were acknowledged, this one was not.
    Gap,
    /// Nothing was acknowledged for a while: the oldest packet is sent again as a probe.
    Probe,
    /// Nothing else was left to send: a copy in spare time, before a loss was known.
    TailCopy,
}

/// The packet numbers that an acknowledgement acknowledges: the largest ones, as ranges, highest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acked {
    /// First and last number of each range; `(1, 0)` is none.
    pub ranges: [(u64, u64); 3],
    /// Number of ranges in the acknowledgement; more than three are not all kept.
    pub count: u16,
}

/// One packet at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketEvent {
    /// Monotonic time.
    pub at: Time,
    /// The connection, by its id.
    pub flow: u64,
    /// Its direction.
    pub way: Way,
    /// What it is for.
    pub kind: Kind,
    /// Its number in its direction; [`NO_NUMBER`] if it has none.
    pub number: u64,
    /// Where its content stands in the file or the stream, in bytes.
    pub offset: u64,
    /// Bytes of its content.
    pub length: u32,
    /// Bytes of the packet.
    pub size: u32,
    /// What it acknowledges.
    pub acked: Acked,
    /// What became of it.
    pub fate: Fate,
    /// Why its content was sent again; `None` if it is sent for the first time.
    pub cause: Option<Cause>,
    /// The number of the packet that carried the content before; [`NO_NUMBER`] if none did.
    pub again: u64,
    /// The congestion window or the window of a textbook method, in bytes; 0 if unknown.
    pub window: u32,
    /// Bytes in flight after it.
    pub in_flight: u32,
    /// The smoothed round-trip time in microseconds; 0 if unknown.
    pub round_trip: u32,
}

impl Default for PacketEvent {
    fn default() -> Self {
        Self {
            at: Time::ZERO,
            flow: 0,
            way: Way::Out,
            kind: Kind::Other,
            number: NO_NUMBER,
            offset: 0,
            length: 0,
            size: 0,
            acked: Acked::NONE,
            fate: Fate::Sent,
            cause: None,
            again: NO_NUMBER,
            window: 0,
            in_flight: 0,
            round_trip: 0,
        }
    }
}

impl PacketEvent {
    /// The number, if it has one.
    pub const fn number(&self) -> Option<u64> {
        if self.number == NO_NUMBER { None } else { Some(self.number) }
    }

    /// The number of the packet that carried its content before, if one did.
    pub const fn again(&self) -> Option<u64> {
        if self.again == NO_NUMBER { None } else { Some(self.again) }
    }
}

impl Acked {
    /// No acknowledgement.
    pub const NONE: Self = Self { ranges: [(1, 0); 3], count: 0 };

    /// The largest ranges; `ranges` has the highest first.
    pub fn of(ranges: impl ExactSizeIterator<Item = std::ops::Range<u64>>) -> Self {
        let mut acked = Self { count: u16::try_from(ranges.len()).unwrap_or(u16::MAX), ..Self::NONE };
        for (place, range) in acked.ranges.iter_mut().zip(ranges) {
            *place = (range.start, range.end.saturating_sub(1));
        }
        acked
    }

    /// The kept ranges, first and last number of each.
    pub fn kept(&self) -> impl Iterator<Item = (u64, u64)> {
        self.ranges.into_iter().take(usize::from(self.count))
    }
}

/// A word for each of these, in lines, filters and JSON.
macro_rules! words {
    ($type:ty { $($name:ident = $word:literal),* $(,)? }) => {
        impl $type {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its word.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word),* }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.word())
            }
        }
    };
}

words!(Way { Out = "out", In = "in" });
words!(Kind {
    Hello = "hello", Retry = "retry", Accept = "accept", Refuse = "refuse", Data = "data", Stream = "stream", Ack = "ack",
    Ping = "ping", Close = "close", Frame = "frame", Line = "line", Other = "other",
});
words!(Fate {
    Sent = "sent", Arrived = "arrived", Duplicate = "duplicate", Damaged = "damaged", OutOfOrder = "out-of-order",
    Missing = "missing", Late = "late", Passed = "passed", LostByLink = "lost", QueueFull = "queue-full",
    Corrupted = "corrupted", Doubled = "doubled", HeldBack = "held-back", LostByKernel = "lost-by-kernel",
});
words!(Cause { Timeout = "time-out", Gap = "gap", Probe = "probe", TailCopy = "tail-copy" });

impl Fate {
    /// True if the packet did not get through this place.
    pub const fn is_loss(self) -> bool {
        matches!(self, Self::LostByLink | Self::QueueFull | Self::LostByKernel | Self::Missing)
    }
}
