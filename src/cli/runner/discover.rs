//! Finds the test files, parses them into plans, and lists their cases.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::cli::{Exit, Program, errors};
use crate::language::{self, Plan, Report, Scope, Source, Step, plan};
use crate::report::{Failure, Place};
use crate::shell::catalogue;
use crate::shell::run::script::{self, TEST_LIMIT};

/// A test that can run.
pub(super) struct Case {
    pub(super) source: Arc<Source>,
    plan: Arc<Plan>,
    /// Index of the test in the plan; `None` if the whole file is one test.
    index: Option<usize>,
    pub(super) name: String,
    /// The line where it begins, from 1.
    pub(super) line: usize,
    pub(super) serial: bool,
    pub(super) tags: Vec<String>,
    pub(super) limit: Duration,
}

impl Case {
    /// Identifies the case: its file and its name.
    pub(super) fn key(&self) -> (String, String) {
        (self.source.name.clone(), self.name.clone())
    }

    /// True if it has no statement of its own, so that it could not fail.
    pub(super) fn is_empty(&self) -> bool {
        let (setup, own) = self.steps();
        own.is_empty() && (self.index.is_some() || setup.is_empty())
    }

    /// The location of the test, for messages.
    pub(super) fn place(&self) -> Place {
        let own = self.index.and_then(|index| self.plan.tests.get(index));
        let span = own.map_or(0..0, |test| test.span.clone());
        Place { source: self.source.clone(), span, secret: false }
    }

    /// True if the file has no statements at all.
    fn is_nothing(&self) -> bool {
        self.index.is_none() && self.is_empty()
    }

    /// The statements above the first heading, and the case's own.
    pub(super) fn steps(&self) -> (&[Step], &[Step]) {
        let own = self.index.and_then(|index| self.plan.tests.get(index));
        (&self.plan.setup, own.map_or(&[], |test| &test.steps))
    }
}

/// The scripts for the given paths: files as they are, folders searched for `*.nls`. Names that begin with `_` or `.`
/// are skipped; those with `_` are for `source`.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() { search(path, &mut found) } else { found.push(path.clone()) }
    }
    if let Some(missing) = found.iter().find(|path| !path.exists()) {
        return Err(errors::file_missing(missing));
    }
    // A file that is given twice, even by different paths, is used once.
    let mut seen = HashSet::new();
    found.retain(|path| std::fs::canonicalize(path).map_or(true, |real| seen.insert(real)));
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

/// Calls `read` for every file; returns the results, or, after all errors were shown, the exit code.
fn each<T>(
    program: &Program,
    paths: &[PathBuf],
    read: impl Fn(&Arc<Source>, &mut Scope) -> Result<T, Vec<Report>>,
) -> Result<Vec<(Arc<Source>, T)>, Exit> {
    let files = files(paths).map_err(|failure| {
        program.show_failure(failure);
        Exit::CannotStart
    })?;
    let mut all = Vec::new();
    let mut exit = None;
    for file in files {
        let source = match script::read(&file) {
            Ok(source) => source,
            Err(failure) => {
                program.show_failure(failure);
                exit = Some(Exit::CannotStart);
                continue;
            }
        };
        match read(&source, &mut Scope::builtin(program.arguments.rest.len())) {
            Ok(made) => all.push((source, made)),
            Err(errors) => {
                program.sink.put_errors(&errors, &program.style);
                exit.get_or_insert(Exit::Usage);
            }
        }
    }
    exit.map_or(Ok(all), Err)
}

/// Checks all files; returns the numbers of files and statements.
pub(super) fn check(program: &Program, paths: &[PathBuf]) -> Result<(usize, usize), Exit> {
    let vocabulary = catalogue::vocabulary(false);
    let read = |source: &_, scope: &mut _| language::check(source, &vocabulary, scope, &script::load);
    let all = each(program, paths, read)?;
    Ok((all.len(), all.iter().map(|(_, statements)| statements).sum()))
}

/// Parses all files into plans.
pub(super) fn plans(program: &Program, paths: &[PathBuf]) -> Result<Vec<(Arc<Source>, Plan)>, Exit> {
    let vocabulary = catalogue::vocabulary(false);
    each(program, paths, |source, scope| plan(source, &vocabulary, scope, &script::load))
}

/// All tests of the plans, in order; empty if no file has a statement.
pub(super) fn cases(plans: Vec<(Arc<Source>, Plan)>) -> Vec<Arc<Case>> {
    let mut cases = Vec::new();
    for (source, plan) in plans {
        let plan = Arc::new(plan);
        if plan.tests.is_empty() {
            let stem = Path::new(&source.name).file_stem();
            let name = stem.map_or_else(|| source.name.clone(), |stem| stem.to_string_lossy().into_owned());
            let (index, serial, tags, limit) = (None, false, Vec::new(), TEST_LIMIT);
            cases.push(Arc::new(Case { source, plan, index, name, line: 1, serial, tags, limit }));
            continue;
        }
        for (index, test) in plan.tests.iter().enumerate() {
            cases.push(Arc::new(Case {
                source: source.clone(),
                plan: plan.clone(),
                index: Some(index),
                name: test.heading.name.clone(),
                line: test.source.line(test.span.start),
                serial: test.heading.serial,
                tags: test.heading.tags.clone(),
                limit: test.heading.timeout.unwrap_or(TEST_LIMIT),
            }));
        }
    }
    if cases.iter().all(|case| case.is_nothing()) { Vec::new() } else { cases }
}
