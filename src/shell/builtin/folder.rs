//! `cd`, `pwd`, `parts`, `clear`: the current folder, incomplete transfers in it, and the screen.

use std::fmt::Write as _;
use std::path::Path;

use super::{BARE, Builtin, next};
use crate::base::escape::escape_line;
use crate::base::{Value, quantity};
use crate::language::{Arguments, Field, FromArguments, Keyword, Kind, Param, Verb};
use crate::report::{Failure, Outcome};
use crate::service::ftp::storage::leftovers;
use crate::shell::errors;
use crate::shell::terminal::Stream;

/// Home and erase (ECMA-48: CUP, ED).
const CLEAR_SCREEN: &[u8] = b"\x1b[H\x1b[2J";

pub(super) static CD: Builtin = Builtin {
    verb: &Verb {
        name: "cd",
        summary: "go to another folder: relative paths begin there",
        details: "Without a path it goes home, with `-` to where it was before. Servers that run keep their folders.",
        params: &[Param::optional("path", Kind::Path, "where to")],
        fields: &[Field::text("path", "the folder")],
        example: "cd $tmp",
        ..BARE
    },
    run: |shell, arguments| {
        Box::pin(async move {
            let to = match CdOptions::from_arguments(&arguments).path.as_deref() {
                Some("-") => shell.previous_directory().ok_or_else(errors::no_previous_folder)?,
                Some(path) => shell.directory().join(path),
                None => dirs::home_dir().ok_or_else(errors::no_home)?,
            };
            let failed = |error: std::io::Error| Failure::io(&error, to.display().to_string());
            let folder = to.canonicalize().map_err(failed)?;
            std::fs::read_dir(&folder).map_err(failed)?;
            shell.set_directory(folder);
            next(place(shell.directory()))
        })
    },
};

/// `cd`.
struct CdOptions {
    /// `None`: home.
    path: Option<String>,
}

impl FromArguments for CdOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        Self { path: arguments.text("path").map(str::to_owned) }
    }
}

pub(super) static PWD: Builtin = Builtin {
    verb: &Verb {
        name: "pwd",
        summary: "the folder where relative paths begin",
        fields: &[Field::text("path", "the folder")],
        example: "pwd",
        ..BARE
    },
    run: |shell, _| Box::pin(async move { next(place(shell.directory())) }),
};

fn place(folder: &Path) -> Outcome {
    let text = folder.display().to_string();
    Outcome::new(escape_line(&text).into_owned(), vec![("path", Value::Text(text))])
}

pub(super) static CLEAR: Builtin = Builtin {
    verb: &Verb { name: "clear", summary: "an empty screen", example: "clear", ..BARE },
    run: |shell, _| {
        Box::pin(async move {
            // Without an area to draw in there is no screen to clear.
            if shell.terminal.area().is_some() {
                shell.terminal.pass(CLEAR_SCREEN.to_vec(), Stream::Out);
            }
            next(Outcome::default())
        })
    },
};

pub(super) static PARTS: Builtin = Builtin {
    verb: &Verb {
        name: "parts",
        summary: "incomplete transfers in a folder; `remove` deletes them",
        details: "A transfer that stops keeps what came as `.NAME.nls-part`, and the same command goes on with it. Parts that a transfer has open are not removed.",
        params: &[Param::optional("path", Kind::Path, "the folder to look in, with all below it")],
        keywords: &[Keyword::flag("remove", "delete them")],
        fields: &[
            Field::count("parts", "how many there are"),
            Field::size("bytes", "what they take on the disk"),
            Field::count("removed", "how many were deleted"),
            Field::text("text", "the lines"),
        ],
        example: "parts $tmp",
        ..BARE
    },
    run: |shell, arguments| {
        Box::pin(async move {
            let PartsOptions { path, remove } = PartsOptions::from_arguments(&arguments);
            let folder = shell.directory().join(&path);
            let looked = shell.registry.block(move || look(&folder, remove)).await?;
            next(looked.map_err(|error| Failure::io(&error, escape_line(&path)))?)
        })
    },
};

/// `parts`.
struct PartsOptions {
    path: String,
    remove: bool,
}

impl FromArguments for PartsOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        Self { path: arguments.text("path").unwrap_or(".").to_owned(), remove: arguments.flag("remove") }
    }
}

fn look(folder: &Path, remove: bool) -> std::io::Result<Outcome> {
    let (parts, whole) = leftovers::find(folder)?;
    let (mut text, mut removed, mut bytes) = (String::new(), 0, 0);
    for part in &parts {
        let path = part.path.strip_prefix(folder).unwrap_or(&part.path).display().to_string();
        let (size, age) = (quantity::show_size(part.bytes), quantity::show_duration(part.age));
        bytes += part.bytes;
        let word = match (part.busy, remove) {
            (true, _) => ", in use".to_owned(),
            (false, false) => String::new(),
            (false, true) => match part.remove() {
                Ok(()) => {
                    removed += 1;
                    ", removed".to_owned()
                }
                Err(error) => format!(", not removed: {}", crate::report::reason(&error)),
            },
        };
        let _infallible = writeln!(text, "{}  {size}, from {age} ago{word}", escape_line(&path));
    }
    if parts.is_empty() {
        text.push_str("nothing is left behind here\n");
    }
    if !whole {
        text.push_str("some folders could not be looked at\n");
    }
    let text = text.trim_end().to_owned();
    let fields = vec![
        ("parts", Value::count(parts.len() as u64)),
        ("bytes", Value::count(bytes)),
        ("removed", Value::count(removed)),
        ("text", Value::text(text.clone())),
    ];
    Ok(Outcome::new(text, fields))
}
