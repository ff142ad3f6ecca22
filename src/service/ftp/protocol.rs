//! The messages of file transfer. Sending and receiving look the same in both directions: after PUT the client is
//! the sender, after GET the server is.
//!
//! ```text
//! PUT     | u32 chunk | u32 window | u8 flags | u16 mode | u64 size | u64 modified | text name |  1 replace, 2 fast
//! GET     | u32 chunk | u32 window | u8 flags | text name |    1 fresh: the client has nothing, begin at once
//! FILE    | u8 flags | u16 mode | u64 size | u64 modified |    answer to GET; 1: the server limits its rate
//! HAVE    | u64 first | n × 32 bytes |                         receiver: hashes of the groups it has already
//! READY   | u8 flags | u64 resumed |                           receiver: begin; 1 a file of that name and size exists
//!                                                              and may be the same; 2 the existing file is replaced
//! HASHES  | u64 first | n × 32 bytes |                         sender: hashes of the groups that follow
//! ACK     | u64 chunks | u64 bytes |                           receiver: chunks and bytes received, cumulative
//! AGAIN   | u64 group |                                        receiver: the group differs from its hash, resend it
//! ANEW    | u64 group |                                        sender: your copy of the group differs, it is resent
//! HOLE    | u64 group |                                        sender: the group is all zeros and is not sent
//! END     | 32 bytes BLAKE3 | spent |                          sender: all blocks are sent; hash of the whole file
//! STORED  | u8 flags | u64 bytes | 32 bytes BLAKE3 | spent |   receiver: the file has its name; 1 it existed before
//!
//! TREE    | u64 bytes | text name |                            a tree is about to be sent; answered by TAKEN 0, by
//!                                                              SAME if the name exists, or by an error
//! FOLDER  | u16 mode | u64 modified | text path |              a folder of a tree; mode 0: files for it follow
//! SMALL   | u8 flags | u16 mode | u64 modified | 32 bytes BLAKE3 | text name | bytes |   a whole file; flags as in PUT
//! LINK    | u8 flags | text path | text target |               a symbolic link of a tree; 1 replace
//! OFFER   | u8 flags | u16 mode | u64 modified | u64 size | 32 bytes BLAKE3 | text name |   a SMALL without its bytes,
//!                                                              for a file that the server may have already
//! FETCH   | n × 32 bytes BLAKE3 | text name |                  n, a u8, is 1 if the client has a file of this hash;
//!                                                              answered by SMALL, SAME, WANTED or DENIED
//! SAME    |                                                    the file that FETCH named has the hash of FETCH
//! TAKEN   | u64 count |                                        number of FOLDER, SMALL, LINK and OFFER processed
//! WANTED  | u8 flags | u64 index |                             send the file of the OFFER with this index; 1 it
//!                                                              replaces another. After FETCH: ask for it with GET
//! DENIED  | u64 index | u16 code | text why |                  the message with this index (from 0) is refused
//! SYNC    |                                                    answered by SYNC once all before it is on the disk
//! ```
//! A group is 256 KiB of a file; the last one may be shorter. Its hash is that of its BLAKE3 subtree, or that of the
//! whole file if the file has only one group. `modified`: nanoseconds since 1970. `spent`: see [`super::spent`].

use crate::wire::ServiceId;
use crate::wire::time_spent::Spent;
use crate::wire::{CHUNK_LIMIT, Code, DecodeError, Frame, NAME_LIMIT, Reader, TEXT_LIMIT, Writer};

/// The number of the service on the wire.
pub const ID: ServiceId = ServiceId::new(1);

