//! LIST and ENTRIES: what a file server or a stream server has, in pages (FAULTS row 58).
//!
//! ```text
//! LIST    | text path | text after |                              after: last name of the page before
//! WALK    | text path |                                           all below a folder: pages until `more` is 0
//! ENTRIES | u8 more | u16 count | count × (u8 kind, u64 size, u64 modified, text name) |
//! ```
//! `kind`: 0 file, 1 folder, 2 executable file, 3 a person in a chat; of that `size` is how many messages they said.
//! 4 media, as a stream server tells it: behind the name stand `u64 milliseconds | text container | text title`, 0 and
//! empty where the file does not say.
//! `modified`: nanoseconds since 1970. Below a WALK a name is a path, and
//! a folder stands before what is in it.

use super::writer::cut;
use super::{DecodeError, Frame, NAME_LIMIT, Reader, Writer};

pub const LIST: u8 = 0x12;
pub const ENTRIES: u8 = 0x18;
pub const WALK: u8 = 0x22;
/// Most entries in one page.
pub const PAGE_LIMIT: usize = 256;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    pub path: String,
    pub after: String,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    File,
    Folder,
    Executable,
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
            Self::Executable => 2,
            Self::Person => 3,
            Self::Media(_) => 4,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub kind: EntryKind,
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
        Frame::new(LIST, Writer::new().text(&self.path).text(&self.after).finish())
    }

    pub fn decode(frame: &Frame) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(&frame.body);
        let list = Self {
            path: reader.text("path", NAME_LIMIT)?.into(),
            after: reader.text("name", NAME_LIMIT)?.into(),
        };
        reader.finish(list)
    }
}

/// WALK: everything below a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    pub path: String,
}

impl Walk {
    pub fn encode(&self) -> Frame {
        Frame::new(WALK, Writer::new().text(&self.path).finish())
    }

    pub fn decode(frame: &Frame) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(&frame.body);
        let walk = Self { path: reader.text("path", NAME_LIMIT)?.into() };
        reader.finish(walk)
    }
}

impl Entries {
    pub fn encode(&self) -> Frame {
        let head = Writer::new().u8(u8::from(self.more)).u16(self.entries.len().min(PAGE_LIMIT) as u16);
        let body = self.entries.iter().take(PAGE_LIMIT).fold(head, |out, entry| {
            let out = out.u8(entry.kind.number()).u64(entry.size).u64(entry.modified).text(&entry.name);
            match &entry.kind {
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
        let (kind, size, modified) = (reader.u8()?, reader.u64()?, reader.u64()?);
        let name = reader.text("name", NAME_LIMIT)?.into();
        let kind = match kind {
            0 => EntryKind::File,
            1 => EntryKind::Folder,
            2 => EntryKind::Executable,
            3 => EntryKind::Person,
            4 => EntryKind::Media(MediaNote {
                milliseconds: reader.u64()?,
                container: reader.text("container", CONTAINER_LIMIT)?.into(),
                title: reader.text("title", TITLE_LIMIT)?.into(),
            }),
            kind => return Err(DecodeError::Unknown { what: "kind of entry", value: u64::from(kind) }),
        };
        Ok(Entry { name, kind, size, modified })
    }
}
