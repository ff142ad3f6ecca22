//! The errors of file transfer.

use std::path::Path;
use std::time::Duration;

use crate::base::escape::escape_line;
use crate::base::quantity::show_size;
use crate::report::{Failure, reason};
use crate::wire::Code;

// `send` and `get`: what is asked for.

pub(crate) fn one_name_for_many(files: usize) -> Failure {
    Failure::new(Code::Usage, format!("one `name` cannot be used for {files} files"))
        .fix("leave `name` out, or send them one by one")
}

pub(crate) fn no_file_name() -> Failure {
    Failure::new(Code::Usage, "the path has no file name").fix("add `name NAME`")
}

pub(crate) fn same_name_twice(one: &Path, other: &Path) -> Failure {
    let why = format!("`{}` and `{}` have the same name there", one.display(), other.display());
    Failure::new(Code::Usage, why).fix("send them one by one, with `name NAME`")
}

pub(crate) fn not_a_name(path: &Path) -> Failure {
    Failure::new(Code::Usage, format!("`{}` is not a name", path.display())).fix("name a file with `to`")
}

pub(crate) fn invalid_escape() -> Failure {
    Failure::new(Code::Usage, "the name contains an invalid escape").fix("write `\\\\` for a backslash")
}

// `arq`, `window` and `cc`: what no transport offers.

pub(crate) fn chunk_exceeds_datagram(chunk: u64) -> Failure {
    let why =
        format!("a chunk of {chunk} bytes does not fit one datagram, which the textbook's machines count");
    Failure::new(Code::Usage, why).fix("chunk 1024")
}

pub(crate) fn arq_over_tcp(word: &str) -> Failure {
    Failure::new(Code::Usage, format!("`arq {word}` is for udp: TCP repeats what is lost itself"))
        .fix("send … to udp …")
}

pub(crate) fn stop_and_wait_window() -> Failure {
    Failure::new(Code::Usage, "stop-and-wait has a window of one").fix("arq go-back-n window N")
}

pub(crate) fn fixed_rate_over_tcp() -> Failure {
    Failure::new(Code::Usage, "the kernel has no fixed rate").fix("over tcp: cc cubic, reno or bbr, and rate")
}

pub(crate) fn fixed_rate_missing() -> Failure {
    Failure::new(Code::Usage, "`cc fixed` needs a rate").fix("cc fixed rate 10mbit")
}

pub(crate) fn kernel_control_over_udp(word: &str) -> Failure {
    Failure::new(Code::Usage, format!("{word} is the kernel's, for tcp"))
        .fix("over udp: cc auto, cubic, reno, or fixed with rate")
}

// Standard input and output.

pub(crate) fn standard_input_unnamed() -> Failure {
    Failure::new(Code::Usage, "standard input goes alone and needs a name").fix("send - to … name NAME")
}

pub(crate) fn standard_input_taken() -> Failure {
    Failure::new(Code::Usage, "standard input is taken by the commands")
        .fix("give them with `-c` or in a file")
}

pub(crate) fn standard_output_taken() -> Failure {
    Failure::new(Code::Usage, "standard output is a terminal, or is taken by results in JSON")
        .fix("`to FILE`; or from a shell of the system, `nls -c 'get X from … to -' > FILE`")
}

pub(crate) fn folder_to_standard_output() -> Failure {
    Failure::new(Code::Usage, "a folder does not go to standard output")
        .fix("`to PATH`, or name one of its files")
}

/// What comes from standard input, or goes to standard output, is on a disk until it is whole.
pub(crate) fn temporary_file_failed(error: &std::io::Error) -> Failure {
    let folder = std::env::temp_dir();
    temporary_place(Failure::io(error, format!("a temporary file in {}", folder.display())))
}

/// Such a file could not be written.
pub(crate) fn temporary_place(failure: Failure) -> Failure {
    match failure.code {
        Code::Full | Code::Disk | Code::Missing if !failure.told => {
            failure.fix("set TMPDIR to a folder with room that you may write to")
        }
        _ => failure,
    }
}

pub(crate) fn standard_output_closed() -> Failure {
    Failure::new(Code::Broken, "nobody reads standard output any more")
}

pub(crate) fn standard_output_failed(why: &str) -> Failure {
    Failure::new(Code::Disk, format!("not all of it came to standard output: {why}"))
}

// What the server does not allow.

pub(crate) fn read_only() -> Failure {
    Failure::new(Code::ReadOnly, "the server is read-only").fix("start it without `readonly`")
}

pub(crate) fn uploads_closed() -> Failure {
    Failure::new(Code::Key, "the server takes files only with the word `open`")
        .fix("start it so: listen … on … open")
}

