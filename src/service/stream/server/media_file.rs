//! A file that is streamed: read once for all its viewers, hashed once.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use tokio::sync::watch;

use crate::report::Failure;
use crate::service::contract::errors::changed_while_reading;
use crate::service::files::root::Source;
use crate::service::stream::container::on_disk::OnDisk;
use crate::service::stream::container::{Media, ReadAt as _, omission_before, probe};
use crate::session::Handle;

/// Bytes read from the disk at once, and shared by the viewers.
const BLOCK: u64 = 64 << 10;
/// Maximum blocks kept for other viewers, for each film: 8 MiB.
const KEPT_LIMIT: usize = 128;

/// A file and its state: device, inode, size, time of modification.
type Key = (u64, u64, u64, u64);

/// The films that are being watched now.
#[derive(Debug, Default)]
pub(crate) struct MediaFiles(Mutex<HashMap<Key, Weak<MediaFile>>>);

impl MediaFiles {
    /// The film of this file, shared with others who watch it. Blocks: call it on a blocking thread.
    pub(crate) fn open(&self, source: Source) -> Result<Arc<MediaFile>, Failure> {
        let metadata = source.file.metadata().map_err(|error| Failure::io(&error, "reading"))?;
        let key = (metadata.dev(), metadata.ino(), source.size, source.modified);
        let mut films = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        films.retain(|_, film| film.strong_count() > 0);
        if let Some(film) = films.get(&key).and_then(Weak::upgrade) {
            return Ok(film);
        }
        let media = probe(&OnDisk(&source.file, source.size)).unwrap_or_default();
        let film = Arc::new(MediaFile {
            file: source.file,
            size: source.size,
            media,
            kept: Mutex::default(),
            hash: watch::Sender::new(Hashing::Nobody),
        });
        films.insert(key, Arc::downgrade(&film));
        Ok(film)
    }
}

/// One file and what is known of it.
#[derive(Debug)]
pub(crate) struct MediaFile {
    file: File,
    pub(crate) size: u64,
    pub(crate) media: Media,
    kept: Mutex<VecDeque<(u64, Bytes)>>,
    hash: watch::Sender<Hashing>,
}

#[derive(Clone, Debug)]
enum Hashing {
    Nobody,
    Running,
    Done(Result<blake3::Hash, Failure>),
}

impl MediaFile {
    /// The bytes of one chunk.
    pub(crate) async fn read(
        self: &Arc<Self>,
        session: &Handle,
        range: &Range<u64>,
    ) -> Result<Bytes, Failure> {
        let first = self.block(session, range.start / BLOCK).await?;
        let at = (range.start % BLOCK) as usize;
        let length = (range.end - range.start) as usize;
        if let Some(bytes) = first.get(at..at + length) {
            return Ok(first.slice_ref(bytes));
        }
        let second = self.block(session, range.end / BLOCK).await?;
        let front = first.get(at..).unwrap_or_default();
        let back = second
            .get(..length.saturating_sub(front.len()))
            .ok_or_else(|| changed_while_reading(range.start))?;
        let bytes: Bytes = [front, back].concat().into();
        if bytes.len() == length { Ok(bytes) } else { Err(changed_while_reading(range.start)) }
    }

    /// The range that may be left out from `from`, if possible to `to`, as [`omission_before`] finds it.
    pub(crate) async fn omission(
        self: &Arc<Self>,
        session: &Handle,
        from: u64,
        to: u64,
    ) -> Result<Option<Range<u64>>, Failure> {
        let film = self.clone();
        let look = move || omission_before(&OnDisk(&film.file, film.size), film.media.container, from, to);
        session.block(look).await
    }

    async fn block(self: &Arc<Self>, session: &Handle, number: u64) -> Result<Bytes, Failure> {
        if let Some(block) = self.recent(number) {
            return Ok(block);
        }
        let film = self.clone();
        session.block(move || film.load(number)).await?
    }

    fn recent(&self, number: u64) -> Option<Bytes> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().rev().find(|(kept, _)| *kept == number).map(|(_, block)| block.clone())
    }

    fn load(&self, number: u64) -> Result<Bytes, Failure> {
        let start = number * BLOCK;
        let mut bytes = vec![0; BLOCK.min(self.size.saturating_sub(start)) as usize];
        let length = bytes.len();
        if OnDisk(&self.file, self.size).read_at(start, &mut bytes) < length {
            // The file was truncated meanwhile (faults.md row 2).
            return Err(changed_while_reading(start));
        }
        let block = Bytes::from(bytes);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT_LIMIT {
            kept.pop_front();
        }
        kept.push_back((number, block.clone()));
        Ok(block)
    }

    /// The hash of the whole file. The first caller starts the hashing, in the background while the film is being sent;
    /// it stops when nobody watches the film any more.
    pub(crate) fn hash(self: &Arc<Self>, session: &Handle) -> HashOf {
        let begins = self.hash.send_if_modified(|state| {
            let begins = matches!(state, Hashing::Nobody);
            if begins {
                *state = Hashing::Running;
            }
            begins
        });
        if begins {
            let film = Arc::downgrade(self);
            drop(session.spawn_blocking(move || hash(&film)));
        }
        HashOf(self.hash.subscribe())
    }
}

/// A hash that is being computed.
pub(crate) struct HashOf(watch::Receiver<Hashing>);

impl HashOf {
    pub(crate) async fn wait(&mut self) -> Result<blake3::Hash, Failure> {
        let done = self.0.wait_for(|state| matches!(state, Hashing::Done(_))).await;
        match done.as_deref() {
            Ok(Hashing::Done(result)) => result.clone(),
            _ => Err(Failure::of_worker()),
        }
    }
}

fn hash(film: &Weak<MediaFile>) {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 4 * BLOCK as usize];
    let mut at = 0;
    // Upgraded for one read at a time: a longer hold would keep the film alive without a viewer.
    while let Some(film) = film.upgrade() {
        if at == film.size {
            let now = film.file.metadata().map_or(0, |metadata| metadata.len());
            let result = if now == film.size {
                Ok(hasher.finalize())
            } else {
                Err(changed_while_reading(film.size.min(now)))
            };
            film.hash.send_replace(Hashing::Done(result));
            return;
        }
        let most = (film.size - at).min(buffer.len() as u64) as usize;
        let length = OnDisk(&film.file, film.size).read_at(at, &mut buffer[..most]);
        if length < most {
            film.hash.send_replace(Hashing::Done(Err(changed_while_reading(at + length as u64))));
            return;
        }
        hasher.update(&buffer[..length]);
        at += length as u64;
    }
}
