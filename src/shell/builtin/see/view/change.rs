//! What the page changes about a link: `{"session": 3, "loss": "5%", "delay": "20ms"}`, in the words of `set`.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::base::quantity::{self, BadQuantity};
use crate::language::{Arguments, Datum, FromArguments};
use crate::net::relay::RelayControl;
use crate::report::Failure;
use crate::service::link::{self, Change};
use crate::session::{Registry, Session};
use crate::shell::errors;

/// Kind of the log entry for a change, as that of `set`.
const KIND: &str = "set";

/// What is to be changed, and where.
#[derive(Debug)]
struct Wish {
    session: u64,
    change: Change,
}

/// Does what the body of a request asks for; what the link does now, in words.
///
/// # Errors
/// What is wrong with it.
pub(super) fn apply(registry: &Arc<Registry>, body: &[u8]) -> Result<String, Failure> {
    let Wish { session, change } = read(body)?;
    let session = registry.by_id(session).ok_or_else(|| errors::page_session_missing(session))?;
    if session.has_ended() {
        return Err(errors::session_ended(&session.label()));
    }
    turn(&session, &change)
}

fn turn(session: &Session, change: &Change) -> Result<String, Failure> {
    let link = session.control::<RelayControl>().ok_or_else(|| errors::page_no_link(&session.label()))?;
    change.check(link.is_lossless())?;
    link.change(|profiles| *profiles = change.applied(*profiles));
    let words = link::describe(link.profiles());
    session.note_change(KIND, &words);
    Ok(words)
}

fn read(body: &[u8]) -> Result<Wish, Failure> {
    let fields: Map<String, Json> = serde_json::from_slice(body).map_err(|_| errors::page_unreadable())?;
    let (mut session, mut arguments) = (None, Arguments::default());
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
            _ => return Err(errors::page_unreadable()),
        }
    }
    let change = Change::from_arguments(&arguments);
    match session {
        Some(session) if !change.is_empty() => Ok(Wish { session, change }),
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
        assert_eq!(link::describe(wish.change.applied(Default::default())), "loss 5% delay 20.0 ms");
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
        ] {
            assert!(read(body.as_bytes()).is_err(), "{body}");
        }
        let deep = "[".repeat(1000);
        assert!(read(deep.as_bytes()).is_err());
    }
}
