//! `expect error "T":`: whether a failure is the expected one. What it only repeats of the command does not count: the name
//! of a file `quota exceeded` is no reason.

use std::ops::Range;

use super::errors;
use super::{expect, expect_session};
use crate::language::Action;
use crate::language::parse::lexer::Word;
use crate::language::script::error_code;
use crate::report::Failure;
use crate::shell::Shell;

impl Shell {
    /// Compares the reason alone: neither its subject, which is the command itself, nor what it repeats of the command.
    pub(super) fn expect_error(
        &self,
        wanted: Option<&Word>,
        action: &Action,
        failure: &Failure,
    ) -> Result<(), Failure> {
        let Some(word) = wanted else { return Ok(()) };
        if let Some(code) = error_code(word) {
            let is_right = code == failure.code.word();
            return if is_right { Ok(()) } else { Err(errors::error_of_another_kind(&code, failure)) };
        }
        let condition = match action {
            Action::Expect(expectation) => expect::describe(expectation),
            Action::ExpectSession(expectation) => expect_session::describe(expectation),
            _ => String::new(),
        };
        let reason =
            if condition.is_empty() { failure.why.clone() } else { failure.why.replace(&condition, "") };
        let command = self.running.as_ref().map_or("", |step| step.text_after(word.span.end));
        match self.text(word)? {
            text if text.is_empty() => Err(errors::any_error_expected()),
            text if tells(&reason, &text, command) => Ok(()),
            text => Err(errors::error_for_another_reason(&text, failure)),
        }
    }
}

/// True if `reason` has the text at a place where it does not only repeat `command`.
fn tells(reason: &str, text: &str, command: &str) -> bool {
    let repeated: Vec<Range<usize>> =
        words(command).into_iter().flat_map(|word| places(reason, word)).collect();
    let is_repeated =
        |place: &Range<usize>| repeated.iter().any(|of| of.start <= place.start && place.end <= of.end);
    places(reason, text).iter().any(|place| !is_repeated(place))
}

/// The words of a command that a reason may repeat: texts in quotes, each as one, and what is not just a word of the
/// language.
fn words(command: &str) -> Vec<&str> {
    let (mut words, mut rest) = (Vec::new(), command);
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ':');
        let Some(first) = rest.chars().next() else { return words };
        let (word, behind) = match first {
            '"' | '\'' => rest[1..].split_once(first).unwrap_or((&rest[1..], "")),
            _ => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        let is_plain =
            !matches!(first, '"' | '\'') && word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        words.extend(Some(word).filter(|word| !word.is_empty() && !is_plain));
        rest = behind;
    }
}

/// Where `part` is in `text`.
fn places(text: &str, part: &str) -> Vec<Range<usize>> {
    text.match_indices(part).map(|(at, found)| at..at + found.len()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reason_repeats_of_the_command_does_not_count() {
        let absent = "there is no file `quota exceeded`";
        let command = ": get \"quota exceeded\" from $f";
        assert!(!tells(absent, "quota exceeded", command) && !tells(absent, "exceeded", command));
        assert!(tells(absent, "no file `quota exceeded`", command) && tells(absent, "no file", command));
        assert!(!tells("zebra.invalid is not known", "zebra", ": connect tcp zebra.invalid"));
        assert!(tells("127.0.0.1:1 refused the connection", "refused", ": get x from 127.0.0.1:1"));
        assert!(tells("only with the word `hidden`", "hidden", ": send tree to $f hidden"));
    }
}
