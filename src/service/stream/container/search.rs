//! Looking through a file for a pattern, a bounded part of it.

use super::ReadAt;

/// Looked through, at most.
const WINDOW: u64 = 8 << 20;
/// Read at once.
const BLOCK: usize = 64 << 10;

/// What is looked for.
pub(super) struct Pattern {
    /// Bytes that it looks at.
    pub(super) length: usize,
    pub(super) is_at: fn(&[u8]) -> bool,
}

/// The first place at or behind `from`.
pub(super) fn first(file: &impl ReadAt, from: u64, pattern: &Pattern) -> Option<u64> {
    (from..from.saturating_add(WINDOW).min(file.size()))
        .step_by(BLOCK)
        .find_map(|start| within(file, start, pattern).into_iter().next())
}

/// The last place in the file.
pub(super) fn last(file: &impl ReadAt, pattern: &Pattern) -> Option<u64> {
    let end = file.size();
    let starts = (1..=WINDOW / BLOCK as u64).map(|n| end.saturating_sub(n * BLOCK as u64));
    starts.take_while(|&start| start > 0).chain([0]).find_map(|start| within(file, start, pattern).pop())
}

/// All places that lie within one block.
fn within(file: &impl ReadAt, start: u64, pattern: &Pattern) -> Vec<u64> {
    let bytes = file.bytes(start, BLOCK + pattern.length - 1);
    let windows = bytes.windows(pattern.length).enumerate();
    windows.filter(|(_, window)| (pattern.is_at)(window)).map(|(at, _)| start + at as u64).collect()
}
