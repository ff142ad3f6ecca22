//! WRQ: a new file comes in, from the socket to the disk.

use std::time::Instant;

use bytes::{Bytes, BytesMut};

use super::netascii::Decoder;
use super::options::{Bounds, WINDOW_BYTES, agree};
use super::packet::{Mode, Request, decode};
use super::write::Writing;
use crate::net::clock;
use crate::net::udp::peer_socket::{Heard, PeerSocket};
use crate::report::Failure;
use crate::service::ftp::dialects::store::{self, Store};
use crate::service::ftp::transfer::MinimumRate;

/// Bytes that are written at once, about.
const PIECE: u64 = 256 << 10;

/// A file that is being received.
struct Receiving<'a> {
    store: &'a Store,
    peer: &'a mut PeerSocket,
    name: &'a str,
    /// Bytes of the file, as far as the client says.
    declared: Option<u64>,
    writing: Writing,
    /// `None` until the peer has answered: a forged request makes no file (row 52).
    file: Option<store::Receiving<'a>>,
    /// For text.
    text: Option<Decoder>,
    /// Came, and was not written yet.
    pending: BytesMut,
    /// Bytes after which they are written.
    step: usize,
    pace: MinimumRate,
}

/// Receives the file. Returns what goes on to answer repeats of the last block.
pub(super) async fn receive(
    store: &Store,
    peer: &mut PeerSocket,
    request: &Request,
    name: &str,
) -> Result<Writing, Failure> {
    if let Some(failure) = store.objection_to_writing() {
        return Err(failure);
    }
    let declared = request.declared();
    let file = if peer.is_proven() { Some(store.receive(name, declared).await?) } else { None };
    peer.gather();
    let (payload, rate) = (peer.payload(), store.session.rate_limit());
    let holds = &|bytes| peer.holds(bytes);
    let agreed = agree(request, None, Bounds { payload, holds, window: WINDOW_BYTES, rate });
    let receiving = Receiving {
        store,
        name,
        declared,
        step: store.session.limit_step(PIECE, agreed.block as u64) as usize,
        writing: Writing::new(clock::now(), agreed, peer.asked()),
        peer,
        file,
        text: (request.mode == Mode::Netascii).then(Decoder::default),
        pending: BytesMut::new(),
        pace: MinimumRate::new(Instant::now()),
    };
    receiving.run().await
}

impl Receiving<'_> {
    async fn run(mut self) -> Result<Writing, Failure> {
        while !self.writing.has_ended() {
            say(self.peer, &mut self.writing).await?;
            if self.pending.len() >= self.step {
                self.write().await?;
            }
            self.hear().await?;
        }
        if let Some(text) = &mut self.text {
            let mut end = Vec::new();
            text.end(&mut end);
            self.pending.extend_from_slice(&end);
        }
        self.write().await?;
        let Some(file) = self.file.take() else { return Err(Failure::of_worker()) };
        file.finish().await?;
        self.writing.stored();
        say(self.peer, &mut self.writing).await?;
        Ok(self.writing)
    }

    /// Writes what came.
    async fn write(&mut self) -> Result<(), Failure> {
        if self.file.is_none() {
            self.file = Some(self.store.receive(self.name, self.declared).await?);
        }
        let Some(file) = &mut self.file else { return Err(Failure::of_worker()) };
        let bytes: Bytes = self.pending.split().freeze();
        if bytes.is_empty() { Ok(()) } else { file.write(bytes).await }
    }

    async fn hear(&mut self) -> Result<(), Failure> {
        let mut came = 0;
        match self.peer.next(self.writing.deadline()).await? {
            Heard::Datagram(datagram) => {
                if let Ok(packet) = decode(&datagram) {
                    let bytes = self.writing.handle(clock::now(), &packet)?;
                    came = bytes.unwrap_or_default().len();
                    self.keep(bytes.unwrap_or_default());
                }
            }
            Heard::Request(bytes) => self.writing.handle_request(bytes),
            Heard::Nothing => {}
        }
        // Also behind a packet: one that means nothing does not put off the end.
        self.writing.handle_timeout(clock::now())?;
        if self.writing.is_proven() {
            self.peer.prove();
            if self.file.is_none() {
                self.write().await?;
            }
        }
        self.pace.count(came as u64, Instant::now(), self.store.session.rate_limit())
    }

    fn keep(&mut self, bytes: &[u8]) {
        let Some(text) = &mut self.text else { return self.pending.extend_from_slice(bytes) };
        let mut lines = Vec::with_capacity(bytes.len());
        text.decode(bytes, &mut lines);
        self.pending.extend_from_slice(&lines);
    }
}

/// Sends the ACK that is due.
pub(super) async fn say(peer: &mut PeerSocket, writing: &mut Writing) -> Result<(), Failure> {
    match writing.poll(clock::now()) {
        Some(packet) => peer.send(std::iter::once(&packet[..])).await,
        None => Ok(()),
    }
}
