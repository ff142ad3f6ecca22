//! Clients that say nothing: people who only listen, as with `nc`, and connections that a browser keeps in reserve. All of
//! them hear the room. Nobody is told of one before it speaks; and if its first words are a request of HTTP, it gets its
//! answer, unless it has heard something before: then the connection is closed, and a browser asks again on another.

use std::sync::Arc;

use tokio::time::Instant;

use super::outbox::Queued;
use super::text_client::{self, NAME};
use super::visit::{SEND_BUFFER, Visit};
use crate::net::accept::Spoken;
use crate::net::accept::silent::SilentClient;
use crate::net::connection::permits::SilentPermit;
use crate::report::Failure;
use crate::service::chat::errors;
use crate::service::chat::room::Admitted;
use crate::service::chat::web::{self, Guests};
use crate::service::contract::errors::dialect_unknown;
use crate::wire::dialect::Opening;

/// Bytes that are kept for a client that may be a browser's reserve; with more it is sent all of them.
const KEPT_LIMIT: usize = 64 << 10;

/// How a client ended to be silent.
enum End {
    Speaks(Opening),
    Left,
    /// The server stops.
    Stopped,
    /// Another client needs the place.
    PlaceNeeded,
}

/// A client that has said nothing yet.
struct Listener<'a> {
    visit: Visit<'a>,
    client: SilentClient,
    place: SilentPermit,
    admitted: Admitted,
    /// What was said and is not passed on yet.
    kept: Vec<Queued>,
}

/// Serves a client that has said nothing yet, until it leaves.
pub(super) async fn attend(
    visit: Visit<'_>,
    guests: &Arc<Guests>,
    client: SilentClient,
) -> Result<(), Failure> {
    let place = match client.door().listen() {
        Ok(place) => place,
        Err(full) => return Err(client.refuse(full).await),
    };
    client.bound_buffer(SEND_BUFFER);
    let reserve = client.reserve();
    let admitted = visit.room.enter_silently(NAME);
    let mut listener = Listener { visit, client, place, admitted, kept: Vec::new() };
    let mut end = listener.listen(Instant::now() + reserve).await;
    if let Ok(End::Speaks(Opening::Text)) = end {
        match listener.pass_on().await {
            Ok(()) => return listener.speak().await,
            Err(failure) => end = Err(failure),
        }
    }
    let Listener { mut client, place, admitted, .. } = listener;
    visit.room.leave(&admitted.name, admitted.token, "left");
    drop(place);
    match end? {
        End::Speaks(opening) => meet(visit, guests, client, opening).await,
        End::Left => Ok(()),
        End::Stopped => {
            client.write(b"* host ended the conversation\n").await?;
            client.close().await;
            Ok(())
        }
        End::PlaceNeeded => Err(client.refuse(errors::place_needed()).await),
    }
}

impl Listener<'_> {
    /// Passes on what is said, until the client speaks or leaves; before `greeting_due` it is sent nothing.
    async fn listen(&mut self, greeting_due: Instant) -> Result<End, Failure> {
        loop {
            let is_greeted = self.client.has_heard();
            tokio::select! {
                () = self.visit.session.cancelled() => return Ok(End::Stopped),
                () = self.place.is_given_away() => return Ok(End::PlaceNeeded),
                opening = self.client.speaks() => return Ok(opening.map_or(End::Left, End::Speaks)),
                () = tokio::time::sleep_until(greeting_due), if !is_greeted => {}
                queued = self.admitted.queue.next() => {
                    self.kept.extend(self.admitted.queue.batch(queued?));
                    let bytes: usize = self.kept.iter().map(|queued| text_client::size(&queued.message)).sum();
                    if !is_greeted && bytes < KEPT_LIMIT {
                        continue;
                    }
                }
            }
            self.pass_on().await?;
        }
    }

    /// Sends what is kept, and before it the name, if the client does not know it yet.
    async fn pass_on(&mut self) -> Result<(), Failure> {
        let Admitted { name, token, queue, .. } = &self.admitted;
        let room = self.visit.room;
        let mut lines = String::new();
        if !self.client.has_heard() {
            lines = text_client::greeting(room, name) + "\n";
        }
        for queued in self.kept.drain(..) {
            if let Some(line) = text_client::text(room, (name, *token), &queued.message) {
                lines += &line;
                lines.push('\n');
            }
        }
        self.visit.session.pace(lines.len() as u64);
        queue.in_time(self.client.write(lines.as_bytes())).await
    }

    /// The client has begun to speak in lines of text: from now on it is a member like others.
    async fn speak(self) -> Result<(), Failure> {
        let Self { visit, client, place, admitted, .. } = self;
        let met = match place.keep() {
            Some(place) => client.meet(Opening::Text, Some(place)).await,
            // It was given away at this moment.
            None => Err(client.refuse(errors::place_needed()).await),
        };
        let failure = match met {
            Ok((Spoken::Messages(mut connection), _place)) => {
                visit.session.measure(&mut connection);
                visit.room.appear(&admitted.name, admitted.token);
                visit.begins(&admitted);
                return visit.stay(*connection, admitted, true).await;
            }
            Ok((Spoken::Foreign(dialect, _), _)) => dialect_unknown(dialect),
            Err(failure) => failure,
        };
        visit.room.leave(&admitted.name, admitted.token, "left");
        Err(failure)
    }
}

/// The client speaks another protocol after all.
async fn meet(
    visit: Visit<'_>,
    guests: &Arc<Guests>,
    client: SilentClient,
    opening: Opening,
) -> Result<(), Failure> {
    match client.meet(opening, None).await? {
        (Spoken::Messages(mut connection), _place) => {
            visit.session.measure(&mut connection);
            visit.converse(*connection).await
        }
        (Spoken::Foreign(_, mut stream), _place) => {
            visit.session.measure_foreign(&mut stream);
            web::serve(visit, guests, *stream).await
        }
    }
}
