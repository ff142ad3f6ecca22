//! What must be there before anything starts (FAULTS row 98): a runtime without it panics where nobody can say why.

use std::fs::File;
use std::io;
use std::sync::mpsc;

use super::WORKERS;

/// Output, signals, the workers, one that may block, and one for those whose end the system counts late.
const THREADS: usize = 4 + WORKERS;
/// Descriptors beside the three streams: of two runtimes, their signals, a server, a client and one file.
const DESCRIPTORS: usize = 13;

/// Raises the limit of descriptors, and says which of threads and descriptors the system does not give.
pub(super) fn check_room() -> Result<(), String> {
    raise_descriptor_limit();
    let descriptors: io::Result<Vec<_>> = (0..DESCRIPTORS).map(|_| File::open("/")).collect();
    descriptors.map_err(|error| {
        let few = crate::report::reason(&error);
        format!("{few}; {} are needed at least (`ulimit -n`)", DESCRIPTORS + 3)
    })?;
    let mut waiting = Vec::new();
    for started in 0..THREADS {
        let (end, ends) = mpsc::channel::<()>();
        let thread = std::thread::Builder::new().spawn(move || ends.recv().is_ok());
        let thread = thread.map_err(|_| {
            format!("the system gives {started} more threads; {THREADS} are needed at least (`ulimit -u`)")
        })?;
        waiting.push((end, thread));
    }
    for (end, thread) in waiting {
        drop(end);
        let _ended = thread.join();
    }
    Ok(())
}

/// Each client of a server needs a descriptor; the system gives few at first, and more to who asks.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // A wish: with few descriptors fewer clients are taken.
    let _wish = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}
