//! What moves data between a file or a list and the data connection.
//!
//! | file | holds |
//! |---|---|
//! | `retrieve` | RETR |
//! | `store` | STOR |
//! | `list` | LIST, NLST, MLSD |
//! | `ascii` | pure: TYPE A |
//! | `course` | how far a transfer is |

mod ascii;
mod course;
mod list;
mod retrieve;
mod store;

pub(super) use self::course::Course;
pub(super) use self::list::Listed;
pub(super) use self::retrieve::Retrieval;
pub(super) use self::store::receive;
