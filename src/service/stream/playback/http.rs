//! The HTTP server that a player reads from: on loopback, with length and ranges, under a random token. A range that
//! has not arrived yet is requested from the stream server first, so every player starts at once with every container.
//! It also has a page for browsers.

use std::convert::Infallible;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::{Frame, Incoming};
use hyper::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderValue, RANGE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use super::subtitles::Subtitles;
use crate::base::Transport;
use crate::net::{self, ACCEPT_PAUSE};
use crate::report::{Failure, reason};
use crate::service::stream::client::store::Store;
use crate::session::Handle;
use crate::wire::http::media_type;

/// Maximum pieces queued for a slow player.
const AHEAD: usize = 4;
/// Maximum connections that a player may hold at once.
const CONNECTION_LIMIT: usize = 32;
/// How often the page reports that it is still open.
const ALIVE_EVERY: Duration = Duration::from_secs(2);
/// How long to wait after the page reported that it was closed: a reload reports that, too.
const RELOAD_LIMIT: Duration = Duration::from_secs(3);

type Body = Either<Full<Bytes>, Pieces>;

/// The body of a response: the pieces of a range, as they arrive.
struct Pieces {
    pieces: mpsc::Receiver<Bytes>,
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.pieces.poll_recv(context).map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// The local URLs of the film, and whether anybody requests them.
#[derive(Debug)]
pub(crate) struct Address {
    /// URL of the media itself.
    pub(crate) url: String,
    /// URL of a page that plays it.
    pub(crate) page: String,
    /// URL of its subtitles, as SubRip, if there are any.
    pub(crate) subtitles: Option<String>,
    asked: watch::Receiver<Asked>,
}

impl Address {
    /// Waits until there was no request for `limit`, or the page reported that it was closed.
    pub(crate) async fn is_quiet(&mut self, limit: Duration) {
        loop {
            let last = *self.asked.borrow_and_update();
            let until = last.at + if last.was_closed { limit.min(RELOAD_LIMIT) } else { limit };
            tokio::select! {
                () = tokio::time::sleep_until(until.into()) => return,
                changed = self.asked.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Frames that the browser has shown; `None` if no page has reported them.
    pub(crate) fn frames(&self) -> Option<u64> {
        self.asked.borrow().frames
    }

    /// Waits for the first request.
    pub(crate) async fn is_asked(&mut self) {
        if self.asked.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// A connection without a request for this long is closed: its place is wanted.
const HEADER_LIMIT: Duration = Duration::from_secs(10);

/// The last request.
#[derive(Clone, Copy, Debug)]
struct Asked {
    at: Instant,
    was_closed: bool,
    /// Frames that the page has shown.
    frames: Option<u64>,
}

/// What the HTTP server offers.
pub(crate) struct Offer<'a> {
    pub(crate) store: Arc<Store>,
    /// The file's name at the stream server: its extension tells the type of the media.
    pub(crate) name: &'a str,
    pub(crate) subtitles: Option<Subtitles>,
}

/// What all requests share.
struct Site {
    session: Handle,
    store: Arc<Store>,
    /// `/token/`
    folder: String,
    /// `media.mp4`
    media: String,
    subtitles: Option<Subtitles>,
    asked: watch::Sender<Asked>,
}

/// Serves a store until the session ends.
pub(crate) async fn serve(session: &Handle, offer: Offer<'_>) -> Result<Address, Failure> {
    let failed = |error: std::io::Error| Failure::io(&error, "the player's address");
    let listener = net::tcp::bind_loopback().await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let token: String = crate::net::random::random::<16>().iter().map(|byte| format!("{byte:02x}")).collect();
    let (asked, seen) = watch::channel(Asked { at: Instant::now(), was_closed: false, frames: None });
    let site = Arc::new(Site {
        session: session.clone(),
        store: offer.store,
        folder: format!("/{token}/"),
        // Only the extension of the remote name is passed to the player: some decide by it.
        media: format!("media{}", extension(offer.name)),
        subtitles: offer.subtitles,
        asked,
    });
    let page = format!("http://{address}{}", site.folder);
    let url = format!("{page}{}", site.media);
    let subtitles = site.subtitles.as_ref().map(|_| format!("{page}{SRT}"));
    session.spawn(accept(listener, site));
    Ok(Address { url, page, subtitles, asked: seen })
}

async fn accept(listener: TcpListener, site: Arc<Site>) {
    let places = Arc::new(tokio::sync::Semaphore::new(CONNECTION_LIMIT));
    while let Ok(place) = places.clone().acquire_owned().await {
        let accepted = tokio::select! {
            () = site.session.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                site.session.log("player", format!("a connection cannot be taken: {}", reason(&error)));
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Other users see the URL in the list of processes: refuse their connections.
        if crate::net::is_of_another_user(Transport::Tcp, peer) {
            continue;
        }
        let served = site.clone();
        site.session.spawn(async move {
            let answer = service_fn(|request| {
                let response = respond(&served, &request);
                async move { Ok::<_, Infallible>(response) }
            });
            let mut builder = hyper::server::conn::http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(HEADER_LIMIT);
            // A player may disconnect at any time; connections that are left when the session ends are closed.
            tokio::select! {
                _ = builder.serve_connection(TokioIo::new(stream), answer) => {}
                () = served.session.cancelled() => {}
            }
            drop(place);
        });
    }
}

/// Names of the subtitles in their two formats.
const VTT: &str = "subtitles.vtt";
const SRT: &str = "subtitles.srt";

/// The page for browsers. It requests `alive` while it is open, so that its closing is noticed.
fn page(media: &str, has_subtitles: bool) -> String {
    let track =
        if has_subtitles { format!("<track default kind=subtitles src={VTT}>") } else { String::new() };
    format!(
        "<!doctype html><meta charset=utf-8><title>nls</title>\
         <style>body{{margin:0;background:#000}}video{{width:100vw;height:100vh}}</style>\
         <video src=\"{media}\" controls autoplay>{track}</video>\
         <script>setInterval(()=>fetch('alive?frames='+\
         document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames).catch(()=>{{}}),{});\
         addEventListener('pagehide',()=>navigator.sendBeacon('closed'))</script>",
        ALIVE_EVERY.as_millis()
    )
}

fn extension(name: &str) -> String {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let plain =
        !extension.is_empty() && extension.len() <= 8 && extension.bytes().all(|b| b.is_ascii_alphanumeric());
    if plain { format!(".{extension}") } else { String::new() }
}

fn text(kind: &'static str, bytes: Bytes) -> Response<Body> {
    let mut response = Response::new(Either::Left(Full::new(bytes)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn plain(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Either::Left(Full::new(Bytes::new())));
    *response.status_mut() = status;
    response
}

fn respond(site: &Site, request: &Request<Incoming>) -> Response<Body> {
    let Some(name) = request.uri().path().strip_prefix(&site.folder) else {
        return plain(StatusCode::NOT_FOUND);
    };
    // A page that is being closed can only POST.
    if !matches!(*request.method(), Method::GET | Method::HEAD) && name != "closed" {
        return plain(StatusCode::METHOD_NOT_ALLOWED);
    }
    let frames = request.uri().query().and_then(|query| query.strip_prefix("frames=")?.parse().ok());
    site.asked.send_modify(|asked| {
        *asked = Asked { at: Instant::now(), was_closed: name == "closed", frames: frames.or(asked.frames) };
    });
    match name {
        "" => {
            let page = page(&site.media, site.subtitles.is_some());
            text("text/html; charset=utf-8", page.into())
        }
        "alive" | "closed" => plain(StatusCode::NO_CONTENT),
        name if name == site.media => media(site, request),
        name @ (VTT | SRT) => match &site.subtitles {
            Some(both) if name == VTT => text("text/vtt; charset=utf-8", both.vtt.clone()),
            Some(both) => text("application/x-subrip", both.srt.clone()),
            None => plain(StatusCode::NOT_FOUND),
        },
        _ => plain(StatusCode::NOT_FOUND),
    }
}

fn media(site: &Site, request: &Request<Incoming>) -> Response<Body> {
    let (session, store) = (&site.session, &site.store);
    let asked = request.headers().get(RANGE).and_then(|value| value.to_str().ok());
    let (status, range) = match asked.map(|text| parse_range(text, store.size)) {
        None | Some(Wanted::Whole) => (StatusCode::OK, 0..store.size),
        Some(Wanted::Part(range)) => (StatusCode::PARTIAL_CONTENT, range),
        Some(Wanted::Nothing) => {
            let mut response = plain(StatusCode::RANGE_NOT_SATISFIABLE);
            response
                .headers_mut()
                .extend(format!("bytes */{}", store.size).parse().map(|value| (CONTENT_RANGE, value)));
            return response;
        }
    };
    let body = if request.method() == Method::HEAD {
        Either::Left(Full::new(Bytes::new()))
    } else {
        Either::Right(pieces(session, store, range.clone()))
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let mut fields = vec![
        (ACCEPT_RANGES, "bytes".to_owned()),
        (CONTENT_TYPE, media_type(&site.media).to_owned()),
        (CONTENT_LENGTH, (range.end - range.start).to_string()),
    ];
    if status == StatusCode::PARTIAL_CONTENT {
        fields.push((CONTENT_RANGE, format!("bytes {}-{}/{}", range.start, range.end - 1, store.size)));
    }
    response
        .headers_mut()
        .extend(fields.into_iter().filter_map(|(name, value)| value.parse().ok().map(|value| (name, value))));
    response
}

fn pieces(session: &Handle, store: &Arc<Store>, range: Range<u64>) -> Pieces {
    let (sender, pieces) = mpsc::channel(AHEAD);
    let (store, log) = (store.clone(), session.clone());
    session.spawn(async move {
        let mut at = range.start;
        while at < range.end {
            let piece = tokio::select! {
                () = sender.closed() => return,
                piece = store.read(at, range.end - at) => piece,
            };
            let piece = match piece {
                Ok(Some(piece)) => piece,
                Ok(None) => return,
                Err(failure) => return log.log("reader", failure.why),
            };
            at += piece.len() as u64;
            if sender.send(piece).await.is_err() {
                return;
            }
        }
    });
    Pieces { pieces }
}

#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Whole,
    Part(Range<u64>),
    Nothing,
}

/// Parses one range (RFC 9110, section 14.2); invalid or several ranges are answered with the whole file.
fn parse_range(text: &str, size: u64) -> Wanted {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|spec| spec.trim().split_once('-')) else {
        return Wanted::Whole;
    };
    match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), _) if first >= size => Wanted::Nothing,
        (Ok(first), Ok(last)) if last >= first => Wanted::Part(first..last.saturating_add(1).min(size)),
        (Ok(first), Err(_)) if last.is_empty() => Wanted::Part(first..size),
        (Err(_), Ok(count)) if first.is_empty() && count > 0 && size > 0 => {
            Wanted::Part(size.saturating_sub(count)..size)
        }
        (Err(_), Ok(_)) if first.is_empty() => Wanted::Nothing,
        _ => Wanted::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_follow_the_rfc() {
        for (text, expected) in [
            ("bytes=0-99", Wanted::Part(0..100)),
            ("bytes=500-", Wanted::Part(500..1000)),
            ("bytes=-200", Wanted::Part(800..1000)),
            ("bytes=-5000", Wanted::Part(0..1000)),
            ("bytes=900-5000", Wanted::Part(900..1000)),
            ("bytes=1000-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=5-1", Wanted::Whole),
            ("bytes=0-1,5-6", Wanted::Whole),
            ("items=0-1", Wanted::Whole),
            ("bytes=18446744073709551615-18446744073709551615", Wanted::Nothing),
        ] {
            assert_eq!(parse_range(text, 1000), expected, "{text}");
        }
    }

    #[test]
    fn row_78_nothing_of_a_foreign_name_but_a_plain_ending_reaches_the_player() {
        assert_eq!(extension("a.mp4"), ".mp4");
        for name in ["a", "--opt", "x.; rm -rf", "x.mp4/../../y z", "a.toolongending"] {
            assert_eq!(extension(name), "", "{name}");
        }
    }
}
