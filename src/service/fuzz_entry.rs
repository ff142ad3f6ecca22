//! Parsers of untrusted bytes that are private to their services, for the fuzzer: on any input they must end without a
//! panic, in bounded time and memory.

/// Reads the journal of an incomplete file, which another user may have planted.
pub fn journal(bytes: &[u8]) {
    super::ftp::read_journal(bytes);
}

/// Reads a media file: its container, its length, and where a decoder may start.
pub fn media(bytes: &[u8]) {
    super::stream::read_media(bytes);
}

/// Reads a line of a chat.
pub fn chat_line(line: &str) {
    super::chat::read_line(line);
}
