//! Completion, hints and highlighting of the line, all based on the language's own parser.

use std::borrow::Cow;
use std::sync::Arc;

use colored::Colorize;
use rustyline::Context;
use rustyline::completion::{Completer, Pair};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};

use super::state::{PROMPT, PromptState, SPEAKING, WATCHING};
use crate::base::Secrets;
use crate::language::editing::complete::{World, complete, hint, wants_names};
use crate::language::editing::highlight::{Mark, marks};
use crate::output::AboveLine;

/// The hooks that rustyline calls.
pub(super) struct Helper {
    pub(super) known: Arc<PromptState>,
    /// The text that is to appear above the line.
    pub(super) above: Option<Arc<AboveLine>>,
    pub(super) colour: bool,
    /// Not shown among the candidates.
    pub(super) secrets: Secrets,
    /// A secret is being typed.
    pub(super) hides: bool,
}

impl rustyline::Helper for Helper {}

impl Validator for Helper {
    /// A `\` at the end continues the command on the next line.
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let goes_on = context.input().ends_with('\\')
            && !self.hides
            && !self.known.is_attached()
            && self.known.pressed().is_none();
        Ok(if goes_on { ValidationResult::Incomplete } else { ValidationResult::Valid(None) })
    }
}

impl Completer for Helper {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        if self.hides || self.known.is_attached() {
            return Ok((at, Vec::new()));
        }
        let (place, found) = complete(line, at, &self.known.vocabulary, self.known.as_ref());
        let several = found.len() > 1;
        let pairs = found.into_iter().map(|candidate| {
            let mut display = if several && !candidate.help.is_empty() {
                format!("{}  ({})", candidate.text, candidate.help)
            } else {
                candidate.text.clone()
            };
            self.secrets.hide(&mut display);
            let ends = !candidate.text.ends_with('/') && !several;
            Pair { display, replacement: if ends { format!("{} ", candidate.text) } else { candidate.text } }
        });
        Ok((place.start, pairs.collect()))
    }
}

impl Hinter for Helper {
    type Hint = String;

    fn hint(&self, line: &str, at: usize, _: &Context<'_>) -> Option<String> {
        if at < line.len() || self.hides {
            return None;
        }
        if self.known.is_attached() {
            return self.known.characters_left(line);
        }
        if let Some(service) = wants_names(line, &self.known.vocabulary) {
            drop(self.known.remote(service));
        }
        hint(line, &self.known.vocabulary)
    }
}

impl Highlighter for Helper {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        if self.hides {
            return Cow::Owned("*".repeat(line.chars().count()));
        }
        if !self.colour || self.known.is_attached() {
            return Cow::Borrowed(line);
        }
        let scope = self.known.scope();
        let (mut out, mut at) = (String::with_capacity(line.len() * 2), 0);
        for (span, mark) in marks(line, &self.known.vocabulary, &scope) {
            out.push_str(&line[at..span.start]);
            out.push_str(&coloured(&line[span.clone()], mark));
            at = span.end;
        }
        out.push_str(&line[at..]);
        Cow::Owned(out)
    }

    /// Always redraw: the colour of a word can change when the next one is typed.
    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        self.hides || self.colour
    }

    /// The prompt, below the text that waits to appear above the line.
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, is_own: bool) -> Cow<'b, str> {
        let prompt = self.styled(prompt);
        // The prompt of a search takes the place of the own one, and is drawn without clearing whole rows.
        let above = self.above.as_ref().filter(|_| is_own).map(|above| above.take()).unwrap_or_default();
        if above.is_empty() { prompt } else { Cow::Owned(above + &prompt) }
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        if self.colour { Cow::Owned(hint.dimmed().to_string()) } else { Cow::Borrowed(hint) }
    }
}

impl Helper {
    fn styled<'p>(&self, prompt: &'p str) -> Cow<'p, str> {
        if self.hides {
            return Cow::Borrowed(prompt);
        }
        // When the attached session ends in the middle of a line, its prompt is replaced by the shell's.
        let prompt = if matches!(prompt, SPEAKING | WATCHING) { PROMPT } else { prompt };
        match (self.known.prompt(), self.colour) {
            (None, false) => Cow::Borrowed(prompt),
            (Some(attached), false) => Cow::Borrowed(attached),
            (None, true) => Cow::Owned(prompt.green().bold().to_string()),
            (Some(attached), true) => Cow::Owned(attached.cyan().bold().to_string()),
        }
    }
}

/// A part of the line in its colour.
fn coloured(text: &str, mark: Mark) -> String {
    match mark {
        Mark::Verb => text.bold(),
        Mark::Keyword => text.cyan(),
        Mark::Quoted => text.yellow(),
        Mark::Reference => text.magenta(),
        Mark::Comment => text.dimmed(),
        Mark::Wrong => text.red().underline(),
    }
    .to_string()
}
