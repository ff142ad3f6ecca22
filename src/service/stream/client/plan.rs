//! What a viewer requests: first what its readers need, then as far ahead as there is space; when the space is used up,
//! what is far from the readers is discarded. Pure.

use std::ops::Range;

use crate::base::RangeSet;
use crate::service::stream::protocol::Message;

/// A missing offset farther than this beyond what has come is requested; a nearer one is about to come.
const NEAR: u64 = 256 << 10;
/// Maximum separate ranges received: jumps and lost datagrams make only a few.
pub(crate) const GAP_LIMIT: usize = 16 << 10;
/// Fraction of the space that is used ahead of the reader; the rest is behind it.
const AHEAD: (u64, u64) = (3, 4);
/// The window moves in steps of one part in this many.
const STEP: u64 = 16;

/// The server left more gaps than losses explain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManyGaps;

/// What a viewer has received, and what it wants next.
#[derive(Debug)]
pub(crate) struct Plan {
    size: u64,
    /// Maximum bytes held; no limit if it is at least `size`.
    room: u64,
    /// The file is kept: all of it is wanted in the end.
    keeps: bool,
    arrived: RangeSet,
    /// The part of `arrived` that came since the last jump.
    fresh: RangeSet,
    /// Live: ranges left out because they would come too late.
    skipped: RangeSet,
    left_out: u64,
    /// The range that was last requested from the server.
    asked: Range<u64>,
    /// Number of jumps, including the beginning.
    jumps: u64,
    playhead: u64,
    /// Discarded ranges that the server has not been told of yet.
    forgotten: Vec<Range<u64>>,
    /// The server has not been told of `asked` yet.
    changed: bool,
}

impl Plan {
    /// `dropped`: ranges that came before there was space for them, and were discarded.
    pub(crate) fn new(size: u64, room: u64, keeps: bool, dropped: &RangeSet) -> Self {
        let mut plan = Self {
            size,
            room,
            keeps,
            arrived: RangeSet::new(),
            fresh: RangeSet::new(),
            skipped: RangeSet::new(),
            left_out: 0,
            asked: 0..u64::MAX,
            jumps: 1,
            playhead: 0,
            forgotten: dropped.iter().collect(),
            changed: false,
        };
        if !keeps {
            plan.ask(0);
        }
        plan
    }

    /// True if all bytes have come and none was left out.
    pub(crate) fn is_complete(&self) -> bool {
        self.covered() == self.size && self.skipped.is_empty()
    }

    /// Bytes that are here, or left out.
    pub(crate) const fn covered(&self) -> u64 {
        self.arrived.covered()
    }

    /// How often the server was asked to go on elsewhere, including the beginning.
    pub(crate) const fn jumps(&self) -> u64 {
        self.jumps
    }

    pub(crate) const fn playhead(&self) -> u64 {
        self.playhead
    }

    /// Contiguous bytes that are here from the playhead on.
    pub(crate) fn ahead(&self) -> u64 {
        self.arrived.end_of(self.playhead).map_or(0, |end| end - self.playhead)
    }

    pub(crate) fn has(&self, range: &Range<u64>) -> bool {
        self.arrived.contains_range(range)
    }

    /// Offset of the first missing byte at or after `offset`.
    pub(crate) fn missing_from(&self, offset: u64) -> u64 {
        self.arrived.first_gap(offset)
    }

    /// End of the contiguous bytes from `offset` on; `None`: the byte there is missing, and is coming or requested now.
    pub(crate) fn readable(&mut self, offset: u64) -> Option<u64> {
        if let Some(end) = self.arrived.end_of(offset) {
            return Some(end);
        }
        let frontier = self.arrived.first_gap(self.asked.start);
        let comes =
            offset >= self.asked.start && offset <= frontier.saturating_add(NEAR) && offset < self.asked.end;
        if !comes {
            self.playhead = offset;
            self.ask(offset);
        }
        None
    }

