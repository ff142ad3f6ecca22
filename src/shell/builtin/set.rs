//! `set`: how this shell behaves from here on.

use std::sync::atomic::Ordering;

use super::{BARE, Builtin, next};
use crate::language::{Kind, Param, Verb};
use crate::report::Outcome;

pub(super) static SET: Builtin = Builtin {
    verb: &Verb {
        name: "set",
        summary: "change how the shell behaves",
        details: "`results off` shows only errors and what `print` says; `echo on` shows commands as they run; `keep-going on` goes on after a failure.",
        params: &[
            Param::required("setting", Kind::Choice(&["results", "echo", "keep-going"]), "what to change"),
            Param::required("value", Kind::Choice(&["on", "off"]), "how"),
        ],
        example: "set results on",
        ..BARE
    },
    run: |shell, arguments| {
        Box::pin(async move {
            let on = arguments.text("value") == Some("on");
            match arguments.text("setting") {
                Some("results") => shell.quiet.store(!on, Ordering::Relaxed),
                Some("echo") => shell.settings.echo = on,
                _ => shell.settings.keep_going = on,
            }
            next(Outcome::default())
        })
    },
};
