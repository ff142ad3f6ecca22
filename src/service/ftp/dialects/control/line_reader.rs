//! The control connection: commands in, replies out. Reading is cancel-safe.

use std::collections::VecDeque;

use bytes::{Buf, BytesMut};

use super::command::{Command, parse};
use super::errors;
use super::reply::Reply;
use crate::net::accept::foreign::ForeignStream;
use crate::report::Failure;

/// Longest line, in bytes: a command with the longest path that the system opens, and as much again.
pub(crate) const LINE_LIMIT: usize = 8 << 10;
/// Commands that may wait while a transfer runs; then no more are read.
const WAITING_LIMIT: usize = 16;

/// A line as it was read.
pub(super) type Line = Result<Command, Reply>;

/// The control connection of one client.
pub(super) struct LineReader {
    pub(super) stream: ForeignStream,
    /// Lines that came while a transfer ran.
    waiting: VecDeque<Line>,
}

impl LineReader {
    pub(super) fn new(stream: ForeignStream) -> Self {
        stream.keep_urgent_inline();
        Self { stream, waiting: VecDeque::new() }
    }

    /// The next line; `None` if the client left.
    pub(super) async fn next(&mut self) -> Result<Option<Line>, Failure> {
        match self.waiting.pop_front() {
            Some(line) => Ok(Some(line)),
            None => self.read().await,
        }
    }

    /// While a transfer runs: the next ABOR or STAT; `None` if the client left. Other commands wait for their turn.
    pub(super) async fn next_urgent(&mut self) -> Result<Option<Command>, Failure> {
        loop {
            if self.waiting.len() >= WAITING_LIMIT {
                return std::future::pending().await;
            }
            match self.read().await? {
                None => return Ok(None),
                Some(Ok(command @ (Command::Abor | Command::Stat(_)))) => return Ok(Some(command)),
                Some(other) => self.waiting.push_back(other),
            }
        }
    }

    async fn read(&mut self) -> Result<Option<Line>, Failure> {
        loop {
            if let Some(line) = take_line(&mut self.stream.buffer) {
                return Ok(Some(parse(&line)));
            }
            let room = LINE_LIMIT.saturating_sub(self.stream.buffer.len());
            if room == 0 {
                return Err(errors::command_too_long(LINE_LIMIT));
            }
            if !self.stream.read_with_urgent(room).await? {
                return Ok(None);
            }
        }
    }

    /// Sends a reply.
    pub(super) async fn say(&mut self, reply: &Reply) -> Result<(), Failure> {
        self.stream.write(&reply.encode()).await
    }
}

/// The first line in the buffer, without its end: CR LF, or LF alone as people's programs send it.
pub(super) fn take_line(buffer: &mut BytesMut) -> Option<BytesMut> {
    let end = buffer.iter().position(|byte| *byte == b'\n')?;
    let mut line = buffer.split_to(end);
    buffer.advance(1);
    if line.last() == Some(&b'\r') {
        line.truncate(end - 1);
    }
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_in_cr_lf_or_lf_and_what_follows_is_kept() {
        let mut buffer = BytesMut::from(&b"USER a\r\nPASS b\n\r\nRETR a\rb\r\nQUI"[..]);
        let lines: Vec<BytesMut> = std::iter::from_fn(|| take_line(&mut buffer)).collect();
        assert_eq!(lines, [&b"USER a"[..], b"PASS b", b"", b"RETR a\rb"]);
        assert_eq!(buffer, b"QUI"[..]);
        assert_eq!(take_line(&mut BytesMut::new()), None);
    }
}
