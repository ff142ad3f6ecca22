//! The result of moving a tree over one connection; `send_folder` and `get_folder` move it.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::base::escape::escape_line;
use crate::base::{Value, quantity};
use crate::report::Failure;
use crate::service::files::protocol::Walked;
use crate::service::files::walk::Count;
use crate::service::ftp::errors;
use crate::service::ftp::protocol::{Framing, Mode};
use crate::service::ftp::transfer::Delivered;
use crate::wire::Code;

/// Files that are read or stored in one batch.
pub(crate) const TOGETHER: usize = 64;
/// Most messages that wait for an answer.
pub(crate) const WINDOW: usize = 1024;
/// Most reasons in the failure message itself; others follow in lines below it …
const REASONS: usize = 5;
/// … up to this number.
const REASONS_LIMIT: usize = 10_000;

/// The result of a tree transfer.
#[derive(Debug)]
pub(crate) struct TreeOutcome {
    /// BLAKE3 of each file, by name. The hash of a tree is that of this list, as `b3sum` prints it.
    hashes: BTreeMap<String, blake3::Hash>,
    count: Count,
    /// Entries that were not transferred, each with its reason.
    refused: BTreeMap<String, Failure>,
    /// Bytes of files that are stored, whether they travelled or were there.
    pub(crate) bytes: u64,
    /// Files that replaced another.
    updated: u64,
    /// Small files among them.
    updated_small: u64,
    resumed: u64,
    retransmitted: u64,
    sent: u64,
    chunks: u64,
    acks: u64,
    /// Tree messages that were answered on this connection, including those of earlier trees.
    pub(crate) answered: u64,
    began: Instant,
}

/// A failure that ended the transfer of a tree at this file, before so many others: they are not left out in silence
/// (faults.md row 102).
pub(crate) fn stopped_at(name: &str, failure: Failure, rest: usize, done: &str) -> Failure {
    if failure.code == Code::Cancelled {
        return failure;
    }
    let failure = Failure { why: format!("{}: {}", escape_line(name), failure.why), ..failure };
    if rest == 0 {
        return failure;
    }
    let (files, were) = (quantity::counted(rest as u64, "file"), if rest == 1 { "was" } else { "were" });
    Failure { why: format!("{}; {files} behind it {were} not {done}", failure.why), ..failure }
}

impl TreeOutcome {
    pub(crate) fn new(count: Count) -> Self {
        Self {
            hashes: BTreeMap::new(),
            count,
            refused: BTreeMap::new(),
            bytes: 0,
            updated: 0,
            updated_small: 0,
            resumed: 0,
            retransmitted: 0,
            sent: 0,
            chunks: 0,
            acks: 0,
            answered: 0,
            began: Instant::now(),
        }
    }

    /// Notes that an entry is not transferred; only the first reason for it counts.
    pub(crate) fn refuse(&mut self, name: &str, failure: &Failure) {
        self.hashes.remove(name);
        self.refused.entry(name.to_owned()).or_insert_with(|| failure.clone());
    }

    pub(crate) fn is_refused(&self, name: &str) -> bool {
        self.refused.contains_key(name)
    }

    /// A failure that ended the transfer; it also lists what was refused before.
    pub(crate) fn stopped(&self, failure: Failure) -> Failure {
        let before = self.refused.iter().take(REASONS_LIMIT).map(|(name, failure)| line(name, failure));
        failure.detail(before.collect::<Vec<_>>())
    }

    /// Counts the bytes of a small file that were sent.
    pub(crate) fn sent_small(&mut self, bytes: u64) {
        self.sent += bytes;
    }

    pub(crate) fn took(&mut self, name: &str, delivered: &Delivered) {
        self.hashes.insert(name.to_owned(), delivered.hash);
        self.bytes += delivered.bytes;
        self.updated += u64::from(delivered.replaced && !delivered.there);
        self.resumed += delivered.resumed;
        self.retransmitted += delivered.retransmitted;
        self.sent += delivered.sent;
        self.chunks += delivered.chunks;
        self.acks += delivered.acks;
    }

