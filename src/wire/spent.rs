//! Where the time of one end of a transfer went: both ends tell each other, so that either can say which one held it up.
//!
//! ```text
//! u64 elapsed µs | u16 disk | u16 network | u16 limit | u16 processor | u8 cause      shares in thousandths, 1000 at most
//! ```

use super::{DecodeError, Reader, Writer};

/// A whole, in thousandths.
pub const WHOLE: u16 = 1000;

/// What the network let an end wait for, as far as its system or its own transport can tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cause {
    #[default]
    Unknown,
    /// The path carries no more.
    Path,
    /// The path carries more, but the congestion control takes losses for a full queue.
    Loss,
    /// The window of `window N` or of the textbook's machines.
    Window,
    /// The buffer of a socket is smaller than what the path holds, or it overflowed.
    Buffer,
    /// The peer takes no more: what it can hold is full.
    Peer,
}

const CAUSES: [Cause; 6] =
    [Cause::Unknown, Cause::Path, Cause::Loss, Cause::Window, Cause::Buffer, Cause::Peer];

/// Shares of an end's time, in thousandths; they need not add up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Since the end began, in microseconds: the whole of the shares.
    pub elapsed: u64,
    /// Waiting for its disk.
    pub disk: u16,
    /// Waiting for the network: for room to send, or for bytes to come.
    pub network: u16,
    /// Waiting because of a rate limit.
    pub limit: u16,
    /// Of one processor core, by the whole program.
    pub processor: u16,
    pub cause: Cause,
}

impl Spent {
    pub(super) fn write(self, out: Writer) -> Writer {
        let cause = CAUSES.iter().position(|cause| *cause == self.cause).unwrap_or(0);
        out.u64(self.elapsed)
            .u16(self.disk)
            .u16(self.network)
            .u16(self.limit)
            .u16(self.processor)
            .u8(cause as u8)
    }

    /// A cause of a later version is one that is not known here.
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let elapsed = r.u64()?;
        let mut share = || match r.u16()? {
            share if share <= WHOLE => Ok(share),
            share => Err(DecodeError::Unknown { what: "share", value: u64::from(share) }),
        };
        let (disk, network, limit, processor) = (share()?, share()?, share()?, share()?);
        let cause = CAUSES.get(usize::from(r.u8()?)).copied().unwrap_or_default();
        Ok(Self { elapsed, disk, network, limit, processor, cause })
    }
}
