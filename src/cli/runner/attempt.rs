//! One run of a case in its own shell: own sessions, variables, `$tmp` and seed. Its results are not shown; its
//! failures are collected.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::choose::ChosenRun;
use crate::base::Secrets;
use crate::cli::{CLOSE_LIMIT, EVENT_QUEUE, errors};
use crate::output::Sink;
use crate::report::{FailedTest, Report, Verdict};
use crate::session::Registry;
use crate::shell::run::script::ScriptEnd;
use crate::shell::terminal::Stream;
use crate::shell::{Settings, Shell, Terminal};

/// After its limit a test may use the same time again, plus this, to clean up; then it is aborted.
const PATIENCE: Duration = Duration::from_secs(5);

/// The settings that all attempts share.
#[derive(Clone)]
pub(super) struct Circumstances {
    pub(super) settings: Settings,
    pub(super) arguments: Vec<String>,
    pub(super) secrets: Secrets,
    /// Shows what system commands print, on standard error: standard output is reserved for the report.
    pub(super) output: Sink,
    /// Fires when the whole run must stop.
    pub(super) stop: CancellationToken,
}

/// Collects what fails in a test; its results are not shown.
struct Collector {
    output: Sink,
    failed: Mutex<Vec<FailedTest>>,
}

impl Collector {
    fn take_failed(&self) -> Vec<FailedTest> {
        std::mem::take(&mut *self.failed.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Terminal for Collector {
    fn show(&self, report: Report) {
        match report {
            Report::Notice(text) => {
                self.pass(format!("{text}\n").into_bytes(), Stream::Err);
            }
            Report::Failure { failure, place, .. } => {
                let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
                failed.push(FailedTest { failure, place });
            }
            _ => {}
        }
    }

    fn pass(&self, bytes: Vec<u8>, _: Stream) -> bool {
        self.output.pass(bytes, true);
        !self.output.closed.is_cancelled()
    }
}

/// Runs a case once; returns the verdict, and how many sessions it left open.
pub(super) async fn attempt(run: &ChosenRun, with: &Circumstances) -> (Verdict, usize) {
    if run.case.is_empty() {
        let failure = errors::test_without_statements();
        return (Verdict::Failed(vec![FailedTest { failure, place: Some(run.case.place()) }]), 0);
    }
    let (queue, mut events) = mpsc::channel(EVENT_QUEUE);
    let gone = tokio::spawn(async move { while events.recv().await.is_some() {} });
    let collector = Arc::new(Collector { output: with.output.clone(), failed: Mutex::default() });
    let mut shell = Shell::builder(Registry::new(queue), collector.clone())
        .settings(Settings { seed: run.seed, ..with.settings })
        .arguments(with.arguments.clone())
        .secrets(with.secrets.clone())
        .interrupt(with.stop.child_token())
        .build();
    let (setup, steps) = run.case.steps();
    let limit = run.case.limit;
    let ending = tokio::time::timeout(limit * 2 + PATIENCE, shell.test(setup, steps, limit)).await;
    let leaks = shell.close(CLOSE_LIMIT).await;
    drop(shell);
    gone.abort();
    let mut wrongs = collector.take_failed();
    if ending.is_err() {
        wrongs.push(FailedTest { failure: errors::test_aborted(), place: None });
    }
    for leak in &leaks {
        wrongs.push(FailedTest { failure: errors::session_leaked(leak, CLOSE_LIMIT), place: None });
    }
    let verdict = match ending {
        Ok(ScriptEnd::Skipped(reason)) if leaks.is_empty() => Verdict::Skipped(reason),
        Ok(ScriptEnd::Passed | ScriptEnd::Quit) if leaks.is_empty() => Verdict::Passed,
        _ => Verdict::Failed(wrongs),
    };
    (verdict, leaks.len())
}
