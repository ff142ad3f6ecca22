//! The services that `listen` can start: one row for each.

use super::contract::Provider;
use super::{calc, chat, ftp, stream};

/// All services.
pub static PROVIDERS: &[&Provider] = &[&ftp::PROVIDER, &calc::PROVIDER, &chat::PROVIDER, &stream::PROVIDER];
