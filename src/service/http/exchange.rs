//! One request and its answer.

use std::fs::File;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};

use super::{errors, page, refusal};
use crate::base::escape::escape_line;
use crate::net::accept::foreign::ForeignStream;
use crate::net::connection::permits::{ConnectionPermit, Door};
use crate::report::Failure;
use crate::service::contract::conversation::sent;
use crate::service::contract::errors::changed_while_reading;
use crate::session::Handle;
use crate::wire::http::chunked::{CHUNK_END, LAST_CHUNK, chunk_head};
use crate::wire::http::response::CONTINUE;
use crate::wire::http::{
    BodyLength, ChunkedDecoder, Decoded, HttpError, Method, RequestHead, ResponseHead, Status, Version, date,
};

/// A client may pause within a body for this long.
const BODY_PAUSE: Duration = Duration::from_secs(30);
/// Up to this many bytes of a body that nobody wanted are read, so that the connection can go on.
const LEFT_LIMIT: u64 = 256 << 10;
/// Bytes of a file that leave between two looks at the server's rate.
const STEP: u64 = 1 << 20;
/// The smallest piece under a rate limit.
const PIECE: u64 = 16 << 10;

/// One request and its answer.
pub(crate) struct Exchange<'a> {
    pub(crate) head: RequestHead,
    session: &'a Handle,
    stream: &'a mut ForeignStream,
    body: Body,
    /// Counted and logged.
    is_public: bool,
    /// The client sends the body when it is told to go on.
    waits_for_word: bool,
    answer: Answered,
}

/// How much of the body of the request is left.
enum Body {
    Exact(u64),
    Chunked(ChunkedDecoder),
    Read,
}

/// What of the answer has left.
#[derive(Default)]
struct Answered {
    /// `None`: nothing yet.
    status: Option<Status>,
    bytes: u64,
    is_chunked: bool,
    closes: bool,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(
        session: &'a Handle,
        stream: &'a mut ForeignStream,
        head: RequestHead,
        is_public: bool,
    ) -> Self {
        let body = match head.body() {
            BodyLength::Empty => Body::Read,
            BodyLength::Exact(length) => Body::Exact(length),
            BodyLength::Chunked => Body::Chunked(ChunkedDecoder::new()),
        };
        let waits_for_word = head.expects_continue();
        Self { head, session, stream, body, is_public, waits_for_word, answer: Answered::default() }
    }

