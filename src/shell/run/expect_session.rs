//! `expect X says …`, `hex`, `ends`, `silent`: what a session receives. The condition is looked at again whenever something
//! comes; a match consumes what came, up to its end, so an old answer can never satisfy a new expectation.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::JOIN_LIMIT;
use super::errors;
use super::expect::with_events;
use crate::base::Value;
use crate::base::pattern::{Pattern, PatternSet, to_hex};
use crate::base::quantity::show_duration;
use crate::language::parse::lexer::Word;
use crate::language::script::{SessionExpectation, SessionTest};
use crate::report::{Contrast, Failure};
use crate::session::Session;
use crate::session::byte_inbox::Taken;
use crate::shell::values::filter_of;
use crate::shell::{Binding, Shell};

/// Bytes of what came that a failure looks at.
const SHOWN: usize = 256;
/// How often a record is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Lines of a chat that a failure shows.
const LINES: usize = 3;
/// Patterns that are kept ready for the next time.
const KEPT: usize = 256;

impl Shell {
    pub(crate) async fn expect_session(&mut self, expectation: &SessionExpectation) -> Result<(), Failure> {
        if let Some(path) = expectation.session.reference() {
            self.await_client(&path.join("."), expectation.within.unwrap_or(JOIN_LIMIT)).await;
        }
        let session = self.session_of(&expectation.session)?;
        if let SessionTest::Silent(time) = expectation.test {
            return self.expect_silence(&session, time, expectation).await;
        }
        if let SessionTest::Traced(filter) = &expectation.test {
            return self.expect_packet(&session, filter, expectation).await;
        }
        let patterns = self.patterns(&expectation.test)?;
        let deadline = expectation.within.map(|within| Instant::now() + within);
        let mut changes = session.changes();
        loop {
            changes.borrow_and_update();
            let is_last = deadline.is_none_or(|deadline| Instant::now() >= deadline);
            // What has ended receives nothing more: asked before the look, which then sees all.
            let over = session.peer_has_ended() && !expectation.negated;
            let (holds, taken) = look(&session, patterns.as_deref(), is_last);
            if holds != expectation.negated {
                if let (Some(name), Some(taken), Some(patterns)) = (&expectation.binding, taken, &patterns) {
                    self.bind(name, Binding::Match(Arc::new(parts(&taken, patterns))));
                }
                return Ok(());
            }
            match deadline {
                Some(deadline) if !over && !is_last => {
                    drop(tokio::time::timeout_at(deadline, changes.changed()).await);
                }
                _ => return Err(self.unmet(expectation, &session, over)),
            }
        }
    }

    /// Holds if nothing comes for this time from now on.
    async fn expect_silence(
        &self,
        session: &Arc<Session>,
        time: Duration,
        expectation: &SessionExpectation,
    ) -> Result<(), Failure> {
        let (began, before) = (Instant::now(), session.heard_count());
        let mut changes = session.changes();
        let spoke = loop {
            changes.borrow_and_update();
            if session.heard_count() != before {
                break true;
            }
            if tokio::time::timeout_at(began + time, changes.changed()).await.is_err() {
                break session.heard_count() != before;
            }
        };
        if spoke == expectation.negated {
            return Ok(());
        }
        let label = session.label();
        let failure = if expectation.negated {
            errors::stayed_silent(&label, time)
        } else {
            let rest = session.unheard_bytes(usize::MAX).unwrap_or_default();
            let rest = &rest[rest.len().saturating_sub(SHOWN)..];
            errors::not_silent(&label, began.elapsed(), rest)
        };
        Err(with_events(failure, std::slice::from_ref(session), self.settings.events))
    }

    /// Holds if the record has a packet that the filter matches. A record is looked at again and again: no packet wakes
    /// anybody, as that would cost every transfer something.
    async fn expect_packet(
        &self,
        session: &Session,
        filter: &Word,
        expectation: &SessionExpectation,
    ) -> Result<(), Failure> {
        let text = self.text(filter)?;
        let filter = filter_of(&text)?;
        let deadline = Instant::now() + expectation.within.unwrap_or(Duration::ZERO);
        let mut tick = tokio::time::interval(LOOK_EVERY);
        loop {
            let is_last = Instant::now() >= deadline || session.has_ended();
            let events = session.packets().0;
            if events.iter().any(|event| filter.matches(event)) != expectation.negated {
                return Ok(());
            }
            if is_last {
                let (condition, negated) = (describe(expectation), expectation.negated);
                return Err(errors::not_traced(&condition, negated, events.len(), &session.label()));
            }
            tick.tick().await;
        }
    }

    /// The session that a word of an expectation names.
    pub(in crate::shell) fn session_of(&self, word: &Word) -> Result<Arc<Session>, Failure> {
        let named = match word.reference() {
            Some(path) => crate::language::SessionRef::Name(path.join(".")),
            None => {
                let text = self.text(word)?;
                let id = text.strip_prefix('%').and_then(|id| id.parse().ok());
                id.map_or(crate::language::SessionRef::Name(text), crate::language::SessionRef::Id)
            }
        };
        if let crate::language::SessionRef::Name(name) = &named
            && let Some(Binding::Value(_) | Binding::Record(_) | Binding::Match(_)) = self.binding(name)
        {
            return Err(errors::not_a_conversation());
        }
        self.session(&named)
    }