/// Row 5.
pub(crate) fn quota_exceeded(needed: u64, left: u64, total: u64) -> Failure {
    let why = format!(
        "over the quota of the server: {} are needed, {} of {} are left",
        show_size(needed),
        show_size(left),
        show_size(total)
    );
    Failure::new(Code::Full, why).fix("send less, or start the server with a larger `quota`")
}

/// Row 17.
pub(crate) fn quota_of_entries(limit: u64) -> Failure {
    let why = format!("over the quota of the server: it takes {limit} files, folders and links in all");
    Failure::new(Code::Full, why).fix("send fewer, or start the server with a larger `quota`")
}

pub(crate) fn too_many_walks() -> Failure {
    Failure::new(Code::Busy, "too many folders are being listed").fix("try again in some seconds")
}

pub(crate) fn too_many_archives() -> Failure {
    Failure::new(Code::Busy, "too many folders are being fetched as archives")
        .fix("try again in some seconds")
}

// More than is accepted (row 24).

pub(crate) fn too_many_to_send(limit: usize) -> Failure {
    Failure::new(Code::Limit, format!("more than {limit} files and folders"))
        .fix("send its folders one by one")
}

pub(crate) fn file_too_large(size: u64, limit: u64) -> Failure {
    let (size, limit) = (show_size(size), show_size(limit));
    let why = format!("the file has more than is accepted: {size}; the limit is {limit}");
    Failure::new(Code::Limit, why).fix("accept more: max SIZE")
}

/// What is there so far, and the limits.
pub(crate) fn folder_too_large(entries: u64, bytes: u64, entry_limit: u64, byte_limit: u64) -> Failure {
    let why = format!(
        "the folder has more than is accepted: {entries} files, folders and links and {} so far; the limits are {entry_limit} and {}",
        show_size(bytes),
        if byte_limit == u64::MAX { "what is free".into() } else { show_size(byte_limit) }
    );
    Failure::new(Code::Limit, why).fix("accept more: accept N max SIZE")
}

/// `content`: what is in it.
pub(crate) fn folder_instead_of_file(name: &str, content: &str) -> Failure {
    let name = escape_line(name);
    Failure::new(Code::Policy, format!("`{name}` is a folder: {content}; a file was asked for"))
        .fix(format!("for the folder: get {name}/"))
}

// The name is taken (rows 6 and 23).

pub(crate) fn is_a_folder(name: &str) -> Failure {
    Failure::new(Code::Exists, format!("`{name}` is a folder")).fix("choose another name")
}

pub(crate) fn another_file_exists() -> Failure {
    Failure::new(Code::Exists, "another file of that name exists")
        .fix("add `replace`, or choose another name")
}

pub(crate) fn appeared_meanwhile(name: &str) -> Failure {
    Failure::new(Code::Exists, format!("`{name}` appeared meanwhile"))
        .fix("add `replace`, or choose another name")
}

pub(crate) fn appeared_meanwhile_part_kept(name: &str, part: &str) -> Failure {
    Failure::new(Code::Exists, format!("`{name}` appeared meanwhile; the part is kept as `{part}`"))
        .fix("add `replace`, or choose another name")
}

pub(crate) fn folder_or_part_gone(error: &std::io::Error) -> Failure {
    let why = format!("the folder or the part is gone: {}; nothing was made elsewhere", reason(error));
    Failure::new(Code::Disk, why).fix("make or mount the folder again and repeat the command")
}

/// Row 18: what was received is in a folder that no path leads to.
pub(crate) fn folder_covered(folder: &Path) -> Failure {
    let why = format!("something was mounted over {}, and hides what was received", folder.display());
    Failure::new(Code::Disk, why).fix("unmount it: the file is below")
}

/// Row 18: the folder that was filled.
pub(crate) fn folder_moved(name: &str) -> Failure {
    let why = format!("somebody moved the folder `{}` while it was filled", escape_line(name));
    Failure::new(Code::Disk, why)
        .fix("what came is in it, wherever it is; repeat the command to have all of it")
}

// The source changed (row 9).

pub(crate) fn source_changed(received: u64, name: &str, kept: &str) -> Failure {
    let received = show_size(received);
    let why =
        format!("the source changed after {received} of `{name}` were received; they are kept as `{kept}`");
    Failure::new(Code::Changed, why).fix("start again with `replace`")
}

pub(crate) fn part_of_another_version(part: &str) -> Failure {
    Failure::new(Code::Changed, format!("a part of another version of it is kept as `{part}`"))
        .fix("start again with `replace`")
}

pub(crate) fn changed_while_compared(name: &str) -> Failure {
    let why = format!("`{name}` is there, and it changed while it was compared");
    Failure::new(Code::Changed, why).fix("start again")
}

pub(crate) fn changed_since_asked() -> Failure {
    Failure::new(Code::Changed, "it is here, and it changed while the server was asked for it")
        .fix("start again")
}

