//! Why a text is no key. What was read is never part of it.

use super::TEXT_LENGTH;

/// Why a text is no key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadKey {
    /// There is no text.
    Empty,
    /// It is a text that somebody chose, or no key at all.
    Password,
    /// It is as long as a key, but begins otherwise.
    Prefix,
    /// Its number of characters, blanks and `-` aside.
    Length(usize),
    /// A character that no key has, and where it stands, from 1.
    Character(char, usize),
    /// The check sum is wrong.
    CheckSum,
    /// Its number of words.
    WordCount(usize),
    /// The word at this place, from 1, is not on the list.
    Word(usize),
    /// Its bytes are not random.
    NotRandom,
}

impl BadKey {
    /// The reason, as part of an error message.
    pub fn why(&self) -> String {
        match self {
            Self::Empty => "the text is empty".into(),
            Self::Password => {
                "this is no key, and a password that somebody chose cannot be one: who records a single \
                connection can try guesses on it, without end and unseen"
                    .into()
            }
            Self::Prefix => "a key begins with nls1, and this does not".into(),
            Self::Length(length) => {
                format!("a key has {TEXT_LENGTH} characters, and this has {length}")
            }
            Self::Character(c, at) => {
                format!("no key has `{}`, which is character {at}", c.escape_default())
            }
            Self::CheckSum => "its check sum is wrong: something in it is mistyped".into(),
            Self::WordCount(count) => format!("a key has 24 words, and this has {count}"),
            Self::Word(at) => format!("word {at} is not on the list of BIP 39"),
            Self::NotRandom => "its bytes are not random: somebody chose them".into(),
        }
    }

    /// What to do about it.
    pub const fn fix(&self) -> &'static str {
        match self {
            Self::Empty | Self::Password | Self::NotRandom => "`key new NAME` makes a key",
            Self::Prefix
            | Self::Length(_)
            | Self::Character(..)
            | Self::CheckSum
            | Self::WordCount(_)
            | Self::Word(_) => "copy it again, as `key show` gives it",
        }
    }
}
