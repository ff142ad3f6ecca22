//! Signals: the first one closes everything within two seconds and then kills the program as a calling shell
//! expects; the second one does so at once. At the prompt, SIGINT only ends the command in the foreground, and SIGTSTP
//! sends it to the background.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub(super) const PIPE: i32 = signal_hook::consts::SIGPIPE;
/// Two interrupts within this time leave at once (FAULTS row 33).
const TWICE: Duration = Duration::from_secs(2);

/// Starts to listen, once for the whole program.
pub(super) fn listen(
    foreground: &Arc<Mutex<CancellationToken>>,
    end: &CancellationToken,
    received: &Arc<Mutex<Option<i32>>>,
    suspend: &Arc<Notify>,
    interactive: bool,
) {
    if interactive && let Ok(mut stops) = signal(SignalKind::from_raw(signal_hook::consts::SIGTSTP)) {
        // Ctrl-Z: caught, it does not stop the servers of this process.
        let suspend = suspend.clone();
        tokio::spawn(async move {
            while stops.recv().await.is_some() {
                suspend.notify_waiters();
            }
        });
    }
    // A limit on the size of files is an error of the write (FAULTS row 17); by default its signal kills the process.
    drop(signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default()));
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    for kind in kinds {
        // A signal that cannot be caught keeps its default: the program dies by it at once.
        let Ok(mut stream) = signal(kind) else { continue };
        let (foreground, end, received) = (foreground.clone(), end.clone(), received.clone());
        tokio::spawn(async move {
            let number = kind.as_raw_value();
            let mut last: Option<Instant> = None;
            while stream.recv().await.is_some() {
                let command = foreground.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let only_command = interactive && kind == SignalKind::interrupt();
                let soon = last.replace(Instant::now()).is_some_and(|before| before.elapsed() < TWICE);
                // Twice for one command that does not end; another command is another matter.
                let insists = only_command && soon && command.is_cancelled();
                let before = (!only_command)
                    .then(|| received.lock().unwrap_or_else(PoisonError::into_inner).replace(number))
                    .flatten();
                if before.is_some() || insists {
                    die_by(number);
                }
                command.cancel();
                if !only_command {
                    end.cancel();
                }
            }
        });
    }
}

/// Ends the process as the signal would have, with the terminal as it was.
pub(super) fn die_by(signal: i32) {
    crate::output::restore_terminal();
    // It returns only for signals that do not kill; then the exit code stands.
    drop(signal_hook::low_level::emulate_default_handler(signal));
}
