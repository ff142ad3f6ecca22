//! The session that the user is attached to: one that accepts lines, or one that is only watched.

use std::sync::Arc;

use crate::base::escape::escape_line;
use crate::report::Report;
use crate::session::{Session, Speech};
use crate::shell::Shell;
use crate::wire::Code;

/// Past events that are shown when a session is entered.
const EVENTS_BEFORE: usize = 5;

fn say(shell: &Shell, text: String) {
    shell.emit(Report::Notice(text));
}

/// Shows what can be done in the session; for one that is only watched, its last events too.
pub(super) fn enter(shell: &Shell, session: &Session) {
    let label = session.label();
    if session.listens() {
        return say(
            shell,
            format!("attached to {label}: typed lines are sent, Ctrl-D detaches, Ctrl-C ends it"),
        );
    }
    session.watch(true);
    let (entries, _) = session.log(EVENTS_BEFORE);
    for entry in entries {
        say(shell, format!("[{label}] {}", escape_line(&entry.text)));
    }
    let kind = escape_line(&session.kind);
    say(shell, format!("watching {label} ({kind}): its events are shown, Ctrl-D detaches"));
}

/// The session ended while the user was attached.
pub(super) fn gone(shell: &Shell, session: &Session) {
    say(shell, format!("{} has ended", session.label()));
}

/// Detaches; the session keeps running.
pub(super) fn leave(shell: &Shell, session: &Session) {
    session.watch(false);
    let label = session.label();
    say(shell, format!("detached from {label}, which keeps running; to return: attach {label}"));
}

/// Shows what passes in hexadecimal, or as text again.
pub(super) fn toggle_hexadecimal(shell: &Shell, session: &Session) {
    if session.speech() != Some(Speech::Bytes) {
        return say(shell, format!("{} is no raw session: what passes is text", session.label()));
    }
    let form = if session.toggle_hexadecimal() { "in hexadecimal" } else { "as text" };
    say(shell, format!("what passes is shown {form}; Ctrl-X changes it"));
}

/// Ctrl-C: ends a session that accepts lines; one that is only watched keeps running.
pub(super) async fn interrupted(shell: &mut Shell, session: &Session) {
    if session.listens() { end(shell, session).await } else { leave(shell, session) }
}

/// Stops the session, for all its clients.
async fn end(shell: &mut Shell, session: &Session) {
    // Messages that arrived before this are recorded before it.
    shell.note_messages();
    shell.note_stopped(session);
    session.cancel.cancel();
    session.ended().await;
    say(shell, format!("{} ended", session.label()));
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    Done,
    /// The same line later, or a corrected one, may be accepted.
    Refused,
    /// Ctrl-C while it waited to be sent.
    Interrupted,
}

/// Sends a line; nothing for a blank one.
pub(super) async fn speak(shell: &mut Shell, session: &Arc<Session>, line: &str) -> Spoken {
    if line.trim().is_empty() {
        return Spoken::Done;
    }
    if !session.listens() {
        say(shell, format!("{} does not accept input: Ctrl-D goes back to the prompt", session.label()));
        return Spoken::Done;
    }
    // Messages that arrived before this line are recorded before it.
    shell.note_messages();
    let said = tokio::select! {
        biased;
        // What can be sent at once was typed before the key.
        said = session.say(line.to_owned()) => said,
        () = shell.interrupt().cancelled() => return Spoken::Interrupted,
    };
    if said.is_ok() {
        shell.note_said(session, line);
    }
    let Err(failure) = said else { return Spoken::Done };
    let again = matches!(failure.code, Code::Turn | Code::Limit | Code::Policy);
    shell.emit(Report::Failure { failure, verb: Some("say".into()), place: None, session: Some(session.id) });
    if again { Spoken::Refused } else { Spoken::Done }
}
