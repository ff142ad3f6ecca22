//! The services and their rows in the catalogue. Adding one touches its own folder, one `mod` line and one row
//! in [`PROVIDERS`] or [`CLIENTS`].
//!
//! | file | holds |
//! |---|---|
//! | `contract` | what a service gives to the shell, and what it gets |
//! | `listen` | the verb `listen`: binds, accepts, and gives each client a task |
//! | `link` | the verb `link`: a bad network in front of a server |
//! | `files` | what file services share |
//! | `ftp`, `calc`, `chat`, `stream`, `echo` | the services |
//! | `conversation` | what every server does with a client |
//! | `idle` | connections that wait for the next question |
//! | `fuzz_entry` | parsers of untrusted bytes, for the fuzzer |

use crate::wire::ServiceId;

pub mod calc;
pub mod chat;
mod contract;
mod conversation;
pub mod echo;
pub mod files;
pub mod ftp;
#[doc(hidden)]
pub mod fuzz_entry;
pub mod idle;
pub mod link;
pub mod listen;
pub mod stream;

pub use contract::{Answers, Client, Context, Job, Kept, Make, Provider, Run, Server, StandardStreams};
pub(crate) use contract::{connect, connect_with, no_server};

/// All services that `listen` can start.
pub static PROVIDERS: &[&Provider] =
    &[&ftp::PROVIDER, &calc::PROVIDER, &chat::PROVIDER, &stream::PROVIDER, &echo::PROVIDER];

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
];