/// Frame kind of [`Message::Put`].
pub const PUT: u8 = 0x10;
/// Frame kind of [`Message::Get`].
pub const GET: u8 = 0x11;
/// Frame kind of [`Message::Ready`].
pub const READY: u8 = 0x13;
/// Frame kind of [`Message::File`].
pub const FILE: u8 = 0x14;
/// Frame kind of [`Message::Ack`].
pub const ACK: u8 = 0x15;
/// Frame kind of [`Message::End`].
pub const END: u8 = 0x16;
/// Frame kind of [`Message::Stored`].
pub const STORED: u8 = 0x17;
/// Frame kind of [`Message::Hashes`].
pub const HASHES: u8 = 0x19;
/// Frame kind of [`Message::Have`].
pub const HAVE: u8 = 0x1a;
/// Frame kind of [`Message::Again`].
pub const AGAIN: u8 = 0x1b;
/// Frame kind of [`Message::Anew`].
pub const ANEW: u8 = 0x1c;
/// Frame kind of [`Message::Folder`].
pub const FOLDER: u8 = 0x1d;
/// Frame kind of [`Message::Small`].
pub const SMALL: u8 = 0x1e;
/// Frame kind of [`Message::Fetch`].
pub const FETCH: u8 = 0x1f;
/// Frame kind of [`Message::Taken`].
pub const TAKEN: u8 = 0x20;
/// Frame kind of [`Message::Denied`].
pub const DENIED: u8 = 0x21;
/// Frame kind of [`Message::Sync`].
pub const SYNC: u8 = 0x23;
/// Frame kind of [`Message::Hole`].
pub const HOLE: u8 = 0x26;
/// Frame kind of [`Message::Link`].
pub const LINK: u8 = 0x27;
/// Frame kind of [`Message::Offer`].
pub const OFFER: u8 = 0x28;
/// Frame kind of [`Message::Wanted`].
pub const WANTED: u8 = 0x29;
/// Frame kind of [`Message::Same`].
pub const SAME: u8 = 0x2a;
/// Frame kind of [`Message::Tree`].
pub const TREE: u8 = 0x2b;
/// Frame kind of [`Message::Rate`].
pub const RATE: u8 = 0x2c;

/// Most chunks in flight.
pub const WINDOW_LIMIT: u32 = 1 << 24;
/// Most hashes in one frame.
pub const HASHES_LIMIT: usize = 1024;
/// Largest file that is sent as one SMALL, in bytes.
pub const SMALL_LIMIT: u64 = 64 << 10;

/// The BLAKE3 hash of a group.
pub type GroupHash = [u8; 32];

/// How a file is divided for sending, and how much of it may be in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framing {
    /// Bytes per chunk: 1 to [`CHUNK_LIMIT`].
    pub chunk: u32,
    /// Most chunks in flight: 1 to [`WINDOW_LIMIT`]; 1 is stop-and-wait.
    pub window: u32,
}

/// How the receiver is to store a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Replace an existing file of that name.
    pub replace: bool,
    /// Confirm the file without waiting for the disk (no sync).
    pub fast: bool,
}

/// The nine permission bits of a file or folder, as in `st_mode`; the receiver decides which of them it applies.
pub type Mode = u16;

/// The metadata of a file that is sent as SMALL or offered with OFFER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// How to store the file.
    pub flags: Flags,
    /// The permissions of the file.
    pub mode: Mode,
    /// Modification time, in nanoseconds since 1970.
    pub modified: u64,
    /// BLAKE3 of the whole file.
    pub hash: [u8; 32],
    /// The path below the folder of the server.
    pub name: String,
}

impl Flags {
    const fn number(self) -> u8 {
        self.replace as u8 | (self.fast as u8) << 1
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let flags = flags(r, 3)?;
        Ok(Self { replace: flags & 1 != 0, fast: flags & 2 != 0 })
    }
}

