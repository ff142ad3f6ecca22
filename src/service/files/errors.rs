//! The errors of file names, of the served folder, and of lists.

use std::io;

use rustix::io::Errno;

use crate::base::escape::escape_line;
use crate::base::quantity::show_size;
use crate::report::{Failure, reason};
use crate::wire::Code;

// Names that are refused (faults.md rows 20 and 21).

/// What is wrong with a name.
pub(crate) enum BadName {
    Empty,
    Absolute,
    InvalidEscape,
    TooDeep,
    EmptyPart,
    Dots,
    NulOrSlash,
    TooLong,
    Reserved,
    Hidden,
    NotUtf8,
    ControlOnWindows,
    EndOnWindows,
    CharacterOnWindows,
    ReservedOnWindows,
    /// From the name of this other entry.
    DiffersInCase(String),
}

impl BadName {
    fn sentence(&self) -> String {
        let sentence = match self {
            Self::DiffersInCase(known) => {
                return format!("`{}` differs from it only in case", escape_line(known));
            }
            Self::Empty => "it is empty",
            Self::Absolute => "it is an absolute path",
            Self::InvalidEscape => "it contains an invalid escape: write `\\\\` for a backslash",
            Self::TooDeep => "it has too many folders",
            Self::EmptyPart => "a part of it is empty",
            Self::Dots => "`.` and `..` cannot be part of it",
            Self::NulOrSlash => "`/` and NUL cannot be part of it",
            Self::TooLong => "it is too long",
            Self::Reserved => "such names are reserved for files that are being received",
            Self::Hidden => "hidden files are served and written only with the word `hidden`",
            Self::NotUtf8 => "it is not UTF-8",
            Self::ControlOnWindows => "`\\`, `:` and control characters cannot be part of it on Windows",
            Self::EndOnWindows => "it cannot end with a dot or a space on Windows",
            Self::CharacterOnWindows => "`<>\"|?*` cannot be part of it on Windows",
            Self::ReservedOnWindows => "it is reserved on Windows",
        };
        sentence.into()
    }
}

pub(crate) fn name_refused(name: &str, fault: &BadName) -> Failure {
    Failure::new(Code::Policy, format!("the name `{}` is refused: {}", escape_line(name), fault.sentence()))
        .fix("choose another with `name NAME`")
}

// What is asked for.

/// One answer for a file that is absent, hidden, outside the root or not regular: a peer learns nothing (row 57).
pub(crate) fn no_such_file(name: &str) -> Failure {
    Failure::new(Code::Missing, format!("there is no file `{}`", escape_line(name)))
        .fix("`ls` shows what there is")
}

pub(crate) fn no_such_folder(path: &str) -> Failure {
    Failure::new(Code::Missing, format!("there is no folder `{}`", escape_line(path)))
        .fix("`ls` shows what there is")
}

pub(crate) fn file_unreadable(name: &str, error: &io::Error) -> Failure {
    // The root of what is listed or sent has no name in it.
    let named = if name.is_empty() { "the folder".to_owned() } else { format!("`{}`", escape_line(name)) };
    Failure::new(Code::Disk, format!("{named} cannot be read: {}", reason(error)))
}

// Lists.

pub(crate) fn too_many_entries(limit: usize) -> Failure {
    Failure::new(Code::Limit, format!("the folder has more than {limit} entries"))
        .fix("send or get a part of it")
}

pub(crate) fn folders_too_deep(limit: usize) -> Failure {
    Failure::new(Code::Limit, format!("too many folders in folders: the limit is {limit}"))
        .fix("send or get a part of it")
}

pub(crate) fn path_too_long(limit: usize) -> Failure {
    Failure::new(Code::Limit, format!("its path is too long: the limit is {limit} bytes"))
        .fix("shorten the names of its folders")
}

pub(crate) fn list_too_long(limit: usize) -> Failure {
    Failure::new(Code::Limit, format!("the list is too long: the limit is {limit} entries"))
        .fix("list a folder in it: ls SERVER FOLDER")
}

/// At the server: the client is too slow for a list.
pub(crate) fn list_not_read() -> Failure {
    Failure::new(Code::Timeout, "the client does not read the list")
}

// Files that are to be sent (rows 1 and 3).

pub(crate) fn not_a_file_but_a_folder() -> Failure {
    Failure::new(Code::Policy, "it is a folder").fix("name a file")
}

pub(crate) fn not_a_regular_file() -> Failure {
    Failure::new(Code::Policy, "it is a pipe, a device or a socket, not a file").fix("name a regular file")
}

pub(crate) fn no_longer_a_regular_file() -> Failure {
    Failure::new(Code::Policy, "it is no longer a regular file").fix("name a regular file")
}

pub(crate) fn size_unknown() -> Failure {
    let why = "the size that the system gives is not that of its content, as for files in /proc and /sys";
    Failure::new(Code::Policy, why).fix("copy it, and send the copy: !cp FILE COPY")
}

// Where a new file or link goes.

pub(crate) fn parent_unusable(name: &str, error: &io::Error) -> Failure {
    let why = format!("the folder of `{}` cannot be used: {}", escape_line(name), reason(error));
    Failure::new(Code::Missing, why).fix("make it there, or choose another name")
}

pub(crate) fn folder_not_writable(error: &io::Error) -> Failure {
    Failure::new(Code::Policy, format!("the folder cannot be written to: {}", reason(error)))
        .fix("change its permissions, or take another")
}

pub(crate) fn folder_gone() -> Failure {
    Failure::new(Code::Missing, "the folder is gone").fix("make or mount it again")
}

/// Row 18: the root itself.
pub(crate) fn root_gone() -> Failure {
    Failure::new(Code::Missing, "the folder is gone")
        .fix("make it again; a server that shares it has to be started again, for it will be another folder")
}

pub(crate) fn link_leads_out(path: &str, target: &str) -> Failure {
    let (path, target) = (escape_line(path), escape_line(target));
    Failure::new(Code::Policy, format!("the link `{path}` to `{target}` leads out of the folder"))
}

/// Row 23: `part` has the name that the part of a new file needs.
pub(crate) fn in_the_way(part: &str) -> Failure {
    let why = format!("`{part}` is in the way and is not a regular file of this user");
    Failure::new(Code::Policy, why).fix("remove it")
}

/// `name`: the file, where it is known.
pub(crate) fn being_received(name: Option<&str>) -> Failure {
    let name = name.map_or_else(|| "it".into(), |name| format!("`{name}`"));
    Failure::new(Code::Receiving, format!("{name} is being received already"))
        .fix("wait for it (a sender that is gone is missed within 30 s), or choose another name")
}

/// Row 5.
pub(crate) fn disk_full(needed: u64, free: u64) -> Failure {
    let why = format!("not enough space: {} are needed, {} are free", show_size(needed), show_size(free));
    Failure::new(Code::Full, why).fix("free some space")
}

/// Tells a peer that a file cannot be read at present (a list shows it anyway). Any other error is answered as a
/// missing file.
pub(super) fn unreadable(error: &io::Error, name: &str) -> Failure {
    let told = [Errno::ACCESS, Errno::PERM, Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::IO];
    if told.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error())) {
        return file_unreadable(name, error);
    }
    no_such_file(name)
}
