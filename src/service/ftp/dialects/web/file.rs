//! GET and HEAD of a file (RFC 9110, sections 13 and 14).

use std::ops::Range;
use std::time::Instant;

use bytes::Bytes;

use super::path;
use crate::base::escape::escape_line;
use crate::net::random;
use crate::report::Failure;
use crate::service::files::root::Source;
use crate::service::ftp::dialects::store::Store;
use crate::service::ftp::served::FileServer;
use crate::service::ftp::storage::hashes::known::KnownHashes;
use crate::service::ftp::transfer::MinimumRate;
use crate::service::http::{Exchange, page};
use crate::wire::http::ranges::{content_range, unsatisfied_range};
use crate::wire::http::{
    EntityTag, Method, Multipart, Precondition, ResponseHead, Status, Validators, Wanted, date, decide,
    disposition, media_type, range_holds, ranges,
};

/// A file of at most this many bytes is read whole, with its tags, in one visit to the disk.
const SMALL: u64 = 64 << 10;
/// Transfers of at least this many bytes are also reported.
const LARGE: u64 = 4 << 20;

/// A file and what must be known of it to answer.
pub(super) struct Opened {
    source: Source,
    tags: Vec<EntityTag>,
    /// All of its bytes, if they are few.
    bytes: Option<Bytes>,
}

impl Opened {
    /// A small file that the system has in memory; `None`: look for it on the disk. Never blocks.
    pub(super) fn in_memory(server: &FileServer, name: &str) -> Option<Self> {
        let (source, bytes) = server.folder.in_memory(name, SMALL)?;
        let tags = server.hashes.tags(&source);
        Some(Self { source, tags, bytes: Some(bytes) })
    }

    /// Looks at the file. Reads the disk.
    pub(super) fn new(source: Source, hashes: &KnownHashes) -> Self {
        let tags = hashes.tags(&source);
        let bytes = (source.size <= SMALL).then(|| read(&source)).flatten();
        Self { source, tags, bytes }
    }

    /// The fields that tell its state.
    fn head(&self, status: Status) -> ResponseHead {
        let head = page::guarded(ResponseHead::new(status))
            .with("Last-Modified", date::format(self.source.modified / 1_000_000_000))
            .with("Accept-Ranges", "bytes")
            // Who has it asks whether it is still so: files are replaced.
            .with("Cache-Control", "no-cache");
        match self.tags.first() {
            Some(tag) => head.with("ETag", tag.to_string()),
            None => head,
        }
    }
}

/// Answers with the file, or with the parts of it that are wanted.
pub(super) async fn send(
    store: &Store,
    exchange: &mut Exchange<'_>,
    name: &str,
    opened: Opened,
) -> Result<(), Failure> {
    let state = Validators { tags: &opened.tags, modified: opened.source.modified / 1_000_000_000 };
    match decide(exchange.head.method, &exchange.head.headers, &state) {
        Precondition::Proceed => {}
        Precondition::NotModified => return exchange.reply_head(opened.head(Status::NOT_MODIFIED)).await,
        Precondition::Failed => {
            return exchange.refuse(Status::PRECONDITION_FAILED, "the file is in another state").await;
        }
    }
    let asked = exchange.head.headers.get("range").filter(|_| range_holds(&exchange.head.headers, &state));
    let wanted = asked.map_or(Wanted::Whole, |asked| ranges(asked, opened.source.size));
    answer(store, exchange, name, &opened, wanted).await
}

