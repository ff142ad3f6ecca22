//! A key: 32 random bytes that two sides share. No function here shows one but [`Key::text`] and [`Key::words`]: `Debug`
//! and `Display` give the fingerprint.
//!
//! | file | holds |
//! |---|---|
//! | `text` | the form `nls1…`, with a check sum (BIP 173, BIP 350) |
//! | `words` | 24 words, with a check sum (BIP 39) |
//! | `bad` | why a text is no key |
//! | `seen` | keys in a text that may be shown |
//! | `name` | what a key may be called |

mod bad;
mod name;
pub mod seen;
mod text;
mod words;

pub use bad::BadKey;
pub use name::{NAME_LIMIT, is_name};
pub(super) use words::is_word;

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

/// Bytes of a key.
pub const LENGTH: usize = 32;
/// Characters of the form `nls1…`.
pub const TEXT_LENGTH: usize = 62;
/// Longest text that is read as a key, in bytes: 24 words, or the other form with room between its groups.
pub const TEXT_LIMIT: usize = 512;
/// Fewest different bytes of a key: of 32 random ones there are fewer once in 10^33 times, of typed ones often.
const DIFFERENT: usize = 8;
/// Separates fingerprints from all other uses of a key (BLAKE3's key derivation).
const FINGERPRINT: &str = "nls 2026 fingerprint of a key";

/// A key. It is wiped when it is dropped; it lies on the heap, so that moving it leaves no copy behind.
#[derive(Clone)]
pub struct Key(Box<[u8; LENGTH]>);

impl Key {
    /// The key of the bytes that `fill` writes: random ones, of the operating system.
    pub fn made_by(fill: impl FnOnce(&mut [u8; LENGTH])) -> Self {
        let mut key = Self(Box::new([0; LENGTH]));
        fill(&mut key.0);
        key
    }

    /// Reads one of the two forms; blanks and `-` between groups, and capitals, do not matter.
    pub fn read(text: &str) -> Result<Self, BadKey> {
        let text = text.trim();
        if text.is_empty() {
            return Err(BadKey::Empty);
        }
        if text.len() > TEXT_LIMIT {
            return Err(BadKey::Password);
        }
        let compact = Zeroizing::new(text::compact(text));
        let key = if text::has_prefix(&compact) {
            text::read(&compact)
        } else if words::are_words(text) {
            words::read(text)
        } else if text::is_like(&compact) {
            Err(BadKey::Prefix)
        } else {
            Err(BadKey::Password)
        }?;
        if key.is_random() { Ok(key) } else { Err(BadKey::NotRandom) }
    }

    /// What the two sides encrypt with.
    pub fn bytes(&self) -> &[u8; LENGTH] {
        &self.0
    }

    /// The form `nls1…`: 62 characters.
    pub fn text(&self) -> Zeroizing<String> {
        text::show(self)
    }

    /// 24 English words.
    pub fn words(&self) -> Zeroizing<String> {
        words::show(self)
    }

    /// 8 hexadecimal digits that tell keys apart and say nothing else of them.
    pub fn fingerprint(&self) -> String {
        let derived = blake3::derive_key(FINGERPRINT, &*self.0);
        derived[..4].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Every form that a text may contain.
    pub fn forms(&self) -> [Zeroizing<String>; 3] {
        let text = self.text();
        let capitals = Zeroizing::new(text.to_uppercase());
        [text, capitals, self.words()]
    }

    /// False for bytes that somebody chose, such as all zero.
    fn is_random(&self) -> bool {
        let mut seen = [false; 256];
        self.0.iter().for_each(|byte| seen[usize::from(*byte)] = true);
        seen.iter().filter(|seen| **seen).count() >= DIFFERENT
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl PartialEq for Key {
    /// Takes the same time wherever they differ.
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0.iter()).fold(0, |differs, (one, two)| differs | (one ^ two)) == 0
    }
}

impl Eq for Key {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fingerprint())
    }
}

#[cfg(test)]
mod tests;
