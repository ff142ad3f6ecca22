//! What `send` moves: one file or folder, or several over one connection.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::send_folder::{FolderEntry, send_folder};
use super::tree::{TreeOutcome, stopped_at};
use crate::base::escape::escape_line;
use crate::language::diagnostic::nearest;
use crate::net::Connection;
use crate::report::Failure;
use crate::service::files::name::written;
use crate::service::files::root::{Folder, Source, local_source};
use crate::service::files::walk::{Count, Step, Wanted, walk};
use crate::service::ftp::errors;
use crate::service::ftp::options::TransferOptions;
use crate::service::ftp::protocol::{Flags, Framing, Message, NO_TIME};
use crate::service::ftp::transfer::ending::answered;
use crate::service::ftp::transfer::send::{Outgoing, send_file};
use crate::service::ftp::transfer::start::await_ready;
use crate::service::ftp::transfer::{Delivered, ProgressTarget, by_disk, in_lane};
use crate::session::{Handle, RateLimiter};
use crate::wire::Code;

/// Most entries that are sent as one folder: its list is held in memory.
const SEND_FILES: usize = 1_000_000;
/// Most names that are compared with a missing one to find a similar one.
const NAMES_LIMIT: usize = 10_000;
/// Files that are kept open from the start; further ones are opened when it is their turn.
const OPEN_LIMIT: usize = 16;

/// A file or folder to send, and its name at the server.
pub(crate) struct Sourced {
    pub(crate) path: PathBuf,
    pub(crate) name: String,
    /// `None`: it is opened when it is its turn.
    opened: Option<Local>,
    pub(crate) bytes: u64,
}

enum Local {
    File(Source),
    Folder(FolderEntry),
}

/// The result for one source.
pub(crate) enum Sent {
    File(Delivered),
    Folder(TreeOutcome),
    /// It is not sent, and the connection goes on.
    Refused(Failure),
}

/// Opens everything that is to be sent, before any packet (faults.md row 1).
pub(crate) fn look(paths: Vec<PathBuf>, name: Option<&str>, wanted: Wanted) -> Result<Vec<Sourced>, Failure> {
    if name.is_some() && paths.len() > 1 {
        return Err(errors::one_name_for_many(paths.len()));
    }
    let mut names = std::collections::HashMap::new();
    let mut sources: Vec<Sourced> = Vec::with_capacity(paths.len());
    for path in paths {
        let called = name.map(str::to_owned).or_else(|| own_name(&path));
        let name = called.ok_or_else(errors::no_file_name)?;
        if let Some(other) = names.insert(name.clone(), path.clone()) {
            return Err(errors::same_name_twice(&other, &path));
        }
        let opened = open(&path, wanted)
            .map_err(|failure| suggest(&path, failure).of(format!("send {}", path.display())))?;
        let bytes = match &opened {
            Local::File(source) => source.size,
            Local::Folder(found) => found.count.bytes,
        };
        let opened = (sources.len() < OPEN_LIMIT).then_some(opened);
        sources.push(Sourced { path, name, opened, bytes });
    }
    Ok(sources)
}

/// The last part of a path, also of `.` and `..`.
fn own_name(path: &Path) -> Option<String> {
    let name = path.file_name().map(written);
    name.or_else(|| std::fs::canonicalize(path).ok()?.file_name().map(written))
}

/// Suggests an existing name that is similar to a missing one.
fn suggest(path: &Path, failure: Failure) -> Failure {
    if failure.code != Code::Missing || failure.fix.is_some() {
        return failure;
    }
    let folder = path.parent().unwrap_or(path);
    let Ok(entries) = std::fs::read_dir(folder) else {
        return failure.fix(format!("there is no folder {}", folder.display()));
    };
    let names: Vec<String> =
        entries.take(NAMES_LIMIT).filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    let wanted = path.file_name().map(written).unwrap_or_default();
    match nearest(&wanted, names.iter().map(String::as_str)) {
        Some(near) => failure.fix(format!("did you mean {}?", escape_line(near))),
        None => failure.fix("`!ls` shows what is there, `cd` goes elsewhere"),
    }
}

fn open(path: &Path, wanted: Wanted) -> Result<Local, Failure> {
    if !path.is_dir() {
        return local_source(path).map(Local::File);
    }
    let root = Arc::new(Folder::open(path, true)?);
    let (mut entries, mut lost) = (Vec::new(), Vec::new());
    let take = |step| {
        match step {
            Step::Page(page) => entries.extend(page),
            Step::Lost(path, failure) => lost.push((path, failure)),
        }
        entries.len() < SEND_FILES && lost.len() < SEND_FILES
    };
    let count = walk(&root, "", wanted, take, || true)?;
    if entries.len() >= SEND_FILES || lost.len() >= SEND_FILES {
        return Err(errors::too_many_to_send(SEND_FILES));
    }
    Ok(Local::Folder(FolderEntry { root, entries, count, lost }))
}

