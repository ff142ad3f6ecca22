//! Runs a [`crate::language::Plan`]: variables, expectations, scripts, tests. It knows no terminal: what happens
//! goes out as [`Report`]s.
//!
//! | file | holds |
//! |---|---|
//! | `catalogue` | all verbs: those of the services and those of the shell |
//! | `run` | runs statements, expectations, scripts, system commands |
//! | `flow` | what comes after a statement |
//! | `values` | evaluates words, `$name.field` |
//! | `arguments` | evaluates arguments; `$session` → address |
//! | `paths` | `~` and globs |
//! | `record` | writes what is done as a script |
//! | `temporary` | the folder `$tmp` |
//! | `suggest` | suggests the next command |
//! | `builtin` | the shell's own verbs, a file for each group |

mod arguments;
pub mod builtin;
pub mod catalogue;
mod flow;
mod paths;
pub mod record;
pub mod run;
mod suggest;
mod temporary;
mod values;

pub use flow::Flow;

use crate::service::idle::IdleConnections;
use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::base::{Endpoint, Fields, Secrets, Transport, Value};
use crate::language::{Plan, Report as Wrong, Scope, Source, Step, Vocabulary};
use crate::report::{Area, Failure, Report};
use crate::service::{Context, Kept, PROVIDERS};
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
}

/// Receives reports of what happens.
pub type Emit = Arc<dyn Fn(Report) + Send + Sync>;

/// Asks the user for a text that is not shown, by its name; `None`: it was not given.
pub type Ask =
    Box<dyn Fn(&str) -> std::pin::Pin<Box<dyn Future<Output = Option<String>> + Send>> + Send + Sync>;

/// Called with a session when a command begins to wait for it (true), and when it waits no longer (false).
pub type Foreground = Arc<dyn Fn(&Arc<Session>, bool) + Send + Sync>;

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

/// A shell: one registry of sessions, one set of variables.
pub struct Shell {
    pub registry: Arc<Registry>,
    pub vocabulary: Vocabulary,
    pub scope: Scope,
    pub settings: Settings,
    /// Only errors and what `print` says are shown (`set results off`); read by the writer of reports.
    pub quiet: Arc<std::sync::atomic::AtomicBool>,
    /// Texts that are shown as `***` in all output; read by the writers.
    pub secrets: Secrets,
    /// Cancelled to end the command in the foreground; renewed for each command.
    pub interrupt: CancellationToken,
    /// Notified by Ctrl-Z: the session that a command waits for goes on in the background.
    pub suspend: Arc<tokio::sync::Notify>,
    /// Called when a command begins or ends waiting for a session: for a progress bar.
    pub foreground: Foreground,
    /// The session that the prompt is to attach to next.
    pub attach: Option<Arc<Session>>,
    /// The recording in progress, if any.
    pub recorder: Option<record::Recorder>,
    /// The area in which pictures can be drawn now; `None`: there is none.
    pub area: Arc<dyn Fn() -> Option<Area> + Send + Sync>,
    /// Asks for secrets; only at the prompt.
    pub ask: Option<Ask>,
    /// Receives what `!CMD` prints in a script.
    pub pass: run::system::Pass,
    /// Some failure was an error in this program.
    pub has_bug: bool,
    /// Lines typed so far, without secrets.
    pub history: Vec<String>,
    context: Context,
    variables: HashMap<String, Binding>,
    last: Option<Binding>,
    used: HashMap<ServiceId, (Transport, Endpoint)>,
    arguments: Vec<String>,
    previous_directory: Option<PathBuf>,
    temporary: std::sync::OnceLock<temporary::Temporary>,
    emit: Emit,
    deferred: Vec<Step>,
    /// Process groups that `!CMD &` left running, and their commands.
    left_behind: Vec<(u32, String)>,
    jobs: Vec<Arc<Session>>,
    deadline: Option<(Instant, Duration)>,
    /// Suggestions made already: each is made once.
    suggested: HashSet<String>,
    /// Number of questions of the current group that were answered successfully.
    asked: usize,
}

impl Shell {
    /// `arguments` are `$1`, `$2` …
    pub fn new(registry: Arc<Registry>, settings: Settings, arguments: Vec<String>, emit: Emit) -> Self {
        let directory = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
        let context = Context {
            seed: settings.seed,
            directory,
            registry: registry.clone(),
            providers: PROVIDERS,
            idle: Arc::new(IdleConnections::default()),
            kept: Kept::default(),

            no_shell: settings.no_shell,
            streams: crate::service::StandardStreams::default(),
        };
        Self {
            registry,
            vocabulary: catalogue::vocabulary(settings.interactive),
            scope: Scope::builtin(arguments.len()),
            settings,
            quiet: Arc::default(),
            secrets: Secrets::default(),
            interrupt: CancellationToken::new(),
            suspend: Arc::default(),
            foreground: Arc::new(|_, _| {}),
            attach: None,
            recorder: None,
            area: Arc::new(|| None),
            ask: None,
            pass: Arc::new(|_, _| true),
            has_bug: false,
            history: Vec::new(),
            context,
            variables: HashMap::new(),
            last: None,
            used: HashMap::new(),
            arguments,
            previous_directory: None,
            temporary: std::sync::OnceLock::new(),
            emit,
            deferred: Vec::new(),
            left_behind: Vec::new(),
            jobs: Vec::new(),
            deadline: None,
            suggested: HashSet::new(),
            asked: 0,
        }
    }

    /// Checks a text with the names that are known here, and adds those that it defines.
    pub fn plan(&mut self, source: &Arc<Source>) -> Result<Plan, Vec<Wrong>> {
        let mut scope = self.scope.clone();
        let plan = crate::language::plan(source, &self.vocabulary, &mut scope, &run::script::load)?;
        self.scope = scope;
        Ok(plan)
    }

    pub fn emit(&self, report: Report) {
        (self.emit)(report);
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
        self.context.idle.close().await;
        self.registry.close(limit).await
    }

    /// Ends a recording and writes it. Returns its file and its number of commands; `None` if there was no recording.
    pub fn end_recording(&mut self) -> Result<Option<(PathBuf, usize)>, Failure> {
        self.note_messages();
        let Some(recorder) = self.recorder.take() else { return Ok(None) };
        let file = recorder.file.clone();
        let written = std::fs::File::create_new(&file)
            .and_then(|mut out| out.write_all(recorder.text(&self.secrets).as_bytes()));
        written.map_err(|error| Failure::io(&error, format!("record {}", file.display())))?;
        Ok(Some((file, recorder.commands)))
    }

    /// The folder where relative paths begin.
    pub fn directory(&self) -> &std::path::Path {
        &self.context.directory
    }

    /// Sets the standard streams that commands may use.
    pub fn set_streams(&mut self, streams: crate::service::StandardStreams) {
        self.context.streams = streams;
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

    /// The endpoint last used for each service.
    pub fn endpoints(&self) -> Vec<String> {
        self.used.values().map(|(_, endpoint)| endpoint.to_string()).collect()
    }

    /// Sets a variable, as `as` and `let` do.
    pub fn bind(&mut self, name: &str, binding: Binding) {
        self.variables.insert(name.into(), binding);
    }
}
