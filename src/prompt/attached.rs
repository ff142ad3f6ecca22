//! A session that the person is in: a conversation, or one that is watched.

use std::sync::Arc;

use crate::base::escape::escape_line;
use crate::report::Report;
use crate::session::Session;
use crate::shell::Shell;
use crate::wire::Code;

/// Events of a session that are shown when it is entered.
const EVENTS_BEFORE: usize = 5;

fn say(shell: &Shell, text: String) {
    shell.emit(Report::Notice(text));
}

/// What can be done in it; of one that is only watched also what happened last.
pub(super) fn enter(shell: &Shell, session: &Session) {
    let label = session.label();
    if session.listens() {
        return say(shell, format!("attached to {label}: type to speak, Ctrl-D leaves it, Ctrl-C ends it"));
    }
    session.watch(true);
    let (entries, _) = session.log(EVENTS_BEFORE);
    for entry in entries {
        say(shell, format!("[{label}] {}", escape_line(&entry.text)));
    }
    let kind = escape_line(&session.kind);
    say(shell, format!("watching {label} ({kind}): what happens is shown, Ctrl-D leaves it"));
}

/// It ended while the person was in it.
pub(super) fn gone(shell: &Shell, session: &Session) {
    say(shell, format!("{} has ended", session.label()));
}

/// It goes on.
pub(super) fn leave(shell: &Shell, session: &Session) {
    session.watch(false);
    let label = session.label();
    say(shell, format!("left {label}; it goes on: attach {label}"));
}

/// It ends, for everybody in it.
pub(super) async fn end(shell: &Shell, session: &Session) {
    session.cancel.cancel();
    session.ended().await;
    say(shell, format!("{} ended", session.label()));
}

/// False if the line was not sent, and a better one, or the same later, would be.
pub(super) async fn speak(shell: &mut Shell, session: &Arc<Session>, line: &str) -> bool {
    if !session.listens() {
        say(shell, format!("{} is no conversation: Ctrl-D goes back to the prompt", session.label()));
        return true;
    }
    // What came before the line is written before it.
    shell.note_messages();
    let said = tokio::select! {
        () = shell.interrupt.cancelled() => return true,
        said = session.say(line.to_owned()) => said,
    };
    if said.is_ok() {
        shell.note_said(session, line);
    }
    let Err(failure) = said else { return true };
    let again = matches!(failure.code, Code::Turn | Code::Limit | Code::Policy);
    shell.emit(Report::Failure { failure, verb: Some("say".into()), place: None, session: Some(session.id) });
    !again
}
