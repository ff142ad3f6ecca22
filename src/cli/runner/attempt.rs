//! One run of a case in its own shell: own sessions, variables, `$tmp` and seed. Its results are not shown; its
//! failures are collected.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::choose::ChosenRun;
use crate::base::Secrets;
use crate::cli::{CLOSE_LIMIT, EVENT_QUEUE};
use crate::report::{FailedTest, Failure, Report, Verdict};
use crate::session::Registry;
use crate::shell::run::script::ScriptEnd;
use crate::shell::run::system::{Pass, Stream};
use crate::shell::{Emit, Settings, Shell};
use crate::wire::Code;

/// After its limit a test may use the same time again, plus this, to clean up; then it is aborted.
const PATIENCE: Duration = Duration::from_secs(5);

/// The settings that all attempts share.
#[derive(Clone)]
pub(super) struct Circumstances {
    pub(super) settings: Settings,
    pub(super) arguments: Vec<String>,
    pub(super) secrets: Secrets,
    /// The target of the output of system commands.
    pub(super) pass: Pass,
    /// Fires when the whole run must stop.
    pub(super) stop: CancellationToken,
}

/// The failure of a test without statements, as such a test could never fail.
pub(super) fn empty() -> Failure {
    Failure::new(Code::Expectation, "the test has no statements")
        .fix("write what it checks, or `skip \"why\"`")
}

/// Runs a case once; returns the verdict, and how many sessions it left open.
pub(super) async fn attempt(run: &ChosenRun, with: &Circumstances) -> (Verdict, usize) {
    if run.case.is_empty() {
        return (Verdict::Failed(vec![FailedTest { failure: empty(), place: Some(run.case.place()) }]), 0);
    }
    let (queue, mut events) = mpsc::channel(EVENT_QUEUE);
    let gone = tokio::spawn(async move { while events.recv().await.is_some() {} });
    let gathered: Arc<Mutex<Vec<FailedTest>>> = Arc::default();
    let (into, said) = (gathered.clone(), with.pass.clone());
    let emit: Emit = Arc::new(move |report| {
        if let Report::Notice(text) = &report {
            said(format!("{text}\n").into_bytes(), Stream::Err);
        }
        if let Report::Failure { failure, place, .. } = report {
            into.lock().unwrap_or_else(PoisonError::into_inner).push(FailedTest { failure, place });
        }
    });
    let settings = Settings { seed: run.seed, ..with.settings };
    let mut shell = Shell::new(Registry::new(queue), settings, with.arguments.clone(), emit);
    shell.interrupt = with.stop.child_token();
    shell.secrets = with.secrets.clone();
    shell.pass = with.pass.clone();
    let (setup, steps) = run.case.steps();
    let limit = run.case.limit;
    let ending = tokio::time::timeout(limit * 2 + PATIENCE, shell.test(setup, steps, limit)).await;
    let leaks = shell.close(CLOSE_LIMIT).await;
    drop(shell);
    gone.abort();
    let mut wrongs = std::mem::take(&mut *gathered.lock().unwrap_or_else(PoisonError::into_inner));
    if ending.is_err() {
        let failure = Failure::new(Code::Timeout, "the test exceeded its time limit and was aborted");
        wrongs.push(FailedTest { failure, place: None });
    }
    for leak in &leaks {
        let why = format!("leak: {leak} is still open {} s after the end of the test", CLOSE_LIMIT.as_secs());
        wrongs.push(FailedTest { failure: Failure::new(Code::Internal, why), place: None });
    }
    let verdict = match ending {
        Ok(ScriptEnd::Skipped(reason)) if leaks.is_empty() => Verdict::Skipped(reason),
        Ok(ScriptEnd::Passed | ScriptEnd::Quit) if leaks.is_empty() => Verdict::Passed,
        _ => Verdict::Failed(wrongs),
    };
    (verdict, leaks.len())
}