    pub(crate) fn took_small(&mut self, name: &str, hash: [u8; 32], bytes: u64) {
        self.hashes.insert(name.to_owned(), hash.into());
        self.bytes += bytes;
        self.chunks += 1;
        self.acks += 1;
    }

    /// Adds one of several files that a command named.
    pub(crate) fn add_file(&mut self, name: &str, delivered: &Delivered) {
        self.count.files += 1;
        self.count.bytes += delivered.bytes;
        self.took(name, delivered);
    }

    /// Adds a folder that a command named, with everything below it.
    pub(crate) fn add_folder(&mut self, name: &str, folder: Self) {
        let below =
            |inner: String| if inner.is_empty() { name.to_owned() } else { format!("{name}/{inner}") };
        self.hashes.extend(folder.hashes.into_iter().map(|(inner, hash)| (below(inner), hash)));
        self.refused.extend(folder.refused.into_iter().map(|(inner, failure)| (below(inner), failure)));
        self.count.files += folder.count.files;
        self.count.folders += folder.count.folders;
        self.count.links += folder.count.links;
        self.count.bytes += folder.count.bytes;
        self.count.left_out.links += folder.count.left_out.links;
        self.count.left_out.hidden += folder.count.left_out.hidden;
        self.count.left_out.special += folder.count.left_out.special;
        self.bytes += folder.bytes;
        self.updated += folder.updated;
        self.resumed += folder.resumed;
        self.retransmitted += folder.retransmitted;
        self.sent += folder.sent;
        self.chunks += folder.chunks;
        self.acks += folder.acks;
        self.answered = folder.answered;
    }

    /// Counts a small file that was there already with the same content.
    pub(crate) fn found_small(&mut self, name: &str, hash: [u8; 32], bytes: u64) {
        self.hashes.insert(name.to_owned(), hash.into());
        self.bytes += bytes;
        self.resumed += bytes;
    }

    /// A small file that was offered is not there: it travels after all.
    pub(crate) fn lost_small(&mut self, name: &str, bytes: u64, replaces: bool) {
        self.hashes.remove(name);
        self.updated += u64::from(replaces);
        self.denied_small(bytes, true);
    }

    /// Takes the bytes of a small file out of the counts again.
    pub(crate) fn denied_small(&mut self, bytes: u64, offered: bool) {
        self.bytes = self.bytes.saturating_sub(bytes);
        self.resumed = self.resumed.saturating_sub(if offered { bytes } else { 0 });
    }

    /// Sets how many small files have replaced others so far.
    pub(crate) fn set_updated_small(&mut self, count: u64) {
        self.updated += count - std::mem::replace(&mut self.updated_small, count);
    }

    /// `12 of 300 files`
    pub(crate) fn so_far(&self) -> String {
        format!("{} of {}", self.hashes.len(), quantity::counted(self.count.files, "file"))
    }

    fn hash(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        for (name, hash) in &self.hashes {
            hasher.update(format!("{}  {name}\n", hash.to_hex()).as_bytes());
        }
        hasher.finalize()
    }

    fn rate(&self) -> f64 {
        self.bytes.saturating_sub(self.resumed) as f64 / self.began.elapsed().as_secs_f64().max(1e-6)
    }

    fn left_out(&self) -> u64 {
        let Walked { links, hidden, special } = self.count.left_out;
        links + hidden + special
    }

