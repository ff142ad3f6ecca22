//! Texts that nobody is to see.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::escape::{escape, escape_line};

/// Shorter ones could be anywhere: hiding them would garble what is shown, and tell them.
pub const LEAST: usize = 4;

/// What is shown instead.
const MASK: &str = "***";

/// Known secrets. Cheap to clone; all clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Secrets(Arc<Mutex<Vec<Known>>>);

#[derive(Debug)]
struct Known {
    /// As it is, then as it stands where foreign text was made harmless.
    forms: Vec<String>,
    /// The variable of the environment that holds it.
    name: String,
}

impl Secrets {
    /// Hides a text from now on, which the environment has under `name`; false if it is too short to be hidden.
    pub fn add(&self, name: &str, text: &str) -> bool {
        if text.chars().count() < LEAST {
            return false;
        }
        let mut known = self.lock();
        if !known.iter().any(|known| known.forms[0] == text) {
            let mut forms = vec![text.to_owned()];
            // Some texts are escaped where they come in, some of them once more where they go out; and what is typed
            // stands in quotes.
            let once = [escape(text), escape_line(text)].map(std::borrow::Cow::into_owned);
            let typed = [text.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$")];
            forms.extend(once.into_iter().chain(typed).filter(|form| form != text));
            known.push(Known { forms, name: name.to_owned() });
            // One may be a part of another.
            known.sort_by_key(|known| std::cmp::Reverse(known.forms[0].len()));
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// True if one stands in the text.
    pub fn occur_in(&self, text: &str) -> bool {
        self.lock().iter().flat_map(|known| &known.forms).any(|form| text.contains(form))
    }

    /// How many of the last bytes may be the front of one: who sees a text in pieces holds them back.
    pub fn begins_at_the_end_of(&self, bytes: &[u8]) -> usize {
        let known = self.lock();
        let forms = known.iter().flat_map(|known| &known.forms);
        let front = |form: &String| {
            let most = bytes.len().min(form.len().saturating_sub(1));
            (1..=most).rev().find(|length| bytes.ends_with(&form.as_bytes()[..*length]))
        };
        forms.filter_map(front).max().unwrap_or(0)
    }

    /// The same text with every secret in it hidden.
    pub fn hide(&self, text: &mut String) {
        self.replace(text, |_| MASK.to_owned());
    }

    /// The same for bytes that may be no text.
    pub fn hide_bytes(&self, bytes: &mut Vec<u8>) {
        for known in self.lock().iter() {
            for form in &known.forms {
                replace_bytes(bytes, form.as_bytes());
            }
        }
    }

    /// The same text with `$env.NAME` instead of every secret.
    pub fn name(&self, text: &mut String) {
        self.replace(text, |known| format!("$env.{}", known.name));
    }

    fn replace(&self, text: &mut String, by: impl Fn(&Known) -> String) {
        for known in self.lock().iter() {
            for form in known.forms.iter().filter(|form| !form.is_empty()) {
                if text.contains(form) {
                    *text = text.replace(form, &by(known));
                }
            }
        }
    }
}

fn replace_bytes(bytes: &mut Vec<u8>, secret: &[u8]) {
    let mut from = 0;
    while let Some(at) = bytes[from..].windows(secret.len()).position(|window| window == secret) {
        bytes.splice(from + at..from + at + secret.len(), MASK.bytes());
        from += at + MASK.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_93_one_that_was_made_harmless_for_a_terminal_is_found() {
        let secrets = Secrets::default();
        assert!(secrets.add("A", "ti\tger\"\n"));
        for form in ["ti\tger\"\n", "ti\\tger\"\\n", "ti\tger\\\"\n"] {
            let mut text = form.to_owned();
            secrets.hide(&mut text);
            assert_eq!(text, "***");
            assert!(secrets.occur_in(form) && !secrets.occur_in("***"));
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
        let mut text = "a tiger".to_owned();
        secrets.name(&mut text);
        assert_eq!(text, "a $env.A");
    }
}
