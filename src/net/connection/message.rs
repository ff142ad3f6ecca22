//! What travels over a connection, and what is known of its path.

use std::time::Duration;

use bytes::Bytes;

use crate::report::Failure;
use crate::wire::Frame;
use crate::wire::time_spent::Cause;

/// A message from the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    Frame(Frame),
    /// Bytes at an offset of whatever is transferred.
    Block {
        offset: u64,
        bytes: Bytes,
    },
}

/// Target for the bytes of blocks: the receiver of a file provides the memory, so that nothing is copied twice.
pub trait BlockSink: Send {
    /// Memory for the bytes at `offset`: at least one byte and at most `length`.
    fn room(&mut self, offset: u64, length: usize) -> Result<&mut [u8], Failure>;
    /// `length` bytes at `offset` have been written to that memory.
    fn landed(&mut self, offset: u64, length: usize) -> Result<(), Failure>;
}

/// What [`Incoming::next_into`] received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// A frame; bytes of blocks that came before it may have been written to their target.
    Frame(Frame),
    /// Bytes of blocks have been written to their target.
    Bytes,
}

/// Statistics of a UDP connection and its path.
#[derive(Clone, Copy, Debug, Default)]
pub struct PathCounts {
    /// Pieces of blocks that were retransmitted.
    pub retransmitted: u64,
    /// Bytes of blocks sent, including retransmissions.
    pub sent: u64,
    /// Smoothed round-trip time.
    pub round_trip: Duration,
    /// Share of packets, from 0 to 1, that the path loses independently of its load.
    pub loss: f64,
    /// Datagrams that the local kernel dropped because the socket's receive buffer was full.
    pub kernel_drops: u64,
    /// Datagrams received.
    pub received: u64,
    /// What limited the sending of blocks most.
    pub held_by: Cause,
}

/// What a [`super::path_stats::PathStats`] shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathSample {
    /// Smoothed round-trip time; zero while unknown.
    pub round_trip: Duration,
    /// Segments (TCP) or pieces of blocks (UDP) retransmitted so far.
    pub retransmitted: u64,
}

/// Copies bytes to the memory that `landing` provides.
pub(crate) fn land(landing: &mut dyn BlockSink, mut offset: u64, mut bytes: &[u8]) -> Result<(), Failure> {
    while !bytes.is_empty() {
        let room = landing.room(offset, bytes.len())?;
        let (now, later) = bytes.split_at(room.len());
        room.copy_from_slice(now);
        landing.landed(offset, now.len())?;
        offset += now.len() as u64;
        bytes = later;
    }
    Ok(())
}
