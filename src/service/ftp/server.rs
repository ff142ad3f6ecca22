//! A file server: each client has a task of its own, so that a slow or dead one holds up nobody.

use std::sync::Arc;
use std::time::Duration;

use super::folder::{Folder, Intent};
use super::listing;
use super::transfer::{Delivered, receive_file, send_file};
use crate::base::escape::escape_line;
use crate::language::Arguments;
use crate::net::connection::malformed;
use crate::net::{Connection, Message as Wire};
use crate::report::Failure;
use crate::service::listen::is_public;
use crate::service::{Context, Job, Server};
use crate::session::Handle;
use crate::wire::ftp::{Message, Shape};
use crate::wire::listing::LIST;
use crate::wire::{Code, Frame};

/// A client that asks for nothing is let go.
const IDLE_LIMIT: Duration = Duration::from_mins(1);
/// How long a client may take to read why it was let go.
const PARTING_LIMIT: Duration = Duration::from_secs(2);

struct FileServer {
    folder: Arc<Folder>,
    readonly: bool,
    /// The port is open to the network and nobody said that strangers may write.
    guarded: bool,
}

pub(super) fn make(
    session: &Handle,
    arguments: &Arguments,
    context: &Context,
) -> Result<Arc<dyn Server>, Failure> {
    let folder = Arc::new(Folder::of_server(arguments, context)?);
    let guarded = is_public(arguments) && !arguments.flag("open");
    if guarded && !arguments.flag("readonly") {
        session.tell("warning", "everyone who can reach this port may read the folder; nobody may write to it without the word `open`");
    }
    Ok(Arc::new(FileServer { folder, readonly: arguments.flag("readonly"), guarded }))
}

impl Server for FileServer {
    fn serve(self: Arc<Self>, session: Handle, connection: Connection, client: String) -> Job<()> {
        Box::pin(async move { Visit { server: self, session, connection, client }.run().await })
    }

    fn describe(&self) -> String {
        let access = if self.readonly || self.guarded { ", read-only" } else { "" };
        format!("files of {}{access}", self.folder.path.display())
    }
}

/// One client, from its first request to its last.
struct Visit {
    server: Arc<FileServer>,
    session: Handle,
    connection: Connection,
    client: String,
}

impl Visit {
    async fn run(mut self) -> Result<(), Failure> {
        loop {
            let request = tokio::select! {
                () = self.session.cancelled() => return self.part(Failure::new(Code::Cancelled, "the server was stopped")).await,
                request = tokio::time::timeout(IDLE_LIMIT, self.connection.incoming.next()) => request,
            };
            let frame = match request {
                Ok(Ok(Some(Wire::Frame(frame)))) => frame,
                Ok(Ok(Some(Wire::Block { .. }))) => {
                    return self
                        .part(Failure::new(Code::Misbehaved, "a block came where a request belongs"))
                        .await;
                }
                Ok(Ok(None)) => break,
                Ok(Err(failure)) => return self.part(failure).await,
                Err(_) => {
                    return self
                        .part(Failure::new(Code::Timeout, format!("idle for {} s", IDLE_LIMIT.as_secs())))
                        .await;
                }
            };
            let stopping = self.session.clone();
            let answered = tokio::select! {
                () = stopping.cancelled() => Err(Failure::new(Code::Cancelled, "the server was stopped")),
                answered = self.answer(&frame) => answered,
            };
            if let Err(failure) = answered {
                return self.part(failure).await;
            }
        }
        self.connection.outgoing.close(Code::Other, "").await;
        Ok(())
    }

    /// Says why, and waits until the client has read it: closing over unread bytes would take the words back.
    async fn part(mut self, failure: Failure) -> Result<(), Failure> {
        let words = async {
            let heard = failure.told
                || self.connection.outgoing.send_now(Frame::error(failure.code, &failure.why)).await.is_ok();
            if heard {
                self.connection.outgoing.close(Code::Other, "").await;
                while let Ok(Some(_)) = self.connection.incoming.next().await {}
            }
        };
        drop(tokio::time::timeout(PARTING_LIMIT, words).await);
        Err(failure)
    }

    /// One request. An `Err` ends the connection; a refusal is an answer.
    async fn answer(&mut self, frame: &Frame) -> Result<(), Failure> {
        if frame.kind == LIST {
            return listing::answer(&self.session, &self.server.folder, &mut self.connection, frame).await;
        }
        match Message::decode(frame).map_err(malformed)? {
            Message::Put { shape, replace, fast, size, modified, name } => {
                self.put(shape, name, Intent { size, modified, replace, fast }).await
            }
            Message::Get { shape, name } => self.get(shape, name).await,
            _ => Err(Failure::new(Code::Misbehaved, "a message came where a request belongs")),
        }
    }

    async fn refuse(&mut self, name: &str, failure: &Failure) -> Result<(), Failure> {
        self.session.log("refused", format!("{} {}: {failure}", self.client, escape_line(name)));
        let words =
            failure.fix.as_ref().map_or_else(|| failure.why.clone(), |fix| format!("{}; {fix}", failure.why));
        self.connection.outgoing.send_now(Frame::error(failure.code, &words)).await
    }

    async fn put(&mut self, shape: Shape, name: String, intent: Intent) -> Result<(), Failure> {
        if self.server.readonly {
            let failure =
                Failure::new(Code::ReadOnly, "the server is read-only").fix("start it without `readonly`");
            return self.refuse(&name, &failure).await;
        }
        if self.server.guarded {
            let failure = Failure::new(Code::Key, "the server takes files only with the word `open`")
                .fix("start it so: listen … on … open");
            return self.refuse(&name, &failure).await;
        }
        let (folder, wanted) = (self.server.folder.clone(), name.clone());
        let part = match self.session.block(move || folder.begin(&wanted, intent)).await? {
            Ok(part) => part,
            Err(failure) => return self.refuse(&name, &failure).await,
        };
        self.connection.outgoing.send_now(Message::Ready { offset: 0 }.encode()).await?;
        let delivered =
            receive_file(&self.session, &mut self.connection, part, intent.size, shape, false).await?;
        self.log("received", &name, &delivered);
        let stored = Message::Stored { bytes: delivered.bytes, hash: delivered.hash.into() };
        self.connection.outgoing.send_now(stored.encode()).await
    }

    async fn get(&mut self, shape: Shape, name: String) -> Result<(), Failure> {
        let (folder, wanted) = (self.server.folder.clone(), name.clone());
        let source = match self.session.block(move || folder.source(&wanted)).await? {
            Ok(source) => source,
            Err(failure) => return self.refuse(&name, &failure).await,
        };
        let file = Message::File { size: source.size, modified: source.modified };
        self.connection.outgoing.send_now(file.encode()).await?;
        let delivered = send_file(&self.session, &mut self.connection, source, shape, false).await?;
        self.log("sent", &name, &delivered);
        Ok(())
    }

    fn log(&self, kind: &'static str, name: &str, delivered: &Delivered) {
        self.session.log(
            kind,
            format!(
                "{} {}: {} bytes, blake3 {}…",
                self.client,
                escape_line(name),
                delivered.bytes,
                &delivered.hash.to_hex()[..16]
            ),
        );
    }
}
