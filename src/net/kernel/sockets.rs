//! The sockets of this machine, as the kernel lists them (proc(5): `/proc/net/tcp` and similar).

use std::fs::File;
use std::io::{BufRead as _, BufReader};

use crate::base::Transport;

/// A line of a list: `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …`
pub(crate) struct SocketRow<'a> {
    /// Local address and port, in the kernel's hexadecimal notation.
    pub(crate) local: &'a str,
    /// The state as two hexadecimal digits, such as `0A`.
    pub(crate) state: &'a str,
    /// The user id of the owner.
    pub(crate) user: Option<u32>,
    /// As in the link target of `/proc/self/fd/N`.
    pub(crate) inode: Option<&'a str>,
}

impl<'a> SocketRow<'a> {
    /// Parses a line; `None` if it has too few columns.
    pub(crate) fn read(line: &'a str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace().skip(1);
        let (local, _, state) = (words.next()?, words.next()?, words.next()?);
        let user = words.nth(3).and_then(|user| user.parse().ok());
        Some(Self { local, state, user, inode: words.nth(1) })
    }
}

/// The lines of the IPv4 and the IPv6 list; none where the system has no such list.
pub(crate) fn lists(transport: Transport) -> impl Iterator<Item = impl Iterator<Item = String>> {
    let files = ["", "6"]
        .into_iter()
        .filter_map(move |family| File::open(format!("/proc/net/{transport}{family}")).ok());
    files.map(|file| BufReader::new(file).lines().map_while(Result::ok))
}
