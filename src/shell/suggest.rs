//! Suggests the next command, once for each kind of success: from the verb's row `next`, or from the server itself.

use std::net::SocketAddr;

use super::Shell;
use crate::language::Verb;
use crate::language::parse::lexer::as_word;
use crate::net::reachable;
use crate::report::Report;
use crate::session::Session;

impl Shell {
    /// After a success at the prompt: the natural next command.
    pub(super) fn suggest(&mut self, verb: &'static Verb, session: Option<&Session>) {
        if !self.settings.interactive || self.terminal.is_quiet() {
            return;
        }
        let invitation = session.map_or("", Session::suggestion);
        let next = if invitation.is_empty() { verb.next } else { invitation };
        let Some(line) = filled(next, session).filter(|line| !line.is_empty()) else { return };
        let line = line + &session.filter(|_| !invitation.is_empty()).map(opening).unwrap_or_default();
        // Each server is at an address of its own; what a verb suggests is known after the first time.
        let key = if invitation.is_empty() { next.to_owned() } else { line.clone() };
        if !self.suggested.insert(key) {
            return;
        }
        let place = match session.and_then(address).filter(|_| !invitation.is_empty()) {
            Some(address) if reachable(address).ip().is_loopback() => {
                "next, here or in another shell of this machine"
            }
            Some(_) => "next, on another machine",
            None => "next",
        };
        self.emit(Report::Notice(format!("{place}: {line}")));
    }
}

/// What opens a port with keys, behind a command that connects to it.
fn opening(session: &Session) -> String {
    let words = |name: &str| session.field(name).map(|value| value.to_string()).unwrap_or_default();
    let (code, keys) = (words("code"), words("key"));
    match keys.split(',').next() {
        _ if session.listening().is_none() => String::new(),
        _ if !code.is_empty() => format!(" code {code}"),
        Some(key) if !key.is_empty() => format!(" key {}", as_word(key.to_owned())),
        _ => String::new(),
    }
}

fn address(session: &Session) -> Option<SocketAddr> {
    session.listening()?.address.socket()
}

/// The line with its `{name}`s replaced; `None` if one of them is not known.
fn filled(line: &str, session: Option<&Session>) -> Option<String> {
    let (mut out, mut rest) = (String::new(), line);
    while let Some((before, behind)) = rest.split_once('{') {
        let (name, after) = behind.split_once('}')?;
        out.push_str(before);
        out.push_str(&value(name, session?)?);
        rest = after;
    }
    Some(out + rest)
}

fn value(name: &str, session: &Session) -> Option<String> {
    let transport = || session.listening().map(|listening| listening.carrier);
    // `tcp` is the default of an endpoint and can be left out.
    let short = |place: String| place.strip_prefix("tcp ").map(str::to_owned).unwrap_or(place);
    Some(match name {
        "session" => session.name.as_ref().map_or_else(|| session.label(), |name| format!("${name}")),
        "at" => reachable(address(session)?).to_string(),
        "transport" => transport()?.to_string(),
        "place" => short(format!("{} {}", transport()?, reachable(address(session)?))),
        "peer" => Some(short(session.peer())).filter(|peer| !peer.is_empty())?,
        field => as_word(session.field(field)?.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::language::{Scope, Source, plan};
    use crate::shell::catalogue::{entries, vocabulary};

    /// The line with examples for the words in braces.
    fn example(line: &str) -> String {
        let known = [("{session}", "$s"), ("{peer}", "udp 192.0.2.7:9000"), ("{name}", "\"a b.mp4\"")];
        known.iter().fold(line.to_owned(), |line, (name, value)| line.replace(name, value))
    }

    #[test]
    fn every_suggestion_is_a_line_that_can_be_typed() {
        let vocabulary = vocabulary(false);
        let mut count = 0;
        for line in entries().map(|entry| entry.verb().next).filter(|line| !line.is_empty()) {
            let mut scope = Scope::builtin(0);
            scope.define("s", crate::language::plan::scope::Known::Any);
            let source = Source::new("row", example(line));
            let load = |_: &str, _: &Source| Err::<Arc<Source>, _>("none".to_owned());
            let planned = plan(&source, &vocabulary, &mut scope, &load);
            assert!(planned.is_ok(), "{line}: {planned:?}");
            count += 1;
        }
        assert!(count >= 6, "{count}");
    }
}
