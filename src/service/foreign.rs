//! Readers of foreign bytes that are private to their services, for the fuzzer: what any of them may be given must end
//! without a panic, in bounded time and memory.

/// The journal of a part, which another user may have planted.
pub fn journal(bytes: &[u8]) {
    super::ftp::read_journal(bytes);
}

/// A file of media: its container, its length, and where a decoder may go on.
pub fn media(bytes: &[u8]) {
    super::stream::read_media(bytes);
}

/// A line that somebody says in a conversation.
pub fn chat_line(line: &str) {
    super::chat::read_line(line);
}
