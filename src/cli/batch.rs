//! Runs the prompt, a script file, the text of `-c`, or standard input.

use std::io::Read;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use super::{Exit, Program, errors};
use crate::base::Value;
use crate::language::Source;
use crate::output::Rendered;
use crate::prompt;
use crate::report::{Failure, Report};
use crate::session::{Session, State};
use crate::shell::Shell;
use crate::shell::run::script::{self, ScriptEnd};

/// Source name of `-c` in messages.
pub(super) const COMMAND_LINE: &str = "-c";
/// Maximum bytes read of a script on standard input.
const INPUT_LIMIT: u64 = 256 << 20;

pub(super) async fn file(program: &Program, path: &Path) -> Exit {
    match script::read(path) {
        Ok(source) => run(program, &source).await,
        Err(failure) => cannot_start(program, failure),
    }
}

pub(super) async fn text(program: &Program, name: &str, text: String) -> Exit {
    run(program, &Source::new(name, text)).await
}

/// One command; what continues is waited for until it ends or is interrupted.
pub(super) async fn verb(program: &Program, text: &str, stays: bool) -> Exit {
    let mut shell = program.shell(false);
    let mut exit = run_in(program, &mut shell, &Source::new("nls", text)).await;
    if stays && exit == Exit::Well {
        for session in shell.registry().live() {
            let state = tokio::select! {
                state = session.ended() => state,
                () = shell.interrupt().cancelled() => break,
                () = program.end.cancelled() => break,
            };
            if let State::Failed(failure) = state {
                program.show_failure(failure.of(session.kind.clone()));
                exit = Exit::Failed;
            }
        }
    }
    program.close(&shell).await;
    exit
}

pub(super) async fn input(program: &Program) -> Exit {
    let read = tokio::task::spawn_blocking(|| {
        let mut bytes = Vec::new();
        std::io::stdin().lock().take(INPUT_LIMIT).read_to_end(&mut bytes).map(|_| bytes)
    });
    let bytes = match read.await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) => return cannot_start(program, errors::input_unreadable(&error)),
        Err(_) => return Exit::Internal,
    };
    match script::decode(bytes) {
        Ok(decoded) => text(program, "stdin", decoded).await,
        Err(failure) => cannot_start(program, failure.of("standard input")),
    }
}

fn cannot_start(program: &Program, failure: Failure) -> Exit {
    program.show_failure(failure);
    Exit::CannotStart
}

async fn run(program: &Program, source: &Arc<Source>) -> Exit {
    let mut shell = program.shell(false);
    let exit = run_in(program, &mut shell, source).await;
    if source.name == COMMAND_LINE && exit == Exit::Well {
        say_that_it_ends(program, &shell);
    }
    program.close(&shell).await;
    exit
}

/// A hint: somebody who starts a server with `-c` usually wants it to keep running.
fn say_that_it_ends(program: &Program, shell: &Shell) {
    let unused = |session: &Arc<Session>| {
        session.listening().is_some()
            && session.field("served").is_none_or(|served| served == Value::count(0))
    };
    let all = shell.registry().all();
    if !all.is_empty() && all.iter().all(unused) {
        let hint = "the server ended with the last command; `wait` after it keeps it running until Ctrl-C";
        program.show(&Report::Notice(hint.into()));
    }
}

/// Runs a script in this shell; its tests, if it has any, each get their own shell.
async fn run_in(program: &Program, shell: &mut Shell, source: &Arc<Source>) -> Exit {
    let plan = match shell.plan(source) {
        Ok(plan) => plan,
        Err(errors) => {
            program.sink.put_errors(&errors, &program.style);
            return Exit::Usage;
        }
    };
    if plan.tests.is_empty() {
        return match shell.script(&plan).await {
            ScriptEnd::Passed | ScriptEnd::Quit => Exit::Well,
            ScriptEnd::Skipped(reason) => {
                program.sink.put(Rendered { out: String::new(), err: format!("skipped: {reason}\n") });
                Exit::Well
            }
            ScriptEnd::Failed if shell.has_bug() => Exit::Internal,
            ScriptEnd::Failed => Exit::Failed,
        };
    }
    let failed = super::runner::in_a_script(program, source, &plan).await;
    *program.foreground.lock().unwrap_or_else(PoisonError::into_inner) = shell.interrupt().clone();
    if failed { Exit::Failed } else { Exit::Well }
}

/// The prompt. Before it the rc file runs, then the script `first`, then the command `typed`.
pub(super) async fn prompt(program: &Program, first: Option<&Path>, typed: Option<String>) -> Exit {
    let mut shell = program.shell(true);
    if !program.arguments.no_rc
        && let Some(path) = rc_file()
    {
        match script::read(&path) {
            Ok(source) => drop(run_in(program, &mut shell, &source).await),
            Err(failure) => program.show(&Report::Notice(failure.to_string())),
        }
    }
    if let Some(path) = first {
        match script::read(path) {
            Ok(source) => {
                // Its sessions keep running: they are closed only when the prompt ends.
                if run_in(program, &mut shell, &source).await == Exit::Usage {
                    return Exit::Usage;
                }
            }
            Err(failure) => return cannot_start(program, failure),
        }
    }
    if let Some(text) = typed
        && run_in(program, &mut shell, &Source::new("nls", text)).await != Exit::Well
    {
        return Exit::Failed;
    }
    let setup = prompt::Setup {
        sink: program.sink.clone(),
        style: program.style,
        foreground: program.foreground.clone(),
        end: program.end.clone(),
        ask: program.ask.clone(),
    };
    prompt::run(&mut shell, &setup).await;
    program.close(&shell).await;
    Exit::Well
}

/// `NLS_RC`, or `nls/rc.nls` in the system's configuration directory; an empty value means no rc file.
fn rc_file() -> Option<std::path::PathBuf> {
    match std::env::var_os("NLS_RC") {
        Some(path) if path.is_empty() => None,
        Some(path) => Some(path.into()),
        None => {
            dirs::config_dir().map(|folder| folder.join("nls").join("rc.nls")).filter(|path| path.exists())
        }
    }
}
