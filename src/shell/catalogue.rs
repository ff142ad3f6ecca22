//! All verbs in one place: those of the services and those of the shell.

use super::builtin::{self, Builtin};
use crate::language::{Capability, Verb, Vocabulary};
use crate::service::{CLIENTS, Client, PROVIDERS};
use crate::wire::Code;

/// A verb with what runs it: a client of a service, or a builtin.
pub enum CatalogueEntry {
    Client(&'static Client),
    Builtin(&'static Builtin),
}

impl CatalogueEntry {
    pub fn verb(&self) -> &'static Verb {
        match self {
            Self::Client(client) => client.verb,
            Self::Builtin(builtin) => builtin.verb,
        }
    }
}

/// Every verb, in the order in which `help` shows them.
pub fn entries() -> impl Iterator<Item = CatalogueEntry> {
    CLIENTS
        .iter()
        .map(|client| CatalogueEntry::Client(client))
        .chain(builtin::ALL.iter().map(|builtin| CatalogueEntry::Builtin(builtin)))
}

/// The entry of the verb with this full name.
pub fn entry(name: &str) -> Option<CatalogueEntry> {
    entries().find(|entry| entry.verb().name == name)
}

/// True if the verb of this name has the capability.
pub fn can(verb: &str, capability: Capability) -> bool {
    entry(verb).is_some_and(|entry| entry.verb().capabilities.contains(&capability))
}

/// The vocabulary for the parser. `prefixes`: verbs may be abbreviated, for the prompt; files need whole words.
pub fn vocabulary(prefixes: bool) -> Vocabulary {
    Vocabulary {
        verbs: entries().map(|entry| entry.verb()).collect(),
        services: PROVIDERS.iter().map(|provider| &provider.row).collect(),
        check_expression: Some(crate::service::calc::check),
        check_filter: Some(|text| crate::record::Filter::read(text).err()),
        codes: Code::ALL.iter().map(|code| code.word()).collect(),
        prefixes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_everything_is_documented() {
        let mut names = HashSet::new();
        for entry in entries() {
            let verb = entry.verb();
            for name in std::iter::once(&verb.name).chain(verb.aliases) {
                assert!(names.insert(*name), "{name} twice");
            }
            assert!(!verb.summary.is_empty() && !verb.example.is_empty(), "{}", verb.name);
            assert!(verb.example.contains(verb.name), "{}", verb.example);
            assert!(
                verb.params.iter().all(|param| !param.help.is_empty())
                    && verb.keywords.iter().all(|keyword| !keyword.help.is_empty())
            );
            let words: HashSet<_> = verb
                .keywords
                .iter()
                .map(|keyword| keyword.word)
                .chain(verb.params.iter().map(|param| param.name))
                .collect();
            assert_eq!(words.len(), verb.keywords.len() + verb.params.len(), "{}: a name twice", verb.name);
        }
    }
}
