//! The numbers of the reliable transport, each a type of its own: what counts packets cannot be used for segments.

use std::fmt;
use std::ops::{Add, AddAssign, Range, Sub};

/// The id of a connection: 64 random bits that the client chooses; every datagram of both sides carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Defines a number that counts up from zero, once for each connection and direction.
macro_rules! counter {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl Add<u64> for $name {
            type Output = Self;

            fn add(self, count: u64) -> Self {
                Self(self.0 + count)
            }
        }

        impl AddAssign<u64> for $name {
            fn add_assign(&mut self, count: u64) {
                self.0 += count;
            }
        }

        impl Sub for $name {
            type Output = u64;

            fn sub(self, earlier: Self) -> u64 {
                self.0 - earlier.0
            }
        }
    };
}

counter! {
    /// The number of a datagram with frames; never used twice (RFC 9000, section 12.3).
    PacketNumber
}
counter! {
    /// The number of a segment of a block: the same in every datagram that carries the segment again.
    SegmentNumber
}

impl SegmentNumber {
    /// This number and those after it, `count` in all, as far as numbers go.
    pub const fn range(self, count: u64) -> Range<u64> {
        self.0..self.0.saturating_add(count)
    }
}
