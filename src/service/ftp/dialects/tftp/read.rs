//! Sends a file: the answer to RRQ. Pure; time is an argument.
//!
//! A window of blocks leaves at once and is acknowledged as a whole (RFC 7440); without that option it is one block. An ACK
//! inside the window says that what follows it was lost: sending goes on behind it. An ACK that came before, or that is
//! none of the window's, changes nothing, so that packets that are doubled on the way do not double the traffic (the
//! Sorcerer's Apprentice, RFC 1123, section 4.2.3.1). Numbers have 16 bits and go on with 0.

use bytes::{Buf, BytesMut};

use super::errors;
use super::options::Agreed;
use super::packet::{HEADER, Packet, data_header};
use super::trust::{Retry, Trust};
use crate::base::Time;
use crate::report::Failure;

/// The sender of a file.
#[derive(Debug)]
pub(super) struct Reading {
    /// Bytes of a DATA packet with a full block.
    stride: usize,
    /// Blocks that may be on their way.
    window: u64,
    /// The packets from the first that is not acknowledged on, as they travel: all but the last are of one size.
    packets: BytesMut,
    /// Number of the last block that was begun in `packets`; the first block of a file has number 1.
    begun: u64,
    /// Bytes that the last block lacks.
    room: usize,
    /// No more bytes come: the last block is the last of the file.
    ended: bool,
    /// The OACK packet, until it is acknowledged as block 0.
    answer: Option<Vec<u8>>,
    answer_due: bool,
    /// All blocks up to this one are acknowledged.
    acknowledged: u64,
    /// All blocks up to this one were sent.
    sent: u64,
    retry: Retry,
    trust: Trust,
}

impl Reading {
    /// `asked`: the bytes of the request, if its address may be forged.
    pub(super) fn new(now: Time, agreed: Agreed, asked: Option<usize>) -> Self {
        Self {
            stride: agreed.block + HEADER,
            window: agreed.window,
            packets: BytesMut::new(),
            begun: 0,
            room: 0,
            ended: false,
            answer_due: agreed.answer.is_some(),
            answer: agreed.answer,
            acknowledged: 0,
            sent: 0,
            retry: Retry::new(now, agreed.timeout),
            trust: Trust::new(asked),
        }
    }

    /// True if the next window lacks bytes of the file.
    pub(super) fn wants(&self) -> bool {
        !self.ended && self.ready() < self.acknowledged + self.window
    }

    /// Takes the next bytes of the file.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.room == 0 {
                self.begin_block();
            }
            let (block, rest) = bytes.split_at(bytes.len().min(self.room));
            self.packets.extend_from_slice(block);
            self.room -= block.len();
            bytes = rest;
        }
    }

    /// The file ends here: with a block that is not full, and be it empty.
    pub(super) fn end(&mut self) {
        if self.room == 0 {
            self.begin_block();
        }
        self.ended = true;
    }

    fn begin_block(&mut self) {
        self.begun += 1;
        self.packets.extend_from_slice(&data_header(self.begun as u16));
        self.room = self.stride - HEADER;
    }

    /// Number of the last block that may be sent.
    fn ready(&self) -> u64 {
        self.begun - u64::from(!self.ended && self.room > 0)
    }

    /// Handles a packet of the peer.
    pub(super) fn handle(&mut self, now: Time, packet: &Packet<'_>) -> Result<(), Failure> {
        match packet {
            Packet::Ack(0) if self.answer.take().is_some() => self.go_on(now),
            Packet::Ack(block) if self.answer.is_none() => self.acknowledge(now, *block),
            Packet::Ack(_) => {}
            Packet::Error { code, text } => return Err(errors::told_by_client(*code, text)),
            _ => return Err(errors::not_expected()),
        }
        Ok(())
    }

    fn acknowledge(&mut self, now: Time, block: u16) {
        let more = u64::from(block.wrapping_sub(self.acknowledged as u16));
        // 0: it came before, and is perhaps a double.
        if more == 0 || more > self.sent - self.acknowledged {
            return;
        }
        self.acknowledged += more;
        let bytes = (more as usize * self.stride).min(self.packets.len());
        self.packets.advance(bytes);
        // What follows was lost, or the ACK is that of the whole window.
        self.sent = self.acknowledged;
        self.go_on(now);
    }

    fn go_on(&mut self, now: Time) {
        self.trust.prove();
        self.retry.progress(now);
    }

    /// The request came again.
    pub(super) fn handle_request(&mut self, bytes: usize) {
        if self.acknowledged == 0 && self.trust.asked_again(bytes) {
            self.repeat();
        }
    }

    /// Notes that time has passed.
    ///
    /// # Errors
    /// The peer has been silent for too long.
    pub(super) fn handle_timeout(&mut self, now: Time) -> Result<(), Failure> {
        if now < self.retry.deadline {
            return Ok(());
        }
        if !self.retry.again(now) {
            return Err(errors::client_silent());
        }
        let bytes = self.answer.as_ref().map_or(self.stride.min(self.packets.len()), Vec::len);
        if self.trust.allows(bytes) {
            self.repeat();
        }
        Ok(())
    }

    /// Begins again with what is not acknowledged.
    fn repeat(&mut self) {
        self.answer_due = self.answer.is_some();
        self.sent = self.acknowledged;
    }

    /// What is to be sent now: packets of the given size, of which the last may be shorter.
    pub(super) fn poll(&mut self) -> Option<(&[u8], usize)> {
        let (packets, size) = match &self.answer {
            Some(answer) if std::mem::take(&mut self.answer_due) => (&answer[..], answer.len()),
            Some(_) => return None,
            None => {
                let until = self.ready().min(self.acknowledged + self.window);
                let from = self.sent.min(until);
                let place =
                    |block: u64| ((block - self.acknowledged) as usize * self.stride).min(self.packets.len());
                let packets = &self.packets[place(from)..place(until)];
                self.sent = until;
                (packets, self.stride)
            }
        };
        if packets.is_empty() {
            return None;
        }
        self.trust.sent(packets.len());
        Some((packets, size))
    }

    /// What [`Self::poll`] returned has left.
    pub(super) fn left(&mut self, now: Time) {
        self.retry.sent(now);
    }

    /// When [`Self::handle_timeout`] has to be called at the latest.
    pub(super) fn deadline(&self) -> Time {
        self.retry.deadline
    }

    /// Bytes of the file that the peer has, at least.
    pub(super) fn taken(&self) -> u64 {
        self.acknowledged * (self.stride - HEADER) as u64
    }

    /// The peer has all.
    pub(super) fn is_done(&self) -> bool {
        self.ended && self.acknowledged == self.begun
    }

    /// The peer has answered, or its address was never in doubt.
    pub(super) fn is_proven(&self) -> bool {
        self.trust.is_proven()
    }
}
