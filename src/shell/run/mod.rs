//! Runs one statement: its prefixes, then its action.
//!
//! | file | holds |
//! |---|---|
//! | `script` | a whole plan: tests, the end of a script |
//! | `expect`, `expect_file`, `expect_session` | expectations, with `within` |
//! | `expect_error` | whether a failure is the expected one |
//! | `on` | handlers |
//! | `keys` | Ctrl-C and Ctrl-Z while a statement runs |
//! | `statements` | what ran, for a report |
//! | `system` | `!CMD` |
//! | `errors` | what can be wrong |
//! | `background`, `process_group` | `!CMD &`, and how what is left is ended |

pub(super) mod background;
mod errors;
pub(super) mod expect;
mod expect_error;
mod expect_file;
mod expect_session;
mod keys;
mod on;
mod process_group;
pub mod script;
pub(super) mod statements;
pub mod system;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::catalogue::{self, CatalogueEntry};
use super::errors::{interrupted, variable_not_set};
use super::{Binding, Flow, INTERRUPT_LIMIT, Shell, Terminal};
use crate::base::Value;
use crate::language::parse::lexer::Word;
use crate::language::script::Prefix;
use crate::language::verb::Lasting;
use crate::language::{Action, Argument, Arguments, Capability, Datum, Invocation, SessionRef, Step};
use crate::net::errors::cancelled;
use crate::report::{Failure, Outcome, Report};
use crate::service::{Answers, Client, Job, Run};
use crate::session::{Request, Session, State};
use crate::wire::Code;

type Running<'a> = Pin<Box<dyn Future<Output = Result<Flow, Failure>> + Send + 'a>>;

impl Shell {
    /// Runs a statement. The caller reports a failure, with its place in the script.
    pub async fn step(&mut self, step: &Step) -> Result<Flow, Failure> {
        if self.settings.echo {
            let text = if step.has_secret() { "***" } else { step.text() };
            self.emit(Report::Notice(format!("+ {text}")));
        }
        if let Some(index) = step.prefixes.iter().position(|prefix| *prefix == Prefix::Defer) {
            let mut later = step.clone();
            later.prefixes.remove(index);
            self.deferred.push(later);
            return Ok(Flow::Next);
        }
        self.ran.note(step, &self.secrets);
        if step.prefixes.iter().any(|prefix| matches!(prefix, Prefix::On(_) | Prefix::ExpectError(Some(_)))) {
            self.running = Some(step.clone());
        }
        self.note_before(step);
        let result = self.within_limit(step).await.map_err(errors::with_where_to_look);
        self.note(step, result.as_ref().map(drop));
        result
    }

    async fn within_limit(&mut self, step: &Step) -> Result<Flow, Failure> {
        let deadline = self.deadline;
        let work = self.prefixed(&step.prefixes, &step.action);
        let Some((at, limit)) = deadline else { return work.await };
        tokio::time::timeout_at(at, work)
            .await
            .unwrap_or_else(|_| Err(errors::time_limit_exceeded(limit).of(step.text())))
    }

