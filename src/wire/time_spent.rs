//! How one end of a transfer spent its time. The ends exchange this, so that each can name the bottleneck.
//!
//! ```text
//! u64 elapsed µs | u16 disk | u16 network | u16 limit | u16 processor | u8 cause     shares: thousandths, at most 1000
//! ```

use super::{DecodeError, Reader, Writer};

/// The whole, in thousandths: the largest share.
pub const WHOLE: u16 = 1000;

/// Why an end had to wait for the network, as far as its system or its own transport can tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cause {
    /// The cause is not known.
    #[default]
    Unknown,
    /// The path carries no more.
    Path,
    /// The path carries more, but the congestion control takes losses for a sign of a full queue.
    Loss,
    /// The window set with `window N`, or that of go-back-N or stop-and-wait, is full.
    Window,
    /// A socket buffer is smaller than the bandwidth-delay product of the path, or it overflowed.
    Buffer,
    /// The receive window of the peer is full.
    Peer,
    /// The rate limit that was waited for is the receiver's, which asked for it.
    Asked,
}

const CAUSES: [Cause; 7] =
    [Cause::Unknown, Cause::Path, Cause::Loss, Cause::Window, Cause::Buffer, Cause::Peer, Cause::Asked];

/// How one end spent its time, as shares in thousandths; they need not add up to [`WHOLE`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Duration of the transfer at this end, in µs: the whole that the shares refer to.
    pub elapsed: u64,
    /// Share of the time spent waiting for the disk.
    pub disk: u16,
    /// Share of the time spent waiting for the network: for room to send, or for bytes to arrive.
    pub network: u16,
    /// Share of the time spent waiting because of a rate limit.
    pub limit: u16,
    /// CPU time of the whole program, as a share of one core.
    pub processor: u16,
    /// What the time spent waiting for the network was due to.
    pub cause: Cause,
}

impl Spent {
    /// Appends the fields to a body.
    pub fn write(self, out: Writer) -> Writer {
        let cause = CAUSES.iter().position(|cause| *cause == self.cause).unwrap_or(0);
        out.u64(self.elapsed)
            .u16(self.disk)
            .u16(self.network)
            .u16(self.limit)
            .u16(self.processor)
            .u8(cause as u8)
    }

    /// Reads the fields. A cause that this version does not know is [`Cause::Unknown`]; a share over [`WHOLE`] is an
    /// error.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
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
