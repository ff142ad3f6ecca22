//! `on X says …: STATEMENT`: registers a handler. What only says something is done by the session itself; any other
//! statement runs in a shell of its own, with the names that were bound here.

use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, Weak};

use super::errors;
use crate::base::pattern::Pattern;
use crate::base::{Secrets, Value};
use crate::language::parse::lexer::{Segment, Word};
use crate::language::script::{Prefix, Trigger, TriggerEvent};
use crate::language::{Action, Argument, Datum, Invocation, Kind, SessionRef, Step};
use crate::report::{Failure, Place, Report};
use crate::service::files::temporary::Temporary;
use crate::session::handlers::{Handler, HandlerEvent, Parts, Piece, Reacting, Reaction};
use crate::shell::{Binding, Flow, Shell};

/// The name of who spoke.
const SPEAKER: &str = "it";

impl Shell {
    /// Registers a handler for the statement behind `on …:`.
    pub(super) fn on(
        &mut self,
        trigger: &Trigger,
        inner: &[Prefix],
        action: &Action,
    ) -> Result<Flow, Failure> {
        let session = self.session_of(&trigger.session)?;
        if !session.reacts() {
            return Err(errors::never_reacts(&session));
        }
        let event = self.event(&trigger.event)?;
        let written = format!("on {} {}", session.label(), describe(&trigger.event));
        let reaction = match answer(action).filter(|_| inner.is_empty()) {
            Some(pieces) => Reaction::Say(pieces),
            None => self.statement(inner.to_vec(), action.clone()),
        };
        let handler = Handler::new((written, event), trigger.delay, trigger.times, reaction);
        session.add_handler(handler).map_err(|why| errors::handler_refused(&why))?;
        Ok(Flow::Next)
    }

    fn event(&self, event: &TriggerEvent) -> Result<HandlerEvent, Failure> {
        let pattern = |word: &Word, read: fn(&str) -> Result<Pattern, String>| {
            let text = self.text(word)?;
            let made = read(&text).map_err(|why| errors::invalid_pattern(&Value::text(text.clone()), &why));
            made.map(HandlerEvent::Match)
        };
        match event {
            TriggerEvent::Says(word) => pattern(word, |text| Pattern::literal(text.as_bytes())),
            TriggerEvent::Matching(word) => pattern(word, Pattern::regex),
            TriggerEvent::Joins => Ok(HandlerEvent::Joins),
            TriggerEvent::Ends => Ok(HandlerEvent::Ends),
            TriggerEvent::Otherwise => Ok(HandlerEvent::Otherwise),
        }
    }

    /// A statement that runs in a shell of its own.
    fn statement(&self, prefixes: Vec<Prefix>, action: Action) -> Reaction {
        let (seed, step) = (Arc::new(self.seed()), self.running.clone());
        let statement = Arc::new((prefixes, action));
        Reaction::Run(Box::new(move |id: u64, parts: Parts| -> Reacting {
            let (seed, statement, step) = (seed.clone(), statement.clone(), step.clone());
            Box::pin(async move {
                let mut shell = seed.shell();
                let Some(session) = seed.registry.by_id(id) else { return Ok(()) };
                shell.bind(SPEAKER, Binding::Speaker(session, parts));
                let (prefixes, action) = &*statement;
                let result = shell.prefixed(prefixes, action).await.map(drop);
                if let Err(failure) = &result {
                    seed.failures.fetch_add(1, Ordering::Relaxed);
                    shell.emit(Report::Failure {
                        failure: failure.clone(),
                        verb: None,
                        place: step.as_ref().map(place),
                        session: Some(id),
                    });
                }
                // It was shown above, with its place.
                Ok(())
            })
        }))
    }

    /// What a shell for a handler needs.
    fn seed(&self) -> Seed {
        Seed {
            registry: self.registry.clone(),
            terminal: self.terminal.clone(),
            settings: self.settings,
            secrets: self.secrets.clone(),
            context: self.context.clone(),
            variables: self.variables.clone(),
            arguments: self.arguments.clone(),
            temporary: Arc::downgrade(&self.temporary),
            failures: self.handler_failures.clone(),
        }
    }
}

/// A shell as it was when a handler was registered.
struct Seed {
    registry: Arc<crate::session::Registry>,
    terminal: Arc<dyn crate::shell::Terminal>,
    settings: crate::shell::Settings,
    secrets: Secrets,
    context: crate::service::Context,
    variables: std::collections::HashMap<String, Binding>,
    arguments: Vec<String>,
    /// Its folder goes with the shell, though the session with its handlers stays on the list.
    temporary: Weak<OnceLock<Temporary>>,
    failures: Arc<std::sync::atomic::AtomicUsize>,
}

impl Seed {
    fn shell(&self) -> Shell {
        let mut shell = Shell::builder(self.registry.clone(), self.terminal.clone())
            .settings(crate::shell::Settings { interactive: false, ..self.settings })
            .secrets(self.secrets.clone())
            .arguments(self.arguments.clone())
            .build();
        shell.context = self.context.clone();
        shell.variables.clone_from(&self.variables);
        shell.temporary = self.temporary.upgrade().unwrap_or_default();
        shell
    }
}

fn place(step: &Step) -> Place {
    Place { source: step.source.clone(), span: step.span.clone(), secret: step.has_secret() }
}

/// The pieces of `say it TEXT`, if the statement is that and its text needs nothing but parts of the match.
fn answer(action: &Action) -> Option<Vec<Piece>> {
    let Action::Command(invocation) = action else { return None };
    let Invocation { verb, arguments, binding: None, background: false, .. } = &**invocation else {
        return None;
    };
    if verb.name != "say" || arguments.len() != 2 {
        return None;
    }
    let mut pieces = None;
    for (name, argument, _) in arguments {
        match (*name, argument) {
            ("session", Argument::Ready(Datum::Session(SessionRef::Name(name)))) if name == SPEAKER => {}
            ("text", Argument::Ready(Datum::Text(text))) => pieces = Some(vec![Piece::Text(text.clone())]),
            ("text", Argument::Later(Kind::Rest, word, _)) => pieces = parts_of(word),
            _ => return None,
        }
    }
    pieces
}

fn parts_of(word: &Word) -> Option<Vec<Piece>> {
    let piece = |segment: &Segment| match segment {
        Segment::Text(text) => Some(Piece::Text(text.to_string())),
        Segment::Reference(path, _) => match path.as_slice() {
            // A name may be a field of the session, too: the shell looks that up.
            [it, part] if it == SPEAKER && part.parse::<u64>().is_ok() => Some(Piece::Part(part.clone())),
            _ => None,
        },
    };
    word.segments.iter().map(piece).collect()
}

fn describe(event: &TriggerEvent) -> String {
    match event {
        TriggerEvent::Says(word) => format!("says \"{}\"", word.written()),
        TriggerEvent::Matching(word) => format!("matching \"{}\"", word.written()),
        TriggerEvent::Joins => "joins".to_owned(),
        TriggerEvent::Ends => "ends".to_owned(),
        TriggerEvent::Otherwise => "otherwise".to_owned(),
    }
}