    fn prefixed<'a>(&'a mut self, prefixes: &'a [Prefix], action: &'a Action) -> Running<'a> {
        Box::pin(async move {
            let Some((prefix, inner)) = prefixes.split_first() else { return self.action(action).await };
            match prefix {
                Prefix::Defer => self.prefixed(inner, action).await,
                Prefix::On(trigger) => self.on(trigger, inner, action),
                Prefix::Repeat(times) => self.repeat(*times, inner, action).await,
                Prefix::Retry { times, every } => self.retry(*times, *every, inner, action).await,
                Prefix::ExpectError(wanted) => {
                    let Err(failure) = self.prefixed(inner, action).await else {
                        return Err(errors::error_expected());
                    };
                    self.expect_error(wanted.as_ref(), action, &failure).map(|()| Flow::Next)
                }
            }
        })
    }

    async fn repeat(&mut self, times: u64, inner: &[Prefix], action: &Action) -> Result<Flow, Failure> {
        let mut left = times;
        while left > 0 {
            let together = left.min(TOGETHER as u64);
            match action {
                Action::Command(invocation) if inner.is_empty() && is_plain_question(invocation) => {
                    self.together(&vec![&**invocation; together as usize]).await?;
                    left -= together;
                }
                _ => {
                    self.prefixed(inner, action).await?;
                    left -= 1;
                }
            }
            self.check_interrupt()?;
        }
        Ok(Flow::Next)
    }

    /// Runs a statement until it succeeds: at most `times` attempts, with a pause of `every` between two.
    async fn retry(
        &mut self,
        times: u64,
        every: Duration,
        inner: &[Prefix],
        action: &Action,
    ) -> Result<Flow, Failure> {
        let mut attempt = 1;
        loop {
            match self.prefixed(inner, action).await {
                Err(failure) if attempt < times && failure.code != Code::Cancelled => {
                    attempt += 1;
                    let pause = async {
                        tokio::time::sleep(every).await;
                        Ok(())
                    };
                    self.keys().unless_interrupted(pause).await?;
                }
                Err(failure) => {
                    return Err(Failure {
                        why: format!("{} (after {attempt} attempts)", failure.why),
                        ..failure
                    });
                }
                done => return done,
            }
        }
    }

    fn check_interrupt(&self) -> Result<(), Failure> {
        if self.interrupt.is_cancelled() { Err(interrupted()) } else { Ok(()) }
    }

    async fn action(&mut self, action: &Action) -> Result<Flow, Failure> {
        match action {
            Action::Command(invocation) => self.command(invocation).await,
            Action::Expect(_) | Action::ExpectSession(_) | Action::ExpectFile(_) => {
                self.check_interrupt()?;
                self.keys().unless_interrupted(self.expectation(action)).await.map(|()| Flow::Next)
            }
            Action::Secret(name) => self.secret(name).await,
            Action::Let { name, value } => self.bind_value(name, value),
            Action::Shell(text) => self.system(text).await,
            Action::Skip { reason, unless } => {
                let needed = match unless {
                    Some(word) => match self.condition(word) {
                        Ok((holds, _)) => holds,
                        // What is not there does not hold; what is no condition is a mistake.
                        Err(failure) if failure.code == Code::Missing => false,
                        Err(failure) => return Err(failure),
                    },
                    None => false,
                };
                Ok(if needed { Flow::Next } else { Flow::Skip(self.text(reason)?) })
            }
            Action::Timeout(limit) => {
                self.deadline = Some((Instant::now() + *limit, *limit));
                Ok(Flow::Next)
            }
        }
    }

    async fn expectation(&mut self, action: &Action) -> Result<(), Failure> {
        match action {
            Action::Expect(expectation) => self.expect(expectation).await,
            Action::ExpectSession(expectation) => self.expect_session(expectation).await,
            Action::ExpectFile(expectation) => self.expect_file(expectation).await,
            _ => Ok(()),
        }
    }

    /// Runs `let NAME = VALUE`; `$other` alone binds the name to all of what the other name is bound to.
    fn bind_value(&mut self, name: &str, value: &Word) -> Result<Flow, Failure> {
        let binding = match value.reference() {
            Some([other]) if !value.quoted => self.binding(other),
            _ => None,
        };
        let binding = match binding {
            Some(binding) => binding,
            None => Binding::Value(self.value(value)?),
        };
        self.bind(name, binding);
        Ok(Flow::Next)
    }

    /// Binds a secret of the environment to its name; at the prompt it may be typed.
    async fn secret(&mut self, name: &str) -> Result<Flow, Failure> {
        let what = || format!("secret {name}");
        let text = match std::env::var(name).map_err(|_| self.terminal.ask(name)) {
            Ok(text) => text,
            Err(Some(answer)) => answer.await.ok_or_else(interrupted)?,
            Err(None) => return Err(variable_not_set(name).of(what())),
        };
        if !self.secrets.add(name, &text) {
            return Err(errors::secret_too_short().of(what()));
        }
        self.mask_key(name, &text);
        self.bind(name, Binding::Value(Value::Text(text)));
        Ok(Flow::Next)
    }

    async fn command(&mut self, invocation: &Invocation) -> Result<Flow, Failure> {
        let arguments = self.arguments(invocation)?;
        for (_, datum) in &arguments.0 {
            if let Datum::Session(SessionRef::Name(name)) = datum {
                self.await_client(name, JOIN_LIMIT).await;
            }
        }
        let verb = invocation.verb.name;
        match catalogue::entry(verb) {
            Some(CatalogueEntry::Client(client)) => {
                self.client(client, arguments, invocation).await.map(|()| Flow::Next)
            }
            Some(CatalogueEntry::Builtin(builtin)) => {
                let outcome = self.keys().unless_interrupted((builtin.run)(self, arguments)).await;
                let (outcome, flow) = outcome.map_err(|failure| failure.of(verb))?;
                match self.began.take() {
                    None => self.finish(invocation, &outcome, None),
                    Some(session) => self.began(invocation, &session, &outcome),
                }
                Ok(flow)
            }
            None => Err(errors::command_unknown(verb)),
        }
    }

    async fn client(
        &mut self,
        client: &'static Client,
        mut arguments: Arguments,
        invocation: &Invocation,
    ) -> Result<(), Failure> {
        self.complete_place(client, &mut arguments)?;
        let context = self.context.clone();
        match &client.run {
            Run::Direct(run) => {
                let job = run(vec![arguments.clone()], context);
                let outcome =
                    self.answers(job).await?.pop().unwrap_or_else(|| Err(errors::command_unanswered()))?;
                self.remember_place(client, &arguments);
                self.finish(invocation, &outcome, None);
                Ok(())
            }
            Run::Session { kind, start } => {
                let request = Request {
                    verb: client.verb.name,
                    kind: kind(&arguments),
                    name: invocation.binding.clone(),
                    background: invocation.background,
                    parent: None,
                };
                let (given, start) = (arguments.clone(), *start);
                let session = self.registry.start(request, move |handle| start(handle, given, context))?;
                if let Some(name) = &invocation.binding {
                    self.bind(name, Binding::Session(session.clone()));
                }
                self.last = Some(Binding::Session(session.clone()));
                if invocation.background {
                    self.leave_in_background(client, &arguments, invocation, &session);
                    return Ok(());
                }
                self.run_in_foreground(client, &arguments, invocation, &session).await
            }
        }
    }

    fn leave_in_background(
        &mut self,
        client: &Client,
        arguments: &Arguments,
        invocation: &Invocation,
        session: &Arc<Session>,
    ) {
        if client.verb.lasting == Lasting::Job {
            self.jobs.push(session.clone());
        }
        self.remember_place(client, arguments);
        let text = format!("{} {} in the background", session.label(), session.kind);
        self.report(invocation, session, &Outcome::new(text, Vec::new()));
    }

    /// Waits for the session of a command, and reports its result, or that it was sent to the background.
    async fn run_in_foreground(
        &mut self,
        client: &Client,
        arguments: &Arguments,
        invocation: &Invocation,
        session: &Arc<Session>,
    ) -> Result<(), Failure> {
        let shown = Shown::begin(&self.terminal, session);
        let outcome = self.foreground(session, client.verb.lasting).await;
        drop(shown);
        let outcome = outcome?;
        self.remember_place(client, arguments);
        let Some(outcome) = outcome else {
            session.to_background();
            self.jobs.push(session.clone());
            let (label, kind) = (session.label(), &session.kind);
            let text = format!("{label} {kind} goes on in the background; fg brings it back");
            self.report(invocation, session, &Outcome::new(text, Vec::new()));
            return Ok(());
        };
        if client.verb.capabilities.contains(&Capability::Converse) && self.settings.interactive {
            self.attach = Some(session.clone());
        }
        self.report(invocation, session, &outcome);
        Ok(())
    }

    async fn answers(&self, job: Job<Answers>) -> Result<Answers, Failure> {
        self.check_interrupt()?;
        self.keys().unless_interrupted(self.registry.attempt(job)).await
    }

    /// Sends independent questions to one server without waiting for answers between them; each answer is handled as if
    /// it had been asked alone. Stops at the first failure.
    pub(super) async fn together(&mut self, invocations: &[&Invocation]) -> Result<(), Failure> {
        let Some(CatalogueEntry::Client(client)) =
            invocations.first().and_then(|first| catalogue::entry(first.verb.name))
        else {
            return Err(errors::command_unanswered());
        };
        let Run::Direct(run) = &client.run else { return Err(errors::command_unanswered()) };
        let mut questions = Vec::with_capacity(invocations.len());
        for invocation in invocations {
            let mut arguments = self.arguments(invocation)?;
            self.complete_place(client, &mut arguments)?;
            questions.push(arguments);
        }
        let first = questions[0].clone();
        let answers = self.answers(run(questions, self.context.clone())).await?;
        self.remember_place(client, &first);
        for (invocation, answer) in invocations.iter().zip(answers) {
            self.finish(invocation, &answer?, None);
            self.asked += 1;
        }
        Ok(())
    }

    /// Waits until a job has ended or a service is ready; an interrupt cancels it. `None`: it was sent to the
    /// background.
    async fn foreground(&self, session: &Arc<Session>, lasting: Lasting) -> Result<Option<Outcome>, Failure> {
        let enough =
            |state: &State| state.has_ended() || (lasting == Lasting::Service && *state != State::Starting);
        let state = tokio::select! {
            biased;
            () = self.interrupt.cancelled() => {
                session.cancel.cancel();
                let end = tokio::time::timeout(INTERRUPT_LIMIT, session.ended()).await;
                let failure = interrupted().of(session.kind.clone());
                if catalogue::can(session.verb, Capability::Resume) {
                    return Err(match end {
                        Ok(State::Cancelled { kept: Some(kept) }) => {
                            Failure { why: format!("{}; {kept}", failure.why), ..failure }
                        }
                        _ => failure.fix("the same command goes on with what was kept"),
                    });
                }
                return Err(failure);
            }
            state = session.until(enough) => state,
            () = self.suspend.notified() => return Ok(None),
        };
        match state {
            State::Done(outcome) => Ok(Some(outcome)),
            State::Failed(failure) => Err(failure.of(session.kind.clone())),
            State::Cancelled { .. } => Err(cancelled().of(session.kind.clone())),
            State::Starting | State::Running(_) => {
                let (entries, _) = session.log(1);
                let text = entries.first().map(|entry| entry.text.clone()).unwrap_or_default();
                Ok(Some(Outcome::new(text, Vec::new())))
            }
        }
    }

    /// Waits for a session that was in the background; a chat is attached to again.
    pub(super) async fn wait_in_foreground(&mut self, session: &Arc<Session>) -> Result<Outcome, Failure> {
        if catalogue::can(session.verb, Capability::Converse)
            && self.settings.interactive
            && !session.has_ended()
        {
            self.attach = Some(session.clone());
            return Ok(Outcome::default());
        }
        if session.listening().is_some() && !session.has_ended() {
            return Err(errors::server_in_background(session));
        }
        let shown = Shown::begin(&self.terminal, session);
        session.to_foreground();
        let outcome = self.foreground(session, Lasting::Job).await;
        drop(shown);
        self.has_waited_for(session);
        let text = outcome?
            .map_or_else(|| format!("{} goes on in the background", session.label()), |outcome| outcome.text);
        let fields = vec![("state", Value::text(session.state().word())), ("id", Value::count(session.id))];
        Ok(Outcome::new(text, fields))
    }

    fn report(&mut self, invocation: &Invocation, session: &Session, outcome: &Outcome) {
        let outcome = Outcome::new(outcome.text.clone(), session.fields());
        self.emit(Report::Result { verb: invocation.verb.name, session: Some(session.id), outcome });
        if !invocation.background {
            self.suggest(invocation.verb, Some(session));
        }
    }

    /// A builtin has begun a session, which goes on.
    fn began(&mut self, invocation: &Invocation, session: &Arc<Session>, outcome: &Outcome) {
        if let Some(name) = &invocation.binding {
            self.bind(name, Binding::Session(session.clone()));
        }
        self.last = Some(Binding::Session(session.clone()));
        self.report(invocation, session, outcome);
    }

    fn finish(&mut self, invocation: &Invocation, outcome: &Outcome, session: Option<u64>) {
        let binding = Binding::Record(outcome.fields.clone());
        if let Some(name) = &invocation.binding {
            self.bind(name, binding.clone());
        }
        self.last = Some(binding);
        self.emit(Report::Result { verb: invocation.verb.name, session, outcome: outcome.clone() });
        self.suggest(invocation.verb, None);
    }
}

