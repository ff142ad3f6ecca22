//! Searches a bounded part of a file for a pattern.

use super::ReadAt;

/// Maximum bytes searched.
const WINDOW: u64 = 8 << 20;
/// Bytes read at once.
const BLOCK: usize = 64 << 10;

/// A pattern to search for.
pub(super) struct Pattern {
    /// Number of bytes that `is_at` needs.
    pub(super) length: usize,
    /// True if the pattern is at the beginning of these bytes.
    pub(super) is_at: fn(&[u8]) -> bool,
}

/// Offset of the first match at or after `from`.
pub(super) fn first(file: &impl ReadAt, from: u64, pattern: &Pattern) -> Option<u64> {
    (from..from.saturating_add(WINDOW).min(file.size()))
        .step_by(BLOCK)
        .find_map(|start| within(file, start, pattern).into_iter().next())
}

/// Offset of the last match in the file.
pub(super) fn last(file: &impl ReadAt, pattern: &Pattern) -> Option<u64> {
    last_before(file, file.size(), pattern)
}

/// Offset of the last match that begins before `end`.
pub(super) fn last_before(file: &impl ReadAt, end: u64, pattern: &Pattern) -> Option<u64> {
    let starts = (1..=WINDOW / BLOCK as u64).map(|n| end.saturating_sub(n * BLOCK as u64));
    let mut starts = starts.take_while(|&start| start > 0).chain([0]);
    starts.find_map(|start| within(file, start, pattern).into_iter().rfind(|&place| place < end))
}

/// Offsets of all matches that begin within one block.
fn within(file: &impl ReadAt, start: u64, pattern: &Pattern) -> Vec<u64> {
    let bytes = file.bytes(start, BLOCK + pattern.length - 1);
    let windows = bytes.windows(pattern.length).enumerate();
    windows.filter(|(_, window)| (pattern.is_at)(window)).map(|(at, _)| start + at as u64).collect()
}
