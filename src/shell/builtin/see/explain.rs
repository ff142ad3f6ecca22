//! `explain`: what became of a packet, and what held a transfer up, in sentences.

use super::super::{BARE, Builtin, next};
use super::errors;
use super::witness::witnesses;
use crate::base::Value;
use crate::language::{Arguments, Field, FromArguments, Kind, Param, SessionRef, Verb};
use crate::report::{Failure, Outcome};

pub(in crate::shell::builtin) static EXPLAIN: Builtin = Builtin {
    verb: &Verb {
        name: "explain",
        summary: "what became of a packet, and why something was sent again",
        details: "Without a number, the whole session: totals, each retransmission with its cause, the longest silence. What a link or the other side saw is used if they are sessions of this shell.",
        params: &[
            Param::required("session", Kind::Session, "which one"),
            Param::optional(
                "packet",
                Kind::Text,
                "the number of a packet that it sent, as `trace` shows it: #17",
            ),
        ],
        fields: &[Field::text("text", "the sentences"), Field::count("lines", "how many lines")],
        example: "explain $up",
        ..BARE
    },
    run: |shell, arguments| {
        Box::pin(async move {
            let ExplainOptions { session, packet } = ExplainOptions::from_arguments(&arguments);
            let session = shell.session(&session)?;
            let witnesses = witnesses(shell.registry(), &session, usize::MAX);
            let lines = match packet {
                None if witnesses.own.is_empty() => vec![format!("{}: no packet so far", session.label())],
                None => witnesses.explain_all(),
                Some(text) => {
                    let number = packet_number(&text)?;
                    witnesses
                        .explain(number)
                        .ok_or_else(|| errors::packet_missing(number, &session.label()))?
                }
            };
            let (count, text) = (lines.len() as u64, lines.join("\n"));
            next(Outcome::new(
                text.clone(),
                vec![("text", Value::Text(text)), ("lines", Value::count(count))],
            ))
        })
    },
};

/// The number in `#17` or `17`.
pub(in crate::shell::builtin) fn packet_number(text: &str) -> Result<u64, Failure> {
    text.strip_prefix('#').unwrap_or(text).parse().map_err(|_| errors::not_a_packet_number(text))
}

/// `explain`.
struct ExplainOptions {
    session: SessionRef,
    /// `#17` or `17`; `None`: the whole session.
    packet: Option<String>,
}

impl FromArguments for ExplainOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        Self {
            session: arguments.session("session").cloned().unwrap_or(SessionRef::All),
            packet: arguments.text("packet").map(str::to_owned),
        }
    }
}
