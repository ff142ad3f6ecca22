//! Errors in a text: the place, what was read, what is possible there, and the likely fix. The sentences are written where
//! an error is found, in `parse` and `plan`; `tests/diagnostics/messages.txt` shows them side by side. `output::caret` draws
//! them.

use std::ops::Range;
use std::sync::Arc;

/// A named text; spans are byte ranges into `text`.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// The path of the file, or another name for the text, as messages show it.
    pub name: String,
    /// The whole text.
    pub text: String,
}

impl Source {
    /// A source with this name and text.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { name: name.into(), text: text.into() })
    }

    /// Line number, from 1, of a byte offset; an offset past the end is on the last line.
    pub fn line(&self, offset: usize) -> usize {
        self.text.as_bytes()[..offset.min(self.text.len())].iter().filter(|&&b| b == b'\n').count() + 1
    }

    /// The text of a span, as it was written; empty if the span does not fit the text.
    pub fn slice(&self, span: &Range<usize>) -> &str {
        self.text.get(span.clone()).unwrap_or_default()
    }
}

/// One error in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong, in one line.
    pub title: Box<str>,
    /// Byte range in the source that the error points at.
    pub span: Range<usize>,
    /// What is possible at this place; at most [`EXPECTED_LIMIT`] are shown.
    pub expected: Vec<String>,
    /// What was probably meant; `None` if that is unclear.
    pub fix: Option<String>,
    /// How to do the same in this language, where replacing a word would not help.
    pub hint: Option<&'static str>,
    /// The usage line of the command, where it helps.
    pub usage: Option<Box<str>>,
    /// True if typing on may fix it: the line is only incomplete so far.
    pub unfinished: bool,
}

/// How many possibilities an error lists before it says "or N more".
pub const EXPECTED_LIMIT: usize = 6;

impl Diagnostic {
    /// An error without suggestions.
    pub fn new(title: impl Into<Box<str>>, span: Range<usize>) -> Self {
        Self {
            title: title.into(),
            span,
            expected: Vec::new(),
            fix: None,
            hint: None,
            usage: None,
            unfinished: false,
        }
    }

    /// Adds how to do the same in this language, if there is such advice.
    pub fn hint(mut self, hint: impl Into<Option<&'static str>>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Marks it as an error that typing on may fix.
    pub fn unfinished(mut self) -> Self {
        self.unfinished = true;
        self
    }

    /// Sets what is possible at this place.
    pub fn expected(mut self, expected: impl IntoIterator<Item = String>) -> Self {
        self.expected = expected.into_iter().collect();
        self
    }

    /// Sets what was probably meant, if that is clear.
    pub fn fix(mut self, fix: impl Into<Option<String>>) -> Self {
        self.fix = fix.into();
        self
    }

    /// Adds the usage line of the command.
    pub fn usage(mut self, usage: String) -> Self {
        self.usage = Some(usage.into());
        self
    }

    /// "expected a, b or c", cut to [`EXPECTED_LIMIT`]; empty if nothing is known.
    pub fn expectation(&self) -> String {
        match self.expected.as_slice() {
            [] => String::new(),
            [one] => format!("expected {one}"),
            many if many.len() <= EXPECTED_LIMIT => {
                let (last, head) = many.split_last().expect("not empty: matched above");
                format!("expected {} or {last}", head.join(", "))
            }
            many => format!(
                "expected {}, or {} more",
                many[..EXPECTED_LIMIT].join(", "),
                many.len() - EXPECTED_LIMIT
            ),
        }
    }
}

/// An error together with its source.
#[derive(Clone, Debug)]
pub struct Report {
    /// The text that the error is in.
    pub source: Arc<Source>,
    /// The error.
    pub diagnostic: Diagnostic,
}

/// The word of `known` that `word` was probably meant to be; `None` if none is close, or if several are equally close.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(1);
    let mut best: Option<(usize, &str)> = None;
    let mut tied = false;
    for candidate in known {
        let distance = strsim::osa_distance(word, candidate);
        if distance > limit || distance >= candidate.chars().count() {
            continue;
        }
        match best {
            Some((least, _)) if distance > least => {}
            Some((least, other)) if distance == least && other != candidate => tied = true,
            _ => (best, tied) = (Some((distance, candidate)), false),
        }
    }
    best.filter(|_| !tied).map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions_are_near_and_unique() {
        let verbs = ["send", "get", "listen", "stop", "stream"];
        assert_eq!(nearest("sned", verbs), Some("send"));
        assert_eq!(nearest("lisen", verbs), Some("listen"));
        assert_eq!(nearest("frobnicate", verbs), None);
        assert_eq!(nearest("a", ["b", "c"]), None);
    }

    #[test]
    fn long_lists_are_cut() {
        let many = Diagnostic::new("x", 0..1).expected((0..9).map(|n| n.to_string()));
        assert_eq!(many.expectation(), "expected 0, 1, 2, 3, 4, 5, or 3 more");
        assert_eq!(
            Diagnostic::new("x", 0..1).expected(["a".into(), "b".into()]).expectation(),
            "expected a or b"
        );
    }
}
