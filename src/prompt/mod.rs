//! The prompt: a line editor on its own thread, completion, progress, attached sessions.

mod editor;
mod helper;
mod history;
mod progress;
mod remote;

pub use progress::watch as watch_progress;

use std::sync::Arc;

use editor::{Editor, Input};
use history::History;
use tokio_util::sync::CancellationToken;

use crate::language::{Action, Source};
use crate::output::{Sink, Style};
use crate::report::{Failure, Report};
use crate::session::Session;
use crate::shell::{Flow, Shell};
use crate::wire::Code;

const WELCOME: &str = "nls, the network lab shell. Try: listen tcp 0 ftp · calc 7 % 3 · help";

/// What the prompt needs beside the shell.
pub struct Setup {
    pub sink: Sink,
    pub style: Style,
    /// The token of the command in the foreground: a signal fires it.
    pub foreground: Arc<std::sync::Mutex<CancellationToken>>,
    /// Fires when the program is to end: a signal, or nobody reads.
    pub end: CancellationToken,
}

/// Reads and runs lines until the end; true if every command went well is not asked of a prompt.
pub async fn run(shell: &mut Shell, setup: &Setup) {
    let (mut history, warning) = History::open();
    if let Some(warning) = warning {
        shell.emit(Report::Notice(warning));
    }
    let known = Arc::new(helper::Known::new(shell));
    let editor = match Editor::start(&history.lines, known.clone(), setup) {
        Ok(editor) => Arc::new(editor),
        Err(failure) => {
            return shell.emit(Report::Failure { failure, verb: None, place: None, session: None });
        }
    };
    let asks = editor.clone();
    shell.ask = Some(Box::new(move |name| {
        let (editor, name) = (asks.clone(), name.to_owned());
        Box::pin(async move { editor.read_secret(&name).await })
    }));
    shell.emit(Report::Notice(WELCOME.into()));
    let mut attached: Option<Arc<Session>> = None;
    let mut asked_to_quit = false;
    // What was not sent stays on the line.
    let mut unsent = String::new();
    loop {
        setup.sink.flush();
        known.update(shell, attached.clone());
        if let Some(session) = &attached {
            session.read();
        }
        let unread = shell.registry.live().iter().map(|session| session.unread()).sum();
        let reading = editor.read(attached.is_some(), unread, std::mem::take(&mut unsent));
        let input = tokio::select! {
            () = setup.end.cancelled() => return,
            input = until_read(reading, shell, attached.as_deref()) => input,
        };
        attached = attached.inspect(|session| session.read()).filter(|session| !session.state().has_ended());
        let quits = match (input, &attached) {
            (Input::Line(line), Some(session)) => {
                if !speak(shell, setup, session, &line).await {
                    unsent = line;
                }
                false
            }
            (Input::Line(line), None) => {
                let quits = typed(shell, setup, &mut history, &line).await;
                attached = shell.attach.take();
                if let Some(session) = &attached {
                    shell.emit(Report::Notice(format!(
                        "attached to {}: type to speak, Ctrl-D leaves it, Ctrl-C ends it",
                        session.label()
                    )));
                }
                quits
            }
            (Input::Interrupted, Some(session)) => {
                session.cancel.cancel();
                session.ended().await;
                shell.emit(Report::Notice(format!("{} ended", session.label())));
                attached = None;
                continue;
            }
            (Input::Interrupted, None) => {
                shell.emit(Report::Notice(
                    "Ctrl-D or `quit` ends the shell; sessions go on until then".into(),
                ));
                continue;
            }
            (Input::End, Some(session)) => {
                shell.emit(Report::Notice(format!(
                    "left {}; it goes on: attach {}",
                    session.label(),
                    session.label()
                )));
                attached = None;
                continue;
            }
            (Input::End, None) => true,
            (Input::Broken(why), _) => {
                return shell.emit(Report::Notice(format!("the terminal is gone: {why}")));
            }
        };
        if quits && (asked_to_quit || may_quit(shell)) {
            shell.finish_recording();
            return;
        }
        asked_to_quit = quits;
    }
}

/// The next line. An attached session that ends meanwhile gives the prompt back: what is said then draws it anew.
async fn until_read(
    reading: impl Future<Output = Input>,
    shell: &Shell,
    attached: Option<&Session>,
) -> Input {
    let mut reading = std::pin::pin!(reading);
    if let Some(session) = attached {
        tokio::select! {
            biased;
            input = &mut reading => return input,
            _ = session.ended() => shell.emit(Report::Notice(format!("{} has ended", session.label()))),
        }
    }
    reading.await
}

/// Live work is not thrown away without a word.
fn may_quit(shell: &Shell) -> bool {
    // A connection that waits for the next question of this shell is no work.
    let waiting = crate::base::Value::count(shell.idle_connections());
    let idle = |session: &Session| {
        session.verb == "listen"
            && session
                .field("clients")
                .and_then(|clients| clients.compare(&waiting))
                .is_none_or(std::cmp::Ordering::is_le)
    };
    let live: Vec<String> = shell
        .registry
        .live()
        .iter()
        .filter(|session| !idle(session))
        .map(|session| format!("{} ({})", session.label(), session.kind))
        .collect();
    if !live.is_empty() {
        shell.emit(Report::Notice(format!("still alive: {}; say it again, or `quit now`", live.join(", "))));
    }
    live.is_empty()
}

/// False if the line was not sent, and a better one, or the same later, would be.
async fn speak(shell: &mut Shell, setup: &Setup, session: &Arc<Session>, line: &str) -> bool {
    renew(shell, setup);
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

/// A new command is in the foreground: signals end this one.
fn renew(shell: &mut Shell, setup: &Setup) {
    shell.interrupt = CancellationToken::new();
    *setup.foreground.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = shell.interrupt.clone();
}

/// One or several lines, as they were typed or pasted. True if the shell is to end.
async fn typed(shell: &mut Shell, setup: &Setup, history: &mut History, text: &str) -> bool {
    if text.trim().is_empty() {
        return false;
    }
    let source = Source::new("prompt", text);
    let plan = shell.plan(&source);
    let secret = plan.as_ref().is_ok_and(|plan| plan.setup.iter().any(crate::language::Step::has_secret));
    if !secret && !text.starts_with(' ') {
        for line in text.lines() {
            history.append(line);
            shell.history.push(line.into());
        }
    }
    let plan = match plan {
        Ok(plan) => plan,
        Err(errors) => {
            setup.sink.put(setup.style.render_errors(&errors));
            return false;
        }
    };
    if let Some(test) = plan.tests.first() {
        let failure = Failure::new(Code::Usage, "tests stand in files").fix("run the file: nls FILE");
        shell.emit(Report::Failure {
            failure,
            verb: Some(test.heading.name.clone()),
            place: None,
            session: None,
        });
        return false;
    }
    shell.clear_deadline();
    for step in &plan.setup {
        renew(shell, setup);
        let now = matches!(&step.action, Action::Command(invocation) if invocation.verb.name == "quit" && !invocation.arguments.is_empty());
        if let Err(failure) = shell.temporary() {
            shell.emit(Report::Failure { failure, verb: None, place: None, session: None });
        }
        match shell.step(step).await {
            Ok(Flow::Next | Flow::Skip(_)) => {}
            Ok(Flow::Quit) => {
                if now {
                    setup.end.cancel();
                }
                return true;
            }
            Err(failure) => {
                shell.emit(Report::Failure { failure, verb: None, place: None, session: None });
                return false;
            }
        }
    }
    false
}