/// A message of file transfer. Sizes are in bytes, `modified` is in nanoseconds since 1970, names are paths below the
/// folder of the server, and groups are numbered from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Client: take this file.
    Put { shape: Framing, flags: Flags, mode: Mode, size: u64, modified: u64, name: String },
    /// Client: send this file. `fresh`: the client has nothing of it, so the server begins without waiting for READY.
    Get { shape: Framing, fresh: bool, name: String },
    /// Server: mode, size and time of the file that GET named. `limited`: the server limits its rate, so slow is not
    /// dead.
    File { limited: bool, mode: Mode, size: u64, modified: u64 },
    /// Receiver: the groups from `first` on are here already, with these hashes.
    Have { first: u64, hashes: Vec<GroupHash> },
    /// Receiver: begin. `there`: a file of that name and size exists; `replaces`: the existing file is replaced;
    /// `resumed`: bytes that are here already.
    Ready { there: bool, replaces: bool, resumed: u64 },
    /// Sender: hashes of the groups from `first` on; an empty list: still comparing, keep waiting.
    Hashes { first: u64, hashes: Vec<GroupHash> },
    /// Receiver: complete chunks and bytes that are here, both cumulative.
    Ack { chunks: u64, bytes: u64 },
    /// Receiver: the group differs from its hash, resend it.
    Again { group: u64 },
    /// Sender: the receiver's copy of this group differs, it is sent again.
    Anew { group: u64 },
    /// Sender: this group is a hole of the file, all zeros, and is not sent.
    Hole { group: u64 },
    /// Sender: all blocks are sent. `hash` is that of the whole file.
    End { hash: [u8; 32], spent: Spent },
    /// Receiver: the file is stored under its name. `there`: it existed before with the same content.
    Stored { there: bool, bytes: u64, hash: [u8; 32], spent: Spent },
    /// A folder of a tree. Mode 0: make it, files for it follow; else set its mode and time.
    Folder { mode: Mode, modified: u64, path: String },
    /// A whole file of at most [`SMALL_LIMIT`] bytes.
    Small { label: Label, bytes: bytes::Bytes },
    /// Client: make this symbolic link. `replace`: replace a link of that name.
    Link { replace: bool, path: String, target: String },
    /// Client: a SMALL without its bytes, answered by WANTED if the server does not have the file.
    Offer { label: Label, size: u64 },
    /// Client: send this file as SMALL. `known`: hash of the client's file of that name; `None` if it has none.
    Fetch { known: Option<[u8; 32]>, name: String },
    /// Server: the file that FETCH named has the hash of FETCH; or something has the name that TREE gave.
    Same,
    /// Server: number of FOLDER, SMALL, LINK and OFFER messages processed so far.
    Taken { count: u64 },
    /// Server: send the file of the OFFER with this index, or request that of the FETCH with this index by GET.
    /// `replaces`: another file of that name is replaced.
    Wanted { replaces: bool, index: u64 },
    /// Client: a tree of this many bytes is about to be sent under this name.
    Tree { bytes: u64, name: String },
    /// Server: the message with this index (from 0) is refused.
    Denied { index: u64, code: Code, why: String },
    /// Client: answer when all before this is on the disk. Server: it is.
    Sync,
    /// Client: send at most this many bytes/s from now on; `None`: as many as you like.
    Rate { limit: Option<u64> },
}

/// Of a file that has no time of its own, as what comes from standard input: where it is stored, it has that of its storing.
pub const NO_TIME: u64 = u64::MAX;

