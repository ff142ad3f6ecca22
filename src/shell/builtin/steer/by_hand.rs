//! `hold`, `step`, `drop`, `dup`, `release`: packets at a link, one by one.

use std::sync::Arc;

use super::errors;
use super::set::CHANGE;
use super::{BARE, Builtin, next};
use crate::base::quantity::counted;
use crate::base::{Fields, Value};
use crate::language::{Arguments, Field, FromArguments, Keyword, Kind, Param, SessionRef, Verb};
use crate::link::{Carries, Direction, DropNext, HELD_LIMIT};
use crate::net::relay::{RelayControl, Waiting};
use crate::report::{Failure, Outcome};
use crate::session::Session;
use crate::shell::Shell;
use crate::shell::builtin::see::packet_number;
use crate::shell::errors::{no_link, session_ended};

/// Packets that `step` names; more are counted.
const NAMED: usize = 8;

const LINK: Param = Param::required("link", Kind::Session, "which one");
const HELD_COUNT: Field = Field::count("held", "packets that wait now");
const FIRST: Field = Field::count("first", "the number of the first one of them, as `trace` shows it");
const HELD: &[Field] = &[HELD_COUNT, FIRST];

pub(in crate::shell::builtin) static HOLD: Builtin = Builtin {
    verb: &Verb {
        name: "hold",
        summary: "hold back the packets at a link",
        details: "They wait in their order, both directions together, until `step` lets the next ones go or `release` all; `trace` and `diagram` of the link show what went. What does not fit is lost, as in a full queue: `help limits`. Over tcp the bytes of one read wait as a packet, and what does not fit lets everything go.",
        params: &[LINK],
        fields: HELD,
        example: "hold $bad",
        ..BARE
    },
    run: |shell, arguments| {
        Box::pin(async move {
            let (session, link) = link_of(shell, &arguments)?;
            link.hold();
            session.note_change(CHANGE, "holds what comes");
            told(&link, format!("{0} holds what comes: `step {0}`, `release {0}`", session.label()))
        })
    },
};

pub(in crate::shell::builtin) static STEP: Builtin = Builtin {
    verb: &Verb {
        name: "step",
        summary: "let the next packets go that a link holds",
        details: "One, or as many as are given; it says which. They enter the link then: its delay and its loss hold for them, too.",
        params: &[
            LINK,
            Param::optional("count", Kind::Count(1, HELD_LIMIT as u64), "how many; 1 without it"),
        ],
        fields: &[HELD_COUNT, FIRST, Field::count("stepped", "packets that went")],
        example: "step $bad 3",
        ..BARE
    },
    run: |shell, arguments| {
        Box::pin(async move {
            let (session, link) = link_of(shell, &arguments)?;
            let gone = link.step(arguments.number("count").unwrap_or(1) as usize);
            let words = match gone.len() {
                0 => "nothing waits".into(),
                _ => format!("{}, {} wait", named(&gone), link.held()),
            };
            session.note_change(CHANGE, &format!("step: {words}"));
            let mut fields = waiting(&link);
            fields.push(("stepped", Value::count(gone.len() as u64)));
            next(Outcome::new(format!("{}: {words}", session.label()), fields))
        })
    },
};

pub(in crate::shell::builtin) static DROP: Builtin = Builtin {
    verb: &Verb {
        name: "drop",
        summary: "lose the next packet of a kind at a link",
        details: "`data`: one with bytes of a file or of a message; `ack`: one with nothing but an acknowledgement. Of those that wait the first one is lost, or else the next one that comes. A share of all packets is lost by `set X loss 5%`.",
        params: &[LINK],
        keywords: &[Keyword::new("next", Kind::Choice(&["data", "ack"]), "which one").required()],
        fields: HELD,
        example: "drop $bad next data",
        ..BARE
    },
    run: |shell, arguments| {
        Box::pin(async move {
            let DropOptions { carries, word } = DropOptions::from_arguments(&arguments);
            let (session, link) = lossy_link_of(shell, &arguments, "drop")?;
            let words = match link.drop_next(carries) {
                DropNext::Held(number) => format!("#{number} is lost"),
                DropNext::Coming => format!("the next {word} that comes is lost"),
            };
            session.note_change(CHANGE, &format!("drop: {words}"));
            told(&link, format!("{}: {words}", session.label()))
        })
    },
};

