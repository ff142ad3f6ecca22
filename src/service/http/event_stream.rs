//! Server-sent events (HTML standard, section 9.2): an answer that goes on, line by line.
//!
//! ```text
//! event: NAME
//! id: ID              what a browser that comes back says in `Last-Event-ID`
//! data: JSON
//!                     an empty line ends the event; `:` begins a comment, which keeps the connection alive
//! ```

use std::time::Duration;

use serde_json::Value;

use super::exchange::Exchange;
use super::page;
use crate::report::Failure;
use crate::wire::http::{ResponseHead, Status};

/// The media type.
pub(crate) const EVENTS: &str = "text/event-stream";
/// A comment at least this often: whoever hears nothing for three times as long knows that the connection is dead.
pub(crate) const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(15);
/// The comment.
pub(crate) const HEARTBEAT: &str = ":\n\n";

/// Begins the answer.
pub(crate) async fn begin(exchange: &mut Exchange<'_>) -> Result<(), Failure> {
    let head = page::guarded(ResponseHead::new(Status::OK))
        .with("Content-Type", EVENTS)
        .with("Cache-Control", "no-store");
    exchange.begin(head.chunked()).await
}

/// One event. JSON has no line breaks, so it is one line of data.
pub(crate) fn event(name: &'static str, id: Option<&str>, data: &Value) -> String {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    format!("event: {name}\n{id}data: {data}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_an_event_early() {
        let data = serde_json::json!({ "text": "a\n\nevent: leave\r\ndata: {}\u{2028}" });
        let event = event("message", Some("7"), &data);
        assert!(event.starts_with("event: message\nid: 7\ndata: {") && event.ends_with("}\n\n"));
        assert_eq!((event.matches('\n').count(), event.matches('\r').count()), (4, 0), "{event}");
    }
}
