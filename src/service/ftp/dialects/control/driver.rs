//! The conversation: one command after another, and what may come while data moves.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::answers;
use super::command::{Command, Family};
use super::data::{Passive, host_and_port};
use super::errors;
use super::line_reader::{Line, LineReader};
use super::reply::{About, GREETING, Reply};
use super::session::Session;
use super::transfers::{Course, Listed, Retrieval, receive};
use crate::base::escape::escape_line;
use crate::net::GIVES_WAY_AFTER;
use crate::net::accept::foreign::ForeignStream;
use crate::net::connection::permits::ConnectionPermit;
use crate::net::errors::idle_client_replaced;
use crate::report::Failure;
use crate::service::contract::errors::server_stopped;
use crate::service::ftp::dialects::store::Store;
use crate::wire::Code;

/// A client without a command for this long is disconnected, unless data moves.
const IDLE_LIMIT: Duration = Duration::from_mins(1);

/// Serves one client, from its first command to its last.
pub(in crate::service::ftp::dialects) async fn converse(
    store: Store,
    mut stream: ForeignStream,
) -> Result<(), Failure> {
    let (client, is_greeted) = (stream.client(), !stream.greeted.is_empty());
    let place = std::mem::replace(&mut stream.place, ConnectionPermit::elsewhere());
    let (control, session) = (LineReader::new(stream), Session::default());
    let mut visit = Visit { control, store: Arc::new(store), session, passive: None, place };
    if let Some(failure) = visit.store.objection(client) {
        visit.part(&Reply::new(421, failure.to_string())).await;
        return Err(failure);
    }
    if !is_greeted {
        visit.control.stream.write(GREETING.as_bytes()).await?;
    }
    visit.run().await
}

/// The conversation with one client.
struct Visit {
    control: LineReader,
    store: Arc<Store>,
    session: Session,
    /// The port of the next data connection.
    passive: Option<Passive>,
    /// Its share of the client limit.
    place: ConnectionPermit,
}

impl Visit {
    async fn run(mut self) -> Result<(), Failure> {
        let server = self.store.session.clone();
        loop {
            let line = tokio::select! {
                biased;
                () = server.cancelled() => {
                    self.part(&Reply::new(421, server_stopped().to_string())).await;
                    return Ok(());
                }
                line = tokio::time::timeout(IDLE_LIMIT, self.control.next()) => line,
                () = self.place.given_away(Instant::now() + GIVES_WAY_AFTER) => {
                    self.part(&Reply::new(421, idle_client_replaced().to_string())).await;
                    return Err(idle_client_replaced());
                }
            };
            match line {
                Ok(Ok(Some(Ok(Command::Quit)))) => {
                    self.part(&Reply::new(221, "goodbye")).await;
                    return Ok(());
                }
                // Boxed: an idle client needs little memory.
                Ok(Ok(Some(line))) => {
                    if let Err(failure) = Box::pin(self.obey(line)).await {
                        return self.break_off(failure).await;
                    }
                }
                Ok(Ok(None)) => return Ok(()),
                Ok(Err(failure)) => return self.break_off(failure).await,
                Err(_) => {
                    let text = format!("idle for {} s", IDLE_LIMIT.as_secs());
                    self.store.session.log("client", format!("{} was {text}", self.store.client));
                    self.part(&Reply::new(421, text)).await;
                    return Ok(());
                }
            }
        }
    }

    /// The connection broke, or what comes cannot be understood; then the client is told.
    async fn break_off(self, failure: Failure) -> Result<(), Failure> {
        if failure.code == Code::Limit {
            self.part(&Reply::new(500, failure.why.clone())).await;
        }
        Err(failure)
    }

    /// Sends the last words, and waits a moment until the client has read them.
    async fn part(self, words: &Reply) {
        let mut control = self.control;
        if control.say(words).await.is_ok() {
            control.stream.close().await;
        }
    }

    async fn obey(&mut self, line: Line) -> Result<(), Failure> {
        let command = match line {
            Ok(command) => command,
            Err(reply) => return self.control.say(&reply).await,
        };
        if let Some(reply) = self.session.answer(&command) {
            return self.control.say(&reply).await;
        }
        let reply = match command {
            Command::Retr(name) => return self.retrieve(&name).await,
            Command::Stor(name) => return self.store(&name).await,
            Command::List(form, path) => {
                let listed = Listed::find(&self.store, &self.session, form, &path).await;
                return self.list(listed).await;
            }
            Command::Pasv => self.open_port(None),
            Command::Epsv(family) => self.open_port(Some(family)),
            Command::Abor => {
                self.passive = None;
                Reply::new(226, "there is no transfer")
            }
            other => answers::answer(&self.store, &mut self.session, other).await,
        };
        self.control.say(&reply).await
    }

    /// PASV, or EPSV for a family. The address is the one that the client knows this server by.
    fn open_port(&mut self, extended: Option<Family>) -> Reply {
        // One port for each client: the one before is closed first.
        self.passive = None;
        let own = self.control.stream.local;
        let is_v4 = host_and_port(own).is_some();
        let fits = match extended {
            None => is_v4,
            Some(Family::V4) => is_v4,
            Some(Family::V6) => !is_v4,
            Some(Family::Same | Family::All) => true,
        };
        match (fits, extended) {
            (false, None) => return Reply::new(425, "PASV is for IPv4: use EPSV"),
            (false, Some(_)) => {
                let able = if is_v4 { 1 } else { 2 };
                return Reply::new(522, format!("this connection has the network protocol ({able})"));
            }
            (true, _) => {}
        }
        let passive = match Passive::open(&self.control.stream) {
            Ok(passive) => passive,
            Err(failure) => return Reply::of(&failure, About::Transfer),
        };
        let (address, port) = (host_and_port(passive.address()), passive.address().port());
        self.passive = Some(passive);
        match address.filter(|_| extended.is_none()) {
            Some(address) => Reply::new(227, format!("Entering Passive Mode ({address}).")),
            None => Reply::new(229, format!("Entering Extended Passive Mode (|||{port}|)")),
        }
    }

