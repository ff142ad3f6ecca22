//! `/events`: a member, from joining to its end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::guests::{Guest, Guests};
use super::{event, token};
use crate::report::Failure;
use crate::service::chat::errors;
use crate::service::chat::room::Admitted;
use crate::service::chat::server::member::PARTING_LIMIT;
use crate::service::chat::server::outbox::{Queue, Queued};
use crate::service::chat::server::text_client::NAME;
use crate::service::chat::server::visit::{SEND_BUFFER, Visit};
use crate::service::chat::text::check_name;
use crate::service::http::Exchange;
use crate::service::http::event_stream::{self, HEARTBEAT, HEARTBEAT_INTERVAL};

/// Who comes and goes within this time is told together (faults.md row 83).
const MEMBERS_DELAY: Duration = Duration::from_millis(250);
/// A conversation for two waits this long for a page that is gone without a goodbye (faults.md row 84): a phone that
/// sleeps comes back, a page that was closed does not.
const RETURN_LIMIT: Duration = Duration::from_secs(45);

/// How such a page left.
const GONE: &str = "is gone: its page was closed or lost; the next client continues the conversation";

/// How a visit ended.
enum End {
    /// The member said goodbye.
    Quit,
    /// The page was closed, or its connection broke.
    Closed,
    /// The server stops.
    Stopped,
}

/// A member that hears the room on this connection.
struct Hearer<'a> {
    visit: Visit<'a>,
    guest: Arc<Guest>,
    queue: Queue,
    attendance: watch::Receiver<()>,
    /// What it was told last.
    name: String,
    is_its_turn: Option<bool>,
    /// When it must be told who is there.
    members_due: Option<Instant>,
}

