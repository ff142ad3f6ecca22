//! The HTTP server that a player reads from: on loopback, with length and ranges, under a random token. A range that
//! has not arrived yet is requested from the stream server first, so every player starts at once with every container.
//! It also has a page for browsers.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::watch;

use crate::net;
use crate::report::Failure;
use crate::service::files::subtitles::Subtitles;
use crate::service::http::{Answer, Exchange, Site, local, page};
use crate::service::stream::client::store::Store;
use crate::service::stream::errors;
use crate::session::Handle;
use crate::wire::http::ranges::{content_range, unsatisfied_range};
use crate::wire::http::{Method, ResponseHead, Status, Wanted, media_type, ranges};

/// How often the page reports that it is still open.
const ALIVE_EVERY: Duration = Duration::from_secs(2);
/// How long to wait after the page reported that it was closed: a reload reports that, too.
const RELOAD_LIMIT: Duration = Duration::from_secs(3);

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
struct Film {
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
    let token = net::random::word::<16>();
    let (asked, seen) = watch::channel(Asked { at: Instant::now(), was_closed: false, frames: None });
    let site = Arc::new(Film {
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
    session.spawn(local::serve_user(session.clone(), listener, "player", move || Visit(site.clone())));
    Ok(Address { url, page, subtitles, asked: seen })
}

/// One connection of a player.
struct Visit(Arc<Film>);

impl Site for Visit {
    fn is_public(&self) -> bool {
        false
    }

    fn answer<'a>(&'a mut self, exchange: &'a mut Exchange<'_>) -> Answer<'a> {
        Box::pin(respond(&self.0, exchange))
    }
}

/// Names of the subtitles in their two formats.
const VTT: &str = "subtitles.vtt";
const SRT: &str = "subtitles.srt";

/// The page for browsers. It requests `alive` while it is open, so that its closing is noticed.
fn player_page(media: &str, has_subtitles: bool) -> String {
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

async fn text(exchange: &mut Exchange<'_>, kind: &'static str, bytes: Bytes) -> Result<(), Failure> {
    exchange.reply(page::guarded(ResponseHead::new(Status::OK)).with("Content-Type", kind), bytes).await
}

async fn plain(exchange: &mut Exchange<'_>, status: Status) -> Result<(), Failure> {
    exchange.reply(page::guarded(ResponseHead::new(status)), "").await
}

async fn respond(site: &Film, exchange: &mut Exchange<'_>) -> Result<(), Failure> {
    let head = &exchange.head;
    let Some(name) = head.target.raw_path().strip_prefix(&site.folder).map(str::to_owned) else {
        return plain(exchange, Status::NOT_FOUND).await;
    };
    // A page that is being closed can only POST.
    if !head.method.is_reading() && name != "closed" {
        return plain(exchange, Status::METHOD_NOT_ALLOWED).await;
    }
    let frames = head.target.query_value("frames").and_then(|frames| frames.parse().ok());
    site.asked.send_modify(|asked| {
        *asked = Asked { at: Instant::now(), was_closed: name == "closed", frames: frames.or(asked.frames) };
    });
    match &*name {
        "" => {
            let page = player_page(&site.media, site.subtitles.is_some());
            text(exchange, "text/html; charset=utf-8", page.into()).await
        }
        "alive" | "closed" => exchange.reply_head(ResponseHead::new(Status::NO_CONTENT)).await,
        name if name == site.media => media(site, exchange).await,
        name @ (VTT | SRT) => match &site.subtitles {
            Some(both) if name == VTT => text(exchange, "text/vtt; charset=utf-8", both.vtt.clone()).await,
            Some(both) => text(exchange, "application/x-subrip", both.srt.clone()).await,
            None => plain(exchange, Status::NOT_FOUND).await,
        },
        _ => plain(exchange, Status::NOT_FOUND).await,
    }
}

async fn media(site: &Film, exchange: &mut Exchange<'_>) -> Result<(), Failure> {
    let size = site.store.size;
    let head = |status| {
        page::guarded(ResponseHead::new(status))
            .with("Accept-Ranges", "bytes")
            .with("Content-Type", media_type(&site.media))
    };
    let asked = exchange.head.headers.get("range");
    let (head, range) = match asked.map_or(Wanted::Whole, |asked| ranges(asked, size)) {
        Wanted::Parts(parts) if parts.len() == 1 => {
            let range = parts[0].clone();
            (head(Status::PARTIAL_CONTENT).with("Content-Range", content_range(&range, size)), range)
        }
        // Several parts are answered with the whole: no player asks for them.
        Wanted::Whole | Wanted::Parts(_) => (head(Status::OK), 0..size),
        Wanted::Unsatisfiable => {
            let head = ResponseHead::new(Status::RANGE_NOT_SATISFIABLE);
            return exchange.reply(head.with("Content-Range", unsatisfied_range(size)), "").await;
        }
    };
    exchange.begin(head.length(range.end - range.start)).await?;
    if exchange.head.method == Method::Head { Ok(()) } else { pieces(site, exchange, range).await }
}

/// Sends a range as it arrives.
async fn pieces(site: &Film, exchange: &mut Exchange<'_>, range: Range<u64>) -> Result<(), Failure> {
    let mut at = range.start;
    while at < range.end {
        let piece = tokio::select! {
            // A player that jumps closes the connection: nothing more is fetched for it.
            () = exchange.left() => return Err(errors::player_left()),
            piece = site.store.read(at, range.end - at) => piece,
        };
        match piece {
            Ok(Some(piece)) => {
                at += piece.len() as u64;
                exchange.send(&piece).await?;
            }
            Ok(None) => return Err(errors::player_left()),
            Err(failure) => {
                site.session.log("reader", failure.why.clone());
                return Err(failure);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_78_nothing_of_a_foreign_name_but_a_plain_ending_reaches_the_player() {
        assert_eq!(extension("a.mp4"), ".mp4");
        for name in ["a", "--opt", "x.; rm -rf", "x.mp4/../../y z", "a.toolongending"] {
            assert_eq!(extension(name), "", "{name}");
        }
    }
}
