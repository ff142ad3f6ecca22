//! `ls`, both sides; the stream server answers with the same code.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::errors;
use super::names::{LEAST, NAMES, Name, Names, Reading};
use super::protocol::{ENTRIES, Entries, Entry, EntryKind, LIST_LIMIT, List, PAGE_LIMIT};
use super::root::Folder;
use super::turns::{Extent, Wanted};
use crate::base::escape::escape_line;
use crate::base::{Value, quantity};
use crate::language::{Arguments, FromArguments, Target};
use crate::net::errors::{malformed, nothing_came, unexpected};
use crate::net::{Connection, udp};
use crate::report::{Failure, Outcome};
use crate::service::contract::dial;
use crate::service::contract::keys::ClientChoice;
use crate::service::{Context, Job, connect};
use crate::session::Handle;
use crate::wire::{Code, Frame, ServiceId};

const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Completion at the prompt waits for names no longer than this.
const NAMES_LIMIT: Duration = Duration::from_secs(3);
/// Most entries that `ls` shows.
pub(crate) const ENTRY_LIMIT: usize = 1_000_000;
/// Most bytes of the names in a list.
const BYTES_LIMIT: usize = 64 << 20;

/// Pages that are examined at once. This limit is separate from that of transfers, so that neither delays the other.
static PAGES: Semaphore = Semaphore::const_new(4);
/// A client that accepts no page for this long is disconnected: it holds names in memory.
const PAGE_LIMIT_TIME: Duration = Duration::from_secs(10);

/// Adds a service's own details to a page of a folder; it blocks.
pub(crate) type Dress = fn(&Folder, &str, Vec<Entry>) -> Vec<Entry>;

/// A folder that is being listed: its names were read, the entries are examined page by page.
pub(crate) struct Listing {
    folder: Arc<Folder>,
    path: String,
    names: Arc<Names>,
    /// Those of them that were used.
    used: usize,
}

impl Listing {
    /// Reads the names. The outer error ends the connection, the inner one is the answer.
    pub(crate) async fn open(
        session: &Handle,
        folder: &Arc<Folder>,
        path: &str,
    ) -> Result<Result<Self, Failure>, Failure> {
        let names = read(session, folder, path, None).await?;
        Ok(names.map(|names| Self { folder: folder.clone(), path: path.to_owned(), names, used: 0 }))
    }

    /// Nothing is left.
    pub(crate) fn is_over(&self) -> bool {
        self.len() == 0
    }

    /// The names that are left.
    pub(crate) fn len(&self) -> usize {
        self.names.len() - self.used + self.names.later()
    }

    /// The entries of the next page; empty for an empty folder, and where nothing that is listed is left.
    pub(crate) async fn next(
        &mut self,
        session: &Handle,
        dress: Dress,
    ) -> Result<Result<Vec<Entry>, Failure>, Failure> {
        if self.used == self.names.len()
            && let Some(end) = self.names.end()
        {
            match read(session, &self.folder, &self.path, Some(end)).await? {
                Ok(names) => (self.names, self.used) = (names, 0),
                Err(failure) => return Ok(Err(failure)),
            }
        }
        let (names, from) = (self.names.clone(), self.used);
        self.used = names.len().min(from + PAGE_LIMIT);
        if self.used == from {
            return Ok(Ok(Vec::new()));
        }
        let (folder, path) = (self.folder.clone(), self.path.clone());
        let _turn = PAGES.acquire().await;
        let examine = move || {
            let entries = folder.entries(&path, names.page(from, PAGE_LIMIT));
            entries.map(|page| dress(&folder, &path, page))
        };
        session.block(examine).await
    }
}

/// The names of a folder, of those behind `after`, as many as there is room for. The outer error ends the connection, the
/// inner one is the answer.
async fn read(
    session: &Handle,
    folder: &Arc<Folder>,
    path: &str,
    after: Option<Name>,
) -> Result<Result<Arc<Names>, Failure>, Failure> {
    // What is read in parts is long.
    let extents = if after.is_none() { &[Extent::Short, Extent::Whole][..] } else { &[Extent::Whole] };
    for &extent in extents {
        let wanted = Wanted { path: path.to_owned(), after: after.clone(), extent };
        match read_in_turn(session, folder, wanted).await? {
            Ok(Some(names)) => return Ok(Ok(names)),
            Ok(None) => {}
            Err(failure) => return Ok(Err(failure)),
        }
    }
    Ok(Err(errors::too_many_entries(LIST_LIMIT)))
}

