//! `set`: how this shell behaves from here on, and how fast a session may go.

use std::sync::atomic::Ordering;

use super::{BARE, Builtin, next};
use crate::base::quantity;
use crate::language::{Arguments, Keyword, Kind, Param, SessionRef, Verb};
use crate::report::{Failure, Outcome};
use crate::shell::Shell;
use crate::wire::Code;

pub(super) static SET: Builtin = Builtin {
    verb: &Verb {
        name: "set",
        summary: "change how the shell behaves, or the limit of a session",
        details: "`results off` shows only errors and what `print` says; `echo on` shows commands as they run; `keep-going on` goes on after a failure. `set X rate 10mbit` limits what session X sends and receives while it runs; `set X unlimited` lifts it.",
        params: &[
            Param::required("what", Kind::Setting(&["results", "echo", "keep-going"]), "what to change"),
            Param::optional("value", Kind::Choice(&["on", "off"]), "how a setting is to be"),
        ],
        keywords: &[
            Keyword::new("rate", Kind::Rate, "the limit of a session"),
            Keyword::flag("unlimited", "no limit for a session"),
        ],
        example: "set $files rate 100mbit",
        ..BARE
    },
    run: |shell, arguments| {
        Box::pin(async move {
            if let Some(session) = arguments.session("what") {
                let text = limit(shell, session, &arguments)?;
                return next(Outcome::new(text, Vec::new()));
            }
            let on = match arguments.text("value") {
                Some(value) => value == "on",
                None => return Err(Failure::new(Code::Usage, "a setting is `on` or `off`").of("set")),
            };
            match arguments.text("what") {
                Some("results") => shell.quiet.store(!on, Ordering::Relaxed),
                Some("echo") => shell.settings.echo = on,
                _ => shell.settings.keep_going = on,
            }
            next(Outcome::default())
        })
    },
};

fn limit(shell: &Shell, session: &SessionRef, arguments: &Arguments) -> Result<String, Failure> {
    let session = shell.session(session)?;
    let label = session.label();
    match (arguments.rate("rate"), arguments.flag("unlimited")) {
        (Some(rate), false) => {
            session.set_rate(Some(rate));
            Ok(format!("{label} is limited to {}", quantity::show_rate(rate as f64)))
        }
        (None, true) => {
            session.set_rate(None);
            Ok(format!("{label} has no limit"))
        }
        _ => Err(Failure::new(Code::Usage, "a session takes `rate RATE` or `unlimited`")
            .of(format!("set {label}"))),
    }
}
