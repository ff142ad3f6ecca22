//! What a tree over one connection came to; `send_folder` and `get_folder` move one.

use std::collections::BTreeMap;
use std::time::Instant;

use super::transfer::Delivered;
use super::walk::Count;
use crate::base::escape::escape_line;
use crate::base::{Value, quantity};
use crate::report::Failure;
use crate::wire::Code;
use crate::wire::ftp::Shape;

/// Files that are read or stored in one go.
pub(super) const TOGETHER: usize = 64;
/// Messages that may wait for an answer.
pub(super) const WINDOW: usize = 1024;
/// Reasons that are shown; the others are counted.
const REASONS: usize = 5;

/// What a tree came to.
#[derive(Debug)]
pub(super) struct Tree {
    /// Of each file: its BLAKE3. The hash of a tree is that of this list, as `b3sum` prints it.
    hashes: BTreeMap<String, blake3::Hash>,
    count: Count,
    refused: Vec<String>,
    refusals: u64,
    pub(super) bytes: u64,
    resumed: u64,
    retransmitted: u64,
    sent: u64,
    chunks: u64,
    acks: u64,
    began: Instant,
}

impl Tree {
    pub(super) fn new(count: Count) -> Self {
        Self {
            hashes: BTreeMap::new(),
            count,
            refused: Vec::new(),
            refusals: 0,
            bytes: 0,
            resumed: 0,
            retransmitted: 0,
            sent: 0,
            chunks: 0,
            acks: 0,
            began: Instant::now(),
        }
    }

    pub(super) fn refuse(&mut self, name: &str, failure: &Failure) {
        self.refusals += 1;
        self.hashes.remove(name);
        if self.refused.len() < REASONS {
            self.refused.push(format!("{}: {}", escape_line(name), failure.why));
        }
    }

    pub(super) fn took(&mut self, name: &str, delivered: &Delivered) {
        self.hashes.insert(name.to_owned(), delivered.hash);
        self.bytes += delivered.bytes;
        self.resumed += delivered.resumed;
        self.retransmitted += delivered.retransmitted;
        self.sent += delivered.sent;
        self.chunks += delivered.chunks;
        self.acks += delivered.acks;
    }

    pub(super) fn took_small(&mut self, name: &str, hash: [u8; 32], bytes: u64) {
        self.hashes.insert(name.to_owned(), hash.into());
        self.bytes += bytes;
        self.chunks += 1;
        self.acks += 1;
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

    pub(super) fn fields(&self, shape: Shape) -> Vec<(&'static str, Value)> {
        vec![
            ("files", Value::count(self.hashes.len() as u64)),
            ("folders", Value::count(self.count.folders)),
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

    pub(super) fn describe(&self) -> String {
        let skipped = match self.count.skipped {
            0 => String::new(),
            n => format!(", {n} links, hidden or special files left out"),
        };
        format!(
            "{} files in {} folders, {} ({} bytes) in {}, {}{skipped}, verified blake3 {}…",
            self.hashes.len(),
            self.count.folders,
            quantity::show_size(self.bytes),
            self.bytes,
            quantity::show_duration(self.began.elapsed()),
            quantity::show_rate(self.rate()),
            &self.hash().to_hex()[..16],
        )
    }

    /// A tree of which a part was refused is a failure that says which.
    pub(super) fn verdict(self) -> Result<Self, Failure> {
        if self.refusals == 0 {
            return Ok(self);
        }
        let all = self.refusals + self.hashes.len() as u64;
        let why = format!("{} of {all} were refused: {}", self.refusals, self.refused.join("; "));
        Err(Failure::new(Code::Policy, why).fix("the others are stored; the same command tries these again"))
    }
}
