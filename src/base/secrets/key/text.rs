//! The form `nls1…`: Bech32m (BIP 173, BIP 350) with the human-readable part `nls`.
//!
//! ```text
//! +-----+---+------------------------------+--------------+
//! | nls | 1 | 52 characters of 5 bits: 256 | 6 characters |
//! |     |   | bits of the key, 4 zero bits |  check sum   |
//! +-----+---+------------------------------+--------------+
//! ```
//! Its check sum is a BCH code that finds every error in up to four characters, so each single one and each swap of two
//! neighbours; characters that are lost or added change the length.

use zeroize::Zeroizing;

use super::{BadKey, Key, TEXT_LENGTH};

/// Begins every key.
const PREFIX: &str = "nls1";
/// The characters, by their value: without 1, b, i and o, which are mistaken for others.
const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
/// Characters for the bytes of a key.
const DATA: usize = 52;
/// Characters of the check sum.
const SUM: usize = 6;
const _: () = assert!(TEXT_LENGTH == PREFIX.len() + DATA + SUM);
/// A text that is about as long as a key is probably a mistyped one: characters more or less.
const TOLERANCE: usize = 6;
/// What BIP 350 expects of a valid text.
const VALID: u32 = 0x2bc8_30a3;
/// `nls`, as BIP 173 spreads it before the check sum is taken.
const SPREAD: [u8; 7] = [3, 3, 3, 0, 14, 12, 19];

/// The text without what stands between groups, in small letters.
pub(super) fn compact(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && *c != '-').map(|c| c.to_ascii_lowercase()).collect()
}

/// `compact`: of [`compact`].
pub(super) fn has_prefix(compact: &str) -> bool {
    compact.starts_with(PREFIX)
}

/// True for a character of a key behind its prefix, small or capital.
pub(super) fn is_of_a_key(byte: u8) -> bool {
    ALPHABET.contains(&byte.to_ascii_lowercase())
}

/// True if it is about as long as a key, and of letters and digits as one is.
pub(super) fn is_like(compact: &str) -> bool {
    compact.len().abs_diff(TEXT_LENGTH) <= TOLERANCE
        && compact.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

pub(super) fn show(key: &Key) -> Zeroizing<String> {
    let mut values = Zeroizing::new([0; DATA + SUM]);
    for (at, value) in values[..DATA].iter_mut().enumerate() {
        *value = five_bits(key.bytes(), at);
    }
    let sum = polymod(&values[..]) ^ VALID;
    for (at, value) in values[DATA..].iter_mut().enumerate() {
        *value = (sum >> (5 * (SUM - 1 - at)) & 31) as u8;
    }
    // Its room is known, so that it does not move and leave a copy.
    let mut text = Zeroizing::new(String::with_capacity(TEXT_LENGTH));
    text.push_str(PREFIX);
    text.extend(values.iter().map(|value| char::from(ALPHABET[usize::from(*value)])));
    text
}

/// `compact`: of [`compact`], with the prefix.
pub(super) fn read(compact: &str) -> Result<Key, BadKey> {
    let mut values = Zeroizing::new([0; DATA + SUM]);
    let length = compact.chars().count();
    for (at, c) in compact.chars().enumerate().skip(PREFIX.len()) {
        let value = ALPHABET.iter().position(|known| char::from(*known) == c);
        let value = value.ok_or(BadKey::Character(c, at + 1))?;
        if let Some(place) = values.get_mut(at - PREFIX.len()) {
            *place = value as u8;
        }
    }
    if length != TEXT_LENGTH {
        return Err(BadKey::Length(length));
    }
    // The last character holds one bit of the key: with others set, a key would have several texts.
    if polymod(&values[..]) != VALID || values[DATA - 1] & 15 != 0 {
        return Err(BadKey::CheckSum);
    }
    Ok(Key::made_by(|bytes| {
        for (at, value) in values[..DATA].iter().enumerate() {
            for bit in (0..5).filter(|bit| value >> (4 - bit) & 1 == 1) {
                if let Some(byte) = bytes.get_mut((at * 5 + bit) / 8) {
                    *byte |= 0x80 >> ((at * 5 + bit) % 8);
                }
            }
        }
    }))
}

/// The five bits from bit `5 * at` on; those beyond the end are zero.
fn five_bits(bytes: &[u8], at: usize) -> u8 {
    let bit = |n: usize| bytes.get(n / 8).map_or(0, |byte| byte >> (7 - n % 8) & 1);
    (at * 5..at * 5 + 5).fold(0, |value, n| value << 1 | bit(n))
}

/// The remainder of BIP 173's generator, after the human-readable part.
fn polymod(values: &[u8]) -> u32 {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    SPREAD.iter().chain(values).fold(1, |sum, value| {
        let top = sum >> 25;
        let shifted = (sum & 0x01ff_ffff) << 5 ^ u32::from(*value);
        (0..5).filter(|bit| top >> bit & 1 == 1).fold(shifted, |sum, bit| sum ^ GENERATOR[bit])
    })
}
