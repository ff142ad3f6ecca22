//! The command-line program: arguments, signals, exit codes, and the modes: prompt, script, tests.
//!
//! Exit codes: 0 success · 1 a command, expectation or test failed · 2 usage, or the script does not parse ·
//! 3 cannot start · 4 no tests found · 5 internal error. After a termination signal the program dies by that signal.
//!
//! | file | holds |
//! |---|---|
//! | `arguments`, `usage` | the command line, and its options as a table |
//! | `batch` | scripts, `-c`, and the prompt |
//! | `runner` | `nls test` and `nls check` |
//! | `console` | the program as the terminal of a shell |
//! | `events` | events of sessions on their way to the output |
//! | `signals` | SIGINT, SIGTERM, SIGHUP |
//! | `errors` | all errors of the command line and of the runner |
//! | `start` | checks that the system provides enough threads and descriptors |
//! | `manual`, `completions` | `nls help man`, `nls help bash` and the like |

mod arguments;
mod batch;
mod completions;
mod console;
mod errors;
mod events;
mod manual;
mod runner;
mod signals;
mod start;
mod usage;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use arguments::{Arguments, Mode};
use console::{Bars, Console};
use events::EventFeed;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::language::Capability;
use crate::output::{Colours, Rendered, Sink, Style, Terminals};
use crate::report::{Failure, Report};
use crate::service::{StandardOutput, StandardStreams};
use crate::session::{Registry, State};
use crate::shell::catalogue;
use crate::shell::terminal::Ask;
use crate::shell::{Settings, Shell};

/// Capacity of the queue of events to be shown.
const EVENT_QUEUE: usize = 4096;
/// Events of a session that a failed expectation shows (faults.md row 96).
const EVENTS_SHOWN: usize = 5;
/// How long sessions may take to close when the program ends.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// How long showing the last events may take.
const SHOW_LIMIT: Duration = Duration::from_millis(300);
/// Worker threads: with two, sessions and commands hardly delay each other; more bring no gain.
const WORKERS: usize = 2;
/// A worker takes every second task from those that the workers share, and the others from its own: when hundreds of
/// clients are busy at once, its own never end, and the shared ones would wait for seconds (as of every 61st).
const GLOBAL_QUEUE_INTERVAL: u32 = 2;
/// A worker looks for what has arrived after so many tasks: where hundreds of clients are busy at once, a newcomer would
/// wait for 30 ms until he is noticed (as after 61).
const EVENT_INTERVAL: u32 = 7;

/// The exit code of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Success.
    Well = 0,
    /// A command, expectation or test failed.
    Failed = 1,
    /// Wrong usage, or the script does not parse.
    Usage = 2,
    /// A file cannot be read, or the system lacks resources.
    CannotStart = 3,
    NoTests = 4,
    Internal = 5,
}

/// Runs the program.
pub fn run() -> ExitCode {
    if let Err(why) = start::check_room() {
        // The thread that writes output may be impossible to start.
        let _shown = writeln!(std::io::stderr(), "error: cannot start: {why}");
        return ExitCode::from(Exit::CannotStart as u8);
    }
    let sink = Sink::start();
    protect(&sink.clone(), || run_with(sink))
}

/// Runs `work`. A panic on this thread ends the program with [`Exit::Internal`] and restores the terminal. Panics are
/// reported through the sink, so that they do not garble the line being typed.
pub fn protect(sink: &Sink, work: impl FnOnce() -> ExitCode) -> ExitCode {
    let said = sink.clone();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().name() == Some(crate::prompt::EDITOR_THREAD) {
            return;
        }
        let what = crate::base::escape::escape(&panic.to_string()).into_owned();
        let err = format!("internal error (bug): {what}\nplease report it\n");
        said.offer(Rendered { out: String::new(), err });
    }));
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|_| {
        crate::output::restore_terminal();
        sink.flush();
        ExitCode::from(Exit::Internal as u8)
    })
}

fn run_with(sink: Sink) -> ExitCode {
    let arguments = match Arguments::read() {
        Ok(arguments) => arguments,
        Err(why) => return fail(&sink, Exit::Usage, &format!("{why}; `nls --help` shows how")),
    };
    let runtime = Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .global_queue_interval(GLOBAL_QUEUE_INTERVAL)
        .event_interval(EVENT_INTERVAL)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let why = format!("cannot start: {}", crate::report::reason(&error));
            return fail(&sink, Exit::CannotStart, &why);
        }
    };
    let program = Arc::new(Program::new(arguments, sink));
    if program.arguments.is_interactive() {
        crate::output::keep_terminal();
    }
    let exit = run_on(&runtime, program.clone());
    program.sink.flush();
    crate::output::restore_terminal();
    runtime.shutdown_timeout(Duration::from_millis(200));
    if let Some(signal) = program.signal() {
        signals::die_by(signal);
    }
    if let Some(why) = program.sink.failure() {
        let why = format!("standard output cannot be written: {why}; the results are lost");
        return fail(&program.sink, Exit::Failed, &why);
    }
    ExitCode::from(exit as u8)
}

