//! The HTTP server of the page: few connections, small requests, strict headers.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::{Frame, Incoming};
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::change;
use super::feed::Feed;
use super::request::{Ask, Door, Wanted};
use super::source::Source;
use crate::base::{Transport, Value};
use crate::net::{ACCEPT_PAUSE, is_of_another_user};
use crate::report::reason;
use crate::session::Handle;

/// Most connections at once.
const CONNECTION_LIMIT: usize = 32;
/// Most pages that are fed at once.
const PAGE_LIMIT: usize = 8;
/// Most bytes of the head of a request; hyper takes no smaller number.
const HEAD_LIMIT: usize = 8192;
/// Most bytes of the body of a request.
const BODY_LIMIT: usize = 1024;
/// A connection without a request for this long is closed: its place is wanted.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long the body of a request may take.
const BODY_TIME: Duration = Duration::from_secs(5);
/// Messages queued for a slow page.
const AHEAD: usize = 2;

const HTML: &str = include_str!("page.html");
const CSS: &str = include_str!("page.css");
const JS: &str = include_str!("page.js");

/// Nothing comes from elsewhere, and no site may frame the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const HEADERS: [(HeaderName, &str); 5] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    // The token is in the address.
    (REFERRER_POLICY, "no-referrer"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

type Body = Either<Full<Bytes>, Messages>;

/// The body of a stream: messages as they come.
struct Messages(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Messages {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|message| message.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// What all requests share.
struct Site {
    handle: Handle,
    door: Door,
    source: Source,
    pages: Arc<Semaphore>,
}

/// Serves the page until the session is stopped.
pub(super) async fn serve(handle: Handle, listener: TcpListener, door: Door, source: Source) {
    let site = Arc::new(Site { handle, door, source, pages: Arc::new(Semaphore::new(PAGE_LIMIT)) });
    let places = Arc::new(Semaphore::new(CONNECTION_LIMIT));
    loop {
        let accepted = async { (places.clone().acquire_owned().await, listener.accept().await) };
        let (place, accepted) = tokio::select! {
            () = site.handle.cancelled() => return,
            accepted = accepted => accepted,
        };
        match accepted {
            // Another user may see the address in the list of processes.
            Ok((_, peer)) if is_of_another_user(Transport::Tcp, peer) => {}
            Ok((stream, _)) => {
                let served = site.clone();
                site.handle.spawn(async move {
                    connection(&served, stream).await;
                    drop(place);
                });
            }
            Err(error) => {
                site.handle.log("page", format!("a connection cannot be taken: {}", reason(&error)));
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(site: &Arc<Site>, stream: TcpStream) {
    // A page that takes nothing any more would hold its connection for ever.
    let over = CancellationToken::new();
    let answer = service_fn(|request| {
        let (site, over) = (site.clone(), over.clone());
        async move { Ok::<_, Infallible>(sealed(respond(&site, request, over).await)) }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(HEAD_LIMIT);
    // A browser may disconnect at any time; connections that are left when the session ends are closed.
    tokio::select! {
        _ = builder.serve_connection(TokioIo::new(stream), answer) => {}
        () = site.handle.cancelled() => {}
        () = over.cancelled() => {}
    }
}

fn sealed(mut response: Response<Body>) -> Response<Body> {
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// `over` ends the connection.
async fn respond(site: &Arc<Site>, request: Request<Incoming>, over: CancellationToken) -> Response<Body> {
    let (head, body) = request.into_parts();
    match site.door.ask(&head) {
        Ok(Ask::Page) => text(StatusCode::OK, "text/html; charset=utf-8", HTML),
        Ok(Ask::Style) => text(StatusCode::OK, "text/css; charset=utf-8", CSS),
        Ok(Ask::Script) => text(StatusCode::OK, "text/javascript; charset=utf-8", JS),
        Ok(Ask::Events(wanted)) => events(site, &wanted, over),
        Ok(Ask::Change) => change(site, body).await,
        Err(status) => text(status, "text/plain; charset=utf-8", ""),
    }
}

fn text(status: StatusCode, kind: &'static str, bytes: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Either::Left(Full::new(bytes.into())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// Begins the stream of one page.
fn events(site: &Arc<Site>, wanted: &Wanted, over: CancellationToken) -> Response<Body> {
    let Ok(place) = site.pages.clone().try_acquire_owned() else {
        return text(StatusCode::SERVICE_UNAVAILABLE, "text/plain; charset=utf-8", "too many pages");
    };
    let (queue, messages) = mpsc::channel(AHEAD);
    let feed = Feed::new(site.source.clone(), wanted);
    let fed = site.clone();
    fed.count_pages();
    site.handle.spawn(async move {
        tokio::select! {
            () = feed.run(&fed.handle, queue) => {}
            () = fed.handle.cancelled() => {}
        }
        over.cancel();
        drop(place);
        fed.count_pages();
    });
    let mut response = Response::new(Either::Right(Messages(messages)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}

impl Site {
    fn count_pages(&self) {
        let open = PAGE_LIMIT.saturating_sub(self.pages.available_permits());
        self.handle.set("pages", Value::count(open as u64));
    }
}

/// Changes a link, and says what it does now, or what was wrong.
async fn change(site: &Site, body: Incoming) -> Response<Body> {
    let body = tokio::time::timeout(BODY_TIME, Limited::new(body, BODY_LIMIT).collect()).await;
    let done = match body {
        Ok(Ok(body)) => change::apply(&site.source.registry, &body.to_bytes()),
        Ok(Err(_)) => return text(StatusCode::PAYLOAD_TOO_LARGE, "text/plain; charset=utf-8", ""),
        Err(_) => return text(StatusCode::REQUEST_TIMEOUT, "text/plain; charset=utf-8", ""),
    };
    let (status, said) = match done {
        Ok(said) => (StatusCode::OK, said),
        Err(failure) => (StatusCode::BAD_REQUEST, failure.to_string()),
    };
    text(status, "text/plain; charset=utf-8", said)
}
