//! Receives a file: the answer to WRQ. Pure; time is an argument.
//!
//! A window of blocks is acknowledged as a whole (RFC 7440); without that option each block is. Where a block is missing,
//! the last one before it is acknowledged, once for each gap. The last block of the file is acknowledged only when the file
//! has its name and is on the disk: until then nothing is said, and the client repeats the block. (Nothing else could be
//! said: TFTP has no packet that asks for patience, and an ACK of the block before would make old clients send twice.) When
//! the last ACK is lost, the client repeats the block as well, and so it is answered for some more time.

use std::time::Duration;

use super::errors;
use super::options::Agreed;
use super::packet::{Packet, ack};
use super::trust::{Retry, Trust};
use crate::base::Time;
use crate::report::Failure;

/// A block that comes twice is acknowledged once more, but not so soon after the first time: then it is no repeat, but was
/// doubled on the way, or was already under way again.
const QUIET: Duration = Duration::from_millis(50);

/// The receiver of a file.
#[derive(Debug)]
pub(super) struct Writing {
    /// Bytes of a full block.
    block: usize,
    /// Blocks after which an ACK is due.
    window: u64,
    /// What says that the client may begin: the OACK packet, or the ACK of block 0.
    answer: Vec<u8>,
    /// All blocks up to this one came; the first block of a file has number 1.
    received: u64,
    /// The block that was acknowledged last.
    acknowledged: u64,
    /// A block is missing, and the client was told so.
    gap_told: bool,
    /// An ACK is due.
    due: bool,
    /// When an ACK was sent last.
    said: Time,
    /// The last block of the file came.
    ended: bool,
    /// The file is stored.
    stored: bool,
    retry: Retry,
    trust: Trust,
}

impl Writing {
    /// `asked`: the bytes of the request, if its address may be forged.
    pub(super) fn new(now: Time, agreed: Agreed, asked: Option<usize>) -> Self {
        Self {
            block: agreed.block,
            window: agreed.window,
            answer: agreed.answer.unwrap_or_else(|| ack(0).to_vec()),
            received: 0,
            acknowledged: 0,
            gap_told: false,
            due: true,
            said: now,
            ended: false,
            stored: false,
            retry: Retry::new(now, agreed.timeout),
            trust: Trust::new(asked),
        }
    }

    /// Handles a packet of the peer. Returns the next bytes of the file, if it brought them.
    pub(super) fn handle<'a>(&mut self, now: Time, packet: &Packet<'a>) -> Result<Option<&'a [u8]>, Failure> {
        match packet {
            Packet::Data { block, bytes } if bytes.len() <= self.block => {
                let is_next = self.take(now, *block);
                if is_next {
                    self.ended = bytes.len() < self.block;
                    self.due |= !self.ended && self.received - self.acknowledged >= self.window;
                }
                Ok(is_next.then_some(bytes))
            }
            Packet::Data { bytes, .. } => Err(errors::block_too_long(bytes.len(), self.block)),
            Packet::Error { code, text } => Err(errors::told_by_client(*code, text)),
            _ => Err(errors::not_expected()),
        }
    }

    /// True if the block is the next one.
    fn take(&mut self, now: Time, block: u16) -> bool {
        self.trust.prove();
        let last = self.received as u16;
        if block == last {
            self.due |= self.may_repeat() && now.since(self.said) >= QUIET;
            return false;
        }
        if self.ended {
            return false;
        }
        let ahead = block.wrapping_sub(last);
        if ahead == 1 {
            (self.received, self.gap_told) = (self.received + 1, false);
            self.retry.progress(now);
            return true;
        }
        if u64::from(ahead) <= self.window && !self.gap_told {
            (self.gap_told, self.due) = (true, true);
        }
        false
    }

    /// False while the file is being stored: then the last block has no ACK yet.
    const fn may_repeat(&self) -> bool {
        self.stored || !self.ended
    }

    /// The file has its name and is on the disk: this is what the last ACK says.
    pub(super) fn stored(&mut self) {
        (self.stored, self.due) = (true, true);
    }

    /// The request came again.
    pub(super) fn handle_request(&mut self, bytes: usize) {
        self.due |= self.received == 0 && self.trust.asked_again(bytes);
    }

    /// Notes that time has passed.
    ///
    /// # Errors
    /// The peer has been silent for too long.
    pub(super) fn handle_timeout(&mut self, now: Time) -> Result<(), Failure> {
        if self.ended || now < self.retry.deadline {
            return Ok(());
        }
        if !self.retry.again(now) {
            return Err(errors::client_silent());
        }
        self.due |= self.received > 0 || self.trust.allows(self.answer.len());
        Ok(())
    }

    /// What is to be sent now.
    pub(super) fn poll(&mut self, now: Time) -> Option<Vec<u8>> {
        if !std::mem::take(&mut self.due) {
            return None;
        }
        // An OACK means nothing any more to a client that sends already.
        let begins = self.received == 0 && !self.gap_told;
        let packet = if begins { self.answer.clone() } else { ack(self.received as u16).to_vec() };
        (self.acknowledged, self.said) = (self.received, now);
        self.trust.sent(packet.len());
        self.retry.sent(now);
        Some(packet)
    }

    /// When [`Self::handle_timeout`] has to be called at the latest.
    pub(super) fn deadline(&self) -> Time {
        self.retry.deadline
    }

    /// All of the file came.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// The peer has answered, or its address was never in doubt.
    pub(super) fn is_proven(&self) -> bool {
        self.trust.is_proven()
    }
}
