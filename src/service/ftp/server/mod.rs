//! A file server: each client has its own task, so that a slow or dead client delays no other.
//!
//! | file | holds |
//! |---|---|
//! | `tree`, `tally` | tree transfers at the server, and their state |
//! | `batch` | small messages that are handled together |

mod batch;
mod tally;
pub(super) mod tree;

use crate::service::ftp::transfer::send::Outgoing;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio::time::error::Elapsed;

use self::tally::UploadState;
use super::dialects;
use super::errors;
use super::protocol::{Flags, Framing, Message};
use super::served::FileServer;
use super::storage::part::Intent;
use super::transfer::ending::answered;
use super::transfer::receive::{ReceiveOptions, receive_file};
use super::transfer::send::send_file;
use super::transfer::start::{Start, await_ready};
use super::transfer::told_rate::ToldRate;
use super::transfer::{Delivered, ProgressTarget, by_disk, in_lane, rate_limit};
use crate::base::escape::escape_line;
use crate::base::{Value, quantity};
use crate::language::Arguments;
use crate::net::errors::{as_frame, idle_client_replaced, malformed, told};
use crate::net::{Connection, GIVES_WAY_AFTER, Incoming, Message as Wire, is_of_another_user, take_turns};
use crate::report::Failure;
use crate::service::contract::errors::{other_user, server_stopped};
use crate::service::files::listing;
use crate::service::files::protocol::{LIST, WALK};
use crate::service::files::root::{Source, look_of};
use crate::service::listen::options::ListenOptions;
use crate::service::{Context, ForeignClient, Job, Server};
use crate::session::{ClientEntry, Handle, RateLimiter};
use crate::wire::frame::ERROR;
use crate::wire::{Code, Frame};

/// A client without a request for this long is disconnected.
const IDLE_LIMIT: Duration = Duration::from_mins(1);
/// Pending small files are synced and get their names when no message comes for this long.
const SETTLE_AFTER: Duration = Duration::from_secs(1);
/// How long a client may take to read why it is disconnected.
const PARTING_LIMIT: Duration = Duration::from_secs(2);
/// The same while the server stops, which has little time for all of them.
const STOPPING_LIMIT: Duration = Duration::from_millis(500);
/// Transfers of at least this many bytes are also reported when they begin …
const LARGE: u64 = 4 << 20;
/// … and others when they have lasted for this long.
const LASTS: Duration = Duration::from_millis(300);

pub(super) fn make(
    session: &Handle,
    listen: &ListenOptions,
    arguments: &Arguments,
    context: &Context,
) -> Result<Arc<dyn Server>, Failure> {
    FileServer::new(session, listen, arguments, context).map(|server| Arc::new(server) as Arc<dyn Server>)
}

impl Server for FileServer {
    fn serve(self: Arc<Self>, session: Handle, connection: Connection, client: ClientEntry) -> Job<()> {
        let (tally, read_ahead, asked) = (UploadState::default(), None, RateLimiter::default());
        let visit = ServerConnection { server: self, session, connection, client, tally, read_ahead, asked };
        Box::pin(Box::new(visit).run())
    }

    fn serve_foreign(self: Arc<Self>, session: Handle, client: ForeignClient, entry: ClientEntry) -> Job<()> {
        dialects::serve(self, session, client, entry)
    }

    fn is_private(&self) -> bool {
        !self.open
    }

    fn describe(&self) -> String {
        let access = if self.takes_nothing() { ", read-only" } else { "" };
        format!("files of {}{access}", self.folder.path.display())
    }

    fn invitation(&self) -> &'static str {
        if self.takes_nothing() { "ls {place}" } else { "send FILE to {place}" }
    }
}

/// The connection of one client, from its first request to its last.
pub(super) struct ServerConnection {
    pub(super) server: Arc<FileServer>,
    pub(super) session: Handle,
    pub(super) connection: Connection,
    pub(super) client: ClientEntry,
    pub(super) tally: UploadState,
    /// A message that was read while a batch of other kinds was gathered.
    pub(super) read_ahead: Option<Came>,
    /// The rate that the client asked for, with RATE.
    pub(super) asked: RateLimiter,
}

