//! Runs a whole plan: setup and tests, what happens at a failure, and the end of a script.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::errors;
use super::{TOGETHER, is_plain_question};
use crate::language::{Action, Argument, Datum, Invocation, Plan, Source, Step};
use crate::report::{Failure, Place, Report};
use crate::service::contract::keys::CREDENTIALS;
use crate::session::State;
use crate::shell::{Flow, Shell};
use crate::wire::Code;

/// Maximum bytes of a script file.
const SCRIPT_LIMIT: u64 = 256 << 20;
/// Default time limit of a test.
pub const TEST_LIMIT: Duration = Duration::from_secs(30);

/// How a script ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptEnd {
    Passed,
    Failed,
    Skipped(String),
    /// It ran `quit`.
    Quit,
}

/// Reads a script.
pub fn read(path: &Path) -> Result<Arc<Source>, Failure> {
    let shown = path.display();
    let failed = |error: std::io::Error| errors::script_unreadable(path, &error);
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if metadata.is_dir() {
        return Err(errors::script_is_a_folder(path));
    }
    if metadata.len() > SCRIPT_LIMIT {
        return Err(errors::script_too_large(path, SCRIPT_LIMIT));
    }
    decode(std::fs::read(path).map_err(failed)?)
        .map(|text| Source::new(shown.to_string(), text))
        .map_err(|failure| failure.of(format!("`{shown}`")))
}

/// Decodes UTF-8 (faults.md row 90).
pub fn decode(bytes: Vec<u8>) -> Result<String, Failure> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(errors::text_is_utf_16());
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let line = error.as_bytes()[..valid].iter().filter(|&&b| b == b'\n').count() + 1;
            Err(errors::text_not_utf_8(line))
        }
    }
}

/// Reads a sourced file, whose path is relative to the file that names it.
pub fn load(path: &str, from: &Source) -> Result<Arc<Source>, String> {
    let base = Path::new(&from.name).parent().unwrap_or_else(|| Path::new(""));
    read(&base.join(path)).map_err(|failure| failure.to_string())
}

fn is_endpoint(argument: &Argument) -> bool {
    matches!(argument, Argument::Ready(Datum::Endpoint(..)))
}

