//! Keys in a text that may be shown: a statement that was typed, the line of an error. Such a text is found by its form,
//! whether the key is known or not, and also if it is mistyped.

use std::borrow::Cow;
use std::ops::Range;

use super::{TEXT_LENGTH, text, words};

/// Begins every key.
const PREFIX: &[u8] = b"nls1";
/// Fewest characters after the prefix that are taken for a key: fewer do not give it away.
const LEAST: usize = 16;
/// Fewest characters of a group that are not shown in an error.
const LEAST_GROUP: usize = 4;

/// True if a key is in the text.
pub fn occurs_in(text: &str) -> bool {
    !places(text).is_empty()
}

/// The text with `*` for each character of a key, so that places in it stay the same.
pub fn masked(text: &str) -> Cow<'_, str> {
    without(text, &places(text))
}

fn without<'t>(text: &'t str, places: &[Range<usize>]) -> Cow<'t, str> {
    if places.is_empty() {
        return Cow::Borrowed(text);
    }
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    for place in places {
        out.push_str(&text[at..place.start]);
        // Lines stay lines.
        out.extend(text[place.clone()].bytes().map(|byte| if byte == b'\n' { '\n' } else { '*' }));
        at = place.end;
    }
    out.push_str(&text[at..]);
    Cow::Owned(out)
}

/// `words` about `text`, such as an error, without the groups of a key in it, whole or cut by `…`: a group alone is not
/// seen to be one.
pub fn masked_in(words: &str, text: &str) -> String {
    let keys = texts(text);
    let groups = || keys.iter().flat_map(|place| text[place.clone()].split(is_between));
    let masked = masked(words);
    let (mut out, mut rest) = (String::with_capacity(words.len()), &*masked);
    while !rest.is_empty() {
        let (word, behind) = rest.split_at(rest.find(is_between).unwrap_or(rest.len()));
        let is_cut = behind.starts_with('…');
        let is_of = |group: &str| group == word || is_cut && group.starts_with(word);
        let hides = word.len() >= LEAST_GROUP && groups().any(is_of);
        out.extend(word.chars().map(|c| if hides { '*' } else { c }));
        let next = behind.chars().next();
        out.extend(next);
        rest = &behind[next.map_or(0, char::len_utf8)..];
    }
    out
}

const fn is_between(c: char) -> bool {
    !c.is_ascii_alphanumeric()
}

/// The byte ranges of all keys, in order.
fn places(text: &str) -> Vec<Range<usize>> {
    let mut found = texts(text);
    // Words before and behind such a key are looked at as if nothing were between them: once it is masked, nothing is.
    let words = runs_of_words(&without(text, &found));
    found.extend(runs_of_words(text).into_iter().chain(words));
    found.sort_by_key(|place| place.start);
    // A form that begins within another goes on with it.
    found.dedup_by(|next, before| {
        let is_within = next.start < before.end;
        before.end = if is_within { before.end.max(next.end) } else { before.end };
        is_within
    });
    found
}

/// `nls1…`, also in groups with blanks or `-` between them.
fn texts(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let (mut found, mut from) = (Vec::new(), 0);
    while let Some(start) = beginning_of_a_key(bytes, from) {
        let length = text.get(start..).map_or(0, length).max(PREFIX.len());
        if length >= PREFIX.len() + LEAST {
            found.push(start..start + length);
        }
        from = start + length;
    }
    found
}

/// Where a prefix is, at `from` or behind.
fn beginning_of_a_key(bytes: &[u8], from: usize) -> Option<usize> {
    let mut fronts = bytes.get(from..)?.windows(PREFIX.len());
    fronts.position(|front| front.eq_ignore_ascii_case(PREFIX)).map(|at| from + at)
}

/// Bytes of the key at the front. Behind a blank it goes on as long as it is too short, with a group that may be of a key,
/// up to where another key begins.
fn length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    let group = |from: usize| bytes[from..].iter().take_while(|byte| is_part(byte)).count();
    let signs = |until: usize| bytes[..until].iter().filter(|byte| byte.is_ascii_alphanumeric()).count();
    let mut length = group(0);
    while signs(length) < TEXT_LENGTH {
        let next = text.len() - without_gap(&text[length..]).len();
        let whole = &bytes[next..next + group(next)];
        let end = next + beginning_of_a_key(whole, 1).unwrap_or(whole.len());
        if next == end || !bytes[next..end].iter().all(|byte| *byte == b'-' || text::is_of_a_key(*byte)) {
            break;
        }
        length = end;
    }
    length
}

/// The text behind blanks, and behind a `\` that joins two lines.
fn without_gap(mut text: &str) -> &str {
    loop {
        let rest = text.trim_start_matches(|c: char| c.is_whitespace() && !matches!(c, '\n' | '\r'));
        let rest = rest.strip_prefix("\\\n").or_else(|| rest.strip_prefix("\\\r\n")).unwrap_or(rest);
        if rest.len() == text.len() {
            return rest;
        }
        text = rest;
    }
}

/// Many words of the list of BIP 39, one after the other.
fn runs_of_words(text: &str) -> Vec<Range<usize>> {
    let (mut found, mut run): (Vec<Range<usize>>, Vec<Range<usize>>) = (Vec::new(), Vec::new());
    let mut at = 0;
    let pieces = text.split_inclusive(|c: char| !c.is_ascii_alphabetic());
    // Most statements have fewer words than a key, and are looked through no further.
    if pieces.clone().take(words::LEAST).count() < words::LEAST {
        return found;
    }
    let mut end_run = |run: &mut Vec<Range<usize>>| {
        if let (Some(first), Some(last), true) = (run.first(), run.last(), run.len() >= words::LEAST) {
            found.extend(std::iter::once(first.start..last.end));
        }
        run.clear();
    };
    for piece in pieces {
        let word = piece.trim_end_matches(|c: char| !c.is_ascii_alphabetic());
        match word {
            "" => {}
            word if words::is_word(word) => run.push(at..at + word.len()),
            _ => end_run(&mut run),
        }
        at += piece.len();
    }
    end_run(&mut run);
    found
}