    /// The port for a transfer that begins; `None` if there is none, and the client was told so.
    async fn take_port(&mut self) -> Result<Option<Passive>, Failure> {
        let passive = self.passive.take();
        if passive.is_none() {
            self.control
                .say(&Reply::new(425, "there is no port for the data: send PASV or EPSV first"))
                .await?;
        }
        Ok(passive)
    }

    async fn retrieve(&mut self, name: &[u8]) -> Result<(), Failure> {
        let offset = self.session.take_offset();
        let Some(passive) = self.take_port().await? else { return Ok(()) };
        let retrieval = match Retrieval::begin(&self.store, &self.session, name, offset).await {
            Ok(retrieval) => retrieval,
            Err(reply) => return self.control.say(&reply).await,
        };
        let (begins, course) = (retrieval.begins(), retrieval.course.clone());
        let stop = self.stop();
        self.attend(&begins, &course, &stop, retrieval.run(passive, stop.clone())).await
    }

    async fn store(&mut self, name: &[u8]) -> Result<(), Failure> {
        let Some(passive) = self.take_port().await? else { return Ok(()) };
        let name = self.session.folder.resolve(name).name();
        let store = self.store.clone();
        let receiving = match store.receive(&name, None).await {
            Ok(receiving) => receiving,
            Err(failure) => {
                store.refused(&name, &failure);
                return self.control.say(&Reply::of(&failure, About::Writing)).await;
            }
        };
        let has_left = match self.control.stream.watch_end() {
            Ok(has_left) => has_left,
            Err(error) => {
                let reply = Reply::of(&errors::data_port_failed(&error), About::Writing);
                return self.control.say(&reply).await;
            }
        };
        let (course, stop) = (Course::new(&name, None), self.stop());
        let begins = Reply::new(150, "send the file");
        // Boxed: the state of its hash is in it.
        let (kind, ends) = (self.session.kind, (&stop, has_left));
        let work = Box::pin(receive(receiving, kind, passive.accept(&store), &course, ends));
        self.attend(&begins, &course, &stop, work).await
    }

    async fn list(&mut self, listed: Result<Listed, Reply>) -> Result<(), Failure> {
        // An offset in a list means nothing, and must not wait for a later transfer.
        self.session.take_offset();
        let Some(passive) = self.take_port().await? else { return Ok(()) };
        let listed = match listed {
            Ok(listed) => listed,
            Err(reply) => return self.control.say(&reply).await,
        };
        let (store, stop, course) = (self.store.clone(), self.stop(), Course::new("list", None));
        let work = listed.run(&store, passive, &stop);
        self.attend(&Reply::new(150, "here is the list"), &course, &stop, work).await
    }

    /// What ends a transfer: ABOR, the end of the control connection, the end of the server.
    fn stop(&self) -> CancellationToken {
        self.store.session.token().child_token()
    }

    /// Announces a transfer, runs it, and tells how it ended.
    async fn attend(
        &mut self,
        begins: &Reply,
        course: &Course,
        stop: &CancellationToken,
        work: impl Future<Output = Result<Reply, Failure>>,
    ) -> Result<(), Failure> {
        self.control.say(begins).await?;
        let (ended, heard) = self.watch(course, stop, work).await;
        if let Err(failure) = &ended {
            self.note(&course.name, failure);
            if self.store.session.is_cancelled() {
                // The next words are that the server stops.
                return Ok(());
            }
        }
        if let Heard::End(end) = heard {
            return end;
        }
        let reply = ended.unwrap_or_else(|failure| Reply::of(&failure, About::Transfer));
        self.control.say(&reply).await?;
        if matches!(heard, Heard::Abort) {
            self.control.say(&Reply::new(226, "aborted")).await?;
        }
        Ok(())
    }

    /// Runs a transfer. Meanwhile ABOR and STAT are heard; a client that leaves ends its transfer (RFC 959, section 3.2).
    async fn watch(
        &mut self,
        course: &Course,
        stop: &CancellationToken,
        work: impl Future<Output = Result<Reply, Failure>>,
    ) -> (Result<Reply, Failure>, Heard) {
        let (mut work, mut heard) = (std::pin::pin!(work), Heard::Nothing);
        loop {
            tokio::select! {
                biased;
                ended = &mut work => return (ended, heard),
                urgent = self.control.next_urgent(), if matches!(heard, Heard::Nothing) => {
                    heard = match urgent {
                        Ok(Some(Command::Abor)) => Heard::Abort,
                        Ok(Some(_)) => match self.control.say(&course.status()).await {
                            Ok(()) => continue,
                            Err(failure) => Heard::End(Err(failure)),
                        },
                        Ok(None) => Heard::End(Ok(())),
                        Err(failure) => Heard::End(Err(failure)),
                    };
                    stop.cancel();
                },
            }
        }
    }

    /// Notes why a transfer did not succeed: what was refused only in the log.
    fn note(&self, name: &str, failure: &Failure) {
        match failure.code {
            Code::Exists | Code::Full | Code::Policy | Code::Cancelled => self.store.refused(name, failure),
            _ => {
                let text = format!("{} {}: {failure}", self.store.client, escape_line(name));
                self.store.session.inform("error", text);
            }
        }
    }
}

/// What came on the control connection while a transfer ran.
enum Heard {
    Nothing,
    /// ABOR.
    Abort,
    /// The client left, or cannot be understood any more.
    End(Result<(), Failure>),
}
