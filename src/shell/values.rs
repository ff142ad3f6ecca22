//! Evaluates words.

use super::{Binding, Shell};
use crate::base::Value;
use crate::language::parse::lexer::{Segment, Word};
use crate::report::{Failure, field};
use crate::wire::Code;

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
        let shown = format!("${}", path.join("."));
        let missing = |why: String| Failure::new(Code::Missing, why).of(shown.clone());
        if path[0] == "env" {
            let name = path.get(1).ok_or_else(|| missing("write $env.NAME".into()))?;
            return std::env::var(name)
                .map(Value::Text)
                .map_err(|_| missing(format!("the environment has no {name}")));
        }
        let binding =
            self.binding(&path[0]).ok_or_else(|| missing(format!("nothing is called `{}`", path[0])))?;
        match (binding, path.get(1)) {
            (Binding::Value(value), None) => Ok(value),
            (Binding::Value(_), Some(_)) => Err(missing("it is a single value and has no fields".into())),
            (Binding::Record(fields), Some(name)) => {
                field(&fields, name).cloned().ok_or_else(|| missing(no_field(fields.iter().map(|(n, _)| *n))))
            }
            (Binding::Record(fields), None) => fields
                .first()
                .map(|(_, value)| value.clone())
                .ok_or_else(|| missing("it has no value".into())),
            (Binding::Session(session), Some(name)) => {
                let fields = session.fields();
                session.field(name).ok_or_else(|| missing(no_field(fields.iter().map(|(n, _)| *n))))
            }
            (Binding::Session(session), None) => {
                Ok(session.field("addr").unwrap_or_else(|| Value::text(session.label())))
            }
        }
    }

    /// The folder `$tmp`, which is made on first use and removed with the shell.
    pub fn temporary(&self) -> Result<&std::path::Path, Failure> {
        if let Some(made) = self.temporary.get() {
            return Ok(made.path());
        }
        let made = super::temporary::make().map_err(|error| Failure::io(&error, "$tmp"))?;
        Ok(self.temporary.get_or_init(|| made).path())
    }
}

fn no_field(fields: impl Iterator<Item = &'static str>) -> String {
    format!("it has no such field now; it has {}", fields.collect::<Vec<_>>().join(", "))
}
