//! `expect`: the one way to check a condition and, with `within`, to wait for it. The condition is evaluated again when
//! a session that it names changes, not polled.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::errors;
use crate::base::Value;
use crate::base::pattern::TextPattern;
use crate::language::parse::lexer::{Segment, Word};
use crate::language::script::{Comparison, Expectation};
use crate::report::{Contrast, Failure};
use crate::session::{Session, State};
use crate::shell::{Binding, Shell};

/// The result of a check, for the message.
struct Finding {
    holds: bool,
    seen: Value,
    contrast: Option<Contrast>,
}

impl Finding {
    /// The failure of an expectation that is not what was found.
    fn unmet(self, expectation: &Expectation) -> Failure {
        let condition = describe(expectation);
        let failure = errors::condition_unmet(&condition, &self.seen);
        match self.contrast.filter(|_| !expectation.negated) {
            Some(contrast) => failure.contrast(contrast),
            None => failure,
        }
    }
}

impl Shell {
    pub(crate) async fn expect(&self, expectation: &Expectation) -> Result<(), Failure> {
        let sessions = self.sessions_of(expectation);
        let deadline = expectation.within.map(|within| Instant::now() + within);
        let mut changes: Vec<_> = sessions.iter().map(|session| session.changes()).collect();
        let mut counts: Vec<_> = sessions.iter().map(|session| session.counts()).collect();
        loop {
            changes.iter_mut().for_each(|change| drop(change.borrow_and_update()));
            counts.iter_mut().for_each(watch::Receiver::mark_unchanged);
            let finding = self.examine(expectation);
            let failure = match finding {
                Ok(finding) if finding.holds != expectation.negated => return Ok(()),
                Ok(finding) => finding.unmet(expectation),
                Err(failure) => failure,
            };
            let Some(deadline) = deadline else {
                return Err(with_events(failure, &sessions, self.settings.events));
            };
            let changed = async {
                tokio::select! {
                    () = futures_any(&mut changes) => {}
                    () = futures_any(&mut counts) => {}
                }
            };
            if tokio::time::timeout_at(deadline, changed).await.is_err() {
                if self.examine(expectation).is_ok_and(|finding| finding.holds != expectation.negated) {
                    return Ok(());
                }
                let waited =
                    crate::base::quantity::show_duration(expectation.within.unwrap_or(Duration::ZERO));
                return Err(with_events(
                    Failure { why: format!("{} (waited {waited})", failure.why), ..failure },
                    &sessions,
                    self.settings.events,
                ));
            }
        }
    }

    fn examine(&self, expectation: &Expectation) -> Result<Finding, Failure> {
        let Some((comparison, right)) = &expectation.test else {
            let (holds, value) = self.condition(&expectation.left)?;
            return Ok(Finding { holds, seen: value, contrast: None });
        };
        let (left, right) = (self.value(&expectation.left)?, self.value(right)?);
        let contrast = matches!(comparison, Comparison::Equal | Comparison::Contains)
            .then(|| Contrast::of(right.to_string(), left.to_string()));
        Ok(Finding { holds: compare(&left, *comparison, &right)?, seen: left, contrast })
    }

    /// The truth of a lone reference: a boolean, a state, a numeric field, a variable of the environment. An error if
    /// its value is not a condition.
    pub(crate) fn condition(&self, word: &Word) -> Result<(bool, Value), Failure> {
        let path = word.reference().unwrap_or_default();
        let binding = path.first().and_then(|name| self.binding(name));
        if let (Some(Binding::Session(session)), None) = (&binding, path.get(1)) {
            let state = session.state();
            return Ok((
                !matches!(state, State::Failed(_) | State::Cancelled { .. }),
                Value::text(state.word()),
            ));
        }
        let value = self.value(word)?;
        let holds = match (&value, path) {
            (Value::Text(text), [name, ..]) if name == "env" => Some(!matches!(&**text, "" | "0" | "false")),
            (Value::Text(text), [.., field]) if field == "state" => {
                Some(!matches!(&**text, "failed" | "cancelled"))
            }
            (Value::Flag(_) | Value::Text(_), _) => value.condition(),
            _ if matches!(binding, Some(Binding::Value(_))) => None,
            _ => value.condition(),
        };
        let no_condition = || errors::not_a_condition(&word.written(), &value);
        holds.map(|holds| (holds, value.clone())).ok_or_else(no_condition)
    }

    fn sessions_of(&self, expectation: &Expectation) -> Vec<Arc<Session>> {
        let words =
            std::iter::once(&expectation.left).chain(expectation.test.as_ref().map(|(_, right)| right));
        let references = words.flat_map(|word| &word.segments).filter_map(|segment| match segment {
            Segment::Reference(path, _) => self.binding(&path[0]),
            Segment::Text(_) => None,
        });
        references
            .filter_map(|binding| if let Binding::Session(session) = binding { Some(session) } else { None })
            .collect()
    }
}

/// Resolves when any session changes; never, if there is none.
pub(super) async fn futures_any<T>(changes: &mut [watch::Receiver<T>]) {
    let mut waiting: Vec<_> = changes.iter_mut().map(|change| Box::pin(change.changed())).collect();
    std::future::poll_fn(|context| {
        let ready = waiting.iter_mut().any(|change| change.as_mut().poll(context).is_ready());
        if ready { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

fn compare(left: &Value, comparison: Comparison, right: &Value) -> Result<bool, Failure> {
    let (one, other) = (left.dimension(), right.dimension());
    if !comparison.fits(one, other) {
        return Err(errors::not_comparable(comparison, one, other));
    }
    let order = || left.order(right);
    Ok(match comparison {
        Comparison::Equal => left.equals(right),
        Comparison::NotEqual => !left.equals(right),
        Comparison::Less => order() == Some(Ordering::Less),
        Comparison::LessOrEqual => matches!(order(), Some(Ordering::Less | Ordering::Equal)),
        Comparison::Greater => order() == Some(Ordering::Greater),
        Comparison::GreaterOrEqual => matches!(order(), Some(Ordering::Greater | Ordering::Equal)),
        Comparison::Contains => left.to_string().contains(&right.to_string()),
        Comparison::Matches => {
            let pattern = TextPattern::new(&right.to_string())
                .map_err(|error| errors::invalid_pattern(right, &error))?;
            pattern.is_match(&left.to_string())
        }
    })
}

/// The condition as it was written.
pub(super) fn describe(expectation: &Expectation) -> String {
    let not = if expectation.negated { "not " } else { "" };
    let left = expectation.left.written();
    match &expectation.test {
        None => format!("{not}{left}"),
        Some((comparison, right)) => format!("{not}{left} {} {}", comparison.word(), right.written()),
    }
}

/// Adds the last events of the sessions, up to `most` of each, to a failure (faults.md row 96).
pub(crate) fn with_events(failure: Failure, sessions: &[Arc<Session>], most: usize) -> Failure {
    let lines = sessions.iter().flat_map(|session| {
        let (entries, _) = session.log(most);
        let label = session.label();
        entries.into_iter().map(move |entry| {
            format!(
                "  {label} {:>8.3}s {}: {}",
                entry.at.as_secs_f64(),
                entry.kind,
                crate::base::escape::escape_line(&entry.text)
            )
        })
    });
    let lines: Vec<String> = lines.collect();
    failure.detail(lines)
}
