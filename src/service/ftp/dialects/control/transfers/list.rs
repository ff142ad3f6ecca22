//! LIST, NLST and MLSD: a folder, or some of it, to the client, page by page.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio_util::sync::CancellationToken;

use super::super::answers::{entry, find};
use super::super::command::Form;
use super::super::data::Passive;
use super::super::errors;
use super::super::lines::{Facts, facts, long, matches};
use super::super::path::spoken;
use super::super::reply::{About, Reply};
use super::super::session::Session;
use crate::net::accept::foreign::ForeignStream;
use crate::report::Failure;
use crate::service::files::listing::Listing;
use crate::service::files::protocol::Entry;
use crate::service::ftp::dialects::store::{Found, Store};
use crate::wire::Code;

/// A client that does not take a page within this time is let go: its names are in memory.
const PAGE_LIMIT: Duration = Duration::from_secs(10);

/// What is to be listed.
pub(in super::super) struct Listed {
    what: What,
    /// Names that do not match it are left out.
    pattern: Option<Vec<u8>>,
    look: Look,
}

enum What {
    Folder(Listing),
    One(Entry),
}

/// How an entry is shown.
struct Look {
    form: Form,
    facts: Facts,
    may_store: bool,
    /// Before each name of NLST, so that RETR takes it as it is (RFC 1123, section 4.1.2.7).
    before: Vec<u8>,
    /// In nanoseconds since 1970.
    now: u64,
}

impl Listed {
    /// Finds what is to be listed; the error is the answer.
    pub(in super::super) async fn find(
        store: &Store,
        session: &Session,
        form: Form,
        argument: &[u8],
    ) -> Result<Self, Reply> {
        let refused = |failure: &Failure| Reply::of(failure, About::Reading);
        let (folder, pattern) = match find(store, session, argument).await {
            Ok((_, Found::File(_))) if form == Form::Facts => {
                return Err(Reply::new(501, "it is a file: use MLST"));
            }
            Ok((path, found @ Found::File(_))) => {
                let look = Look::new(store, session, form, split(argument).0);
                return Ok(Self { what: What::One(entry(&path, &found)), pattern: None, look });
            }
            Ok((path, Found::Folder { .. })) => (path, None),
            Err(failure) => match split(argument) {
                (folder, pattern) if failure.code == Code::Missing && has_wildcard(pattern) => {
                    (session.folder.resolve(folder), Some(pattern.to_vec()))
                }
                _ => return Err(refused(&failure)),
            },
        };
        let before = if pattern.is_some() { split(argument).0 } else { argument };
        let listing = store.list(&folder.name()).await.map_err(|failure| refused(&failure))?;
        let look = Look::new(store, session, form, before);
        Ok(Self { what: What::Folder(listing), pattern, look })
    }

    /// Sends it.
    pub(in super::super) async fn run(
        self,
        store: &Store,
        passive: Passive,
        stop: &CancellationToken,
    ) -> Result<Reply, Failure> {
        let mut data = tokio::select! {
            () = stop.cancelled() => return Err(errors::aborted()),
            data = passive.accept(store) => data?,
        };
        store.client.does("lists a folder");
        let sent = tokio::select! {
            biased;
            () = stop.cancelled() => Err(errors::aborted()),
            sent = self.send(store, &mut data) => sent,
        };
        store.client.waits();
        match sent {
            Ok(count) => {
                data.end().await;
                Ok(Reply::new(226, format!("{count} listed")))
            }
            Err(failure) => {
                data.reset();
                Err(failure)
            }
        }
    }

    async fn send(self, store: &Store, data: &mut ForeignStream) -> Result<usize, Failure> {
        let Self { what, pattern, look } = self;
        let mut listing = match what {
            What::One(entry) => return look.send_page(store, data, &[entry]).await.map(|()| 1),
            What::Folder(listing) => listing,
        };
        let mut count = 0;
        while !listing.is_over() {
            let mut page = store.next_entries(&mut listing).await?;
            if let Some(pattern) = &pattern {
                page.retain(|entry| matches(pattern, &spoken(&entry.name)));
            }
            count += page.len();
            look.send_page(store, data, &page).await?;
        }
        Ok(count)
    }
}

impl Look {
    fn new(store: &Store, session: &Session, form: Form, before: &[u8]) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let mut before = before.to_vec();
        if !matches!(before.last(), None | Some(b'/')) {
            before.push(b'/');
        }
        let may_store = store.objection_to_writing().is_none();
        Self { form, facts: session.facts, may_store, before, now }
    }

    fn line(&self, entry: &Entry) -> Vec<u8> {
        match self.form {
            Form::Long => long(entry, self.now),
            Form::Names => [&self.before[..], &spoken(&entry.name)].concat(),
            Form::Facts => facts(entry, &spoken(&entry.name), self.facts, self.may_store),
        }
    }

    async fn send_page(
        &self,
        store: &Store,
        data: &mut ForeignStream,
        page: &[Entry],
    ) -> Result<(), Failure> {
        let mut text = Vec::new();
        for entry in page {
            text.extend(self.line(entry));
            text.extend_from_slice(b"\r\n");
        }
        let written = tokio::time::timeout(PAGE_LIMIT, data.write(&text)).await;
        written.map_err(|_| errors::list_page_not_taken())??;
        store.sent(text.len() as u64).await;
        Ok(())
    }
}

/// The folder in a path, with its `/`, and the name in it.
fn split(argument: &[u8]) -> (&[u8], &[u8]) {
    let argument = argument.strip_suffix(b"/").unwrap_or(argument);
    let at = argument.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
    argument.split_at(at)
}

fn has_wildcard(name: &[u8]) -> bool {
    name.iter().any(|byte| matches!(byte, b'*' | b'?'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_the_last_part_of_a_path() {
        assert_eq!(split(b"a/b/*.txt"), (&b"a/b/"[..], &b"*.txt"[..]));
        assert_eq!(split(b"*"), (&b""[..], &b"*"[..]));
        assert_eq!(split(b"a/b/"), (&b"a/"[..], &b"b"[..]));
        assert!(has_wildcard(b"a?") && !has_wildcard(b"a"));
    }
}
