//! `ls`, both sides; the stream server answers with the same code.

use std::sync::Arc;
use std::time::Duration;

use super::folder::Folder;
use super::transfer::by_disk;
use crate::base::escape::escape_line;
use crate::base::{Endpoint, Transport, Value, quantity};
use crate::language::Arguments;
use crate::net::connection::{malformed, nothing_came};
use crate::net::{self, Connection, udp};
use crate::report::{Failure, Outcome};
use crate::service::{Context, Job, connect};
use crate::session::{Handle, Registry};
use crate::wire::listing::{ENTRIES, Entries, Entry, EntryKind, List};
use crate::wire::{Code, Frame, ServiceId};

const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Who types does not wait for names longer than this.
const NAMES_LIMIT: Duration = Duration::from_secs(3);
/// Most entries that `ls` shows.
const ENTRY_LIMIT: usize = 100_000;

/// What a service adds to a page of a folder: it blocks.
pub(crate) type Dress = fn(&Folder, &str, Entries) -> Entries;

/// Answers one LIST.
pub(crate) async fn answer(
    session: &Handle,
    folder: &Arc<Folder>,
    connection: &mut Connection,
    frame: &Frame,
    dress: Dress,
) -> Result<(), Failure> {
    let list = List::decode(frame).map_err(malformed)?;
    let folder = folder.clone();
    let page = move || folder.entries(&list.path, &list.after).map(|page| dress(&folder, &list.path, page));
    let answer = match by_disk(session, page).await? {
        Ok(entries) => entries.encode(),
        Err(failure) => Frame::error(failure.code, &failure.why),
    };
    connection.outgoing.send_now(answer).await
}

pub(super) fn list(session: Handle, arguments: Arguments, _context: Context) -> Job {
    Box::pin(async move {
        let path = arguments.text("path").unwrap_or_default().to_owned();
        let mut connection = connect(&session, &arguments, "server", ServiceId::Any)
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

/// What a server has in its folder, each with a few words: for completion. It takes no longer than [`NAMES_LIMIT`].
pub async fn names(
    registry: &Registry,
    transport: Transport,
    endpoint: &Endpoint,
) -> Result<Vec<(String, String)>, Failure> {
    let asking = async {
        let options = udp::Options::STANDARD;
        let (mut connection, driver) = net::connect(transport, endpoint, ServiceId::Any, options).await?;
        if let Some(driver) = driver {
            registry.spawn(driver);
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
    let mut all: Vec<Entry> = Vec::new();
    loop {
        let after = all.last().map(|entry| entry.name.clone()).unwrap_or_default();
        connection.request([List { path: path.clone(), after: after.clone() }.encode()]).await?;
        let frame = connection.incoming.frame(ANSWER_LIMIT, "answer").await?;
        if frame.kind != ENTRIES {
            return Err(Failure::new(Code::Misbehaved, "the server answered something else"));
        }
        let page = Entries::decode(&frame).map_err(malformed)?;
        // A page that does not go on would be asked for, for ever.
        let goes_on = page.entries.last().is_some_and(|last| last.name > after);
        all.extend(page.entries);
        if !page.more || !goes_on || all.len() >= ENTRY_LIMIT {
            return Ok(all);
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
                EntryKind::File | EntryKind::Executable | EntryKind::Media(_) => {
                    (quantity::show_size(entry.size), name.into_owned())
                }
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

/// `1:02:03`; nothing if nobody knows.
fn clock(milliseconds: u64) -> String {
    let seconds = milliseconds.div_ceil(1000);
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        _ if milliseconds == 0 => String::new(),
        (0, minutes, seconds) => format!("{minutes}:{seconds:02}"),
        (hours, minutes, seconds) => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}
