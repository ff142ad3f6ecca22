//! `send` and `get`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::disk::RealDisk;
use super::folder::{Folder, Source, local_source};
use super::folders::Tree;
use super::get_folder::{Accept, get_folder, list};
use super::name::Rules;
use super::part::{Begun, Intent};
use super::receive::{Manner, receive_file};
use super::send::{await_ready, send_file};
use super::send_folder::send_folder;
use super::transfer::{Delivered, by_disk, in_lane};
use super::walk::{Count, walk};
use super::wishes::{options, say_control, shape};
use crate::base::escape::escape_line;
use crate::base::quantity::show_size;
use crate::base::{Transport, Value};
use crate::language::Arguments;
use crate::net::Connection;
use crate::net::connection::malformed;
use crate::report::{Failure, Outcome};
use crate::service::{Context, Job, connect, connect_with};
use crate::session::Handle;
use crate::wire::ftp::{Flags, Message, Shape};
use crate::wire::listing::Entry;
use crate::wire::{Code, Frame, ServiceId};

/// Files and folders that a folder may bring, if `accept` does not say.
const ACCEPT_FILES: u64 = 100_000;
/// Most that is sent as one folder: it is listed in memory.
const SEND_FILES: usize = 1_000_000;
/// How long the server may take to open a file.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// How long a goodbye may take.
const PARTING_LIMIT: Duration = Duration::from_millis(500);

pub(super) fn send(session: Handle, arguments: Arguments, context: Context) -> Job {
    Box::pin(async move {
        let path = context.directory.join(arguments.text("path").unwrap_or_default());
        let what = format!("send {}", path.display());
        let file_name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        let name = arguments.text("name").map(str::to_owned).or(file_name);
        let name = name.ok_or_else(|| {
            Failure::new(Code::Usage, "the path has no file name").fix("add `name NAME`").of(what.clone())
        })?;
        session.set_rate(arguments.rate("rate"));
        // Row 1: before any packet.
        let opened = path.clone();
        let source = by_disk(&session, move || local(&opened)).await??;
        let (mut shape, replace, fast) =
            (shape(&arguments, "to"), arguments.flag("replace"), arguments.flag("fast"));
        session.set_all([
            ("name", Value::text(name.clone())),
            ("path", Value::text(path.display().to_string())),
        ]);
        let options = options(&arguments, &mut shape).map_err(|failure| failure.of(what.clone()))?;
        let mut connection = connect_with(&session, &arguments, "to", ServiceId::Ftp, options)
            .await
            .map_err(|failure| failure.of(what.clone()))?;
        session.set("transport", Value::text(connection.transport.word()));
        say_control(&session, &connection, &arguments);
        session.running("transferring");
        let source = match source {
            Local::File(source) => source,
            Local::Folder(root, found) => {
                let flags = Flags { replace, fast, executable: false };
                let work = send_folder(&session, &mut connection, (root, name.clone()), shape, flags, found);
                let result = session.unless_cancelled(work).await.and_then(Tree::verdict);
                return finish_folder(
                    &session,
                    connection,
                    result,
                    (&what, &format!("sent {name}: ")),
                    shape,
                    fast,
                )
                .await;
            }
        };
        let flags = Flags { replace, fast, executable: source.executable };
        let (size, modified) = (source.size, source.modified);
        let request = Message::Put { shape, flags, size, modified, name: name.clone() };
        let (worker, shown) = (session.clone(), name.clone());
        let exchange = Box::pin(async move {
            let exchange = async {
                connection.request([request.encode()]).await?;
                let start = await_ready(&mut connection, size).await?;
                send_file(&worker, &mut connection, source, shape, start, Some(&shown)).await
            };
            let result = worker.unless_cancelled(exchange).await;
            (connection, result)
        });
        let (connection, result) = in_lane(&session, size, exchange).await?;
        finish(&session, connection, result, &what, &format!("sent {name}: "), shape, fast).await
    })
}

