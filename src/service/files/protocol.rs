//! LIST, WALK and their answers: the contents of an ftp, stream or chat server, in pages (faults.md row 58).
//!
//! ```text
//! LIST    | text path |                                           answered by pages until `more` is 0
//! WALK    | u8 flags | text path |                                all below a folder: pages, LOST, then WALKED;
//!                                                                 1 include hidden entries, 2 include links
//! ENTRIES | u8 more | u16 count | count × (u8 kind, u16 mode, u64 size, u64 modified, text name) |
//! LOST    | u16 code | text path | text why |                     a folder or file that cannot be listed
//! WALKED  | u64 links | u64 hidden | u64 special |                end of a WALK: counts of what was left out
//! ```
//! `kind`: 0 file; 1 folder; 2 symbolic link: `text target` follows the name; 3 person in a chat: `size` is the number
//! of messages this person said; 4 media of a stream server: `u64 milliseconds | text container | text title` follow
//! the name, 0 and empty where the file does not tell.
//! `modified`: nanoseconds since 1970. In the pages of a WALK a name is a path, and a folder comes before its contents.
//! Names are text: a backslash, and bytes that are not printable UTF-8, are escaped (`docs/protocol.md`, section 4.5).

use crate::wire::writer::cut;
use crate::wire::{Code, DecodeError, Frame, NAME_LIMIT, Reader, TEXT_LIMIT, Writer};

/// Frame kind of [`List`].
pub const LIST: u8 = 0x12;
/// Frame kind of [`Entries`].
pub const ENTRIES: u8 = 0x18;
/// Frame kind of [`Walk`].
pub const WALK: u8 = 0x22;
/// Frame kind of [`Lost`].
pub const LOST: u8 = 0x24;
/// Frame kind of [`Walked`].
pub const WALKED: u8 = 0x25;
/// Most entries in one page.
pub const PAGE_LIMIT: usize = 256;
/// Most entries of one folder in a list or a walk: only their names are held.
pub(crate) const LIST_LIMIT: usize = 1_000_000;

/// LIST: the entries of one folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// The folder, below the folder of the server; empty or `.` is that folder itself.
    pub path: String,
}

/// The kind of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A plain file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link and its target.
    Link(String),
    /// A member of a chat.
    Person,
    /// A media file of a stream server.
    Media(MediaNote),
}

/// What the container of a media file tells about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MediaNote {
    /// Duration; 0: not known.
    pub milliseconds: u64,
    /// Name of the container format; empty if not known.
    pub container: String,
    /// Title in the file; empty if it has none.
    pub title: String,
}

/// Longest name of a container, in bytes.
const CONTAINER_LIMIT: usize = 32;
/// Longest title, in bytes.
const TITLE_LIMIT: usize = 1024;

impl EntryKind {
    const fn number(&self) -> u8 {
        match self {
            Self::File => 0,
            Self::Folder => 1,
            Self::Link(_) => 2,
            Self::Person => 3,
            Self::Media(_) => 4,
        }
    }
}

/// One entry of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Name in the folder; in the pages of a WALK, path below the folder asked for.
    pub name: String,
    /// What the entry is.
    pub kind: EntryKind,
    /// Permissions, nine bits.
    pub mode: u16,
    /// Bytes of a file; for a person, the number of messages said.
    pub size: u64,
    /// Modification time, in nanoseconds since 1970.
    pub modified: u64,
}

impl Entry {
    /// True for a folder, not for a link to one.
    pub fn is_folder(&self) -> bool {
        self.kind == EntryKind::Folder
    }

    /// Bytes that it takes here, with what the allocator needs for its texts.
    pub(crate) fn bytes_in_memory(&self) -> usize {
        const ALLOCATED: usize = 16;
        let texts = match &self.kind {
            EntryKind::Media(note) => note.container.len() + note.title.len() + 2 * ALLOCATED,
            EntryKind::Link(target) => target.len() + ALLOCATED,
            EntryKind::File | EntryKind::Folder | EntryKind::Person => 0,
        };
        size_of_val(self) + self.name.len() + ALLOCATED + texts
    }
}

/// ENTRIES: one page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entries {
    /// At most [`PAGE_LIMIT`]; the others are not encoded.
    pub entries: Vec<Entry>,
    /// Another page follows.
    pub more: bool,
}

impl List {
    /// Encodes the message as a frame.
    pub fn encode(&self) -> Frame {
        Frame::new(LIST, Writer::new().text(&self.path).finish())
    }

    /// Reads the body of a frame of this kind. Fails on a path over its limit and missing or extra bytes.
    pub fn decode(frame: &Frame) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(&frame.body);
        let list = Self { path: reader.text("path", NAME_LIMIT)?.into() };
        reader.finish(list)
    }
}

