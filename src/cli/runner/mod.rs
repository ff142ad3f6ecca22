//! `nls test` and `nls check`.
//!
//! | file | does |
//! |---|---|
//! | `discover` | files and folders → checked plans → cases |
//! | `choose` | which cases run, how often, in what order |
//! | `attempt` | one run of a case, in its own shell |
//! | `pool` | running in parallel, retries, `--fail-fast` |
//! | `reports` | report formats and their targets |
//! | `memory` | which cases failed in the last run |

mod attempt;
mod choose;
mod discover;
mod memory;
mod pool;
mod reports;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use self::choose::ChosenRun;
use self::discover::Case;
use self::memory::Memory;
use super::arguments::Choices;
use super::{Exit, Program, errors};
use crate::base::quantity;
use crate::language::{Plan, Source};
use crate::report::{Place, Report, Summary, TestPlan, TestRun, Verdict};
use crate::shell::run::script::{ScriptEnd, TEST_LIMIT};

/// Finds every error without running anything.
pub(super) fn check(program: &Program, paths: &[PathBuf]) -> Exit {
    match discover::check(program, paths) {
        Ok((files, statements)) => {
            program.show(&Report::Notice(format!(
                "{}, {}, no errors",
                quantity::counted(files as u64, "file"),
                quantity::counted(statements as u64, "statement")
            )));
            Exit::Well
        }
        Err(exit) => exit,
    }
}

/// Runs the tests below the paths.
pub(super) async fn run(program: &Program, paths: &[PathBuf], choices: &Choices) -> Exit {
    let plans = match discover::plans(program, paths) {
        Ok(plans) => plans,
        Err(exit) => return exit,
    };
    let cases = discover::cases(plans);
    let memory = Memory::open();
    let runs = match choose::choose(cases, choices, &memory, program.arguments.seed) {
        Ok(runs) => runs,
        Err(failure) => {
            program.show_failure(failure);
            return Exit::Usage;
        }
    };
    if runs.is_empty() {
        program.show_failure(errors::no_tests());
        return Exit::NoTests;
    }
    if choices.list {
        runs.iter().for_each(|run| program.print(&line(program, &run.case)));
        return Exit::Well;
    }
    run_chosen(program, runs, choices, memory).await
}

/// Runs the chosen cases, reports on them, and remembers which failed.
async fn run_chosen(program: &Program, runs: Vec<ChosenRun>, choices: &Choices, memory: Memory) -> Exit {
    let seed = program.arguments.seed;
    let Some(mut reports) = reports::Reports::new(program, choices, seed) else { return Exit::CannotStart };
    let jobs = choices.jobs.unwrap_or_else(pool::default_jobs);
    reports.begin(&TestPlan { tests: runs.len(), seed, jobs });
    let began = Instant::now();
    let mut summary = Summary { seed, ..Summary::default() };
    let mut failed = Vec::new();
    let ran: Vec<_> = runs.iter().map(|run| run.case.key()).collect();
    pool::run(program, runs, choices, jobs, |run, leaked| {
        summary.count(&run);
        summary.leaked += leaked;
        if matches!(run.verdict, Verdict::Failed(_)) {
            failed.push((run.file.clone(), run.name.clone()));
        }
        reports.test(&run);
    })
    .await;
    memory.remember(&ran, &failed);
    summary.seconds = began.elapsed().as_secs_f64();
    match reports.end(&summary) {
        Err(failure) => {
            program.show_failure(failure);
            Exit::Failed
        }
        Ok(()) if summary.failed > 0 => Exit::Failed,
        Ok(()) => Exit::Well,
    }
}

/// The output of `--list` for one case.
fn line(program: &Program, case: &Case) -> String {
    if program.style.json {
        let object = serde_json::json!({
            "type": "listed", "name": case.name, "file": case.source.name, "line": case.line, "tags": case.tags,
            "serial": case.serial,
        });
        return format!("{object}\n");
    }
    let tags: String = case.tags.iter().map(|tag| format!(" [{tag}]")).collect();
    format!("{}:{}  {}{tags}\n", case.source.name, case.line, crate::base::escape::escape_line(&case.name))
}

/// Runs the tests of a script that was started as a script: output is shown, and each test has its own shell. True if
/// one failed.
pub(super) async fn in_a_script(program: &Program, source: &Arc<Source>, plan: &Plan) -> bool {
    let mut failed = false;
    for test in &plan.tests {
        let began = Instant::now();
        let mut shell = program.shell(false);
        let limit = test.heading.timeout.unwrap_or(TEST_LIMIT);
        let ending = if test.steps.is_empty() {
            let place = Place { source: test.source.clone(), span: test.span.clone(), secret: false };
            program.show(&Report::Failure {
                failure: errors::test_without_statements(),
                verb: None,
                place: Some(place),
                session: None,
            });
            ScriptEnd::Failed
        } else {
            shell.test(&plan.setup, &test.steps, limit).await
        };
        program.close(&shell).await;
        let verdict = match ending {
            ScriptEnd::Passed | ScriptEnd::Quit => Verdict::Passed,
            ScriptEnd::Skipped(reason) => Verdict::Skipped(reason),
            // The failures were shown as they happened.
            ScriptEnd::Failed => Verdict::Failed(Vec::new()),
        };
        failed |= matches!(verdict, Verdict::Failed(_));
        program.show(&Report::Test(TestRun {
            name: test.heading.name.clone(),
            file: source.name.clone(),
            line: test.source.line(test.span.start),
            tags: test.heading.tags.clone(),
            verdict,
            seconds: began.elapsed().as_secs_f64(),
            earlier: Vec::new(),
        }));
    }
    failed
}
