//! What a key may be called: a part of a file name, and a word of the language.

/// Longest name of a key, in bytes.
pub const NAME_LIMIT: usize = 32;

/// True for letters, digits, `-` and `_` of ASCII, at most [`NAME_LIMIT`], the first of them no `-`.
pub fn is_name(text: &str) -> bool {
    (1..=NAME_LIMIT).contains(&text.len())
        && !text.starts_with('-')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}