    /// The client's address.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.stream.peer
    }

    /// True if the client came to an address of this machine that no other machine reaches.
    pub(crate) fn is_on_loopback(&self) -> bool {
        self.stream.local.ip().to_canonical().is_loopback()
    }

    /// Bytes of the body, if the client says it.
    pub(crate) fn declared(&self) -> Option<u64> {
        match self.head.body() {
            BodyLength::Empty => Some(0),
            BodyLength::Exact(length) => Some(length),
            BodyLength::Chunked => None,
        }
    }

    /// The next bytes of the body; `None` at its end. A client that waits for it is told to go on.
    ///
    /// # Errors
    /// The body is malformed, ends early, or does not go on.
    pub(crate) async fn read(&mut self) -> Result<Option<Bytes>, Failure> {
        if self.waits_for_word && self.answer.status.is_none() && self.stream.buffer.is_empty() {
            self.stream.write(CONTINUE).await?;
        }
        self.waits_for_word = false;
        loop {
            if let Some(piece) = self.take_buffered()? {
                return Ok((!piece.is_empty()).then_some(piece));
            }
            let read = tokio::time::timeout(BODY_PAUSE, self.stream.read()).await;
            if !read.unwrap_or_else(|_| Err(errors::body_stalled()))? {
                let missing = if let Body::Exact(left) = self.body { left } else { 1 };
                return Err(errors::body_ended_early(missing));
            }
        }
    }

    /// What the buffer has of the body: empty at its end, `None` if more must be read.
    fn take_buffered(&mut self) -> Result<Option<Bytes>, Failure> {
        let buffer = &mut self.stream.buffer;
        match &mut self.body {
            Body::Read => Ok(Some(Bytes::new())),
            Body::Exact(_) if buffer.is_empty() => Ok(None),
            Body::Exact(left) => {
                let count = (*left).min(buffer.len() as u64);
                *left -= count;
                if *left == 0 {
                    self.body = Body::Read;
                }
                Ok(Some(buffer.split_to(count as usize).freeze()))
            }
            Body::Chunked(decoder) => match decoder.decode(buffer).map_err(errors::malformed_body)? {
                Decoded::Data(bytes) => Ok(Some(bytes)),
                Decoded::NeedMore => Ok(None),
                Decoded::End => {
                    self.body = Body::Read;
                    Ok(Some(Bytes::new()))
                }
            },
        }
    }

    /// The whole body, which is small.
    ///
    /// # Errors
    /// As for [`Self::read`]; and if it has more than `limit` bytes.
    pub(crate) async fn read_all(&mut self, limit: usize) -> Result<Bytes, Failure> {
        let mut whole = BytesMut::new();
        while let Some(piece) = self.read().await? {
            if whole.len() + piece.len() > limit {
                return Err(errors::body_too_large(limit));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }

    /// Answers with these bytes.
    pub(crate) async fn reply(&mut self, head: ResponseHead, body: impl Into<Bytes>) -> Result<(), Failure> {
        let body = body.into();
        let head = self.encoded(head.length(body.len() as u64));
        if self.head.method == Method::Head {
            return self.stream.write(&head).await;
        }
        self.stream.write_both(&head, &body).await?;
        self.has_left(body.len() as u64).await;
        Ok(())
    }

    /// Answers without a body.
    pub(crate) async fn reply_head(&mut self, head: ResponseHead) -> Result<(), Failure> {
        let head = self.encoded(head);
        self.stream.write(&head).await
    }

    /// Answers why not.
    pub(crate) async fn refuse(&mut self, status: Status, why: &str) -> Result<(), Failure> {
        let (head, body) = page::message(Some(&self.head), status, why);
        self.reply(head, body).await
    }

    /// Answers OPTIONS with the methods that are known.
    pub(crate) async fn tell_methods(&mut self, methods: &'static str) -> Result<(), Failure> {
        let head = ResponseHead::new(Status::NO_CONTENT).with("Allow", methods);
        self.reply_head(page::guarded(head)).await
    }

    /// Refuses a method; `why` tells how it is done instead.
    pub(crate) async fn refuse_method(&mut self, methods: &'static str, why: &str) -> Result<(), Failure> {
        let (head, body) = page::message(Some(&self.head), Status::METHOD_NOT_ALLOWED, why);
        self.reply(head.with("Allow", methods), body).await
    }

    /// Answers with a failure.
    pub(crate) async fn fail(&mut self, failure: &Failure) -> Result<(), Failure> {
        self.refuse(refusal::status_of(failure), &failure.to_string()).await
    }

    /// Begins an answer whose body comes in pieces; [`Self::end`] ends it.
    pub(crate) async fn begin(&mut self, head: ResponseHead) -> Result<(), Failure> {
        self.answer.is_chunked = head.is_chunked(self.head.version);
        let head = self.encoded(head);
        self.stream.write(&head).await
    }

    /// Sends a piece of the body; nothing for HEAD.
    pub(crate) async fn send(&mut self, piece: &Bytes) -> Result<(), Failure> {
        if piece.is_empty() || self.head.method == Method::Head {
            return Ok(());
        }
        if self.answer.is_chunked {
            self.stream.write_both(chunk_head(piece.len()).as_bytes(), piece).await?;
            self.stream.write(CHUNK_END).await?;
        } else {
            self.stream.write(piece).await?;
        }
        self.has_left(piece.len() as u64).await;
        Ok(())
    }

    /// Sends a small piece of the body, which is not empty, at once and in one packet. Whoever sends it has a limit of its own: the rate of the
    /// server counts it, but is not waited for.
    pub(crate) async fn send_now(&mut self, piece: &str) -> Result<(), Failure> {
        let chunk = chunk_head(piece.len());
        let (before, after) =
            if self.answer.is_chunked { (chunk.as_bytes(), CHUNK_END) } else { (&[][..], &[][..]) };
        self.stream.write(&[before, piece.as_bytes(), after].concat()).await?;
        let bytes = piece.len() as u64;
        self.answer.bytes += bytes;
        if self.is_public {
            self.session.count_out(bytes);
            self.session.pace(bytes);
        }
        Ok(())
    }

    /// Sends a part of a file as it is.
    ///
    /// # Errors
    /// The client left or does not read; the file shrank.
    pub(crate) async fn send_file(
        &mut self,
        file: &File,
        part: Range<u64>,
        mut progress: impl FnMut(u64) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut at = part.start;
        let frames = self.answer.is_chunked && !part.is_empty();
        if frames {
            self.stream.write(chunk_head((part.end - part.start) as usize).as_bytes()).await?;
        }
        while at < part.end {
            let step = self.session.limit_step(STEP, PIECE).min(part.end - at);
            let count = self.stream.send_file(file, at, step).await? as u64;
            if count == 0 {
                return Err(changed_while_reading(at));
            }
            at += count;
            self.has_left(count).await;
            progress(count)?;
        }
        if frames { self.stream.write(CHUNK_END).await } else { Ok(()) }
    }

    /// Ends an answer in pieces.
    pub(crate) async fn end(&mut self) -> Result<(), Failure> {
        if self.answer.is_chunked && self.head.method != Method::Head {
            self.stream.write(LAST_CHUNK).await?;
        }
        Ok(())
    }

    /// Resolves when the client closes the connection during a long answer. Cancel-safe.
    pub(crate) async fn left(&mut self) {
        // What it sends is the next request: it has to wait.
        while matches!(self.stream.read_some(PIECE as usize).await, Ok(true)) {
            if self.stream.buffer.len() as u64 > LEFT_LIMIT {
                return;
            }
        }
    }

    /// Limits the bytes that wait in the system for the client, so that one that does not read is soon noticed.
    pub(crate) fn bound_buffer(&self, bytes: usize) {
        self.stream.bound_buffer(bytes);
    }

    /// A place among the clients for a visitor of a conversation.
    ///
    /// # Errors
    /// All are taken, or too many by the client's address.
    pub(crate) fn take_place(&self) -> Result<ConnectionPermit, Failure> {
        let entered = self.stream.door.as_deref().map(Door::enter);
        entered.unwrap_or_else(|| Ok(ConnectionPermit::elsewhere()))
    }

    async fn has_left(&mut self, bytes: u64) {
        self.answer.bytes += bytes;
        if self.is_public {
            sent(self.session, bytes).await;
        }
    }

    fn encoded(&mut self, head: ResponseHead) -> BytesMut {
        // A body that nobody read makes the end of the request unknown.
        let closes = !self.head.keeps_alive() || !self.can_go_on();
        let head = if closes { head.close(true) } else { head };
        self.answer.status = Some(head.status());
        self.answer.closes = head.closes(self.head.version);
        let mut out = BytesMut::with_capacity(512);
        head.encode(self.head.version, &now(), &mut out);
        out
    }

    /// True if what is left of the body is small enough to be read, and comes without being asked for.
    fn can_go_on(&self) -> bool {
        match self.body {
            Body::Read => true,
            Body::Exact(left) => left <= LEFT_LIMIT && !self.waits_for_word,
            Body::Chunked(_) => false,
        }
    }

    /// Notes the exchange in the log, and reads what is left of the body; false if the connection is to be closed.
    pub(super) async fn conclude(mut self) -> Result<bool, Failure> {
        if self.is_public {
            self.note();
        }
        if self.answer.closes || self.answer.status.is_none() {
            return Ok(false);
        }
        while self.read().await?.is_some() {}
        Ok(true)
    }

    fn note(&self) {
        let method = self.head.method.name();
        let target = escape_line(self.head.target.raw_path()).into_owned();
        let status = self.answer.status.map_or(0, Status::code);
        let (peer, bytes) = (crate::net::show(self.peer()), self.answer.bytes);
        self.session.log("http", format!("{peer} {method} {target}: {status}, {bytes} bytes"));
    }
}

/// Answers what is no request; the connection ends.
pub(super) async fn refuse_malformed(
    session: &Handle,
    stream: &mut ForeignStream,
    error: HttpError,
) -> Result<(), Failure> {
    let (head, body) = page::message(None, error.status, error.why);
    let mut out = BytesMut::new();
    head.length(body.len() as u64).close(true).encode(Version::Http11, &now(), &mut out);
    out.extend_from_slice(body.as_bytes());
    let (peer, status) = (crate::net::show(stream.peer), error.status.code());
    session.log("refused", format!("{peer}: {status}, {}", error.why));
    stream.write(&out).await
}

/// The date of an answer.
fn now() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    date::format(since.as_secs())
}
