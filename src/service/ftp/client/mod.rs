//! `send` and `get`: the client's side.
//!
//! | file | holds |
//! |---|---|
//! | `sources` | what one `send` moves: a file, a folder, or several |
//! | `destination` | where `get` puts a file or folder |
//! | `send_folder`, `get_folder`, `tree` | a tree over one connection, and its result |
//! | `standard_streams` | standard input and output in place of a file |

mod destination;
pub(super) mod get_folder;
pub(super) mod send_folder;
mod sources;
pub(super) mod standard_streams;
pub(super) mod tree;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use self::destination::{Around, Destination};
use self::get_folder::{get_folder, list};
use self::sources::{Sent, SoFar, send_one, send_several};
use self::tree::TreeOutcome;
use super::errors;
use super::options::{Accept, GetOptions, SendOptions, TransferOptions, say_control};
use super::protocol::{Flags, Framing, Message, Mode};
use super::storage::part::{Begun, Intent};
use super::transfer::receive::{ReceiveOptions, receive_file};
use super::transfer::{Delivered, ProgressTarget, by_disk, in_lane};
use crate::base::escape::escape_line;
use crate::base::quantity::{counted, show_size};
use crate::base::{Transport, Value};
use crate::language::Target;
use crate::net::Connection;
use crate::net::errors::{malformed, unexpected};
use crate::report::{Failure, Outcome};
use crate::service::contract::keys::Credentials;
use crate::service::files::disk::{RealDisk, Space};
use crate::service::files::name::{Rules, local, part_name, written};
use crate::service::files::root::Folder;
use crate::service::files::walk::size_below;
use crate::service::ftp::transfer::told_rate::ToldRate;
use crate::service::{Context, Job, connect, connect_with};
use crate::session::Handle;
use crate::wire::{Code, Frame};

/// How long the server may take to open a file.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// How long closing the connection may take.
const PARTING_LIMIT: Duration = Duration::from_millis(500);

pub(super) fn send(session: Handle, mut options: SendOptions, context: Context) -> Job {
    Box::pin(async move {
        let paths: Vec<PathBuf> = options.paths.iter().map(|path| local(&context.directory, path)).collect();
        let given: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        let what = format!("send {}", given.join(" "));
        session.set_rate(options.rate);
        let (name, wanted) = (options.name.clone(), options.transfer.wanted);
        let looked = by_disk(&session, move || sources::look(paths, name.as_deref(), wanted)).await?;
        let mut sources = looked.map_err(|failure| failure.of(what.clone()))?;
        let names: Vec<String> = sources.iter().map(|source| source.name.clone()).collect();
        session.set_all([("name", Value::text(names.join(" "))), ("path", Value::text(given.join(" ")))]);
        let connected = connect_to_send(&session, &mut options, &context).await;
        let (connection, shown) = connected.map_err(|failure| failure.of(what.clone()))?;
        let names: Vec<_> = names.iter().map(|name| escape_line(name)).collect();
        let done = format!("sent {}: ", names.join(", "));
        let options = options.transfer;
        let told = Told { what, done, shape: shown, fast: options.flags.fast };
        if sources.len() > 1 {
            let (connection, result) = send_several(&session, connection, sources, options).await?;
            return finish_folder(&session, connection, result, told).await;
        }
        let source = sources.remove(0);
        let so_far = SoFar::alone(source.bytes);
        let (connection, result) = send_one(&session, connection, source, options, so_far).await?;
        let result = match result {
            Ok(Sent::Folder(tree)) => {
                return finish_folder(&session, connection, Ok(tree), told).await;
            }
            Ok(Sent::File(file)) => Ok(file),
            Ok(Sent::Refused(failure)) | Err(failure) => Err(failure),
        };
        finish(&session, connection, result, told).await
    })
}

/// Connects as the options say, and shows how; returns also the framing that the user is told.
async fn connect_to_send(
    session: &Handle,
    options: &mut SendOptions,
    context: &Context,
) -> Result<(Connection, Framing), Failure> {
    let (connection_options, shown) = options.transport()?;
    let key = context.key(&options.key)?;
    let server = options.server.as_ref();
    let id = crate::service::ftp::protocol::ID;
    let connection = connect_with(session, server, id, key, connection_options).await?;
    session.set("transport", Value::text(connection.transport.word()));
    say_control(session, &connection, options);
    session.running("transferring");
    Ok((connection, shown))
}

/// What was got and where it is, before the figures.
fn got_as(name: &str, path: &Path) -> String {
    format!("got {} as {}: ", escape_line(name), escape_line(&path.to_string_lossy()))
}

