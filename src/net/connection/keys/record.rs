//! Records: a length, then that many bytes, the last [`TAG`] of which prove the rest. The length is proven with them, and
//! so is the place of a record in its direction: its number is the nonce, which never comes twice under one key.
//!
//! ```text
//!  0        2                    2 + n            2 + n + 16
//! +--------+--------------------+----------------+
//! | n + 16 | n bytes, encrypted | tag            |
//! +--------+--------------------+----------------+
//! ```
//! A record with n = 0 ends its direction; only the client's very first one does not: it confirms the key.

use bytes::{BufMut, BytesMut};
use ring::aead::{Aad, LessSafeKey, Nonce};

use super::cipher::{Cipher, KEY};
use super::{CONTENT, Forged, HEADER, TAG};

/// After so many records, 4 GiB at most, a direction takes the next key: long before the limits of both ciphers (RFC 9001,
/// appendix B), and what was sent before stays secret if a key becomes known.
const REKEY_EVERY: u64 = 1 << 16;
/// The key of one direction, and the number of its next record.
struct Direction {
    cipher: Cipher,
    key: LessSafeKey,
    number: u64,
    /// The empty record has passed.
    ended: bool,
}

impl Direction {
    fn new(cipher: Cipher, key: [u8; KEY]) -> Self {
        Self { cipher, key: cipher.key(key), number: 0, ended: false }
    }

    fn nonce(&self) -> Nonce {
        self.cipher.nonce(self.number)
    }

    /// Counts a record, and takes the next key where it is time.
    fn count(&mut self) {
        // 2^64 records are 2^48 keys of 4 GiB each.
        self.number += 1;
        if self.number.is_multiple_of(REKEY_EVERY) {
            self.key = self.cipher.next(&self.key);
        }
    }
}

/// What seals the records of the sending direction.
pub(in crate::net) struct Sealer(Direction);

/// What opens the records of the receiving direction.
pub(in crate::net) struct Opener {
    direction: Direction,
    /// The next record is the one that confirms the key.
    confirms: bool,
    /// Something was forged: nothing is accepted any more.
    failed: bool,
}

impl Sealer {
    pub(super) fn new(cipher: Cipher, key: [u8; KEY]) -> Self {
        Self(Direction::new(cipher, key))
    }

    /// Appends a record to `out`: the next bytes of `pieces`, at most [`CONTENT`] and `most`; returns how many.
    pub(in crate::net) fn seal<'a>(
        &mut self,
        pieces: impl Iterator<Item = &'a [u8]>,
        most: usize,
        out: &mut BytesMut,
    ) -> usize {
        let most = most.min(CONTENT);
        let header = out.len();
        out.put_u16(0);
        let content = out.len();
        for piece in pieces {
            let room = most - (out.len() - content);
            out.extend_from_slice(&piece[..piece.len().min(room)]);
            if room <= piece.len() {
                break;
            }
        }
        let count = out.len() - content;
        let length = ((count + TAG) as u16).to_be_bytes();
        out[header..content].copy_from_slice(&length);
        let nonce = self.0.nonce();
        let tag = self.0.key.seal_in_place_separate_tag(nonce, Aad::from(length), &mut out[content..]);
        out.extend_from_slice(tag.expect("a record is not too long").as_ref());
        self.0.count();
        count
    }

    /// Appends the record that confirms the key, the client's first.
    pub(in crate::net) fn confirm(&mut self, out: &mut BytesMut) {
        self.seal(std::iter::empty(), 0, out);
    }

    /// Appends the record that ends the direction, once.
    pub(in crate::net) fn end(&mut self, out: &mut BytesMut) {
        if !std::mem::replace(&mut self.0.ended, true) {
            self.seal(std::iter::empty(), 0, out);
        }
    }
}

impl Opener {
    pub(super) fn new(cipher: Cipher, key: [u8; KEY], confirms: bool) -> Self {
        Self { direction: Direction::new(cipher, key), confirms, failed: false }
    }

    /// True until the peer has shown that it has the key.
    pub(in crate::net) const fn is_unconfirmed(&self) -> bool {
        self.confirms
    }

    /// True if the peer ended its direction: whatever follows is an error.
    pub(in crate::net) const fn is_at_end(&self) -> bool {
        self.direction.ended
    }

    /// The bytes of the record that begins with `front`, its header among them; `None` if the header is not there yet.
    pub(in crate::net) fn length(front: &[u8]) -> Option<usize> {
        front.first_chunk().map(|length| HEADER + usize::from(u16::from_be_bytes(*length)))
    }

    /// Opens the record that `front` begins with and takes it from there; `None` while it is incomplete. The bytes of an
    /// empty record are none.
    pub(in crate::net) fn open(&mut self, front: &mut BytesMut) -> Result<Option<BytesMut>, Forged> {
        if self.failed || self.direction.ended && !front.is_empty() {
            self.failed = true;
            return Err(Forged);
        }
        let Some(length) = Self::length(front) else { return Ok(None) };
        // Too short a length is no reason to wait for more.
        if front.len() < length && length >= HEADER + TAG {
            return Ok(None);
        }
        let opened = self.open_whole(front.split_to(length.min(front.len())));
        self.failed = opened.is_err();
        opened.map(Some)
    }

    fn open_whole(&mut self, mut record: BytesMut) -> Result<BytesMut, Forged> {
        let header = *record.first_chunk::<HEADER>().ok_or(Forged)?;
        let mut sealed = record.split_off(HEADER);
        let nonce = self.direction.nonce();
        let key = &self.direction.key;
        let count = key.open_in_place(nonce, Aad::from(header), &mut sealed).map_err(|_| Forged)?.len();
        sealed.truncate(count);
        self.direction.count();
        match (std::mem::take(&mut self.confirms), count) {
            (true, 0) => {}
            (true, _) => return Err(Forged),
            (false, 0) => self.direction.ended = true,
            (false, _) => {}
        }
        Ok(sealed)
    }
}