pub(super) fn get(session: Handle, arguments: Arguments, context: Context) -> Job {
    Box::pin(async move {
        let name = arguments.text("name").unwrap_or_default();
        let name = if name == "/" { name } else { name.trim_end_matches('/') }.to_owned();
        let what = format!("get {name}");
        session.set_rate(arguments.rate("rate"));
        let target = target(&context.directory, arguments.text("to"), &name);
        let (shape, replace, fast) =
            (shape(&arguments, "from"), arguments.flag("replace"), arguments.flag("fast"));
        session.set_all([
            ("name", Value::text(name.clone())),
            ("path", Value::text(target.display().to_string())),
        ]);
        let mut connection = connect(&session, &arguments, "from", ServiceId::Ftp)
            .await
            .map_err(|failure| failure.of(what.clone()))?;
        session.set("transport", Value::text(connection.transport.word()));
        session.running("transferring");
        let ask = ask(&session, &mut connection, &name, &target, shape, (replace, fast));
        let result = match session.unless_cancelled(ask).await {
            Ok(Asked::Folder(modified)) => {
                let flags = Flags { replace, fast, executable: false };
                let accept = Accept {
                    files: arguments.number("accept").unwrap_or(ACCEPT_FILES),
                    bytes: arguments.number("max").unwrap_or(u64::MAX),
                };
                let work =
                    fetch_folder(&session, &mut connection, &name, (&target, modified), shape, flags, accept);
                let result = session.unless_cancelled(work).await.and_then(Tree::verdict);
                let done = format!("got {name} as {}: ", target.display());
                return finish_folder(&session, connection, result, (&what, &done), shape, fast).await;
            }
            Ok(Asked::File(begun, intent, fresh)) => {
                let (worker, shown) = (session.clone(), name.clone());
                let exchange = async move {
                    let manner = Manner { shape, fresh, watched: Some(&shown) };
                    let result = receive_file(&worker, &mut connection, *begun, intent, manner).await;
                    (connection, result)
                };
                let (back, result) = in_lane(&session, intent.size, exchange).await?;
                connection = back;
                result
            }
            Err(failure) => Err(failure),
        };
        let done = format!("got {name} as {}: ", target.display());
        finish(&session, connection, result, &what, &done, shape, fast).await
    })
}

/// Asks for a file, and prepares its place: how it is to be received, and whether the server began at once.
async fn ask(
    session: &Handle,
    connection: &mut Connection,
    name: &str,
    target: &Path,
    shape: Shape,
    (replace, fast): (bool, bool),
) -> Result<Asked, Failure> {
    let local = target.to_owned();
    // Over UDP the first blocks could overtake the answer.
    let ordered = connection.transport == Transport::Tcp;
    let fresh = ordered && by_disk(session, move || is_new(&local)).await?;
    connection.request([Message::Get { shape, fresh, name: name.into() }.encode()]).await?;
    let answer = connection.incoming.frame(ANSWER_LIMIT, "answer").await?;
    let (executable, size, modified) = match Message::decode(&answer).map_err(malformed)? {
        Message::File { executable, size, modified } => (executable, size, modified),
        Message::Folder { modified, .. } => return Ok(Asked::Folder(modified)),
        _ => return Err(Failure::new(Code::Misbehaved, "the server answered something else")),
    };
    let intent = Intent { replace, fast, executable, ..Intent::new(size, modified) };
    let local = target.to_owned();
    let begun = by_disk(session, move || local_part(&local, intent)).await??;
    Ok(Asked::File(Box::new(begun), intent, fresh))
}

/// What is there of a name that was asked for.
enum Asked {
    /// How it is to be received, and whether the server began at once.
    File(Box<Begun<RealDisk>>, Intent, bool),
    /// A folder, and its time.
    Folder(u64),
}

/// What is to be sent.
enum Local {
    File(Source),
    Folder(Arc<Folder>, (Vec<Entry>, Count)),
}

fn local(path: &Path) -> Result<Local, Failure> {
    if !path.is_dir() {
        return local_source(path).map(Local::File);
    }
    let folder = Arc::new(Folder::open(path)?);
    let mut entries = Vec::new();
    let count = walk(&folder, "", |page| {
        entries.extend(page);
        entries.len() < SEND_FILES
    })?;
    if entries.len() >= SEND_FILES {
        let why = format!("more than {SEND_FILES} files and folders");
        return Err(Failure::new(Code::Limit, why).fix("send its folders one by one"));
    }
    Ok(Local::Folder(folder, (entries, count)))
}