pub(super) fn get(session: Handle, options: GetOptions, context: Context) -> Job {
    Box::pin(async move {
        let GetOptions { server, key, to, accept, rate, transfer: options, name } = options;
        let name = if name == "/" { &name } else { name.trim_end_matches('/') }.to_owned();
        let what = format!("get {}", escape_line(&name));
        session.set_rate(rate);
        let target = Destination::new(&context.directory, to.as_deref(), &name)
            .map_err(|failure| failure.of(what.clone()))?;
        let around = Around::hold_on_disk(&session, &target.file).await?;
        let path = target.file.display().to_string();
        session.set_all([("name", Value::text(name.clone())), ("path", Value::text(path))]);
        let connected = connect_to_get(&session, server.as_ref(), context.key(&key)).await;
        let mut connection = connected.map_err(|failure| failure.of(what.clone()))?;
        let ask = ask(&session, &mut connection, (&name, &target.file), options, accept);
        let TransferOptions { shape, flags, .. } = options;
        let done = |path: &Path| got_as(&name, path);
        let result = match session.unless_cancelled(ask).await {
            Ok(Asked::Folder(look)) => {
                session.set("path", Value::text(target.folder.display().to_string()));
                let place = (&*name, &*target.folder, look);
                let work = fetch_folder(&session, &mut connection, place, options, accept);
                let result = around.check(session.unless_cancelled(Box::pin(work)).await);
                let done = done(&around.find(&target.folder));
                let told = Told { what, done, shape, fast: flags.fast };
                return finish_folder(&session, connection, result, told).await;
            }
            Ok(Asked::File { begun, intent, manner }) => {
                let result;
                (connection, result) = receive(&session, connection, &name, (begun, intent), manner).await?;
                result
            }
            Err(failure) => Err(failure),
        };
        let place = around.find(&target.file);
        session.set("path", Value::text(place.display().to_string()));
        let told = Told { what, done: done(&place), shape, fast: flags.fast };
        finish(&session, connection, around.check(result), told).await
    })
}

/// Connects, and shows how.
async fn connect_to_get(
    session: &Handle,
    server: Option<&Target>,
    key: Result<Credentials, Failure>,
) -> Result<Connection, Failure> {
    let connection = connect(session, server, crate::service::ftp::protocol::ID, key?).await?;
    session.set("transport", Value::text(connection.transport.word()));
    session.running("transferring");
    Ok(connection)
}

/// Receives the file, in a lane if it is large, and shows its progress as that of `name`; returns the connection too.
async fn receive(
    session: &Handle,
    mut connection: Connection,
    name: &str,
    (begun, intent): (Box<Begun<RealDisk>>, Intent),
    manner: ReceiveOptions<'static>,
) -> Result<(Connection, Result<Delivered, Failure>), Failure> {
    let (worker, shown) = (session.clone(), name.to_owned());
    let exchange = Box::pin(async move {
        let watched = Some(ProgressTarget { name: &shown, before: 0, total: intent.size, guest: None });
        let manner = ReceiveOptions { watched, ..manner };
        let result = receive_file(&worker, &mut connection, *begun, intent, manner).await;
        (connection, result.flatten())
    });
    in_lane(session, intent.size, exchange).await
}

/// Requests a file, and prepares the place where it is received; or learns that it is a folder.
async fn ask(
    session: &Handle,
    connection: &mut Connection,
    (name, target): (&str, &Path),
    options: TransferOptions,
    accept: Accept,
) -> Result<Asked, Failure> {
    let TransferOptions { shape, flags: Flags { replace, fast }, passes, .. } = options;
    let local = target.to_owned();
    // Over UDP the first blocks could overtake the answer; and a file that may be too large must not start at once.
    let ordered = connection.transport == Transport::Tcp && accept.bytes == u64::MAX;
    let fresh = ordered && by_disk(session, move || is_new(&local)).await?;
    let mut told = ToldRate::default();
    let get = Message::Get { shape, fresh, name: name.into() };
    connection.request(told.news(session).into_iter().chain([get]).map(|message| message.encode())).await?;
    let answer = connection.incoming.frame(ANSWER_LIMIT, "answer").await?;
    let (limited, mode, size, modified) = match Message::decode(&answer).map_err(malformed)? {
        Message::File { limited, mode, size, modified } => (limited, mode, size, modified),
        Message::Folder { .. } if passes => return Err(errors::folder_to_standard_output()),
        Message::Folder { mode, modified, .. } => return Ok(Asked::Folder((modified, mode))),
        _ => return Err(unexpected("the server")),
    };
    if size > accept.bytes {
        return Err(errors::file_too_large(size, accept.bytes));
    }
    let (fast, kept) = (fast || passes, !passes);
    let intent = Intent { replace, fast, mode, kept, ..Intent::new(size, modified) };
    let local = target.to_owned();
    let begun = by_disk(session, move || local_part(&local, intent)).await??;
    let (watched, others_follow) = (None, false);
    let manner = ReceiveOptions { shape, fresh, limited, told_rate: told, watched, others_follow };
    Ok(Asked::File { begun: Box::new(begun), intent, manner })
}

