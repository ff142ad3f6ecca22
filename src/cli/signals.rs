//! Signals: the first one closes everything within two seconds and then kills the program as a calling shell
//! expects; the second one does so at once. At the prompt, SIGINT only ends the command in the foreground, and SIGTSTP
//! sends it to the background.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;

pub(super) const PIPE: i32 = signal_hook::consts::SIGPIPE;
/// Two interrupts within this time leave at once (FAULTS row 33).
const TWICE: Duration = Duration::from_secs(2);

/// After the first signal everything may close for so long (FAULTS row 97); then the program dies by it, whatever its
/// output does.
const GRACE: Duration = Duration::from_secs(5);

/// What a signal acts on.
#[derive(Clone)]
pub(super) struct Targets {
    pub(super) foreground: Arc<Mutex<CancellationToken>>,
    pub(super) end: CancellationToken,
    pub(super) received: Arc<Mutex<Option<i32>>>,
    pub(super) suspend: Arc<Notify>,
    /// A person is at the prompt.
    pub(super) interactive: bool,
    /// Says something to that person.
    pub(super) say: Arc<dyn Fn(&str) + Send + Sync>,
}

/// Starts to listen, once for the whole program: on a thread of its own, for the others may all wait for an output that
/// nobody reads.
pub(super) fn listen(targets: &Targets) {
    // A limit on the size of files is an error of the write (FAULTS row 17); by default its signal kills the process.
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
    // Without the thread each signal keeps its default.
    if thread.is_ok() {
        let _ = is_ready.recv();
    }
}

/// The handlers are there when this returns; the future is their work.
fn all(targets: &Targets) -> impl Future<Output = ()> + use<> {
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    for kind in kinds {
        // A signal that cannot be caught keeps its default: the program dies by it at once.
        let Ok(stream) = signal(kind) else { continue };
        tokio::task::spawn_local(ends(stream, kind, targets.clone()));
    }
    if targets.interactive
        && let Ok(mut stops) = signal(SignalKind::from_raw(signal_hook::consts::SIGTSTP))
    {
        // Ctrl-Z: caught, it does not stop the servers of this process.
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
            // A reflex is no wish to leave: `quit` asks, too. Another command is another matter.
            match soon && command.is_cancelled() {
                true if std::mem::replace(&mut insisted, true) => die_by(number),
                true => (targets.say)(
                    "still ending the command; Ctrl-C once more leaves the shell with all its sessions",
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

/// Ends the process as the signal would have, with the terminal as it was.
pub(super) fn die_by(signal: i32) {
    crate::output::restore_terminal();
    // It returns only for signals that do not kill; then the exit code stands.
    drop(signal_hook::low_level::emulate_default_handler(signal));
}
