//! The address that a player reads: HTTP on loopback, with length and ranges, under a random token. A range that
//! has not come yet is asked from the stream server first, so every player starts at once with every container.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::{Frame, Incoming};
use hyper::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::store::Store;
use crate::report::Failure;
use crate::session::Handle;

/// Pieces that wait for a slow player.
const AHEAD: usize = 4;
/// Connections that a player may hold at once.
const CONNECTION_LIMIT: usize = 32;

type Body = Either<Full<Bytes>, Pieces>;

/// The pieces of a range, as they arrive.
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

/// Serves a store until the session ends; the address for the player.
pub(super) async fn serve(session: &Handle, store: Arc<Store>, name: &str) -> Result<String, Failure> {
    let failed = |error: std::io::Error| Failure::io(&error, "the player's address");
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let mut token = [0; 16];
    rand::TryRng::try_fill_bytes(&mut rand::rngs::SysRng, &mut token)
        .map_err(|_| Failure::new(crate::wire::Code::Internal, "no random bytes"))?;
    let token: String = token.iter().map(|byte| format!("{byte:02x}")).collect();
    // Only the ending of the foreign name is shown to the player: some judge by it.
    let path = format!("/{token}/media{}", extension(name));
    let url = format!("http://{address}{path}");
    let kept = session.clone();
    session.spawn(async move {
        let places = Arc::new(tokio::sync::Semaphore::new(CONNECTION_LIMIT));
        while let Ok(place) = places.clone().acquire_owned().await {
            let accepted = tokio::select! {
                () = kept.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else { continue };
            let (session, store, path) = (kept.clone(), store.clone(), path.clone());
            kept.spawn(async move {
                let answer = service_fn(|request| {
                    let response = respond(&session, &store, &path, &request);
                    async move { Ok::<_, Infallible>(response) }
                });
                // A player may leave whenever it likes.
                drop(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), answer)
                        .await,
                );
                drop(place);
            });
        }
    });
    Ok(url)
}

fn extension(name: &str) -> String {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let plain =
        !extension.is_empty() && extension.len() <= 8 && extension.bytes().all(|b| b.is_ascii_alphanumeric());
    if plain { format!(".{extension}") } else { String::new() }
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default().to_ascii_lowercase().as_str() {
        "mp4" | "m4v" => "video/mp4",
        "m4a" => "audio/mp4",
        "mov" => "video/quicktime",
        "webm" => "video/webm",
        "mkv" => "video/x-matroska",
        "ts" => "video/mp2t",
        "avi" => "video/x-msvideo",
        "flv" => "video/x-flv",
        "mp3" => "audio/mpeg",
        "ogg" | "ogv" | "oga" => "application/ogg",
        "wav" => "audio/wav",
        "flac" => "audio/flac",
        _ => "application/octet-stream",
    }
}

fn plain(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Either::Left(Full::new(Bytes::new())));
    *response.status_mut() = status;
    response
}

fn respond(session: &Handle, store: &Arc<Store>, path: &str, request: &Request<Incoming>) -> Response<Body> {
    if request.uri().path() != path {
        return plain(StatusCode::NOT_FOUND);
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return plain(StatusCode::METHOD_NOT_ALLOWED);
    }
    let asked = request.headers().get(RANGE).and_then(|value| value.to_str().ok());
    let (status, range) = match asked.map(|text| parse_range(text, store.size)) {
        None | Some(Asked::Whole) => (StatusCode::OK, 0..store.size),
        Some(Asked::Part(range)) => (StatusCode::PARTIAL_CONTENT, range),
        Some(Asked::Nothing) => {
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
        (CONTENT_TYPE, media_type(path).to_owned()),
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
    let store = store.clone();
    session.spawn(async move {
        let mut at = range.start;
        while at < range.end {
            let piece = tokio::select! {
                () = sender.closed() => return,
                piece = store.read(at, range.end - at) => piece,
            };
            let Ok(Some(piece)) = piece else { return };
            at += piece.len() as u64;
            if sender.send(piece).await.is_err() {
                return;
            }
        }
    });
    Pieces { pieces }
}

#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Whole,
    Part(Range<u64>),
    Nothing,
}

/// One range of RFC 9110, section 14.2; what cannot be read, and several ranges at once, are answered with the whole.
fn parse_range(text: &str, size: u64) -> Asked {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|spec| spec.trim().split_once('-')) else {
        return Asked::Whole;
    };
    match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), _) if first >= size => Asked::Nothing,
        (Ok(first), Ok(last)) if last >= first => Asked::Part(first..last.saturating_add(1).min(size)),
        (Ok(first), Err(_)) if last.is_empty() => Asked::Part(first..size),
        (Err(_), Ok(count)) if first.is_empty() && count > 0 && size > 0 => {
            Asked::Part(size.saturating_sub(count)..size)
        }
        (Err(_), Ok(_)) if first.is_empty() => Asked::Nothing,
        _ => Asked::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_follow_the_rfc() {
        for (text, expected) in [
            ("bytes=0-99", Asked::Part(0..100)),
            ("bytes=500-", Asked::Part(500..1000)),
            ("bytes=-200", Asked::Part(800..1000)),
            ("bytes=-5000", Asked::Part(0..1000)),
            ("bytes=900-5000", Asked::Part(900..1000)),
            ("bytes=1000-", Asked::Nothing),
            ("bytes=-0", Asked::Nothing),
            ("bytes=5-1", Asked::Whole),
            ("bytes=0-1,5-6", Asked::Whole),
            ("items=0-1", Asked::Whole),
            ("bytes=18446744073709551615-18446744073709551615", Asked::Nothing),
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
