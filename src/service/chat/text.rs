//! Rules for messages and names. Pure.

use super::errors;
use super::look_alikes::LOOKS;
use super::protocol::{MESSAGE_LIMIT, NAME_CHARACTER_LIMIT, UDP_CHARACTER_LIMIT};
use crate::base::Transport;
use crate::report::Failure;

/// Name of the server's side of a chat.
pub(super) const HOST: &str = "host";
/// Names that could be mistaken for the program itself.
const RESERVED: [&str; 8] = ["server", "host", "system", "admin", "nls", "all", "everyone", "you"];

/// Checks a message before it is sent; one that is too long is refused, never truncated (faults.md row 80).
pub(super) fn check(text: &str, transport: Transport) -> Result<(), Failure> {
    if text.trim().is_empty() {
        return Err(errors::empty_message());
    }
    let characters = text.chars().count();
    if transport == Transport::Udp && characters > UDP_CHARACTER_LIMIT {
        return Err(errors::too_many_characters(characters));
    }
    if text.len() > MESSAGE_LIMIT {
        return Err(errors::too_many_bytes(text.len()));
    }
    Ok(())
}

/// Checks a name; the error says which rule it breaks (faults.md row 81).
pub(super) fn check_name(name: &str) -> Result<(), Failure> {
    if name.is_empty() {
        return Err(errors::name_empty());
    }
    if name.chars().count() > NAME_CHARACTER_LIMIT {
        return Err(errors::name_too_long());
    }
    if !name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.')) {
        return Err(errors::name_with_other_characters());
    }
    // Look-alikes: a Cyrillic а among Latin letters is a disguise.
    let (latin, other) = (
        name.chars().any(|c| c.is_ascii_alphabetic()),
        name.chars().any(|c| c.is_alphabetic() && c as u32 > 0x24f),
    );
    if latin && other {
        return Err(errors::name_mixes_alphabets());
    }
    let look = look(name);
    if RESERVED.iter().any(|reserved| self::look(reserved) == look) {
        return Err(errors::name_reserved());
    }
    Ok(())
}

/// What a name looks like: names with the same look are taken for each other, whatever their alphabets, their case and
/// the width of their letters.
pub(super) fn look(name: &str) -> String {
    let mut look = String::with_capacity(name.len());
    for character in name.chars() {
        match LOOKS.iter().find(|(_, alike)| !character.is_ascii() && alike.contains(character)) {
            Some((like, _)) => look.push_str(like),
            None => look.extend(character.to_lowercase().map(|small| match small {
                '0' => 'o',
                '1' => 'l',
                small => small,
            })),
        }
    }
    look
}

/// `name`, or `name-2`, `name-3` … if one is taken that looks like it. `taken` is asked for looks.
pub(super) fn unique(name: &str, taken: impl Fn(&str) -> bool) -> String {
    let plain = look(name);
    if !taken(&plain) {
        return name.into();
    }
    let free = (2..=u64::MAX).find(|n| !taken(&format!("{plain}{}", look(&format!("-{n}")))));
    free.map_or_else(|| name.into(), |n| format!("{name}-{n}"))
}

/// The login name if it is a valid chat name, else `guest`.
pub(super) fn login_name() -> String {
    let login = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_default();
    if check_name(&login).is_ok() { login } else { "guest".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_udp_a_message_has_a_thousand_characters_not_bytes() {
        assert!(check(&"é".repeat(1000), Transport::Udp).is_ok());
        assert!(
            check(&"é".repeat(1001), Transport::Udp).unwrap_err().to_string().contains("1001 characters")
        );
        assert!(check(&"é".repeat(1001), Transport::Tcp).is_ok());
    }

    #[test]
    fn row_80_empty_and_huge_messages_are_not_sent() {
        for text in ["", " ", "\t \n"] {
            assert!(check(text, Transport::Tcp).is_err());
        }
        assert!(
            check(&"x".repeat(1 << 20), Transport::Tcp)
                .unwrap_err()
                .to_string()
                .contains("Too long, not sent")
        );
    }

    #[test]
    fn row_81_names_follow_rules() {
        let long = "x".repeat(10 << 10);
        for name in ["", long.as_str(), "a b", "\u{1b}[31m", "server", "Server", "HOST", "p\u{430}ul", "a\nb"]
        {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        // The reserved ones in full width, in Cyrillic, in mathematical letters.
        for name in ["ｈｏｓｔ", "ＨＯＳＴ", "һоѕт", "уоu", "уои", "𝐡𝐨𝐬𝐭"] {
            assert_eq!(check_name(name).is_err(), name != "уои", "{name:?}");
        }
        for name in ["alice", "Алиса", "bob-2", "x_y.z", "日本"] {
            assert!(check_name(name).is_ok(), "{name:?}");
        }
        assert_eq!(unique("bob", |name| name == "bob" || name == "bob-2"), "bob-3");
        assert_eq!(unique("Bob", |name| name == "bob"), "Bob-2");
    }
    #[test]
    fn row_81_each_look_alike_looks_like_one_thing() {
        let mut seen = std::collections::HashSet::new();
        for (like, alike) in LOOKS {
            assert_eq!(look(like), like, "a look is in small ASCII letters, without 0 and 1");
            for character in alike.chars() {
                assert!(character.is_alphanumeric() && !character.is_ascii(), "{character:?}");
                assert!(seen.insert(character), "{character:?}");
            }
        }
        assert_eq!((look("Ｂ０Ｂ"), look("bob"), look("Зоё")), ("bob".into(), "bob".into(), "3oё".into()));
    }
}