/// Runs it on a worker, where sessions run as well: a switch between threads takes longer than what is done between two.
fn run_on(runtime: &Runtime, program: Arc<Program>) -> Exit {
    let run = runtime.spawn(async move {
        let exit = program.run().await;
        program.show_the_rest().await;
        exit
    });
    match runtime.block_on(run) {
        Ok(exit) => exit,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Nobody cancels it.
            Err(_) => Exit::Failed,
        },
    }
}

/// Shows the error that ends the program, and returns its exit code.
fn fail(sink: &Sink, exit: Exit, why: &str) -> ExitCode {
    sink.put(Rendered { out: String::new(), err: format!("error: {why}\n") });
    sink.flush();
    ExitCode::from(exit as u8)
}

/// The state that all modes share.
pub(crate) struct Program {
    arguments: Arguments,
    sink: Sink,
    style: Style,
    /// The token of the foreground command: a signal fires it.
    foreground: Arc<Mutex<CancellationToken>>,
    /// Notified at Ctrl-Z: the foreground session goes to the background.
    suspend: Arc<Notify>,
    /// Fires when the whole program must end.
    end: CancellationToken,
    /// The signal that ended the program.
    received: Arc<Mutex<Option<i32>>>,
    /// The tasks that show events: each ends when its shell is gone and everything is shown.
    showing: Mutex<Vec<tokio::task::JoinHandle<()>>>,
    /// Set by the prompt: asks for secrets.
    ask: Arc<OnceLock<Ask>>,
}

impl Program {
    fn new(arguments: Arguments, sink: Sink) -> Self {
        let style = Style {
            json: arguments.json,
            quiet: arguments.quiet || matches!(arguments.mode, Mode::Verb { pipes: true, .. }),
            times: arguments.is_interactive(),
            colours: Colours::decide(arguments.colour),
            terminals: Terminals::find(),
        };
        Self {
            arguments,
            sink,
            style,
            foreground: Arc::default(),
            suspend: Arc::default(),
            end: CancellationToken::new(),
            received: Arc::default(),
            showing: Mutex::default(),
            ask: Arc::default(),
        }
    }

    /// The signal that ended the program; a closed standard output counts as SIGPIPE.
    fn signal(&self) -> Option<i32> {
        let received = *self.received.lock().unwrap_or_else(PoisonError::into_inner);
        received.or_else(|| self.sink.closed.is_cancelled().then_some(signals::PIPE))
    }

    async fn run(&self) -> Exit {
        let sink = self.sink.clone();
        signals::listen(&signals::Targets {
            foreground: self.foreground.clone(),
            end: self.end.clone(),
            received: self.received.clone(),
            suspend: self.suspend.clone(),
            interactive: self.arguments.is_interactive(),
            say: Arc::new(move |text| {
                sink.offer(sink.masked(Rendered { out: String::new(), err: format!("{text}\n") }));
            }),
        });
        match &self.arguments.mode {
            Mode::Help(topic) => self.help(topic.as_deref()),
            Mode::Version => {
                self.print(&format!("nls {}\n", env!("CARGO_PKG_VERSION")));
                Exit::Well
            }
            Mode::Check(paths) => runner::check(self, paths),
            Mode::Test { paths, choice } => runner::run(self, paths, choice).await,
            Mode::TestHelp => {
                self.print(&usage::test_usage());
                Exit::Well
            }
            Mode::Prompt { first, typed } => batch::prompt(self, first.as_deref(), typed.clone()).await,
            Mode::Verb { text, stays, .. } => batch::verb(self, text, *stays).await,
            Mode::Command(text) => batch::text(self, batch::COMMAND_LINE, text.clone()).await,
            Mode::Script(path) => batch::file(self, path).await,
            Mode::Input => batch::input(self).await,
        }
    }

    fn print(&self, text: &str) {
        self.sink.put(Rendered { out: text.into(), err: String::new() });
    }

    /// Shows a report, with secrets hidden.
    pub(crate) fn show(&self, report: &Report) {
        self.sink.put_as_it_is(self.sink.text_of(report.clone(), &self.style));
    }

    /// Shows an error that concerns no command and no session.
    fn show_failure(&self, failure: Failure) {
        self.show(&Report::Failure { failure, verb: None, place: None, session: None });
    }

