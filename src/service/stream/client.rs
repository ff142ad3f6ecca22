//! `stream`: receives chunks in any order, plays them while the rest arrives, keeps the file if asked.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::http;
use super::player::{self, Choice, Player};
use super::store::Store;
use crate::base::escape::escape_line;
use crate::base::{Value, quantity};
use crate::language::Arguments;
use crate::net::connection::{malformed, told};
use crate::net::{Connection, Message as Wire, SILENCE_LIMIT};
use crate::report::{Failure, Outcome};
use crate::service::ftp::check_space;
use crate::service::{Context, Job, connect};
use crate::session::Handle;
use crate::wire::stream::Message;
use crate::wire::{Code, ServiceId, frame};

const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Places that players may ask for before the server hears of it.
const WANTS: usize = 64;

pub(super) fn stream(session: Handle, arguments: Arguments, context: Context) -> Job {
    Box::pin(async move {
        let name = arguments.text("name").unwrap_or_default().to_owned();
        let what = format!("stream {name}");
        run(&session, &arguments, &context, &name).await.map_err(|failure| failure.of(what))
    })
}

/// Where the file is kept until it is whole.
struct Target {
    path: PathBuf,
    part: tempfile::NamedTempFile,
    replace: bool,
}

/// Row 6 before any data: a name that is taken is refused.
fn target(arguments: &Arguments, context: &Context, name: &str) -> Result<Option<Target>, Failure> {
    let Some(to) = arguments.text("to") else { return Ok(None) };
    let mut path = context.directory.join(to);
    if path.is_dir() {
        path.push(name.rsplit('/').next().unwrap_or(name));
    }
    let replace = arguments.flag("replace");
    if !replace && path.symlink_metadata().is_ok() {
        return Err(Failure::new(Code::Exists, format!("`{}` exists", path.display()))
            .fix("add `replace`, or choose another name"));
    }
    let folder = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .map_or_else(|| PathBuf::from("."), PathBuf::from);
    let part = tempfile::Builder::new()
        .prefix(".")
        .suffix(".nls-part")
        .tempfile_in(&folder)
        .map_err(|error| Failure::io(&error, folder.display().to_string()))?;
    Ok(Some(Target { path, part, replace }))
}

async fn run(
    session: &Handle,
    arguments: &Arguments,
    context: &Context,
    name: &str,
) -> Result<Outcome, Failure> {
    let began = Instant::now();
    let target = target(arguments, context, name)?;
    let choice = Choice::from_words(arguments.flag("play"), arguments.text("play"));
    session.set("name", Value::text(name));
    let mut connection = connect(session, arguments, "from", ServiceId::Stream).await?;
    let size = session.unless_cancelled(open(&mut connection, name)).await?;
    let file = match &target {
        Some(target) => target.part.reopen(),
        None => tempfile::tempfile(),
    };
    let file = file.map_err(|error| Failure::io(&error, "the file that holds what arrives"))?;
    check_space(&file, size)?;
    let (wants, wanted) = mpsc::channel(WANTS);
    let store = Store::new(file, size, wants);
    let player = match choice {
        Choice::None => None,
        _ => player::start(session, &choice, &http::serve(session, store.clone(), name).await?)?,
    };
    let player_name = player.as_ref().map_or("none", |player| player.name.as_str()).to_owned();
    session.set_all([("player", Value::text(player_name.clone())), ("bytes", Value::count(size))]);
    session.running(if player.is_some() { "playing" } else { "transferring" });
    let mut viewing =
        Viewing { session, connection, store, wanted, began, first_byte: None, keep: target.is_some() };
    let ended = session.unless_cancelled(viewing.run(player)).await;
    viewing.connection.outgoing.close(Code::Other, "").await;
    let ended = ended?;
    let Some(ended) = ended else {
        return Ok(Outcome::new(format!("closed {player_name} before the end of {name}"), Vec::new()));
    };
    let store = viewing.store.clone();
    let hash = session.block(move || store.hash()).await??;
    if *hash.as_bytes() != ended.hash {
        return Err(Failure::new(Code::Integrity, "the file differs from its hash and is not kept")
            .fix("stream it again"));
    }
    let kept = match target {
        Some(target) => Some(session.block(move || keep(target)).await??),
        None => None,
    };
    Ok(outcome(&viewing, &ended, hash, name, &player_name, kept.as_deref()))
}

async fn open(connection: &mut Connection, name: &str) -> Result<u64, Failure> {
    connection.request([Message::Open { name: name.into() }.encode()]).await?;
    match Message::decode(&connection.incoming.frame(ANSWER_LIMIT, "answer").await?).map_err(malformed)? {
        Message::Info { size } => Ok(size),
        _ => Err(Failure::new(Code::Misbehaved, "the server answered something else")),
    }
}

