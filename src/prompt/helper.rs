//! Completion, hints and the look of the line, all from the language's own walk.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use colored::Colorize;
use rustyline::Context;
use rustyline::completion::{Completer, Pair};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};

use super::remote::Names;
use crate::base::escape::escape_line;
use crate::base::{Endpoint, Transport};
use crate::language::Vocabulary;
use crate::language::complete::{World, complete, hint, wants_names};
use crate::session::{Registry, Session};
use crate::shell::Shell;
use crate::wire::ServiceId;
use crate::wire::chat::UDP_CHARACTER_LIMIT;

/// Both prompts have one width: the editor measures only the first.
pub(super) const PROMPT: &str = "nls> ";
pub(super) const ATTACHED: &str = "say> ";
/// Files of a folder that completion looks at.
const ENTRY_LIMIT: usize = 10_000;

/// What the editor's thread may know of the shell.
pub(super) struct Known {
    vocabulary: Vocabulary,
    registry: Arc<Registry>,
    remote: Names,
    changing: Mutex<Changing>,
}

#[derive(Default)]
struct Changing {
    names: Vec<String>,
    endpoints: Vec<String>,
    /// Where services are that tell what they have.
    places: Vec<(ServiceId, (Transport, Endpoint))>,
    attached: Option<Arc<Session>>,
}

impl Known {
    pub(super) fn new(shell: &Shell) -> Self {
        Self {
            vocabulary: shell.vocabulary.clone(),
            registry: shell.registry.clone(),
            remote: Names::new(shell.registry.clone()),
            changing: Mutex::default(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Changing> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn update(&self, shell: &Shell, attached: Option<Arc<Session>>) {
        let mut names: Vec<String> = shell.scope.names().map(str::to_owned).collect();
        names.sort();
        let places = [ServiceId::Ftp, ServiceId::Stream]
            .into_iter()
            .filter_map(|service| Some((service, shell.place_of(service)?)))
            .collect();
        *self.lock() = Changing { names, endpoints: shell.endpoints(), places, attached };
    }

    /// A session that ended gives the prompt back, even in the middle of a line.
    fn is_attached(&self) -> bool {
        self.lock().attached.as_ref().is_some_and(|session| !session.state().has_ended())
    }
}

impl Known {
    /// Over UDP a message is bounded: how much more of it may be typed (FAULTS row 80).
    fn characters_left(&self, line: &str) -> Option<String> {
        let attached = self.lock().attached.clone()?;
        let udp = attached.field("transport").is_some_and(|transport| transport.to_string() == "udp");
        let typed = line.chars().count();
        (udp && typed > 0).then(|| match UDP_CHARACTER_LIMIT.checked_sub(typed) {
            Some(left) => format!("  {left} left"),
            None => format!("  {} too many", typed - UDP_CHARACTER_LIMIT),
        })
    }
}

impl World for Known {
    fn sessions(&self) -> Vec<(String, String)> {
        let described =
            |session: &Session| (session.label(), format!("{}, {}", session.kind, session.state().word()));
        self.registry
            .live()
            .iter()
            .map(|session| described(session))
            .chain([("all".into(), "every session".into())])
            .collect()
    }

    fn names(&self) -> Vec<String> {
        self.lock().names.clone()
    }

    fn fields(&self, name: &str) -> Vec<String> {
        self.registry
            .by_name(name)
            .map(|session| session.fields().into_iter().map(|(name, _)| name.to_owned()).collect())
            .unwrap_or_default()
    }

    fn endpoints(&self) -> Vec<String> {
        self.lock().endpoints.clone()
    }

    fn remote(&self, service: &str) -> Vec<(String, String)> {
        let place =
            self.lock().places.iter().find(|(id, _)| id.name() == service).map(|(_, place)| place.clone());
        let found = place.map(|place| self.remote.of(service, &place)).unwrap_or_default();
        // A name that the terminal would not show as it is, is none to complete.
        found.into_iter().filter(|(name, _)| matches!(escape_line(name), Cow::Borrowed(_))).collect()
    }

    fn paths(&self, prefix: &str) -> Vec<String> {
        let (folder, start) = prefix.rfind('/').map_or(("", prefix), |at| prefix.split_at(at + 1));
        let path = match (folder.strip_prefix("~/"), dirs::home_dir()) {
            (Some(rest), Some(home)) => home.join(rest),
            _ if folder.is_empty() => ".".into(),
            _ => folder.into(),
        };
        let Ok(entries) = std::fs::read_dir(path) else { return Vec::new() };
        let mut found: Vec<String> = entries
            .take(ENTRY_LIMIT)
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let name = entry.file_name().into_string().ok().filter(|name| {
                    name.starts_with(start) && name.starts_with('.') == start.starts_with('.')
                })?;
                let slash = if entry.file_type().ok()?.is_dir() { "/" } else { "" };
                Some(format!("{folder}{name}{slash}"))
            })
            .collect();
        found.sort();
        found
    }
}

/// What rustyline asks.
pub(super) struct Helper {
    pub(super) known: Arc<Known>,
    pub(super) colour: bool,
    /// A secret is being typed.
    pub(super) hides: bool,
}

impl rustyline::Helper for Helper {}

impl Validator for Helper {
    /// A `\` at the end joins the next line.
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let goes_on = context.input().ends_with('\\') && !self.hides && !self.known.is_attached();
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
            let display = if several && !candidate.help.is_empty() {
                format!("{}  ({})", candidate.text, candidate.help)
            } else {
                candidate.text.clone()
            };
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
        if self.hides { Cow::Owned("*".repeat(line.chars().count())) } else { Cow::Borrowed(line) }
    }

    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        self.hides
    }

    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        if self.hides {
            return Cow::Borrowed(prompt);
        }
        // One of an attached session gives way to that of the shell when the session ends in the middle of a line.
        let prompt = if prompt == ATTACHED { PROMPT } else { prompt };
        match (self.known.is_attached(), self.colour) {
            (false, false) => Cow::Borrowed(prompt),
            (true, false) => Cow::Borrowed(ATTACHED),
            (false, true) => Cow::Owned(prompt.green().bold().to_string()),
            (true, true) => Cow::Owned(ATTACHED.cyan().bold().to_string()),
        }
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        if self.colour { Cow::Owned(hint.dimmed().to_string()) } else { Cow::Borrowed(hint) }
    }
}
