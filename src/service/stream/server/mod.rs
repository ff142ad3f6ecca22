//! The stream server: reads chunks of random size and sends each as one datagram. The transport retransmits what is
//! lost; what the viewer reads next is sent first.
//!
//! | file | holds |
//! |---|---|
//! | `viewer` | sends one film to one viewer |
//! | `chunker` | pure: the random sizes, and which parts were sent |
//! | `pacing` | pure: how fast a film is sent |
//! | `media_file` | a file that is read once for all its viewers |

pub(super) mod chunker;
mod media_file;
pub(super) mod pacing;
mod viewer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use self::media_file::{MediaFile, MediaFiles};
use self::viewer::{ViewerSession, Wish};
use super::CHUNK_OVERHEAD;
use super::protocol::Message;
use crate::base::escape::escape_line;
use crate::language::{Arguments, FromArguments};
use crate::net::errors::{malformed, unexpected};
use crate::net::{Connection, Message as Wire, is_of_another_user, show};
use crate::report::Failure;
use crate::service::contract::conversation::{next_message, part};
use crate::service::contract::errors::{dialect_unknown, other_user, server_stopped};
use crate::service::files::protocol::{Entry, EntryKind, LIST, MediaNote};
use crate::service::files::root::Folder;
use crate::service::files::root::RootOptions;
use crate::service::ftp::answer_list;
use crate::service::ftp::dialects::store::Store;
use crate::service::ftp::dialects::web;
use crate::service::ftp::served::FileServer;
use crate::service::listen::options::ListenOptions;
use crate::service::stream::container::on_disk::OnDisk;
use crate::service::{Context, ForeignClient, Job, Server};
use crate::session::{ClientEntry, Handle};
use crate::wire::Frame;
use crate::wire::dialect::Dialect;

/// A viewer that requests nothing for this long is disconnected.
const IDLE_LIMIT: Duration = Duration::from_mins(1);

/// Bytes that IP and UDP add to a datagram, for IPv6, which has the longer header.
const HEADERS: u64 = 48;

struct StreamServer {
    folder: Arc<Folder>,
    /// The same for players that do not have nls.
    web: Arc<FileServer>,
    films: Arc<MediaFiles>,
    seed: u64,
    /// Maximum bytes of a chunk, so that its packet fits `mtu`; `u64::MAX` without `mtu`.
    cap: u64,
    viewers: AtomicU64,
    /// On loopback, every user of this machine is served (faults.md row 112).
    open: bool,
}

/// What `listen … stream` takes besides what every service does.
struct ServerOptions {
    root: RootOptions,
    /// Bytes of a packet with its IP header; `None`: no limit.
    mtu: Option<u64>,
}

impl FromArguments for ServerOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        Self { root: RootOptions::from_arguments(arguments), mtu: arguments.number("mtu") }
    }
}

pub(super) fn make(
    _: &Handle,
    listen: &ListenOptions,
    arguments: &Arguments,
    context: &Context,
) -> Result<Arc<dyn Server>, Failure> {
    let ServerOptions { root, mtu } = ServerOptions::from_arguments(arguments);
    let cap = mtu.map_or(u64::MAX, |mtu| mtu - HEADERS - CHUNK_OVERHEAD as u64);
    let folder = Arc::new(root.open(&context.directory)?);
    let open = listen.open || listen.is_keyed();
    Ok(Arc::new(StreamServer {
        web: Arc::new(FileServer::of_films(folder.clone(), open)),
        folder,
        films: Arc::default(),
        seed: context.seed,
        cap,
        viewers: AtomicU64::new(0),
        open,
    }))
}

impl Server for StreamServer {
    fn serve(self: Arc<Self>, session: Handle, connection: Connection, client: ClientEntry) -> Job<()> {
        Box::pin(async move { self.visit(session, connection, client).await })
    }

    fn serve_foreign(self: Arc<Self>, session: Handle, client: ForeignClient, entry: ClientEntry) -> Job<()> {
        Box::pin(async move {
            match client {
                ForeignClient::Stream(Dialect::Http, stream) => {
                    let store = Store { server: self.web.clone(), session, client: entry, dress: with_media };
                    web::serve(store, stream).await
                }
                other => Err(dialect_unknown(other.dialect())),
            }
        })
    }

