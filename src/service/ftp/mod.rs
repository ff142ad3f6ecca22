//! File transfer: `listen … ftp`, `send`, `get`, `ls`. The same code sends on the client's side of `send` and on
//! the server's side of `get`; over TCP and over reliable UDP.
//!
//! | file | holds |
//! |---|---|
//! | `options` | what the commands were asked for, as structs |
//! | `protocol` | pure: the messages |
//! | `client` | the side that makes requests: `send`, `get`, trees, standard streams |
//! | `served` | the served folder and its rules: what all clients of a server share |
//! | `server` | the side that answers them |
//! | `dialects` | clients that do not have nls: the same folder in other protocols |
//! | `transfer` | one file over one connection, each side: `send`, `receive`, and what limited it |
//! | `storage` | files that are being received, and hashes of files that are sent |
//! | `budgets` | what all clients together may make it hold in memory |
//! | `errors` | the errors of file transfer |
//! | `tests` | a simulated disk that crashes at every operation |

pub(crate) mod budgets;
mod client;
pub(crate) mod dialects;
mod errors;
mod options;
pub mod protocol;
pub(crate) mod served;
mod server;
pub(crate) mod storage;
#[cfg(test)]
mod tests;
mod transfer;

pub(crate) use self::dialects::{DATA_ACCEPT_LIMIT as FTP_DATA_LIMIT, LINE_LIMIT as FTP_LINE_LIMIT};
pub(crate) use super::files::disk::check_space;
pub(crate) use super::files::listing::ENTRY_LIMIT;
pub(crate) use super::files::listing::answer as answer_list;
pub use super::files::listing::names;

use self::options::{ArqChoice, GetOptions, SendOptions};
use self::protocol::ID;
use self::protocol::WINDOW_LIMIT;
use super::contract::keys::{CODE, KEY, KEYS, OFFERS_CODE};
use super::files::root::ROOT;
use super::{Client, MessageService, Provider, Run, Serves};
use crate::base::{Carrier, Transport};
use crate::language::verb::Lasting;
use crate::language::{Capability, Field, FromArguments, Keyword, Kind, Param, Service, Verb};
use crate::net::accept::admission::Lines;
use crate::net::udp::Options;
use crate::reliable::congestion::Control;
use crate::wire::CHUNK_LIMIT;
use crate::wire::dialect::Dialect;

pub static PROVIDER: Provider = Provider {
    row: Service {
        name: "ftp",
        carriers: &[Carrier::TCP, Carrier::UDP],
        summary: "files: send, get and ls",
        keywords: &[
            ROOT,
            Keyword::new("quota", Kind::Size(0, u64::MAX), "most bytes that clients may upload in all; files, folders and links count, too: 1000, and one for each 4 KiB")
                .default("what is free"),
            Keyword::flag("hidden", "serve and accept hidden files too"),
            Keyword::flag("portable", "accept only names that are valid on every system"),
            Keyword::flag("readonly", "serve files, accept none"),
            Keyword::flag(
                "open",
                "with `on`: accept files from everybody who can reach the port; without: serve all users of this machine",
            ),
            KEYS,
            OFFERS_CODE,
        ],
        fields: &[Field::count(
            "kernel_drops",
            "over udp: datagrams that the system dropped, because its buffer was full",
        )],
    },
    id: ID,
    max: |_| 256,
    serves: Serves::Messages(MessageService {
        lists: true,
        lines: Lines::No,
        dialects: &[Dialect::Own, Dialect::Http, Dialect::Ftp, Dialect::Tftp],
        greeting: dialects::GREETING,
        options: Options::STANDARD,
        make: server::make,
    }),
};

const CHUNK: Keyword =
    Keyword::new("chunk", Kind::Size(1, CHUNK_LIMIT), "bytes of a chunk; each is acknowledged")
        .default("256K");
const WINDOW: Keyword =
    Keyword::new("window", Kind::Count(1, WINDOW_LIMIT as u64), "chunks in flight; 1 is stop-and-wait")
        .default("8M / chunk; over udp 48M / chunk");
const ARQ: Keyword = Keyword::new(
    "arq",
    Kind::Choice(&ArqChoice::WORDS),
    "udp: how lost datagrams are repeated; with chunks of one datagram `window` is the textbook's",
)
.default("selective");
const CC: Keyword = Keyword::new(
    "cc",
    Kind::Choice(&Control::WORDS),
    "congestion control: over udp ours (`fixed` needs `rate`), over tcp the kernel's",
)
.default("auto");
const REPLACE: Keyword = Keyword::flag("replace", "replace files of the same name, where they differ");
const FAST: Keyword =
    Keyword::flag("fast", "do not wait until the disk has it: a power loss may undo the transfer");

const HIDDEN: Keyword = Keyword::flag("hidden", "of a folder: include hidden files");
const LINKS: Keyword = Keyword::flag("links", "of a folder: with the links that stay inside it, as links");

const RATE: Keyword =
    Keyword::new("rate", Kind::Rate, "the most to send or receive; `set X rate …` changes it")
        .default("no limit");

