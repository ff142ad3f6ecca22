//! What it has received.

use std::ops::Range;

use super::Session;
use crate::base::pattern::PatternSet;
use crate::session::byte_inbox::{ByteInbox, CLIENT_KEPT_LIMIT, KEPT_LIMIT, Taken};
use crate::session::conversation::Inbox;

impl Session {
    /// Keeps a received line for `says`.
    pub(in crate::session) fn hear(&self, text: &str) {
        let mut shared = self.lock();
        shared.heard.count += 1;
        shared.heard.inbox.get_or_insert_default().push(text);
    }

    /// From now on bytes are received, not lines.
    pub(in crate::session) fn expect_bytes(&self) {
        let limit = if self.parent.is_some() { CLIENT_KEPT_LIMIT } else { KEPT_LIMIT };
        self.lock().heard.bytes.get_or_insert_with(|| Box::new(ByteInbox::new(limit)));
    }

    /// Keeps received bytes for expectations.
    pub(in crate::session) fn hear_bytes(&self, bytes: &[u8]) {
        let mut shared = self.lock();
        shared.heard.count += 1;
        shared.heard.bytes.get_or_insert_default().push(bytes);
    }

    /// The peer has sent its last byte.
    pub(in crate::session) fn hear_end(&self) {
        let mut shared = self.lock();
        shared.heard.peer_ended = true;
        if let Some(bytes) = &mut shared.heard.bytes {
            bytes.end();
        }
    }

    /// True if nothing more will come: the peer has sent its last byte, or the session is over.
    pub fn peer_has_ended(&self) -> bool {
        let shared = self.lock();
        shared.heard.peer_ended || shared.state.has_ended()
    }

    /// How often something was received so far.
    pub fn heard_count(&self) -> u64 {
        self.lock().heard.count
    }

    /// Consumes what was received up to the first match: bytes of a raw session, else a line. `now`: a match that could
    /// still become longer counts as it is.
    pub fn take_match(&self, patterns: &PatternSet, now: bool) -> Option<Taken> {
        let mut shared = self.lock();
        let now = now || shared.heard.peer_ended || shared.state.has_ended();
        match &mut shared.heard.bytes {
            Some(bytes) => bytes.take(patterns, now),
            None => shared.heard.inbox.as_mut()?.consume(|line| {
                let mut alone = ByteInbox::default();
                alone.push(line.as_bytes());
                alone.end();
                alone.take(patterns, true)
            }),
        }
    }

    /// The last `most` bytes that were received and not consumed; `None`: it is no raw session.
    pub fn unheard_bytes(&self, most: usize) -> Option<Vec<u8>> {
        let shared = self.lock();
        let rest = shared.heard.bytes.as_ref()?.rest();
        Some(rest[..rest.len().min(most)].to_vec())
    }

    /// From now on, a copy of what a raw session receives is kept for a recording.
    pub fn tap(&self) {
        if let Some(bytes) = &mut self.lock().heard.bytes {
            bytes.tap();
        }
    }

    /// What a raw session received from this byte on, as far as it was copied for a recording, and where in the whole stream
    /// the last match of an expectation stands. `None`: nothing is copied.
    pub fn tapped(&self, from: usize) -> Option<(Vec<u8>, Range<u64>)> {
        let shared = self.lock();
        let bytes = shared.heard.bytes.as_ref()?;
        Some((bytes.tapped()?.get(from..).unwrap_or_default().to_vec(), bytes.matched()))
    }

    /// Consumes this number of received bytes, or as many as there are.
    pub fn take_bytes(&self, count: usize) {
        if let Some(bytes) = &mut self.lock().heard.bytes {
            bytes.skip(count);
        }
    }

    /// Received bytes that were dropped before anybody consumed them.
    pub fn forgotten_bytes(&self) -> u64 {
        self.lock().heard.bytes.as_ref().map_or(0, |bytes| bytes.forgotten())
    }

    /// Lines received since [`Self::read`]: what the user has not seen yet.
    pub fn unread(&self) -> u64 {
        self.lock().heard.inbox.as_ref().map_or(0, Inbox::unread)
    }

    /// The user has seen this session: nothing is unread.
    pub fn read(&self) {
        if let Some(inbox) = &mut self.lock().heard.inbox {
            inbox.read();
        }
    }

    /// The last `most` received lines that `says` has not consumed, newest last.
    pub fn unheard(&self, most: usize) -> Vec<String> {
        self.lock().heard.inbox.as_ref().map_or_else(Vec::new, |inbox| inbox.last(most))
    }
}