async fn answer(
    store: &Store,
    exchange: &mut Exchange<'_>,
    name: &str,
    opened: &Opened,
    wanted: Wanted,
) -> Result<(), Failure> {
    let (source, kind) = (&opened.source, media_type(name));
    let head = |status| dressed(store, exchange, opened.head(status), name);
    match wanted {
        Wanted::Unsatisfiable => {
            let why = "the file is shorter";
            let (head, body) = page::message(Some(&exchange.head), Status::RANGE_NOT_SATISFIABLE, why);
            exchange.reply(head.with("Content-Range", unsatisfied_range(source.size)), body).await
        }
        Wanted::Whole => {
            let head = head(Status::OK).with("Content-Type", kind);
            match &opened.bytes {
                Some(bytes) => exchange.reply(head, bytes.clone()).await,
                None => part(store, exchange, (name, source), head, 0..source.size).await,
            }
        }
        Wanted::Parts(parts) if parts.len() == 1 => {
            let range = content_range(&parts[0], source.size);
            let head = head(Status::PARTIAL_CONTENT).with("Content-Type", kind).with("Content-Range", range);
            part(store, exchange, (name, source), head, parts[0].clone()).await
        }
        Wanted::Parts(parts) => {
            let head = head(Status::PARTIAL_CONTENT);
            several(store, exchange, (name, source), head, &parts).await
        }
    }
}

/// What of the file could run in a browser is kept in a box where strangers may have written it: it is not of this
/// site, and can change nothing here.
fn dressed(store: &Store, exchange: &Exchange<'_>, head: ResponseHead, name: &str) -> ResponseHead {
    let last = name.rsplit('/').next().unwrap_or(name);
    let kind = if exchange.head.target.query_has("download") { "attachment" } else { "inline" };
    let head = head.with("Content-Disposition", disposition(kind, &path::shown(last)));
    if store.objection_to_writing().is_some() || !is_active(media_type(name)) {
        return head;
    }
    head.with("Content-Security-Policy", "sandbox allow-scripts allow-popups allow-forms")
}

/// True for types that a browser runs.
fn is_active(kind: &str) -> bool {
    kind.contains("html") || kind.contains("xml") || kind.contains("svg")
}

/// One range, as the body.
async fn part(
    store: &Store,
    exchange: &mut Exchange<'_>,
    (name, source): (&str, &Source),
    head: ResponseHead,
    range: Range<u64>,
) -> Result<(), Failure> {
    let length = range.end - range.start;
    exchange.begin(head.length(length)).await?;
    if exchange.head.method == Method::Head {
        return Ok(());
    }
    let began = Instant::now();
    let mut pace = Pace::new(store, name, length);
    exchange.send_file(&source.file, range, |count| pace.count(count)).await?;
    if length >= LARGE {
        store.report_sent(name, length, began.elapsed());
    }
    store.client.waits();
    Ok(())
}

/// Several ranges in one body.
async fn several(
    store: &Store,
    exchange: &mut Exchange<'_>,
    (name, source): (&str, &Source),
    head: ResponseHead,
    parts: &[Range<u64>],
) -> Result<(), Failure> {
    let boundary = random::word::<12>();
    let body = Multipart { boundary: &boundary, media_type: media_type(name), size: source.size };
    let length = body.length(parts);
    exchange.begin(head.with("Content-Type", body.content_type()).length(length)).await?;
    if exchange.head.method == Method::Head {
        return Ok(());
    }
    let mut pace = Pace::new(store, name, length);
    for range in parts {
        exchange.send(&body.part_head(range).into()).await?;
        exchange.send_file(&source.file, range.clone(), |count| pace.count(count)).await?;
    }
    exchange.send(&body.end().into()).await?;
    store.client.waits();
    Ok(())
}

/// Shows how far a transfer is, and lets a client go that takes next to nothing (faults.md rows 40 and 63).
struct Pace<'a> {
    store: &'a Store,
    done: u64,
    total: u64,
    least: MinimumRate,
}

impl<'a> Pace<'a> {
    fn new(store: &'a Store, name: &str, total: u64) -> Self {
        store.client.does(format!("gets {}", escape_line(name)));
        Self { store, done: 0, total, least: MinimumRate::new(Instant::now()) }
    }

    fn count(&mut self, bytes: u64) -> Result<(), Failure> {
        self.done += bytes;
        self.store.client.progress(self.done, self.total);
        self.least.count(bytes, Instant::now(), self.store.session.rate_limit())
    }
}

fn read(source: &Source) -> Option<Bytes> {
    let mut bytes = vec![0; source.size as usize];
    std::os::unix::fs::FileExt::read_exact_at(&source.file, &mut bytes, 0).ok()?;
    Some(bytes.into())
}
