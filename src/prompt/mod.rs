//! The interactive prompt.
//!
//! | file | holds |
//! |---|---|
//! | `setup` | what the prompt needs in addition to the shell |
//! | `editor` | rustyline on a thread of its own |
//! | `utf8_input` | makes the typed bytes valid UTF-8 |
//! | `line_end_keys` | keys other than Enter that end a line |
//! | `helper` | completion, hints and highlighting for rustyline |
//! | `state` | the shell state that completion can read |
//! | `remote_names` | names from servers, fetched in the background |
//! | `attached` | the session that the user is attached to |
//! | `reserved_descriptors` | low descriptors kept for the editor |
//! | `progress` | the progress bar of the foreground command |
//! | `history` | the history file |
//! | `errors` | all errors of the prompt |

mod attached;
mod editor;
mod errors;
mod helper;
mod history;
mod line_end_keys;
mod progress;
mod remote_names;
mod reserved_descriptors;
mod setup;
mod state;
mod utf8_input;

pub use editor::NAME as EDITOR_THREAD;
pub use progress::watch as watch_progress;

use std::collections::VecDeque;
use std::sync::Arc;

use attached::Spoken;
use editor::{Editor, Input};
use history::History;
use state::PromptState;

use crate::language::{Action, Plan, Source, Step};
use crate::report::Report;
use crate::session::Session;
use crate::shell::{Flow, Shell};
pub use setup::Setup;

const WELCOME: &str = "nls, the network lab shell. Try: listen tcp 0 calc · calc 7 % 3 · help";

/// Reads and runs lines until the user quits or the program ends.
pub async fn run(shell: &mut Shell, setup: &Setup) {
    let (history, warning) = History::open();
    if let Some(warning) = warning {
        shell.emit(Report::Notice(warning));
    }
    let known = Arc::new(PromptState::new(shell));
    let editor = match Editor::start(&history.lines, known.clone(), setup) {
        Ok(editor) => Arc::new(editor),
        Err(failure) => {
            return shell.emit(Report::Failure { failure, verb: None, place: None, session: None });
        }
    };
    set_ask(setup, editor.clone());
    shell.emit(Report::Notice(WELCOME.into()));
    // A command that was given before the prompt may have begun a conversation.
    let mut prompt = Prompt { setup, history, attached: None, unsent: String::new() };
    prompt.attach(shell);
    let mut asked_to_quit = false;
    loop {
        setup.sink.flush();
        let input = tokio::select! {
            () = setup.end.cancelled() => break,
            input = prompt.read(shell, &editor, &known) => input,
        };
        let quits = match prompt.take(shell, input).await {
            After::Line => false,
            After::Quit => true,
            After::End => break,
        };
        if quits && (asked_to_quit || may_quit(shell)) {
            break;
        }
        asked_to_quit = quits;
    }
    // It says so if it cannot be written.
    let _is_written = shell.finish_recording();
}

/// Lets commands ask for secrets through the editor.
fn set_ask(setup: &Setup, editor: Arc<Editor>) {
    // Set once: a program has one prompt.
    let _first = setup.ask.set(Box::new(move |name| {
        let (editor, name) = (editor.clone(), name.to_owned());
        Box::pin(async move { editor.read_secret(&name).await })
    }));
}

/// What to do after an input.
enum After {
    /// Read the next line.
    Line,
    /// Quit, after a confirmation if sessions are still running.
    Quit,
    /// The terminal is gone.
    End,
}

struct Prompt<'a> {
    setup: &'a Setup,
    history: History,
    /// The session that the user is attached to.
    attached: Option<Arc<Session>>,
    /// Text that was not sent; it is put on the next line.
    unsent: String,
}

