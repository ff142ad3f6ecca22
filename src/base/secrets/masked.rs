//! Secrets that must not appear in any output, and the masking of them.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Key;
use super::form::{Form, first_of};
use crate::base::escape::{escape, escape_line};
use crate::base::pattern::to_hex;

/// Fewest characters of a secret that is masked. A shorter one could occur anywhere: masking it would garble the
/// output, and reveal it.
pub const LEAST: usize = 4;

/// Shown in place of a secret.
const MASK: &str = "***";
/// Where a text was cut.
const CUT: char = '…';

/// The known secrets. Cheap to clone; all clones share one list.
#[derive(Clone, Default)]
pub struct Secrets(Arc<Mutex<Known>>);

/// The known secrets.
#[derive(Default)]
pub(super) struct Known {
    pub(super) all: Vec<KnownSecret>,
    /// For each first byte the forms that begin with it, as the numbers of a secret and of its form: a text is looked
    /// through once, however many secrets there are.
    by_first: Vec<Vec<(usize, usize)>>,
}

pub(super) struct KnownSecret {
    /// The secret itself, then its escaped forms, as sanitised or quoted text contains it.
    forms: Vec<Form>,
    /// The environment variable that holds it; `None` for a part of a secret.
    pub(super) name: Option<String>,
}

impl KnownSecret {
    pub(super) fn text(&self) -> &str {
        &self.forms[0].text
    }
}

impl Known {
    fn insert(&mut self, name: Option<String>, text: &str) {
        if let Some(known) = self.all.iter_mut().find(|known| known.text() == text) {
            known.name = known.name.take().or(name);
            return;
        }
        let forms = forms(text);
        self.by_first.resize(1 << u8::BITS, Vec::new());
        for (number, form) in forms.iter().enumerate() {
            self.by_first[form.first()].push((self.all.len(), number));
        }
        self.all.push(KnownSecret { forms, name });
    }

    /// Each secret that stands in `bytes`, and where.
    pub(super) fn found<'a>(
        &'a self,
        bytes: &'a [u8],
    ) -> impl Iterator<Item = (Range<usize>, &'a KnownSecret)> {
        bytes.iter().enumerate().flat_map(move |(start, byte)| {
            let forms = self.by_first.get(first_of(*byte)).into_iter().flatten();
            forms.filter_map(move |&(secret, form)| {
                let known = &self.all[secret];
                Some((start..known.forms[form].end_from(bytes, start)?, known))
            })
        })
    }

    /// Where secrets stand, and which; of those that overlap, the first and longest for all.
    fn places<'a>(&'a self, bytes: &'a [u8]) -> Vec<(Range<usize>, &'a KnownSecret)> {
        let mut found: Vec<_> = self.found(bytes).collect();
        found.sort_by_key(|(place, known)| (place.start, Reverse(place.end), Reverse(known.text().len())));
        found.dedup_by(|(next, _), (before, _)| {
            let overlaps = next.start < before.end;
            before.end = if overlaps { before.end.max(next.end) } else { before.end };
            overlaps
        });
        found
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.lock().all.len())
    }
}

/// A secret as it may occur, in upper or lower case: the first form is the text itself.
fn forms(text: &str) -> Vec<Form> {
    // A text may be escaped on input or on output, or on both, and a typed text is in quotes with escapes of its own.
    let typed = text.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$");
    let on_one_line = typed.replace('\n', "\\n").replace('\t', "\\t").replace('\r', "\\r");
    let mut forms = vec![Form::of(text.to_owned())];
    let others = [
        escape(text).into_owned(),
        escape_line(text).into_owned(),
        escape_line(&escape(text)).into_owned(),
        escape_line(&escape_line(text)).into_owned(),
        escape_line(&on_one_line).into_owned(),
        text.as_bytes().escape_ascii().to_string(),
        to_hex(text.as_bytes()),
        to_hex(text.as_bytes()).replace(' ', ""),
        in_a_url(text),
        typed,
        on_one_line,
    ];
    for form in others.into_iter().map(Form::of).chain(Form::in_groups_of(text)) {
        if form.text.chars().count() >= LEAST && !forms.contains(&form) {
            forms.push(form);
        }
    }
    // The longest first: a shorter one may be a part of it.
    forms[1..].sort_by_key(|form| Reverse(form.text.len()));
    forms
}

