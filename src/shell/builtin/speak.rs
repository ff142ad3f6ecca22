//! `say`, `finish`, `reset`, `off`, `attach`, `print`.

use std::io::Read;

use super::{BARE, Builtin, next};
use crate::base::Value;
use crate::language::{Arguments, Field, FromArguments, Keyword, Kind, Param, SessionRef, Verb};
use crate::report::{Failure, Outcome};
use crate::session::{Session, Utterance};
use crate::shell::Shell;
use crate::shell::errors;

/// Bytes of a file that are said at once.
const PIECE: usize = 64 << 10;

pub(super) static SAY: Builtin = Builtin {
    verb: &Verb {
        name: "say",
        aliases: &["tell"],
        summary: "say a line in a chat, or any bytes in a raw session",
        details: "In a chat the server's side speaks to everybody whose turn allows it, or `to` one; `say ROOM \"@alice hello\"` does the same. A raw session adds its `eol` to a text, and nothing to bytes.",
        params: &[
            Param::required("session", Kind::Session, "which one"),
            Param::required("text", Kind::Rest, "what to say"),
        ],
        keywords: &[
            Keyword::new("to", Kind::Text, "only to this client of a room"),
            Keyword::new("hex", Kind::Hex, "these bytes, in a raw session").instead_of("text"),
            Keyword::new("file", Kind::Path, "the content of a file, in a raw session").instead_of("text"),
        ],
        fields: &[Field::text("text", "what was said"), Field::size("bytes", "how long it was")],
        example: "say $alice \"hello\"",
        ..BARE
    },
    run: |shell, arguments| {
        Box::pin(async move {
            let SayOptions { session, text, to, hex, file } = SayOptions::from_arguments(&arguments);
            let session = shell.session(&session)?;
            let of = |failure: Failure| failure.of(format!("say {}", session.label()));
            let size = match (hex, file) {
                (Some(bytes), _) => {
                    let size = bytes.len();
                    session.utter(Utterance::Bytes(bytes.into())).await.map_err(of)?;
                    size as u64
                }
                (None, Some(path)) => say_file(shell, &session, path).await.map_err(of)?,
                (None, None) => {
                    let said = match to {
                        Some(name) => format!("@{name} {text}"),
                        None => text.clone(),
                    };
                    session.say(said).await.map_err(of)?;
                    text.len() as u64
                }
            };
            next(Outcome::new(
                String::new(),
                vec![("text", Value::Text(text)), ("bytes", Value::count(size))],
            ))
        })
    },
};

/// Says a file in pieces; returns its size.
async fn say_file(shell: &Shell, session: &Session, path: String) -> Result<u64, Failure> {
    let path = shell.directory().join(path);
    let failed = |error: std::io::Error| Failure::io(&error, path.display().to_string());
    let opened = path.clone();
    let mut file = shell.registry().block(move || std::fs::File::open(opened)).await?.map_err(failed)?;
    let mut size = 0;
    loop {
        let read = move || -> std::io::Result<_> {
            let mut piece = Vec::new();
            (&mut file).take(PIECE as u64).read_to_end(&mut piece)?;
            Ok((file, piece))
        };
        let (back, piece) = shell.registry().block(read).await?.map_err(failed)?;
        file = back;
        if piece.is_empty() {
            return Ok(size);
        }
        size += piece.len() as u64;
        session.utter(Utterance::Bytes(piece.into())).await?;
    }
}

/// Which session; what `finish` and `reset` take.
const WHICH: Param = Param::required("session", Kind::Session, "which one");

pub(super) static FINISH: Builtin = Builtin {
    verb: &Verb {
        name: "finish",
        summary: "shut down the sending side of a raw session (FIN)",
        details: "The peer reads the end and may go on sending; what it sends is still received.",
        params: &[WHICH],
        example: "finish $link",
        ..BARE
    },
    run: |shell, arguments| Box::pin(async move { order(shell, &arguments, Utterance::Finish).await }),
};

