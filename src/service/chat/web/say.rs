//! What a member says and does: `POST /say`, `/name` and `/leave`, each answered with an object. `{"said":true}`: everybody
//! was told; `{"notice":…}`: an answer for the member itself; `{"error":…}`: refused, with the reason.

use std::sync::Arc;

use serde_json::{Value, json};

use super::guests::{Guest, Guests};
use super::token;
use crate::report::Failure;
use crate::service::chat::errors;
use crate::service::chat::protocol::MESSAGE_LIMIT;
use crate::service::chat::server::speaker::{Heard, Speaker};
use crate::service::chat::server::visit::Visit;
use crate::service::http::Exchange;
use crate::session::Handle;
use crate::wire::http::percent::form_decode;
use crate::wire::http::{RequestHead, Status};

/// Longest body: a message in a form, where each byte may take three, and the other fields.
const BODY_LIMIT: usize = 3 * MESSAGE_LIMIT + 1024;

/// Answers a request that has no other answer than whether it was done.
pub(super) async fn post(
    visit: Visit<'_>,
    guests: &Arc<Guests>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Failure> {
    let Some(body) = exchange.read_text(BODY_LIMIT).await? else { return Ok(()) };
    keep_to_rate(visit.session, body.len() as u64).await;
    let field = if exchange.head.target.path_bytes() == b"/name" { "name" } else { "text" };
    let (text, in_form) = read(&exchange.head, &body, field);
    let proof = if in_form == 0 { token::of(&exchange.head) } else { in_form };
    let Some(guest) = guests.find(proof) else { return exchange.fail_json(&errors::not_here()).await };
    if !guest.may_go_on(text.len() as u64) {
        let why = json!({ "error": errors::too_fast().to_string() });
        return exchange.reply_json(Status::TOO_MANY_REQUESTS, &why).await;
    }
    visit.room.turn_to_speak(guest.says_much(text.len() as u64)).await;
    let done = match exchange.head.target.path_bytes() {
        b"/say" => say(visit, &guest, &text),
        b"/name" => rename(visit, &guest, text.trim()),
        _ => {
            guest.goodbye.cancel();
            Ok(json!({ "left": true }))
        }
    };
    guest.changed.notify_one();
    match done {
        Ok(object) => exchange.reply_json(Status::OK, &object).await,
        Err(failure) => exchange.fail_json(&failure).await,
    }
}

fn say(visit: Visit<'_>, guest: &Guest, text: &str) -> Result<Value, Failure> {
    let mut name = guest.name();
    let mut speaker =
        Speaker { room: visit.room, session: visit.session, name: &mut name, token: guest.token };
    match speaker.line(text)? {
        Heard::Said => {
            let turn = visit.room.may_speak(&name, guest.token);
            Ok(json!({ "said": true, "from": *name, "turn": turn }))
        }
        Heard::Answer(text) => Ok(json!({ "notice": text })),
        Heard::Quit => {
            guest.goodbye.cancel();
            Ok(json!({ "left": true }))
        }
        Heard::Gone => Err(errors::not_here()),
    }
}

fn rename(visit: Visit<'_>, guest: &Guest, new: &str) -> Result<Value, Failure> {
    let mut name = guest.name();
    let mut speaker =
        Speaker { room: visit.room, session: visit.session, name: &mut name, token: guest.token };
    speaker.take_name(new)?;
    Ok(json!({ "name": *name }))
}

/// The text of a body, and the token in it (0: none): of a form that has the field, else the body as it is.
/// `curl -d hello` says that it sends a form, too.
pub(super) fn read(head: &RequestHead, body: &str, field: &str) -> (String, u64) {
    let kind = head.headers.get("content-type").unwrap_or_default();
    let is_form = kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded");
    let value = |name: &str| {
        let mut pairs = body.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(own, _)| *own == name).and_then(|(_, value)| form_decode(value.trim_end()).ok())
    };
    let proof = if is_form { value("token").map_or(0, |text| token::read(&text)) } else { 0 };
    let text = if is_form { value(field) } else { None };
    let text = text.unwrap_or_else(|| body.trim_end_matches(['\r', '\n']).to_owned());
    (text, proof)
}

/// Waits while the room is beyond the rate of `listen … rate`.
async fn keep_to_rate(session: &Handle, received: u64) {
    session.pace(received);
    if let Some(until) = session.owed() {
        tokio::select! {
            () = session.cancelled() => {}
            () = tokio::time::sleep_until(until.into()) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(kind: &str) -> RequestHead {
        let text = format!("POST /say HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\n\r\n");
        RequestHead::read(text.as_bytes()).unwrap().unwrap().0
    }

    #[test]
    fn a_body_is_a_form_or_the_text_itself() {
        let form = head("application/x-www-form-urlencoded");
        let token = token::show(7);
        let both = format!("token={token}&text=a+b%26%3D%C3%A9");
        assert_eq!(read(&form, &both, "text"), ("a b&=é".into(), 7));
        assert_eq!(read(&form, "hello", "text"), ("hello".into(), 0));
        assert_eq!(read(&form, "1 + 1 = 2 & more", "text"), ("1 + 1 = 2 & more".into(), 0));
        assert_eq!(read(&form, "name=zoe", "name"), ("zoe".into(), 0));
        assert_eq!(read(&head("text/plain"), &both, "text"), (both.clone(), 0));
        assert_eq!(read(&head("text/plain"), "hello\r\n", "text"), ("hello".into(), 0));
    }
}
