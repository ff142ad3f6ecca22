//! Runs a [`crate::language::Plan`]: variables, expectations, scripts, tests. It knows no terminal: what happens
//! goes out as [`Report`]s.
//!
//! | file | holds |
//! |---|---|
//! | `builder` | makes a shell from what surrounds it |
//! | `terminal` | what shows its reports and asks the user |
//! | `catalogue` | all verbs: those of the services and those of the shell |
//! | `run` | runs statements, expectations, scripts, system commands |
//! | `values` | evaluates words, `$name.field` |
//! | `arguments` | evaluates arguments; `$session` → address |
//! | `paths` | `~` and globs; new files |
//! | `record` | writes what is done as a script |
//! | `stopping` | stops sessions, what passes others last |
//! | `suggest` | suggests the next command |
//! | `errors` | errors that several folders share, and those of names and files |
//! | `builtin` | the shell's own verbs, a file for each group |

mod arguments;
mod builder;
pub mod builtin;
pub mod catalogue;
mod errors;
mod paths;
pub mod record;
pub mod run;
mod stopping;
mod suggest;
pub mod terminal;
mod values;

pub use builder::ShellBuilder;
pub use terminal::Terminal;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::base::pattern::PatternSet;
use crate::base::{Fields, Secrets, Value};
use crate::language::script::SessionTest;
use crate::language::{Arguments, Plan, Report as Wrong, Scope, Source, Step, Target, Vocabulary};
use crate::report::{Failure, Report};
use crate::service::Context;
use crate::service::files::temporary::Temporary;
use crate::session::handlers::Parts;
use crate::session::{Registry, Session};
use crate::wire::ServiceId;

/// How long a command that was interrupted may take to end (faults.md row 33).
const INTERRUPT_LIMIT: Duration = Duration::from_secs(2);

/// What a name is bound to.
#[derive(Clone, Debug)]
pub enum Binding {
    /// A single value.
    Value(Value),
    /// The fields of a result.
    Record(Fields),
    /// A session, with its fields as they are now.
    Session(Arc<Session>),
    /// What an expectation matched: the groups by number and name.
    Match(Parts),
    /// `it`: who spoke to a handler, and what it matched.
    Speaker(Arc<Session>, Parts),
}

/// How the script continues after a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flow {
    Next,
    /// The test is skipped, for this reason.
    Skip(String),
    /// The shell ends.
    Quit,
}

/// How the shell behaves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// Go on after a failed command (`-k`).
    pub keep_going: bool,
    /// Show each statement before it runs (`-x`).
    pub echo: bool,
    /// `!CMD` is refused (`--no-shell`).
    pub no_shell: bool,
    /// At the prompt: verbs may be abbreviated, `attach` works.
    pub interactive: bool,
    /// Seed of all random decisions, `$seed`.
    pub seed: u64,
    /// Number of last events of a session that a failed expectation shows.
    pub events: usize,
}

/// A server that can be asked without being named.
#[derive(Clone, Debug, PartialEq)]
pub struct Reached {
    /// Where it is.
    pub target: Target,
    /// The key or the code that it was reached with, if any; a file by its whole path.
    pub with: Arguments,
}

/// A server that was used.
#[derive(Debug)]
struct Used {
    reached: Reached,
    /// The session that listened there, if it was one of this shell. Its key is not for another that takes its place.
    listener: Option<u64>,
    at: Instant,
}

/// A shell: one registry of sessions, one set of variables.
pub struct Shell {
    registry: Arc<Registry>,
    terminal: Arc<dyn Terminal>,
    vocabulary: Vocabulary,
    scope: Scope,
    settings: Settings,
    /// Texts that are shown as `***` in all output; read by the writers.
    secrets: Secrets,
    /// Cancelled to end the command in the foreground; renewed for each command.
    interrupt: CancellationToken,
    /// Notified by Ctrl-Z: the session that a command waits for goes on in the background.
    suspend: Arc<tokio::sync::Notify>,
    /// The session that the prompt is to attach to next.
    attach: Option<Arc<Session>>,
    /// The session that a builtin has begun: its result is bound to the name.
    began: Option<Arc<Session>>,
    /// The recording in progress, if any.
    recorder: Option<record::Recorder>,
    /// Some failure was an error in this program.
    has_bug: bool,
    /// Lines typed so far, without secrets.
    history: Vec<String>,
    /// The statements that ran.
    ran: run::statements::Statements,
    context: Context,
    variables: HashMap<String, Binding>,
    last: Option<Binding>,
    used: HashMap<ServiceId, Used>,
    arguments: Vec<String>,
    previous_directory: Option<PathBuf>,
    temporary: Arc<std::sync::OnceLock<Temporary>>,
    deferred: Vec<Step>,
    /// The step that registers a handler, or expects an error, now.
    running: Option<Step>,
    /// Statements of handlers that failed.
    handler_failures: Arc<AtomicUsize>,
    /// Commands of the system were run, which may have left processes behind.
    has_run_commands: bool,
    /// Deferred steps run: nobody would wait for what they leave in the background.
    ends: bool,
    /// What `!CMD &` started, and processes that other commands left behind.
    in_background: Vec<run::background::BackgroundCommand>,
    jobs: Vec<Arc<Session>>,
    deadline: Option<(Instant, Duration)>,
    /// Patterns of expectations that were met before.
    patterns: HashMap<(std::mem::Discriminant<SessionTest>, String), Arc<PatternSet>>,
    /// Suggestions made already: each is made once.
    suggested: HashSet<String>,
    /// Number of questions of the current group that were answered successfully.
    asked: usize,
}

