//! The answers that need a file, but no data connection: CWD, SIZE, MDTM, MLST.

use super::command::Command;
use super::lines::{facts, time};
use super::path::Path;
use super::reply::{About, Reply};
use super::session::Session;
use crate::report::Failure;
use crate::service::files::protocol::{Entry, EntryKind};
use crate::service::files::root::Source;
use crate::service::ftp::dialects::store::{Found, Store};
use crate::wire::Code;

/// Permissions that are told of a folder, whose own are not asked for.
const FOLDER_MODE: u16 = 0o755;

/// Answers a command about what is there.
pub(super) async fn answer(store: &Store, session: &mut Session, command: Command) -> Reply {
    let path = match &command {
        Command::Cwd(path) | Command::Size(path) | Command::Mdtm(path) | Command::Mlst(path) => path,
        _ => return Reply::new(502, "not here"),
    };
    let (path, found) = match find(store, session, path).await {
        Ok(found) => found,
        Err(failure) => return Reply::of(&failure, About::Reading),
    };
    match (command, found) {
        (Command::Cwd(_), Found::Folder { .. }) => {
            session.folder = path;
            Reply::new(250, session.folder.shown())
        }
        (Command::Cwd(_), Found::File(_)) => Reply::new(550, "it is a file, not a folder"),
        (Command::Size(_), Found::File(source)) => Reply::new(213, source.size.to_string()),
        (Command::Size(_), Found::Folder { .. }) => Reply::new(550, "it is a folder"),
        (Command::Mdtm(_), Found::File(Source { modified, .. }) | Found::Folder { modified }) => {
            Reply::new(213, time(modified))
        }
        (_, found) => {
            let may_store = store.objection_to_writing().is_none();
            let line = facts(&entry(&path, &found), &path.shown(), session.facts, may_store);
            Reply::of_lines(250, "facts:", [line], "end")
        }
    }
}

/// What a path of the client means, and what is there. A name with escapes is tried as the bytes that it is first.
pub(super) async fn find(
    store: &Store,
    session: &Session,
    argument: &[u8],
) -> Result<(Path, Found), Failure> {
    let path = session.folder.resolve(argument);
    match store.find(&path.name()).await {
        Ok(found) => Ok((path, found)),
        Err(failure) if failure.code == Code::Missing => {
            let Some(path) = session.folder.resolve_escaped(argument) else { return Err(failure) };
            let found = store.find(&path.name()).await.map_err(|_| failure)?;
            Ok((path, found))
        }
        Err(failure) => Err(failure),
    }
}

/// An entry of a list for one thing that was found.
pub(super) fn entry(path: &Path, found: &Found) -> Entry {
    let name = path.last().to_owned();
    match found {
        Found::File(Source { size, modified, mode, .. }) => {
            Entry { name, kind: EntryKind::File, mode: *mode, size: *size, modified: *modified }
        }
        Found::Folder { modified } => {
            Entry { name, kind: EntryKind::Folder, mode: FOLDER_MODE, size: 0, modified: *modified }
        }
    }
}
