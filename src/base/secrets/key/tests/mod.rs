//! The forms of a key, and what is found of a mistake in them.

use super::*;
use crate::base::mix;

/// Keys that differ by `seed`.
fn key(seed: u64) -> Key {
    let mut state = mix(seed);
    Key::made_by(|bytes| {
        for byte in bytes {
            state = mix(state);
            *byte = (state >> 56) as u8;
        }
    })
}

const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz0123456789";

#[test]
fn a_key_is_read_in_each_form_and_in_groups() {
    for seed in 0..200 {
        let key = key(seed);
        let (text, words) = (key.text(), key.words());
        assert_eq!((text.len(), words.split(' ').count()), (62, 24));
        let groups: Vec<&str> =
            (0..text.len()).step_by(4).map(|at| &text[at..text.len().min(at + 4)]).collect();
        let forms = [
            text.to_string(),
            text.to_uppercase(),
            format!("  {}\n", *text),
            groups.join("-"),
            groups.join(" "),
            words.to_string(),
            words.to_uppercase(),
            words.replace(' ', "\n"),
        ];
        for form in forms {
            assert_eq!(Key::read(&form), Ok(key.clone()), "{form}");
        }
    }
}

/// The check sum and the words are those of the BIPs, so that other programs read them.
#[test]
fn the_forms_are_those_of_the_bips() {
    let key = Key::made_by(|bytes| *bytes = [0; LENGTH]);
    assert!(key.words().starts_with("abandon abandon ") && key.words().ends_with(" abandon art"));
    // Made by another program, which also makes the vectors of BIP 350.
    let counted = Key::made_by(|bytes| *bytes = std::array::from_fn(|n| n as u8));
    assert_eq!(*counted.text(), "nls1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0sq0jawv");
}

#[test]
fn every_error_of_one_character_is_found() {
    for seed in 0..20 {
        let text = key(seed).text();
        for at in 0..text.len() {
            let lost = format!("{}{}", &text[..at], &text[at + 1..]);
            assert!(Key::read(&lost).is_err(), "{at} lost in {}", *text);
            for c in LETTERS.chars() {
                let other = format!("{}{c}{}", &text[..at], &text[at + 1..]);
                assert!(other == *text || Key::read(&other).is_err(), "{at} is {c} in {}", *text);
                let added = format!("{}{c}{}", &text[..at], &text[at..]);
                assert!(Key::read(&added).is_err(), "{c} before {at} in {}", *text);
            }
        }
    }
}

#[test]
fn every_swap_of_two_neighbours_is_found() {
    for seed in 0..2000 {
        let text = key(seed).text();
        for at in 1..text.len() {
            let mut swapped = text.as_bytes().to_vec();
            swapped.swap(at - 1, at);
            let swapped = String::from_utf8(swapped).unwrap();
            assert!(swapped == *text || Key::read(&swapped).is_err(), "{at} in {}", *text);
        }
    }
}

/// Two errors at any two places are found, too; here many of them, by chance.
#[test]
fn errors_of_two_to_four_characters_are_found() {
    let mut state = 7;
    let mut next = |limit: usize| {
        state = mix(state);
        (state >> 33) as usize % limit
    };
    for seed in 0..5000 {
        let text = key(seed).text();
        let mut bytes = text.as_bytes().to_vec();
        for _ in 0..2 + seed % 3 {
            let at = 4 + next(58);
            bytes[at] = LETTERS.as_bytes()[next(36)];
        }
        let other = String::from_utf8(bytes).unwrap();
        assert!(other == *text || Key::read(&other).is_err(), "{other}");
    }
}

#[test]
fn a_wrong_word_and_a_swap_of_words_are_found_as_the_check_sum_allows() {
    let (mut tried, mut missed) = (0, 0);
    for seed in 0..400 {
        let words = key(seed).words();
        let mut swapped: Vec<&str> = words.split(' ').collect();
        swapped.swap(seed as usize % 23, seed as usize % 23 + 1);
        tried += 1;
        missed += usize::from(Key::read(&swapped.join(" ")).is_ok());
    }
    assert!(missed * 64 < tried, "{missed} of {tried}");
    let words = key(1).words();
    let unknown = words.replacen(words.split(' ').nth(4).unwrap(), "nls", 1);
    assert!(matches!(Key::read(&unknown), Err(BadKey::Word(1..=5))));
    let short: Vec<&str> = words.split(' ').take(23).collect();
    assert_eq!(Key::read(&short.join(" ")), Err(BadKey::WordCount(23)));
}