impl Prompt<'_> {
    /// Reads the next line. If the attached session ends meanwhile, a notice is shown, which also redraws the prompt as
    /// the shell's.
    async fn read(&mut self, shell: &mut Shell, editor: &Editor, known: &PromptState) -> Input {
        known.update(shell, self.attached.clone());
        if self.attached.is_none() {
            renew(shell, self.setup);
        }
        let unread = |session: &Arc<Session>| session.unread();
        let attached = self.attached.as_deref().inspect(|session| session.read());
        let unread = shell.registry().live().iter().map(unread).sum();
        let prompt = attached.map(state::prompt_in);
        let mut reading = std::pin::pin!(editor.read(prompt, unread, std::mem::take(&mut self.unsent)));
        if let Some(session) = attached {
            let interrupt = shell.interrupt().clone();
            tokio::select! {
                biased;
                input = &mut reading => return input,
                _ = session.ended() => attached::gone(shell, session),
                // Ctrl-C as a signal: it came between two lines, or the terminal has no line editing.
                () = interrupt.cancelled() => {
                    known.update(shell, None);
                    attached::interrupted(shell, session).await;
                }
            }
            editor.repeat_prompt();
            self.attached = None;
        }
        reading.await
    }

    /// Enters the session that a command asked to attach to, if one did. From here to the end of the attachment a Ctrl-C
    /// is kept until something has answered it.
    fn attach(&mut self, shell: &mut Shell) {
        self.attached = shell.take_attached();
        if let Some(session) = &self.attached {
            renew(shell, self.setup);
            attached::enter(shell, session);
        }
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
                self.attach(shell);
                return if quits { After::Quit } else { After::Line };
            }
            Input::Interrupted(true) => {
                shell.emit(Report::Notice(
                    "Ctrl-D or `quit` ends the shell; sessions keep running until then".into(),
                ));
            }
            Input::Interrupted(false) | Input::Leave | Input::Hexadecimal(_) => {}
            Input::End => return After::Quit,
            Input::Broken(why) => return broken(shell, &why),
        }
        After::Line
    }

    /// Handles an input while a session is attached. Ctrl-C ends a session that accepts lines; otherwise it keeps
    /// running.
    async fn take_in(&mut self, shell: &mut Shell, session: Arc<Session>, input: Input) -> After {
        match input {
            Input::Line(line) => {
                self.unsent = self.speak(shell, &session, &line).await;
                self.attached = Some(session);
            }
            Input::Hexadecimal(typed) => {
                attached::toggle_hexadecimal(shell, &session);
                self.unsent = typed;
                self.attached = Some(session);
            }
            Input::Interrupted(_) => attached::interrupted(shell, &session).await,
            Input::Leave | Input::End => attached::leave(shell, &session),
            Input::Broken(why) => return broken(shell, &why),
        }
        After::Line
    }

    /// Sends pasted text line by line; from the first line that is refused on, it is returned.
    async fn speak(&self, shell: &mut Shell, session: &Arc<Session>, text: &str) -> String {
        let mut lines: VecDeque<&str> = text.split('\n').collect();
        while let Some(next) = lines.front() {
            match attached::speak(shell, session, next).await {
                Spoken::Done => lines.pop_front(),
                Spoken::Refused => break,
                Spoken::Interrupted => {
                    renew(shell, self.setup);
                    return String::new();
                }
            };
        }
        lines.into_iter().collect::<Vec<_>>().join("\n")
    }
}

fn broken(shell: &Shell, why: &str) -> After {
    shell.emit(Report::Notice(format!("the terminal is gone: {why}")));
    After::End
}

/// False, with a notice, if sessions other than idle servers are still running.
fn may_quit(shell: &Shell) -> bool {
    // This shell's own idle connections to a server do not make that server busy.
    let waiting = crate::base::Value::count(shell.idle_connections());
    let idle = |session: &Session| {
        session.listening().is_some_and(|listening| listening.service.is_some())
            && session
                .field("clients")
                .and_then(|clients| clients.order(&waiting))
                .is_none_or(std::cmp::Ordering::is_le)
    };
    let live: Vec<String> = shell
        .registry()
        .live()
        .iter()
        .filter(|session| !idle(session))
        .map(|session| format!("{} ({})", session.label(), session.kind))
        .collect();
    if !live.is_empty() {
        shell.emit(Report::Notice(format!(
            "still running: {}; repeat it, or use `quit now`",
            live.join(", ")
        )));
    }
    live.is_empty()
}

/// Makes a new token for the next foreground command: signals then cancel that one.
fn renew(shell: &mut Shell, setup: &Setup) {
    *setup.foreground.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = shell.renew_interrupt();
}

/// Runs one or several lines that were typed or pasted. True if the shell is to quit.
async fn typed(shell: &mut Shell, setup: &Setup, history: &mut History, text: &str) -> bool {
    if text.trim().is_empty() {
        return false;
    }
    let plan = shell.plan(&Source::new("prompt", text));
    remember(shell, history, text, plan.as_ref().ok());
    let plan = match plan {
        Ok(plan) => plan,
        Err(errors) => {
            setup.sink.put_errors(&errors, &setup.style);
            return false;
        }
    };
    if let Some(test) = plan.tests.first() {
        shell.emit(Report::Failure {
            failure: errors::test_at_the_prompt(),
            verb: Some(test.heading.name.clone()),
            place: None,
            session: None,
        });
        return false;
    }
    shell.clear_deadline();
    run_steps(shell, setup, &plan.setup).await
}

/// Adds the lines of a text to the history, unless a secret is in it or it begins with a blank.
fn remember(shell: &mut Shell, history: &mut History, text: &str, plan: Option<&Plan>) {
    let has_secret = plan.is_some_and(|plan| plan.setup.iter().any(Step::has_secret));
    if !has_secret && !history::is_private(text, shell.secrets()) {
        for line in text.lines() {
            history.append(line);
            shell.remember(line);
        }
    }
}

/// Runs steps up to the first failure, which is shown. True if the shell is to quit.
async fn run_steps(shell: &mut Shell, setup: &Setup, steps: &[Step]) -> bool {
    for step in steps {
        renew(shell, setup);
        let now = matches!(&step.action, Action::Command(invocation) if invocation.verb.name == "quit" && !invocation.arguments.is_empty());
        let result = shell.step(step).await;
        if result.is_err() && matches!(step.action, Action::Shell(_)) {
            // A killed child may have left the terminal in another mode.
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