const FIELDS: &[Field] = &[
    Field::text("name", "the name of the file at the server"),
    Field::text("path", "the local path"),
    Field::size("bytes", "bytes of the file"),
    Field::text(
        "blake3",
        "BLAKE3 of the file, equal on both sides; of a folder: that of the list `HASH  NAME` of its files",
    ),
    Field::count("files", "files of a folder"),
    Field::count("folders", "folders in a folder"),
    Field::count("links", "links of a folder that went with it"),
    Field::count("left_out", "of a folder: links, hidden and special files that did not go"),
    Field::count("updated", "files that replaced another"),
    Field::count("refused", "of a folder: files that could not go"),
    Field::size("chunk", "bytes of a chunk"),
    Field::count("chunks", "chunks sent or received"),
    Field::count("acks", "chunks that were acknowledged"),
    Field::count("window", "chunks that were allowed in flight"),
    Field::size("resumed", "bytes that did not have to travel again"),
    Field::count("retransmitted", "datagrams sent again (udp)"),
    Field::size("sent_bytes", "of send: bytes of the file that left, those that were sent again among them"),
    Field::count(
        "kernel_drops",
        "datagrams that the system dropped on this side, because the buffer of the socket was full (udp)",
    ),
    Field::seconds("seconds", "from the first to the last byte, with the commit"),
    Field::rate("rate", "bytes a second"),
    Field::text("transport", "tcp or udp"),
    Field::text("key", "the name of the key that it was encrypted with"),
    Field::text("arq", "of send over udp: how lost datagrams were repeated"),
    Field::text("cc", "of send: the congestion control that was used"),
    Field::text(
        "limited_by",
        "what limited the transfer: a disk, a processor, a rate limit, a window, a buffer, the path's rate, or loss",
    ),
    Field::size("bytes_in", "bytes received so far"),
    Field::size("bytes_out", "bytes sent so far"),
    Field::state("state", "transferring, done, failed or cancelled"),
    Field::text("peer", "the other side"),
    Field::text("error", "why it failed"),
    Field::count("id", "the number of the session"),
];

pub static SEND: Client = Client {
    verb: &Verb {
        name: "send",
        aliases: &["put"],
        summary: "send a file or a folder to a file server",
        details: "A file is hashed on both sides and appears under its name only when it is whole. An interrupted transfer resumes when the same command is given again. A folder is sent with everything below it; links, hidden and special files are left out and counted, unless the words `links` and `hidden` say otherwise. With `replace`, only what differs travels: the same command keeps a copy up to date. A file that cannot go is named, and the others go. `send - … name NAME` sends standard input.",
        params: &[Param::many("path", Kind::Path, "the file or folder; several are sent one after another")],
        keywords: &[
            Keyword::new("to", Kind::Endpoint, "the file server").required(),
            CHUNK,
            WINDOW,
            ARQ,
            CC,
            Keyword::new("name", Kind::Text, "its name at the server").default("its own"),
            RATE,
            REPLACE,
            FAST,
            HIDDEN,
            LINKS,
            KEY,
            CODE,
        ],
        fields: FIELDS,
        example: "send README.md to $files chunk 1024 as up",
        next: "ls {peer}",
        lasting: Lasting::Job,
        capabilities: &[Capability::MoveData, Capability::Resume],
    },
    place: Some(("to", ID)),
    transport: Transport::Tcp,
    run: Run::Session {
        kind: |arguments| SendOptions::from_arguments(arguments).title(),
        start: |session, arguments, context| {
            client::standard_streams::send(session, SendOptions::from_arguments(&arguments), context)
        },
    },
};

pub static GET: Client = Client {
    verb: &Verb {
        name: "get",
        aliases: &[],
        summary: "fetch a file or a folder from a file server",
        details: "`to` names a file or a folder; without it the file comes into the current folder. A folder is asked for as `NAME/` or with `accept`, and comes with everything below it, as with `send`; its size is reported first, and without asking for a folder none is fetched. `to COPY` is the copy of the folder itself, `to PLACE/` the folder around it. What `ls` shows escaped, `get` takes in that form. `to -` is standard output, where that is no terminal. Without `from` it asks the server used last, else the newest file server of this shell, else what `ls` listed last.",
        params: &[Param::required("name", Kind::Remote("ftp"), "the file at the server; a folder as NAME/")],
        keywords: &[
            Keyword::new("from", Kind::Endpoint, "the file server").default("the one used last"),
            Keyword::new("to", Kind::Path, "where to put it").default("the current folder"),
            Keyword::new(
                "accept",
                Kind::Count(1, 1_000_000),
                "most files and folders that a folder may bring",
            )
            .default("100000"),
            Keyword::new("max", Kind::Size(0, u64::MAX), "most bytes that a file or folder may bring")
                .default("what is free"),
            CHUNK,
            WINDOW,
            RATE,
            REPLACE,
            FAST,
            HIDDEN,
            LINKS,
            KEY,
            CODE,
        ],
        fields: FIELDS,
        example: "get README.md from $files to $tmp/copy.md as down",
        next: "plot {session}",
        lasting: Lasting::Job,
        capabilities: &[Capability::MoveData, Capability::Resume, Capability::Store],
    },
    place: Some(("from", ID)),
    transport: Transport::Tcp,
    run: Run::Session {
        kind: |arguments| format!("get {}", GetOptions::from_arguments(arguments).name),
        start: |session, arguments, context| {
            client::standard_streams::get(session, GetOptions::from_arguments(&arguments), context)
        },
    },
};

/// Reads a journal, for the fuzzer: see [`super::fuzz_entry`].
pub(super) fn read_journal(bytes: &[u8]) {
    drop(storage::journal::read(bytes, &storage::journal::SYNCED));
}

/// Reads what a client without nls may send, for the fuzzer.
pub(super) fn read_dialects(bytes: &[u8]) {
    dialects::read(bytes);
}
