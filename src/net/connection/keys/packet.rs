//! Packets over UDP: each is encrypted by itself, with its packet number as the nonce, so that they may be lost and come
//! in any order. The head of a packet can be read by all and is proven with the rest (RFC 9001, section 5.3, does so with
//! more of its header).
//!
//! ```text
//!  0      1        9               17                    17 + n           33 + n
//! +------+--------+---------------+---------------------+----------------+
//! | type | u64 id | u64 number    | n bytes, encrypted  | tag            |
//! +------+--------+---------------+---------------------+----------------+
//! ```

use std::fmt;

use bytes::BytesMut;
use ring::aead::{Aad, LessSafeKey, Nonce};
use ring::hmac;
use zeroize::Zeroize;

use super::TAG;
use super::cipher::{Cipher, KEY};
use crate::reliable::sealing::Seal;
use crate::wire::PacketNumber;
use crate::wire::datagram::{DATA_HEAD, PROOF};

/// So many packet numbers have one key. Far below the limits of both ciphers (RFC 9001, section 6.6).
const PACKETS_PER_KEY: u64 = 1 << 16;
/// Packets that may fail to open before nothing is opened any more (RFC 9001, section 6.6).
const FORGED_LIMIT: u64 = 1 << 36;
/// Makes the key of the proofs of a direction from its first key.
const PROOF_LABEL: &[u8] = b"nls proof";

/// What encrypts one connection over UDP.
pub(super) struct PacketSeal {
    cipher: Cipher,
    out: Numbered,
    into: Numbered,
    /// The key of the numbers before those of `into`: packets come late.
    before: Option<LessSafeKey>,
    proves: hmac::Key,
    checks: hmac::Key,
    forged: u64,
}

/// A key and which numbers it is for.
struct Numbered {
    key: LessSafeKey,
    generation: u64,
}

impl PacketSeal {
    /// `out` is the key of what this side sends.
    pub(super) fn new(cipher: Cipher, mut out: [u8; KEY], mut into: [u8; KEY]) -> Self {
        let numbered = |key| Numbered { key: cipher.key(key), generation: 0 };
        let seal = Self {
            cipher,
            out: numbered(out),
            into: numbered(into),
            before: None,
            proves: proof_key(&out),
            checks: proof_key(&into),
            forged: 0,
        };
        out.zeroize();
        into.zeroize();
        seal
    }

    fn nonce(&self, number: PacketNumber) -> Nonce {
        self.cipher.nonce(number.0)
    }

    /// Opens the packet with this key; the bytes are lost if it is not the right one.
    fn open_with(&self, key: &LessSafeKey, number: PacketNumber, datagram: &mut [u8]) -> bool {
        let (head, sealed) = datagram.split_at_mut(DATA_HEAD);
        key.open_in_place(self.nonce(number), Aad::from(head), sealed).is_ok()
    }

    /// Whether the packet opens with the key of its number. The next key is taken only with a packet that it opens.
    fn opens(&mut self, number: PacketNumber, datagram: &mut [u8]) -> bool {
        let generation = number.0 / PACKETS_PER_KEY;
        if generation == self.into.generation {
            return self.open_with(&self.into.key, number, datagram);
        }
        if generation + 1 == self.into.generation {
            return self.before.as_ref().is_some_and(|key| self.open_with(key, number, datagram));
        }
        if generation != self.into.generation + 1 {
            return false;
        }
        let next = self.cipher.next(&self.into.key);
        let opened = self.open_with(&next, number, datagram);
        if opened {
            let key = std::mem::replace(&mut self.into, Numbered { key: next, generation });
            self.before = Some(key.key);
        }
        opened
    }
}

fn proof_key(key: &[u8; KEY]) -> hmac::Key {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), PROOF_LABEL);
    hmac::Key::new(hmac::HMAC_SHA256, tag.as_ref())
}

impl Seal for PacketSeal {
    fn seal(&mut self, number: PacketNumber, datagram: &mut Vec<u8>) {
        let generation = number.0 / PACKETS_PER_KEY;
        while self.out.generation < generation {
            self.out.key = self.cipher.next(&self.out.key);
            self.out.generation += 1;
        }
        let nonce = self.nonce(number);
        let (head, content) = datagram.split_at_mut(DATA_HEAD);
        let tag = self.out.key.seal_in_place_separate_tag(nonce, Aad::from(&*head), content);
        datagram.extend_from_slice(tag.expect("a datagram is not too long").as_ref());
    }

    fn open(&mut self, number: PacketNumber, datagram: &mut BytesMut) -> bool {
        if datagram.len() < DATA_HEAD + TAG || self.forged >= FORGED_LIMIT {
            return false;
        }
        let opened = self.opens(number, datagram);
        self.forged += u64::from(!opened);
        datagram.truncate(datagram.len() - TAG);
        opened
    }

    fn prove(&self, bytes: &[u8]) -> [u8; PROOF] {
        let tag = hmac::sign(&self.proves, bytes);
        std::array::from_fn(|n| tag.as_ref()[n])
    }

    fn is_proven(&self, bytes: &[u8], proof: &[u8]) -> bool {
        let tag = hmac::sign(&self.checks, bytes);
        // In the same time wherever they differ.
        let differs = tag.as_ref().iter().zip(proof).fold(0, |all, (one, other)| all | (one ^ other));
        proof.len() == PROOF && std::hint::black_box(differs) == 0
    }
}

impl fmt::Debug for PacketSeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PacketSeal").field("cipher", &self.cipher).finish_non_exhaustive()
    }
}
