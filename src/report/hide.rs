//! Secrets are removed from a report before it is encoded: each format escapes different characters, and an escaped
//! secret would not be found any more (faults.md row 93).

use std::borrow::Cow;

use super::{Contrast, FailedTest, Failure, Place, Report, TestRun, Verdict};
use crate::base::secrets::key::seen;
use crate::base::{Fields, Secrets, Value};
use crate::language::Source;

impl Report {
    /// Masks every known secret in this report, unless it is there to show one.
    pub fn hide(&mut self, secrets: &Secrets) {
        // Of failures also a key is masked that nobody has used yet.
        let is_clean = secrets.is_empty() && !matches!(self, Self::Failure { .. } | Self::Test(_));
        if is_clean || self.reveals() {
            return;
        }
        match self {
            Self::Result { outcome, .. } => {
                secrets.hide(&mut outcome.text);
                hide_fields(&mut outcome.fields, secrets);
            }
            Self::Event(event) => {
                secrets.hide(&mut event.label);
                secrets.hide(&mut event.text);
                hide_fields(&mut event.fields, secrets);
            }
            Self::Failure { failure, verb, place, .. } => {
                hide_failure(failure, secrets);
                verb.iter_mut().for_each(|verb| secrets.hide(verb));
                place.iter_mut().for_each(|place| hide_place(place, secrets));
            }
            Self::Test(run) => run.hide(secrets),
            Self::Notice(text) => secrets.hide(text),
            Self::Picture { text, .. } => text.iter_mut().for_each(|text| secrets.hide(text)),
            // Of packets there are words of our own and numbers, which are masked in what is written.
            Self::Packets { label, .. } => secrets.hide(label),
            Self::Summary(_) => {}
        }
    }
}

impl TestRun {
    /// Masks every known secret in this test run.
    pub fn hide(&mut self, secrets: &Secrets) {
        let wrongs = self.earlier.iter_mut().flatten();
        let last =
            if let Verdict::Failed(wrongs) = &mut self.verdict { wrongs.as_mut_slice() } else { &mut [] };
        for FailedTest { failure, place } in wrongs.chain(last) {
            hide_failure(failure, secrets);
            place.iter_mut().for_each(|place| hide_place(place, secrets));
        }
        if let Verdict::Skipped(reason) = &mut self.verdict {
            secrets.hide(reason);
        }
        secrets.hide(&mut self.name);
        secrets.hide(&mut self.file);
        self.tags.iter_mut().for_each(|tag| secrets.hide(tag));
    }
}

fn hide_fields(fields: &mut Fields, secrets: &Secrets) {
    for (_, value) in fields {
        // A number can be a secret, too: it becomes a masked text.
        let shown = value.to_string();
        let text = secrets.hidden(&shown);
        if text != shown {
            *value = Value::Text(text);
        }
    }
}

fn hide_failure(failure: &mut Failure, secrets: &Secrets) {
    let texts = [&mut failure.what, &mut failure.why].into_iter();
    for text in texts.chain(&mut failure.fix).chain(&mut failure.detail) {
        secrets.hide(text);
        if let Cow::Owned(masked) = seen::masked(text) {
            *text = masked;
        }
    }
    if let Some(contrast) = &mut failure.contrast {
        let Contrast { expected, actual, .. } = &mut **contrast;
        secrets.hide_bytes(expected);
        secrets.hide_bytes(actual);
    }
}

/// Hides secrets in the name of the script. Marks the place as secret if the lines that are shown of its statement contain
/// one, or a part of one: then none of them is shown.
fn hide_place(place: &mut Place, secrets: &Secrets) {
    let name = secrets.hidden(&place.source.name);
    if name != place.source.name {
        place.source = Source::new(name, place.source.text.clone());
    }
    let text = &place.source.text;
    let start = text[..place.span.start.min(text.len())].rfind('\n').map_or(0, |at| at + 1);
    let end = place.span.end.min(text.len());
    let end = text[end..].find('\n').map_or(text.len(), |at| end + at);
    let shown = &text[start..end];
    place.secret |= secrets.up_to_any(shown) != shown;
}
