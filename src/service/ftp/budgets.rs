//! What all clients together may make the services of files hold in memory (faults.md row 101). `help limits` prints it.

use crate::base::Budget;

/// Groups of files that are incomplete or wait for their hashes, besides one for each connection.
pub(crate) static BLOCKS: Budget = Budget::new(80 << 20);
/// Small files that came and are not written yet, besides one message of each client: more wait in the network.
pub(crate) static BATCHES: Budget = Budget::new(48 << 20);
/// Small files that wait to be read by those who asked for them, besides two for each client.
pub(crate) static ANSWERS: Budget = Budget::new(32 << 20);
/// Blocks of TFTP that are not acknowledged yet, besides one for each client.
pub(crate) static WINDOWS: Budget = Budget::new(32 << 20);
/// Entries of long pages that wait to be read by a browser.
pub(crate) static PAGES: Budget = Budget::new(16 << 20);
/// Hashes of groups that receivers have, besides [`KNOWN_LEAST`](super::transfer::start::KNOWN_LEAST) of each.
pub(crate) static KNOWN: Budget = Budget::new(48 << 20);
