//! For machines: one object a line, with `type` first. Fields are only ever added.

use serde_json::{Map, Number, Value as Json, json};

use crate::base::{Fields, Value};
use crate::language;
use crate::report::{Report, Verdict};

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
            "fix": failure.fix, "detail": failure.detail, "place": place, "text": failure.to_string(),
        }),
        Report::Test { name, file, line, verdict, seconds } => {
            let (word, lines) = match verdict {
                Verdict::Passed => ("passed", Vec::new()),
                Verdict::Failed(lines) => ("failed", lines.clone()),
                Verdict::Skipped(reason) => ("skipped", vec![reason.clone()]),
            };
            json!({"type": "test", "name": name, "file": file, "line": line, "verdict": word, "messages": lines, "seconds": seconds})
        }
        Report::Summary { passed, failed, skipped, seconds } => {
            json!({"type": "summary", "passed": passed, "failed": failed, "skipped": skipped, "seconds": seconds})
        }
        Report::Notice(text) => json!({"type": "event", "event": "notice", "text": text}),
    };
    format!("{object}\n")
}

/// An error in a text.
pub(super) fn diagnostic(report: &language::Report) -> String {
    let found = &report.diagnostic;
    let line = report.source.line(found.span.start);
    let object = json!({
        "type": "error", "code": "E-usage", "file": report.source.name, "line": line, "start": found.span.start, "end": found.span.end,
        "read": report.source.slice(&found.span), "expected": found.expected, "fix": found.fix, "text": found.title,
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

/// A field never hides one of the frame's own.
fn insert(map: &mut Map<String, Json>, name: &str, value: &Value) {
    if map.contains_key(name) {
        return;
    }
    let json = match value {
        Value::Text(text) => Json::String(text.clone()),
        Value::Integer(n) => i64::try_from(*n).map_or_else(|_| Json::String(n.to_string()), Json::from),
        Value::Number(n) => Number::from_f64(*n).map_or(Json::Null, Json::Number),
        Value::Size(n) => Json::from(*n),
        Value::Percent(p) => Number::from_f64(p.fraction()).map_or(Json::Null, Json::Number),
        Value::Duration(d) => Number::from_f64(d.as_secs_f64()).map_or(Json::Null, Json::Number),
        Value::Flag(flag) => Json::Bool(*flag),
    };
    map.insert(name.into(), json);
}
