//! `set`: settings of the shell, rate limits of sessions, and conditions of links.

use super::errors;
use super::keys::KeyChange;
use super::{BARE, Builtin, next};
use crate::base::quantity;
use crate::language::{Arguments, Field, FromArguments, Keyword, Kind, Param, SessionRef, Verb};
use crate::net::relay::RelayControl;
use crate::report::{Failure, Outcome};
use crate::service::contract::keys::OFFERS_CODE;
use crate::service::link::{self, BURST_LIMIT, Change, QUEUE_LIMIT};
use crate::session::Session;
use crate::shell::Shell;
use crate::shell::errors::session_ended;

/// Most events that a record can be told to keep: some hundred bytes each.
const EVENTS_LIMIT: u64 = 4 << 20;
/// Kind of the log entry for a change.
pub(in crate::shell::builtin) const CHANGE: &str = "set";

pub(in crate::shell::builtin) static SET: Builtin = Builtin {
    verb: &Verb {
        name: "set",
        summary: "change how the shell behaves, or the limit of a session",
        details: "`results off` shows only errors and what `print` says; `echo on` shows commands as they run; `keep-going on` goes on after a failure. `set X rate 10mbit` limits what session X sends and receives while it runs; `set X unlimited` lifts it. `set X record 1000` keeps that many events of its packets for `trace`. `set X key ann` lets those into a port with keys who have that one, too; `set X code` lets one more client in, which has the code shown; `set X revoke bob` lets nobody in with that key, and cuts off who is. `set X loss 5%` and the other words of `link` change a link from the next packet on.",
        params: &[
            Param::required("what", Kind::Setting(&["results", "echo", "keep-going"]), "what to change"),
            Param::optional("value", Kind::Choice(&["on", "off"]), "the new value of a setting"),
        ],
        keywords: &[
            Keyword::new("rate", Kind::Rate, "the limit of a session, or how fast a link carries"),
            Keyword::flag("unlimited", "no limit for a session"),
            Keyword::new(
                "record",
                Kind::Count(1, EVENTS_LIMIT),
                "events of its packets that a session keeps",
            ),
            Keyword::new("key", Kind::Key, "of a port with keys: one more that opens it"),
            OFFERS_CODE,
            Keyword::new("revoke", Kind::Key, "of a port with keys: one that opens it no more"),
            Keyword::new("loss", Kind::Percent, "of a link: packets that vanish"),
            Keyword::new("burst", Kind::Count(1, BURST_LIMIT), "of a link: mean length of a burst of losses"),
            Keyword::new("delay", Kind::Delay, "of a link: added to each packet, one way"),
            Keyword::new("jitter", Kind::Delay, "of a link: how much the delay varies"),
            Keyword::new("reorder", Kind::Percent, "of a link: packets that are overtaken"),
            Keyword::new("dup", Kind::Percent, "of a link: packets that come twice"),
            Keyword::new("corrupt", Kind::Percent, "of a link: packets with one bit flipped"),
            Keyword::new("queue", Kind::Size(1, QUEUE_LIMIT), "of a link: bytes that wait for the rate"),
            Keyword::flag("up", "of a link: only towards the server"),
            Keyword::flag("down", "of a link: only from the server"),
        ],
        fields: &[
            Field::text("key", "of a port with keys: the names of those that open it"),
            Field::text("code", "of a port: the code that lets one more client in"),
        ],
        example: "set $files rate 100mbit",
        ..BARE
    },
    run: |shell, arguments| {
        Box::pin(async move {
            let options = SetOptions::from_arguments(&arguments);
            if let Some(session) = &options.session {
                return next(change(shell, session, &options)?);
            }
            let Some(on) = options.on else {
                return Err(errors::setting_without_value().of("set"));
            };
            match options.setting.as_deref() {
                Some("results") => shell.terminal.set_quiet(!on),
                Some("echo") => shell.settings.echo = on,
                _ => shell.settings.keep_going = on,
            }
            next(Outcome::default())
        })
    },
};

/// `set`.
struct SetOptions {
    /// `None`: a setting of the shell.
    session: Option<SessionRef>,
    setting: Option<String>,
    on: Option<bool>,
    /// Bytes a second.
    rate: Option<u64>,
    unlimited: bool,
    /// Events that the record of the session keeps.
    record: Option<usize>,
    change: Change,
    keys: KeyChange,
}

impl FromArguments for SetOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        Self {
            session: arguments.session("what").cloned(),
            setting: arguments.text("what").map(str::to_owned),
            on: arguments.text("value").map(|value| value == "on"),
            rate: arguments.rate("rate"),
            unlimited: arguments.flag("unlimited"),
            record: arguments.number("record").map(|events| events as usize),
            change: Change::from_arguments(arguments),
            keys: KeyChange::from_arguments(arguments),
        }
    }
}

impl SetOptions {
    /// True if a rate, or a condition of a link, is to change.
    fn paces(&self) -> bool {
        !self.change.is_empty() || self.rate.is_some() || self.unlimited
    }
}

/// Changes the conditions of a link, from the next packet on.
fn turn(label: &str, control: &RelayControl, options: &SetOptions) -> Result<String, Failure> {
    if options.change.is_empty() && !options.unlimited {
        return Err(errors::no_impairment_given().of(format!("set {label}")));
    }
    options.change.check(control.is_lossless()).map_err(|failure| failure.of(format!("set {label}")))?;
    control.change(|profiles| {
        *profiles = options.change.applied(*profiles);
        if options.unlimited {
            let impaired = options.change.directions();
            for (profile, _) in profiles.iter_mut().zip(impaired).filter(|(_, impaired)| *impaired) {
                (profile.rate, profile.queue) = (0, 0);
            }
        }
    });
    Ok(format!("{label}: {}", link::describe(control.profiles())))
}

fn change(shell: &Shell, session: &SessionRef, options: &SetOptions) -> Result<Outcome, Failure> {
    let session = shell.session(session)?;
    let label = session.label();
    if let Some(events) = options.record {
        session.keep_packets(events);
        if options.keys.is_empty() && !options.paces() {
            let kept = quantity::counted(events as u64, "event");
            return Ok(Outcome::new(format!("{label} keeps {kept} of its packets"), Vec::new()));
        }
    }
    if session.has_ended() {
        return Err(session_ended(&label).of(format!("set {label}")));
    }
    let (mut said, mut fields) = (Vec::new(), Vec::new());
    if !options.keys.is_empty() {
        let made = options.keys.make(shell, &session);
        let made = made.map_err(|failure| failure.of(format!("set {label}")))?;
        said.push(made.text);
        fields = made.fields;
    }
    if options.keys.is_empty() || options.paces() {
        said.push(match session.control::<RelayControl>() {
            Some(link) => turn(&label, &link, options)?,
            None => pace(&session, &label, options)?,
        });
    }
    for text in &said {
        session.note_change(CHANGE, text.strip_prefix(&format!("{label}: ")).unwrap_or(text));
    }
    Ok(Outcome::new(said.join("\n"), fields))
}

/// Sets or lifts the rate limit of a session.
fn pace(session: &Session, label: &str, options: &SetOptions) -> Result<String, Failure> {
    match (options.rate, options.unlimited) {
        (Some(rate), false) => {
            session.set_rate(Some(rate));
            Ok(format!("{label} is limited to {}", quantity::show_rate(rate as f64)))
        }
        (None, true) => {
            session.set_rate(None);
            Ok(format!("{label} has no limit"))
        }
        _ => Err(errors::no_limit_given().of(format!("set {label}"))),
    }
}
