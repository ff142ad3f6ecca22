//! The `stream` client: receives chunks in any order, plays the file while the rest arrives, and keeps it if asked.
//!
//! | file | holds |
//! |---|---|
//! | `open` | asks the server for a file |
//! | `reception` | the receiving loop: blocks come in, requests go out |
//! | `plan` | pure: what to request next, and what to discard |
//! | `store` | the data that has arrived, and readers that wait for more |
//! | `digest` | its hash, computed on the way |
//! | `subtitles` | fetches the subtitles beside a film |

mod digest;
mod open;
pub(super) mod plan;
pub(super) mod reception;
pub(super) mod store;
pub(super) mod subtitles;

use crate::net::Connection;
use crate::service::files::subtitles::Subtitles;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use self::open::{Opened, open};
use self::plan::Plan;
use self::reception::{End, Reception};
use self::store::Store;
use super::errors;
use super::playback::http::Offer;
use super::playback::player::PlayerChoice;
use super::playback::watcher::Watcher;
use super::protocol::{Message, PARITY_LIMIT, Tempo};
use crate::base::escape::escape_line;
use crate::base::{RangeSet, Value, quantity};
use crate::language::{Arguments, FromArguments, Target};
use crate::report::{Failure, Outcome};
use crate::service::contract::errors::{file_exists, never_replaced};
use crate::service::contract::keys::{ClientChoice, Credentials};
use crate::service::ftp::check_space;
use crate::service::{Context, Job, connect};
use crate::session::Handle;
use crate::wire::Code;

/// Bytes held on the disk of a film that is not kept, unless `cache` says otherwise.
pub(super) const CACHE: u64 = 256 << 20;

/// `stream`.
pub(super) struct StreamOptions {
    /// At the server.
    pub(super) name: String,
    pub(super) server: Option<Target>,
    /// `None`: `play` was not given.
    play: Option<PlayerChoice>,
    /// Where to keep it.
    to: Option<String>,
    replace: bool,
    live: bool,
    /// Parity, in percent of the data.
    parity: f64,
    /// Bytes on the disk for a film that is not kept.
    cache: u64,
    key: ClientChoice,
}

impl FromArguments for StreamOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        Self {
            name: arguments.text("name").unwrap_or_default().to_owned(),
            server: arguments.target("from"),
            play: arguments.flag("play").then(|| PlayerChoice::from_word(arguments.text("play"))),
            to: arguments.text("to").map(str::to_owned),
            replace: arguments.flag("replace"),
            live: arguments.flag("live"),
            parity: arguments.percent("fec").map_or(0.0, |share| share * 100.0),
            cache: arguments.number("cache").unwrap_or(CACHE),
            key: ClientChoice::from_arguments(arguments),
        }
    }
}

impl StreamOptions {
    /// # Errors
    /// Nothing would be done with the data, or two options exclude each other.
    fn check(&self) -> Result<(), Failure> {
        if self.play.is_none() && self.to.is_none() {
            return Err(errors::nothing_done_with_data());
        }
        if self.live && self.to.is_some() {
            return Err(errors::live_and_kept());
        }
        if self.parity > f64::from(PARITY_LIMIT) {
            return Err(errors::too_much_parity());
        }
        Ok(())
    }

    /// How fast the server is to send, played as `choice` says.
    fn tempo(&self, choice: &PlayerChoice) -> Tempo {
        match choice {
            _ if self.to.is_some() => Tempo::Free,
            _ if self.live => Tempo::Live,
            PlayerChoice::None => Tempo::Free,
            _ => Tempo::Media,
        }
    }
}

pub(super) fn stream(session: Handle, options: StreamOptions, context: Context) -> Job {
    Box::pin(async move {
        let what = format!("stream {}", options.name);
        run(&session, &options, &context).await.map_err(|failure| failure.of(what))
    })
}

/// The path to keep the file at, and the temporary file beside it that is used until it is complete.
struct KeptFile {
    path: PathBuf,
    part: tempfile::NamedTempFile,
    replace: bool,
}

