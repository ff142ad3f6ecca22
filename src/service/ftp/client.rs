//! `send` and `get`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::folder::{Folder, Intent, local_source};
use super::transfer::{Delivered, receive_file, send_file};
use crate::base::{Transport, Value};
use crate::language::Arguments;
use crate::net::Connection;
use crate::net::connection::malformed;
use crate::report::{Failure, Outcome};
use crate::service::{Context, Job, connect};
use crate::session::Handle;
use crate::wire::ftp::{Message, Shape};
use crate::wire::{Code, Frame, ServiceId};

/// Bytes in flight, if `window` does not say how many chunks.
const WINDOW_BYTES: u64 = 8 << 20;
const DEFAULT_CHUNK: u64 = 64 << 10;
/// How long the server may take to open a file.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// How long a goodbye may take.
const PARTING_LIMIT: Duration = Duration::from_millis(500);

fn shape(arguments: &Arguments) -> Shape {
    let chunk = arguments.number("chunk").unwrap_or(DEFAULT_CHUNK);
    let window = arguments.number("window").unwrap_or_else(|| (WINDOW_BYTES / chunk).max(16));
    Shape { chunk: chunk as u32, window: window as u32 }
}

pub(super) fn send(session: Handle, arguments: Arguments, context: Context) -> Job {
    Box::pin(async move {
        let path = context.directory.join(arguments.text("path").unwrap_or_default());
        let what = format!("send {}", path.display());
        let file_name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        let name = arguments.text("name").map(str::to_owned).or(file_name);
        let name = name.ok_or_else(|| {
            Failure::new(Code::Usage, "the path has no file name").fix("add `name NAME`").of(what.clone())
        })?;
        // Row 1: before any packet.
        let opened = path.clone();
        let source = session.block(move || local_source(&opened)).await??;
        let (shape, replace, fast) = (shape(&arguments), arguments.flag("replace"), arguments.flag("fast"));
        session.set_all([
            ("name", Value::text(name.clone())),
            ("path", Value::text(path.display().to_string())),
        ]);
        let mut connection = connect(&session, &arguments, "to", ServiceId::Ftp)
            .await
            .map_err(|failure| failure.of(what.clone()))?;
        session.set("transport", Value::text(connection.transport.word()));
        session.running("transferring");
        let request = Message::Put {
            shape,
            replace,
            fast,
            size: source.size,
            modified: source.modified,
            name: name.clone(),
        };
        let exchange = async {
            connection.outgoing.send_now(request.encode()).await?;
            match Message::decode(&connection.incoming.frame(ANSWER_LIMIT, "answer").await?)
                .map_err(malformed)?
            {
                Message::Ready { offset: 0 } => {
                    send_file(&session, &mut connection, source, shape, true).await
                }
                _ => Err(Failure::new(Code::Misbehaved, "the server answered something else")),
            }
        };
        let result = session.unless_cancelled(exchange).await;
        finish(&session, connection, result, &what, &format!("sent {name}: "), shape, fast).await
    })
}

pub(super) fn get(session: Handle, arguments: Arguments, context: Context) -> Job {
    Box::pin(async move {
        let name = arguments.text("name").unwrap_or_default().to_owned();
        let what = format!("get {name}");
        let target = target(&context.directory, arguments.text("to"), &name);
        let (shape, replace, fast) = (shape(&arguments), arguments.flag("replace"), arguments.flag("fast"));
        session.set_all([
            ("name", Value::text(name.clone())),
            ("path", Value::text(target.display().to_string())),
        ]);
        let mut connection = connect(&session, &arguments, "from", ServiceId::Ftp)
            .await
            .map_err(|failure| failure.of(what.clone()))?;
        session.set("transport", Value::text(connection.transport.word()));
        session.running("transferring");
        let exchange = async {
            connection.outgoing.send_now(Message::Get { shape, name: name.clone() }.encode()).await?;
            let (size, modified) =
                match Message::decode(&connection.incoming.frame(ANSWER_LIMIT, "answer").await?)
                    .map_err(malformed)?
                {
                    Message::File { size, modified } => (size, modified),
                    _ => return Err(Failure::new(Code::Misbehaved, "the server answered something else")),
                };
            let intent = Intent { size, modified, replace, fast };
            let local = target.clone();
            let part = session.block(move || local_part(&local, intent)).await??;
            let delivered = receive_file(&session, &mut connection, part, size, shape, true).await?;
            let stored = Message::Stored { bytes: delivered.bytes, hash: delivered.hash.into() };
            connection.outgoing.send_now(stored.encode()).await?;
            Ok(delivered)
        };
        let result = session.unless_cancelled(exchange).await;
        let done = format!("got {name} as {}: ", target.display());
        finish(&session, connection, result, &what, &done, shape, fast).await
    })
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
fn local_part(target: &Path, intent: Intent) -> Result<super::folder::Part, Failure> {
    let folder = match target.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => Path::new("/"),
    };
    let name = target.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| {
        Failure::new(Code::Usage, format!("`{}` is not a name for a file", target.display()))
    })?;
    let folder =
        Folder::open(folder).map_err(|failure| failure.fix("name a folder that exists with `to`"))?;
    folder.begin(name, intent)
}

/// Tells the peer how it ended, and us.
async fn finish(
    session: &Handle,
    mut connection: Connection,
    result: Result<Delivered, Failure>,
    what: &str,
    done: &str,
    shape: Shape,
    fast: bool,
) -> Result<Outcome, Failure> {
    let parting = async {
        match &result {
            Ok(_) => connection.outgoing.close(Code::Other, "").await,
            Err(failure) => {
                if !failure.told && connection.transport == Transport::Tcp {
                    drop(connection.outgoing.send_now(Frame::error(failure.code, &failure.why)).await);
                }
                connection.outgoing.close(failure.code, &failure.why).await;
            }
        }
    };
    drop(tokio::time::timeout(PARTING_LIMIT, parting).await);
    let delivered = result.map_err(|failure| failure.of(what))?;
    session.set_all(delivered.fields(shape));
    let note = if fast { "; fast: the disk may not have it yet" } else { "" };
    Ok(Outcome::new(format!("{done}{}{note}", delivered.describe(shape)), Vec::new()))
}
