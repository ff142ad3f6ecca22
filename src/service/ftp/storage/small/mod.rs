//! Small files that travel as one message: reading them, and storing many at a time. One wait for the disk serves many
//! files: write all, sync the file system, rename all, sync the folders. Everything blocks.
//!
//! | file | holds |
//! |---|---|
//! | `reading` | a small file that is sent |
//! | `batch` | files, folders and links that are stored together |
//! | `pending` | a file that is written and waits for its name |

mod batch;
mod pending;
mod reading;

pub(crate) use self::batch::BatchWriter;
pub(crate) use self::reading::{read, read_source};
use crate::report::Failure;

/// A message that was refused: its index, from 0.
pub(crate) type Denied = (u64, Failure);
