//! A key as 24 words of the English list of BIP 39, for reading aloud and for paper. The last word holds a check sum of
//! 8 bits: it finds 255 of 256 mistakes in words that are on the list.

use bip39::{Language, Mnemonic};
use zeroize::Zeroizing;

use super::{BadKey, Key, LENGTH, TEXT_LIMIT};

/// Words of a key.
const COUNT: usize = 24;
/// Fewest words that are taken for those of a key.
pub(super) const LEAST: usize = 12;

pub(super) fn show(key: &Key) -> Zeroizing<String> {
    let mnemonic = Mnemonic::from_entropy(key.bytes()).expect("32 bytes are one of the lengths of BIP 39");
    let mut text = Zeroizing::new(String::with_capacity(TEXT_LIMIT));
    for word in mnemonic.words() {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
    }
    text
}

/// True if most of it are words of the list, and not too few.
pub(super) fn are_words(text: &str) -> bool {
    let words = text.split_whitespace();
    let (all, known) = words.fold((0, 0), |(all, known), word| (all + 1, known + usize::from(is_word(word))));
    all >= LEAST && known * 2 > all
}

/// True for a word of the list: from 3 to 8 letters.
pub(in crate::base::secrets) fn is_word(word: &str) -> bool {
    if !(3..=8).contains(&word.len()) {
        return false;
    }
    Language::English.find_word(&Zeroizing::new(word.to_ascii_lowercase())).is_some()
}

pub(super) fn read(text: &str) -> Result<Key, BadKey> {
    let count = text.split_whitespace().count();
    if let Some(at) = text.split_whitespace().position(|word| !is_word(word)) {
        return Err(BadKey::Word(at + 1));
    }
    if count != COUNT {
        return Err(BadKey::WordCount(count));
    }
    let lower = Zeroizing::new(text.to_ascii_lowercase());
    let mnemonic = Mnemonic::parse_in_normalized(Language::English, &lower).map_err(|_| BadKey::CheckSum)?;
    let (entropy, _) = mnemonic.to_entropy_array();
    let entropy = Zeroizing::new(entropy);
    Ok(Key::made_by(|bytes| bytes.copy_from_slice(&entropy[..LENGTH])))
}