/// WALK: everything below a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    /// The folder, below the folder of the server; empty or `.` is that folder itself.
    pub path: String,
    /// Include hidden entries, if the server shows them.
    pub hidden: bool,
    /// Include symbolic links.
    pub links: bool,
}

impl Walk {
    /// Encodes the message as a frame.
    pub fn encode(&self) -> Frame {
        let flags = u8::from(self.hidden) | u8::from(self.links) << 1;
        Frame::new(WALK, Writer::new().u8(flags).text(&self.path).finish())
    }

    /// Reads the body of a frame of this kind. Fails on an unknown flag, a path over its limit and missing or extra
    /// bytes.
    pub fn decode(frame: &Frame) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(&frame.body);
        let flags = reader.u8()?;
        if flags > 3 {
            return Err(DecodeError::Unknown { what: "flag", value: u64::from(flags) });
        }
        let path = reader.text("path", NAME_LIMIT)?.into();
        reader.finish(Self { path, hidden: flags & 1 != 0, links: flags & 2 != 0 })
    }
}

/// LOST: an entry that a WALK could not list, and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The reason for programs.
    pub code: Code,
    /// The folder or file.
    pub path: String,
    /// The reason for people.
    pub why: String,
}

impl Lost {
    /// Encodes the message as a frame.
    pub fn encode(&self) -> Frame {
        let body = Writer::new().u16(self.code.number()).text(&self.path).text(cut(&self.why, TEXT_LIMIT));
        Frame::new(LOST, body.finish())
    }

    /// Reads the body of a frame of this kind. Fails on a text over its limit and missing or extra bytes.
    pub fn decode(frame: &Frame) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(&frame.body);
        let lost = Self {
            code: Code::from_number(reader.u16()?),
            path: reader.text("path", NAME_LIMIT)?.into(),
            why: reader.text("reason", TEXT_LIMIT)?.into(),
        };
        reader.finish(lost)
    }
}

/// WALKED: the end of a WALK, with counts of the entries left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walked {
    /// Symbolic links.
    pub links: u64,
    /// Hidden entries.
    pub hidden: u64,
    /// Devices, FIFOs and sockets.
    pub special: u64,
}

impl Walked {
    /// Encodes the message as a frame.
    pub fn encode(self) -> Frame {
        Frame::new(WALKED, Writer::new().u64(self.links).u64(self.hidden).u64(self.special).finish())
    }

    /// Reads the body of a frame of this kind. Fails on missing or extra bytes.
    pub fn decode(frame: &Frame) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(&frame.body);
        let walked = Self { links: reader.u64()?, hidden: reader.u64()?, special: reader.u64()? };
        reader.finish(walked)
    }
}

impl Entries {
    /// Encodes the message as a frame.
    pub fn encode(&self) -> Frame {
        let head = Writer::new().u8(u8::from(self.more)).u16(self.entries.len().min(PAGE_LIMIT) as u16);
        let body = self.entries.iter().take(PAGE_LIMIT).fold(head, |out, entry| {
            let out = out.u8(entry.kind.number()).u16(entry.mode).u64(entry.size).u64(entry.modified);
            let out = out.text(&entry.name);
            match &entry.kind {
                EntryKind::Link(target) => out.text(target),
                EntryKind::Media(note) => {
                    out.u64(note.milliseconds).text(&note.container).text(cut(&note.title, TITLE_LIMIT))
                }
                _ => out,
            }
        });
        Frame::new(ENTRIES, body.finish())
    }

    /// Reads the body of a frame of this kind. Fails on an unknown kind of entry, a value over its limit and missing or
    /// extra bytes.
    pub fn decode(frame: &Frame) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(&frame.body);
        let more = reader.u8()? != 0;
        let count = usize::from(reader.u16()?);
        if count > PAGE_LIMIT {
            return Err(DecodeError::Oversize { what: "page", limit: PAGE_LIMIT as u64 });
        }
        let entries = (0..count).map(|_| Self::entry(&mut reader)).collect::<Result<_, _>>()?;
        reader.finish(Self { entries, more })
    }

    fn entry(reader: &mut Reader<'_>) -> Result<Entry, DecodeError> {
        let (kind, mode, size, modified) =
            (reader.u8()?, reader.u16()? & 0o777, reader.u64()?, reader.u64()?);
        let name = reader.text("name", NAME_LIMIT)?.into();
        let kind = match kind {
            0 => EntryKind::File,
            1 => EntryKind::Folder,
            2 => EntryKind::Link(reader.text("target", NAME_LIMIT)?.into()),
            3 => EntryKind::Person,
            4 => EntryKind::Media(MediaNote {
                milliseconds: reader.u64()?,
                container: reader.text("container", CONTAINER_LIMIT)?.into(),
                title: reader.text("title", TITLE_LIMIT)?.into(),
            }),
            kind => return Err(DecodeError::Unknown { what: "kind of entry", value: u64::from(kind) }),
        };
        Ok(Entry { name, kind, mode, size, modified })
    }
}
