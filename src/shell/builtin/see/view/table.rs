//! The sessions, and what can be turned at links, as JSON.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::source::Source;
use crate::base::quantity;
use crate::net::relay::RelayControl;
use crate::service::link;
use crate::session::{Sample, Session};

/// Most sessions on a page: those that live come first, then those that ended last.
const ROW_LIMIT: usize = 100;
/// Points of a curve.
const POINTS: u32 = 60;
/// Steps of a curve: the first of them in which the life of the session has room, else the last part of it.
const STEPS: [Duration; 3] = [Duration::from_millis(100), Duration::from_millis(250), Duration::from_secs(1)];

/// All sessions, and how many are left out.
pub(super) fn sessions(source: &Source) -> Json {
    let mut sessions = source.registry.all();
    let total = sessions.len();
    sessions.sort_by_key(|session| (session.has_ended(), std::cmp::Reverse(session.id)));
    sessions.truncate(ROW_LIMIT);
    sessions.sort_by_key(|session| session.id);
    let rows: Vec<Json> = sessions.iter().map(|session| row(source, session)).collect();
    json!({"sessions": rows, "hidden": total.saturating_sub(ROW_LIMIT)})
}

fn row(source: &Source, session: &Arc<Session>) -> Json {
    let place = session.field("addr").map_or_else(|| session.peer(), |address| address.to_string());
    let (came, left) = session.rates();
    let rate = if came + left < 1.0 { String::new() } else { quantity::show_rate(came + left) };
    let shares = session.progress().map(|progress| progress.done as f64 / progress.total.max(1) as f64);
    json!({
        "id": session.id,
        "name": session.name.as_deref().map(|name| source.clean(name)),
        "kind": source.clean(&session.kind),
        "state": session.state().word(),
        "live": !session.has_ended(),
        "peer": source.clean(&place),
        "in": quantity::show_size(session.bytes_in()),
        "out": quantity::show_size(session.bytes_out()),
        "rate": rate,
        "done": shares.filter(|_| !session.has_ended()),
        "age": age(session.ended_ago().unwrap_or_else(|| session.age())),
        "packets": session.packet_count(),
        "curve": curve(&session.samples()),
        "link": link(session),
    })
}

/// Whole seconds: a page is sent again only where something else has changed.
fn age(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        _ => quantity::show_duration(age),
    }
}

/// What a link does to packets, on the way up; the words say it for both ways.
fn link(session: &Session) -> Option<Json> {
    let control = session.control::<RelayControl>().filter(|_| !session.has_ended())?;
    let [up, down] = control.profiles();
    Some(json!({
        "words": link::describe([up, down]),
        "loss": up.loss * 100.0,
        "delay": up.delay.as_secs_f64() * 1e3,
        "lossless": control.is_lossless(),
        "holds": control.holds(),
        "held": control.held(),
    }))
}

/// The throughput in bytes/s, both ways together, at equal steps up to now.
fn curve(samples: &[Sample]) -> Vec<u64> {
    let Some(last) = samples.last() else { return Vec::new() };
    let step = STEPS.iter().find(|step| last.at <= **step * POINTS).unwrap_or(&STEPS[2]);
    let ends = u32::try_from(last.at.as_millis() / step.as_millis()).unwrap_or(u32::MAX);
    let first = ends.saturating_sub(POINTS);
    let totals: Vec<f64> = (first..=ends).map(|end| total(samples, *step * end)).collect();
    totals.windows(2).map(|pair| ((pair[1] - pair[0]).max(0.0) / step.as_secs_f64()) as u64).collect()
}

/// Bytes that had passed at this time, between two samples in proportion.
fn total(samples: &[Sample], at: Duration) -> f64 {
    let bytes = |sample: &Sample| (sample.bytes_in as f64) + (sample.bytes_out as f64);
    let after = samples.partition_point(|sample| sample.at < at);
    match (after.checked_sub(1).and_then(|before| samples.get(before)), samples.get(after)) {
        (Some(before), Some(after)) => {
            let span = after.at.saturating_sub(before.at).as_secs_f64().max(1e-9);
            let share = at.saturating_sub(before.at).as_secs_f64() / span;
            bytes(before) + (bytes(after) - bytes(before)) * share
        }
        (Some(only), None) | (None, Some(only)) => bytes(only),
        (None, None) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(millis: u64, bytes_in: u64) -> Sample {
        Sample { at: Duration::from_millis(millis), bytes_in, ..Sample::default() }
    }

    #[test]
    fn a_curve_is_the_rate_at_equal_steps_and_bounded() {
        assert!(curve(&[]).is_empty() && curve(&[sample(0, 5)]).is_empty());
        let steady: Vec<Sample> = (0..=20).map(|n| sample(n * 100, n * 1000)).collect();
        let rates = curve(&steady);
        assert_eq!(rates.len(), 20);
        assert!(rates.iter().all(|rate| (9_999..=10_001).contains(rate)), "{rates:?}");
        let long: Vec<Sample> = (0..200).map(|n| sample(n * 51_200, n * 51_200)).collect();
        let rates = curve(&long);
        assert_eq!(rates.len(), POINTS as usize);
        assert!(rates.iter().all(|rate| (990..=1010).contains(rate)), "{rates:?}");
        let forever = [sample(0, 0), Sample { at: Duration::MAX, bytes_in: u64::MAX, ..Sample::default() }];
        assert!(curve(&forever).len() <= POINTS as usize);
    }
}