#[test]
fn row_114_what_somebody_chose_is_refused_with_the_reason_and_what_to_do() {
    let all_zero = Key::made_by(|bytes| *bytes = [0; LENGTH]);
    let long = "x".repeat(TEXT_LIMIT + 1);
    let chosen =
        ["hunter2", "correct horse battery staple", "0123456789abcdef0123456789abcdef", "пароль", &long];
    for text in chosen {
        assert_eq!(Key::read(text), Err(BadKey::Password), "{text}");
    }
    for text in [all_zero.text(), all_zero.words()] {
        assert_eq!(Key::read(&text), Err(BadKey::NotRandom));
    }
    assert!(BadKey::Password.why().contains("guesses") && BadKey::Password.fix().contains("key new"));
    assert_eq!(Key::read(" \n"), Err(BadKey::Empty));
    assert_eq!(Key::read("nls1o"), Err(BadKey::Character('o', 5)));
    assert_eq!(Key::read("nls1qq"), Err(BadKey::Length(6)));
    assert_eq!(Key::read(&key(1).text().replacen("nls1", "mls1", 1)), Err(BadKey::Prefix));
}

/// The last character has room for 4 bits that no key has: set, with a check sum that fits, they are refused.
#[test]
fn a_key_has_one_text_only() {
    let (text, mut valid) = (key(3).text(), 0);
    let (front, back) = text.split_at(55);
    for c in LETTERS.chars() {
        for seed in 0..4u64 {
            let sum: String = back[1..].chars().map(|c| if seed == 0 { c } else { 'q' }).collect();
            valid += usize::from(Key::read(&format!("{front}{c}{sum}")).is_ok());
        }
    }
    assert_eq!(valid, 1);
}

#[test]
fn any_text_is_read_without_a_panic() {
    for text in ["", "-", "nls1", "NLS1-", "nls1é", "é", "\u{0}", "nls1\u{2028}q", "abandon"] {
        assert!(Key::read(text).is_err(), "{text}");
        assert_eq!(seen::masked(text), text);
    }
    let many = "abandon ".repeat(10_000);
    assert!(Key::read(&many).is_err() && seen::occurs_in(&many));
}

#[test]
fn a_key_is_shown_as_its_fingerprint() {
    let (one, two) = (key(1), key(2));
    assert_ne!(one.fingerprint(), two.fingerprint());
    assert_eq!(one.fingerprint().len(), 8);
    assert_eq!(format!("{one:?} {one}"), format!("Key({0}) {0}", one.fingerprint()));
    assert!(one == one.clone() && one != two);
}

#[test]
fn names_are_parts_of_file_names() {
    for name in ["default", "a", "Alice_2-b", &"n".repeat(NAME_LIMIT)] {
        assert!(is_name(name), "{name}");
    }
    for name in ["", "-a", "a.b", "a/b", "..", "é", "a b", &"n".repeat(NAME_LIMIT + 1)] {
        assert!(!is_name(name), "{name}");
    }
}

#[test]
fn row_114_keys_in_a_statement_are_masked_in_place() {
    let (text, words) = (key(5).text(), key(5).words());
    let grouped = format!("{}-{}-{}", &text[..20], &text[20..40], &text[40..]);
    for form in [text.to_string(), text.to_uppercase(), grouped, words.to_string(), words.replace(' ', "  ")]
    {
        let line = format!("key import ann \"{form}\" # é");
        let masked = seen::masked(&line);
        assert_eq!(masked, format!("key import ann \"{}\" # é", "*".repeat(form.len())));
        assert!(seen::occurs_in(&line) && !seen::occurs_in(&masked));
    }
    let both = format!("{}-{}", &text[..40], *words);
    assert_eq!(seen::masked(&both), "*".repeat(both.len()));
    let blanks = format!("{} {} {}", &text[..4], &text[4..40], &text[40..]);
    assert_eq!(seen::masked(&format!("{blanks} to host")), format!("{} to host", "*".repeat(blanks.len())));
    assert_eq!(
        seen::masked(&format!("{} on any\nget", &text[..40])),
        format!("{} on any\nget", "*".repeat(40))
    );
    for between in ["\u{a0}", "\u{202f}", " \\\n  "] {
        let masked = seen::masked(&format!("import {}{between}{} to", &text[..20], &text[20..])).into_owned();
        assert!(masked.replace(['*', '\n'], "") == "import  to", "{masked}");
    }
    // An error names a group alone, or the beginning of one.
    let typed = format!("let x = nls1 {}", &text[4..]);
    let error = format!("`{}…` cannot follow here", &text[4..16]);
    assert_eq!(seen::masked_in(&error, &typed), format!("`{}…` cannot follow here", "*".repeat(12)));
    // A mistyped one gives away almost as much.
    assert!(seen::occurs_in(&text[..40]));
    // Whatever is left is none, also where one is cut out of words.
    let half: Vec<&str> = words.split(' ').take(7).collect();
    let around = format!("{0} {1} {0}", half.join(" "), *text);
    assert!(!seen::occurs_in(&seen::masked(&around)), "{around}");
    // A group goes up to the key that is glued to it.
    for around in [
        format!("{} {}{}", &text[..20], &text[20..], *text),
        format!("nls1send a {}{}", &text[20..40], *text),
    ] {
        assert_eq!(seen::masked(&around), "*".repeat(around.len()));
    }
    let prose =
        "listen tcp 9000 ftp root films max 4 open on any as server; print ready when the light is green";
    assert_eq!(seen::masked(prose), prose);
}
