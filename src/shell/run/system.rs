//! `!CMD`: runs the system's shell. In a script its output passes through here, so that secrets are hidden in it and
//! the script can look at it; at the prompt it has the terminal.

use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};

use super::background::{BackgroundCommand, in_background};
use super::errors;
use super::process_group::ProcessGroup;
use crate::base::{Secrets, Value};
use crate::report::{Failure, Report};
use crate::shell::errors::interrupted;
use crate::shell::terminal::Stream;
use crate::shell::{Binding, Flow, Shell, Terminal};

/// Maximum bytes of each stream that are kept for the script.
const KEPT_LIMIT: usize = 1 << 20;
/// Bytes read at once.
const READ: usize = 16 << 10;
/// Last lines of standard error that a failure shows.
const LINES_SHOWN: usize = 5;

impl Shell {
    /// Runs `!CMD`, with `$tmp` and the variables in its environment.
    pub(crate) async fn system(&mut self, text: &str) -> Result<Flow, Failure> {
        let what = format!("!{text}");
        if self.settings.no_shell {
            return Err(errors::system_commands_off().of(what));
        }
        let background = in_background(text).filter(|_| !self.settings.interactive);
        self.check_room_in_background().map_err(|failure| failure.of(&*what))?;
        let mut command = self.command_of_system(background.unwrap_or(text))?;
        let background = background.filter(|_| !self.ends);
        self.has_run_commands = true;
        let mut child = command.spawn().map_err(|error| Failure::io(&error, what.clone()))?;
        let mut group = ProcessGroup::of(child.id().filter(|_| !self.settings.interactive));
        let mut streams = Streams::of(&mut child, &self.secrets, &self.terminal);
        if background.is_some() {
            self.pass_the_rest(streams);
            self.in_background.push(BackgroundCommand { what, group, child: Some(child) });
            self.last = Some(Binding::Record(result_fields(0, "", "")));
            return Ok(Flow::Next);
        }
        let status = self.wait_for_child(&mut child, &mut streams, &what).await?;
        if group.is_alive() {
            self.in_background.push(BackgroundCommand { what: what.clone(), group, child: None });
        } else {
            group.forget();
        }
        streams.drain().await;
        let (out, err) = (streams.out.text(), streams.err.text());
        if !(streams.out.whole && streams.err.whole) {
            let kept = format!("`.out` and `.err` hold the first {KEPT_LIMIT} bytes of what it printed");
            self.emit(Report::Notice(format!("{what}: {kept}")));
        }
        self.pass_the_rest(streams);
        let code = status.code().unwrap_or(-1);
        self.last = Some(Binding::Record(result_fields(code, &out, &err)));
        if status.success() {
            return Ok(Flow::Next);
        }
        Err(unsuccessful(status, &err).of(what))
    }

    /// Waits until the command ends, and passes its output on meanwhile.
    async fn wait_for_child(
        &self,
        child: &mut Child,
        streams: &mut Streams,
        what: &str,
    ) -> Result<ExitStatus, Failure> {
        loop {
            tokio::select! {
                biased;
                () = self.interrupt.cancelled() => return Err(interrupted().of(what)),
                () = streams.read(), if streams.is_open() => {}
                status = child.wait() => return status.map_err(|error| Failure::io(&error, what)),
                // Ctrl-Z stops the process group of the terminal, but not this shell: nothing else would wake the
                // command again.
                () = self.suspend.notified() => wake(child.id()),
            }
        }
    }

    /// Passes on what processes that stay in the background still print.
    fn pass_the_rest(&self, mut streams: Streams) {
        if streams.is_open() {
            self.registry.spawn(async move {
                while streams.is_open() {
                    streams.read().await;
                }
            });
        }
    }

    fn command_of_system(&mut self, text: &str) -> Result<Command, Failure> {
        let temporary = self.temporary()?.to_path_buf();
        let shell = std::env::var("SHELL").unwrap_or_else(|_| "/bin/sh".into());
        let shell = if self.settings.interactive { shell } else { "/bin/sh".into() };
        let mut command = Command::new(shell);
        command.arg("-c").arg(text).env("tmp", temporary).kill_on_drop(true).current_dir(self.directory());
        if !self.settings.interactive {
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            // A process group of its own: what the command starts ends with it.
            command.process_group(0);
        }
        for (name, binding) in &self.variables {
            let value = match binding {
                Binding::Value(value) => value.clone(),
                Binding::Session(session) | Binding::Speaker(session, _) => {
                    session.field("addr").unwrap_or_else(|| Value::text(session.label()))
                }
                Binding::Match(parts) => {
                    let whole = parts.iter().find(|(name, _)| name == "0");
                    whole.map_or_else(|| Value::text(""), |(_, value)| value.clone())
                }
                Binding::Record(fields) => {
                    fields.first().map_or_else(|| Value::text(""), |(_, value)| value.clone())
                }
            };
            command.env(name.replace('-', "_"), value.to_string());
        }
        Ok(command)
    }
}

