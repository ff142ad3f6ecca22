//! What is not carried by what was named: a service, or a key.

use std::ops::Range;

use crate::language::arguments::Argument;
use crate::language::diagnostic::Diagnostic;
use crate::language::kind::{Datum, Kind};
use crate::language::verb::Keyword;
use crate::language::vocabulary::Vocabulary;

/// An argument, its name and where it stands.
type Bound = (&'static str, Argument, Range<usize>);

/// A service that is not available over the requested carrier.
pub(in crate::language::parse) fn service(
    arguments: &[Bound],
    vocabulary: &Vocabulary,
) -> Option<Diagnostic> {
    let find = |name: &str| arguments.iter().find(|(n, ..)| *n == name);
    let (
        Some((_, Argument::Ready(Datum::Carrier(carrier)), _)),
        Some((_, Argument::Ready(Datum::Text(name)), span)),
    ) = (find("transport"), find("service"))
    else {
        return None;
    };
    let service = vocabulary.service(name).filter(|service| !service.carriers.contains(carrier))?;
    let able: Vec<String> = service.carriers.iter().map(|able| format!("listen {able} … {name}")).collect();
    let title = format!("`{name}` is not available over {carrier}");
    Some(Diagnostic::new(title, span.clone()).fix(able.first().cloned()).expected(able))
}

/// A key for what is not encrypted with one. `keywords`: those of the command.
pub(in crate::language::parse) fn key(
    arguments: &[Bound],
    mut keywords: impl Iterator<Item = &'static Keyword>,
) -> Option<Diagnostic> {
    let plain = arguments.iter().find_map(|(_, argument, _)| match argument {
        Argument::Ready(Datum::Carrier(carrier)) if carrier.transport().is_none() => Some(carrier.word()),
        _ => None,
    })?;
    let keyword = keywords.find(|keyword| keyword.kind == Some(Kind::Key))?;
    let (_, _, span) = arguments.iter().find(|(name, ..)| *name == keyword.word)?;
    let title = format!("over {plain} nothing is encrypted with a key");
    Some(
        Diagnostic::new(title, span.clone())
            .hint("use tcp or udp, where everything is, or leave the key out"),
    )
}
