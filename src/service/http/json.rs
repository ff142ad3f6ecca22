//! Answers for programs: one JSON object.

use serde_json::{Value, json};

use super::exchange::Exchange;
use super::{page, refusal};
use crate::report::Failure;
use crate::wire::Code;
use crate::wire::http::{ResponseHead, Status};

/// The media type.
pub(crate) const JSON: &str = "application/json";
/// After how many seconds it is worth asking again.
const RETRY_AFTER: &str = "5";

impl Exchange<'_> {
    /// True if the client would rather have JSON than a page, as it says in a field or in the query.
    pub(crate) fn wants_json(&self) -> bool {
        self.head.accepts(JSON) || self.head.target.query_has("json")
    }

    /// True if the client shows pages.
    pub(crate) fn wants_page(&self) -> bool {
        self.head.headers.all("accept").any(|kinds| kinds.contains("text/html"))
    }

    /// Answers with an object, on a line.
    pub(crate) async fn reply_json(&mut self, status: Status, object: &Value) -> Result<(), Failure> {
        let head = page::guarded(ResponseHead::new(status))
            .with("Content-Type", JSON)
            .with("Cache-Control", "no-store");
        let head = if status == Status::UNAVAILABLE || status == Status::TOO_MANY_REQUESTS {
            head.with("Retry-After", RETRY_AFTER)
        } else {
            head
        };
        self.reply(head, format!("{object}\n")).await
    }

    /// Answers with a failure: `{"error":…}`.
    pub(crate) async fn fail_json(&mut self, failure: &Failure) -> Result<(), Failure> {
        let object = json!({ "error": failure.to_string(), "code": failure.code.word() });
        self.reply_json(refusal::status_of(failure), &object).await
    }

    /// The body as text; `None` if it was too large, and that has been answered.
    ///
    /// # Errors
    /// The client left, or its body is malformed.
    pub(crate) async fn read_text(&mut self, limit: usize) -> Result<Option<String>, Failure> {
        match self.read_all(limit).await {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(failure) if failure.code == Code::Limit => {
                self.fail_json(&failure).await?;
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }
}
