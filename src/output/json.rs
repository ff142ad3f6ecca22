//! Reports for programs: one JSON object per line, with a `type`. Later versions only add fields.

use serde_json::{Map, Number, Value as Json, json};

use crate::base::{Fields, Secrets, Time, Value};
use crate::language;
use crate::record::PacketEvent;
use crate::record::line::{fields, line};
use crate::report::{FailedTest, Place, Report, TestRun, Verdict};

pub(super) fn render(report: &Report) -> String {
    let object = match report {
        Report::Result { verb, session, outcome } => with(
            json!({"type": "result", "verb": verb, "session": session, "text": outcome.text}),
            &outcome.fields,
        ),
        Report::Event(event) => with(
            json!({"type": "event", "session": event.session, "name": event.label, "event": event.kind, "text": event.text}),
            &event.fields,
        ),
        Report::Failure { failure, verb, place, session } => json!({
            "type": "error", "session": session, "verb": verb, "code": failure.code.word(), "what": failure.what, "why": failure.why,
            "fix": failure.fix, "detail": failure.detail, "place": place.as_ref().map(ToString::to_string),
            "file": place.as_ref().map(|place| &place.source.name), "line": place.as_ref().map(Place::line),
            "text": failure.to_string(),
        }),
        Report::Test(run) => test(run),
        Report::Summary(all) => json!({
            "type": "summary", "passed": all.passed, "failed": all.failed, "skipped": all.skipped, "flaky": all.flaky,
            "leaked": all.leaked, "seconds": all.seconds, "seed": all.seed,
        }),
        Report::Packets { session, label, events, began } => {
            return events.iter().map(|event| packet((*session, label), event, *began)).collect();
        }
        Report::Picture { text: None, .. } => return String::new(),
        Report::Picture { verb, text } => {
            json!({"type": "result", "verb": verb, "session": null, "text": text})
        }
        Report::Notice(text) => json!({"type": "event", "event": "notice", "text": text}),
    };
    format!("{object}\n")
}

fn packet((session, label): (u64, &str), event: &PacketEvent, began: Time) -> String {
    let text = line(event, began);
    let object = json!({"type": "packet", "session": session, "name": label, "text": text});
    format!("{}\n", with(object, &fields(event, began)))
}

fn test(run: &TestRun) -> Json {
    let (word, reason) = match &run.verdict {
        Verdict::Passed => ("passed", None),
        Verdict::Failed(_) => ("failed", None),
        Verdict::Skipped(reason) => ("skipped", Some(reason)),
    };
    let attempts: Vec<Vec<Json>> =
        run.earlier.iter().map(|wrongs| wrongs.iter().map(self::wrong).collect()).collect();
    json!({
        "type": "test", "name": run.name, "file": run.file, "line": run.line, "tags": run.tags, "verdict": word, "reason": reason,
        "flaky": run.is_flaky(), "attempts": run.earlier.len() + 1, "seconds": run.seconds,
        "errors": run.wrongs().iter().map(self::wrong).collect::<Vec<_>>(), "earlier": attempts,
    })
}

fn wrong(wrong: &FailedTest) -> Json {
    let FailedTest { failure, place } = wrong;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    json!({
        "code": failure.code.word(), "text": failure.to_string(),
        "file": place.as_ref().map(|place| &place.source.name), "line": place.as_ref().map(Place::line),
        "statement": place.as_ref().map(Place::text),
        "expected": failure.contrast.as_ref().map(|pair| text(&pair.expected)),
        "actual": failure.contrast.as_ref().map(|pair| text(&pair.actual)),
        "lines": super::failed_test::lines(wrong),
    })
}

/// An error in a source text, without secrets.
pub(super) fn diagnostic(report: &language::Report, secrets: &Secrets) -> String {
    let hidden = |text: &str| secrets.hidden(text);
    let found = &report.diagnostic;
    let (read, expected) = (report.source.slice(&found.span), found.expected.iter().map(|text| hidden(text)));
    let line = report.source.line(found.span.start);
    let object = json!({
        "type": "error", "code": "E-usage", "file": hidden(&report.source.name), "line": line, "start": found.span.start, "end": found.span.end,
        "read": hidden(read), "expected": expected.collect::<Vec<_>>(), "fix": found.fix.as_deref().map(hidden),
        "hint": found.hint, "text": hidden(&found.title),
    });
    format!("{object}\n")
}

fn with(mut object: Json, fields: &Fields) -> Json {
    if let Some(map) = object.as_object_mut() {
        for (name, value) in fields {
            insert(map, name, value);
        }
    }
    object
}

/// Adds a field, unless the object has a key of that name already.
fn insert(map: &mut Map<String, Json>, name: &str, value: &Value) {
    if map.contains_key(name) {
        return;
    }
    let json = match value {
        Value::Text(text) | Value::Exact(text) => Json::String(text.clone()),
        Value::Integer(n) => i64::try_from(*n).map_or_else(|_| Json::String(n.to_string()), Json::from),
        Value::Number(n) => Number::from_f64(*n).map_or(Json::Null, Json::Number),
        Value::Size(n) => Json::from(*n),
        Value::Rate(bits) => Json::from(bits / 8),
        Value::Percent(p) => Number::from_f64(p.fraction()).map_or(Json::Null, Json::Number),
        Value::Duration(d) => Number::from_f64(d.as_secs_f64()).map_or(Json::Null, Json::Number),
        Value::Flag(flag) => Json::Bool(*flag),
    };
    map.insert(name.into(), json);
}
