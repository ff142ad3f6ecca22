//! LIST and ENTRIES: what a file server or a stream server has, in pages (FAULTS row 58).
//!
//! ```text
//! LIST    | text path |                                           answered by pages until `more` is 0
//! WALK    | u8 flags | text path |                                all below a folder: pages, LOST, then WALKED;
//!                                                                 1 with what is hidden, 2 with links
//! ENTRIES | u8 more | u16 count | count × (u8 kind, u16 mode, u64 size, u64 modified, text name) |
//! LOST    | u16 code | text path | text why |                     a folder or file that cannot be listed
//! WALKED  | u64 links | u64 hidden | u64 special |                what was left out, and the end of a WALK
//! ```
//! `kind`: 0 file, 1 folder, 2 a symbolic link: after the name stands `text target`; 3 a person in a chat, of that `size`
//! is how many messages they said; 4 media, as a stream server tells it: after the name stand `u64 milliseconds |
//! text container | text title`, 0 and empty where the file does not say.
//! `modified`: nanoseconds since 1970. Below a WALK a name is a path, and a folder stands before what is in it.
//! A name is text: what it cannot hold as it is stands as an escape, see the service's own page on names.

use super::writer::cut;
use super::{Code, DecodeError, Frame, NAME_LIMIT, Reader, TEXT_LIMIT, Writer};

pub const LIST: u8 = 0x12;
pub const ENTRIES: u8 = 0x18;
pub const WALK: u8 = 0x22;
pub const LOST: u8 = 0x24;
pub const WALKED: u8 = 0x25;
/// Most entries in one page.
pub const PAGE_LIMIT: usize = 256;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    pub path: String,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    File,
    Folder,
    /// A symbolic link, and where it points.
    Link(String),
    Person,
    Media(MediaNote),
}

/// What a container says of its film.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MediaNote {
    /// 0: nobody knows.
    pub milliseconds: u64,
    pub container: String,
    pub title: String,
}

/// Longest name of a container, and longest title, in bytes.
const CONTAINER_LIMIT: usize = 32;
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

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub kind: EntryKind,
    /// Permissions, nine bits.
    pub mode: u16,
    pub size: u64,
    pub modified: u64,
}

impl Entry {
    pub fn is_folder(&self) -> bool {
        self.kind == EntryKind::Folder
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entries {
    pub entries: Vec<Entry>,
    pub more: bool,
}

impl List {
    pub fn encode(&self) -> Frame {
        Frame::new(LIST, Writer::new().text(&self.path).finish())
    }

    pub fn decode(frame: &Frame) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(&frame.body);
        let list = Self { path: reader.text("path", NAME_LIMIT)?.into() };
        reader.finish(list)
    }
}

/// WALK: everything below a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    pub path: String,
    pub hidden: bool,
    pub links: bool,
}

impl Walk {
    pub fn encode(&self) -> Frame {
        let flags = u8::from(self.hidden) | u8::from(self.links) << 1;
        Frame::new(WALK, Writer::new().u8(flags).text(&self.path).finish())
    }

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

/// What a WALK could not list, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    pub code: Code,
    pub path: String,
    pub why: String,
}

impl Lost {
    pub fn encode(&self) -> Frame {
        let body = Writer::new().u16(self.code.number()).text(&self.path).text(cut(&self.why, TEXT_LIMIT));
        Frame::new(LOST, body.finish())
    }

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

/// The end of a WALK: what was left out of it, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walked {
    pub links: u64,
    pub hidden: u64,
    /// Devices, FIFOs and sockets.
    pub special: u64,
}

impl Walked {
    pub fn encode(self) -> Frame {
        Frame::new(WALKED, Writer::new().u64(self.links).u64(self.hidden).u64(self.special).finish())
    }

    pub fn decode(frame: &Frame) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(&frame.body);
        let walked = Self { links: reader.u64()?, hidden: reader.u64()?, special: reader.u64()? };
        reader.finish(walked)
    }
}

impl Entries {
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
