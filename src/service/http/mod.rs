//! HTTP/1.1 for every service: the conversation with one client, and what a [`Site`] needs to answer.
//!
//! A service that speaks HTTP is a `Site`: it gets an [`Exchange`], reads its head and perhaps its body, and answers.
//! The bytes themselves are read and written by the pure `wire::http`.
//!
//! | file | holds |
//! |---|---|
//! | `exchange` | one request and its answer |
//! | `guard` | pure: which pages of which sites may ask, and which may change something |
//! | `page` | what every page of ours has: strict headers, errors as text or as a page |
//! | `json` | answers for programs |
//! | `event_stream` | server-sent events |
//! | `local` | pages and films of this program for its own user |
//! | `refusal` | pure: a failure as a status |
//! | `errors` | the errors of HTTP clients |

mod errors;
pub(crate) mod event_stream;
pub(crate) mod exchange;
pub(crate) mod guard;
pub(crate) mod json;
pub(crate) mod local;
pub(crate) mod page;
mod refusal;

use std::pin::Pin;
use std::time::Duration;

use bytes::Buf;
use tokio::time::Instant;

pub(crate) use self::exchange::Exchange;
use crate::net::accept::foreign::ForeignStream;
use crate::net::connection::permits::ConnectionPermit;
use crate::net::{FIRST_MESSAGE_LIMIT, GIVES_WAY_AFTER};
use crate::report::Failure;
use crate::session::Handle;
use crate::wire::http::{HttpError, RequestHead, Status};

/// A connection without a request for this long is closed.
const IDLE_LIMIT: Duration = Duration::from_mins(1);
/// The same for a page of this program for its own user, before the first request: its places are few.
const FIRST_LIMIT: Duration = Duration::from_secs(3);

/// The answer of a site, as a boxed future. An error ends the connection: the client is gone.
pub(crate) type Answer<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>>;

/// What a service offers over HTTP, for one client.
pub(crate) trait Site: Send {
    /// False for a page of this program for its own user: its requests are neither counted nor logged.
    fn is_public(&self) -> bool {
        true
    }

    /// Answers one request, exactly once.
    fn answer<'a>(&'a mut self, exchange: &'a mut Exchange<'_>) -> Answer<'a>;
}

/// Serves one client until it leaves.
pub(crate) async fn serve(
    session: &Handle,
    mut stream: ForeignStream,
    site: &mut dyn Site,
) -> Result<(), Failure> {
    let mut patience = if site.is_public() { IDLE_LIMIT } else { FIRST_LIMIT };
    let mut place = std::mem::replace(&mut stream.place, ConnectionPermit::elsewhere());
    loop {
        let head = tokio::select! {
            biased;
            () = session.cancelled() => break,
            head = next_head(&mut stream, patience) => head?,
            () = place.given_away(Instant::now() + GIVES_WAY_AFTER) => break,
        };
        patience = IDLE_LIMIT;
        let mut exchange = match head {
            Next::Request(head) => {
                if is_browser(&head) {
                    stream.note_browser();
                }
                Exchange::new(session, &mut stream, *head, site.is_public())
            }
            Next::Malformed(error) => {
                exchange::refuse_malformed(session, &mut stream, error).await?;
                break;
            }
            Next::Nothing => break,
        };
        if guard::is_elsewhere(&exchange) {
            exchange.refuse(Status::MISDIRECTED, guard::ELSEWHERE).await?;
        } else {
            site.answer(&mut exchange).await?;
        }
        if !exchange.conclude().await? {
            break;
        }
    }
    stream.close().await;
    Ok(())
}

/// The name that all browsers have in common.
fn is_browser(head: &RequestHead) -> bool {
    head.headers.get("user-agent").is_some_and(|agent| agent.starts_with("Mozilla/"))
}

/// What came.
enum Next {
    Request(Box<RequestHead>),
    /// The client sent what is no request, or not a whole one in time.
    Malformed(HttpError),
    /// It left, or asked nothing for a while.
    Nothing,
}

/// The head of the next request.
async fn next_head(stream: &mut ForeignStream, patience: Duration) -> Result<Next, Failure> {
    let late =
        Next::Malformed(HttpError::new(Status::REQUEST_TIMEOUT, "the request did not come to its end"));
    let idle = stream.buffer.is_empty();
    if idle && !tokio::time::timeout(patience, stream.read()).await.unwrap_or(Ok(false))? {
        return Ok(Next::Nothing);
    }
    let whole = async {
        loop {
            match RequestHead::read(&stream.buffer) {
                Ok(Some((head, length))) => {
                    stream.buffer.advance(length);
                    return Ok(Next::Request(Box::new(head)));
                }
                Ok(None) if stream.read_some(crate::wire::http::HEAD_LIMIT).await? => {}
                Ok(None) => return Ok(Next::Nothing),
                Err(error) => return Ok(Next::Malformed(error)),
            }
        }
    };
    tokio::time::timeout(FIRST_MESSAGE_LIMIT, whole).await.unwrap_or(Ok(late))
}
