//! What a viewer asks for: where its readers look comes first, so far ahead as there is room, and what lies far from
//! there is given up when the room is full. Pure.

use std::ops::Range;

use crate::base::RangeSet;
use crate::wire::stream::Message;

/// A place that is missing by more than this is asked for; nearer, it is about to come.
const NEAR: u64 = 256 << 10;
/// Ranges that may be there with gaps between: jumps and lost datagrams make a few.
pub(super) const GAP_LIMIT: usize = 16 << 10;
/// Of the room, what lies ahead of the reader; the rest lies behind it.
const AHEAD: (u64, u64) = (3, 4);
/// The window moves on in steps of this part of it.
const STEP: u64 = 16;

/// The server left more gaps than anybody would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooManyGaps;

#[derive(Debug)]
pub(super) struct Plan {
    size: u64,
    /// Bytes that may be held; beyond the size there is no bound.
    room: u64,
    /// Everything is wanted in the end.
    keeps: bool,
    arrived: RangeSet,
    /// What of it came since the server was last asked to go on elsewhere.
    fresh: RangeSet,
    /// Live: left out, because it came too late.
    skipped: RangeSet,
    left_out: u64,
    /// Where the server was asked to go on, and up to where.
    asked: Range<u64>,
    /// Jumps, the beginning among them.
    jumps: u64,
    playhead: u64,
    /// Not told to the server yet.
    forgotten: Vec<Range<u64>>,
    changed: bool,
}

impl Plan {
    /// `dropped`: came before there was room for it.
    pub(super) fn new(size: u64, room: u64, keeps: bool, dropped: &RangeSet) -> Self {
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

    /// All bytes came.
    pub(super) fn is_complete(&self) -> bool {
        self.covered() == self.size && self.skipped.is_empty()
    }

    pub(super) const fn covered(&self) -> u64 {
        self.arrived.covered()
    }

    /// How often the server was asked to go on elsewhere.
    pub(super) const fn jumps(&self) -> u64 {
        self.jumps
    }

    pub(super) const fn playhead(&self) -> u64 {
        self.playhead
    }

    /// Bytes that wait behind the playhead.
    pub(super) fn ahead(&self) -> u64 {
        self.arrived.end_of(self.playhead).map_or(0, |end| end - self.playhead)
    }

    pub(super) fn has(&self, range: &Range<u64>) -> bool {
        self.arrived.contains_range(range)
    }

    /// The first byte at or behind `offset` that is not here.
    pub(super) fn missing_from(&self, offset: u64) -> u64 {
        self.arrived.first_gap(offset)
    }

    /// How far one can read from `offset`; `None`: it is missing, and was asked for.
    pub(super) fn readable(&mut self, offset: u64) -> Option<u64> {
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

    /// Something was read: the window moves with it.
    pub(super) fn read(&mut self, range: &Range<u64>) {
        self.playhead = range.end;
        let until = self.reach(range.end);
        let more = until.saturating_sub(self.asked.end);
        let is_worth_it = more > self.ahead_room() / STEP || more > 0 && until == self.size;
        if range.end >= self.asked.start && is_worth_it {
            self.asked = range.end..until;
            self.changed = true;
        }
    }

    /// Something that was asked for is not here yet.
    pub(super) fn is_waiting(&self) -> bool {
        if self.keeps {
            return self.covered() < self.size;
        }
        self.arrived.first_gap(self.asked.start) < self.asked.end.min(self.size)
    }

    /// Bytes came. What must leave for them; the bytes may be given back to the disk.
    ///
    /// # Errors
    /// More gaps than losses explain.
    pub(super) fn put(&mut self, range: Range<u64>) -> Result<Vec<Range<u64>>, TooManyGaps> {
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
            // If it is wanted again, it comes again.
            self.skipped.remove_range(range.clone());
            self.forgotten.push(range.clone());
            given_up.push(range);
        }
        given_up
    }

    /// Live: the gap at `offset`, if the server has gone on behind it since it was asked for. It counts as read.
    pub(super) fn skip(&mut self, offset: u64) -> Option<Range<u64>> {
        let end = self.arrived.next_start(offset)?;
        // Far from there, what comes was under way before.
        self.fresh.next_start(offset).filter(|&later| later - offset <= NEAR)?;
        self.count_as_read(offset..end);
        Some(offset..end)
    }

    fn count_as_read(&mut self, range: Range<u64>) {
        self.left_out += range.end - range.start;
        self.fresh.insert_range(range.clone());
        self.skipped.insert_range(range.clone());
        self.arrived.insert_range(range);
    }

    pub(super) const fn room(&self) -> u64 {
        self.room
    }

    /// What of a range is not here.
    pub(super) fn missing_in(&self, range: &Range<u64>) -> Vec<Range<u64>> {
        let mut missing = Vec::new();
        let mut start = self.arrived.first_gap(range.start);
        while start < range.end {
            let end = self.arrived.next_start(start).map_or(range.end, |next| next.min(range.end));
            missing.push(start..end);
            start = self.arrived.first_gap(end);
        }
        missing
    }

    /// Live: the server goes on behind these, which counts as read. What must leave for them, as with [`Plan::put`].
    ///
    /// # Errors
    /// As there.
    pub(super) fn leave_out(&mut self, ranges: &[Range<u64>]) -> Result<Vec<Range<u64>>, TooManyGaps> {
        ranges.iter().for_each(|range| self.count_as_read(range.clone()));
        if self.arrived.pieces() > GAP_LIMIT { Err(TooManyGaps) } else { Ok(self.make_room()) }
    }

    /// Live: bytes that were left out so far.
    pub(super) const fn skipped(&self) -> u64 {
        self.left_out
    }

    /// Bytes that were left out before: they came too late.
    pub(super) fn is_late(&self, range: &Range<u64>) -> bool {
        self.skipped.contains_any(range)
    }

    /// What the server must hear.
    pub(super) fn messages(&mut self) -> Vec<Message> {
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

    /// Up to where is wanted, from a reader at `offset`.
    fn reach(&self, offset: u64) -> u64 {
        if self.keeps { u64::MAX } else { offset.saturating_add(self.ahead_room()).min(self.size) }
    }

    fn ahead_room(&self) -> u64 {
        if self.room >= self.size { self.size } else { (self.room / AHEAD.1 * AHEAD.0).max(1) }
    }

    /// What is needed last: what lies longest behind the reader, else what lies beyond its window.
    fn farthest(&self) -> Option<Range<u64>> {
        // Some at once: each is a call of the system and a message to the server.
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
        assert_eq!(plan.skip(0), None, "nothing is behind the gap: the network stands still");
        plan.put(5000..9000).unwrap();
        assert_eq!(plan.skip(1000), Some(1000..5000));
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
        assert_eq!(plan.skip(0), None, "that was under way before");
        plan.put(3000..4000).unwrap();
        assert_eq!(plan.skip(0), Some(0..3000), "the server has gone on, and this was lost");
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

        // It takes no more room than what came, and comes if it is wanted after all.
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
