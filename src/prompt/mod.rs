//! The prompt: what a person types, and what is shown meanwhile.
//!
//! | file | holds |
//! |---|---|
//! | `editor` | rustyline on a thread of its own |
//! | `keyboard` | what is typed, as UTF-8 |
//! | `keys` | keys that end a line without being Enter |
//! | `helper` | completion, hints and the look of the line, as rustyline asks for them |
//! | `world` | what completion may know of the shell |
//! | `remote` | names at servers, asked for beside the typing |
//! | `attached` | a session that the person is in |
//! | `spare` | descriptors that the editor can wait for |
//! | `progress` | the bar of a command in the foreground |
//! | `history` | lines of before |

mod attached;
mod editor;
mod helper;
mod history;
mod keyboard;
mod keys;
mod progress;
mod remote;
mod spare;
mod world;

pub use editor::NAME as EDITOR_THREAD;
pub use progress::watch as watch_progress;

use std::collections::VecDeque;
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

const WELCOME: &str = "nls, the network lab shell. Try: listen tcp 0 calc · calc 7 % 3 · help";

/// What the prompt needs beside the shell.
pub struct Setup {
    pub sink: Sink,
    pub style: Style,
    /// The token of the command in the foreground: a signal fires it.
    pub foreground: Arc<std::sync::Mutex<CancellationToken>>,
    /// Fires when the program is to end: a signal, or nobody reads.
    pub end: CancellationToken,
}

/// Reads and runs lines until the end.
pub async fn run(shell: &mut Shell, setup: &Setup) {
    let (history, warning) = History::open();
    if let Some(warning) = warning {
        shell.emit(Report::Notice(warning));
    }
    let known = Arc::new(world::Known::new(shell));
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
    let mut prompt = Prompt { setup, history, attached: None, unsent: String::new() };
    let mut asked_to_quit = false;
    loop {
        setup.sink.flush();
        known.update(shell, prompt.attached.clone());
        renew(shell, setup);
        let input = tokio::select! {
            () = setup.end.cancelled() => return,
            input = prompt.read(shell, &editor) => input,
        };
        let quits = match prompt.take(shell, input).await {
            After::Line => false,
            After::Quit => true,
            After::End => return,
        };
        if quits && (asked_to_quit || may_quit(shell)) {
            shell.finish_recording();
            return;
        }
        asked_to_quit = quits;
    }
}

/// What comes after a line.
enum After {
    Line,
    /// Unless something is alive that should be asked about.
    Quit,
    /// The terminal is gone.
    End,
}

struct Prompt<'a> {
    setup: &'a Setup,
    history: History,
    /// The session that the person is in.
    attached: Option<Arc<Session>>,
    /// What was not sent stays on the line.
    unsent: String,
}

impl Prompt<'_> {
    /// The next line. An attached session that ends meanwhile gives the prompt back: what is said then draws it anew.
    async fn read(&mut self, shell: &Shell, editor: &Editor) -> Input {
        let unread = |session: &Arc<Session>| session.unread();
        let attached = self.attached.as_deref().inspect(|session| session.read());
        let unread = shell.registry.live().iter().map(unread).sum();
        let prompt = attached.map(world::prompt_in);
        let mut reading = std::pin::pin!(editor.read(prompt, unread, std::mem::take(&mut self.unsent)));
        if let Some(session) = attached {
            tokio::select! {
                biased;
                input = &mut reading => return input,
                _ = session.ended() => attached::gone(shell, session),
                // Ctrl-C on a terminal that has no keys of its own: what is typed next is for the shell.
                () = shell.interrupt.cancelled() => attached::end(shell, session).await,
            }
        }
        reading.await
    }

    async fn take(&mut self, shell: &mut Shell, input: Input) -> After {
        let attached = self.attached.take().inspect(|session| session.read());
        match attached.filter(|session| !session.has_ended()) {
            Some(session) => self.take_in(shell, session, input).await,
            None => self.take_line(shell, input).await,
        }
    }

    async fn take_line(&mut self, shell: &mut Shell, input: Input) -> After {
        match input {
            Input::Line(line) => {
                let quits = typed(shell, self.setup, &mut self.history, &line).await;
                self.attached = shell.attach.take().inspect(|session| attached::enter(shell, session));
                return if quits { After::Quit } else { After::Line };
            }
            Input::Interrupted(true) => {
                shell.emit(Report::Notice(
                    "Ctrl-D or `quit` ends the shell; sessions go on until then".into(),
                ));
            }
            Input::Interrupted(false) | Input::Leave => {}
            Input::End => return After::Quit,
            Input::Broken(why) => return broken(shell, &why),
        }
        After::Line
    }

    /// The same in a session, which goes on unless it is a conversation that is interrupted.
    async fn take_in(&mut self, shell: &mut Shell, session: Arc<Session>, input: Input) -> After {
        match input {
            Input::Line(line) => {
                renew(shell, self.setup);
                // What was pasted is said line by line; from the first that is not taken on it stays.
                let mut lines: VecDeque<&str> = line.split('\n').collect();
                while let Some(next) = lines.front() {
                    if !next.trim().is_empty() && !attached::speak(shell, &session, next).await {
                        break;
                    }
                    lines.pop_front();
                }
                self.unsent = lines.into_iter().collect::<Vec<_>>().join("\n");
                self.attached = Some(session);
            }
            Input::Interrupted(_) if session.listens() => attached::end(shell, &session).await,
            Input::Interrupted(_) | Input::Leave | Input::End => attached::leave(shell, &session),
            Input::Broken(why) => return broken(shell, &why),
        }
        After::Line
    }
}

fn broken(shell: &Shell, why: &str) -> After {
    shell.emit(Report::Notice(format!("the terminal is gone: {why}")));
    After::End
}

/// Live work is not thrown away without a word.
fn may_quit(shell: &Shell) -> bool {
    // A connection that waits for the next question of this shell is no work.
    let waiting = crate::base::Value::count(shell.idle_connections());
    let idle = |session: &Session| {
        session.verb == "listen"
            && session
                .field("clients")
                .and_then(|clients| clients.order(&waiting))
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
    let secret = plan.as_ref().is_ok_and(|plan| plan.setup.iter().any(crate::language::Step::has_secret))
        || shell.secrets.occur_in(text);
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
        let result = shell.step(step).await;
        if result.is_err() && matches!(step.action, Action::Shell(_)) {
            // A child that was killed leaves the terminal as it needed it.
            crate::output::restore_terminal();
        }
        match result {
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