/// How far a command is that sends one or more sources over a connection.
#[derive(Clone, Copy, Default)]
pub(crate) struct SoFar {
    /// Bytes that are done, and bytes of all sources.
    before: u64,
    total: u64,
    /// Tree messages that were answered.
    answered: u64,
    /// Others are sent over the same connection, also if this one fails.
    others_follow: bool,
}

impl SoFar {
    /// For a single source.
    pub(crate) fn alone(total: u64) -> Self {
        Self { total, ..Self::default() }
    }
}

/// Sends one source.
pub(crate) async fn send_one(
    session: &Handle,
    mut connection: Connection,
    source: Sourced,
    options: TransferOptions,
    so_far: SoFar,
) -> Result<(Connection, Result<Sent, Failure>), Failure> {
    let TransferOptions { shape, flags, wanted, passes } = options;
    let SoFar { before, total, answered, others_follow } = so_far;
    let Sourced { path, name, opened, .. } = source;
    let opened = match opened {
        Some(opened) => Ok(opened),
        None => by_disk(session, move || open(&path, wanted)).await?,
    };
    let source = match opened {
        // What comes from standard input has no time.
        Ok(Local::File(source)) if passes => Source { modified: NO_TIME, ..source },
        Ok(Local::File(source)) => source,
        Ok(Local::Folder(found)) => {
            let work = send_folder(session, &mut connection, (found, name), (shape, flags), answered);
            let result = session.unless_cancelled(work).await;
            return Ok((connection, result.map(|sent| sent.map_or_else(Sent::Refused, Sent::Folder))));
        }
        Err(failure) => return Ok((connection, Ok(Sent::Refused(failure)))),
    };
    let size = source.size;
    let (worker, options) = (session.clone(), (shape, flags, others_follow));
    let exchange = Box::pin(async move {
        let watched = ProgressTarget { name: &name, before, total, guest: None };
        let exchange = put(&worker, &mut connection, source, watched, options);
        let result = worker.unless_cancelled(exchange).await;
        (connection, result)
    });
    in_lane(session, size, exchange).await
}

/// Sends a file as `watched.name`.
async fn put(
    session: &Handle,
    connection: &mut Connection,
    source: Source,
    watched: ProgressTarget<'_>,
    (shape, flags, others_follow): (Framing, Flags, bool),
) -> Result<Sent, Failure> {
    let (mode, size, modified) = (source.mode, source.size, source.modified);
    let request = Message::Put { shape, flags, mode, size, modified, name: watched.name.to_owned() };
    connection.request([request.encode()]).await?;
    let (watched, asked) = (Some(watched), &RateLimiter::default());
    let start = match answered(await_ready(connection, size, asked).await, connection)? {
        Ok(start) => start,
        Err(failure) => return Ok(Sent::Refused(failure)),
    };
    let outgoing = Outgoing { source, shape, start, watched, asked, others_follow };
    Ok(send_file(session, connection, outgoing).await?.map_or_else(Sent::Refused, Sent::File))
}

/// Sends several sources one after another. A refused one is named, and the others go on.
pub(crate) async fn send_several(
    session: &Handle,
    mut connection: Connection,
    sources: Vec<Sourced>,
    options: TransferOptions,
) -> Result<(Connection, Result<TreeOutcome, Failure>), Failure> {
    let mut tree = TreeOutcome::new(Count::default());
    let total = sources.iter().map(|source| source.bytes).sum();
    let mut so_far = SoFar { others_follow: true, ..SoFar::alone(total) };
    let all = sources.len();
    for (n, source) in sources.into_iter().enumerate() {
        let (name, bytes) = (source.name.clone(), source.bytes);
        let (back, result) = send_one(session, connection, source, options, so_far).await?;
        connection = back;
        match result {
            Ok(Sent::File(file)) => tree.add_file(&name, &file),
            Ok(Sent::Folder(folder)) => tree.add_folder(&name, folder),
            Ok(Sent::Refused(failure)) => tree.refuse(&name, &failure),
            Err(failure) => {
                let failure = stopped_at(&name, failure, all - n - 1, "sent");
                return Ok((connection, Err(tree.stopped(failure))));
            }
        }
        (so_far.before, so_far.answered) = (so_far.before + bytes, tree.answered);
    }
    Ok((connection, Ok(tree)))
}
