//! What the page changes about a link: `{"session": 3, "loss": "5%", "delay": "20ms"}`, in the words of `set`, or
//! `{"session": 3, "hand": "hold"}`, which does what the command of that name does: `hold`, `step`, `release`, `drop data`,
//! `drop ack`.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::base::quantity::{self, BadQuantity};
use crate::language::{Arguments, Datum, FromArguments};
use crate::link::{Carries, DropNext};
use crate::net::relay::RelayControl;
use crate::report::Failure;
use crate::service::link::{self, Change};
use crate::session::{Registry, Session};
use crate::shell::builtin::see::errors;
use crate::shell::errors::{no_link, session_ended};

/// Kind of the log entry for a change, as that of `set`.
const KIND: &str = "set";

/// What is to be changed, and where.
#[derive(Debug)]
struct Wish {
    session: u64,
    what: What,
}

#[derive(Debug)]
enum What {
    Change(Change),
    Hand(ByHand),
}

/// A packet by hand.
#[derive(Clone, Copy, Debug)]
enum ByHand {
    Hold,
    Step,
    Release,
    Drop(Carries),
}

impl ByHand {
    fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "hold" => Self::Hold,
            "step" => Self::Step,
            "release" => Self::Release,
            "drop data" => Self::Drop(Carries::Data),
            "drop ack" => Self::Drop(Carries::Ack),
            _ => return None,
        })
    }
}

/// Does what the body of a request asks for; what the link does now, in words.
///
/// # Errors
/// What is wrong with it.
pub(super) fn apply(registry: &Arc<Registry>, body: &[u8]) -> Result<String, Failure> {
    let Wish { session, what } = read(body)?;
    let session = registry.by_id(session).ok_or_else(|| errors::page_session_missing(session))?;
    if session.has_ended() {
        return Err(session_ended(&session.label()));
    }
    turn(&session, &what)
}

fn turn(session: &Session, what: &What) -> Result<String, Failure> {
    let link = session.control::<RelayControl>().ok_or_else(|| no_link(&session.label()))?;
    let words = match what {
        What::Change(change) => {
            change.check(link.is_lossless())?;
            link.change(|profiles| *profiles = change.applied(*profiles));
            link::describe(link.profiles())
        }
        What::Hand(hand) => by_hand(&link, *hand)?,
    };
    session.note_change(KIND, &words);
    Ok(words)
}

fn by_hand(link: &RelayControl, hand: ByHand) -> Result<String, Failure> {
    Ok(match hand {
        ByHand::Hold => {
            link.hold();
            "holds what comes".into()
        }
        ByHand::Step => format!("step: {} went", link.step(1).len()),
        ByHand::Release => format!("released: {} went", link.release()),
        ByHand::Drop(_) if link.is_lossless() => {
            return Err(crate::service::contract::errors::loss_over_tcp("drop"));
        }
        ByHand::Drop(carries) => match link.drop_next(carries) {
            DropNext::Held(number) => format!("drop: #{number} is lost"),
            DropNext::Coming => "drop: the next that comes is lost".into(),
        },
    })
}

fn read(body: &[u8]) -> Result<Wish, Failure> {
    let fields: Map<String, Json> = serde_json::from_slice(body).map_err(|_| errors::page_unreadable())?;
    let (mut session, mut arguments, mut hand) = (None, Arguments::default(), None);
    for (name, value) in &fields {
        let word = || value.as_str().ok_or_else(errors::page_unreadable);
        let bad = |bad: BadQuantity| errors::page_quantity(name, bad);
        match name.as_str() {
            "session" => session = value.as_u64(),
            "loss" => {
                arguments.0.push(("loss", Datum::Percent(quantity::percent(word()?).map_err(bad)?)));
            }
            "delay" => {
                arguments.0.push(("delay", Datum::Duration(quantity::duration(word()?).map_err(bad)?)));
            }
            "hand" => hand = Some(ByHand::from_word(word()?).ok_or_else(errors::page_unreadable)?),
            _ => return Err(errors::page_unreadable()),
        }
    }
    let change = Change::from_arguments(&arguments);
    match (session, hand) {
        (Some(session), Some(hand)) if change.is_empty() => Ok(Wish { session, what: What::Hand(hand) }),
        (Some(session), None) if !change.is_empty() => Ok(Wish { session, what: What::Change(change) }),
        _ => Err(errors::page_unreadable()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_read_in_the_words_of_set_and_nonsense_is_refused() {
        let wish = read(br#"{"session": 3, "loss": "5%", "delay": "20ms"}"#).expect("a wish");
        assert_eq!(wish.session, 3);
        let What::Change(change) = wish.what else { panic!("{wish:?}") };
        assert_eq!(link::describe(change.applied(Default::default())), "loss 5% delay 20.0 ms");
        let wish = read(br#"{"session": 3, "hand": "drop ack"}"#).expect("a wish");
        assert!(matches!(wish.what, What::Hand(ByHand::Drop(Carries::Ack))));
        for body in [
            "",
            "[]",
            "{}",
            "nonsense",
            r#"{"session": 3}"#,
            r#"{"loss": "5%"}"#,
            r#"{"session": -3, "loss": "5%"}"#,
            r#"{"session": "3", "loss": "5%"}"#,
            r#"{"session": 3, "loss": 5}"#,
            r#"{"session": 3, "loss": "105%"}"#,
            r#"{"session": 3, "loss": "5"}"#,
            r#"{"session": 3, "delay": "20"}"#,
            r#"{"session": 3, "loss": "5%", "rate": "1mbit"}"#,
            r#"{"session": 3, "loss": "5%", "hand": "hold"}"#,
            r#"{"session": 3, "hand": "drop"}"#,
            r#"{"hand": "hold"}"#,
        ] {
            assert!(read(body.as_bytes()).is_err(), "{body}");
        }
        let deep = "[".repeat(1000);
        assert!(read(deep.as_bytes()).is_err());
    }
}