impl Shell {
    /// Begins to make a shell whose sessions are in `registry`, and which shows and asks through `terminal`.
    pub fn builder(registry: Arc<Registry>, terminal: Arc<dyn Terminal>) -> ShellBuilder {
        ShellBuilder::new(registry, terminal)
    }

    /// Its sessions.
    pub const fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// The commands and services that it knows.
    pub const fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// The names that are bound now.
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The texts that must not be shown.
    pub const fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Ends the command in the foreground when it is cancelled.
    pub const fn interrupt(&self) -> &CancellationToken {
        &self.interrupt
    }

    /// Makes a new token for the next command.
    pub fn renew_interrupt(&mut self) -> CancellationToken {
        self.interrupt = CancellationToken::new();
        self.interrupt.clone()
    }

    /// The session that the prompt is to attach to, if the last command asked for that.
    pub const fn take_attached(&mut self) -> Option<Arc<Session>> {
        self.attach.take()
    }

    /// True if some failure was an error in this program.
    pub const fn has_bug(&self) -> bool {
        self.has_bug
    }

    /// Keeps a line that was typed, for `history`.
    pub fn remember(&mut self, line: &str) {
        self.history.push(line.into());
    }

    /// Checks a text with the names that are known here, and adds those that it defines.
    pub fn plan(&mut self, source: &Arc<Source>) -> Result<Plan, Vec<Wrong>> {
        let mut scope = self.scope.clone();
        let plan = crate::language::plan(source, &self.vocabulary, &mut scope, &run::script::load)?;
        self.scope = scope;
        Ok(plan)
    }

    /// Shows a report.
    pub fn emit(&self, report: Report) {
        self.terminal.show(report);
    }

    /// Number of connections of this shell that are kept for the next question.
    pub fn idle_connections(&self) -> u64 {
        self.context.idle.len() as u64
    }

    /// Removes the time limit of a script that has ended.
    pub fn clear_deadline(&mut self) {
        self.deadline = None;
    }

    /// Ends all sessions and connections; returns the sessions that were still alive after `limit`.
    pub async fn close(&self, limit: Duration) -> Vec<String> {
        let until = Instant::now() + limit;
        self.context.idle.close().await;
        stopping::stop(&self.registry.live()).await;
        self.registry.close(until.saturating_duration_since(Instant::now())).await
    }

    /// Ends a recording and writes it. Returns its file and its number of commands; `None` if there was no recording.
    pub fn end_recording(&mut self) -> Result<Option<(PathBuf, usize)>, Failure> {
        self.note_messages();
        let Some(recorder) = self.recorder.take() else { return Ok(None) };
        let file = recorder.file.clone();
        let written = paths::write_new(&file, recorder.text(&self.secrets).as_bytes());
        written.map_err(|error| Failure::io(&error, format!("record {}", file.display())))?;
        Ok(Some((file, recorder.commands)))
    }

    /// The folder where relative paths begin.
    pub fn directory(&self) -> &std::path::Path {
        &self.context.directory
    }

    /// Changes the folder where relative paths begin.
    pub fn set_directory(&mut self, folder: PathBuf) {
        self.previous_directory = Some(std::mem::replace(&mut self.context.directory, folder));
    }

    /// The folder before the last change.
    pub fn previous_directory(&self) -> Option<PathBuf> {
        self.previous_directory.clone()
    }

    /// Jobs that are still running in the background, the newest last.
    pub fn live_jobs(&self) -> Vec<Arc<Session>> {
        self.jobs.iter().filter(|job| !job.has_ended()).cloned().collect()
    }

    /// Whoever waits for a job is told how it ended: the end of the script does not tell it again.
    pub fn has_waited_for(&mut self, session: &Session) {
        if session.has_ended() {
            self.jobs.retain(|job| job.id != session.id);
        }
    }

    /// What every command is given.
    pub const fn context(&self) -> &Context {
        &self.context
    }

    /// The endpoint last used for each service.
    pub fn endpoints(&self) -> Vec<String> {
        self.used.values().map(|used| used.reached.target.endpoint.to_string()).collect()
    }

    /// Sets a variable, as `as` and `let` do.
    pub fn bind(&mut self, name: &str, binding: Binding) {
        self.variables.insert(name.into(), binding);
    }
}