    /// Notes that a range was read, and moves the window with it.
    pub(crate) fn read(&mut self, range: &Range<u64>) {
        self.playhead = range.end;
        let until = self.reach(range.end);
        let more = until.saturating_sub(self.asked.end);
        let is_worth_it = more > self.ahead_room() / STEP || more > 0 && until == self.size;
        if range.end >= self.asked.start && is_worth_it {
            self.asked = range.end..until;
            self.changed = true;
        }
    }

    /// True if something that was requested is not here yet.
    pub(crate) fn is_waiting(&self) -> bool {
        if self.keeps {
            return self.covered() < self.size;
        }
        self.arrived.first_gap(self.asked.start) < self.asked.end.min(self.size)
    }

    /// Notes that a range has come. Returns the ranges that are discarded for it; their disk space may be freed.
    ///
    /// # Errors
    /// There are more gaps than losses explain.
    pub(crate) fn put(&mut self, range: Range<u64>) -> Result<Vec<Range<u64>>, TooManyGaps> {
        self.fresh.insert_range(range.clone());
        self.arrived.insert_range(range);
        if self.arrived.pieces().max(self.fresh.pieces()) > GAP_LIMIT {
            return Err(TooManyGaps);
        }
        Ok(self.make_room())
    }

    fn make_room(&mut self) -> Vec<Range<u64>> {
        let mut given_up = Vec::new();
        while self.arrived.covered() > self.room
            && let Some(range) = self.farthest()
        {
            self.arrived.remove_range(range.clone());
            // The server sends it again if it is wanted again.
            self.skipped.remove_range(range.clone());
            self.forgotten.push(range.clone());
            given_up.push(range);
        }
        given_up
    }

    /// Live: the gap at `offset` that may be given up: the server has sent something shortly after it since the last jump.
    pub(crate) fn gap(&self, offset: u64) -> Option<Range<u64>> {
        let end = self.arrived.next_start(offset).filter(|_| !self.arrived.contains(offset))?;
        // What comes farther away was in flight before the jump.
        self.fresh.next_start(offset).filter(|&later| later - offset <= NEAR)?;
        Some(offset..end)
    }

    /// Live: gives up a gap and what follows it up to `end`; that counts as arrived. False, and nothing is given up, if the
    /// gap is another by now or nothing is there at `end`.
    pub(crate) fn skip(&mut self, gap: &Range<u64>, end: u64) -> bool {
        let goes_on = if end == self.size {
            self.missing_in(&(gap.end..end)).is_empty()
        } else {
            self.arrived.contains(end)
        };
        let skips = goes_on && self.gap(gap.start).as_ref() == Some(gap);
        if skips {
            self.count_as_read(gap.start..end);
        }
        skips
    }

    fn count_as_read(&mut self, range: Range<u64>) {
        self.left_out += range.end - range.start;
        self.fresh.insert_range(range.clone());
        self.skipped.insert_range(range.clone());
        self.arrived.insert_range(range);
    }

    pub(crate) const fn room(&self) -> u64 {
        self.room
    }

    /// The missing parts of a range.
    pub(crate) fn missing_in(&self, range: &Range<u64>) -> Vec<Range<u64>> {
        let mut missing = Vec::new();
        let mut start = self.arrived.first_gap(range.start);
        while start < range.end {
            let end = self.arrived.next_start(start).map_or(range.end, |next| next.min(range.end));
            missing.push(start..end);
            start = self.arrived.first_gap(end);
        }
        missing
    }

    /// Live: the server has skipped these ranges, so they count as arrived. Returns the discarded ranges, as
    /// [`Plan::put`].
    ///
    /// # Errors
    /// As [`Plan::put`].
    pub(crate) fn leave_out(&mut self, ranges: &[Range<u64>]) -> Result<Vec<Range<u64>>, TooManyGaps> {
        ranges.iter().for_each(|range| self.count_as_read(range.clone()));
        if self.arrived.pieces() > GAP_LIMIT { Err(TooManyGaps) } else { Ok(self.make_room()) }
    }

