//! `nls test` and `nls check`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::mpsc;

use super::{CLOSE_LIMIT, EVENT_QUEUE, Exit, Program};
use crate::language::{Plan, Scope, Source, plan};
use crate::report::{Failure, Report, Verdict};
use crate::session::Registry;
use crate::shell::script::{self, Ending, TEST_LIMIT};
use crate::shell::{Emit, Shell, catalogue};
use crate::wire::Code;

/// Scripts below the paths: files as they are, folders searched for `*.nls`; names that begin with `_` are for
/// `source`.
fn discover(paths: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() { search(path, &mut found) } else { found.push(path.clone()) }
    }
    if let Some(missing) = found.iter().find(|path| !path.exists()) {
        return Err(format!("`{}` does not exist", missing.display()));
    }
    Ok(found)
}

fn search(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.sort();
    for path in paths {
        let hidden =
            path.file_name().and_then(|name| name.to_str()).is_none_or(|name| name.starts_with(['.', '_']));
        if !hidden && path.is_dir() && !path.is_symlink() {
            search(&path, found);
        } else if !hidden && path.extension().is_some_and(|extension| extension == "nls") {
            found.push(path);
        }
    }
}

fn fail(program: &Program, why: String) {
    let failure = Failure::new(Code::Missing, why);
    program.show(&Report::Failure { failure, verb: None, place: None, session: None });
}

/// Parses everything; the plans, or the exit code after every error was shown.
fn load(program: &Program, paths: &[PathBuf]) -> Result<Vec<(Arc<Source>, Plan)>, Exit> {
    let files = discover(paths).map_err(|why| {
        fail(program, why);
        Exit::CannotStart
    })?;
    let vocabulary = catalogue::vocabulary(false);
    let mut plans = Vec::new();
    let mut exit = None;
    for file in files {
        let source = match script::read(&file) {
            Ok(source) => source,
            Err(why) => {
                fail(program, why);
                exit = Some(Exit::CannotStart);
                continue;
            }
        };
        match plan(&source, &vocabulary, &mut Scope::builtin(program.arguments.rest.len()), &script::load) {
            Ok(plan) => plans.push((source, plan)),
            Err(errors) => {
                program.sink.put(program.style.render_errors(&errors));
                exit.get_or_insert(Exit::Usage);
            }
        }
    }
    exit.map_or(Ok(plans), Err)
}

/// Finds every error without running anything.
pub(super) fn check(program: &Program, paths: &[PathBuf]) -> Exit {
    match load(program, paths) {
        Ok(plans) => {
            let steps: usize = plans
                .iter()
                .map(|(_, plan)| {
                    plan.setup.len() + plan.tests.iter().map(|test| test.steps.len()).sum::<usize>()
                })
                .sum();
            program.show(&Report::Notice(format!("{} files, {steps} statements, no errors", plans.len())));
            Exit::Well
        }
        Err(exit) => exit,
    }
}

/// Runs every test in a shell of its own.
pub(super) async fn run(program: &Program, paths: &[PathBuf], filter: Option<&str>) -> Exit {
    let plans = match load(program, paths) {
        Ok(plans) => plans,
        Err(exit) => return exit,
    };
    let filter = match filter.map(regex_lite::Regex::new).transpose() {
        Ok(filter) => filter,
        Err(error) => {
            fail(program, format!("--filter: {error}"));
            return Exit::Usage;
        }
    };
    let began = Instant::now();
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (source, plan) in &plans {
        for case in cases(source, plan) {
            if filter.as_ref().is_some_and(|filter| !filter.is_match(&case.name))
                || program.end.is_cancelled()
            {
                continue;
            }
            let started = Instant::now();
            let verdict = one(program, plan, &case).await;
            match &verdict {
                Verdict::Passed => passed += 1,
                Verdict::Failed(_) => failed += 1,
                Verdict::Skipped(_) => skipped += 1,
            }
            program.show(&Report::Test {
                name: case.name,
                file: source.name.clone(),
                line: case.line,
                verdict,
                seconds: started.elapsed().as_secs_f64(),
            });
        }
    }
    if passed + failed + skipped == 0 {
        fail(program, "no tests found".into());
        return Exit::NoTests;
    }
    program.show(&Report::Summary { passed, failed, skipped, seconds: began.elapsed().as_secs_f64() });
    if failed > 0 { Exit::Failed } else { Exit::Well }
}

struct Case {
    name: String,
    line: usize,
    /// Which test of the plan; `None`: the file is one test.
    index: Option<usize>,
}

fn cases(source: &Source, plan: &Plan) -> Vec<Case> {
    if plan.tests.is_empty() {
        let name = Path::new(&source.name)
            .file_stem()
            .map_or_else(|| source.name.clone(), |stem| stem.to_string_lossy().into_owned());
        return vec![Case { name, line: 1, index: None }];
    }
    let case = |(index, test): (usize, &crate::language::plan::Test)| Case {
        name: test.heading.name.clone(),
        line: test.source.line(test.span.start),
        index: Some(index),
    };
    plan.tests.iter().enumerate().map(case).collect()
}

/// One test: own sessions, variables and `$tmp`; its failures are gathered, its results not shown.
async fn one(program: &Program, plan: &Plan, case: &Case) -> Verdict {
    let (queue, mut events) = mpsc::channel(EVENT_QUEUE);
    tokio::spawn(async move { while events.recv().await.is_some() {} });
    let registry = Registry::new(queue);
    let failures: Arc<Mutex<Vec<String>>> = Arc::default();
    let gathered = failures.clone();
    let emit: Emit = Arc::new(move |report| {
        if let Report::Failure { failure, place, .. } = report {
            let mut lines = gathered.lock().unwrap_or_else(PoisonError::into_inner);
            lines.push(format!("error: {failure}"));
            lines.extend(failure.detail);
            lines.extend(place.map(|place| format!("  at {place}")));
        }
    });
    let mut shell = Shell::new(registry, program.settings(false), program.arguments.rest.clone(), emit);
    *program.foreground.lock().unwrap_or_else(PoisonError::into_inner) = shell.interrupt.clone();
    let (steps, limit) = match case.index.and_then(|index| plan.tests.get(index)) {
        Some(test) => (test.steps.as_slice(), test.heading.timeout.unwrap_or(TEST_LIMIT)),
        None => (&[][..], TEST_LIMIT),
    };
    let ending = shell.test(&plan.setup, steps, limit).await;
    let leaked = shell.close(CLOSE_LIMIT).await;
    let mut lines = std::mem::take(&mut *failures.lock().unwrap_or_else(PoisonError::into_inner));
    if leaked > 0 {
        lines.push(format!("{leaked} sessions did not close"));
    }
    match ending {
        Ending::Skipped(reason) => Verdict::Skipped(reason),
        Ending::Passed | Ending::Quit if leaked == 0 => Verdict::Passed,
        _ => Verdict::Failed(lines),
    }
}