/// A transfer, reported as one that begins if it is large or lasts.
async fn announced<T>(session: &Handle, words: String, size: u64, work: impl Future<Output = T>) -> T {
    let mut work = Box::pin(work);
    if size < LARGE
        && let Ok(done) = tokio::time::timeout(LASTS, &mut work).await
    {
        return done;
    }
    session.inform("begins", words);
    work.await
}

/// What came of a client; `None` if it closed the connection.
type Came = Result<Option<Wire>, Failure>;

/// The next message: one that was read ahead, or a new one.
async fn next(ahead: Option<Came>, incoming: &mut Incoming) -> Came {
    match ahead {
        Some(message) => message,
        None => incoming.next().await,
    }
}

/// The request in what came within the time limit; `None` if the client closed the connection.
fn request_in(came: Result<Came, Elapsed>) -> Result<Option<Frame>, Failure> {
    match came {
        Ok(Ok(Some(Wire::Frame(frame)))) => Ok(Some(frame)),
        Ok(Ok(Some(Wire::Block { .. }))) => Err(errors::block_instead_of_request()),
        Ok(Ok(None)) => Ok(None),
        Ok(Err(failure)) => Err(failure),
        Err(_) => Err(errors::client_idle(IDLE_LIMIT)),
    }
}

impl ServerConnection {
    /// Boxed: a future has room for what it is called with twice.
    async fn run(mut self: Box<Self>) -> Result<(), Failure> {
        if !self.server.open && is_of_another_user(self.connection.client()) {
            return self.part(other_user()).await;
        }
        loop {
            let ahead = self.read_ahead.take();
            let pending = self.has_pending();
            let patience = if pending { SETTLE_AFTER } else { IDLE_LIMIT };
            let request = match self.wait(ahead, patience).await {
                Ok(request) => request,
                Err(failure) => return self.part(failure).await,
            };
            if request.is_err() && pending {
                self.settle_and_say().await?;
                continue;
            }
            let frame = match request_in(request) {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(failure) => return self.part(failure).await,
            };
            take_turns(frame.body.len() as u64).await;
            // Boxed, like the future of `part`: an idle client needs little memory.
            let (visit, answered) = Box::pin(self.answer(frame)).await?;
            *self = visit;
            self.client.waits();
            if let Err(mut failure) = answered {
                if failure.code == Code::Cancelled && self.session.is_cancelled() {
                    failure.why = format!("the server was {}", failure.why);
                    failure = self.session.cut_off().unwrap_or(failure);
                }
                return self.part(failure).await;
            }
        }
        self.settle().await;
        self.connection.outgoing.close(Code::Other, "").await;
        Ok(())
    }

    /// The next message, within `patience`.
    ///
    /// # Errors
    /// The server stops, or another client has got the place of this idle one.
    async fn wait(
        &mut self,
        ahead: Option<Came>,
        patience: Duration,
    ) -> Result<Result<Came, Elapsed>, Failure> {
        let Connection { incoming, place, .. } = &mut self.connection;
        tokio::select! {
            biased;
            () = self.session.cancelled() => Err(self.session.cut_off().unwrap_or_else(server_stopped)),
            message = tokio::time::timeout(patience, next(ahead, incoming)) => Ok(message),
            () = place.given_away(Instant::now() + GIVES_WAY_AFTER) => Err(idle_client_replaced()),
        }
    }

    /// Sends the reason and waits until the client has read it: closing a socket with unread bytes resets the
    /// connection, and the reason would be lost.
    fn part(mut self, failure: Failure) -> Job<()> {
        Box::pin(async move {
            self.settle().await;
            let words = async {
                let heard = failure.told
                    || self
                        .connection
                        .outgoing
                        .send_now(Frame::error(failure.code, &failure.why))
                        .await
                        .is_ok();
                if heard {
                    self.connection.outgoing.close(Code::Other, "").await;
                    drop(self.connection.incoming.discard().await);
                }
            };
            let limit = if self.session.is_cancelled() { STOPPING_LIMIT } else { PARTING_LIMIT };
            if tokio::time::timeout(limit, words).await.is_err() {
                self.connection.outgoing.close_at_once(&failure);
            }
            Err(failure)
        })
    }

