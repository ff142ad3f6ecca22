//! The services and their rows in the catalogue. Adding one touches its own folder, one `mod` line and one row
//! in [`PROVIDERS`] or [`CLIENTS`].

pub mod calc;
pub mod chat;
mod contract;
pub mod files;
#[doc(hidden)]
pub mod foreign;
pub mod ftp;
pub mod idle;
pub mod link;
pub mod listen;
pub mod listen_options;
mod providers;
pub mod stream;

pub use contract::{Answers, Client, Context, Job, Kept, Make, Provider, Run, Server, StandardStreams};
pub(crate) use contract::{connect, connect_with, no_server};
pub use providers::PROVIDERS;

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
];
