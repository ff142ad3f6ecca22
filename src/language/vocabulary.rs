//! All verbs and services: what the language knows.

use crate::language::Service;
use crate::language::Verb;
use crate::language::diagnostic::nearest;

/// Checks an arithmetic expression: what is wrong with it and at which character, from 1; `None` if it is valid.
pub type CheckExpression = fn(&str) -> Option<(String, usize)>;

/// All verbs and services: the catalogue of the shell, as the language sees it.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    /// All verbs, in the order of `help`.
    pub verbs: Vec<&'static Verb>,
    /// All services.
    pub services: Vec<&'static Service>,
    /// Checks expressions before anything runs; `None` leaves that to the run.
    pub check_expression: Option<CheckExpression>,
    /// Checks filters of packets before anything runs: what is wrong, or `None`. `None` leaves that to the run.
    pub check_filter: Option<fn(&str) -> Option<String>>,
    /// All error codes, for `expect error E-…`.
    pub codes: Vec<&'static str>,
    /// True if a unique prefix of a verb is enough: so at the prompt, not in files.
    pub prefixes: bool,
}

impl Vocabulary {
    /// The verb that `word` names; `None` if it is unknown or an ambiguous prefix.
    pub fn verb(&self, word: &str) -> Option<&'static Verb> {
        let exact = self.verbs.iter().find(|verb| verb.name == word || verb.aliases.contains(&word));
        if exact.is_some() || !self.prefixes || word.is_empty() {
            return exact.copied();
        }
        let mut matching = self.verbs.iter().filter(|verb| verb.name.starts_with(word));
        match (matching.next(), matching.next()) {
            (Some(verb), None) => Some(verb),
            _ => None,
        }
    }

    /// The service of this name.
    pub fn service(&self, name: &str) -> Option<&'static Service> {
        self.services.iter().find(|service| service.name == name).copied()
    }

    /// The verb or statement that an unknown word was probably meant to be; `None` if that is unclear.
    pub fn nearest_verb(&self, word: &str) -> Option<&'static str> {
        let names =
            self.verbs.iter().flat_map(|verb| std::iter::once(verb.name).chain(verb.aliases.iter().copied()));
        nearest(word, names.chain(super::statement::STATEMENTS.iter().map(|form| form.word)))
    }
}