/// Checks the destination before any data is requested: an existing name is refused (faults.md row 6). `None` without
/// `to`.
fn target(options: &StreamOptions, context: &Context) -> Result<Option<KeptFile>, Failure> {
    let StreamOptions { name, replace, .. } = options;
    let Some(to) = &options.to else { return Ok(None) };
    let mut path = context.directory.join(to);
    if path.is_dir() {
        path.push(name.rsplit('/').next().unwrap_or(name));
    }
    let is_special = |there: std::fs::Metadata| !there.is_file() && !there.is_symlink();
    // A link to a device or a FIFO would be lost, too.
    if path.symlink_metadata().is_ok_and(is_special) || path.metadata().is_ok_and(is_special) {
        return Err(never_replaced(path.display()));
    }
    if !*replace && path.symlink_metadata().is_ok() {
        return Err(file_exists(path.display()));
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
    Ok(Some(KeptFile { path, part, replace: *replace }))
}

async fn run(session: &Handle, options: &StreamOptions, context: &Context) -> Result<Outcome, Failure> {
    let began = Instant::now();
    let name = options.name.as_str();
    options.check()?;
    let target = target(options, context)?;
    let choice = options.play.clone().unwrap_or(PlayerChoice::None);
    session.set("name", Value::text(name));
    let key = context.key(&options.key)?;
    let id = crate::service::stream::protocol::ID;
    let mut connection = connect(session, options.server.as_ref(), id, key.clone()).await?;
    let opening = open_with_subtitles(session, &mut connection, (options, &key), &choice);
    let (opened, subtitles) = session.unless_cancelled(opening).await?;
    let Opened { size, duration, early, dropped } = opened;
    let keep = target.is_some();
    let store = make_store(target.as_ref(), options, size, &dropped)?;
    let site = Offer { store: store.clone(), name, subtitles };
    let watcher = Watcher::start(session, (&choice, context.no_shell), site, duration, keep).await?;
    let watched_by = watcher.as_ref().map_or("none", Watcher::name).to_owned();
    session.set_all([("player", Value::text(watched_by.clone())), ("bytes", Value::count(size))]);
    session.running(if matches!(watcher, Some(Watcher::Player(_))) { "playing" } else { "transferring" });
    let mut viewing = Reception::new(session, connection, store, keep, began);
    for (offset, bytes) in early {
        viewing.block(offset, &bytes)?;
    }
    let ended = session.unless_cancelled(viewing.run(watcher)).await;
    viewing.connection.outgoing.close(Code::Other, "").await;
    let watched = ended?;
    viewing.show();
    let Some(ended) = viewing.end.take().filter(|_| watched.is_whole) else {
        let text = watched_in_part(name, &watched_by, watched.to_its_end);
        return Ok(Outcome::new(text, viewing.fields()));
    };
    let hash = verified(session, &viewing, watched.hash, &ended).await?;
    let kept = match target {
        Some(target) => Some(session.block(move || commit(target)).await??),
        None => None,
    };
    Ok(outcome(&viewing, &ended, hash, (name, &watched_by), kept.as_deref()))
}

/// The store of what arrives: in the file that is kept, or in a temporary one. `dropped`: ranges that came already and
/// were discarded.
fn make_store(
    target: Option<&KeptFile>,
    options: &StreamOptions,
    size: u64,
    dropped: &RangeSet,
) -> Result<Arc<Store>, Failure> {
    let file = match target {
        Some(target) => target.part.reopen(),
        None => tempfile::tempfile(),
    };
    let file = file.map_err(|error| Failure::io(&error, "the file that holds what arrives"))?;
    let keep = target.is_some();
    let room = if keep { u64::MAX } else { options.cache };
    check_space(&file, size.min(room))?;
    Ok(Store::new(file, size, Plan::new(size, room, keep, dropped), options.live))
}

/// The outcome if not everything was received.
fn watched_in_part(name: &str, player: &str, to_its_end: bool) -> String {
    if to_its_end {
        format!("watched {} with {player}", escape_line(name))
    } else {
        format!("closed {player} before the end of {}", escape_line(name))
    }
}

/// Opens the film; for a player, its subtitles are fetched meanwhile.
async fn open_with_subtitles(
    session: &Handle,
    connection: &mut Connection,
    (options, key): (&StreamOptions, &Credentials),
    choice: &PlayerChoice,
) -> Result<(Opened, Option<Subtitles>), Failure> {
    let StreamOptions { name, server, .. } = options;
    let parity = options.parity.ceil() as u8;
    let wish = Message::Open { name: name.clone(), tempo: options.tempo(choice), parity };
    let plays = matches!(choice, PlayerChoice::First | PlayerChoice::Named(_));
    let beside = async {
        if plays { Box::pin(subtitles::beside(session, server.as_ref(), key, name)).await } else { None }
    };
    let (opened, subtitles) = tokio::join!(open(connection, wish), beside);
    opened.map(|opened| (opened, subtitles))
}

/// The hash of what arrived, if it is that of the server's file.
async fn verified(
    session: &Handle,
    viewing: &Reception<'_>,
    known: Option<blake3::Hash>,
    ended: &End,
) -> Result<blake3::Hash, Failure> {
    let hash = match known {
        Some(hash) => hash,
        None => {
            let store = viewing.store.clone();
            session.block(move || store.hash()).await??
        }
    };
    if *hash.as_bytes() == ended.hash {
        return Ok(hash);
    }
    Err(errors::hash_mismatch())
}

/// Gives the file its name, only when it is complete and synced to the disk.
fn commit(target: KeptFile) -> Result<PathBuf, Failure> {
    let failed = |error: &std::io::Error| Failure::io(error, format!("commit {}", target.path.display()));
    target.part.as_file().sync_all().map_err(|error| failed(&error))?;
    // It stays for its owner alone: a stream does not tell who may read the file at the server.
    let KeptFile { path, part, replace } = target;
    let result = if replace { part.persist(&path) } else { part.persist_noclobber(&path) };
    result.map_err(|error| Failure::io(&error.error, format!("commit {}", path.display())))?;
    Ok(path)
}

fn outcome(
    viewing: &Reception<'_>,
    ended: &End,
    hash: blake3::Hash,
    (name, player): (&str, &str),
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
        quantity::show_duration(viewing.elapsed()),
        &hash.to_hex()[..16],
    );
    let mut fields = viewing.fields();
    fields.push(("blake3", Value::text(hash.to_hex().as_str())));
    fields.push(("seconds", Value::seconds(viewing.elapsed())));
    fields.extend(kept.map(|path| ("path", Value::text(path.display().to_string()))));
    Outcome::new(text, fields)
}
