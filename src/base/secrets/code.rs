//! A code: a few words that let one client in, once. Too short for a key, it is a password of a key exchange that gives
//! nothing away for guessing at leisure (PAKE): each guess costs a connection, and there are few.

use std::fmt;

use bip39::Language;
use zeroize::Zeroizing;

use super::key::is_word;

/// Words of a code, of the English list of BIP 39: 33 bits.
pub const WORDS: usize = 3;
/// Bits of one word.
const BITS: usize = 11;
/// Bytes that a code is made of.
const SOURCE: usize = (WORDS * BITS).div_ceil(8);
/// Longest text that is read as a code, in bytes.
const TEXT_LIMIT: usize = 64;

/// The words, in small letters, with `-` between them. They are wiped when they are dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Code(Zeroizing<String>);

/// Why a text is no code. The text is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadCode {
    /// The number of words is another.
    Count,
    /// This word, counted from 1, is none of the list.
    Word(usize),
}

impl Code {
    /// The code of the bytes that `fill` writes: random ones, of the operating system.
    pub fn made_by(fill: impl FnOnce(&mut [u8; SOURCE])) -> Self {
        let mut bytes = Zeroizing::new([0; SOURCE]);
        fill(&mut bytes);
        let number = bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let list = Self::all_words();
        let words: [&str; WORDS] =
            std::array::from_fn(|n| list[(number >> (n * BITS)) as usize % (1 << BITS)]);
        Self(Zeroizing::new(words.join("-")))
    }

    /// Reads a code; capitals do not matter, and blanks may be in place of `-`.
    pub fn read(text: &str) -> Result<Self, BadCode> {
        if text.len() > TEXT_LIMIT {
            return Err(BadCode::Count);
        }
        let lower = Zeroizing::new(text.trim().to_ascii_lowercase());
        let words: Vec<&str> = lower.split(['-', ' ']).filter(|word| !word.is_empty()).collect();
        if words.len() != WORDS {
            return Err(BadCode::Count);
        }
        match words.iter().position(|word| !is_word(word)) {
            Some(at) => Err(BadCode::Word(at + 1)),
            None => Ok(Self(Zeroizing::new(words.join("-")))),
        }
    }

    /// All words that codes are made of.
    pub fn all_words() -> &'static [&'static str] {
        Language::English.word_list()
    }

    /// The words.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl BadCode {
    /// What is wrong.
    pub fn why(self) -> String {
        match self {
            Self::Count => format!("a code has {WORDS} words, with `-` between them"),
            Self::Word(at) => format!("word {at} is none that codes are made of"),
        }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_reads_back_however_it_is_typed() {
        let code = Code::made_by(|bytes| bytes.copy_from_slice(&[0xff, 1, 2, 3, 4]));
        assert_eq!(code.text().split('-').count(), WORDS);
        for typed in [code.text().to_owned(), code.text().to_uppercase(), code.text().replace('-', " ")] {
            assert_eq!(Code::read(&typed), Ok(code.clone()), "{typed}");
        }
        assert!(!format!("{code:?}").contains(code.text()));
    }

    #[test]
    fn all_bits_count() {
        let made = |bytes: [u8; SOURCE]| Code::made_by(|to| to.copy_from_slice(&bytes));
        assert_eq!(made([0; SOURCE]).text(), "abandon-abandon-abandon");
        assert_eq!(made([0xff; SOURCE]).text(), "zoo-zoo-zoo");
        for bit in 0..WORDS * BITS {
            let mut bytes = [0; SOURCE];
            bytes[SOURCE - 1 - bit / 8] = 1 << (bit % 8);
            assert_ne!(made(bytes), made([0; SOURCE]), "bit {bit}");
        }
    }

    #[test]
    fn what_is_no_code_is_named_without_being_shown() {
        assert_eq!(Code::read("zoo-zoo"), Err(BadCode::Count));
        assert_eq!(Code::read(&"zoo-".repeat(40)), Err(BadCode::Count));
        assert_eq!(Code::read("zoo-zooo-zoo"), Err(BadCode::Word(2)));
        assert_eq!(Code::read(""), Err(BadCode::Count));
    }
}
