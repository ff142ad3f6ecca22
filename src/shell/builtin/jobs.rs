//! `fg` and `bg`: return to what Ctrl-Z sent to the background, or list it.

use std::sync::Arc;

use super::{BARE, Builtin, next};
use crate::base::Value;
use crate::language::{Arguments, Capability, Field, FromArguments, Kind, Param, SessionRef, Verb};
use crate::report::{Failure, Outcome};
use crate::session::Session;
use crate::shell::{Shell, catalogue, errors};

pub(super) static FG: Builtin = Builtin {
    verb: &Verb {
        name: "fg",
        summary: "bring a background job back, with its progress bar",
        details: "Without a session it is the newest job. A conversation is entered again; a server stays where it is: `attach` shows what happens in it.",
        params: &[Param::optional("session", Kind::Session, "which one")],
        fields: &[
            Field::state("state", "the state it came to"),
            Field::count("id", "the number of the session"),
        ],
        example: "fg $up",
        ..BARE
    },
    run: |shell, arguments| {
        Box::pin(async move {
            let FgOptions { session } = FgOptions::from_arguments(&arguments);
            let session = named_or_newest(shell, session.as_ref())?;
            next(shell.wait_in_foreground(&session).await?)
        })
    },
};

/// `fg`.
struct FgOptions {
    /// `None`: the newest job.
    session: Option<SessionRef>,
}

impl FromArguments for FgOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        Self { session: arguments.session("session").cloned() }
    }
}

pub(super) static BG: Builtin = Builtin {
    verb: &Verb {
        name: "bg",
        summary: "what works in the background",
        details: "Ctrl-Z stops nothing here: what it sends to the background goes on there.",
        fields: &[Field::count("live", "how many")],
        example: "bg",
        ..BARE
    },
    run: |shell, _| {
        Box::pin(async move {
            let jobs = shell.live_jobs();
            let lines: Vec<String> =
                jobs.iter().map(|job| format!("{} {} goes on", job.label(), job.kind)).collect();
            let text =
                if lines.is_empty() { "nothing works in the background".into() } else { lines.join("\n") };
            next(Outcome::new(text, vec![("live", Value::count(jobs.len() as u64))]))
        })
    },
};

fn named_or_newest(shell: &Shell, which: Option<&SessionRef>) -> Result<Arc<Session>, Failure> {
    if let Some(which) = which {
        return shell.session(which);
    }
    let conversation = || {
        shell
            .registry
            .live()
            .into_iter()
            .rev()
            .find(|session| catalogue::can(session.verb, Capability::Converse))
    };
    shell.live_jobs().pop().or_else(conversation).ok_or_else(errors::no_background_job)
}
