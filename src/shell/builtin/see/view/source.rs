//! Where everything on a page comes from: the sessions, and how their texts may be shown.

use std::sync::Arc;

use crate::base::{Secrets, escape};
use crate::session::Registry;

/// Most characters of a text of a session.
const TEXT_LIMIT: usize = 80;

/// Where everything on a page comes from.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) registry: Arc<Registry>,
    pub(super) secrets: Secrets,
}

impl Source {
    /// A text that may be foreign or secret, as it may be shown.
    pub(super) fn clean(&self, text: &str) -> String {
        let text = self.secrets.hidden(text);
        let safe = escape::escape_line(&text);
        let short: String = safe.chars().take(TEXT_LIMIT).collect();
        if short.len() < safe.len() { short + "…" } else { short }
    }
}