/// Resolves when the time limit is over; never without one.
async fn over(deadline: Option<(Instant, Duration)>) {
    match deadline {
        Some((at, _)) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

impl Shell {
    /// Runs a plan without tests, to its end: jobs are waited for, deferred steps run, a recording is written.
    pub async fn script(&mut self, plan: &Plan) -> ScriptEnd {
        let ending = self.steps(&plan.setup, false).await;
        self.close_script(ending).await
    }

    /// Runs the steps of one test after the setup, to its end.
    pub async fn test(&mut self, setup: &[Step], steps: &[Step], limit: Duration) -> ScriptEnd {
        self.deadline = Some((Instant::now() + limit, limit));
        self.ran.of_a_test = true;
        let mut ending = self.steps(setup, !steps.is_empty()).await;
        if ending == ScriptEnd::Passed {
            ending = self.steps(steps, false).await;
        }
        self.close_script(ending).await
    }

    /// `more`: others follow these.
    async fn steps(&mut self, steps: &[Step], more: bool) -> ScriptEnd {
        let mut failed = false;
        let mut rest = steps;
        while let Some(first) = rest.first() {
            let group = self.group(rest);
            let (result, done) =
                if group > 1 { self.group_of(&rest[..group]).await } else { (self.step(first).await, 1) };
            let step = &rest[done - 1];
            rest = &rest[done..];
            let unrun = self.ran.of_a_test && (more || !rest.is_empty());
            let result = match result {
                Ok(Flow::Quit) if unrun => Err(errors::quit_before_the_end()),
                other => other,
            };
            match result {
                Ok(Flow::Next) => {}
                Ok(Flow::Quit) => return if failed { ScriptEnd::Failed } else { ScriptEnd::Quit },
                Ok(Flow::Skip(reason)) => return ScriptEnd::Skipped(reason),
                Err(failure) => {
                    let stop = failure.code == Code::Cancelled || !self.settings.keep_going;
                    self.fail(failure, step);
                    failed = true;
                    if stop {
                        return ScriptEnd::Failed;
                    }
                }
            }
        }
        if failed { ScriptEnd::Failed } else { ScriptEnd::Passed }
    }

    /// Number of next steps that are questions and can be asked together.
    fn group(&self, steps: &[Step]) -> usize {
        // With echo or a recording, each step is run alone.
        if self.settings.echo || self.recorder.is_some() {
            return 1;
        }
        let place = |invocation: &Invocation| {
            let is_place = |(name, argument, _): &&(&str, Argument, _)| {
                is_endpoint(argument) || CREDENTIALS.contains(name)
            };
            let places = invocation.arguments.iter().filter(is_place);
            places.map(|(_, argument, _)| argument.clone()).collect::<Vec<_>>()
        };
        let question = |step: &Step| match &step.action {
            Action::Command(invocation) if step.prefixes.is_empty() && is_plain_question(invocation) => {
                Some((invocation.verb.name, place(invocation)))
            }
            _ => None,
        };
        let Some(first) = steps.first().and_then(question) else { return 1 };
        steps.iter().take(TOGETHER).take_while(|step| question(step).as_ref() == Some(&first)).count()
    }

    /// Asks a group of questions. Returns the result, and the number of steps done, including one that failed.
    async fn group_of(&mut self, steps: &[Step]) -> (Result<Flow, Failure>, usize) {
        let invocations: Vec<&Invocation> = steps
            .iter()
            .filter_map(|step| {
                if let Action::Command(invocation) = &step.action { Some(&**invocation) } else { None }
            })
            .collect();
        steps.iter().for_each(|step| self.ran.note(step, &self.secrets));
        self.asked = 0;
        let deadline = self.deadline;
        let work = self.together(&invocations);
        let result = match deadline {
            None => work.await,
            Some((at, limit)) => match tokio::time::timeout_at(at, work).await {
                Ok(result) => result,
                Err(_) => {
                    let step = &steps[self.asked.min(steps.len() - 1)];
                    Err(errors::time_limit_exceeded(limit).of(step.text()))
                }
            },
        };
        let done = if result.is_ok() { steps.len() } else { (self.asked + 1).min(steps.len()) };
        (result.map(|()| Flow::Next), done)
    }

    fn fail(&mut self, failure: Failure, step: &Step) {
        // An internal error that a peer reports is not an error of this program.
        self.has_bug |= failure.code == Code::Internal && !failure.told;
        let (source, span) = (step.source.clone(), step.span.clone());
        let place = Place { source, span, secret: step.has_secret() };
        self.emit(Report::Failure { failure, verb: None, place: Some(place), session: None });
    }

    /// Waits for jobs if all went well, runs the deferred steps, ends processes that are left, and writes a recording.
    async fn close_script(&mut self, mut ending: ScriptEnd) -> ScriptEnd {
        if ending == ScriptEnd::Passed && !self.wait_for_jobs().await {
            ending = ScriptEnd::Failed;
        }
        if self.handler_failures.swap(0, Ordering::Relaxed) > 0 {
            ending = ScriptEnd::Failed;
        }
        // Deferred steps have a time limit of their own.
        self.deadline = self.deadline.map(|(_, limit)| (Instant::now() + limit, limit));
        self.ends = true;
        while let Some(step) = self.deferred.pop() {
            // A failed check or clean-up in a deferred step counts like any other.
            if let Err(failure) = self.step(&step).await {
                self.fail(failure, &step);
                ending = ScriptEnd::Failed;
            }
        }
        self.ends = false;
        if !self.wait_for_jobs().await {
            ending = ScriptEnd::Failed;
        }
        self.deadline = None;
        if !self.check_background() {
            ending = ScriptEnd::Failed;
        }
        self.end_what_is_left().await;
        if !self.finish_recording() {
            ending = ScriptEnd::Failed;
        }
        ending
    }

    /// Waits for jobs in the background; false if one fails.
    async fn wait_for_jobs(&mut self) -> bool {
        let mut well = true;
        for job in std::mem::take(&mut self.jobs) {
            let state = tokio::select! {
                state = job.ended() => state,
                () = self.interrupt.cancelled() => State::Cancelled { kept: None },
                () = over(self.deadline) => State::Failed(errors::job_outlived_the_limit()),
            };
            if let State::Failed(failure) = state {
                self.emit(Report::Failure {
                    failure: failure.of(job.kind.clone()),
                    verb: Some(job.verb.into()),
                    place: None,
                    session: Some(job.id),
                });
                well = false;
            }
        }
        well
    }
}