/// Joins, and tells what happens until the visit ends.
pub(super) async fn join(
    visit: Visit<'_>,
    guests: &Arc<Guests>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Failure> {
    let (admitted, guest) = match enter(visit, guests, exchange) {
        Ok(entered) => entered,
        Err(failure) => return exchange.fail_json(&failure).await,
    };
    visit.begins(&admitted);
    let mut hearer = Hearer {
        visit,
        guest: guest.clone(),
        queue: admitted.queue,
        attendance: visit.room.attendance(),
        name: admitted.name,
        is_its_turn: None,
        members_due: None,
    };
    let result = hearer.run(exchange).await;
    guests.remove(guest.token);
    drop(guest.hand_over());
    visit.room.buckets.keep(exchange.peer().ip(), guest.flood(), std::time::Instant::now());
    let name = guest.name().clone();
    leave(visit, exchange, (&name, guest.token), result).await
}

/// Lets the client in, as itself if it has the token of a member.
fn enter(
    visit: Visit<'_>,
    guests: &Guests,
    exchange: &Exchange<'_>,
) -> Result<(Admitted, Arc<Guest>), Failure> {
    let proof = token::of(&exchange.head);
    let ghost = guests.find(proof);
    let name = match &ghost {
        Some(ghost) => ghost.name().clone(),
        None => exchange.head.target.query_value("name").unwrap_or_else(|| NAME.into()),
    };
    check_name(&name)?;
    // Its connection may be dead, which nobody has noticed yet: it keeps its place.
    let place = ghost.and_then(|ghost| ghost.hand_over());
    let place = place.map_or_else(|| exchange.take_place(), Ok)?;
    let admitted = visit.room.enter(&name, proof);
    let flood = visit.room.buckets.take(exchange.peer().ip(), std::time::Instant::now());
    let guest = guests.add(&admitted.name, admitted.token, flood, place);
    Ok((admitted, guest))
}

/// Removes the member, and tells it and the others why.
async fn leave(
    visit: Visit<'_>,
    exchange: &mut Exchange<'_>,
    (name, token): (&str, u64),
    result: Result<End, Failure>,
) -> Result<(), Failure> {
    let for_two = visit.room.rules.for_two;
    let how = match &result {
        Ok(End::Stopped) => "was told goodbye".into(),
        Ok(End::Closed) if for_two => GONE.into(),
        Ok(_) => "left".into(),
        Err(failure) => format!("is gone: {}", failure.why),
    };
    let left = visit.leaves(name, token, &how);
    let reason = match &result {
        Ok(End::Closed) => None,
        Ok(End::Stopped) => Some("host ended the conversation".into()),
        Ok(End::Quit) => Some("you left".into()),
        Err(_) if left.is_none() => Some(errors::came_back_elsewhere().to_string()),
        Err(failure) => Some(failure.to_string()),
    };
    if let Some(reason) = reason {
        let last = async {
            exchange.send_now(&event::end(&reason)).await?;
            exchange.end().await
        };
        drop(tokio::time::timeout(PARTING_LIMIT, last).await);
    }
    if visit.has_left(name, &how, left) && for_two {
        match &result {
            Ok(End::Quit) => visit.session.finish(),
            Ok(End::Closed) => end_unless_somebody_comes(visit),
            _ => {}
        }
    }
    if left.is_none() { Ok(()) } else { result.map(|_| ()) }
}

/// Ends a conversation for two, unless somebody continues it in time.
fn end_unless_somebody_comes(visit: Visit<'_>) {
    let (room, session) = (visit.room.clone(), visit.session.clone());
    let mut attendance = room.attendance();
    visit.session.spawn(async move {
        tokio::select! {
            () = session.cancelled() => {}
            _ = attendance.changed() => {}
            () = tokio::time::sleep(RETURN_LIMIT) => session.finish(),
        }
    });
}

impl Hearer<'_> {
    /// Until the visit ends.
    async fn run(&mut self, exchange: &mut Exchange<'_>) -> Result<End, Failure> {
        exchange.bound_buffer(SEND_BUFFER);
        event_stream::begin(exchange).await?;
        let first = event::welcome(self.visit.room.rules, &self.name, self.guest.token)
            + &event::members(self.visit.room)
            + &self.news();
        self.send(exchange, &first).await?;
        let mut heartbeat_due = Instant::now() + HEARTBEAT_INTERVAL;
        loop {
            let wake = self.members_due.map_or(heartbeat_due, |due| due.min(heartbeat_due));
            let text = tokio::select! {
                () = self.visit.session.cancelled() => return Ok(End::Stopped),
                () = self.guest.goodbye.cancelled() => return Ok(End::Quit),
                () = exchange.left() => return Ok(End::Closed),
                queued = self.queue.next() => self.messages(queued?),
                () = self.guest.changed.notified() => self.news(),
                _ = self.attendance.changed(), if self.members_due.is_none() => {
                    self.members_due = Some(Instant::now() + MEMBERS_DELAY);
                    continue;
                }
                () = tokio::time::sleep_until(wake) => {
                    if self.members_due.take().is_some() { event::members(self.visit.room) } else { HEARTBEAT.into() }
                }
            };
            if !text.is_empty() {
                self.send(exchange, &text).await?;
                heartbeat_due = Instant::now() + HEARTBEAT_INTERVAL;
            }
        }
    }

    /// What was said, and what that changes.
    fn messages(&mut self, first: Queued) -> String {
        let name = self.guest.name().clone();
        let (room, member) = (self.visit.room, (name.as_str(), self.guest.token));
        let batch = self.queue.batch(first);
        let said = batch.iter().filter_map(|queued| event::message(room, member, &queued.message));
        said.collect::<String>() + &self.news()
    }

    /// What has changed for the member itself: its name, and whether it may speak.
    fn news(&mut self) -> String {
        let mut text = String::new();
        let name = self.guest.name().clone();
        if name != self.name {
            text += &event::welcome(self.visit.room.rules, &name, self.guest.token);
            self.name = name;
        }
        let turn = self.visit.room.may_speak(&self.name, self.guest.token);
        if turn != self.is_its_turn {
            self.is_its_turn = turn;
            text += &turn.map(event::turn).unwrap_or_default();
        }
        text
    }

    async fn send(&self, exchange: &mut Exchange<'_>, text: &str) -> Result<(), Failure> {
        self.queue.in_time(exchange.send_now(text)).await
    }
}
