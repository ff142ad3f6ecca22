//! A folder as a tar archive: everything below it, as it is walked, without a copy of it anywhere. What cannot be read
//! is named in a file at the end of the archive.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};

use super::archive::{self, Kind};
use super::path;
use crate::base::escape::escape_line;
use crate::report::Failure;
use crate::service::files::name::raw;
use crate::service::files::protocol::Entry;
use crate::service::files::walk::{Step, Wanted, walk};
use crate::service::ftp::dialects::store::{Found, Store};
use crate::service::ftp::errors;
use crate::service::ftp::transfer::MinimumRate;
use crate::service::http::{Exchange, page};
use crate::wire::http::{Method, ResponseHead, Status, disposition};

/// Steps of the walk that may wait for the client.
const AHEAD: usize = 2;
/// Archives at once: each holds a thread, and the names of a folder, while its client reads.
static ARCHIVES: Semaphore = Semaphore::const_new(8);
/// How long another one waits for its turn.
const TURN_LIMIT: Duration = Duration::from_secs(10);
/// The name of the file with what could not be read.
const LEFT_OUT: &str = "nls-left-out.txt";
/// Most bytes of that file.
const LEFT_OUT_LIMIT: usize = 1 << 20;

/// Answers with the archive of the folder.
pub(super) async fn send(store: &Store, exchange: &mut Exchange<'_>, name: &str) -> Result<(), Failure> {
    let last = name.rsplit('/').next().filter(|last| !last.is_empty()).unwrap_or("files");
    let head = page::guarded(ResponseHead::new(Status::OK))
        .with("Content-Type", "application/x-tar")
        .with("Content-Disposition", disposition("attachment", &format!("{}.tar", path::shown(last))))
        .chunked();
    if exchange.head.method == Method::Head {
        return exchange.reply_head(head).await;
    }
    let Ok(_turn) = tokio::time::timeout(TURN_LIMIT, ARCHIVES.acquire()).await else {
        return exchange.fail(&errors::too_many_archives()).await;
    };
    exchange.begin(head).await?;
    store.client.does(format!("gets {} as tar", escape_line(last)));
    let least = MinimumRate::new(Instant::now());
    let mut archive = Archive { store, base: name, below: last, left_out: String::new(), least };
    archive.fill(exchange).await?;
    store.client.waits();
    exchange.send(&Bytes::from_static(&archive::END)).await?;
    exchange.end().await
}

struct Archive<'a> {
    store: &'a Store,
    /// The folder at the server.
    base: &'a str,
    /// Its name in the archive.
    below: &'a str,
    /// What could not be read, a line for each.
    left_out: String,
    /// Lets a client go that takes next to nothing (faults.md rows 40 and 63).
    least: MinimumRate,
}

impl Archive<'_> {
    async fn fill(&mut self, exchange: &mut Exchange<'_>) -> Result<(), Failure> {
        let (steps, mut walked) = mpsc::channel(AHEAD);
        let (folder, base) = (self.store.server.folder.clone(), self.base.to_owned());
        let wanted = Wanted { hidden: folder.shows_hidden(), links: false };
        let walking = self.store.session.spawn_blocking(move || {
            let out = |step| steps.blocking_send(step).is_ok();
            walk(&folder, &base, wanted, out, || !steps.is_closed())
        });
        while let Some(step) = walked.recv().await {
            match step {
                Step::Page(entries) => {
                    for entry in &entries {
                        self.add(exchange, entry).await?;
                    }
                }
                Step::Lost(path, failure) => self.leave_out(&path, &failure),
            }
        }
        if let Err(failure) = walking.await.flatten() {
            self.leave_out(self.base, &failure);
        }
        if !self.left_out.is_empty() {
            let text = Bytes::from(std::mem::take(&mut self.left_out));
            exchange.send(&self.headers(LEFT_OUT, Kind::File, 0o644, text.len() as u64, 0)).await?;
            exchange.send(&text).await?;
            exchange.send(&zeros(text.len() as u64)).await?;
        }
        Ok(())
    }

    async fn add(&mut self, exchange: &mut Exchange<'_>, entry: &Entry) -> Result<(), Failure> {
        let seconds = entry.modified / 1_000_000_000;
        if entry.is_folder() {
            return exchange.send(&self.headers(&entry.name, Kind::Folder, entry.mode, 0, seconds)).await;
        }
        let path =
            if self.base.is_empty() { entry.name.clone() } else { format!("{}/{}", self.base, entry.name) };
        let source = match self.store.find(&path).await {
            Ok(Found::File(source)) => source,
            Ok(Found::Folder { .. }) => return Ok(()),
            Err(failure) => {
                self.leave_out(&entry.name, &failure);
                return Ok(());
            }
        };
        exchange.send(&self.headers(&entry.name, Kind::File, source.mode, source.size, seconds)).await?;
        let (store, least) = (self.store, &mut self.least);
        let count = |bytes| least.count(bytes, Instant::now(), store.session.rate_limit());
        exchange.send_file(&source.file, 0..source.size, count).await?;
        exchange.send(&zeros(source.size)).await
    }

    fn headers(&self, name: &str, kind: Kind, mode: u16, size: u64, seconds: u64) -> Bytes {
        let name = format!("{}/{name}", self.below);
        let bytes = raw(&name).map_or_else(|| name.into_bytes(), std::os::unix::ffi::OsStringExt::into_vec);
        archive::headers(&bytes, kind, mode, size, seconds).into()
    }

    fn leave_out(&mut self, path: &str, failure: &Failure) {
        self.store.refused(path, failure);
        if self.left_out.len() < LEFT_OUT_LIMIT {
            self.left_out += &format!("{}: {failure}\n", escape_line(path));
        }
    }
}

fn zeros(size: u64) -> Bytes {
    Bytes::from_static(&archive::END[..archive::BLOCK]).slice(..archive::padding(size))
}
