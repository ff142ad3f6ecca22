//! Clients that say nothing: people who only listen, as with `nc`, and connections that a browser keeps in reserve. All of
//! them hear the room. Nobody is told of one before it speaks; and if its first words are a request of HTTP, it gets its
//! answer, unless it has heard something before: then the connection is closed, and a browser asks again on another.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::text_client::{self, NAME};
use super::visit::{SEND_BUFFER, Visit};
use crate::net::accept::Spoken;
use crate::net::accept::permits::SilentPermit;
use crate::net::accept::silent::SilentClient;
use crate::report::Failure;
use crate::service::chat::errors;
use crate::service::chat::room::Admitted;
use crate::service::chat::web::{self, Guests};
use crate::service::contract::errors::dialect_unknown;
use crate::wire::dialect::Opening;

/// A browser closes a connection that it keeps in reserve before this time: one that comes from where browsers come from
/// is told its name only after it, or with the first words that it hears.
const RESERVE_LIMIT: Duration = Duration::from_secs(12);

/// How a client ended to be silent.
enum End {
    Speaks(Opening),
    Left,
    /// The server stops.
    Stopped,
    /// Another client needs the place.
    PlaceNeeded,
}

/// Serves a client that has said nothing yet, until it leaves.
pub(super) async fn attend(
    visit: Visit<'_>,
    guests: &Arc<Guests>,
    mut client: SilentClient,
) -> Result<(), Failure> {
    let place = match client.door().listen() {
        Ok(place) => place,
        Err(full) => return Err(client.refuse(full).await),
    };
    client.bound_buffer(SEND_BUFFER);
    let mut admitted = visit.room.enter_silently(NAME);
    let patience = if guests.browse_from(client.peer().ip()) { RESERVE_LIMIT } else { Duration::ZERO };
    let end = listen(&visit, &mut client, &mut admitted, &place, patience).await;
    if let Ok(End::Speaks(Opening::Text)) = end {
        return speak(visit, client, admitted, place).await;
    }
    visit.room.leave(&admitted.name, admitted.token, "left");
    match end? {
        End::Speaks(opening) => {
            drop(place);
            meet(visit, guests, client, opening).await
        }
        End::Left => Ok(()),
        End::Stopped => {
            client.write(b"* host ended the conversation\n").await?;
            client.close().await;
            Ok(())
        }
        End::PlaceNeeded => Err(client.refuse(errors::place_needed()).await),
    }
}

/// Passes on what is said, until the client speaks or leaves. `patience`: until it is told its name.
async fn listen(
    visit: &Visit<'_>,
    client: &mut SilentClient,
    admitted: &mut Admitted,
    place: &SilentPermit,
    patience: Duration,
) -> Result<End, Failure> {
    let greeting_due = Instant::now() + patience;
    let Admitted { name, token, queue, .. } = admitted;
    let greeting = text_client::greeting(visit.room, name) + "\n";
    loop {
        tokio::select! {
            () = visit.session.cancelled() => return Ok(End::Stopped),
            () = place.is_given_away() => return Ok(End::PlaceNeeded),
            opening = client.speaks() => return Ok(opening.map_or(End::Left, End::Speaks)),
            () = tokio::time::sleep_until(greeting_due), if !client.has_heard() => {
                client.write(greeting.as_bytes()).await?;
            }
            queued = queue.next() => {
                let batch = queue.batch(queued?);
                let mut lines = if client.has_heard() { String::new() } else { greeting.clone() };
                for queued in &batch {
                    if let Some(line) = text_client::text(visit.room, (name, *token), &queued.message) {
                        lines += &line;
                        lines.push('\n');
                    }
                }
                queue.in_time(client.write(lines.as_bytes())).await?;
                visit.session.pace(lines.len() as u64);
            }
        }
    }
}

/// The client has begun to speak in lines of text: from now on it is a member like others.
async fn speak(
    visit: Visit<'_>,
    client: SilentClient,
    admitted: Admitted,
    place: SilentPermit,
) -> Result<(), Failure> {
    let is_greeted = client.has_heard();
    let met = match place.keep() {
        Some(place) => client.meet(Opening::Text, Some(place)).await,
        // It was given away at this moment.
        None => Err(client.refuse(errors::place_needed()).await),
    };
    match met {
        Ok((Spoken::Messages(mut connection), _place)) => {
            visit.session.measure(&mut connection);
            visit.room.appear(&admitted.name, admitted.token);
            visit.begins(&admitted);
            visit.stay(*connection, admitted, is_greeted).await
        }
        Ok((Spoken::Foreign(dialect, _), _)) => {
            visit.room.leave(&admitted.name, admitted.token, "left");
            Err(dialect_unknown(dialect))
        }
        Err(failure) => {
            visit.room.leave(&admitted.name, admitted.token, "left");
            Err(failure)
        }
    }
}

/// The client speaks another protocol after all.
async fn meet(
    visit: Visit<'_>,
    guests: &Arc<Guests>,
    client: SilentClient,
    opening: Opening,
) -> Result<(), Failure> {
    if opening == Opening::Http && client.has_heard() {
        client.close().await;
        return Ok(());
    }
    match client.meet(opening, None).await? {
        (Spoken::Messages(mut connection), _place) => {
            visit.session.measure(&mut connection);
            visit.converse(*connection).await
        }
        (Spoken::Foreign(_, stream), _place) => web::serve(visit, guests, stream).await,
    }
}
