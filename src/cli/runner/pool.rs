//! Runs tests in parallel and `serial` ones alone, with retries, and stops after a failure with `--fail-fast`.

use std::collections::VecDeque;
use std::sync::PoisonError;
use std::time::Instant;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::attempt::{Circumstances, attempt};
use super::choose::ChosenRun;
use crate::cli::arguments::Choices;
use crate::cli::{Program, errors};
use crate::report::{FailedTest, TestRun, Verdict};
use crate::shell::Settings;

/// Events of a session that a failed expectation shows.
const EVENTS_SHOWN: usize = 10;
/// Minimum of the default number of parallel tests: they mostly wait, so more run than there are cores.
const LEAST_JOBS: usize = 4;

pub(super) fn default_jobs() -> usize {
    std::thread::available_parallelism().map_or(LEAST_JOBS, |cores| (cores.get() * 2).max(LEAST_JOBS))
}

/// Runs all; `done` is called for each with its result and the number of sessions that it left open.
pub(super) async fn run(
    program: &Program,
    runs: Vec<ChosenRun>,
    choices: &Choices,
    jobs: usize,
    mut done: impl FnMut(TestRun, usize),
) {
    let stop = CancellationToken::new();
    *program.foreground.lock().unwrap_or_else(PoisonError::into_inner) = stop.clone();
    let with = circumstances(program, stop.clone());
    let mut waiting = VecDeque::from(runs);
    let mut running: JoinSet<(TestRun, usize)> = JoinSet::new();
    let (mut alone, mut failed) = (false, false);
    loop {
        let over = stop.is_cancelled() || failed && choices.fail_fast;
        while running.len() < jobs && !alone && !over {
            let Some(next) = waiting.pop_front_if(|next| !next.case.serial || running.is_empty()) else {
                break;
            };
            alone = next.case.serial;
            let (with, retries) = (with.clone(), choices.retries);
            running.spawn(async move { with_retries(&next, &with, retries).await });
        }
        match running.join_next().await {
            None => break,
            Some(Ok((run, leaked))) => {
                failed |= matches!(run.verdict, Verdict::Failed(_));
                done(run, leaked);
            }
            Some(Err(error)) => {
                failed = true;
                done(broken(&error), 0);
            }
        }
        alone = false;
    }
    let why = if stop.is_cancelled() { "not run: interrupted" } else { "not run: an earlier test failed" };
    waiting.iter().for_each(|run| done(ended(run, Verdict::Skipped(why.into())), 0));
}

fn circumstances(program: &Program, stop: CancellationToken) -> Circumstances {
    Circumstances {
        settings: Settings { events: EVENTS_SHOWN, ..program.settings(false) },
        arguments: program.arguments.rest.clone(),
        secrets: program.sink.secrets.clone(),
        output: program.sink.clone(),
        stop,
    }
}

async fn with_retries(run: &ChosenRun, with: &Circumstances, retries: usize) -> (TestRun, usize) {
    let began = Instant::now();
    let (mut earlier, mut leaked) = (Vec::new(), 0);
    let verdict = loop {
        let (verdict, left) = attempt(run, with).await;
        leaked += left;
        match verdict {
            Verdict::Failed(wrongs) if earlier.len() < retries && !with.stop.is_cancelled() => {
                earlier.push(wrongs);
            }
            verdict => break verdict,
        }
    };
    (TestRun { seconds: began.elapsed().as_secs_f64(), earlier, ..ended(run, verdict) }, leaked)
}

fn ended(run: &ChosenRun, verdict: Verdict) -> TestRun {
    let case = &run.case;
    let (name, tags) = (case.name.clone(), case.tags.clone());
    TestRun {
        name,
        file: case.source.name.clone(),
        line: case.line,
        tags,
        verdict,
        seconds: 0.0,
        earlier: Vec::new(),
    }
}

/// The result of a test whose task panicked: a bug in this program.
fn broken(error: &tokio::task::JoinError) -> TestRun {
    let failure = errors::test_panicked(error);
    TestRun {
        name: "?".into(),
        file: "?".into(),
        line: 1,
        tags: Vec::new(),
        verdict: Verdict::Failed(vec![FailedTest { failure, place: None }]),
        seconds: 0.0,
        earlier: Vec::new(),
    }
}
