//! Evaluates words.

use super::{Binding, Shell, errors};
use crate::base::{Fields, Key, Value};
use crate::language::parse::lexer::{Segment, Word};
use crate::record::{Filter, TOTALS, total};
use crate::report::{Failure, field};
use crate::service::contract::keys::memory;
use crate::service::files::temporary;

/// `$up.trace.retransmissions`: a number of the record of a session.
const TRACE: &str = "trace";
/// Parts of addresses that are in everybody's.
const OPEN_PARTS: [&str; 5] = ["http", "https", "unix", "localhost", "127.0.0.1"];

impl Shell {
    /// The text of a word, with its references replaced.
    pub(super) fn text(&self, word: &Word) -> Result<String, Failure> {
        let mut out = String::new();
        for segment in &word.segments {
            match segment {
                Segment::Text(text) => out.push_str(text),
                Segment::Reference(path, _) => out.push_str(&self.reference(path)?.to_string()),
            }
        }
        Ok(out)
    }

    /// The value of a word: a lone reference keeps its type, a bare literal has the type that it looks like.
    pub(super) fn value(&self, word: &Word) -> Result<Value, Failure> {
        match (word.reference(), word.literal()) {
            (Some(path), _) if !word.quoted => self.reference(path),
            (_, Some(text)) if !word.quoted => Ok(Value::from_word(&text)),
            _ => self.text(word).map(Value::Text),
        }
    }

    /// What a name is bound to now.
    pub(super) fn binding(&self, name: &str) -> Option<Binding> {
        let text = |text: String| Some(Binding::Value(Value::Text(text)));
        match name {
            "last" => self.last.clone(),
            "args" => text(self.arguments.join(" ")),
            "seed" => Some(Binding::Value(Value::count(self.settings.seed))),
            "tmp" => text(self.temporary().ok()?.display().to_string()),
            _ => match name.parse::<usize>() {
                Ok(number) => text(self.arguments.get(number.checked_sub(1)?)?.clone()),
                Err(_) => self.variables.get(name).cloned(),
            },
        }
    }

    fn reference(&self, path: &[String]) -> Result<Value, Failure> {
        if path[0] == "tmp" {
            self.temporary()?;
        }
        self.look_up(path).map_err(|failure| failure.of(format!("${}", path.join("."))))
    }

    fn look_up(&self, path: &[String]) -> Result<Value, Failure> {
        if path[0] == "env" {
            let name = path.get(1).ok_or_else(errors::variable_not_named)?;
            let text = std::env::var(name).map_err(|_| errors::variable_not_set(name))?;
            self.mask_key(name, &text);
            return Ok(Value::Text(text));
        }
        if let Some(found) = self.look_up_client(path) {
            return found;
        }
        let binding = self.binding(&path[0]).ok_or_else(|| errors::unbound_name(&path[0]))?;
        match (binding, path.get(1)) {
            (Binding::Value(value), None) => Ok(value),
            (Binding::Value(_), Some(_)) => Err(errors::no_fields(&path[0])),
            (Binding::Record(fields), Some(name)) => {
                field(&fields, name).cloned().ok_or_else(|| field_missing(&fields))
            }
            (Binding::Record(fields), None) => {
                fields.first().map(|(_, value)| value.clone()).ok_or_else(errors::empty_record)
            }
            (Binding::Match(parts), None) => part(&parts, "0"),
            (Binding::Match(parts), Some(_)) => part(&parts, &path[1..].join(".")),
            (Binding::Speaker(_, parts), Some(name)) if parts.iter().any(|(part, _)| part == name) => {
                part(&parts, &path[1..].join("."))
            }
            (Binding::Session(session) | Binding::Speaker(session, _), Some(name)) if name == TRACE => {
                let (wanted, events) = (path.get(2).map_or("events", String::as_str), session.packets().0);
                let names: Vec<&str> = TOTALS.iter().map(|(name, _)| *name).collect();
                total(wanted, &events).map(Value::count).ok_or_else(|| errors::field_missing(&names))
            }
            (Binding::Session(session) | Binding::Speaker(session, _), Some(name)) => {
                let fields = session.fields();
                session.field(name).ok_or_else(|| field_missing(&fields))
            }
            (Binding::Session(session) | Binding::Speaker(session, _), None) => {
                Ok(session.field("addr").unwrap_or_else(|| Value::text(session.label())))
            }
        }
    }

    /// The text of a word that is a path or an address. The parts of a secret in it are masked from now on, but not those
    /// that say where this shell works, nor `localhost` and the schemes of addresses.
    pub(super) fn text_with_parts(&self, word: &Word) -> Result<String, Failure> {
        let text = self.text(word)?;
        self.mask_parts(&text);
        Ok(text)
    }

    /// As in [`Self::text_with_parts`].
    pub(super) fn mask_parts(&self, text: &str) {
        let folders = [Some(self.context.directory.clone()), dirs::home_dir(), Some(std::env::temp_dir())];
        let is_open = |part: &str| {
            let folders = folders.iter().flatten().flat_map(|folder| folder.iter());
            let mut open = folders.filter_map(|name| name.to_str()).chain(OPEN_PARTS);
            open.any(|name| name.eq_ignore_ascii_case(part))
        };
        self.secrets.add_parts(text, is_open);
    }

    /// Masks the value of an environment variable if it is a key, in each form that it has.
    pub(super) fn mask_key(&self, name: &str, text: &str) {
        if let Ok(key) = Key::read(text) {
            memory::protect();
            self.secrets.add(name, text);
            self.secrets.add_key(name, &key);
        }
    }

    /// `$srv.1`, `$srv.last.peer`: a client of a raw server, or a field of it; `None`: the path names no such client.
    fn look_up_client(&self, path: &[String]) -> Option<Result<Value, Failure>> {
        let [server, client, rest @ ..] = path else { return None };
        let Some(Binding::Session(_)) = self.binding(server) else { return None };
        let session = self.client_of(&format!("{server}.{client}"))?;
        Some(match rest.first() {
            None => Ok(Value::text(session.label())),
            Some(name) => session.field(name).ok_or_else(|| field_missing(&session.fields())),
        })
    }

    /// The folder `$tmp`, which is made on first use and removed with the shell.
    pub fn temporary(&self) -> Result<&std::path::Path, Failure> {
        if let Some(made) = self.temporary.get() {
            return Ok(made.path());
        }
        let made = temporary::make().map_err(|error| errors::no_temporary_folder(&error))?;
        Ok(self.temporary.get_or_init(|| made).path())
    }
}

/// The filter of packets that a text is.
pub(super) fn filter_of(text: &str) -> Result<Filter, Failure> {
    Filter::read(text).map_err(|why| errors::invalid_filter(&why))
}

/// A part of what an expectation matched.
fn part(parts: &[(String, Value)], name: &str) -> Result<Value, Failure> {
    let part = parts.iter().find(|(part, _)| part == name).map(|(_, value)| value.clone());
    part.ok_or_else(|| {
        let names: Vec<&str> = parts.iter().map(|(name, _)| name.as_str()).collect();
        errors::field_missing(&names)
    })
}

fn field_missing(fields: &Fields) -> Failure {
    let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    errors::field_missing(&names)
}
