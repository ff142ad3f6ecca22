//! The room over HTTP, for browsers and for curl: members like all others, by the same rules.
//!
//! ```text
//! GET  /                              the room as a page; as text or as JSON for programs
//! GET  /events?name=NAME&token=TOKEN  joins, and tells what happens there until it ends: server-sent events
//! POST /say, /name, /leave            what the member with the token says and does
//! ```
//! A member is there while its stream is: it joins when that begins, and leaves when it ends. Its requests bear its token
//! in `Authorization: Bearer TOKEN`, in the query or in the form. Who comes back with the token of a stream that broke
//! takes its place again, as clients of our own protocol do (faults.md row 84).
//!
//! | file | holds |
//! |---|---|
//! | `guests` | those who are in the room by way of HTTP |
//! | `stream` | `/events`: a member, from joining to its end |
//! | `event` | pure: what a member is told, as events |
//! | `say` | what a member says and does |
//! | `token` | pure: the token of a request |
//!
//! The page is made of `room.html`, `room.css` and `room.js`.

mod event;
mod guests;
mod say;
mod stream;
mod token;

use std::sync::Arc;

use serde_json::json;

pub(super) use self::guests::Guests;
use super::protocol::MESSAGE_LIMIT;
use super::room::Rules;
use super::server::visit::Visit;
use super::text::HOST;
use crate::net::accept::foreign::ForeignStream;
use crate::report::Failure;
use crate::service::http::{self, Answer, Exchange, Site, guard, page};
use crate::wire::http::{Method, RequestHead, ResponseHead, Status};

/// The methods that a room knows.
const METHODS: &str = "GET, HEAD, POST, OPTIONS";
/// What a program is told that asks for no page.
const USAGE: &str = "a room: join with `curl -N 'ADDRESS/events?name=NAME'`, and speak with \
                     `curl -d 'hello' 'ADDRESS/say?token=TOKEN'`";

/// The room, for one client.
struct Pages<'a> {
    visit: Visit<'a>,
    guests: &'a Arc<Guests>,
}

/// Serves one client.
pub(super) async fn serve(
    visit: Visit<'_>,
    guests: &Arc<Guests>,
    stream: ForeignStream,
) -> Result<(), Failure> {
    http::serve(visit.session, stream, &mut Pages { visit, guests }).await
}

impl Site for Pages<'_> {
    fn answer<'a>(&'a mut self, exchange: &'a mut Exchange<'_>) -> Answer<'a> {
        Box::pin(async move {
            let changes =
                exchange.head.target.path_bytes() != b"/" && exchange.head.method != Method::Options;
            if changes && let Some(why) = guard::objection_to_writing(&exchange.head) {
                return exchange.reply_json(Status::FORBIDDEN, &json!({ "error": why })).await;
            }
            match (exchange.head.method, exchange.head.target.path_bytes()) {
                (Method::Get | Method::Head, b"/") => self.show(exchange).await,
                (Method::Get, b"/events") => stream::join(self.visit, self.guests, exchange).await,
                (Method::Post, b"/say" | b"/name" | b"/leave") => {
                    say::post(self.visit, self.guests, exchange).await
                }
                (Method::Options, _) => exchange.tell_methods(METHODS).await,
                (_, b"/" | b"/events" | b"/say" | b"/name" | b"/leave") => {
                    exchange.refuse_method(METHODS, USAGE).await
                }
                _ => exchange.refuse(Status::NOT_FOUND, "the room is at /").await,
            }
        })
    }
}

impl Pages<'_> {
    /// The page; for programs, who is there and how to join.
    async fn show(&self, exchange: &mut Exchange<'_>) -> Result<(), Failure> {
        if exchange.wants_json() {
            let rules = self.visit.room.rules;
            let (names, more) = self.visit.room.present();
            let object = json!({
                "host": HOST, "turns": !rules.free, "relay": rules.relay, "for_two": rules.for_two,
                "members": names, "more": more,
            });
            return exchange.reply_json(Status::OK, &object).await;
        }
        if !exchange.wants_page() {
            let head = page::guarded(ResponseHead::new(Status::OK))
                .with("Content-Type", page::TEXT)
                .with("Cache-Control", "no-cache");
            return exchange.reply(head.with("Vary", "Accept"), format!("{USAGE}\n")).await;
        }
        let nonce = page::nonce();
        let style = [page::STYLE, include_str!("room.css")].concat();
        let (limit, (title, rules)) = (MESSAGE_LIMIT.to_string(), introduction(self.visit.room.rules));
        let text = page::fill(
            include_str!("room.html"),
            &[
                ("nonce", &nonce),
                ("style", &style),
                ("title", title),
                ("rules", &rules),
                ("limit", &limit),
                ("script", include_str!("room.js")),
            ],
        );
        exchange.reply(page::head(Status::OK, &nonce).with("Vary", "Accept"), text).await
    }
}

/// What the page is called, and what somebody should know who joins.
fn introduction(rules: Rules) -> (&'static str, String) {
    let (title, who) = match (rules.for_two, rules.relay) {
        (true, _) => ("A conversation for two", "You talk with the host of this server."),
        (false, true) => ("Room", "Everybody here sees what you say."),
        (false, false) => ("Conversation", "The host of this server sees what you say, and answers."),
    };
    let turns = if rules.free { "" } else { " A message must be answered before you may send the next." };
    (title, format!("{who}{turns}"))
}

/// Reads a request and its body, for the fuzzer.
pub(super) fn read_request(bytes: &[u8]) {
    let Ok(Some((head, length))) = RequestHead::read(bytes) else { return };
    let body = String::from_utf8_lossy(&bytes[length..]);
    drop(say::read(&head, &body, "text"));
    let _ = token::of(&head);
}