/// The text as it stands in a URL.
fn in_a_url(text: &str) -> String {
    let stays = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encoded = |byte| if stays(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(encoded).collect()
}

impl Secrets {
    /// Masks `text` from now on, the value of the environment variable `name`; false if it, or each of its lines, is shorter
    /// than [`LEAST`].
    pub fn add(&self, name: &str, text: &str) -> bool {
        let is_short = |text: &str| text.chars().count() < LEAST;
        if is_short(text) || text.lines().all(is_short) {
            return false;
        }
        // What is shown line by line, as the output of a command, has no newline in it.
        for line in text.lines().filter(|line| *line != text) {
            self.add(name, line);
        }
        self.insert(Some(name), text);
        true
    }

    /// `name`: as in [`KnownSecret`].
    pub(super) fn insert(&self, name: Option<&str>, text: &str) {
        self.lock().insert(name.map(str::to_owned), text);
    }

    /// Masks a key from now on, in each of its forms. `name`: the environment variable from which a script can take it.
    pub fn add_key(&self, name: &str, key: &Key) {
        for form in key.forms() {
            self.add(name, &form);
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True if no secret is known.
    pub fn is_empty(&self) -> bool {
        self.lock().all.is_empty()
    }

    /// True if `text` contains a whole secret.
    pub fn occur_in(&self, text: &str) -> bool {
        self.lock().found(text.as_bytes()).any(|(_, known)| known.name.is_some())
    }

    /// How many of the last bytes may be the beginning of a secret. A caller that masks a stream in pieces must hold
    /// these back.
    pub fn begins_at_the_end_of(&self, bytes: &[u8]) -> usize {
        let known = self.lock();
        let forms = known.all.iter().flat_map(|known| &known.forms);
        forms.filter_map(|form| form.begins_at_the_end_of(bytes)).max().unwrap_or(0)
    }

    /// Replaces every secret in `text` with `***`, and the beginning of one where the text was cut.
    pub fn hide(&self, text: &mut String) {
        self.replace(text, |_| Some(MASK.to_owned()));
        if let Some((cut, rest)) = text.rsplit_once(CUT).filter(|_| !self.is_empty()) {
            *text =
                cut.split(CUT).map(|piece| self.without_a_beginning(piece) + "…").collect::<String>() + rest;
        }
    }

    /// The text as [`Self::hide`] leaves it.
    pub fn hidden(&self, text: &str) -> String {
        let mut text = text.to_owned();
        self.hide(&mut text);
        text
    }

    /// The text, with the mask in place of the beginning of a secret at its end.
    fn without_a_beginning(&self, text: &str) -> String {
        let (before, beginning) = text.split_at(text.len() - self.begins_at_the_end_of(text.as_bytes()));
        if beginning.chars().count() < LEAST { text.to_owned() } else { before.to_owned() + MASK }
    }

    /// Replaces every secret in `bytes`, which need not be UTF-8, with `***`.
    pub fn hide_bytes(&self, bytes: &mut Vec<u8>) {
        if let Some(hidden) = self.replaced(bytes, |_| Some(MASK.to_owned())) {
            *bytes = hidden;
        }
    }

    /// Replaces every secret in `text` with `$env.NAME`.
    pub fn name(&self, text: &mut String) {
        self.replace(text, |known| known.name.as_ref().map(|name| format!("$env.{name}")));
    }

    fn replace(&self, text: &mut String, by: impl Fn(&KnownSecret) -> Option<String>) {
        if let Some(replaced) = self.replaced(text.as_bytes(), by) {
            // Both ends of what was replaced are those of characters, as they are in the form.
            *text = String::from_utf8_lossy(&replaced).into_owned();
        }
    }

    /// The bytes, with others in place of each secret, unless there are none for it; `None` if there is none in them.
    fn replaced(&self, bytes: &[u8], by: impl Fn(&KnownSecret) -> Option<String>) -> Option<Vec<u8>> {
        let known = self.lock();
        let places = known.places(bytes);
        if places.is_empty() {
            return None;
        }
        let (mut all, mut from) = (Vec::new(), 0);
        for (place, secret) in places {
            all.extend_from_slice(&bytes[from..place.start]);
            match by(secret) {
                Some(other) => all.extend_from_slice(other.as_bytes()),
                None => all.extend_from_slice(&bytes[place.clone()]),
            }
            from = place.end;
        }
        all.extend_from_slice(&bytes[from..]);
        Some(all)
    }

    /// The text up to the first secret, or part of one.
    pub fn up_to_any<'a>(&self, text: &'a str) -> &'a str {
        self.up_to(text, |_| true)
    }

    /// The text up to the first part of a secret; one within a whole secret does not count.
    pub fn up_to_a_part<'a>(&self, text: &'a str) -> &'a str {
        self.up_to(text, |known| known.name.is_none())
    }

    fn up_to<'a>(&self, text: &'a str, ends: impl Fn(&KnownSecret) -> bool) -> &'a str {
        let known = self.lock();
        let places = known.places(text.as_bytes());
        places.iter().find(|(_, known)| ends(known)).map_or(text, |(place, _)| &text[..place.start])
    }

    /// The names of the secrets that [`Self::name`] can write.
    pub fn names(&self) -> BTreeSet<String> {
        self.lock().all.iter().filter_map(|known| known.name.clone()).collect()
    }

    /// Where secrets stand in `bytes`, in order; none within another.
    pub fn places(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        self.lock().places(bytes).into_iter().map(|(place, _)| place).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_93_one_that_was_made_harmless_for_a_terminal_is_found() {
        let secrets = Secrets::default();
        assert!(secrets.add("A", "ti\tger\"\n"));
        let hex = ["74 69 09 67 65 72 22 0a", "746909676572220a"];
        let changed = ["TI\tger\"\n", "746909676572220A", "ti%09ger%22%0a", "TI%09GER%22%0A"];
        let as_it_is = ["ti\tger\"\n", "ti\\tger\"\\n", "ti\tger\\\"\n"];
        for form in as_it_is.into_iter().chain(hex).chain(changed) {
            let (mut text, mut bytes) = (format!("ti{form}{form}\u{e9}"), format!("{form}tige").into_bytes());
            secrets.hide(&mut text);
            assert_eq!(text, "ti******\u{e9}");
            secrets.hide_bytes(&mut bytes);
            assert_eq!(bytes, b"***tige");
            assert!(secrets.occur_in(form) && !secrets.occur_in("***"));
        }
    }

    #[test]
    fn row_114_a_key_is_hidden_in_each_of_its_forms() {
        let (secrets, key) =
            (Secrets::default(), Key::made_by(|bytes| *bytes = std::array::from_fn(|n| n as u8)));
        secrets.add_key("NLS_KEY", &key);
        for form in [key.text().to_string(), key.text().to_uppercase(), key.words().to_string()] {
            let mut text = format!("<{form}>");
            secrets.hide(&mut text);
            assert_eq!(text, "<***>");
        }
        // In groups, as a key may be read out or wrapped.
        for between in [" ", "-", "\n", "\r\n", " - "] {
            for size in [1, 4, 5, 30] {
                let text = key.text();
                let groups: Vec<&str> =
                    text.as_bytes().chunks(size).map(|g| str::from_utf8(g).unwrap()).collect();
                let mut text = format!("<{}>", groups.join(between));
                secrets.hide(&mut text);
                assert_eq!(text, "<***>");
            }
            let mut text = format!("<{}>", key.words().replace(' ', between));
            secrets.hide(&mut text);
            assert_eq!(text, "<***>");
        }
    }

    #[test]
    fn row_93_a_beginning_in_groups_is_held_back() {
        let (secrets, key) =
            (Secrets::default(), Key::made_by(|bytes| *bytes = std::array::from_fn(|n| n as u8)));
        secrets.add_key("NLS_KEY", &key);
        let grouped = key.text().replace('q', "q - ");
        for cut in 1..grouped.len() {
            let begun = format!("<{}", &grouped[..cut]);
            assert_eq!(secrets.begins_at_the_end_of(begun.as_bytes()), cut, "{begun}");
        }
        assert_eq!(secrets.begins_at_the_end_of(b"nls1    q"), 0);
    }

    #[test]
    fn row_93_the_beginning_of_one_is_hidden_where_a_text_was_cut() {
        let secrets = Secrets::default();
        assert!(secrets.add("A", "correct-horse \"battery\"") && secrets.add("B", "tigerlily"));
        for (text, shown) in [
            ("get correct-horse \"ba… 5 MB", "get ***… 5 MB"),
            ("get correct-horse \\\"ba…, CORRECT-…", "get ***…, ***…"),
            ("a corr…, a cor…, tig…", "a ***…, a cor…, tig…"),
            ("…tigerli…é…", "…***…é…"),
            ("correct-horse \"battery\"…", "***…"),
            ("tigers… correct", "tigers… correct"),
        ] {
            let mut hidden = text.to_owned();
            secrets.hide(&mut hidden);
            assert_eq!(hidden, shown);
        }
    }

    #[test]
    fn every_occurrence_is_hidden_the_longest_first() {
        let secrets = Secrets::default();
        assert!(secrets.add("A", "tiger") && secrets.add("B", "tigerlily") && !secrets.add("C", "abc"));
        let mut text = "a tigerlily, a tiger, abc".to_owned();
        secrets.clone().hide(&mut text);
        assert_eq!(text, "a ***, a ***, abc");
        let mut bytes = b"\xff tiger\0tiger".to_vec();
        secrets.hide_bytes(&mut bytes);
        assert_eq!(bytes, b"\xff ***\0***");
        // Two that overlap are hidden both.
        assert!(secrets.add("D", "lilypond"));
        let mut text = "a tigerlilypond".to_owned();
        secrets.hide(&mut text);
        assert_eq!(text, "a ***");
        let mut text = "a tiger".to_owned();
        secrets.name(&mut text);
        assert_eq!(text, "a $env.A");
    }
}
