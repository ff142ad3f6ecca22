//! All processes of one `!CMD`.

use std::collections::HashSet;
use std::fs::DirEntry;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

/// The process group of a `!CMD` that has not ended; killed as a whole when nobody waits for it any more.
pub(super) struct ProcessGroup(Option<Pid>);

impl ProcessGroup {
    /// The group of this child; nobody's if it has ended, or is not ours to end.
    pub(super) fn of(child: Option<u32>) -> Self {
        Self(child.and_then(|id| Pid::from_raw(id.cast_signed())))
    }

    pub(super) fn is_alive(&self) -> bool {
        self.exists() && self.is_in(&Running::now())
    }

    /// True if one of its processes is among those that run.
    pub(super) fn is_in(&self, running: &Running) -> bool {
        let runs = |group: Pid| {
            running.0.as_ref().is_none_or(|groups| groups.contains(&group.as_raw_nonzero().get()))
        };
        self.exists() && self.0.is_some_and(runs)
    }

    fn exists(&self) -> bool {
        self.0.is_some_and(|group| test_kill_process_group(group).is_ok())
    }

    /// Signals all its processes, which may be gone already.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            let _ = kill_process_group(group, signal);
        }
    }

    /// It is over: what has its number now is something else.
    pub(super) fn forget(&mut self) {
        self.0 = None;
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Processes of this machine in whose environment the variable has this value, with their names; none if the system does
/// not tell.
pub(super) fn processes_with(variable: &str, value: &Path) -> Vec<(Pid, String)> {
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let wanted = [variable.as_bytes(), b"=", value.as_os_str().as_bytes()].concat();
    let of = |entry: DirEntry| {
        let process = entry.file_name().to_str()?.parse().ok()?;
        let environment = std::fs::read(entry.path().join("environ")).ok()?;
        let name = std::fs::read_to_string(entry.path().join("comm")).ok()?;
        let has_it = environment.split(|byte| *byte == 0).any(|variable| variable == wanted);
        Pid::from_raw(process).filter(|_| has_it).map(|process| (process, name.trim_end().to_owned()))
    };
    processes.flatten().filter_map(of).collect()
}

/// The process groups of this machine in which a process runs: one that has ended, and whose parent has not noticed yet,
/// does not. `None` if the system does not tell.
pub(super) struct Running(Option<HashSet<i32>>);

impl Running {
    pub(super) fn now() -> Self {
        let Ok(processes) = std::fs::read_dir("/proc") else { return Self(None) };
        let stats =
            processes.flatten().filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
        // proc(5): behind the name in parentheses, which may have any letter: the state, the parent, the group.
        let groups = stats.filter_map(|stat| {
            let mut behind = stat.rsplit_once(')')?.1.split_whitespace();
            let (state, group) = (behind.next()?, behind.nth(1)?.parse().ok()?);
            (state != "Z" && state != "X").then_some(group)
        });
        Self(Some(groups.collect()))
    }
}
