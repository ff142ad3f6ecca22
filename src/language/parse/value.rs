//! A word as the value of its kind.

use std::time::Duration;

use crate::base::pattern::from_hex;
use crate::base::quantity::{self, BadQuantity};
use crate::base::secrets::key::{BadKey, is_name};
use crate::base::{Carrier, Code, Key, Transport, endpoint};
use crate::language::diagnostic::nearest;
use crate::language::kind::{Datum, Kind, Mismatch, Place, SessionRef};
use crate::language::vocabulary::Vocabulary;

/// Parses one word. `vocabulary` supplies the names of the services.
pub fn read(kind: Kind, word: &str, vocabulary: &Vocabulary) -> Result<Datum, Mismatch> {
    match kind {
        Kind::BindAddress => bind_address(word),
        Kind::Choice(words) => choice(word, words).map(Datum::Text),
        Kind::Choices(words) => choices(word, words).map(Datum::Text),
        Kind::Count(min, max) => count(word, min, max).map(Datum::Count),
        Kind::Duration => Ok(Datum::Duration(quantity::duration(word)?)),
        Kind::Delay => delay(word).map(Datum::Duration),
        Kind::Endpoint | Kind::Peer => place(word).map(|place| Datum::Endpoint(None, place)),
        Kind::Filter => filter(word, vocabulary).map(Datum::Text),
        Kind::Expression
        | Kind::Rest
        | Kind::Printed
        | Kind::Text
        | Kind::Topic(_)
        | Kind::Remote(_)
        | Kind::Secret => Ok(Datum::Text(word.into())),
        Kind::Path if word.is_empty() => mismatch("the path is empty", None),
        Kind::Path => Ok(Datum::Path(word.into(), false)),
        Kind::Percent => Ok(Datum::Percent(quantity::percent(word)?)),
        Kind::Port => port(word, vocabulary).map(Datum::Port),
        Kind::Rate => Ok(Datum::Rate(quantity::rate(word)?)),
        Kind::Service => service(word, vocabulary),
        Kind::Setting(words) if words.contains(&word) => Ok(Datum::Text(word.into())),
        Kind::Session if word == "all" => Ok(Datum::Session(SessionRef::All)),
        Kind::SessionOrText if word.contains("://") => Ok(Datum::Text(word.into())),
        Kind::Session | Kind::SessionOrText | Kind::Setting(_) => {
            Ok(Datum::Session(session_id(word).unwrap_or_else(|| SessionRef::Name(word.into()))))
        }
        Kind::Size(min, max) => size(word, min, max).map(Datum::Size),
        Kind::Transport => transport(word),
        Kind::Carrier => carrier(word),
        Kind::Key => key(word),
        Kind::Code => code(word),
        Kind::Hex => from_hex(word).map(Datum::Bytes).or_else(|why| mismatch(why, None)),
    }
}

fn mismatch<T>(why: impl Into<String>, fix: Option<String>) -> Result<T, Mismatch> {
    Err(Mismatch { why: why.into(), fix, expected: Vec::new() })
}

/// A key, its name, or its file. Whoever reads a word that was typed has refused a key before.
fn key(word: &str) -> Result<Datum, Mismatch> {
    match Key::read(word) {
        Ok(key) => Ok(Datum::Key(key)),
        Err(BadKey::Empty | BadKey::Password) if is_name(word) => Ok(Datum::Text(word.into())),
        Err(BadKey::Password) if word.contains(['/', '.', '~']) => Ok(Datum::Path(word.into(), false)),
        Err(bad) => mismatch(format!("{}; {}", bad.why(), bad.fix()), None),
    }
}

/// A code. Whoever mistyped one of its words is told which may be meant.
fn code(word: &str) -> Result<Datum, Mismatch> {
    let bad = match Code::read(word) {
        Ok(code) => return Ok(Datum::Text(code.text().into())),
        Err(bad) => bad,
    };
    let meant = |part: &str| nearest(part, Code::all_words().iter().copied());
    let fix = word.to_lowercase().split('-').map(meant).collect::<Option<Vec<_>>>();
    let fix = fix.map(|words| words.join("-")).filter(|fix| Code::read(fix).is_ok());
    mismatch(bad.why(), fix)
}

fn place(word: &str) -> Result<Place, Mismatch> {
    match session_id(word) {
        Some(session) => Ok(Place::Session(session)),
        None => endpoint::parse(word).map(Place::Address).map_err(|(why, fix)| Mismatch {
            why,
            fix,
            expected: Vec::new(),
        }),
    }
}

fn filter(word: &str, vocabulary: &Vocabulary) -> Result<String, Mismatch> {
    match vocabulary.check_filter.and_then(|check| check(word)) {
        Some(why) => mismatch(why, None),
        None => Ok(word.into()),
    }
}