    /// Answers one request. An inner `Err` ends the connection; a refusal is an answer. Ends soon after the session
    /// does.
    async fn answer(mut self, frame: Frame) -> Result<(Self, Result<(), Failure>), Failure> {
        let session = self.session.clone();
        let request = match Message::decode(&frame) {
            // The client does not want what it has been told of.
            _ if frame.kind == ERROR => return Ok((self, Err(told(&frame)))),
            _ if frame.kind == LIST => {
                let answered = session.unless_cancelled(self.list(&frame)).await;
                return Ok((self, answered));
            }
            _ if frame.kind == WALK => {
                let answered = session.unless_cancelled(Box::pin(self.walk(&frame))).await;
                return Ok((self, answered));
            }
            Ok(request) => request,
            Err(error) => return Ok((self, Err(malformed(error)))),
        };
        match request {
            Message::Put { shape, flags: Flags { replace, fast }, mode, size, modified, name } => {
                let intent = Intent { replace, fast, mode, ..Intent::new(size, modified) };
                self.client.does(format!("sends {}", escape_line(&name)));
                let work = Box::pin(async move {
                    let answered = self.put(shape, name, intent).await;
                    (self, answered)
                });
                in_lane(&session, size, work).await
            }
            Message::Get { shape, fresh, name } => self.answer_get(shape, fresh, name).await,
            Message::Rate { limit } => {
                self.asked.set(limit);
                Ok((self, Ok(())))
            }
            other => {
                self.client.does("moves small files");
                let answered = session.unless_cancelled(Box::pin(self.small(other))).await;
                Ok((self, answered))
            }
        }
    }

    async fn list(&mut self, frame: &Frame) -> Result<(), Failure> {
        let (session, folder) = (&self.session, &self.server.folder);
        listing::answer(session, folder, &mut self.connection, frame, |_, _, page| page).await
    }

    /// Answers GET, in a lane if the file is large.
    async fn answer_get(
        mut self,
        shape: Framing,
        fresh: bool,
        name: String,
    ) -> Result<(Self, Result<(), Failure>), Failure> {
        let source = match self.source(&name).await {
            Ok(Some(source)) => source,
            Ok(None) => return Ok((self, Ok(()))),
            Err(failure) => return Ok((self, Err(failure))),
        };
        let (session, size) = (self.session.clone(), source.size);
        self.client.does(format!("gets {}", escape_line(&name)));
        let work = Box::pin(async move {
            let session = self.session.clone();
            let answered = session.unless_cancelled(self.get(shape, fresh, name, source)).await;
            // One that was ended midway had no time for it; there is a reason to be sent.
            self.connection.share();
            (self, answered)
        });
        in_lane(&session, size, work).await
    }

    /// Handles a message of a tree transfer.
    async fn small(&mut self, message: Message) -> Result<(), Failure> {
        match message {
            Message::Folder { .. } | Message::Small { .. } | Message::Link { .. } | Message::Offer { .. } => {
                self.keep(message).await
            }
            Message::Tree { bytes, name } => self.tree(bytes, &name).await,
            Message::Fetch { .. } => self.fetch(message).await,
            Message::Sync => self.sync().await,
            _ => Err(errors::not_a_request()),
        }
    }

    pub(super) async fn refuse(&mut self, name: &str, failure: &Failure) -> Result<(), Failure> {
        self.log_refusal(name, failure);
        self.connection.outgoing.send_now(as_frame(failure)).await
    }

    fn log_refusal(&self, name: &str, failure: &Failure) {
        self.session.log("refused", format!("{} {}: {failure}", self.client, escape_line(name)));
    }

