//! The services and their rows in the catalogue. Adding one touches its own folder, one `mod` line and one row
//! in [`PROVIDERS`] or [`CLIENTS`].
//!
//! | file | holds |
//! |---|---|
//! | `contract` | what a service gives to the shell, and what it gets |
//! | `listen` | the verb `listen`: binds, accepts, and gives each client a task |
//! | `link` | the verb `link`: a bad network in front of a server |
//! | `files` | what file services share |
//! | `ftp`, `calc`, `chat`, `stream` | the services |
//! | `http` | HTTP for every service: the conversation with one client, and what a site needs to answer |
//! | `raw` | any client and any server: `connect`, and what `listen … raw` serves |
//! | `small` | echo, discard and chargen, of RFC 862 to 864 |

use crate::wire::ServiceId;

pub mod calc;
pub mod chat;
pub mod contract;
pub mod files;
pub mod ftp;
pub mod http;
pub mod link;
pub mod listen;
pub mod raw;
pub mod small;
pub mod stream;

pub use contract::{
    Answers, ByteServer, Client, Context, ForeignClient, Job, Kept, Make, MessageService, Provider, Run,
    Server, Serves, StandardOutput, StandardStreams,
};
pub(crate) use contract::{connect, connect_with};

/// All services that `listen` can start.
pub static PROVIDERS: &[&Provider] = &[
    &ftp::PROVIDER,
    &calc::PROVIDER,
    &chat::PROVIDER,
    &stream::PROVIDER,
    &raw::PROVIDER,
    &small::echo::PROVIDER,
    &small::discard::PROVIDER,
    &small::chargen::PROVIDER,
];

/// The service of this number; `None` if there is none.
pub fn provider(id: ServiceId) -> Option<&'static Provider> {
    PROVIDERS.iter().copied().find(|provider| provider.id == id)
}

/// All verbs that talk to servers, and `listen`.
pub static CLIENTS: &[&Client] = &[
    &listen::LISTEN,
    &ftp::SEND,
    &ftp::GET,
    &files::LS,
    &calc::CALC,
    &chat::CHAT,
    &stream::STREAM,
    &link::LINK,
    &raw::CONNECT,
    &raw::replay::REPLAY,
];

/// Parsers of untrusted bytes that are private to their services, for the fuzzer: on any input they must end without a
/// panic, in bounded time and memory.
#[doc(hidden)]
pub mod fuzz_entry {
    /// Reads the journal of an incomplete file, which another user may have planted.
    pub fn journal(bytes: &[u8]) {
        crate::service::ftp::read_journal(bytes);
    }

    /// Reads what a client of FTP, TFTP or HTTP asks a file server for, and what it makes of that: from anybody who can
    /// reach the port.
    pub fn file_dialects(bytes: &[u8]) {
        crate::service::ftp::read_dialects(bytes);
    }

    /// Reads subtitles, which lie beside a film.
    pub fn subtitles(bytes: &[u8]) {
        crate::service::files::read_subtitles(bytes);
    }

    /// Reads a request to a chat over HTTP, and its body.
    pub fn chat_request(bytes: &[u8]) {
        crate::service::chat::read_request(bytes);
    }

    /// Reads a media file: its container, its length, and where a decoder may start.
    pub fn media(bytes: &[u8]) {
        crate::service::stream::read_media(bytes);
    }

    /// Reads a line of a chat.
    pub fn chat_line(line: &str) {
        crate::service::chat::read_line(line);
    }
}
