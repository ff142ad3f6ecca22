//! RRQ: the file goes out, from the disk to the socket.

use std::time::Instant;

use super::errors;
use super::feed::Feed;
use super::options::{Bounds, WINDOW_BYTES, agree};
use super::packet::{HEADER, Mode, Request, decode};
use super::read::Reading;
use crate::base::escape::escape_line;
use crate::net::clock;
use crate::net::udp::peer_socket::{Heard, PeerSocket};
use crate::report::Failure;
use crate::service::ftp::budgets::WINDOWS;
use crate::service::ftp::dialects::store::{Found, Store};
use crate::service::ftp::transfer::{MinimumRate, by_disk};

/// What each client gets of [`WINDOWS`]: one block of the largest size.
const WINDOW_LEAST: usize = 64 << 10;

/// A file that is being sent.
struct Sending<'a> {
    store: &'a Store,
    peer: &'a mut PeerSocket,
    reading: Reading,
    /// `None` while the disk has it, and when all was read.
    feed: Option<Feed>,
    /// Bytes of the file.
    size: u64,
    pace: MinimumRate,
}

/// Sends the file.
pub(super) async fn send(
    store: &Store,
    peer: &mut PeerSocket,
    request: &Request,
    name: &str,
) -> Result<(), Failure> {
    let source = match store.find(name).await? {
        Found::File(source) => source,
        Found::Folder { .. } => return Err(errors::no_folders(name)),
    };
    // What the client can hold is its own affair: it asks for a window.
    let (payload, rate) = (peer.payload(), store.session.rate_limit());
    let held = WINDOWS.take_some(WINDOW_LEAST, WINDOW_BYTES);
    let bounds = Bounds { payload, holds: &|_| usize::MAX, window: held.bytes(), rate };
    let size = source.size;
    let agreed = agree(request, (request.mode == Mode::Octet).then_some(size), bounds);
    store.client.does(format!("gets {}", escape_line(name)));
    let began = clock::now();
    let sending = Sending {
        store,
        reading: Reading::new(began, agreed, peer.asked()),
        peer,
        feed: Some(Feed::new(source, held.bytes(), request.mode)),
        size,
        pace: MinimumRate::new(Instant::now()),
    };
    sending.run().await?;
    store.report_sent(name, size, clock::now().since(began));
    store.client.waits();
    Ok(())
}

impl Sending<'_> {
    async fn run(mut self) -> Result<(), Failure> {
        while !self.reading.is_done() {
            while self.reading.wants() && self.feed.is_some() {
                self.read().await?;
            }
            if let Some((packets, size)) = self.reading.poll() {
                let bytes = packets.len() - packets.len().div_ceil(size) * HEADER;
                self.peer.send(packets.chunks(size)).await?;
                self.store.sent(bytes as u64).await;
                self.reading.left(clock::now());
            }
            self.hear().await?;
        }
        Ok(())
    }

    /// The next bytes of the file.
    async fn read(&mut self) -> Result<(), Failure> {
        let Some(mut feed) = self.feed.take() else { return Err(Failure::of_worker()) };
        let (feed, read) = by_disk(&self.store.session, move || {
            let read = feed.next();
            (feed, read)
        })
        .await?;
        let (bytes, is_last) = read?;
        self.reading.feed(&bytes);
        if is_last {
            self.reading.end();
        } else {
            self.feed = Some(feed);
        }
        Ok(())
    }

    async fn hear(&mut self) -> Result<(), Failure> {
        let before = self.reading.taken();
        match self.peer.next(self.reading.deadline()).await? {
            Heard::Datagram(datagram) => {
                if let Ok(packet) = decode(&datagram) {
                    self.reading.handle(clock::now(), &packet)?;
                }
            }
            Heard::Request(bytes) => self.reading.handle_request(bytes),
            Heard::Nothing => {}
        }
        // Also behind a packet: one that means nothing does not put off the end.
        self.reading.handle_timeout(clock::now())?;
        if self.reading.is_proven() {
            self.peer.prove();
        }
        let taken = self.reading.taken();
        self.store.client.progress(taken.min(self.size), self.size);
        self.pace.count(taken - before, Instant::now(), self.store.session.rate_limit())
    }
}