fn port(word: &str, vocabulary: &Vocabulary) -> Result<u16, Mismatch> {
    endpoint::port(word).map_err(|(why, fix)| {
        // `listen tcp ftp`: the port was left out.
        let is_service = vocabulary.services.iter().any(|service| service.name == word);
        let fix = if is_service { Some(format!("0 {word}")) } else { fix };
        Mismatch { why, fix, expected: Vec::new() }
    })
}

fn size(word: &str, min: u64, max: u64) -> Result<u64, Mismatch> {
    match quantity::size(word).map_err(|bad| within_bounds(bad, min, max))? {
        size if (min..=max).contains(&size) => Ok(size),
        size => {
            mismatch(format!("`{word}` is out of range"), Some(quantity::exact_size(size.clamp(min, max))))
        }
    }
}

fn carrier(word: &str) -> Result<Datum, Mismatch> {
    match Carrier::from_word(word) {
        Some(carrier) => Ok(Datum::Carrier(carrier)),
        None => no_carrier(word, &["tcp", "udp", "tls", "unix"]),
    }
}

fn transport(word: &str) -> Result<Datum, Mismatch> {
    match Transport::from_word(word) {
        Some(transport) => Ok(Datum::Carrier(transport.into())),
        None => no_carrier(word, &["tcp", "udp"]),
    }
}

fn no_carrier(word: &str, words: &'static [&'static str]) -> Result<Datum, Mismatch> {
    choice(word, words).map(Datum::Text).map_err(|mismatch| match word.parse::<u16>() {
        // `listen 9000 ftp`: the transport was left out.
        Ok(_) => Mismatch { fix: Some(format!("tcp {word}")), ..mismatch },
        Err(_) => mismatch,
    })
}

/// Clamps the suggested fix to the bounds, so that it is not refused in turn.
fn within_bounds(bad: BadQuantity, min: u64, max: u64) -> BadQuantity {
    let size = bad.fix.as_deref().and_then(|fix| quantity::size(fix).ok());
    let fix = match size {
        Some(size) if !(min..=max).contains(&size) => Some(quantity::exact_size(size.clamp(min, max))),
        _ => bad.fix,
    };
    BadQuantity { fix, ..bad }
}

fn delay(word: &str) -> Result<Duration, Mismatch> {
    Ok(quantity::duration(word).map_err(|bad| in_milliseconds(bad, word))?)
}

/// A delay without a unit is most likely meant in milliseconds, so the suggested fix is `5ms` instead of `5s`.
fn in_milliseconds(bad: BadQuantity, word: &str) -> BadQuantity {
    let bare = bad.fix.as_deref() == Some(&format!("{word}s"));
    if bare { BadQuantity { fix: Some(format!("{word}ms")), ..bad } } else { bad }
}

fn session_id(word: &str) -> Option<SessionRef> {
    word.strip_prefix('%')?.parse().ok().map(SessionRef::Id)
}

fn bind_address(word: &str) -> Result<Datum, Mismatch> {
    let inside = word.strip_prefix('[').and_then(|w| w.strip_suffix(']')).unwrap_or(word);
    let is_address = match inside.split_once('%') {
        Some((address, zone)) => address.parse::<std::net::Ipv6Addr>().is_ok() && !zone.is_empty(),
        None => inside.parse::<std::net::IpAddr>().is_ok(),
    };
    if word == "any" || is_address {
        return Ok(Datum::Text(inside.into()));
    }
    // What opens it to the network is suggested only to whoever asks for that.
    let fix = if matches!(word, "everywhere" | "all" | "public" | "*") { "any" } else { "127.0.0.1" };
    mismatch(format!("`{word}` is not an address of this machine"), Some(fix.into()))
}

fn choice(word: &str, words: &'static [&'static str]) -> Result<String, Mismatch> {
    if words.contains(&word) {
        return Ok(word.into());
    }
    let fix = nearest(word, words.iter().copied()).map(Into::into);
    Err(Mismatch {
        why: format!("unexpected argument `{word}`"),
        fix,
        expected: words.iter().map(|w| (*w).into()).collect(),
    })
}

/// Some of the words, with commas between them.
fn choices(word: &str, words: &'static [&'static str]) -> Result<String, Mismatch> {
    word.split(',').try_for_each(|one| choice(one, words).map(drop))?;
    Ok(word.into())
}

fn count(word: &str, min: u64, max: u64) -> Result<u64, Mismatch> {
    let range = format!("from {min} to {max}");
    match word.parse::<u64>() {
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        Ok(number) => {
            mismatch(format!("{number} is out of range: {range}"), Some(number.clamp(min, max).to_string()))
        }
        Err(_) => mismatch(format!("`{word}` is not a whole number {range}"), None),
    }
}

fn service(word: &str, vocabulary: &Vocabulary) -> Result<Datum, Mismatch> {
    let names = || vocabulary.services.iter().map(|service| service.name);
    if names().any(|name| name == word) {
        return Ok(Datum::Text(word.into()));
    }
    Err(Mismatch {
        why: format!("`{word}` is not a service"),
        fix: nearest(word, names()).map(Into::into),
        expected: names().map(Into::into).collect(),
    })
}
