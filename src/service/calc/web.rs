//! The calculator over HTTP: `GET /?q=7%20%25%203`, or POST with the expression as the body. The answer is a line of text,
//! JSON, or a page; the value and the limits are those of every other client.

use serde_json::json;

use super::evaluation::compute;
use super::expression::{DIGIT_LIMIT, EXPRESSION_LIMIT, ExpressionError};
use crate::base::escape::escape_line;
use crate::base::escape::html::escape;
use crate::net::accept::foreign::ForeignStream;
use crate::report::Failure;
use crate::service::contract::conversation::received;
use crate::service::http::{self, Answer, Exchange, Site, page};
use crate::session::Handle;
use crate::wire::http::{Method, ResponseHead, Status};

/// The methods that it knows.
const METHODS: &str = "GET, HEAD, POST, OPTIONS";
/// Longest body: two numbers of the most digits, and what stands between them.
const BODY_LIMIT: usize = 4 * DIGIT_LIMIT + EXPRESSION_LIMIT;
/// What a program is told that asks nothing.
const USAGE: &str = "ask with `curl -d '7 % 3' ADDRESS`, or with `?q=7%20%25%203`";

/// The calculator, for one client.
struct Calculator<'a> {
    session: &'a Handle,
}

/// Serves one client.
pub(super) async fn serve(session: &Handle, stream: ForeignStream) -> Result<(), Failure> {
    http::serve(session, stream, &mut Calculator { session }).await
}

impl Site for Calculator<'_> {
    fn answer<'a>(&'a mut self, exchange: &'a mut Exchange<'_>) -> Answer<'a> {
        Box::pin(async move {
            if exchange.head.target.path_bytes() != b"/" {
                return exchange.refuse(Status::NOT_FOUND, "the calculator is at /").await;
            }
            match exchange.head.method {
                Method::Get | Method::Head => {
                    let asked = exchange.head.target.query_value("q");
                    self.reply(exchange, asked.filter(|text| !text.trim().is_empty())).await
                }
                Method::Post => match exchange.read_text(BODY_LIMIT).await? {
                    Some(body) => {
                        self.reply(exchange, Some(body.trim_end_matches(['\r', '\n']).into())).await
                    }
                    None => Ok(()),
                },
                Method::Options => exchange.tell_methods(METHODS).await,
                _ => exchange.refuse_method(METHODS, USAGE).await,
            }
        })
    }
}

impl Calculator<'_> {
    /// Answers a question, in the form that the client wants; `None`: it asks nothing yet.
    async fn reply(&self, exchange: &mut Exchange<'_>, asked: Option<String>) -> Result<(), Failure> {
        let Some(text) = asked else { return self.invite(exchange).await };
        received(self.session, text.len() as u64).await;
        let result = compute(self.session, text.clone()).await?;
        let status = if result.is_ok() { Status::OK } else { Status::BAD_REQUEST };
        if exchange.wants_json() {
            let object = match &result {
                Ok(value) => json!({ "expression": text, "value": value }),
                Err(trouble) => {
                    json!({ "expression": text, "error": trouble.to_string(), "column": trouble.column })
                }
            };
            return exchange.reply_json(status, &object).await;
        }
        if exchange.wants_page() {
            return show(exchange, status, &text, &answer(&text, &result)).await;
        }
        let line = match result {
            Ok(value) => value,
            Err(trouble) => trouble.to_string() + hint(exchange.head.target.query()),
        };
        say(exchange, status, &line).await
    }

    /// The empty page, or how to ask.
    async fn invite(&self, exchange: &mut Exchange<'_>) -> Result<(), Failure> {
        if exchange.wants_page() {
            return show(exchange, Status::OK, "", "").await;
        }
        say(exchange, Status::OK, USAGE).await
    }
}

/// What stands behind the error of somebody who wrote `+` in a query, where it means a blank.
fn hint(query: &str) -> &'static str {
    if query.contains('+') { "; in a query `+` is a blank, and `%2B` is the sign" } else { "" }
}

/// Answers with a line of text.
async fn say(exchange: &mut Exchange<'_>, status: Status, line: &str) -> Result<(), Failure> {
    let head = page::guarded(ResponseHead::new(status))
        .with("Content-Type", page::TEXT)
        .with("Vary", "Accept")
        .with("Cache-Control", "no-cache");
    exchange.reply(head, format!("{line}\n")).await
}

/// Answers with the page, `answer` in it.
async fn show(exchange: &mut Exchange<'_>, status: Status, asked: &str, answer: &str) -> Result<(), Failure> {
    let nonce = page::nonce();
    let style = [page::STYLE, include_str!("calc.css")].concat();
    let text = page::fill(
        include_str!("calc.html"),
        &[
            ("nonce", &nonce),
            ("style", &style),
            ("script", include_str!("calc.js")),
            ("asked", &escape(&escape_line(asked))),
            ("answer", answer),
        ],
    );
    exchange.reply(page::head(status, &nonce).with("Vary", "Accept"), text).await
}

/// The answer in the page: as the script of the page makes it, for browsers that run none.
fn answer(text: &str, result: &Result<String, ExpressionError>) -> String {
    let shown = escape_line(text);
    match result {
        Ok(value) => {
            format!("<li><button class=asked>{}</button><output>{}</output>", escape(&shown), escape(value))
        }
        Err(trouble) => {
            // The mark stands below the character: escapes before it are wider.
            let before: String = text.chars().take(trouble.column - 1).collect();
            let column = escape_line(&before).chars().count();
            format!(
                "<li class=bad><button class=asked>{}</button><pre>{}\n{}^</pre><output>{}</output>",
                escape(&shown),
                escape(&shown),
                " ".repeat(column),
                escape(&trouble.to_string())
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_asks_is_text_in_the_page() {
        let result = Ok("1".to_owned());
        let shown = answer("<script>\u{1b}[2J</script>", &result);
        assert!(!shown.contains("<script") && !shown.contains('\u{1b}') && shown.contains("&lt;script&gt;"));
    }

    #[test]
    fn the_mark_stands_where_the_error_is() {
        let wrong = Err(ExpressionError { why: "an operator is missing here".into(), column: 3 });
        let shown = answer("2 3", &wrong);
        assert!(shown.contains("<pre>2 3\n  ^</pre>") && shown.contains("here at column 3"), "{shown}");
    }

    #[test]
    fn a_plus_in_a_query_is_explained() {
        assert!(hint("q=1+2").contains("%2B") && hint("q=1%2B2").is_empty());
    }
}