/// What the server has under the requested name.
enum Asked {
    /// How it is to be received.
    File { begun: Box<Begun<RealDisk>>, intent: Intent, manner: ReceiveOptions<'static> },
    /// A folder: its time and its permissions.
    Folder((u64, Mode)),
}

/// Lists a folder of the server, makes room for it, and fetches it.
async fn fetch_folder(
    session: &Handle,
    connection: &mut Connection,
    (name, target, (modified, mode)): (&str, &Path, (u64, Mode)),
    options: TransferOptions,
    accept: Accept,
) -> Result<TreeOutcome, Failure> {
    let listed = list(connection, name, options.wanted, accept).await?;
    // Row 24: the size of the folder is reported before anything is fetched.
    let count = listed.count;
    let folders = match count.folders {
        0 => String::new(),
        folders => format!(" in {}", counted(folders, "folder")),
    };
    let content = format!("{}{folders}, {}", counted(count.files, "file"), show_size(count.bytes));
    if !accept.folder {
        return Err(errors::folder_instead_of_file(name, &content));
    }
    session.tell("folder", format!("{}: {content}", escape_line(name)));
    let target = target.to_owned();
    let (filling, space) = session.block(move || Filling::begin(&target, count.bytes)).await??;
    let root = filling.root.clone();
    let tree = get_folder(session, connection, (root, space, name), options, listed).await?;
    session.block(move || filling.finish(modified, mode)).await??;
    Ok(tree)
}

/// A local folder that is filled with one of the server.
struct Filling {
    parent: Folder,
    name: String,
    is_new: bool,
    root: Arc<Folder>,
}

impl Filling {
    /// Creates the folder; also returns the space that is claimed for what comes.
    fn begin(target: &Path, bytes: u64) -> Result<(Self, Space), Failure> {
        let (parent, name) = parent_and_name(target)?;
        let parent = Folder::open(parent, true)
            .map_err(|failure| failure.fix("name a folder that exists with `to`"))?;
        let is_new = target.symlink_metadata().is_err();
        if is_new {
            // Nothing is created for a tree that does not fit.
            parent.claim_space(bytes)?;
        }
        parent.make(&name, Rules::OWN)?;
        let root = Folder::open_to_receive(target)?;
        let there = root.folder("").and_then(Result::ok).map_or(0, |dir| size_below(&dir, 0));
        let space = root.claim_space(bytes.saturating_sub(there))?;
        Ok((Self { parent, name, is_new, root: Arc::new(root) }, space))
    }

    /// All of it came: it must be found under its name still. The folder's time changed when files were stored in it.
    fn finish(self, modified: u64, mode: Mode) -> Result<(), Failure> {
        if !self.parent.leads_to(&self.name, &self.root) {
            return Err(errors::folder_moved(&self.name));
        }
        if self.is_new { self.parent.finish(&self.name, modified, mode, Rules::OWN) } else { Ok(()) }
    }
}

fn parent_and_name(target: &Path) -> Result<(&Path, String), Failure> {
    let folder = match target.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => Path::new("/"),
    };
    let name = target.file_name().map(written);
    Ok((folder, name.ok_or_else(|| errors::not_a_name(target))?))
}

/// True if neither the file nor a part of it is here: then the server may begin at once.
fn is_new(target: &Path) -> bool {
    let Ok((folder, name)) = parent_and_name(target) else { return false };
    let part = folder.join(crate::service::files::disk::os(&part_name(&name)));
    target.symlink_metadata().is_err() && part.symlink_metadata().is_err()
}

/// Begins to receive a file where the user wants it; the user's own names may be hidden and need not be portable.
fn local_part(target: &Path, intent: Intent) -> Result<Begun<RealDisk>, Failure> {
    let (folder, name) = parent_and_name(target)?;
    let folder =
        Folder::open(folder, true).map_err(|failure| failure.fix("name a folder that exists with `to`"))?;
    folder.begin(&name, intent, Rules::OWN).map_err(|failure| match failure.code {
        Code::Policy => failure.fix("choose another with `to PATH`"),
        _ => failure,
    })
}

/// How the end of a transfer is told.
struct Told {
    /// The command, for a failure.
    what: String,
    /// What was done, before the figures.
    done: String,
    shape: Framing,
    fast: bool,
}

/// Closes the connection with the result, and reports it to the user.
async fn finish(
    session: &Handle,
    connection: Connection,
    result: Result<Delivered, Failure>,
    told: Told,
) -> Result<Outcome, Failure> {
    part(connection, result.as_ref().err()).await;
    let Told { what, done, shape, fast } = told;
    let delivered = result.map_err(|failure| failure.of(what))?;
    session.set_all(delivered.fields(shape));
    say_lacking(session);
    Ok(Outcome::new(format!("{done}{}{}", delivered.describe(shape), note(fast)), Vec::new()))
}

async fn finish_folder(
    session: &Handle,
    connection: Connection,
    result: Result<TreeOutcome, Failure>,
    told: Told,
) -> Result<Outcome, Failure> {
    part(connection, result.as_ref().err()).await;
    let Told { what, done, shape, fast } = told;
    let tree = result.map_err(|failure| failure.of(what.clone()))?;
    session.set_all(tree.fields(shape));
    say_lacking(session);
    if let Some(failure) = tree.failure() {
        return Err(failure.of(what));
    }
    Ok(Outcome::new(format!("{done}{}{}", tree.describe(), note(fast)), Vec::new()))
}

/// Warns once about features that the file system lacks.
fn say_lacking(session: &Handle) {
    if let Some(words) = crate::service::files::disk::untold() {
        session.tell("warning", words);
    }
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