/// The file appears only when it is whole and the disk has it.
fn keep(target: Target) -> Result<PathBuf, Failure> {
    let failed = |error: &std::io::Error| Failure::io(error, format!("commit {}", target.path.display()));
    target.part.as_file().sync_all().map_err(|error| failed(&error))?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    target.part.as_file().set_permissions(mode).map_err(|error| failed(&error))?;
    let Target { path, part, replace } = target;
    let result = if replace { part.persist(&path) } else { part.persist_noclobber(&path) };
    result.map_err(|error| Failure::io(&error.error, format!("commit {}", path.display())))?;
    Ok(path)
}

struct Ended {
    /// Datagrams that the server cut the file into; one that is sent again may come in pieces.
    chunks: u64,
    resent: u64,
    hash: [u8; 32],
    elapsed: Duration,
}

fn outcome(
    viewing: &Viewing<'_>,
    ended: &Ended,
    hash: blake3::Hash,
    name: &str,
    player: &str,
    kept: Option<&std::path::Path>,
) -> Outcome {
    let (size, chunks) = (viewing.store.size, ended.chunks);
    let kept_text = kept.map_or_else(String::new, |path| format!(", kept as {}", path.display()));
    let played = if player == "none" { String::new() } else { format!(", played by {player}") };
    let text = format!(
        "streamed {}: {} ({size} bytes) in {chunks} datagrams, {} repaired, {}, verified blake3 {}…{played}{kept_text}",
        escape_line(name),
        quantity::show_size(size),
        ended.resent,
        quantity::show_duration(ended.elapsed),
        &hash.to_hex()[..16],
    );
    let mut fields = vec![
        ("blake3", Value::text(hash.to_hex().as_str())),
        ("datagrams", Value::count(chunks)),
        ("lost", Value::count(ended.resent)),
        ("repaired", Value::count(ended.resent)),
        ("first_byte_ms", Value::Integer(viewing.first_byte.unwrap_or_default().as_millis() as i128)),
        ("seconds", Value::seconds(ended.elapsed)),
    ];
    fields.extend(kept.map(|path| ("path", Value::text(path.display().to_string()))));
    Outcome::new(text, fields)
}

struct Viewing<'a> {
    session: &'a Handle,
    connection: Connection,
    store: Arc<Store>,
    wanted: mpsc::Receiver<u64>,
    began: Instant,
    first_byte: Option<Duration>,
    /// The rest is wanted even if the player closes.
    keep: bool,
}

impl Viewing<'_> {
    /// Until everything is here and the player is done; `None` if the player closed early and nothing is kept.
    async fn run(&mut self, mut player: Option<Player>) -> Result<Option<Ended>, Failure> {
        let mut end: Option<Ended> = None;
        loop {
            if player.is_none() && self.store.is_complete() && end.is_some() {
                return Ok(end);
            }
            let all_here = end.is_some() && self.store.is_complete();
            tokio::select! {
                message = self.connection.incoming.expect(SILENCE_LIMIT, "part of the file"), if !all_here => {
                    if let Some((chunks, resent, hash)) = self.take(message?)? {
                        end = Some(Ended { chunks, resent, hash, elapsed: self.began.elapsed() });
                    }
                }
                Some(offset) = self.wanted.recv(), if !all_here => {
                    self.connection.outgoing.send_now(Message::Want { offset }.encode()).await?;
                }
                closed = wait(player.as_mut()) => {
                    closed?;
                    player = None;
                    if !self.keep && !self.store.is_complete() {
                        self.connection.outgoing.send_now(Message::Done.encode()).await?;
                        return Ok(None);
                    }
                }
            }
            if all_here && player.is_some() {
                // Nothing comes any more: the connection must not fall asleep over a long film.
                self.session.progress(self.store.size, self.store.size);
            }
        }
    }

    /// How many chunks there were, how many of them were sent again, and the hash, at the end.
    fn take(&mut self, message: Wire) -> Result<Option<(u64, u64, [u8; 32])>, Failure> {
        match message {
            Wire::Block { offset, bytes } => {
                self.first_byte.get_or_insert_with(|| self.began.elapsed());
                self.store.put(offset, &bytes)?;
                self.session.count_in(bytes.len() as u64);
                self.session.progress(self.store.covered(), self.store.size);
                Ok(None)
            }
            Wire::Frame(frame) if frame.kind == frame::ERROR => Err(told(&frame)),
            Wire::Frame(frame) => match Message::decode(&frame).map_err(malformed)? {
                Message::End { chunks, resent, hash } => Ok(Some((chunks, resent, hash))),
                _ => Err(Failure::new(Code::Misbehaved, "the server sent a message that cannot stand here")),
            },
        }
    }
}

async fn wait(player: Option<&mut Player>) -> Result<(), Failure> {
    match player {
        Some(player) => player.wait().await,
        None => std::future::pending().await,
    }
}