impl Message {
    /// Encodes the message as a frame.
    pub fn encode(&self) -> Frame {
        let out = Writer::new();
        let (kind, body) = match self {
            Self::Put { shape, flags, mode, size, modified, name } => {
                let out = out.u32(shape.chunk).u32(shape.window).u8(flags.number()).u16(*mode);
                (PUT, out.u64(*size).u64(*modified).text(name))
            }
            Self::Get { shape, fresh, name } => {
                (GET, out.u32(shape.chunk).u32(shape.window).u8(u8::from(*fresh)).text(name))
            }
            Self::File { limited, mode, size, modified } => {
                (FILE, out.u8(u8::from(*limited)).u16(*mode).u64(*size).u64(*modified))
            }
            Self::Have { first, hashes } => (HAVE, out.u64(*first).bytes(hashes.as_flattened())),
            Self::Ready { there, replaces, resumed } => {
                (READY, out.u8(u8::from(*there) | u8::from(*replaces) << 1).u64(*resumed))
            }
            Self::Hashes { first, hashes } => (HASHES, out.u64(*first).bytes(hashes.as_flattened())),
            Self::Ack { chunks, bytes } => (ACK, out.u64(*chunks).u64(*bytes)),
            Self::Again { group } => (AGAIN, out.u64(*group)),
            Self::Anew { group } => (ANEW, out.u64(*group)),
            Self::Hole { group } => (HOLE, out.u64(*group)),
            Self::End { hash, spent } => (END, spent.write(out.bytes(hash))),
            Self::Stored { there, bytes, hash, spent } => {
                (STORED, spent.write(out.u8(u8::from(*there)).u64(*bytes).bytes(hash)))
            }
            Self::Folder { mode, modified, path } => (FOLDER, out.u16(*mode).u64(*modified).text(path)),
            Self::Small { label, bytes } => {
                let out = out.u8(label.flags.number()).u16(label.mode).u64(label.modified).bytes(&label.hash);
                (SMALL, out.text(&label.name).bytes(bytes))
            }
            Self::Link { replace, path, target } => {
                (LINK, out.u8(u8::from(*replace)).text(path).text(target))
            }
            Self::Offer { label, size } => {
                let out = out.u8(label.flags.number()).u16(label.mode).u64(label.modified).u64(*size);
                (OFFER, out.bytes(&label.hash).text(&label.name))
            }
            Self::Fetch { known, name } => {
                let out =
                    out.u8(u8::from(known.is_some())).bytes(known.as_ref().map_or(&[], |hash| &hash[..]));
                (FETCH, out.text(name))
            }
            Self::Same => (SAME, out),
            Self::Wanted { replaces, index } => (WANTED, out.u8(u8::from(*replaces)).u64(*index)),
            Self::Tree { bytes, name } => (TREE, out.u64(*bytes).text(name)),
            Self::Taken { count } => (TAKEN, out.u64(*count)),
            Self::Denied { index, code, why } => (DENIED, out.u64(*index).u16(code.number()).text(why)),
            Self::Sync => (SYNC, out),
            Self::Rate { limit } => (RATE, out.u64(limit.unwrap_or(0))),
        };
        Frame::new(kind, body.finish())
    }

    /// Reads a message from a frame. Fails on an unknown kind or flag, on a value over its limit and on missing or
    /// extra bytes.
    pub fn decode(frame: &Frame) -> Result<Self, DecodeError> {
        let mut r = Reader::new(&frame.body);
        let message = match frame.kind {
            PUT => Self::Put {
                shape: shape(&mut r)?,
                flags: Flags::read(&mut r)?,
                mode: mode(&mut r)?,
                size: r.u64()?,
                modified: r.u64()?,
                name: name(&mut r)?,
            },
            GET => Self::Get { shape: shape(&mut r)?, fresh: flags(&mut r, 1)? != 0, name: name(&mut r)? },
            FILE => {
                let limited = flags(&mut r, 1)? != 0;
                Self::File { limited, mode: mode(&mut r)?, size: r.u64()?, modified: r.u64()? }
            }
            HAVE => Self::Have { first: r.u64()?, hashes: hashes(&mut r)? },
            READY => {
                let flags = flags(&mut r, 3)?;
                Self::Ready { there: flags & 1 != 0, replaces: flags & 2 != 0, resumed: r.u64()? }
            }
            HASHES => Self::Hashes { first: r.u64()?, hashes: hashes(&mut r)? },
            ACK => Self::Ack { chunks: r.u64()?, bytes: r.u64()? },
            AGAIN => Self::Again { group: r.u64()? },
            ANEW => Self::Anew { group: r.u64()? },
            HOLE => Self::Hole { group: r.u64()? },
            END => Self::End { hash: r.array()?, spent: Spent::read(&mut r)? },
            STORED => Self::Stored {
                there: flags(&mut r, 1)? != 0,
                bytes: r.u64()?,
                hash: r.array()?,
                spent: Spent::read(&mut r)?,
            },
            FOLDER => Self::Folder { mode: mode(&mut r)?, modified: r.u64()?, path: name(&mut r)? },
            SMALL => Self::small(&mut r, frame)?,
            LINK => {
                let replace = flags(&mut r, 1)? != 0;
                Self::Link { replace, path: name(&mut r)?, target: name(&mut r)? }
            }
            OFFER => Self::offer(&mut r)?,
            FETCH => {
                let known = if flags(&mut r, 1)? != 0 { Some(r.array()?) } else { None };
                Self::Fetch { known, name: name(&mut r)? }
            }
            SAME => Self::Same,
            WANTED => Self::Wanted { replaces: flags(&mut r, 1)? != 0, index: r.u64()? },
            TREE => Self::Tree { bytes: r.u64()?, name: name(&mut r)? },
            TAKEN => Self::Taken { count: r.u64()? },
            DENIED => Self::Denied {
                index: r.u64()?,
                code: Code::from_number(r.u16()?),
                why: r.text("reason", TEXT_LIMIT)?.into(),
            },
            SYNC => Self::Sync,
            RATE => Self::Rate { limit: Some(r.u64()?).filter(|limit| *limit > 0) },
            kind => return Err(DecodeError::Unknown { what: "frame", value: u64::from(kind) }),
        };
        r.finish(message)
    }