/// The same reading serves all who wait for it; `None` if the folder is longer than its extent.
async fn read_in_turn(
    session: &Handle,
    folder: &Arc<Folder>,
    wanted: Wanted,
) -> Result<Result<Option<Arc<Names>>, Failure>, Failure> {
    let reading = folder.readings.join(&wanted);
    let found = reading.get_or_try_init(|| async {
        let _turn = wanted.extent.turn().await;
        folder.readings.begin(&wanted, &reading);
        let (folder, wanted) = (folder.clone(), wanted.clone());
        session.block(move || read_names(&folder, wanted)).await
    });
    found.await.cloned()
}

fn read_names(folder: &Folder, wanted: Wanted) -> Result<Option<Arc<Names>>, Failure> {
    let mut reading = Reading::new(&NAMES, LEAST, wanted.after);
    let is_all = folder.names(&wanted.path, wanted.extent.most(), |name| reading.offer(name))?;
    Ok(is_all.then(|| Arc::new(reading.end())))
}

/// Answers one LIST.
pub(crate) async fn answer(
    session: &Handle,
    folder: &Arc<Folder>,
    connection: &mut Connection,
    frame: &Frame,
    dress: Dress,
) -> Result<(), Failure> {
    let List { path } = List::decode(frame).map_err(malformed)?;
    let mut listing = match Listing::open(session, folder, &path).await? {
        Ok(listing) => listing,
        Err(failure) => return connection.outgoing.send_now(Frame::error(failure.code, &failure.why)).await,
    };
    loop {
        let frame = match listing.next(session, dress).await? {
            // Links, FIFOs and the like, which are not listed: only the last page may be empty.
            Ok(entries) if entries.is_empty() && !listing.is_over() => continue,
            Ok(entries) => Entries { entries, more: !listing.is_over() }.encode(),
            Err(failure) => Frame::error(failure.code, &failure.why),
        };
        let over = listing.is_over() || frame.kind != ENTRIES;
        send_page(connection, frame, over).await?;
        if over {
            return Ok(());
        }
    }
}

/// Sends a page, or the reason why there is none. `over`: nothing follows it.
async fn send_page(connection: &mut Connection, frame: Frame, over: bool) -> Result<(), Failure> {
    let sent = async {
        connection.outgoing.send(frame).await?;
        if over { connection.outgoing.flush().await } else { Ok(()) }
    };
    tokio::time::timeout(PAGE_LIMIT_TIME, sent).await.map_err(|_| errors::list_not_read())?
}

/// `ls`.
pub(crate) struct LsOptions {
    pub(crate) server: Option<Target>,
    /// A folder at the server; empty: its root.
    pub(crate) path: String,
    pub(crate) key: ClientChoice,
}

impl FromArguments for LsOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        let path = arguments.text("path").unwrap_or_default().to_owned();
        Self { server: arguments.target("server"), path, key: ClientChoice::from_arguments(arguments) }
    }
}

pub(crate) fn list(session: Handle, options: LsOptions, context: Context) -> Job {
    Box::pin(async move {
        let LsOptions { server, path, key } = options;
        let key = context.key(&key).map_err(|failure| failure.of("ls"))?;
        let mut connection = connect(&session, server.as_ref(), ServiceId::ANY, key)
            .await
            .map_err(|failure| failure.of("ls"))?;
        session.running("transferring");
        let entries = session
            .unless_cancelled(fetch(&mut connection, path))
            .await
            .map_err(|failure| failure.of("ls"))?;
        connection.outgoing.close(Code::Other, "").await;
        let names: Vec<String> = entries.iter().map(|entry| escape_line(&entry.name).into_owned()).collect();
        let length = entries.iter().fold(0u64, |sum, entry| match &entry.kind {
            EntryKind::Media(note) => sum.saturating_add(note.milliseconds),
            _ => sum,
        });
        let bytes = entries.iter().fold(0u64, |sum, entry| sum.saturating_add(entry.size));
        let fields = vec![
            ("entries", Value::count(entries.len() as u64)),
            ("names", Value::text(names.join("\n"))),
            ("bytes", Value::count(bytes)),
            ("length", Value::seconds(Duration::from_millis(length))),
        ];
        Ok(Outcome::new(table(&entries), fields))
    })
}