/// Reports that a command waits for a session, and, when dropped, that it waits no longer.
struct Shown(Arc<dyn Terminal>, Arc<Session>);

impl Shown {
    fn begin(terminal: &Arc<dyn Terminal>, session: &Arc<Session>) -> Self {
        terminal.foreground(session, true);
        Self(terminal.clone(), session.clone())
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.0.foreground(&self.1, false);
    }
}

/// How long a command waits for a client of a raw server that has not come yet.
pub(super) const JOIN_LIMIT: Duration = Duration::from_secs(1);
/// Maximum questions that are asked together.
pub(super) const TOGETHER: usize = 64;
/// Maximum bytes of such a question: longer ones could fill the buffers at both ends while nobody reads.
const QUESTION_LIMIT: usize = 256;

/// True for a command that answers at once, changes nothing, and does not depend on other commands.
pub(super) fn is_plain_question(invocation: &Invocation) -> bool {
    let direct = matches!(
        catalogue::entry(invocation.verb.name),
        Some(CatalogueEntry::Client(Client { run: Run::Direct(_), .. }))
    );
    let ready = |(_, argument, _): &(_, Argument, _)| matches!(argument, Argument::Ready(_));
    direct && invocation.span.len() <= QUESTION_LIMIT && invocation.arguments.iter().all(ready)
}