pub(in crate::shell::builtin) static DUP: Builtin = Builtin {
    verb: &Verb {
        name: "dup",
        summary: "let a packet come twice that a link holds",
        details: "The packet must wait: `hold` first, and `trace` of its sender tells its number.",
        params: &[LINK, Param::required("packet", Kind::Text, "its number, as `trace` shows it: #17")],
        fields: HELD,
        example: "dup $bad #17",
        ..BARE
    },
    run: |shell, arguments| {
        Box::pin(async move {
            let (session, link) = lossy_link_of(shell, &arguments, "dup")?;
            let number = packet_number(arguments.text("packet").unwrap_or_default())?;
            if !link.duplicate(number) {
                return Err(errors::packet_does_not_wait(number, &session.label()));
            }
            session.note_change(CHANGE, &format!("dup: #{number} comes twice"));
            told(&link, format!("{}: #{number} comes twice", session.label()))
        })
    },
};

pub(in crate::shell::builtin) static RELEASE: Builtin = Builtin {
    verb: &Verb {
        name: "release",
        summary: "let everything go that a link holds, and hold nothing more",
        details: "What `drop` means for a packet that has not come still holds.",
        params: &[LINK],
        fields: HELD,
        example: "release $bad",
        ..BARE
    },
    run: |shell, arguments| {
        Box::pin(async move {
            let (session, link) = link_of(shell, &arguments)?;
            let gone = counted(link.release() as u64, "packet");
            session.note_change(CHANGE, &format!("released: {gone} went"));
            told(&link, format!("{}: {gone} went, and what comes passes", session.label()))
        })
    },
};

/// `drop`.
struct DropOptions {
    carries: Carries,
    word: &'static str,
}

impl FromArguments for DropOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        match arguments.text("next") {
            Some("ack") => Self { carries: Carries::Ack, word: "acknowledgement" },
            _ => Self { carries: Carries::Data, word: "packet of data" },
        }
    }
}

/// The link that is meant.
fn link_of(shell: &Shell, arguments: &Arguments) -> Result<(Arc<Session>, Arc<RelayControl>), Failure> {
    let session = shell.session(arguments.session("link").unwrap_or(&SessionRef::All))?;
    if session.has_ended() {
        return Err(session_ended(&session.label()));
    }
    let link = session.control::<RelayControl>().ok_or_else(|| no_link(&session.label()))?;
    Ok((session, link))
}

/// The link that is meant, for what has no meaning over TCP.
fn lossy_link_of(
    shell: &Shell,
    arguments: &Arguments,
    verb: &str,
) -> Result<(Arc<Session>, Arc<RelayControl>), Failure> {
    let (session, link) = link_of(shell, arguments)?;
    if link.is_lossless() {
        return Err(crate::service::contract::errors::loss_over_tcp(verb));
    }
    Ok((session, link))
}

fn told(link: &RelayControl, text: String) -> Result<(Outcome, crate::shell::Flow), Failure> {
    next(Outcome::new(text, waiting(link)))
}

fn waiting(link: &RelayControl) -> Fields {
    vec![("held", Value::count(link.held() as u64)), ("first", Value::count(link.first().unwrap_or(0)))]
}

/// What went, in words: `#17 data up, #3 ack down went`.
fn named(gone: &[Waiting]) -> String {
    let name = |(number, carries, direction): &Waiting| {
        let what = match carries {
            Carries::Data => format!("#{number} data"),
            Carries::Ack => format!("#{number} ack"),
            Carries::Other => "a handshake or a ping".into(),
        };
        format!("{what} {}", if *direction == Direction::Up { "up" } else { "down" })
    };
    let mut names: Vec<String> = gone.iter().take(NAMED).map(name).collect();
    if gone.len() > NAMED {
        names.push(format!("and {} more", gone.len() - NAMED));
    }
    format!("{} went", names.join(", "))
}