    fn small(r: &mut Reader<'_>, frame: &Frame) -> Result<Self, DecodeError> {
        let (flags, mode, modified) = (Flags::read(r)?, mode(r)?, r.u64()?);
        let label = Label { flags, mode, modified, hash: r.array()?, name: name(r)? };
        if r.remaining() as u64 > SMALL_LIMIT {
            return Err(DecodeError::Oversize { what: "a small file", limit: SMALL_LIMIT });
        }
        let bytes = frame.body.slice_ref(r.rest());
        Ok(Self::Small { label, bytes })
    }

    fn offer(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (flags, mode, modified, size) = (Flags::read(r)?, mode(r)?, r.u64()?, r.u64()?);
        let label = Label { flags, mode, modified, hash: r.array()?, name: name(r)? };
        if size > SMALL_LIMIT {
            return Err(DecodeError::Oversize { what: "a small file", limit: SMALL_LIMIT });
        }
        Ok(Self::Offer { label, size })
    }
}

fn name(r: &mut Reader<'_>) -> Result<String, DecodeError> {
    r.text("name", NAME_LIMIT).map(str::to_owned)
}

/// faults.md row 32: set-id and sticky bits are dropped, whoever sends them.
fn mode(r: &mut Reader<'_>) -> Result<Mode, DecodeError> {
    Ok(r.u16()? & 0o777)
}

/// Reads flags; fails if any bit outside of `known` is set.
fn flags(r: &mut Reader<'_>, known: u8) -> Result<u8, DecodeError> {
    match r.u8()? {
        flags if flags & !known == 0 => Ok(flags),
        flags => Err(DecodeError::Unknown { what: "flag", value: u64::from(flags) }),
    }
}

fn hashes(r: &mut Reader<'_>) -> Result<Vec<GroupHash>, DecodeError> {
    if r.remaining() / 32 > HASHES_LIMIT {
        return Err(DecodeError::Oversize { what: "a list of hashes", limit: HASHES_LIMIT as u64 });
    }
    let (hashes, rest) = r.rest().as_chunks();
    if rest.is_empty() { Ok(hashes.to_vec()) } else { Err(DecodeError::Truncated) }
}