pub(super) static RESET: Builtin = Builtin {
    verb: &Verb {
        name: "reset",
        summary: "cut a raw session over tcp (RST)",
        details: "The peer sees \"connection reset\", as after a crash; what was not sent yet is lost.",
        params: &[WHICH],
        example: "reset $link",
        ..BARE
    },
    run: |shell, arguments| Box::pin(async move { order(shell, &arguments, Utterance::Reset).await }),
};

pub(super) static OFF: Builtin = Builtin {
    verb: &Verb {
        name: "off",
        summary: "remove the handlers of a session",
        details: "`on X …:` adds them, `sessions X` lists them.",
        params: &[WHICH],
        fields: &[Field::count("handlers", "how many there were")],
        example: "off $web",
        ..BARE
    },
    run: |shell, arguments| {
        Box::pin(async move {
            let session = shell.session(&AttachOptions::from_arguments(&arguments).session)?;
            let count = session.remove_handlers() as u64;
            let text = format!("{} removed", crate::base::quantity::counted(count, "handler"));
            next(Outcome::new(text, vec![("handlers", Value::count(count))]))
        })
    },
};

async fn order(
    shell: &Shell,
    arguments: &Arguments,
    what: Utterance,
) -> Result<(Outcome, crate::shell::Flow), Failure> {
    shell.session(&AttachOptions::from_arguments(arguments).session)?.utter(what).await?;
    next(Outcome::default())
}

/// `say`.
struct SayOptions {
    session: SessionRef,
    text: String,
    /// `None`: everybody.
    to: Option<String>,
    /// Bytes instead of the text.
    hex: Option<Vec<u8>>,
    /// A file instead of the text.
    file: Option<String>,
}

impl FromArguments for SayOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        Self {
            session: arguments.session("session").cloned().unwrap_or(SessionRef::All),
            text: arguments.text("text").unwrap_or_default().to_owned(),
            to: arguments.text("to").map(str::to_owned),
            hex: arguments.bytes("hex").map(<[u8]>::to_vec),
            file: arguments.text("file").map(str::to_owned),
        }
    }
}

pub(super) static ATTACH: Builtin = Builtin {
    verb: &Verb {
        name: "attach",
        summary: "attach to a session: type and see what happens",
        details: "At the prompt only. In a chat each line is said; of other sessions everything that happens is shown. Ctrl-D, Ctrl-Z or Ctrl-] leaves it and the session goes on.",
        params: &[Param::required("session", Kind::Session, "which one")],
        example: "attach $room",
        ..BARE
    },
    run: |shell, arguments| {
        Box::pin(async move {
            if !shell.settings.interactive {
                return Err(errors::only_at_the_prompt());
            }
            let session = shell.session(&AttachOptions::from_arguments(&arguments).session)?;
            if session.has_ended() {
                return Err(errors::session_ended(&session.label()));
            }
            shell.attach = Some(session);
            next(Outcome::default())
        })
    },
};

/// `attach`, `finish`, `reset`, `off`.
struct AttachOptions {
    session: SessionRef,
}

impl FromArguments for AttachOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        Self { session: arguments.session("session").cloned().unwrap_or(SessionRef::All) }
    }
}

pub(super) static PRINT: Builtin = Builtin {
    verb: &Verb {
        name: "print",
        aliases: &["echo"],
        summary: "print text, with $name.field replaced",
        params: &[Param::optional("text", Kind::Printed, "what to print")],
        fields: &[Field::text("text", "what was printed")],
        example: "print \"listening on $files.addr\"",
        ..BARE
    },
    run: |_, arguments| {
        Box::pin(async move {
            let PrintOptions { text } = PrintOptions::from_arguments(&arguments);
            next(Outcome::new(text.clone(), vec![("text", Value::Text(text))]))
        })
    },
};

/// `print`.
struct PrintOptions {
    text: String,
}

impl FromArguments for PrintOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        Self { text: arguments.text("text").unwrap_or_default().to_owned() }
    }
}
