//! `file`: size and hash of a file on this machine.

use std::io;
use std::path::Path;

use super::{BARE, Builtin, next};
use crate::base::Value;
use crate::language::{Arguments, Field, FromArguments, Kind, Param, Verb};
use crate::report::{Failure, Outcome};

pub(super) static FILE: Builtin = Builtin {
    verb: &Verb {
        name: "file",
        summary: "look at a file of this machine: its size and hash",
        details: "`expect file A same as B` compares two, `expect file A exists` wants one.",
        params: &[Param::required("path", Kind::Path, "which one")],
        fields: &[
            Field::text("path", "as it was given"),
            Field::size("bytes", "its size"),
            Field::text("blake3", "the hash of all of it"),
        ],
        example: "file file.bin as picture",
        ..BARE
    },
    run: |shell, arguments| {
        Box::pin(async move {
            let FileOptions { path: text } = FileOptions::from_arguments(&arguments);
            let path = shell.directory().join(&text);
            let looked = shell.registry.block(move || look(&path)).await?;
            let (bytes, hash) = looked.map_err(|error| Failure::io(&error, format!("file {text}")))?;
            let shown = format!("{text}: {bytes} bytes, blake3 {}", hash.to_hex());
            let hash = Value::text(hash.to_hex().as_str());
            next(Outcome::new(
                shown,
                vec![("path", Value::Text(text)), ("bytes", Value::count(bytes)), ("blake3", hash)],
            ))
        })
    },
};

/// `file`.
struct FileOptions {
    path: String,
}

impl FromArguments for FileOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        Self { path: arguments.text("path").unwrap_or_default().to_owned() }
    }
}

/// The size and the hash of a regular file.
fn look(path: &Path) -> io::Result<(u64, blake3::Hash)> {
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut hasher = blake3::Hasher::new();
    let bytes = io::copy(&mut std::fs::File::open(path)?, &mut hasher)?;
    Ok((bytes, hasher.finalize()))
}