    async fn put(&mut self, shape: Framing, name: String, intent: Intent) -> Result<(), Failure> {
        if let Some(failure) = self.server.objection() {
            return self.refuse(&name, &failure).await;
        }
        let (folder, wanted) = (self.server.folder.clone(), name.clone());
        let rules = self.server.rules;
        // From here on the file claims its own space.
        self.tally.space.used(intent.size);
        let mut begun = match by_disk(&self.session, move || folder.begin(&wanted, intent, rules)).await? {
            Ok(begun) => begun,
            Err(failure) => return self.refuse(&name, &failure).await,
        };
        if let Err(failure) = begun.reserve(&self.server.quota) {
            drop(by_disk(&self.session, move || begun.give_up()).await);
            return self.refuse(&name, &failure).await;
        }
        let words = self.begins("sends", &name, intent.size);
        // A client that sends a tree is one sender, whatever it sends of it now.
        let in_tree = self.tally.told.take();
        let is_in_tree = in_tree.is_some();
        let told_rate = in_tree.unwrap_or_else(|| ToldRate::shared(&self.server.senders));
        let watched =
            ProgressTarget { name: &name, before: 0, total: intent.size, guest: Some(&self.client) };
        let (watched, others_follow) = (Some(watched), true);
        let manner =
            ReceiveOptions { shape, fresh: false, limited: false, told_rate, watched, others_follow };
        let work = receive_file(&self.session, &mut self.connection, begun, intent, manner);
        let received = announced(&self.session, words, intent.size, work).await;
        self.tally.told = is_in_tree.then(|| ToldRate::shared(&self.server.senders));
        self.log_result("received", &name, received?);
        Ok(())
    }

    /// Opens the requested file; `None` if it was refused or is a folder, and the client was told so.
    async fn source(&mut self, name: &str) -> Result<Option<Source>, Failure> {
        let (folder, wanted) = (self.server.folder.clone(), name.to_owned());
        let open = move || match folder.source(&wanted) {
            Ok(source) => Ok(Ok(source)),
            Err(failure) => match folder.folder(&wanted) {
                Some(Ok(dir)) if !wanted.is_empty() => {
                    let (modified, mode) = look_of(&dir);
                    Ok(Err(Message::Folder { mode, modified, path: wanted }))
                }
                _ => Err(failure),
            },
        };
        match by_disk(&self.session, open).await? {
            Ok(Ok(source)) => Ok(Some(source)),
            Ok(Err(folder)) => self.connection.outgoing.send_now(folder.encode()).await.map(|()| None),
            Err(failure) => self.refuse(name, &failure).await.map(|()| None),
        }
    }

    async fn get(
        &mut self,
        shape: Framing,
        fresh: bool,
        name: String,
        source: Source,
    ) -> Result<(), Failure> {
        let (mode, size, modified) = (source.mode, source.size, source.modified);
        let limited = rate_limit(&self.session, &self.asked).is_some();
        self.connection.outgoing.send_now(Message::File { limited, mode, size, modified }.encode()).await?;
        let start =
            if fresh { Ok(Start::Fresh) } else { await_ready(&mut self.connection, size, &self.asked).await };
        match answered(start, &self.connection)? {
            Ok(start) => {
                let words = self.begins("gets", &name, size);
                let watched =
                    ProgressTarget { name: &name, before: 0, total: size, guest: Some(&self.client) };
                let (watched, asked, others_follow) = (Some(watched), &self.asked, true);
                let outgoing = Outgoing { source, shape, start, watched, asked, others_follow };
                let work = send_file(&self.session, &mut self.connection, outgoing);
                let sent = announced(&self.session, words, size, work).await?;
                self.log_result("sent", &name, sent);
            }
            // The client declines the file, which is a valid answer: the connection goes on.
            Err(failure) => self.log_refusal(&name, &failure),
        }
        Ok(())
    }

    fn log_result(&self, kind: &'static str, name: &str, result: Result<Delivered, Failure>) {
        match result {
            Ok(delivered) => self.log(kind, name, &delivered),
            Err(failure) => self.log_refusal(name, &failure),
        }
    }

    fn log(&self, kind: &'static str, name: &str, delivered: &Delivered) {
        self.session.set("kernel_drops", Value::count(delivered.kernel_drops));
        let travelled = delivered.bytes.saturating_sub(delivered.resumed);
        let rate = travelled as f64 / delivered.elapsed.as_secs_f64().max(1e-6);
        let did = if kind == "sent" { "got" } else { "sent" };
        self.session.inform(
            kind,
            format!(
                "{} {did} {}: {} bytes in {}, {}, blake3 {}…",
                self.client,
                escape_line(name),
                delivered.bytes,
                quantity::show_duration(delivered.elapsed),
                quantity::show_rate(rate),
                &delivered.hash.to_hex()[..16]
            ),
        );
    }

    /// What is said of a transfer that begins.
    fn begins(&self, does: &str, name: &str, size: u64) -> String {
        format!("{} {does} {}: {}", self.client, escape_line(name), quantity::show_size(size))
    }
}
