//! What file services share: a folder that is served or received into, and lists of it.
//!
//! | file | holds |
//! |---|---|
//! | `name` | which names are acceptable, and how they travel and are shown |
//! | `root` | files below a root folder, opened by the kernel relative to its handle |
//! | `in_memory` | small files that the system has in memory |
//! | `walk` | everything below a folder, in order |
//! | `disk` | the file operations that a received file needs, on a real disk |
//! | `listing` | `ls`, both sides |
//! | `names` | the names of a folder, as many at a time as there is room for |
//! | `temporary` | a private folder for what is not kept |
//! | `turns` | whose turn it is to have a folder read, once for all who wait for it |
//! | `protocol` | LIST, WALK and their answers |
//! | `subtitles` | subtitles in the formats that players read |
//! | `errors` | the errors of names, of the served folder, and of lists |

pub(crate) mod disk;
pub(crate) mod errors;
pub(crate) mod in_memory;
pub(crate) mod listing;
pub(crate) mod name;
pub(crate) mod names;
pub mod protocol;
pub(crate) mod root;
pub(crate) mod subtitles;
pub(crate) mod temporary;
mod turns;
pub(crate) mod walk;

use self::listing::LsOptions;
use super::contract::keys::{CODE, KEY};
use super::{Client, Run};
use crate::base::Transport;
use crate::language::verb::Lasting;
use crate::language::{Field, FromArguments, Kind, Param, Verb};
use crate::wire::ServiceId;

pub static LS: Client = Client {
    verb: &Verb {
        name: "ls",
        aliases: &["dir"],
        summary: "list what a file or stream server has, or who is in a chat",
        details: "Names are bytes: unprintable characters and backslashes are shown as escapes, and `get` takes names in that form.",
        params: &[
            Param::required("server", Kind::Endpoint, "the server"),
            Param::optional("path", Kind::Text, "a folder at the server"),
        ],
        keywords: &[KEY, CODE],
        fields: &[
            Field::count("entries", "how many"),
            Field::text("names", "the names, each on a line"),
            Field::seconds("length", "how long all media in it last"),
            Field::size("bytes", "bytes of all files listed"),
            Field::state("state", "done, failed or cancelled"),
            Field::text("key", "the name of the key that it was encrypted with"),
            Field::text("error", "why it failed"),
        ],
        example: "ls $files",
        next: "",
        lasting: Lasting::Job,
        capabilities: &[],
    },
    place: Some(("server", ServiceId::ANY)),
    transport: Transport::Tcp,
    run: Run::Session {
        kind: |_| "ls".into(),
        start: |session, arguments, context| {
            listing::list(session, LsOptions::from_arguments(&arguments), context)
        },
    },
};

/// Reads subtitles, for the fuzzer: see [`super::fuzz_entry`].
pub(super) fn read_subtitles(bytes: &[u8]) {
    drop(subtitles::Subtitles::read(bytes));
}
