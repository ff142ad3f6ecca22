//! What the receiver has of a file, as it says before the first block.

use crate::base::Held;
use crate::net::errors::{malformed, unexpected};
use crate::net::{Connection, SILENCE_LIMIT};
use crate::report::Failure;
use crate::service::ftp::budgets::KNOWN;
use crate::service::ftp::errors;
use crate::service::ftp::protocol::{GroupHash, Message};
use crate::service::ftp::storage::hashes::tree::GROUP;
use crate::session::RateLimiter;

/// Groups whose hashes a receiver may always name: those of 1 GiB. More of them, while others do not hold all of [`KNOWN`].
pub(crate) const KNOWN_LEAST: usize = 4096;

/// What the receiver has, as it said before the first block.
pub(crate) enum Start {
    /// It has nothing.
    Fresh,
    /// It has these groups and waits for the rest; or it has a file of that name that may be identical.
    Have { groups: Vec<(u64, GroupHash)>, held: Held, resumed: u64, there: Option<There>, replaces: bool },
}

/// A file of the same name and size exists at the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum There {
    /// The transfer fails if its content differs.
    MustBeSame,
    /// Groups that differ are sent, and replace it.
    IsReplaced,
}

/// Waits until the receiver of a file of `size` bytes is ready; it may tell a rate limit (`asked`). A failure that the receiver sent (`told`) is a refusal:
/// the connection may go on.
pub(crate) async fn await_ready(
    connection: &mut Connection,
    size: u64,
    asked: &RateLimiter,
) -> Result<Start, Failure> {
    let count = size.div_ceil(GROUP);
    let (mut groups, mut held) = (Vec::<(u64, GroupHash)>::new(), Held::nothing(&KNOWN));
    loop {
        let frame = connection.incoming.frame(SILENCE_LIMIT, "word from the receiver").await?;
        match Message::decode(&frame).map_err(malformed)? {
            Message::Have { first, hashes } => {
                let behind = groups.last().is_none_or(|(last, _)| *last < first);
                let end = first.checked_add(hashes.len() as u64);
                if hashes.is_empty() || !behind || end.is_none_or(|end| end > count) {
                    return Err(unexpected("the peer"));
                }
                if groups.len() + hashes.len() > KNOWN_LEAST {
                    if held.is_shut_out() {
                        return Err(errors::too_many_known_groups(KNOWN.limit()));
                    }
                    held.add(hashes.len() * size_of::<(u64, GroupHash)>());
                }
                groups.extend((first..).zip(hashes));
            }
            Message::Rate { limit } => asked.set(limit),
            Message::Ready { there, replaces: differing, resumed } => {
                let file = if differing { There::IsReplaced } else { There::MustBeSame };
                let there = there.then_some(file);
                return Ok(Start::Have { groups, held, resumed, there, replaces: differing });
            }
            _ => return Err(unexpected("the peer")),
        }
    }
}
