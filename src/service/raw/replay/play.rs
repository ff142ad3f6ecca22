//! Plays one side of a recorded conversation over a raw session: says what that side said, and waits for what the other
//! one said. A server is strict, byte for byte; a client takes what it waits for wherever it comes, as `expect` does.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::dialogue::{Part, Side, Turn};
use crate::base::pattern::{Pattern, PatternSet};
use crate::report::{Contrast, Failure};
use crate::service::raw::errors;
use crate::session::{Session, Utterance};

/// How long a turn of the other side may take, if the recording does not say.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of what came that an error shows.
const SHOWN: usize = 256;

/// Plays all turns.
pub(super) async fn play(session: &Arc<Session>, side: Side, turns: &[Turn]) -> Result<(), Failure> {
    for together in turns.chunk_by(|one, next| one.by == side && next.by == side) {
        let [turn, ..] = together else { continue };
        let of_turn = |failure: Failure| failure.of(errors::turn_of(turn.line));
        if turn.by == side {
            speak(session, together).await.map_err(of_turn)?;
        } else {
            hear(session, side, turn).await.map_err(of_turn)?;
        }
    }
    let unasked = session.unheard_bytes(SHOWN).filter(|came| !came.is_empty() && side == Side::Server);
    unasked.map_or(Ok(()), |came| Err(errors::more_than_recorded(&came)))
}

/// Says what stands in several turns at once, as it was probably said: over UDP it is one datagram.
async fn speak(session: &Session, turns: &[Turn]) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    for turn in turns {
        let last = match &turn.part {
            Part::Bytes(more) => {
                bytes.extend_from_slice(more);
                continue;
            }
            Part::Like(pattern) => {
                bytes.extend(pattern.sample().ok_or_else(errors::no_sample)?);
                continue;
            }
            Part::End => Utterance::Finish,
            Part::Cut => Utterance::Reset,
        };
        flush(session, &mut bytes).await?;
        session.utter(last).await?;
    }
    flush(session, &mut bytes).await
}

async fn flush(session: &Session, bytes: &mut Vec<u8>) -> Result<(), Failure> {
    match std::mem::take(bytes) {
        bytes if bytes.is_empty() => Ok(()),
        bytes => session.utter(Utterance::Bytes(bytes.into())).await,
    }
}

/// Waits for a turn of the other side.
async fn hear(session: &Session, side: Side, turn: &Turn) -> Result<(), Failure> {
    let pattern = match &turn.part {
        Part::Bytes(bytes) if side == Side::Server => return hear_exactly(session, turn, bytes).await,
        Part::Bytes(bytes) => Some(Pattern::literal(bytes)),
        Part::Like(pattern) => Some(Ok(pattern.clone())),
        Part::End | Part::Cut => None,
    };
    let set = pattern.map(|pattern| PatternSet::new(vec![pattern?])).transpose();
    let set = set.map_err(|why| errors::pattern_refused(&why))?;
    let met = |last: bool| match &set {
        Some(set) => session.take_match(set, last).is_some(),
        None => session.peer_has_ended(),
    };
    let came = wait(session, turn, met).await;
    if came { Ok(()) } else { Err(unmet(session, turn)) }
}

/// Waits for exactly these bytes as the next ones; the first that differs is an error at once.
async fn hear_exactly(session: &Session, turn: &Turn, wanted: &[u8]) -> Result<(), Failure> {
    let alike = || {
        let came = session.unheard_bytes(wanted.len()).unwrap_or_default();
        (came.len(), wanted.starts_with(&came))
    };
    let decided = |_| matches!(alike(), (_, false)) || alike().0 == wanted.len();
    wait(session, turn, decided).await;
    if alike() != (wanted.len(), true) {
        return Err(unmet(session, turn));
    }
    session.take_bytes(wanted.len());
    Ok(())
}

/// Waits until `met` says yes, the peer has ended or it took too long. `met` is told when it is asked for the last time.
async fn wait(session: &Session, turn: &Turn, met: impl Fn(bool) -> bool) -> bool {
    let deadline = Instant::now() + turn.within.unwrap_or(PATIENCE);
    let mut changes = session.changes();
    loop {
        changes.borrow_and_update();
        let last = Instant::now() >= deadline || session.peer_has_ended();
        // A match is consumed: it is asked for once.
        let is_met = met(last);
        if is_met || last {
            return is_met;
        }
        drop(tokio::time::timeout_at(deadline, changes.changed()).await);
    }
}

fn unmet(session: &Session, turn: &Turn) -> Failure {
    let came = session.unheard_bytes(SHOWN).unwrap_or_default();
    match &turn.part {
        Part::Bytes(bytes) => {
            let wanted = String::from_utf8_lossy(bytes).into_owned();
            errors::said_otherwise(&came, bytes).contrast(Contrast::of(wanted, came))
        }
        Part::Like(pattern) => errors::not_like(pattern.written(), &came),
        Part::End | Part::Cut => errors::did_not_end(&came),
    }
}
