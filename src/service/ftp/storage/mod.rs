//! Files that are being received, and hashes of files that are sent.
//!
//! | file | holds |
//! |---|---|
//! | `part` | a file that is being received: begin, write, checkpoint, commit; `recover` finds what an earlier attempt left |
//! | `journal` | pure: the known groups of an incomplete file, as bytes |
//! | `assembly` | pure: blocks in any order → complete groups, counts, completeness |
//! | `hashes` | of the groups of a file and of the whole |
//! | `small` | many small files, stored with one wait for the disk |
//! | `upload` | a file that comes in order, from a client that speaks another protocol |
//! | `source` | a file that is sent: reading, hashing, comparing |
//! | `buffers` | a pool of buffers, and how much memory peers may hold |
//! | `quota` | how many bytes a server accepts |
//! | `leftovers` | finds the incomplete files that transfers left |

pub(crate) mod assembly;
pub(crate) mod buffers;
pub(crate) mod hashes;
pub(crate) mod journal;
pub(crate) mod leftovers;
pub(crate) mod part;
pub(crate) mod quota;
pub(crate) mod small;
pub(crate) mod source;
pub(crate) mod upload;
