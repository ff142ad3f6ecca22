//! `-` in place of a file that is written: what it means elsewhere is not what it would mean here.

use std::ops::Range;

use crate::language::arguments::Argument;
use crate::language::diagnostic::Diagnostic;
use crate::language::kind::Datum;
use crate::language::verb::{Capability, Verb};

/// `to -` for a verb that does not write to standard output: it would make a file called `-`.
pub(in crate::language::parse) fn to(
    verb: &Verb,
    arguments: &[(&'static str, Argument, Range<usize>)],
) -> Option<Diagnostic> {
    if verb.capabilities.contains(&Capability::Store) {
        return None;
    }
    let (.., span) = arguments.iter().find(|(name, argument, _)| {
        *name == "to" && matches!(argument, Argument::Ready(Datum::Path(path, _)) if path == "-")
    })?;
    let title = format!("`{}` does not write to standard output", verb.name);
    let hint = "only `get` does: `get X from … to -`; a file of that name is `./-`";
    Some(Diagnostic::new(title, span.clone()).expected(["a file".into()]).hint(hint))
}