/// What a script can look at. The line end behind the last line is not part of the text, as in `$(…)` of other shells.
fn result_fields(code: i32, out: &str, err: &str) -> Vec<(&'static str, Value)> {
    let code = Value::Integer(i128::from(code));
    let text = |text: &str| Value::text(text.trim_end_matches('\n'));
    vec![("code", code), ("out", text(out)), ("err", text(err))]
}

/// The failure of a command that ended with an error, with the last lines of its standard error.
fn unsuccessful(status: ExitStatus, err: &str) -> Failure {
    let lines: Vec<&str> = err.lines().collect();
    let shown = lines[lines.len().saturating_sub(LINES_SHOWN)..].iter().map(|line| format!("  {line}"));
    errors::system_command_failed(status).detail(shown)
}

/// The output of a command, while it runs.
struct Streams {
    out: Pipe,
    err: Pipe,
}

struct Pipe {
    /// `None`: it has ended, or the command has the terminal.
    from: Option<Box<dyn AsyncRead + Send + Unpin>>,
    stream: Stream,
    secrets: Secrets,
    terminal: Arc<dyn Terminal>,
    /// Bytes held back because they may be the front of a secret.
    held: Vec<u8>,
    /// The first `KEPT_LIMIT` bytes, for the script.
    kept: Vec<u8>,
    /// True if `kept` has all of it.
    whole: bool,
}

impl Streams {
    fn of(child: &mut Child, secrets: &Secrets, terminal: &Arc<dyn Terminal>) -> Self {
        let pipe = |from: Option<Box<dyn AsyncRead + Send + Unpin>>, stream| {
            let (secrets, terminal) = (secrets.clone(), terminal.clone());
            Pipe { from, stream, secrets, terminal, held: Vec::new(), kept: Vec::new(), whole: true }
        };
        let (out, err) = (child.stdout.take(), child.stderr.take());
        Self {
            out: pipe(out.map(|out| Box::new(out) as _), Stream::Out),
            err: pipe(err.map(|err| Box::new(err) as _), Stream::Err),
        }
    }

    const fn is_open(&self) -> bool {
        self.out.from.is_some() || self.err.from.is_some()
    }

    /// Waits for output, and passes it on.
    async fn read(&mut self) {
        let (out, err) = (&mut self.out, &mut self.err);
        tokio::select! {
            () = out.read(), if out.from.is_some() => {}
            () = err.read(), if err.from.is_some() => {}
            else => {}
        }
    }

    /// Reads what the command printed before it ended, without waiting for others that may still hold its streams.
    async fn drain(&mut self) {
        while self.is_open() {
            tokio::select! {
                biased;
                () = self.read() => {}
                // Nothing is ready.
                () = tokio::task::yield_now() => break,
            }
        }
    }
}

impl Pipe {
    async fn read(&mut self) {
        let Some(from) = &mut self.from else { return };
        let mut buffer = vec![0; READ];
        match from.read(&mut buffer).await {
            Ok(count @ 1..) => self.passes(&buffer[..count]),
            Ok(_) | Err(_) => self.end(),
        }
    }

    fn passes(&mut self, bytes: &[u8]) {
        let room = KEPT_LIMIT - self.kept.len();
        self.whole &= bytes.len() <= room;
        self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.held.extend_from_slice(bytes);
        self.secrets.hide_bytes(&mut self.held);
        let held = self.secrets.begins_at_the_end_of(&self.held);
        let rest = self.held.split_off(self.held.len() - held);
        let ready = std::mem::replace(&mut self.held, rest);
        if !ready.is_empty() && !self.terminal.pass(ready, self.stream) {
            // Nobody reads: the closed pipe tells the command so.
            self.from = None;
        }
    }

    fn end(&mut self) {
        self.from = None;
        let rest = std::mem::take(&mut self.held);
        if !rest.is_empty() {
            self.terminal.pass(rest, self.stream);
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.kept).into_owned()
    }
}

/// Makes a stopped process go on.
fn wake(process: Option<u32>) {
    if let Some(process) = process.and_then(|id| Pid::from_raw(id.cast_signed())) {
        // It may be gone already.
        let _ = kill_process(process, Signal::CONT);
    }
}