/// Lists a folder of the server, makes room for it, and fetches it.
async fn fetch_folder(
    session: &Handle,
    connection: &mut Connection,
    name: &str,
    (target, modified): (&Path, u64),
    shape: Shape,
    flags: Flags,
    accept: Accept,
) -> Result<Tree, Failure> {
    let (entries, count) = list(connection, name, accept).await?;
    // Row 24: what is about to come is said before it comes.
    let files = format!("{} files in {} folders, {}", count.files, count.folders, show_size(count.bytes));
    session.tell("folder", format!("{}: {files}", escape_line(name)));
    let target = target.to_owned();
    let (parent, last, root) = session.block(move || local_folder(&target, modified, count.bytes)).await??;
    let tree = get_folder(session, connection, (root, name), shape, flags, (entries, count)).await?;
    // Its time changed with what came into it.
    session.block(move || parent.make(&last, modified, Rules::default())).await??;
    Ok(tree)
}

/// Makes the folder that is to be filled: its parent, its name, and itself.
fn local_folder(target: &Path, modified: u64, bytes: u64) -> Result<(Folder, String, Arc<Folder>), Failure> {
    let (parent, name) = parent_and_name(target)?;
    let parent =
        Folder::open(parent).map_err(|failure| failure.fix("name a folder that exists with `to`"))?;
    parent.make(name, modified, Rules::default())?;
    let root = Folder::open(target)?;
    root.check_space(bytes)?;
    Ok((parent, name.to_owned(), Arc::new(root)))
}

fn parent_and_name(target: &Path) -> Result<(&Path, &str), Failure> {
    let folder = match target.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => Path::new("/"),
    };
    let name = target.file_name().and_then(|name| name.to_str());
    let name =
        name.ok_or_else(|| Failure::new(Code::Usage, format!("`{}` is not a name", target.display())))?;
    Ok((folder, name))
}

/// Nothing of it is here, so the server may begin at once.
fn is_new(target: &Path) -> bool {
    let Some((folder, name)) = target.parent().zip(target.file_name()) else { return false };
    let part = folder.join(super::part::part_name(&name.to_string_lossy()));
    target.symlink_metadata().is_err() && part.symlink_metadata().is_err()
}

/// `to` may be a folder, a new name, or nothing.
fn target(directory: &Path, to: Option<&str>, name: &str) -> PathBuf {
    let last = name.rsplit('/').next().unwrap_or(name);
    match to.map(|to| (directory.join(to), to.ends_with('/'))) {
        None => directory.join(last),
        Some((path, is_folder)) if is_folder || path.is_dir() => path.join(last),
        Some((path, _)) => path,
    }
}

/// A new file where the user wants it: only the last component is judged as a name.
fn local_part(target: &Path, intent: Intent) -> Result<Begun<RealDisk>, Failure> {
    let (folder, name) = parent_and_name(target)?;
    let folder =
        Folder::open(folder).map_err(|failure| failure.fix("name a folder that exists with `to`"))?;
    folder.begin(name, intent, Rules::default())
}

/// Tells the peer how it ended, and us.
async fn finish(
    session: &Handle,
    connection: Connection,
    result: Result<Delivered, Failure>,
    what: &str,
    done: &str,
    shape: Shape,
    fast: bool,
) -> Result<Outcome, Failure> {
    part(connection, result.as_ref().err()).await;
    let delivered = result.map_err(|failure| failure.of(what))?;
    session.set_all(delivered.fields(shape));
    Ok(Outcome::new(format!("{done}{}{}", delivered.describe(shape), note(fast)), Vec::new()))
}

async fn finish_folder(
    session: &Handle,
    connection: Connection,
    result: Result<Tree, Failure>,
    (what, done): (&str, &str),
    shape: Shape,
    fast: bool,
) -> Result<Outcome, Failure> {
    part(connection, result.as_ref().err()).await;
    let tree = result.map_err(|failure| failure.of(what))?;
    session.set_all(tree.fields(shape));
    Ok(Outcome::new(format!("{done}{}{}", tree.describe(), note(fast)), Vec::new()))
}

const fn note(fast: bool) -> &'static str {
    if fast { "; fast: the disk may not have it yet" } else { "" }
}

async fn part(mut connection: Connection, failure: Option<&Failure>) {
    let parting = async {
        let Some(failure) = failure else {
            return connection.outgoing.close(Code::Other, "").await;
        };
        if !failure.told && connection.transport == Transport::Tcp {
            drop(connection.outgoing.send_now(Frame::error(failure.code, &failure.why)).await);
        }
        connection.outgoing.close(failure.code, &failure.why).await;
    };
    drop(tokio::time::timeout(PARTING_LIMIT, parting).await);
}