    /// The pattern of a test; `None` if it has none.
    fn patterns(&mut self, test: &SessionTest) -> Result<Option<Arc<PatternSet>>, Failure> {
        let Some(word) = test.word() else { return Ok(None) };
        let text = self.text(word)?;
        let key = (std::mem::discriminant(test), text);
        if let Some(known) = self.patterns.get(&key) {
            return Ok(Some(known.clone()));
        }
        let text = &key.1;
        let pattern = match test {
            SessionTest::Matching(_) => Pattern::regex(text),
            SessionTest::Hex(_) => Pattern::hex(text),
            _ => Pattern::literal(text.as_bytes()),
        };
        let made = pattern.and_then(|pattern| PatternSet::new(vec![pattern]));
        let made = Arc::new(made.map_err(|why| errors::invalid_pattern(&Value::text(text.clone()), &why))?);
        if self.patterns.len() >= KEPT {
            self.patterns.clear();
        }
        self.patterns.insert(key, made.clone());
        Ok(Some(made))
    }

    /// Without secrets, nor what may be the beginning of one that was cut off.
    fn masked(&self, mut came: Vec<u8>) -> Vec<u8> {
        let open = self.secrets.begins_at_the_end_of(&came);
        if came.len() >= SHOWN {
            came.truncate(came.len() - open);
        }
        self.secrets.hide_bytes(&mut came);
        came
    }

    fn unmet(&self, expectation: &SessionExpectation, session: &Arc<Session>, over: bool) -> Failure {
        let wanted = expectation.test.word().and_then(|word| self.text(word).ok()).unwrap_or_default();
        let condition = describe(expectation);
        let came = session.unheard_bytes(SHOWN);
        let failure = match (&expectation.test, came) {
            (SessionTest::Ends, _) => errors::not_ended(&condition, session.state().word()),
            (_, _) if expectation.negated => errors::said(&condition),
            (_, None) => errors::not_said(&condition, &session.unheard(LINES)),
            (test, Some(came)) => {
                let came = self.masked(came);
                let failure = errors::bytes_not_received(&condition, &came, &differs(test, &wanted, &came));
                let failure = failure.contrast(Contrast::of(wanted.clone(), came));
                match session.forgotten_bytes() {
                    0 => failure,
                    bytes => failure.detail([errors::forgotten(bytes)]),
                }
            }
        };
        let failure = match expectation.within {
            _ if over => Failure { why: format!("{} (the peer has ended)", failure.why), ..failure },
            Some(within) => {
                Failure { why: format!("{} (waited {})", failure.why, show_duration(within)), ..failure }
            }
            None => failure,
        };
        with_events(failure, std::slice::from_ref(session), self.settings.events)
    }
}

/// True if the condition holds now, and what was matched.
fn look(session: &Session, patterns: Option<&PatternSet>, is_last: bool) -> (bool, Option<Taken>) {
    match patterns {
        None => (session.peer_has_ended(), None),
        Some(patterns) => {
            let taken = session.take_match(patterns, is_last);
            (taken.is_some(), taken)
        }
    }
}

/// The parts of a match by their names: `0`, `1` …, those of the pattern, and what was skipped before it.
fn parts(taken: &Taken, patterns: &PatternSet) -> Vec<(String, Value)> {
    let mut parts = taken.parts(patterns);
    let whole = taken.groups.first().cloned().flatten().unwrap_or_default();
    parts.push(("hex".into(), Value::Text(to_hex(&whole))));
    parts.push(("size".into(), Value::count(whole.len() as u64)));
    parts.push(("before".into(), Value::Text(String::from_utf8_lossy(&taken.before).into_owned())));
    parts
}

/// Where what came begins to differ from a text or bytes, in words; empty if nothing of it came.
fn differs(test: &SessionTest, wanted: &str, came: &[u8]) -> String {
    let wanted: Vec<Option<u8>> = match test {
        SessionTest::Says(_) => wanted.bytes().map(Some).collect(),
        SessionTest::Hex(_) => {
            let digits: String = wanted.split_ascii_whitespace().collect();
            let pairs =
                (0..digits.len() / 2).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).ok());
            pairs.collect()
        }
        _ => return String::new(),
    };
    let alike = |from: usize| {
        let pairs = wanted.iter().zip(&came[from..]);
        pairs.take_while(|(want, is)| want.is_none_or(|want| want == **is)).count()
    };
    // The longest, and of those the first.
    let places = (0..came.len()).map(|from| (from, alike(from)));
    let Some((from, most)) = places.rev().max_by_key(|(_, most)| *most) else {
        return String::new();
    };
    match (most, wanted.get(most).copied().flatten(), came.get(from + most)) {
        (0, ..) => String::new(),
        (_, Some(want), Some(is)) => {
            let at = from + most;
            format!("; it begins at byte {from} and differs at byte {at}: {is:02x} instead of {want:02x}")
        }
        (_, Some(_), None) => format!("; its first {most} bytes came, the rest did not"),
        _ => String::new(),
    }
}

/// The condition as it was written.
pub(super) fn describe(expectation: &SessionExpectation) -> String {
    let not = if expectation.negated { "not " } else { "" };
    let session = expectation.session.written();
    let test = match &expectation.test {
        SessionTest::Says(word) => format!("says {}", quoted(word)),
        SessionTest::Matching(word) => format!("says matching {}", quoted(word)),
        SessionTest::Hex(word) => format!("hex {}", quoted(word)),
        SessionTest::Traced(word) => format!("traced {}", quoted(word)),
        SessionTest::Ends => "ends".to_owned(),
        SessionTest::Silent(time) => format!("silent for {}", show_duration(*time)),
    };
    format!("{not}{session} {test}")
}

fn quoted(word: &Word) -> String {
    if word.quoted { format!("\"{}\"", word.written()) } else { word.written() }
}
