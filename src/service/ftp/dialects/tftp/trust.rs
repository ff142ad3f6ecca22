//! How long to wait, and what may go to an address that may be forged. Pure; time is an argument.

use std::time::Duration;

use crate::base::Time;

/// Tries after which a peer that says nothing is gone: without `timeout`, 1 + 2 + 4 + 8 + 8 + 8 s.
pub(super) const TRIES: u32 = 6;
/// A wait becomes no longer than this, unless `timeout` says so.
const LONGEST: Duration = Duration::from_secs(8);
/// Answers to an address from which nothing has come back, at most (faults.md row 52).
pub(super) const PROVE_TRIES: u32 = 3;
/// Bytes that such an address is sent of our own accord for each byte that came from there (RFC 9000, section 8).
pub(super) const AMPLIFICATION: usize = 3;

/// When to send something again. The wait doubles with every try.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retry {
    first: Duration,
    wait: Duration,
    tries: u32,
    /// Silence until then is a reason to try again.
    pub(super) deadline: Time,
}

impl Retry {
    /// The first wait is `first`.
    pub(super) fn new(now: Time, first: Duration) -> Self {
        Self { first, wait: first, tries: 0, deadline: now + first }
    }

    /// The peer went on.
    pub(super) fn progress(&mut self, now: Time) {
        *self = Self::new(now, self.first);
    }

    /// Something was sent: the wait begins now.
    pub(super) fn sent(&mut self, now: Time) {
        self.deadline = now + self.wait;
    }

    /// Nothing came in time: waits again; false if that was done too often.
    pub(super) fn again(&mut self, now: Time) -> bool {
        self.tries += 1;
        self.wait = (self.wait * 2).min(LONGEST.max(self.first));
        self.deadline = now + self.wait;
        self.tries < TRIES
    }
}

/// Whether a peer has shown that it reads what is sent to its address. Until then it may be a forged one, and what is sent
/// there may hit somebody who has asked for nothing.
///
/// The answer to the request must go, whatever its size: without options it is a block of 512 bytes, and the protocol has
/// nothing smaller that a client would answer. It is repeated of our own accord only while all of it is at most
/// [`AMPLIFICATION`] times what came, which an OACK is and a block is not; and when the client repeats its request, as all do;
/// at most [`PROVE_TRIES`] in all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trust {
    is_proven: bool,
    came: usize,
    sent: usize,
    answers: u32,
}

impl Trust {
    /// `asked`: the bytes of the request, if its address may be forged.
    pub(super) fn new(asked: Option<usize>) -> Self {
        Self { is_proven: asked.is_none(), came: asked.unwrap_or(0), sent: 0, answers: 0 }
    }

    /// The peer has answered.
    pub(super) fn prove(&mut self) {
        self.is_proven = true;
    }

    pub(super) fn is_proven(&self) -> bool {
        self.is_proven
    }

    /// The request came again: true if it may be answered again.
    pub(super) fn asked_again(&mut self, bytes: usize) -> bool {
        self.came = self.came.saturating_add(bytes);
        self.is_proven || self.answers < PROVE_TRIES
    }

    /// True if so many bytes may be sent of our own accord.
    pub(super) fn allows(&self, bytes: usize) -> bool {
        let room = self.came.saturating_mul(AMPLIFICATION).saturating_sub(self.sent);
        self.is_proven || self.answers < PROVE_TRIES && bytes <= room
    }

    /// So many bytes were sent.
    pub(super) fn sent(&mut self, bytes: usize) {
        if !self.is_proven {
            (self.sent, self.answers) = (self.sent.saturating_add(bytes), self.answers + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_waits_double_and_end() {
        let mut retry = Retry::new(Time::ZERO, Duration::from_secs(1));
        let (mut now, mut waits) = (Time::ZERO, Vec::new());
        loop {
            waits.push(retry.deadline.since(now).as_secs());
            now = retry.deadline;
            if !retry.again(now) {
                break;
            }
        }
        assert_eq!(waits, [1, 2, 4, 8, 8, 8]);
        let mut asked = Retry::new(Time::ZERO, Duration::from_secs(20));
        assert!(asked.again(Time::ZERO));
        assert_eq!(asked.deadline, Time::ZERO + Duration::from_secs(20), "as the client asked");
        retry.progress(now);
        assert_eq!(retry.deadline.since(now), Duration::from_secs(1));
    }

    #[test]
    fn row_52_a_forged_address_gets_three_times_what_came_or_an_answer_for_each_request() {
        let mut small = Trust::new(Some(30));
        small.sent(20);
        assert!(small.allows(70) && !small.allows(71));
        let mut block = Trust::new(Some(30));
        block.sent(516);
        assert!(!block.allows(1), "nothing of our own accord");
        for _ in 1..PROVE_TRIES {
            assert!(block.asked_again(30));
            block.sent(516);
        }
        assert!(!block.asked_again(30));
        block.prove();
        assert!(block.asked_again(30) && block.allows(1 << 20));
    }
}
