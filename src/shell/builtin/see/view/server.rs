//! The HTTP server of the page: few connections, small requests, strict headers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};

use super::change;
use super::feed::Feed;
use super::request::{Ask, Door, Wanted};
use super::source::Source;
use crate::base::Value;
use crate::report::Failure;
use crate::service::http::{Answer, Exchange, Site, local};
use crate::session::Handle;
use crate::wire::Code;
use crate::wire::http::{ResponseHead, Status};

/// Most pages that are fed at once.
const PAGE_LIMIT: usize = 8;
/// Most bytes of the body of a request.
const BODY_LIMIT: usize = 1024;
/// How long the body of a request may take.
const BODY_TIME: Duration = Duration::from_secs(5);
/// Messages queued for a slow page.
const AHEAD: usize = 2;

const PLAIN: &str = "text/plain; charset=utf-8";
const HTML: &str = include_str!("page.html");
const CSS: &str = include_str!("page.css");
const JS: &str = include_str!("page.js");

/// Nothing comes from elsewhere, and no site may frame the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const HEADERS: [(&str, &str); 5] = [
    ("Content-Security-Policy", POLICY),
    // The token is in the address.
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cache-Control", "no-store"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
];

/// What all requests share.
struct Shared {
    handle: Handle,
    door: Door,
    source: Source,
    pages: Arc<Semaphore>,
}

/// Serves the page until the session is stopped.
pub(super) async fn serve(handle: Handle, listener: TcpListener, door: Door, source: Source) {
    let site = Arc::new(Shared { handle, door, source, pages: Arc::new(Semaphore::new(PAGE_LIMIT)) });
    local::serve_user(site.handle.clone(), listener, "page", || Visit(site.clone())).await;
}

/// One connection of a browser.
struct Visit(Arc<Shared>);

impl Site for Visit {
    fn is_public(&self) -> bool {
        false
    }

    fn answer<'a>(&'a mut self, exchange: &'a mut Exchange<'_>) -> Answer<'a> {
        Box::pin(respond(&self.0, exchange))
    }
}

async fn respond(site: &Shared, exchange: &mut Exchange<'_>) -> Result<(), Failure> {
    match site.door.ask(&exchange.head) {
        Ok(Ask::Page) => text(exchange, Status::OK, "text/html; charset=utf-8", HTML).await,
        Ok(Ask::Style) => text(exchange, Status::OK, "text/css; charset=utf-8", CSS).await,
        Ok(Ask::Script) => text(exchange, Status::OK, "text/javascript; charset=utf-8", JS).await,
        Ok(Ask::Events(wanted)) => events(site, exchange, &wanted).await,
        Ok(Ask::Change) => change(site, exchange).await,
        Err(status) => text(exchange, status, PLAIN, "").await,
    }
}

fn head(status: Status, kind: &'static str) -> ResponseHead {
    let fields = HEADERS.into_iter().chain([("Content-Type", kind)]);
    fields.fold(ResponseHead::new(status), |head, (name, value)| head.with(name, value))
}

async fn text(
    exchange: &mut Exchange<'_>,
    status: Status,
    kind: &'static str,
    bytes: impl Into<Bytes>,
) -> Result<(), Failure> {
    exchange.reply(head(status, kind), bytes).await
}

/// Feeds one page until it is closed.
async fn events(site: &Shared, exchange: &mut Exchange<'_>, wanted: &Wanted) -> Result<(), Failure> {
    let Ok(place) = site.pages.clone().try_acquire_owned() else {
        return text(exchange, Status::UNAVAILABLE, PLAIN, "too many pages").await;
    };
    let (queue, mut messages) = mpsc::channel::<Bytes>(AHEAD);
    let (feed, handle) = (Feed::new(site.source.clone(), wanted), site.handle.clone());
    site.count_pages();
    site.handle.spawn(async move {
        tokio::select! {
            () = feed.run(&handle, queue) => {}
            () = handle.cancelled() => {}
        }
    });
    let fed = feed_page(exchange, &mut messages).await;
    drop(place);
    site.count_pages();
    fed
}

async fn feed_page(exchange: &mut Exchange<'_>, messages: &mut mpsc::Receiver<Bytes>) -> Result<(), Failure> {
    exchange.begin(head(Status::OK, "text/event-stream").chunked().close(true)).await?;
    loop {
        let message = tokio::select! {
            () = exchange.left() => return Ok(()),
            message = messages.recv() => message,
        };
        match message {
            Some(message) => exchange.send(&message).await?,
            None => return exchange.end().await,
        }
    }
}

impl Shared {
    fn count_pages(&self) {
        let open = PAGE_LIMIT.saturating_sub(self.pages.available_permits());
        self.handle.set("pages", Value::count(open as u64));
    }
}

/// Changes a link, and says what it does now, or what was wrong.
async fn change(site: &Shared, exchange: &mut Exchange<'_>) -> Result<(), Failure> {
    let done = match tokio::time::timeout(BODY_TIME, exchange.read_all(BODY_LIMIT)).await {
        Ok(Ok(body)) => change::apply(&site.source.registry, &body),
        Ok(Err(failure)) if failure.code == Code::Limit => {
            return text(exchange, Status::CONTENT_TOO_LARGE, PLAIN, "").await;
        }
        Ok(Err(failure)) => return Err(failure),
        Err(_) => return text(exchange, Status::REQUEST_TIMEOUT, PLAIN, "").await,
    };
    let (status, said) = match done {
        Ok(said) => (Status::OK, said),
        Err(failure) => (Status::BAD_REQUEST, failure.to_string()),
    };
    text(exchange, status, PLAIN, said).await
}
