//! What is known about names before anything runs.

use std::collections::HashMap;

use crate::base::Dimension;
use crate::language::verb::FieldRows;

/// What is known about a name before anything runs.
#[derive(Clone, Copy, Debug)]
pub enum Known {
    /// A result with these fields.
    Record(FieldRows),
    /// A single value without fields, and its dimension, if that is known.
    Scalar(Option<Dimension>),
    /// Nothing is known until the script runs.
    Any,
}

/// The names that a text may use, without `$`.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    names: HashMap<String, Known>,
}

impl Scope {
    /// The predefined names (`$tmp`, `$args`, `$seed`, `$last`, `$env`, `$test`), and `$1` and so on for this many
    /// arguments of the script.
    pub fn builtin(arguments: usize) -> Self {
        let mut scope = Self::default();
        for name in ["tmp", "args", "seed"] {
            scope.define(name, Known::Scalar(None));
        }
        for name in ["last", "env", "test", "it"] {
            scope.define(name, Known::Any);
        }
        for number in 1..=arguments {
            scope.define(&number.to_string(), Known::Scalar(None));
        }
        scope
    }

    /// Adds a name, or replaces what is known about it.
    pub fn define(&mut self, name: &str, known: Known) {
        match self.names.get_mut(name) {
            Some(before) => *before = known,
            None => drop(self.names.insert(name.into(), known)),
        }
    }

    /// All names, in no particular order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }

    /// What is known about a name; `None` if it is not bound.
    pub(crate) fn known(&self, name: &str) -> Option<&Known> {
        self.names.get(name)
    }

    /// The fields of a name; `None` if they are not known or it has none.
    pub fn fields(&self, name: &str) -> Option<FieldRows> {
        match self.names.get(name)? {
            Known::Record(fields) => Some(*fields),
            _ => None,
        }
    }
}