    /// Live: bytes that were left out so far.
    pub(crate) const fn skipped(&self) -> u64 {
        self.left_out
    }

    /// True if some byte of the range was left out before: it comes too late.
    pub(crate) fn is_late(&self, range: &Range<u64>) -> bool {
        self.skipped.contains_any(range)
    }

    /// Messages for the server; empty if there is nothing new.
    pub(crate) fn messages(&mut self) -> Vec<Message> {
        let forgotten =
            self.forgotten.drain(..).map(|range| Message::Forgot { start: range.start, end: range.end });
        let mut messages: Vec<Message> = forgotten.collect();
        if std::mem::take(&mut self.changed) {
            messages.push(Message::Want { offset: self.asked.start, until: self.asked.end });
        }
        messages
    }

    fn ask(&mut self, offset: u64) {
        self.asked = offset..self.reach(offset);
        self.fresh = RangeSet::new();
        self.jumps += 1;
        self.changed = true;
    }

    /// End of the range that a reader at `offset` wants.
    fn reach(&self, offset: u64) -> u64 {
        if self.keeps { u64::MAX } else { offset.saturating_add(self.ahead_room()).min(self.size) }
    }

    fn ahead_room(&self) -> u64 {
        if self.room >= self.size { self.size } else { (self.room / AHEAD.1 * AHEAD.0).max(1) }
    }

