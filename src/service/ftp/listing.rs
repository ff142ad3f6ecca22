//! `ls`, both sides; the stream server answers with the same code.

use std::sync::Arc;
use std::time::Duration;

use super::folder::Folder;
use super::transfer::by_disk;
use crate::base::escape::escape_line;
use crate::base::{Value, quantity};
use crate::language::Arguments;
use crate::net::Connection;
use crate::net::connection::malformed;
use crate::report::{Failure, Outcome};
use crate::service::{Context, Job, connect};
use crate::session::Handle;
use crate::wire::listing::{ENTRIES, Entries, Entry, EntryKind, List};
use crate::wire::{Code, Frame, ServiceId};

const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Most entries that `ls` shows.
const ENTRY_LIMIT: usize = 100_000;

/// Answers one LIST.
pub(crate) async fn answer(
    session: &Handle,
    folder: &Arc<Folder>,
    connection: &mut Connection,
    frame: &Frame,
) -> Result<(), Failure> {
    let list = List::decode(frame).map_err(malformed)?;
    let folder = folder.clone();
    let answer = match by_disk(session, move || folder.entries(&list.path, &list.after)).await? {
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
        let bytes = entries.iter().fold(0u64, |sum, entry| sum.saturating_add(entry.size));
        let fields = vec![
            ("entries", Value::count(entries.len() as u64)),
            ("names", Value::text(names.join("\n"))),
            ("bytes", Value::count(bytes)),
        ];
        Ok(Outcome::new(table(&entries), fields))
    })
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
    let lines: Vec<String> = entries
        .iter()
        .map(|entry| {
            let (size, slash) = match entry.kind {
                EntryKind::Folder => ("folder".to_owned(), "/"),
                EntryKind::Person => (format!("said {}", entry.size), ""),
                EntryKind::File | EntryKind::Executable => (quantity::show_size(entry.size), ""),
            };
            format!("{size:>12}  {}{slash}", escape_line(&entry.name))
        })
        .collect();
    lines.join("\n")
}
