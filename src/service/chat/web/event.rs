//! What a member is told, as events. Pure.
//!
//! ```text
//! welcome  name, token, host, turns, relay, for_two   it has joined, or has its new name
//! message  from, text, id
//! notice   text                                       from the program, not from a person
//! members  names, more                                who is there
//! turn     yours                                      whether it may say something
//! end      reason                                     the visit is over; nobody comes back by itself
//! ```
//! Text of others is escaped, as on a terminal: control characters and marks that turn the direction of writing would
//! deceive on a page, too.

use serde_json::json;

use super::token;
use crate::base::escape::escape_line;
use crate::service::chat::protocol::Message;
use crate::service::chat::room::{Room, Rules};
use crate::service::chat::text::HOST;
use crate::service::http::event_stream::event;

pub(super) fn welcome(rules: Rules, name: &str, token: u64) -> String {
    let token = token::show(token);
    let data = json!({
        "name": name, "token": token, "host": HOST,
        "turns": !rules.free, "relay": rules.relay, "for_two": rules.for_two,
    });
    // What a browser says that comes back by itself.
    event("welcome", Some(&token), &data)
}

/// A queued message. A browser does not confirm, so the host's message counts as delivered at once.
pub(super) fn message(room: &Room, (name, token): (&str, u64), message: &Message) -> Option<String> {
    let said = |id: &u64, from: &str, text: &str| {
        event("message", None, &json!({ "from": from, "text": escape_line(text), "id": id }))
    };
    match message {
        Message::Say { id, text, .. } => {
            room.confirmed(name, token, *id);
            Some(said(id, HOST, text))
        }
        Message::Relayed { id, from, text, .. } => Some(said(id, from, text)),
        Message::Notice { text } => Some(event("notice", None, &json!({ "text": text }))),
        _ => None,
    }
}

pub(super) fn members(room: &Room) -> String {
    let (names, more) = room.present();
    event("members", None, &json!({ "names": names, "more": more }))
}

pub(super) fn turn(is_theirs: bool) -> String {
    event("turn", None, &json!({ "yours": is_theirs }))
}

pub(super) fn end(reason: &str) -> String {
    event("end", None, &json!({ "reason": reason }))
}