    fn is_private(&self) -> bool {
        !self.open
    }

    fn describe(&self) -> String {
        format!("media of {}", self.folder.path.display())
    }

    fn invitation(&self) -> &'static str {
        "ls udp {at}"
    }
}

impl StreamServer {
    /// Serves a viewer; if it is sent away, it is told why.
    async fn visit(
        &self,
        session: Handle,
        mut connection: Connection,
        client: ClientEntry,
    ) -> Result<(), Failure> {
        let result = self.converse(&session, &mut connection, &client).await;
        let stopped = session.cut_off().unwrap_or_else(server_stopped);
        let failure = result.as_ref().err().or(Some(&stopped).filter(|_| session.is_cancelled()));
        part(&mut connection, failure).await;
        result
    }

    async fn converse(
        &self,
        session: &Handle,
        connection: &mut Connection,
        client: &ClientEntry,
    ) -> Result<(), Failure> {
        if !self.open && is_of_another_user(connection.client()) {
            return Err(other_user());
        }
        while let Some(message) = next_message(session, connection, IDLE_LIMIT).await? {
            let Wire::Frame(frame) = message else { return Err(unexpected("the viewer")) };
            self.answer(session, connection, client, frame).await?;
        }
        Ok(())
    }

    async fn answer(
        &self,
        session: &Handle,
        connection: &mut Connection,
        client: &ClientEntry,
        frame: Frame,
    ) -> Result<(), Failure> {
        if frame.kind == LIST {
            return answer_list(session, &self.folder, connection, &frame, with_media).await;
        }
        match Message::decode(&frame).map_err(malformed)? {
            Message::Open { name, tempo, parity } => {
                client.does(format!("watches {}", escape_line(&name)));
                self.play(session, connection, &name, Wish { tempo, parity, cap: self.cap }).await?;
                client.waits();
                Ok(())
            }
            // They were in flight when the film ended.
            Message::Done | Message::Want { .. } | Message::Forgot { .. } => Ok(()),
            _ => Err(unexpected("the viewer")),
        }
    }

    async fn play(
        &self,
        session: &Handle,
        connection: &mut Connection,
        name: &str,
        wish: Wish,
    ) -> Result<(), Failure> {
        let film = match self.open(session, name).await? {
            Ok(film) => film,
            Err(failure) => {
                return connection.outgoing.send_now(Frame::error(failure.code, &failure.why)).await;
            }
        };
        let (viewer, client, name) = (
            self.viewers.fetch_add(1, Ordering::Relaxed),
            show(connection.peer),
            escape_line(name).into_owned(),
        );
        session.inform("viewer", format!("{client} opens {name}, {} bytes", film.size));
        let milliseconds = film.media.milliseconds();
        connection.outgoing.send_now(Message::Info { size: film.size, milliseconds }.encode()).await?;
        let mut showing = ViewerSession::new(session, connection, film, self.seed.wrapping_add(viewer), wish);
        let finished = tokio::select! {
            () = session.cancelled() => return Ok(()),
            finished = showing.run() => finished,
        };
        session.inform("viewer", format!("{client} {name}: {}", showing.account()));
        session.log("sizes", format!("{client} {name}: {}", showing.distribution()));
        finished
    }

    async fn open(&self, session: &Handle, name: &str) -> Result<Result<Arc<MediaFile>, Failure>, Failure> {
        let (folder, films, name) = (self.folder.clone(), self.films.clone(), name.to_owned());
        session.block(move || folder.source(&name).and_then(|source| films.open(source))).await
    }
}

/// Adds container, duration and title to the media files on a page of a listing.
fn with_media(folder: &Folder, path: &str, mut page: Vec<Entry>) -> Vec<Entry> {
    for entry in page.iter_mut().filter(|entry| entry.kind == EntryKind::File) {
        let name = if path.is_empty() { entry.name.clone() } else { format!("{path}/{}", entry.name) };
        let Ok(source) = folder.source(&name) else { continue };
        if let Some(media) = super::container::probe(&OnDisk(&source.file, source.size)) {
            entry.kind = EntryKind::Media(MediaNote {
                milliseconds: media.milliseconds(),
                container: media.container.into(),
                title: media.title.unwrap_or_default(),
            });
        }
    }
    page
}
