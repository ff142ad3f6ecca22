//! `!CMD &`: a command that goes on while the script does. One that has failed by the end of the script fails it; one
//! that still runs is ended.

use std::process::ExitStatus;

use rustix::process::{Signal, kill_process};
use tokio::process::Child;

use super::errors;
use super::process_group::{ProcessGroup, Running, processes_with};
use crate::report::{Failure, Report};
use crate::shell::Shell;

/// How long such commands may take to end after SIGTERM; then they get SIGKILL.
const END_LIMIT: std::time::Duration = std::time::Duration::from_secs(2);
/// Commands in the background at once.
pub(crate) const BACKGROUND_LIMIT: usize = 256;
/// A shell says with a code above this one that a signal ended its last command (POSIX.1-2017, 2.8.2).
const SIGNALLED: i32 = 128;

/// A command in the background.
pub(crate) struct BackgroundCommand {
    /// As it was written.
    pub(super) what: String,
    /// All its processes; killed if the shell is gone before the script's end.
    pub(super) group: ProcessGroup,
    /// `None`: it has ended, and left processes behind.
    pub(super) child: Option<Child>,
}

impl BackgroundCommand {
    /// How it failed by itself: whoever ends it with a signal wants it to end.
    fn failure(&mut self) -> Option<ExitStatus> {
        let status = self.child.as_mut()?.try_wait().ok()??;
        status.code().is_some_and(|code| code != 0 && code <= SIGNALLED).then_some(status)
    }
}

/// A command without the `&` at its end, if all of it is to run in the background: `a; b &` waits for `a`.
pub(super) fn in_background(text: &str) -> Option<&str> {
    let command = text.trim_end().strip_suffix('&')?;
    let (mut quote, mut before, mut escaped) = (None, ' ', false);
    let mut rest = command.chars().peekable();
    while let Some(letter) = rest.next() {
        match (quote, letter) {
            _ if escaped => escaped = false,
            (Some('\''), '\\') => {}
            (_, '\\') => escaped = true,
            (Some(end), _) => quote = quote.filter(|_| letter != end),
            (None, '\'' | '"' | '`') => quote = Some(letter),
            (None, ';' | '\n' | '#') => return None,
            // `>&` and `&>` redirect, `&&` joins.
            (None, '&') if before == '>' || before == '<' || rest.peek() == Some(&'>') => {}
            (None, '&') if rest.next_if_eq(&'&').is_none() => return None,
            _ => {}
        }
        before = letter;
    }
    (quote.is_none() && !escaped && !command.ends_with('&') && !command.trim().is_empty()).then_some(command)
}

impl Shell {
    /// Fails if too many commands run in the background. Those that have ended without a failure are not kept.
    pub(super) fn check_room_in_background(&mut self) -> Result<(), Failure> {
        if self.in_background.len() < BACKGROUND_LIMIT {
            return Ok(());
        }
        let running = Running::now();
        self.in_background.retain_mut(|command| {
            let stays = command.group.is_in(&running) || command.failure().is_some();
            if !stays {
                command.group.forget();
            }
            stays
        });
        let is_full = self.in_background.len() >= BACKGROUND_LIMIT;
        if is_full { Err(errors::too_many_in_background(BACKGROUND_LIMIT)) } else { Ok(()) }
    }

    /// Reports commands in the background that have failed; false if one has.
    pub(super) fn check_background(&mut self) -> bool {
        let mut failures = Vec::new();
        for command in &mut self.in_background {
            if let Some(status) = command.failure() {
                failures.push(errors::system_command_failed(status).of(&*command.what));
            }
        }
        let well = failures.is_empty();
        for failure in failures {
            self.emit(Report::Failure { failure, verb: None, place: None, session: None });
        }
        well
    }

    /// Ends the commands in the background that still run, and what others left behind, and reports it.
    pub(super) async fn end_what_is_left(&mut self) {
        let mut left = std::mem::take(&mut self.in_background);
        let running = Running::now();
        for BackgroundCommand { what, group, .. } in &mut left {
            if group.is_in(&running) {
                self.emit(Report::Notice(format!("{what}: processes that it left behind are ended")));
                group.signal(Signal::TERM);
            } else {
                group.forget();
            }
        }
        let began = std::time::Instant::now();
        let run = |left: &[BackgroundCommand]| {
            let running = Running::now();
            left.iter().any(|command| command.group.is_in(&running))
        };
        while run(&left) && began.elapsed() < END_LIMIT {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        left.iter().for_each(|command| command.group.signal(Signal::KILL));
        for child in left.iter_mut().filter_map(|command| command.child.as_mut()) {
            // So that no dead process stays in the list of the system.
            drop(child.wait().await);
        }
        self.end_strays();
    }

    /// Ends what left the process groups of its commands, as `setsid` does: it has the `$tmp` of this script.
    fn end_strays(&mut self) {
        let Some(folder) = self.temporary.get().filter(|_| self.has_run_commands) else { return };
        let strays = processes_with("tmp", folder.path());
        for (process, name) in &strays {
            self.emit(Report::Notice(format!("the process {name} that a command left behind is ended")));
            let _gone_already = kill_process(*process, Signal::KILL);
        }
        self.has_run_commands = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_in_the_background_as_a_whole_is_known() {
        for (text, command) in [
            ("server &", Some("server ")),
            ("a > log 2>&1 &", Some("a > log 2>&1 ")),
            ("a && b | c &", Some("a && b | c ")),
            ("sh -c 'a; b &' &", Some("sh -c 'a; b &' ")),
            (r"echo a\;b & ", Some(r"echo a\;b ")),
            ("a", None),
            ("a &&", None),
            ("a; b &", None),
            ("a & b &", None),
            ("echo '&", None),
            ("echo a # b &", None),
            ("&", None),
        ] {
            assert_eq!(in_background(text), command, "{text}");
        }
    }
}
