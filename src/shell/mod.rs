//! Runs a [`crate::language::Plan`]: variables, expectations, scripts, tests. Knows no terminal: what happens
//! goes out as [`Report`]s.
//!
//! | file | holds |
//! |---|---|
//! | `catalogue` | all verbs: those of the services and those of the shell |
//! | `run` | one statement with its prefixes |
//! | `values` | words → values, `$name.field` |
//! | `arguments` | arguments whose values are known; `$session` → address |
//! | `expect` | expectations, with `within` |
//! | `files` | `expect file` |
//! | `script` | a whole plan, tests, the end of a script |
//! | `record` | what is done, as a script |
//! | `paths` | `~` and globs |
//! | `suggest` | what one would do next |
//! | `table`, `chart` | text in columns, curves in letters |
//! | `builtin` | the shell's own verbs, a file for each group |

mod arguments;
pub mod builtin;
pub mod catalogue;
mod chart;
mod expect;
mod files;
mod paths;
pub mod record;
mod run;
pub mod script;
mod suggest;
pub mod system;
mod table;
mod temporary;
mod values;

pub use run::Flow;

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
use crate::service::{Context, calc::Idle};
use crate::session::{Registry, Session};
use crate::wire::ServiceId;

/// How long a command that was interrupted may take to end (FAULTS row 33).
const INTERRUPT_LIMIT: Duration = Duration::from_secs(2);

/// What a name stands for.
#[derive(Clone, Debug)]
pub enum Binding {
    Value(Value),
    Record(Fields),
    Session(Arc<Session>),
}

/// Takes what happens.
pub type Emit = Arc<dyn Fn(Report) + Send + Sync>;

/// Asks the person at the terminal for a text that is not to be seen, by its name; `None`: it was not given.
pub type Ask =
    Box<dyn Fn(&str) -> std::pin::Pin<Box<dyn Future<Output = Option<String>> + Send>> + Send + Sync>;

/// Told of a session that a command begins to wait for, or waits for no more.
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
    /// A person is there: prefixes of verbs will do, `attach` works.
    pub interactive: bool,
    pub seed: u64,
    /// Events of a session that a failed expectation shows.
    pub events: usize,
}

/// A shell: one registry of sessions, one set of variables.
pub struct Shell {
    pub registry: Arc<Registry>,
    pub vocabulary: Vocabulary,
    pub scope: Scope,
    pub settings: Settings,
    /// Only errors and what `print` says are wanted; whoever shows reports looks at it.
    pub quiet: Arc<std::sync::atomic::AtomicBool>,
    /// Texts that are shown as `***` wherever they would be shown; whoever writes looks at it.
    pub secrets: Secrets,
    /// Fires to end the command in the foreground; renewed for each command.
    pub interrupt: CancellationToken,
    /// Ctrl-Z: the session that a command waits for goes on in the background.
    pub suspend: Arc<tokio::sync::Notify>,
    /// Told which session a command waits for, and when it does no more: for a progress bar.
    pub foreground: Foreground,
    /// A session that the prompt is to attach to.
    pub attach: Option<Arc<Session>>,
    /// What is done is written down.
    pub recorder: Option<record::Recorder>,
    /// Where pictures can be drawn now; `None`: nowhere.
    pub area: Arc<dyn Fn() -> Option<Area> + Send + Sync>,
    /// Asks for secrets, at the prompt.
    pub ask: Option<Ask>,
    /// Where goes what `!CMD` prints in a script.
    pub pass: system::Pass,
    /// Something failed that is an error in this program.
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
    /// Groups of processes that `!CMD &` left, and the commands.
    left_behind: Vec<(u32, String)>,
    jobs: Vec<Arc<Session>>,
    deadline: Option<(Instant, Duration)>,
    /// What was suggested already.
    suggested: HashSet<String>,
    /// Questions of a group that were answered well.
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
            idle: Arc::new(Idle::default()),
            tickets: Arc::default(),
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

    /// Checks a text with the names that are known here.
    pub fn plan(&mut self, source: &Arc<Source>) -> Result<Plan, Vec<Wrong>> {
        let mut scope = self.scope.clone();
        let plan = crate::language::plan(source, &self.vocabulary, &mut scope, &script::load)?;
        self.scope = scope;
        Ok(plan)
    }

    pub fn emit(&self, report: Report) {
        (self.emit)(report);
    }

    /// Connections of this shell that wait for the next question.
    pub fn idle_connections(&self) -> u64 {
        self.context.idle.len() as u64
    }

    /// A time limit of a script is over with it.
    pub fn clear_deadline(&mut self) {
        self.deadline = None;
    }

    /// Ends all sessions and connections; which sessions were alive after `limit`.
    pub async fn close(&self, limit: Duration) -> Vec<String> {
        self.context.idle.close().await;
        self.registry.close(limit).await
    }

    /// Ends a recording and writes it; its file, and how many commands it holds.
    pub fn end_recording(&mut self) -> Result<Option<(PathBuf, usize)>, Failure> {
        self.note_messages();
        let Some(recorder) = self.recorder.take() else { return Ok(None) };
        let file = recorder.file.clone();
        let written = std::fs::File::create_new(&file)
            .and_then(|mut out| out.write_all(recorder.text(&self.secrets).as_bytes()));
        written.map_err(|error| Failure::io(&error, format!("record {}", file.display())))?;
        Ok(Some((file, recorder.commands)))
    }

    /// Where relative paths begin.
    pub fn directory(&self) -> &std::path::Path {
        &self.context.directory
    }

    /// Commands may have these.
    pub fn set_streams(&mut self, streams: crate::service::StandardStreams) {
        self.context.streams = streams;
    }

    /// Relative paths begin there from now on.
    pub fn set_directory(&mut self, folder: PathBuf) {
        self.previous_directory = Some(std::mem::replace(&mut self.context.directory, folder));
    }

    /// Where it was before.
    pub fn previous_directory(&self) -> Option<PathBuf> {
        self.previous_directory.clone()
    }

    /// What moves something in the background, the newest last.
    pub fn live_jobs(&self) -> Vec<Arc<Session>> {
        self.jobs.iter().filter(|job| !job.has_ended()).cloned().collect()
    }

    /// Endpoints used before, newest kept for each service.
    pub fn endpoints(&self) -> Vec<String> {
        self.used.values().map(|(_, endpoint)| endpoint.to_string()).collect()
    }

    /// Sets a variable, as `as` and `let` do.
    pub fn bind(&mut self, name: &str, binding: Binding) {
        self.variables.insert(name.into(), binding);
    }
}
