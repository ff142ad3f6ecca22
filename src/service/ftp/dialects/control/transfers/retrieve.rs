//! RETR: a file, or the rest of it, to the client.

use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::super::answers::find;
use super::super::command::Kind;
use super::super::data::Passive;
use super::super::errors;
use super::super::reply::{About, Reply};
use super::super::session::Session;
use super::ascii::to_network;
use super::course::Course;
use crate::base::escape::escape_line;
use crate::base::quantity;
use crate::net::accept::foreign::ForeignStream;
use crate::report::Failure;
use crate::service::contract::errors::changed_while_reading;
use crate::service::files::errors::not_a_file_but_a_folder;
use crate::service::files::root::Source;
use crate::service::ftp::dialects::store::{Found, Store};
use crate::service::ftp::transfer::{MinimumRate, by_disk, in_lane};

/// Bytes that are sent in one step: after each, progress is shown and the rate is looked at.
const STEP: u64 = 1 << 20;
/// Bytes of text that are turned in one step.
const TEXT_STEP: u64 = 64 << 10;

/// A file that is about to be sent.
pub(in super::super) struct Retrieval {
    store: Arc<Store>,
    source: Source,
    offset: u64,
    kind: Kind,
    pub(in super::super) course: Course,
}

impl Retrieval {
    /// Opens the file; the error is the answer.
    pub(in super::super) async fn begin(
        store: &Arc<Store>,
        session: &Session,
        name: &[u8],
        offset: u64,
    ) -> Result<Self, Reply> {
        let (path, source) = match find(store, session, name).await {
            Ok((path, Found::File(source))) => (path, source),
            Ok((_, Found::Folder { .. })) => {
                return Err(Reply::of(&not_a_file_but_a_folder(), About::Reading));
            }
            Err(failure) => {
                store.refused(&session.folder.resolve(name).name(), &failure);
                return Err(Reply::of(&failure, About::Reading));
            }
        };
        let Some(left) = source.size.checked_sub(offset) else {
            return Err(Reply::new(554, errors::offset_beyond(offset, source.size).why));
        };
        let course = Course::new(&path.name(), Some(left));
        Ok(Self { store: store.clone(), source, offset, kind: session.kind, course })
    }

    /// The announcement; clients read the size in it.
    pub(in super::super) fn begins(&self) -> Reply {
        let mode = if self.kind == Kind::Ascii { "ASCII" } else { "BINARY" };
        let (name, size) = (escape_line(&self.course.name), self.source.size);
        Reply::new(150, format!("Opening {mode} mode data connection for {name} ({size} bytes)."))
    }

    /// Sends it, in a lane if it is large: there a slow disk holds up no other client.
    pub(in super::super) async fn run(
        self,
        passive: Passive,
        stop: CancellationToken,
    ) -> Result<Reply, Failure> {
        let data = tokio::select! {
            () = stop.cancelled() => return Err(errors::aborted()),
            data = passive.accept(&self.store) => data?,
        };
        let (store, left) = (self.store.clone(), self.source.size - self.offset);
        store.client.does(format!("gets {}", escape_line(&self.course.name)));
        let sent = in_lane(&store.session, left, Box::pin(self.send(data, stop))).await.and_then(|sent| sent);
        store.client.waits();
        sent
    }

    /// A client that is not sent all of it sees its data connection reset, not closed.
    async fn send(self, mut data: ForeignStream, stop: CancellationToken) -> Result<Reply, Failure> {
        let began = Instant::now();
        let sent = tokio::select! {
            biased;
            () = stop.cancelled() => Err(errors::aborted()),
            sent = self.pump(&mut data) => sent,
        };
        if let Err(failure) = sent {
            data.reset();
            return Err(failure);
        }
        data.end().await;
        Ok(self.conclude(began.elapsed()))
    }

    async fn pump(&self, data: &mut ForeignStream) -> Result<(), Failure> {
        let session = &self.store.session;
        let (mut offset, end) = (self.offset, self.source.size);
        let mut pace = MinimumRate::new(Instant::now());
        while offset < end {
            let most = session.limit_step(STEP.min(end - offset), STEP);
            let sent = match self.kind {
                Kind::Image => data.send_file(&self.source.file, offset, most).await? as u64,
                Kind::Ascii => self.send_text(data, offset, most.min(TEXT_STEP)).await?,
            };
            if sent == 0 {
                return Err(changed_while_reading(offset));
            }
            offset += sent;
            self.course.moved(sent);
            self.store.client.progress(offset, end);
            self.store.sent(sent).await;
            pace.count(sent, Instant::now(), session.rate_limit())?;
        }
        Ok(())
    }

    /// Sends a step of a text; returns how many bytes of the file it was, 0 at its end.
    async fn send_text(&self, data: &mut ForeignStream, offset: u64, most: u64) -> Result<u64, Failure> {
        let mut piece = vec![0; most as usize];
        let file = self.source.file.try_clone().map_err(|error| Failure::io(&error, "the file"))?;
        let read = by_disk(&self.store.session, move || {
            let count = file.read_at(&mut piece, offset)?;
            Ok::<_, std::io::Error>(to_network(&piece[..count])).map(|turned| (turned, count))
        });
        let (turned, count) = read.await?.map_err(|error| Failure::io(&error, "the file"))?;
        data.write(&turned).await?;
        Ok(count as u64)
    }

    fn conclude(&self, elapsed: Duration) -> Reply {
        let bytes = self.course.done();
        self.store.report_sent(&self.course.name, bytes, elapsed);
        let rate = quantity::show_rate(bytes as f64 / elapsed.as_secs_f64().max(1e-6));
        let time = quantity::show_duration(elapsed);
        Reply::new(226, format!("{bytes} bytes in {time}, {rate}"))
    }
}