/// The names in a server's folder, each with a short description, for completion. Fails after [`NAMES_LIMIT`].
pub async fn names(
    context: &Context,
    target: &Target,
    key: &ClientChoice,
) -> Result<Vec<(String, String)>, Failure> {
    let key = context.key(key)?;
    let asking = async {
        let (mut connection, driver) = dial(target, ServiceId::ANY, udp::Options::STANDARD, &key).await?;
        if let Some(driver) = driver {
            context.registry.spawn(driver);
        }
        let entries = fetch(&mut connection, String::new()).await;
        connection.outgoing.close(Code::Other, "").await;
        entries
    };
    let entries = tokio::time::timeout(NAMES_LIMIT, asking);
    let entries = entries.await.map_err(|_| nothing_came("answer", NAMES_LIMIT))??;
    Ok(entries.iter().map(|entry| (entry.name.clone(), about(entry))).collect())
}

fn about(entry: &Entry) -> String {
    match &entry.kind {
        EntryKind::Folder => "folder".into(),
        EntryKind::Media(note) if note.milliseconds > 0 => {
            format!("{}, {}", clock(note.milliseconds), quantity::show_size(entry.size))
        }
        _ => quantity::show_size(entry.size),
    }
}

async fn fetch(connection: &mut Connection, path: String) -> Result<Vec<Entry>, Failure> {
    let (mut all, mut bytes): (Vec<Entry>, usize) = (Vec::new(), 0);
    connection.request([List { path }.encode()]).await?;
    loop {
        let frame = connection.incoming.frame(ANSWER_LIMIT, "answer").await?;
        if frame.kind != ENTRIES {
            return Err(unexpected("the server"));
        }
        let page = Entries::decode(&frame).map_err(malformed)?;
        if page.entries.is_empty() && page.more {
            return Err(unexpected("the server"));
        }
        bytes += page.entries.iter().map(|entry| entry.name.len()).sum::<usize>();
        all.extend(page.entries);
        if !page.more {
            return Ok(all);
        }
        if all.len() >= ENTRY_LIMIT || bytes > BYTES_LIMIT {
            return Err(errors::list_too_long(ENTRY_LIMIT));
        }
    }
}

fn table(entries: &[Entry]) -> String {
    if entries.is_empty() {
        return "nothing there".into();
    }
    let has_media = entries.iter().any(|entry| matches!(entry.kind, EntryKind::Media(_)));
    let lines: Vec<String> = entries
        .iter()
        .map(|entry| {
            let name = escape_line(&entry.name);
            let (size, name) = match &entry.kind {
                EntryKind::Folder => ("folder".to_owned(), format!("{name}/")),
                EntryKind::Person => (format!("said {}", entry.size), name.into_owned()),
                EntryKind::Link(target) => ("link".to_owned(), format!("{name} -> {}", escape_line(target))),
                EntryKind::File | EntryKind::Media(_) => (quantity::show_size(entry.size), name.into_owned()),
            };
            if !has_media {
                return format!("{size:>12}  {name}");
            }
            let (length, container, title) = match &entry.kind {
                EntryKind::Media(note) => (clock(note.milliseconds), &*note.container, &*note.title),
                _ => (String::new(), "", ""),
            };
            let title =
                if title.is_empty() { String::new() } else { format!("  \"{}\"", escape_line(title)) };
            format!("{size:>12}  {length:>8}  {:<8}  {name}{title}", escape_line(container))
        })
        .collect();
    lines.join("\n")
}

/// `1:02:03`; empty for 0, an unknown length.
fn clock(milliseconds: u64) -> String {
    // To the nearest second, but at least one.
    let seconds = ((milliseconds + 500) / 1000).max(1);
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        _ if milliseconds == 0 => String::new(),
        (0, minutes, seconds) => format!("{minutes}:{seconds:02}"),
        (hours, minutes, seconds) => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}
