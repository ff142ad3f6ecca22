//! `record FILE`: writes what was done as a script that can be replayed, many times and in parallel.
//!
//! | file | holds |
//! |---|---|
//! | `recorder` | what is written for what was done |
//! | `script` | the script so far |
//! | `heard` | what a raw session received, as expectations |

mod heard;
mod recorder;
mod script;

use std::ops::Range;

pub(super) use self::recorder::Recorder;
use self::script::Edit;
use super::{Binding, Shell};
use crate::language::parse::atom::RESERVED_NAMES;
use crate::language::parse::lexer::as_word;
use crate::language::script::SessionExpectation;
use crate::language::{Action, Argument, Datum, Place, SessionRef, Step};
use crate::report::{Failure, Report};
use crate::session::Session;

fn takes_messages(step: &Step) -> bool {
    matches!(step.action, Action::ExpectSession(_))
}

impl Shell {
    /// Records what a step did, if a recording is in progress.
    pub(super) fn note(&mut self, step: &Step, result: Result<(), &Failure>) {
        if self.recorder.is_none() {
            return;
        }
        if let Action::ExpectSession(expectation) = &step.action {
            self.look_for_messages(false);
            self.note_expectation(expectation, result.is_ok());
        }
        let known = self.known_elsewhere(step);
        let made = match &self.last {
            Some(Binding::Session(session)) if result.is_ok() => Some(session.id),
            _ => None,
        };
        let mut fields = match &self.last {
            Some(Binding::Record(fields)) => Some(fields.clone()),
            Some(Binding::Session(session)) => Some(session.fields()),
            _ => None,
        };
        // What is made of a part of a secret cannot be written down, as a whole secret can be: by its name.
        let is_whole = |text: &str| self.secrets.up_to_a_part(text) == text;
        fields.iter_mut().for_each(|fields| fields.retain(|(_, value)| is_whole(&value.to_string())));
        // Of a reason only the front is written, and a secret that is cut would have no name any more.
        let failure = result.err().map(|failure| Failure {
            why: self.secrets.up_to_any(&failure.why).to_owned(),
            ..failure.clone()
        });
        if let Some(recorder) = &mut self.recorder {
            recorder.note(step, known, failure.as_ref().map_or(Ok(fields.as_ref()), Err));
            if let (Some(id), Some(name)) = (made, recorder.newest.take()) {
                recorder.called.entry(id).or_insert(name);
            }
            // What comes from now on is copied; nothing was consumed of what came already.
            self.registry.all().iter().for_each(|session| session.tap());
        }
    }

    /// The arguments of a step that name what was bound before the recording began, with their values.
    fn known_elsewhere(&self, step: &Step) -> Vec<Edit> {
        let (Action::Command(invocation), Some(recorder)) = (&step.action, &self.recorder) else {
            return Vec::new();
        };
        let is_here = |name: &str| RESERVED_NAMES.contains(&name) || recorder.bound.contains(name);
        let value = |argument: &Argument| match argument {
            Argument::Later(_, word, _) if !word.roots().all(is_here) => self.text(word).ok().map(as_word),
            Argument::Ready(Datum::Endpoint(_, Place::Session(session @ SessionRef::Name(name))))
                if !is_here(name) =>
            {
                self.address(session).ok().map(|(_, endpoint)| endpoint.to_string())
            }
            _ => None,
        };
        let edit = |(_, argument, span): &(_, Argument, Range<usize>)| Some((span.clone(), value(argument)?));
        invocation.arguments.iter().filter_map(edit).collect()
    }

    /// An expectation of the user was met: what came before its match is recorded before it.
    fn note_expectation(&mut self, expectation: &SessionExpectation, met: bool) {
        if !met || expectation.negated {
            return;
        }
        let Ok(session) = self.session_of(&expectation.session) else { return };
        let Some(recorder) = &mut self.recorder else { return };
        if let Some(name) = recorder.name_of(&session) {
            // It may have come, and have said this, since the step before: what was consumed of it counts as expected.
            session.tap();
            recorder.script.expected(&session, &name, &expectation.test);
        }
    }

    /// Before a step: records messages received since the last one, unless the step itself expects them.
    pub(super) fn note_before(&mut self, step: &Step) {
        self.look_for_messages(!takes_messages(step));
    }

    /// Records a line that was typed while attached.
    pub fn note_said(&mut self, session: &Session, text: &str) {
        if let Some(recorder) = &mut self.recorder
            && let Some(name) = recorder.name_of(session)
        {
            recorder.said(&format!("${name}"), text);
        }
    }

    /// Records that a session was ended by a key while attached.
    pub fn note_stopped(&mut self, session: &Session) {
        if let Some(recorder) = &mut self.recorder
            && let Some(name) = recorder.name_of(session)
        {
            recorder.stopped(&format!("${name}"));
        }
    }

    /// Ends a recording that is still in progress when its shell ends, and reports it; false if it cannot be written.
    pub fn finish_recording(&mut self) -> bool {
        match self.end_recording() {
            Ok(None) => {}
            Ok(Some((file, commands))) => {
                self.emit(Report::Notice(format!("recorded {commands} commands to {}", file.display())));
            }
            Err(failure) => {
                self.emit(Report::Failure { failure, verb: None, place: None, session: None });
                return false;
            }
        }
        true
    }

    /// Records messages received since the last look.
    pub fn note_messages(&mut self) {
        self.look_for_messages(true);
    }

    /// Counts messages received since the last look, and records them if `wanted`.
    fn look_for_messages(&mut self, wanted: bool) {
        let Some(recorder) = &mut self.recorder else { return };
        for session in self.registry.all().iter().filter(|session| session.listens()) {
            let (entries, _) = session.log(usize::MAX);
            let texts = entries.iter().filter(|entry| entry.kind == "message").map(|entry| &entry.text);
            let known = recorder.heard.get(&session.id).copied().unwrap_or(0);
            let new: Vec<&String> = texts.skip(known).collect();
            recorder.heard.insert(session.id, known + new.len());
            if let Some(name) = recorder.name_of(session).filter(|_| wanted) {
                for text in new {
                    let said = text.split_once(": ").map_or(text.as_str(), |(_, said)| said);
                    recorder.heard(&format!("${name}"), said);
                }
            }
            if let (Some(name), true) = (recorder.name_of(session), wanted) {
                recorder.script.hear(session, &name);
            }
        }
    }
}
