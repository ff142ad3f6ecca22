//! `say`, `attach`, `print`.

use super::{BARE, Builtin, next};
use crate::base::Value;
use crate::language::{Arguments, Field, FromArguments, Keyword, Kind, Param, SessionRef, Verb};
use crate::report::Outcome;
use crate::shell::errors;

pub(super) static SAY: Builtin = Builtin {
    verb: &Verb {
        name: "say",
        aliases: &["tell"],
        summary: "say a line in a chat",
        details: "The server's side speaks to everybody whose turn allows it, or `to` one; `say ROOM \"@alice hello\"` does the same.",
        params: &[
            Param::required("session", Kind::Session, "which chat"),
            Param::required("text", Kind::Rest, "what to say"),
        ],
        keywords: &[Keyword::new("to", Kind::Text, "only to this client of a room")],
        fields: &[Field::text("text", "what was said")],
        example: "say $alice \"hello\"",
        ..BARE
    },
    run: |shell, arguments| {
        Box::pin(async move {
            let SayOptions { session, text, to } = SayOptions::from_arguments(&arguments);
            let session = shell.session(&session)?;
            let said = match to {
                Some(name) => format!("@{name} {text}"),
                None => text.clone(),
            };
            session.say(said).await.map_err(|failure| failure.of(format!("say {}", session.label())))?;
            next(Outcome::new(String::new(), vec![("text", Value::Text(text))]))
        })
    },
};

/// `say`.
struct SayOptions {
    session: SessionRef,
    text: String,
    /// `None`: everybody.
    to: Option<String>,
}

impl FromArguments for SayOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        Self {
            session: arguments.session("session").cloned().unwrap_or(SessionRef::All),
            text: arguments.text("text").unwrap_or_default().to_owned(),
            to: arguments.text("to").map(str::to_owned),
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

/// `attach`.
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