/// faults.md row 30: a chunk size or window out of bounds is refused before anything is allocated for it.
fn shape(r: &mut Reader<'_>) -> Result<Framing, DecodeError> {
    let shape = Framing { chunk: r.u32()?, window: r.u32()? };
    if shape.chunk == 0 || u64::from(shape.chunk) > CHUNK_LIMIT {
        return Err(DecodeError::Oversize { what: "chunk", limit: CHUNK_LIMIT });
    }
    if shape.window == 0 || shape.window > WINDOW_LIMIT {
        return Err(DecodeError::Oversize { what: "window", limit: u64::from(WINDOW_LIMIT) });
    }
    Ok(shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last field of these takes all remaining bytes, so a truncation is noticed only within a hash or the header.
    const OPEN_ENDED: [u8; 3] = [HAVE, HASHES, SMALL];

    fn samples() -> Vec<Message> {
        let shape = Framing { chunk: 1024, window: 8 };
        let flags = Flags { replace: true, fast: false };
        let label = |name: &str| Label { flags, mode: 0o640, modified: 1, hash: [4; 32], name: name.into() };
        let bytes = bytes::Bytes::from_static(b"tiny");
        let cause = crate::wire::time_spent::Cause::Loss;
        let spent = Spent { elapsed: 7, disk: 1, network: 998, limit: 2, processor: 1000, cause };
        vec![
            Message::Put { shape, flags, mode: 0o755, size: u64::MAX, modified: 7, name: "a/b".into() },
            Message::Get { shape, fresh: true, name: "é".into() },
            Message::Rate { limit: Some(1_000_000) },
            Message::Rate { limit: None },
            Message::File { limited: true, mode: 0o600, size: 1, modified: 2 },
            Message::Have { first: 5, hashes: vec![[1; 32], [2; 32]] },
            Message::Ready { there: true, replaces: false, resumed: 0 },
            Message::Ready { there: true, replaces: true, resumed: 9 },
            Message::Hashes { first: 0, hashes: vec![[3; 32]] },
            Message::Ack { chunks: 3, bytes: 4 },
            Message::Again { group: 7 },
            Message::Anew { group: 8 },
            Message::Hole { group: 9 },
            Message::End { hash: [7; 32], spent },
            Message::Stored { there: false, bytes: 9, hash: [1; 32], spent },
            Message::Folder { mode: 0o700, modified: 1, path: "x/y".into() },
            Message::Small { label: label("z"), bytes },
            Message::Link { replace: true, path: "x/l".into(), target: "../z".into() },
            Message::Offer { label: label("z"), size: 4 },
            Message::Fetch { known: None, name: "q".into() },
            Message::Fetch { known: Some([8; 32]), name: "q".into() },
            Message::Same,
            Message::Wanted { replaces: true, index: 4 },
            Message::Tree { bytes: 99, name: "t".into() },
            Message::Taken { count: 12 },
            Message::Denied { index: 3, code: Code::Exists, why: "there".into() },
            Message::Sync,
        ]
    }

    #[test]
    fn messages_read_back_and_no_truncation_or_extension_does() {
        for message in samples() {
            let frame = message.encode();
            assert_eq!(Message::decode(&frame).as_ref(), Ok(&message));
            for end in 0..frame.body.len() {
                let cut = Message::decode(&Frame::new(frame.kind, frame.body.slice(..end)));
                assert!(cut.is_err() || OPEN_ENDED.contains(&frame.kind) && cut != Ok(message.clone()));
            }
            let mut longer = frame.body.to_vec();
            longer.push(0);
            let longer = Message::decode(&Frame::new(frame.kind, longer));
            assert!(longer.is_err() || frame.kind == SMALL);
        }
    }

    #[test]
    fn row_30_absurd_chunks_windows_and_lists_are_refused() {
        for (chunk, window) in
            [(0, 1), (u32::MAX, 1), (CHUNK_LIMIT as u32 + 1, 1), (1024, 0), (1024, u32::MAX)]
        {
            let shape = Framing { chunk, window };
            let frame = Message::Get { shape, fresh: false, name: "x".into() }.encode();
            assert!(matches!(Message::decode(&frame), Err(DecodeError::Oversize { .. })));
        }
        let frame = Message::Have { first: 0, hashes: vec![[0; 32]; HASHES_LIMIT + 1] }.encode();
        assert!(matches!(Message::decode(&frame), Err(DecodeError::Oversize { .. })));
        let bytes = vec![0; SMALL_LIMIT as usize + 1].into();
        let label = Label { flags: Flags::default(), mode: 0, modified: 0, hash: [0; 32], name: "x".into() };
        let offer = Message::Offer { label: label.clone(), size: SMALL_LIMIT + 1 };
        assert!(matches!(Message::decode(&offer.encode()), Err(DecodeError::Oversize { .. })));
        let small = Message::Small { label, bytes };
        assert!(matches!(Message::decode(&small.encode()), Err(DecodeError::Oversize { .. })));
    }

    #[test]
    fn row_26_nothing_on_the_wire_is_compressed_so_nothing_expands() {
        // A flag that a later version might use for compression is refused, not ignored.
        let mut frame = samples()[0].encode();
        let mut body = frame.body.to_vec();
        body[8] |= 4;
        frame.body = body.into();
        assert!(matches!(Message::decode(&frame), Err(DecodeError::Unknown { what: "flag", .. })));
    }
}
