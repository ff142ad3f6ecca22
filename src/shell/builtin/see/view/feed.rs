//! The stream of one page: what has changed, a few times a second.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value as Json;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::packets;
use super::request::Wanted;
use super::source::Source;
use super::table::sessions;
use crate::base::Time;
use crate::record::Filter;
use crate::session::{Handle, Session};

/// How often the sessions are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Looks between two looks at the packets, which cost more.
const PACKETS_EVERY: u32 = 2;
/// Looks without a change after which an empty comment tells whether the page is still there.
const QUIET_LOOKS: u32 = 40;
/// A page that takes nothing for this long is given up.
const SLOW: Duration = Duration::from_secs(20);

/// What one page has been sent.
pub(super) struct Feed {
    source: Source,
    session: Option<u64>,
    filter: Option<Arc<Result<Filter, String>>>,
    /// When the record began, as it was at first: times in the page do not move when old events go.
    began: Option<Time>,
    /// Number of events of all sessions at the last look.
    seen: Option<u64>,
    /// The last message of each kind.
    sent: [String; 3],
}

impl Feed {
    pub(super) fn new(source: Source, wanted: &Wanted) -> Self {
        let filter = Some(wanted.filter.trim()).filter(|filter| !filter.is_empty());
        let filter = filter.map(|filter| Arc::new(Filter::read(filter)));
        let session = wanted.session;
        Self { source, session, filter, began: None, seen: None, sent: Default::default() }
    }

    /// Feeds the page until it is closed.
    pub(super) async fn run(mut self, handle: &Handle, queue: mpsc::Sender<Bytes>) {
        let mut tick = interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut looks, mut quiet) = (0_u32, 0);
        loop {
            tokio::select! {
                () = queue.closed() => return,
                _ = tick.tick() => {}
            }
            let mut messages = self.fresh(0, "sessions", &sessions(&self.source));
            if looks.is_multiple_of(PACKETS_EVERY) {
                messages.push_str(&self.packets(handle).await);
            }
            looks = looks.wrapping_add(1);
            quiet = if messages.is_empty() { quiet + 1 } else { 0 };
            if quiet == QUIET_LOOKS {
                (messages, quiet) = (":\n\n".to_owned(), 0);
            }
            if !messages.is_empty() && !matches!(timeout(SLOW, queue.send(messages.into())).await, Ok(Ok(())))
            {
                return;
            }
        }
    }

    /// The message, if it says something new.
    fn fresh(&mut self, place: usize, name: &str, json: &Json) -> String {
        let text = json.to_string();
        if self.sent[place] == text {
            return String::new();
        }
        // JSON is written on one line, as an event needs it.
        let message = format!("event: {name}\ndata: {text}\n\n");
        self.sent[place] = text;
        message
    }

    /// The record and the diagram, if any session has seen a packet since.
    async fn packets(&mut self, handle: &Handle) -> String {
        let Some(session) = self.session.and_then(|id| self.source.registry.by_id(id)) else {
            return String::new();
        };
        let seen = self.source.registry.all().iter().map(|session| session.packet_count()).sum();
        if self.seen == Some(seen) {
            return String::new();
        }
        self.seen = Some(seen);
        self.began = self.began.or_else(|| session.first_packet());
        let (source, filter, began) =
            (self.source.clone(), self.filter.clone(), self.began.unwrap_or(Time::ZERO));
        let draw = move || both(&source, &session, filter.as_deref(), began);
        let Ok([record, diagram]) = handle.block(draw).await else { return String::new() };
        self.fresh(1, "record", &record) + &self.fresh(2, "diagram", &diagram)
    }
}

fn both(
    source: &Source,
    session: &Session,
    filter: Option<&Result<Filter, String>>,
    began: Time,
) -> [Json; 2] {
    [packets::record(session, filter, began), packets::diagram(source, session)]
}
