//! The sockets of this machine, as the system lists them (proc(5): `/proc/net/tcp` and its like).

use std::fs::File;
use std::io::{BufRead as _, BufReader};

use crate::base::Transport;

/// A line of a list: `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …`
pub(super) struct Row<'a> {
    /// As the kernel writes it.
    pub(super) local: &'a str,
    pub(super) state: &'a str,
    pub(super) user: Option<u32>,
    /// What `/proc/self/fd` calls it.
    pub(super) inode: Option<&'a str>,
}

impl<'a> Row<'a> {
    pub(super) fn read(line: &'a str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace().skip(1);
        let (local, _, state) = (words.next()?, words.next()?, words.next()?);
        let user = words.nth(3).and_then(|user| user.parse().ok());
        Some(Self { local, state, user, inode: words.nth(1) })
    }
}

/// The lines of both families' lists; where the system has no such list: none.
pub(super) fn lists(transport: Transport) -> impl Iterator<Item = impl Iterator<Item = String>> {
    let files = ["", "6"]
        .into_iter()
        .filter_map(move |family| File::open(format!("/proc/net/{transport}{family}")).ok());
    files.map(|file| BufReader::new(file).lines().map_while(Result::ok))
}
