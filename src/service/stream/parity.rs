//! Forward error correction: a parity block is the XOR of a group of chunks and restores a lost one of them before a
//! retransmission could. Each parity block covers chunks [`COLUMNS`] apart, because losses come in bursts (the columns
//! of SMPTE ST 2022-1). Pure.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::protocol::{PARITY_PLACE, Parity};

/// Groups that are open at once: a burst of up to this many lost chunks hits each group only once.
const COLUMNS: usize = 8;
/// Maximum parity blocks that the viewer keeps because they may still help.
const WAITING_LIMIT: usize = 64;
/// Range of offsets reserved for each parity block.
const STRIDE: u64 = 1 << 16;

/// The sender's side.
#[derive(Debug)]
pub(super) struct Encoder {
    /// Chunks per parity block; 0: no parity.
    every: usize,
    columns: [Column; COLUMNS],
    turn: usize,
    sent: u64,
}

#[derive(Debug, Default)]
struct Column {
    covered: Vec<(u64, u16)>,
    sum: BytesMut,
}

impl Encoder {
    pub(super) fn new(percent: u8) -> Self {
        Self { every: Parity::covers(percent), columns: Default::default(), turn: 0, sent: 0 }
    }

    /// Notes a chunk that was sent. If that completes a group, returns its parity block, to be sent next, and its
    /// offset.
    pub(super) fn add(&mut self, offset: u64, chunk: &[u8]) -> Option<(u64, Bytes)> {
        let length = u16::try_from(chunk.len()).ok().filter(|_| self.every > 0)?;
        let column = &mut self.columns[self.turn];
        self.turn = (self.turn + 1) % COLUMNS;
        column.covered.push((offset, length));
        if column.sum.len() < chunk.len() {
            column.sum.resize(chunk.len(), 0);
        }
        xor(&mut column.sum, chunk);
        if column.covered.len() < self.every {
            return None;
        }
        let Column { covered, sum } = std::mem::take(column);
        let place = PARITY_PLACE + self.sent * STRIDE;
        self.sent += 1;
        Some((place, Parity { covered, sum: sum.freeze() }.encode()))
    }
}

/// The viewer's side: parity blocks that may still help.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    waiting: VecDeque<Parity>,
}

impl Decoder {
    pub(super) fn add(&mut self, parity: Parity) {
        if self.waiting.len() == WAITING_LIMIT {
            self.waiting.pop_front();
        }
        self.waiting.push_back(parity);
    }

    /// Restores a lost chunk, if exactly one of a group is missing: its offset and bytes. `has` tells whether a range
    /// has arrived, `read` reads it.
    pub(super) fn rebuild<E>(
        &mut self,
        has: impl Fn(&Range<u64>) -> bool,
        mut read: impl FnMut(u64, &mut [u8]) -> Result<(), E>,
    ) -> Result<Option<(u64, Bytes)>, E> {
        let mut at = 0;
        while let Some(parity) = self.waiting.get(at) {
            let range = |(offset, length): (u64, u16)| offset..offset.saturating_add(u64::from(length));
            let missing: Vec<usize> =
                (0..parity.covered.len()).filter(|&n| !has(&range(parity.covered[n]))).collect();
            match missing[..] {
                [] => drop(self.waiting.remove(at)),
                [lost] => {
                    let Some(Parity { covered, sum }) = self.waiting.remove(at) else { return Ok(None) };
                    let mut sum = BytesMut::from(&sum[..]);
                    let mut chunk = vec![0; sum.len()];
                    for (_, (offset, length)) in covered.iter().enumerate().filter(|(n, _)| *n != lost) {
                        let chunk = &mut chunk[..usize::from(*length)];
                        read(*offset, chunk)?;
                        xor(&mut sum, chunk);
                    }
                    sum.truncate(usize::from(covered[lost].1));
                    return Ok(Some((covered[lost].0, sum.freeze())));
                }
                _ => at += 1,
            }
        }
        Ok(None)
    }
}

fn xor(sum: &mut [u8], chunk: &[u8]) {
    sum.iter_mut().zip(chunk).for_each(|(sum, byte)| *sum ^= byte);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::RangeSet;

    /// A burst of as many chunks as there are columns is restored without asking the server.
    #[test]
    fn a_burst_of_lost_chunks_is_rebuilt() {
        let file: Vec<u8> = (0..200_000u32).map(|n| (n * 7 / 3) as u8).collect();
        let (mut encoder, mut decoder) = (Encoder::new(10), Decoder::default());
        let (mut got, mut have) = (vec![0; file.len()], RangeSet::new());
        let (mut at, mut n, mut rebuilt, mut parities) = (0, 0, 0, 0);
        while at < file.len() {
            let end = (at + 1000 + n * 37 % 1000).min(file.len());
            let parity = encoder.add(at as u64, &file[at..end]);
            if !(40..40 + COLUMNS).contains(&n) {
                got[at..end].copy_from_slice(&file[at..end]);
                have.insert_range(at as u64..end as u64);
            }
            if let Some((place, block)) = parity {
                assert!(place >= PARITY_PLACE);
                parities += 1;
                decoder.add(Parity::decode(&block).unwrap());
            }
            let read = |offset: u64, chunk: &mut [u8]| {
                chunk.copy_from_slice(&got[offset as usize..][..chunk.len()]);
                Ok::<_, ()>(())
            };
            if let Some((offset, chunk)) = decoder.rebuild(|range| have.contains_range(range), read).unwrap()
            {
                got[offset as usize..][..chunk.len()].copy_from_slice(&chunk);
                have.insert_range(offset..offset + chunk.len() as u64);
                rebuilt += 1;
            }
            (at, n) = (end, n + 1);
        }
        assert_eq!((rebuilt, have.covered()), (COLUMNS, file.len() as u64));
        assert!(got == file && parities * 10 <= n, "{parities} for {n}");
    }

    #[test]
    fn without_a_wish_there_is_no_parity() {
        let mut encoder = Encoder::new(0);
        assert!((0..1000).all(|n| encoder.add(n * 1000, &[1; 1000]).is_none()));
    }

    #[test]
    fn parity_that_never_helps_is_bounded() {
        let mut decoder = Decoder::default();
        for n in 0..1000u64 {
            decoder.add(Parity { covered: vec![(n, 1), (n + 5, 1)], sum: Bytes::from_static(&[1]) });
            assert_eq!(decoder.rebuild(|_| false, |_, _| Ok::<_, ()>(())), Ok(None));
        }
        assert_eq!(decoder.waiting.len(), WAITING_LIMIT);
    }
}