    pub(crate) fn fields(&self, shape: Framing) -> Vec<(&'static str, Value)> {
        vec![
            ("files", Value::count(self.hashes.len() as u64)),
            ("folders", Value::count(self.count.folders)),
            ("links", Value::count(self.count.links)),
            ("left_out", Value::count(self.left_out())),
            ("updated", Value::count(self.updated)),
            ("refused", Value::count(self.refused.len() as u64)),
            ("bytes", Value::count(self.bytes)),
            ("blake3", Value::text(self.hash().to_hex().as_str())),
            ("chunk", Value::count(u64::from(shape.chunk))),
            ("chunks", Value::count(self.chunks)),
            ("acks", Value::count(self.acks)),
            ("window", Value::count(u64::from(shape.window))),
            ("resumed", Value::count(self.resumed)),
            ("retransmitted", Value::count(self.retransmitted)),
            ("sent_bytes", Value::count(self.sent)),
            ("seconds", Value::seconds(self.began.elapsed())),
            ("rate", Value::Integer(self.rate() as i128)),
            ("limited_by", Value::text("the path or the peer")),
        ]
    }

    pub(crate) fn describe(&self) -> String {
        let Walked { links, hidden, special } = self.count.left_out;
        let left_out: Vec<String> = [(links, "link"), (hidden, "hidden file"), (special, "special file")]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| quantity::counted(count, what))
            .collect();
        let mut more = String::new();
        if self.count.links > 0 {
            more += &format!(", {}", quantity::counted(self.count.links, "link"));
        }
        if self.updated > 0 {
            more += &format!(", {} updated", self.updated);
        }
        if self.resumed > 0 {
            more += &format!(", {} were there already", quantity::show_size(self.resumed));
        }
        if self.retransmitted > 0 {
            more += &format!(", {} sent again", self.retransmitted);
        }
        if !left_out.is_empty() {
            more += &format!(", left out: {}", left_out.join(", "));
        }
        format!(
            "{}{}, {} ({} bytes) in {}, {}{more}, verified blake3 {}…",
            quantity::counted(self.hashes.len() as u64, "file"),
            match self.count.folders {
                0 => String::new(),
                folders => format!(" in {}", quantity::counted(folders, "folder")),
            },
            quantity::show_size(self.bytes),
            self.bytes,
            quantity::show_duration(self.began.elapsed()),
            quantity::show_rate(self.rate()),
            &self.hash().to_hex()[..16],
        )
    }

    /// A failure that names each refused entry; `None` if everything was transferred.
    pub(crate) fn failure(&self) -> Option<Failure> {
        let (_, first) = self.refused.first_key_value()?;
        let (count, stored) = (self.refused.len(), self.hashes.len());
        let reasons: Vec<String> = self
            .refused
            .iter()
            .take(REASONS)
            .map(|(name, failure)| line(name, failure).trim_start().to_owned())
            .collect();
        // If all reasons have the same code, that is the code; otherwise `Policy`.
        let same = self.refused.values().all(|failure| failure.code == first.code);
        let code = if same { first.code } else { Code::Policy };
        let failure = errors::entries_refused(code, count, count + stored, &reasons);
        let rest = self.refused.iter().skip(REASONS);
        let rest = rest.take(REASONS_LIMIT).map(|(name, failure)| format!("  {}", line(name, failure)));
        let untold = count.saturating_sub(REASONS + REASONS_LIMIT);
        let last = (untold > 0).then(|| format!("  and {untold} more"));
        let told = self.refused.values().all(|failure| failure.told);
        let failure = Failure { told, ..failure.detail(rest.chain(last)) };
        Some(match stored {
            0 => failure,
            // The last word about the folder itself: it has no place any more.
            _ if self.refused.contains_key("") => failure.fix("the others are in it, wherever it is now"),
            _ => failure.fix("the others are stored"),
        })
    }
}

fn line(name: &str, failure: &Failure) -> String {
    match name {
        "" => format!("the folder itself: {}", failure.why),
        name => format!("{}: {}", escape_line(name), failure.why),
    }
}

/// The mode in the last FOLDER message of a folder. Mode 0 would mean that it is still being filled, so a bit is set
/// that the receiver does not grant.
pub(crate) const fn closing(mode: Mode) -> Mode {
    if mode == 0 { 0o002 } else { mode }
}
