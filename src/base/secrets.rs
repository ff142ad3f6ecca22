//! Texts that nobody is to see.

use std::sync::{Arc, Mutex, PoisonError};

/// Shorter ones could be anywhere: hiding them would garble what is shown, and tell them.
pub const LEAST: usize = 4;

/// What is shown instead.
const MASK: &str = "***";

/// Known secrets. Cheap to clone; all clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Secrets(Arc<Mutex<Vec<Known>>>);

#[derive(Debug)]
struct Known {
    text: String,
    /// The variable of the environment that holds it.
    name: String,
}

impl Secrets {
    /// Hides a text from now on, which the environment has under `name`; false if it is too short to be hidden.
    pub fn add(&self, name: &str, text: &str) -> bool {
        if text.chars().count() < LEAST {
            return false;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.iter().any(|known| known.text == text) {
            known.push(Known { text: text.to_owned(), name: name.to_owned() });
            // One may be a part of another.
            known.sort_by_key(|known| std::cmp::Reverse(known.text.len()));
        }
        true
    }

    /// The same text with every secret in it hidden.
    pub fn hide(&self, text: &mut String) {
        self.replace(text, |_| MASK.to_owned());
    }

    /// The same text with `$env.NAME` instead of every secret.
    pub fn name(&self, text: &mut String) {
        self.replace(text, |known| format!("$env.{}", known.name));
    }

    fn replace(&self, text: &mut String, by: impl Fn(&Known) -> String) {
        for known in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            if text.contains(&known.text) {
                *text = text.replace(&known.text, &by(known));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_occurrence_is_hidden_the_longest_first() {
        let secrets = Secrets::default();
        assert!(secrets.add("A", "tiger") && secrets.add("B", "tigerlily") && !secrets.add("C", "abc"));
        let mut text = "a tigerlily, a tiger, abc".to_owned();
        secrets.clone().hide(&mut text);
        assert_eq!(text, "a ***, a ***, abc");
        let mut text = "a tiger".to_owned();
        secrets.name(&mut text);
        assert_eq!(text, "a $env.A");
    }
}
