//! The stream server: reads chunks of random size and sends each as one datagram. What is lost is sent again by
//! the transport; where the viewer looks goes first.

use std::fs::File;
#[cfg(not(unix))]
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;

use super::chunker::Chunker;
use crate::base::escape::escape_line;
use crate::language::Arguments;
use crate::net::connection::malformed;
use crate::net::{Connection, Message as Wire, show};
use crate::report::Failure;
use crate::service::ftp::answer_list;
use crate::service::ftp::folder::{Folder, Source};
use crate::service::{Context, Job, Server};
use crate::session::{Guest, Handle};
use crate::wire::listing::LIST;
use crate::wire::stream::Message;
use crate::wire::{Code, Frame};

/// Read from the disk at once.
const READ: u64 = 256 << 10;
/// A viewer that asks for nothing is let go.
const IDLE_LIMIT: Duration = Duration::from_mins(1);
const PARTING_LIMIT: Duration = Duration::from_secs(1);

struct StreamServer {
    folder: Arc<Folder>,
    seed: u64,
    viewers: AtomicU64,
}

pub(super) fn make(_: &Handle, arguments: &Arguments, context: &Context) -> Result<Arc<dyn Server>, Failure> {
    Ok(Arc::new(StreamServer {
        folder: Arc::new(Folder::of_server(arguments, context)?),
        seed: context.seed,
        viewers: AtomicU64::new(0),
    }))
}

impl Server for StreamServer {
    fn serve(self: Arc<Self>, session: Handle, connection: Connection, client: Guest) -> Job<()> {
        Box::pin(async move { self.visit(session, connection, client).await })
    }

    fn describe(&self) -> String {
        format!("media of {}", self.folder.path.display())
    }
}

impl StreamServer {
    /// Serves a viewer; one that is sent away hears why.
    async fn visit(&self, session: Handle, mut connection: Connection, client: Guest) -> Result<(), Failure> {
        let result = self.answer(&session, &mut connection, &client).await;
        let failure = match &result {
            Err(failure) if !failure.told => Some(failure.clone()),
            Ok(()) if session.is_cancelled() => Some(Failure::new(Code::Cancelled, "the server was stopped")),
            _ => None,
        };
        if let Some(failure) = failure {
            let words = connection.outgoing.send_now(Frame::error(failure.code, &failure.why));
            drop(tokio::time::timeout(PARTING_LIMIT, words).await);
        }
        connection.outgoing.close(Code::Other, "").await;
        result
    }

    async fn answer(
        &self,
        session: &Handle,
        connection: &mut Connection,
        client: &Guest,
    ) -> Result<(), Failure> {
        loop {
            let message = tokio::select! {
                () = session.cancelled() => return Ok(()),
                message = tokio::time::timeout(IDLE_LIMIT, connection.incoming.next()) => message,
            };
            let frame = match message {
                Ok(Ok(Some(Wire::Frame(frame)))) => frame,
                Ok(Ok(None)) | Err(_) => return Ok(()),
                Ok(Ok(Some(Wire::Block { .. }))) => return Err(misplaced()),
                Ok(Err(failure)) => return Err(failure),
            };
            if frame.kind == LIST {
                answer_list(session, &self.folder, connection, &frame).await?;
                continue;
            }
            match Message::decode(&frame).map_err(malformed)? {
                Message::Open { name } => {
                    client.does(format!("watches {}", escape_line(&name)));
                    self.play(session, connection, &name).await?;
                    client.waits();
                }
                Message::Done | Message::Want { .. } => {}
                _ => return Err(misplaced()),
            }
        }
    }

    async fn play(&self, session: &Handle, connection: &mut Connection, name: &str) -> Result<(), Failure> {
        let (folder, wanted) = (self.folder.clone(), name.to_owned());
        let source = match session.block(move || folder.source(&wanted)).await? {
            Ok(source) => source,
            Err(failure) => {
                return connection.outgoing.send_now(Frame::error(failure.code, &failure.why)).await;
            }
        };
        let (viewer, client, name) = (
            self.viewers.fetch_add(1, Ordering::Relaxed),
            show(connection.peer),
            escape_line(name).into_owned(),
        );
        session.log("viewer", format!("{client} opens {name}, {} bytes", source.size));
        connection.outgoing.send_now(Message::Info { size: source.size }.encode()).await?;
        let chunker = Chunker::new(source.size, self.seed.wrapping_add(viewer));
        let mut showing = Showing { session, connection, chunker, source, buffer: Buffer::default() };
        let finished = tokio::select! {
            () = session.cancelled() => return Ok(()),
            finished = showing.run() => finished?,
        };
        let (chunks, size) = (showing.chunker.chunks(), showing.source.size);
        let mean = size.checked_div(chunks).unwrap_or(0);
        let how = if finished { "sent" } else { "closed by the viewer after" };
        session.log("viewer", format!("{client} {name}: {how} {chunks} chunks, {mean} bytes on average"));
        Ok(())
    }
}

fn misplaced() -> Failure {
    Failure::new(Code::Misbehaved, "the viewer sent a message that cannot stand here")
}

