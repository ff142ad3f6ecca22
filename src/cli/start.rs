//! Checks for the needed threads and descriptors at the start (faults.md row 98): if they are missing later, the runtime
//! panics without a useful message.

use std::fs::File;
use std::io;
use std::sync::mpsc;

use super::WORKERS;

/// Output, signals, the workers, one for blocking work, and one more, as the system counts ended threads with a delay.
const THREADS: usize = 4 + WORKERS;
/// Descriptors in addition to the three standard streams: two runtimes, their signals, a server, a client and one file.
const DESCRIPTORS: usize = 13;

/// Raises the descriptor limit. An error if the system does not provide enough descriptors or threads.
pub(super) fn check_room() -> Result<(), String> {
    raise_descriptor_limit();
    let descriptors: io::Result<Vec<_>> = (0..DESCRIPTORS).map(|_| File::open("/")).collect();
    descriptors.map_err(|error| {
        let few = crate::report::reason(&error);
        format!("{few}; at least {} file descriptors are needed (`ulimit -n`)", DESCRIPTORS + 3)
    })?;
    let mut waiting = Vec::new();
    for started in 0..THREADS {
        let (end, ends) = mpsc::channel::<()>();
        let thread = std::thread::Builder::new().spawn(move || ends.recv().is_ok());
        let thread = thread.map_err(|_| {
            format!(
                "the system allows only {started} more threads; at least {THREADS} are needed (`ulimit -u`)"
            )
        })?;
        waiting.push((end, thread));
    }
    for (end, thread) in waiting {
        drop(end);
        let _ended = thread.join();
    }
    Ok(())
}

/// Raises the soft limit, which is low by default, to the hard limit: each client of a server needs a descriptor.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Best effort: with fewer descriptors, fewer clients are accepted.
    let _wish = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}
