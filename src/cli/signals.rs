//! Signals: the first one closes everything within two seconds, then the program dies by that signal, as a calling
//! shell expects; the second one kills it at once. At the prompt, SIGINT only ends the foreground command, and SIGTSTP
//! sends it to the background.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;

/// The signal that the program dies by when standard output is closed.
pub(super) const PIPE: i32 = signal_hook::consts::SIGPIPE;
/// At the prompt, interrupts that follow each other within this time may end the program (faults.md row 33).
const TWICE: Duration = Duration::from_secs(2);

/// Time limit for closing after the first signal (faults.md row 97); then the program dies by the signal, even if its
/// output is blocked.
const GRACE: Duration = Duration::from_secs(5);

/// The state that signals act on.
#[derive(Clone)]
pub(super) struct Targets {
    /// The token of the foreground command.
    pub(super) foreground: Arc<Mutex<CancellationToken>>,
    /// Fires when the whole program must end.
    pub(super) end: CancellationToken,
    /// Set to the first signal that ends the program.
    pub(super) received: Arc<Mutex<Option<i32>>>,
    /// Notified at SIGTSTP.
    pub(super) suspend: Arc<Notify>,
    /// The program runs the prompt.
    pub(super) interactive: bool,
    /// Shows a message to the user.
    pub(super) say: Arc<dyn Fn(&str) + Send + Sync>,
}

/// Installs the handlers, once for the whole program. They run on their own thread, as all others may be blocked on
/// output that nobody reads.
pub(super) fn listen(targets: &Targets) {
    // A write beyond the file size limit should be an error (faults.md row 17); by default SIGXFSZ kills the process.
    drop(signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default()));
    let (ready, is_ready) = std::sync::mpsc::channel();
    let here = targets.clone();
    let thread = std::thread::Builder::new().name("signals".into()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Ok(runtime) = runtime else { return };
        LocalSet::new().block_on(&runtime, async move {
            let listening = all(&here);
            let _ = ready.send(());
            listening.await;
        });
    });
    // Without the thread each signal keeps its default action.
    if thread.is_ok() {
        let _ = is_ready.recv();
    }
}

/// The handlers are installed when this returns; the future must be kept alive for them to run.
fn all(targets: &Targets) -> impl Future<Output = ()> + use<> {
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    for kind in kinds {
        // If a handler cannot be installed, the signal keeps its default action: the program dies at once.
        let Ok(stream) = signal(kind) else { continue };
        tokio::task::spawn_local(ends(stream, kind, targets.clone()));
    }
    if targets.interactive
        && let Ok(mut stops) = signal(SignalKind::from_raw(signal_hook::consts::SIGTSTP))
    {
        // Ctrl-Z: caught, so that it does not suspend the process with its servers.
        let suspend = targets.suspend.clone();
        tokio::task::spawn_local(async move {
            while stops.recv().await.is_some() {
                suspend.notify_waiters();
            }
        });
    }
    std::future::pending()
}

async fn ends(mut stream: Signal, kind: SignalKind, targets: Targets) {
    let number = kind.as_raw_value();
    let only_command = targets.interactive && kind == SignalKind::interrupt();
    let (mut last, mut insisted): (Option<Instant>, bool) = (None, false);
    while stream.recv().await.is_some() {
        let command = targets.foreground.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let soon = last.replace(Instant::now()).is_some_and(|before| before.elapsed() < TWICE);
        if only_command {
            // A second Ctrl-C may be accidental: warn first, and leave only at the next one. `quit` also asks. If
            // another command is in the foreground by then, the count starts again.
            match soon && command.is_cancelled() {
                true if std::mem::replace(&mut insisted, true) => die_by(number),
                true => (targets.say)(
                    "still stopping the command; Ctrl-C once more quits the shell and ends all its sessions",
                ),
                false => insisted = false,
            }
            command.cancel();
            continue;
        }
        let before = targets.received.lock().unwrap_or_else(PoisonError::into_inner).replace(number);
        if before.is_some() {
            die_by(number);
        }
        command.cancel();
        targets.end.cancel();
        tokio::task::spawn_local(async move {
            tokio::time::sleep(GRACE).await;
            die_by(number);
        });
    }
}

/// Restores the terminal and ends the process by the signal's default action.
pub(super) fn die_by(signal: i32) {
    crate::output::restore_terminal();
    // This returns only for signals that do not kill; then the program goes on to its exit code.
    drop(signal_hook::low_level::emulate_default_handler(signal));
}