    fn help(&self, topic: Option<&str>) -> Exit {
        match topic {
            None => self.print(&format!(
                "{}\n\n{}\n",
                usage::usage().trim_end(),
                crate::shell::builtin::help::overview()
            )),
            Some("man") => self.print(&manual::page()),
            Some(shell) if completions::SHELLS.contains(&shell) => {
                self.print(&completions::script(shell).unwrap_or_default());
            }
            Some(topic) => match crate::shell::builtin::help::topic(topic, false) {
                Ok(text) => self.print(&format!("{text}\n")),
                Err(failure) => {
                    self.show(&Report::Failure { failure, verb: None, place: None, session: None });
                    return Exit::Usage;
                }
            },
        }
        Exit::Well
    }

    fn settings(&self, interactive: bool) -> Settings {
        let Arguments { keep_going, echo, no_shell, seed, .. } = &self.arguments;
        Settings {
            keep_going: *keep_going,
            echo: *echo,
            no_shell: *no_shell,
            interactive,
            seed: *seed,
            events: EVENTS_SHOWN,
        }
    }

    /// A new shell whose reports go to the standard streams, and which signals act on.
    fn shell(&self, interactive: bool) -> Shell {
        let (queue, events) = mpsc::channel(EVENT_QUEUE);
        let registry = Registry::new(queue);
        let quiet = Arc::new(AtomicBool::new(self.style.quiet));
        let feed = EventFeed {
            events: Mutex::new(events),
            registry: Arc::downgrade(&registry),
            sink: self.sink.clone(),
            style: self.style,
            quiet: quiet.clone(),
        };
        let feed = Arc::new(feed);
        let showing = tokio::spawn(feed.clone().show());
        self.showing.lock().unwrap_or_else(PoisonError::into_inner).push(showing);
        tokio::spawn(end_when_unread(
            self.sink.clone(),
            Arc::downgrade(&registry),
            self.foreground.clone(),
            self.end.clone(),
        ));
        let draws_bars = !self.style.json && std::io::IsTerminal::is_terminal(&std::io::stderr());
        let console = Console {
            sink: self.sink.clone(),
            style: self.style,
            quiet,
            feed,
            bars: draws_bars.then(|| Bars::begin(&self.sink)),
            ask: self.ask.clone(),
        };
        let shell = Shell::builder(registry, Arc::new(console))
            .settings(self.settings(interactive))
            .arguments(self.arguments.rest.clone())
            .secrets(self.sink.secrets.clone())
            .suspend(self.suspend.clone())
            .streams(self.streams())
            .build();
        *self.foreground.lock().unwrap_or_else(PoisonError::into_inner) = shell.interrupt().clone();
        shell
    }

    /// Which standard streams commands may use directly.
    fn streams(&self) -> StandardStreams {
        let takes_bytes = !self.style.json && !std::io::IsTerminal::is_terminal(&std::io::stdout());
        StandardStreams {
            output: if takes_bytes { Some(Arc::new(Output(self.sink.clone()))) } else { None },
            input: matches!(self.arguments.mode, Mode::Command(_) | Mode::Script(_) | Mode::Verb { .. }),
            is_peer: matches!(self.arguments.mode, Mode::Verb { pipes: true, .. }),
        }
    }

    /// Waits until all events of closed shells are shown.
    async fn show_the_rest(&self) {
        let showing = std::mem::take(&mut *self.showing.lock().unwrap_or_else(PoisonError::into_inner));
        for task in showing {
            drop(tokio::time::timeout(SHOW_LIMIT, task).await);
        }
    }

    /// Ends all sessions of a shell.
    async fn close(&self, shell: &Shell) {
        shell.close(CLOSE_LIMIT).await;
    }
}

/// Standard output for bytes, which go the way of all other output.
struct Output(Sink);

impl StandardOutput for Output {
    fn write(&self, bytes: Vec<u8>) -> bool {
        self.0.pass(bytes, false);
        !self.0.closed.is_cancelled()
    }

    fn flush(&self) -> Result<(), String> {
        self.0.flush();
        self.0.failure().map_or(Ok(()), Err)
    }
}

/// Waits until standard output is closed by its reader; then transfers may finish, and the program ends (faults.md row
/// 94).
async fn end_when_unread(
    sink: Sink,
    registry: Weak<Registry>,
    foreground: Arc<Mutex<CancellationToken>>,
    end: CancellationToken,
) {
    sink.closed.cancelled().await;
    let live = registry.upgrade().map(|registry| registry.live()).unwrap_or_default();
    for session in live {
        if catalogue::can(session.verb, Capability::MoveData) {
            session.until(State::has_ended).await;
        }
    }
    end.cancel();
    foreground.lock().unwrap_or_else(PoisonError::into_inner).cancel();
}
