//! What every dialect does with files: open, list, receive. The rules are those of our own protocol: the same root, the
//! same names, new names only, the same quota.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::base::escape::escape_line;
use crate::base::quantity;
use crate::net::{Client, is_known_to_be_of_another_user, is_of_another_user};
use crate::report::Failure;
use crate::service::contract::conversation;
use crate::service::contract::errors::other_user;
use crate::service::files::listing::{Dress, Listing};
use crate::service::files::protocol::Entry;
use crate::service::files::root::{Source, look_of};
use crate::service::ftp::served::FileServer;
use crate::service::ftp::storage::upload::{Stored, Upload};
use crate::service::ftp::transfer::{MinimumRate, by_disk};
use crate::session::{ClientEntry, Handle};

/// The files of a server, for one client.
pub(crate) struct Store {
    pub(crate) server: Arc<FileServer>,
    pub(crate) session: Handle,
    pub(crate) client: ClientEntry,
    /// What a list tells besides names, sizes and times.
    pub(crate) dress: Dress,
}

/// What stands under a name.
pub(super) enum Found<T = Source> {
    File(T),
    /// A folder, and when its entries changed last, in nanoseconds since 1970.
    Folder {
        /// Its last change.
        modified: u64,
    },
}

impl Store {
    /// Why the client may not even read; `None` if it may (faults.md row 112).
    pub(super) fn objection(&self, client: Client) -> Option<Failure> {
        (!self.server.open && is_of_another_user(client)).then(other_user)
    }

    /// True if a data connection is not of the client's user. It may be over already, which is no objection.
    pub(super) fn is_of_a_stranger(&self, client: Client) -> bool {
        !self.server.open && is_known_to_be_of_another_user(client)
    }

    /// Why nobody may write; `None` if clients may.
    pub(super) fn objection_to_writing(&self) -> Option<Failure> {
        self.server.objection()
    }

    /// Opens what stands under the name, which is written with escapes as `ls` shows it; empty: the root.
    pub(super) async fn find(&self, name: &str) -> Result<Found, Failure> {
        self.find_and(name, |source| source).await
    }

    /// The same; what is to be done with a file first is done in the same visit to the disk.
    pub(super) async fn find_and<T: Send + 'static>(
        &self,
        name: &str,
        then: impl FnOnce(Source) -> T + Send + 'static,
    ) -> Result<Found<T>, Failure> {
        let (folder, wanted) = (self.server.folder.clone(), name.trim_end_matches('/').to_owned());
        let is_folder = name.is_empty() || name.ends_with('/');
        by_disk(&self.session, move || {
            // A folder cannot be opened as a file: then it is looked at as what it is.
            let opened = if is_folder { None } else { Some(folder.source(&wanted)) };
            if let Some(Ok(source)) = opened {
                return Ok(Found::File(then(source)));
            }
            match (folder.folder(&wanted), opened) {
                (Some(Ok(dir)), _) => Ok(Found::Folder { modified: look_of(&dir).0 }),
                (_, Some(Err(failure))) => Err(failure),
                _ => folder.source(&wanted).map(|source| Found::File(then(source))),
            }
        })
        .await?
    }

    /// Begins to list a folder.
    pub(super) async fn list(&self, folder: &str) -> Result<Listing, Failure> {
        Listing::open(&self.session, &self.server.folder, folder.trim_end_matches('/')).await?
    }

    /// The next entries of a list; empty at its end.
    pub(super) async fn next_entries(&self, listing: &mut Listing) -> Result<Vec<Entry>, Failure> {
        listing.next(&self.session, self.dress).await?
    }

    /// Begins to receive a file of this size, if it is known. A refusal that can be known comes here, before any data.
    pub(super) async fn receive(&self, name: &str, size: Option<u64>) -> Result<Receiving<'_>, Failure> {
        if let Some(failure) = self.objection_to_writing() {
            return Err(failure);
        }
        let (server, wanted) = (self.server.clone(), name.to_owned());
        let begin = move || Upload::begin(&server.folder, server.rules, &server.quota, &wanted, size);
        let upload = by_disk(&self.session, begin).await??;
        self.client.does(format!("sends {}", escape_line(name)));
        let pace = MinimumRate::new(Instant::now());
        Ok(Receiving { store: self, name: name.to_owned(), upload: Some(upload), size, bytes: 0, pace })
    }

    /// Reports a file that was sent.
    pub(super) fn report_sent(&self, name: &str, bytes: u64, taken: Duration) {
        let rate = quantity::show_rate(bytes as f64 / taken.as_secs_f64().max(1e-6));
        let (size, taken) = (quantity::show_size(bytes), quantity::show_duration(taken));
        let (client, name) = (&self.client, escape_line(name));
        self.session.inform("sent", format!("{client} got {name}: {size} in {taken}, {rate}"));
    }

    /// Notes a refusal in the log.
    pub(super) fn refused(&self, name: &str, failure: &Failure) {
        self.session.log("refused", format!("{} {}: {failure}", self.client, escape_line(name)));
    }

    /// Notes bytes that were sent, and waits until the server's rate allows more.
    pub(super) async fn sent(&self, bytes: u64) {
        conversation::sent(&self.session, bytes).await;
    }
}

/// A file that is being received.
pub(super) struct Receiving<'a> {
    store: &'a Store,
    name: String,
    /// `None` while the disk has it, and after a failure.
    upload: Option<Upload>,
    size: Option<u64>,
    bytes: u64,
    pace: MinimumRate,
}

impl Receiving<'_> {
    /// Takes the next bytes; after an error the file is gone. Waits for the disk and for the server's rate. A client that sends
    /// next to nothing is let go.
    pub(super) async fn write(&mut self, bytes: Bytes) -> Result<(), Failure> {
        let Some(mut upload) = self.upload.take() else { return Err(Failure::of_worker()) };
        let count = bytes.len() as u64;
        conversation::received(&self.store.session, count).await;
        self.pace.count(count, Instant::now(), self.store.session.rate_limit())?;
        let written = by_disk(&self.store.session, move || upload.write(&bytes).map(|()| upload)).await?;
        self.upload = Some(written?);
        self.bytes += count;
        self.store.client.progress(self.bytes, self.size.unwrap_or(0).max(self.bytes));
        Ok(())
    }

    /// All bytes came: the file gets its name, and is on the disk when this returns.
    pub(super) async fn finish(self) -> Result<Stored, Failure> {
        self.finish_if(|| true).await
    }

    /// The same, if it is wanted still when all of it is on the disk.
    pub(super) async fn finish_if(
        mut self,
        is_wanted: impl FnOnce() -> bool + Send + 'static,
    ) -> Result<Stored, Failure> {
        let Some(upload) = self.upload.take() else { return Err(Failure::of_worker()) };
        // A sync may take long: it runs outside the disk queue, so that it does not delay other transfers.
        let server = self.store.server.clone();
        let finish = move || {
            let (stored, look) = upload.finish(is_wanted)?;
            look.iter().for_each(|look| server.hashes.note(look, stored.hash));
            Ok::<_, Failure>(stored)
        };
        let stored = self.store.session.block(finish).await??;
        let (client, name) = (&self.store.client, escape_line(&self.name));
        let hash = &stored.hash.to_hex()[..16];
        let there = if stored.there { ", already there" } else { "" };
        let size = quantity::show_size(stored.bytes);
        self.store.session.inform("received", format!("{client} sent {name}: {size}{there}, blake3 {hash}…"));
        Ok(stored)
    }
}

impl Drop for Receiving<'_> {
    fn drop(&mut self) {
        self.store.client.waits();
    }
}
