//! `record`: writes what is done as a script.

use super::{BARE, Builtin, next};
use crate::base::Value;
use crate::language::{Arguments, Field, FromArguments, Kind, Param, Verb};
use crate::report::{Failure, Outcome};
use crate::shell::errors;
use crate::shell::record::Recorder;

pub(super) static RECORD: Builtin = Builtin {
    verb: &Verb {
        name: "record",
        summary: "record what you do as a script; without a file: end the recording",
        details: "Fixed ports become names, results become `expect`s, folders that are written to are copied for each run. `nls test FILE` plays it.",
        params: &[Param::optional("file", Kind::Path, "the script; it must not exist")],
        fields: &[Field::text("path", "the script"), Field::count("commands", "how many it holds")],
        example: "record $tmp/session.nls; calc 7 % 3; record",
        ..BARE
    },
    run: |shell, arguments| {
        Box::pin(async move {
            let Some(file) = RecordOptions::from_arguments(&arguments).file else {
                let Some((path, commands)) = shell.end_recording()? else {
                    return Err(errors::not_recording());
                };
                let shown = path.display();
                let text = format!("recorded {commands} commands; `nls test {shown}` plays them");
                let fields = vec![
                    ("path", Value::text(shown.to_string())),
                    ("commands", Value::count(commands as u64)),
                ];
                return next(Outcome::new(text, fields));
            };
            let path = shell.directory().join(&file);
            if path.exists() {
                return Err(errors::recording_exists(&file));
            }
            if shell.recorder.is_some() {
                return Err(errors::already_recording());
            }
            // It is written at the end: then a folder that is missing would lose all that was done.
            let folder = path.parent().unwrap_or(&path);
            tempfile::tempfile_in(folder).map_err(|error| {
                Failure::io(&error, format!("record {file}")).fix("name a file in a folder that exists")
            })?;
            let fields =
                vec![("path", Value::text(path.display().to_string())), ("commands", Value::count(0))];
            shell.recorder = Some(Recorder::new(path));
            next(Outcome::new(format!("recording to {file}; `record` ends it"), fields))
        })
    },
};

/// `record`.
struct RecordOptions {
    /// `None`: ends the recording.
    file: Option<String>,
}

impl FromArguments for RecordOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        Self { file: arguments.text("file").map(str::to_owned) }
    }
}