pub(crate) fn changed_since_listed() -> Failure {
    Failure::new(Code::Changed, "it changed since it was listed").fix("get it again")
}

// Damaged data.

pub(crate) fn hash_mismatch(kept: &str) -> Failure {
    let why = format!("the file does not match its hash and does not get its name; it is kept as `{kept}`");
    Failure::new(Code::Integrity, why).fix("send it again")
}

pub(crate) fn part_was_changed(part: &str) -> Failure {
    Failure::new(Code::Integrity, format!("another program wrote to `{part}` while it was being received"))
}

pub(crate) fn arrived_damaged() -> Failure {
    Failure::new(Code::Integrity, "it arrived damaged").fix("send it again")
}

/// Row 27.
pub(crate) fn damaged_repeatedly(offset: u64, times: u8) -> Failure {
    Failure::new(Code::Integrity, format!("the bytes at offset {offset} arrived damaged {times} times"))
        .fix("check the memory of both machines")
}

pub(crate) fn stored_differently() -> Failure {
    Failure::new(Code::Integrity, "the receiver stored a file with another size or hash")
        .fix("send it again with `replace`")
}

// A folder, some of which could not go.

/// `code`: what all reasons have in common.
pub(crate) fn entries_refused(code: Code, refused: usize, total: usize, reasons: &[String]) -> Failure {
    let were = if refused == 1 { "was" } else { "were" };
    Failure::new(code, format!("{refused} of {total} {were} refused: {}", reasons.join("; ")))
}

// The peer is gone or too slow (row 12).

pub(crate) fn closed_in_folder() -> Failure {
    Failure::new(Code::Broken, "the peer closed the connection in the middle of the folder")
        .fix("the same command resumes it")
}

pub(crate) fn no_data(limit: Duration) -> Failure {
    Failure::new(Code::Timeout, format!("no part of the file for {} s", limit.as_secs()))
        .fix("the peer may be gone, or too busy")
}

/// Rates in bytes a second.
pub(crate) fn peer_too_slow(rate: u64, span: Duration, minimum: u64) -> Failure {
    Failure::new(Code::Timeout, format!("the peer is too slow: {rate} bytes/s over {} s", span.as_secs()))
        .fix(format!("the minimum is {minimum} bytes/s"))
}

pub(crate) fn client_idle(limit: Duration) -> Failure {
    Failure::new(Code::Timeout, format!("idle for {} s", limit.as_secs()))
}

// The peer breaks the protocol.

pub(crate) fn block_instead_of_request() -> Failure {
    Failure::new(Code::Misbehaved, "unexpected block instead of a request")
}

pub(crate) fn not_a_request() -> Failure {
    Failure::new(Code::Misbehaved, "unexpected message instead of a request")
}

pub(crate) fn not_a_fetch() -> Failure {
    Failure::new(Code::Misbehaved, "unexpected message instead of FETCH")
}

pub(crate) fn not_of_a_tree() -> Failure {
    Failure::new(Code::Misbehaved, "unexpected message in a tree")
}

pub(crate) fn bytes_sent_twice(offset: u64) -> Failure {
    Failure::new(Code::Integrity, format!("the peer sent bytes twice, at offset {offset}"))
}

pub(crate) fn blocks_too_scattered() -> Failure {
    Failure::new(Code::Integrity, "the peer sends blocks at too many different offsets")
}

/// Of all peers together; the limit in bytes.
pub(crate) fn too_many_incomplete_groups(limit: usize) -> Failure {
    let why = format!("peers hold too many incomplete groups: the limit is {} MiB in all", limit >> 20);
    Failure::new(Code::Limit, why).fix("try again in some seconds")
}

pub(crate) fn too_many_known_groups(limit: usize) -> Failure {
    let why = format!("receivers name too much that they have: the limit is {} MiB in all", limit >> 20);
    Failure::new(Code::Limit, why).fix("try again in some seconds")
}

// Mistakes of the program.

pub(crate) fn group_not_read() -> Failure {
    Failure::new(Code::Internal, "a group was not read; this is a bug in nls")
}

// Files from clients that speak another protocol

pub(super) fn upload_ended_early(bytes: u64, size: u64) -> Failure {
    Failure::new(Code::Broken, format!("{bytes} of {size} bytes came; nothing was stored"))
}

pub(super) fn upload_broken_off(bytes: u64) -> Failure {
    Failure::new(Code::Broken, format!("the client left after {bytes} bytes; nothing was stored"))
}

pub(super) fn resumable_part_in_the_way(name: &str, part: &str) -> Failure {
    Failure::new(
        Code::Exists,
        format!("`{name}` is there in part, in `{part}`, and can be resumed with `send`"),
    )
    .fix("choose another name")
}