    /// The range that is needed last: the first bytes behind the reader, else the last bytes ahead of it.
    fn farthest(&self) -> Option<Range<u64>> {
        // Several at once: each range costs a system call and a message to the server.
        let over = (self.arrived.covered() - self.room).max(self.room / STEP);
        let first = self.arrived.iter().next()?;
        if first.start < self.playhead {
            return Some(first.start..first.end.min(self.playhead).min(first.start + over));
        }
        let last = self.arrived.iter().next_back().filter(|last| last.end > self.asked.start)?;
        Some(last.start.max(last.end.saturating_sub(over))..last.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn what_a_reader_misses_is_asked_for_first_but_not_what_is_about_to_come() {
        let mut plan = Plan::new(100 * MIB, u64::MAX, false, &RangeSet::new());
        assert_eq!(plan.messages(), [Message::Want { offset: 0, until: 100 * MIB }]);
        assert_eq!((plan.readable(0), plan.messages()), (None, vec![]), "it comes anyway");
        plan.put(0..MIB).unwrap();
        assert_eq!(plan.readable(0), Some(MIB));
        assert_eq!((plan.readable(MIB + 1000), plan.messages()), (None, vec![]), "it is near");
        assert_eq!(plan.readable(90 * MIB), None);
        assert_eq!(plan.messages(), [Message::Want { offset: 90 * MIB, until: 100 * MIB }]);
        assert_eq!(plan.readable(MIB), None);
        assert_eq!(plan.messages(), [Message::Want { offset: MIB, until: 100 * MIB }], "and back again");
    }

    #[test]
    fn the_window_moves_with_the_reader_and_the_room_is_never_exceeded() {
        let (size, room) = (1000 * MIB, 16 * MIB);
        let mut plan = Plan::new(size, room, false, &RangeSet::new());
        let mut until = 12 * MIB;
        assert_eq!(plan.messages(), [Message::Want { offset: 0, until }]);
        let (mut at, mut forgot) = (0, 0);
        while at < 200 * MIB {
            assert!(at < until, "the reader starves at {at}");
            plan.put(at..at + MIB).unwrap();
            plan.read(&(at..at + MIB));
            at += MIB;
            assert!(plan.covered() <= room);
            for message in plan.messages() {
                match message {
                    Message::Want { until: more, .. } => until = more,
                    Message::Forgot { start, end } => forgot += end - start,
                    _ => unreachable!(),
                }
            }
        }
        assert!((200 * MIB - room..=200 * MIB - room + room / STEP).contains(&forgot), "{forgot}");
        assert_eq!(plan.readable(0), None, "it was given up");
        assert_eq!(plan.messages(), [Message::Want { offset: 0, until: 12 * MIB }]);
    }

    #[test]
    fn who_keeps_the_file_wants_all_of_it() {
        let mut plan = Plan::new(10 * MIB, u64::MAX, true, &RangeSet::new());
        assert_eq!(plan.messages(), []);
        assert_eq!(plan.readable(9 * MIB), None);
        assert_eq!(plan.messages(), [Message::Want { offset: 9 * MIB, until: u64::MAX }]);
    }

    #[test]
    fn row_74_live_leaves_out_what_is_late_and_knows_it_when_it_comes() {
        let mut plan = Plan::new(10 * MIB, u64::MAX, false, &RangeSet::new());
        assert_eq!(plan.gap(0), None, "nothing is behind the gap: the network stands still");
        plan.put(5000..9000).unwrap();
        assert_eq!(plan.gap(1000), Some(1000..5000));
        assert!(plan.skip(&(1000..5000), 5000));
        assert_eq!(plan.readable(1000), Some(9000));
        assert!(plan.is_late(&(2000..2500)) && !plan.is_late(&(0..1000)));
    }

    #[test]
    fn row_76_live_a_jump_back_waits_for_what_was_never_sent() {
        let mut plan = Plan::new(10 * MIB, u64::MAX, false, &RangeSet::new());
        assert_eq!(plan.readable(5 * MIB), None);
        plan.put(5 * MIB..6 * MIB).unwrap();
        assert_eq!(plan.readable(0), None);
        plan.put(6 * MIB..7 * MIB).unwrap();
        assert_eq!(plan.gap(0), None, "that was under way before");
        plan.put(3000..4000).unwrap();
        assert_eq!(plan.gap(0), Some(0..3000), "the server has gone on, and this was lost");
        assert!(!plan.skip(&(0..3000), 4500), "a decoder cannot go on there yet");
        assert_eq!((plan.readable(0), plan.skipped()), (None, 0));
        plan.put(4500..5000).unwrap();
        assert!(plan.skip(&(0..3000), 4500));
        assert_eq!((plan.readable(0), plan.skipped()), (Some(5000), 4500));
        assert!(!plan.skip(&(0..3000), 4500), "it is one no more");
    }

    #[test]
    fn row_77_what_the_server_leaves_out_is_not_waited_for_and_what_came_of_it_stays() {
        let mut plan = Plan::new(10 * MIB, u64::MAX, false, &RangeSet::new());
        plan.put(0..2000).unwrap();
        plan.put(5000..6000).unwrap();
        let missing = plan.missing_in(&(1000..9000));
        assert_eq!(missing, [2000..5000, 6000..9000]);
        plan.leave_out(&missing).unwrap();
        assert_eq!((plan.readable(1000), plan.skipped()), (Some(9000), 6000));
        assert!(plan.is_late(&(3000..4000)) && !plan.is_late(&(5000..6000)));

        // What is left out takes no more space than what came, and is sent if it is wanted after all.
        let mut plan = Plan::new(100 * MIB, 4 * MIB, false, &RangeSet::new());
        let missing = plan.missing_in(&(0..50 * MIB));
        let given_up = plan.leave_out(&missing).unwrap();
        assert!(plan.covered() <= 4 * MIB && given_up.iter().all(|range| !plan.is_late(range)));
    }

    #[test]
    fn gaps_are_bounded() {
        let mut plan = Plan::new(u64::MAX / 2, u64::MAX, true, &RangeSet::new());
        assert!((0..GAP_LIMIT as u64).all(|n| plan.put(2 * n..2 * n + 1).is_ok()));
        assert_eq!(plan.put(1 << 40..(1 << 40) + 1), Err(TooManyGaps));
    }
}