/// Row 2.
fn changed(offset: u64) -> Failure {
    Failure::new(Code::Changed, format!("the file changed while reading, at offset {offset}"))
}

/// A hash in the making; nobody wants it when this is dropped.
struct Hashing {
    task: tokio::task::JoinHandle<Result<blake3::Hash, Failure>>,
    wanted: Arc<AtomicBool>,
}

impl Drop for Hashing {
    fn drop(&mut self) {
        self.wanted.store(false, Ordering::Relaxed);
    }
}

/// The part of the file that was read last.
#[derive(Default)]
struct Buffer {
    start: u64,
    bytes: Bytes,
}

impl Buffer {
    fn slice(&self, range: &Range<u64>) -> Option<Bytes> {
        let (start, end) = (range.start.checked_sub(self.start)?, range.end.checked_sub(self.start)?);
        (end <= self.bytes.len() as u64).then(|| self.bytes.slice(start as usize..end as usize))
    }
}

/// One file for one viewer.
struct Showing<'a> {
    session: &'a Handle,
    connection: &'a mut Connection,
    chunker: Chunker,
    source: Source,
    buffer: Buffer,
}

impl Showing<'_> {
    /// True if all was sent, false if the viewer had enough.
    async fn run(&mut self) -> Result<bool, Failure> {
        let mut hashing = self.hash()?;
        while let Some(range) = self.chunker.next() {
            let bytes = self.read(&range).await?;
            self.session.count_out(bytes.len() as u64);
            self.connection.outgoing.send_blocks(range.start, bytes, usize::MAX).await?;
            loop {
                let message = tokio::select! {
                    biased;
                    message = self.connection.incoming.next() => message?,
                    () = std::future::ready(()) => break,
                };
                if self.has_enough(message)? {
                    return Ok(false);
                }
            }
        }
        let hash = (&mut hashing.task)
            .await
            .map_err(|_| Failure::new(Code::Internal, "the reader failed; this is an error in nls"))??;
        let end = Message::End {
            chunks: self.chunker.chunks(),
            resent: self.connection.outgoing.path().map_or(0, |path| path.retransmitted),
            hash: hash.into(),
        };
        self.connection.outgoing.send_now(end.encode()).await?;
        Ok(true)
    }

    /// What the viewer says while it is served.
    fn has_enough(&mut self, message: Option<Wire>) -> Result<bool, Failure> {
        let Some(message) = message else { return Ok(true) };
        let Wire::Frame(frame) = message else { return Err(misplaced()) };
        match Message::decode(&frame).map_err(malformed)? {
            Message::Want { offset } => self.chunker.seek(offset),
            Message::Done => return Ok(true),
            _ => return Err(misplaced()),
        }
        Ok(false)
    }

    /// The hash of the whole, meanwhile; it ends with the showing.
    fn hash(&self) -> Result<Hashing, Failure> {
        let (mut file, size) = (self.clone_file()?, self.source.size);
        let wanted = Arc::new(AtomicBool::new(true));
        let still = wanted.clone();
        let task = self.session.spawn_blocking(move || {
            let mut hasher = blake3::Hasher::new();
            let mut buffer = vec![0; READ as usize];
            let mut at = 0;
            // The handle shares its position with the one that is sent from: each read says where.
            while at < size && still.load(Ordering::Relaxed) {
                let most = (size - at).min(READ) as usize;
                match read_at(&mut file, at, &mut buffer[..most])
                    .map_err(|error| Failure::io(&error, "reading"))?
                {
                    0 => return Err(changed(at)),
                    n => {
                        hasher.update(&buffer[..n]);
                        at += n as u64;
                    }
                }
            }
            let now = file.metadata().map_err(|error| Failure::io(&error, "reading"))?;
            if now.len() == size { Ok(hasher.finalize()) } else { Err(changed(size.min(now.len()))) }
        });
        Ok(Hashing { task, wanted })
    }

    fn clone_file(&self) -> Result<File, Failure> {
        self.source.file.try_clone().map_err(|error| Failure::io(&error, "reading"))
    }

    async fn read(&mut self, range: &Range<u64>) -> Result<Bytes, Failure> {
        if let Some(bytes) = self.buffer.slice(range) {
            return Ok(bytes);
        }
        let (mut file, start, length) =
            (self.clone_file()?, range.start, READ.min(self.source.size - range.start));
        let bytes = self
            .session
            .block(move || {
                let mut bytes = vec![0; length as usize];
                let mut filled = 0;
                while filled < bytes.len() {
                    match read_at(&mut file, start + filled as u64, &mut bytes[filled..])? {
                        0 => break,
                        n => filled += n,
                    }
                }
                bytes.truncate(filled);
                Ok::<_, std::io::Error>(bytes)
            })
            .await?
            .map_err(|error| Failure::io(&error, "reading"))?;
        self.buffer = Buffer { start, bytes: bytes.into() };
        self.buffer.slice(range).ok_or_else(|| changed(start))
    }
}

#[cfg(unix)]
fn read_at(file: &mut File, at: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, at)
}

#[cfg(not(unix))]
fn read_at(file: &mut File, at: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
    file.seek(SeekFrom::Start(at))?;
    file.read(buffer)
}
