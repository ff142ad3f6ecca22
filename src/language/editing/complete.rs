//! Completion and hints of the prompt: what the parser says may come next ([`super::next`]), filled in with what the
//! running shell knows.

use std::ops::Range;

use crate::language::kind::Kind;
use crate::language::parse::ahead::behind;
use crate::language::parse::lexer::{Token, as_word, is_bare, tokens};
use crate::language::parse::next::Next;
use crate::language::statement::{STATEMENTS, statement};
use crate::language::verb::Param;
use crate::language::vocabulary::Vocabulary;

/// Most parts that a hint shows.
const HINT_LIMIT: usize = 4;

/// A possible completion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The word as it is inserted into the line.
    pub text: String,
    /// A short description.
    pub help: String,
}

/// What only the running shell knows. Each text is returned with a short description.
pub trait World {
    /// Sessions by name or `%id`.
    fn sessions(&self) -> Vec<(String, String)>;
    /// Variables, without `$`.
    fn names(&self) -> Vec<(String, String)>;
    /// Fields of a variable, each described by its value or its meaning.
    fn fields(&self, name: &str) -> Vec<(String, String)>;
    /// Endpoints that begin with `prefix`: used before, or listening.
    fn endpoints(&self, prefix: &str) -> Vec<(String, String)>;
    /// Names on a server of this service. Those known so far are returned at once, and the server is asked meanwhile.
    fn remote(&self, service: &str) -> Vec<(String, String)>;
    /// Local paths that begin with `prefix`; folders end in `/`. After `~/`, a name that needs quotes comes with its
    /// absolute path, because `~` is not expanded in quotes.
    fn paths(&self, prefix: &str) -> Vec<(String, String)>;
}

/// The byte range of the line to replace, which ends at the cursor `at`, and the candidates for it.
pub fn complete(
    line: &str,
    at: usize,
    vocabulary: &Vocabulary,
    world: &dyn World,
) -> (Range<usize>, Vec<Candidate>) {
    let front = line.get(..at).unwrap_or(line);
    let (mut before, current) = split(front);
    let start = current.unwrap_or(front.len());
    let typed = &front[start..];
    if let Some(dollar) = typed.rfind('$') {
        return (start + dollar..front.len(), references(&typed[dollar + 1..], world));
    }
    let mut found = Vec::new();
    for next in behind(&mut before, vocabulary) {
        candidates(next, typed, vocabulary, world, &mut found);
    }
    let typed = typed.trim_start_matches(['"', '\'']);
    let is_whole = |text: &str| typed.starts_with("~/") && text.starts_with("\"/");
    found.retain(|Candidate { text, .. }| text.trim_start_matches('"').starts_with(typed) || is_whole(text));
    found.dedup_by(|a, b| a.text == b.text);
    (start..front.len(), found)
}

/// What may still follow the line, for the grey hint after it; `None` while a word is being typed.
pub fn hint(line: &str, vocabulary: &Vocabulary) -> Option<String> {
    let (mut before, current) = split(line);
    if current.is_some() {
        return None;
    }
    if let [Token::Word(word)] = &before[..]
        && let Some(form) = word.literal().and_then(|text| statement(&text))
    {
        return Some(form.forms[0][form.word.len()..].trim_start().to_owned());
    }
    let next = behind(&mut before, vocabulary);
    if let [Next::Word(word)] = next[..] {
        return Some(word.to_owned());
    }
    let shown: Vec<String> = next.iter().filter_map(Next::placeholder).take(HINT_LIMIT).collect();
    (!shown.is_empty()).then(|| shown.join(" "))
}

/// The service whose names may come next, so that the prompt can ask the server while the line is being typed;
/// `None` if no such name is expected.
pub fn wants_names(line: &str, vocabulary: &Vocabulary) -> Option<&'static str> {
    let (mut before, _) = split(line);
    behind(&mut before, vocabulary).iter().find_map(|next| match next {
        Next::Param(Param { kind: Kind::Remote(service), .. }) => Some(*service),
        _ => None,
    })
}

/// The tokens of the statement before the cursor, and where the word being typed begins.
fn split(front: &str) -> (Vec<Token>, Option<usize>) {
    let mut before = tokens(front, 0);
    if let Some(end) = before.iter().rposition(|token| matches!(token, Token::Semicolon(_))) {
        before.drain(..=end);
    }
    let current = match before.last() {
        Some(Token::Word(word)) if word.span.end == front.len() => Some(word.span.start),
        // An open quote: the word extends to the cursor.
        Some(Token::Error(diagnostic)) => Some(diagnostic.span.start),
        _ => None,
    };
    if current.is_some() {
        before.pop();
    }
    (before, current)
}

fn candidate(text: &str, help: &str) -> Candidate {
    Candidate { text: text.into(), help: help.into() }
}

fn candidates(
    next: Next,
    typed: &str,
    vocabulary: &Vocabulary,
    world: &dyn World,
    found: &mut Vec<Candidate>,
) {
    match next {
        Next::Verb => found.extend(vocabulary.verbs.iter().map(|verb| candidate(verb.name, verb.summary))),
        Next::Statement(word) | Next::Word(word) => found.push(candidate(word, next.help())),
        Next::Keyword(keyword) => found.push(candidate(keyword.word, keyword.help)),
        Next::Param(Param { kind, .. }) => values(*kind, next.help(), typed, vocabulary, world, found),
        Next::KeywordValue(_, kind) => values(kind, next.help(), typed, vocabulary, world, found),
        Next::Path => values(Kind::Path, "", typed, vocabulary, world, found),
        Next::Address => addresses(typed, world, found),
        Next::As => found.push(candidate("as", next.help())),
        Next::Background => found.push(candidate("&", next.help())),
        Next::Value(_) | Next::Name => {}
    }
}

fn addresses(typed: &str, world: &dyn World, found: &mut Vec<Candidate>) {
    found.extend(world.endpoints(typed).into_iter().map(|(text, help)| Candidate { text, help }));
    let names = world.names().into_iter();
    found.extend(names.map(|(name, help)| Candidate { text: format!("${name}"), help }));
}

fn values(
    kind: Kind,
    help: &str,
    typed: &str,
    vocabulary: &Vocabulary,
    world: &dyn World,
    found: &mut Vec<Candidate>,
) {
    match kind {
        Kind::Transport => found.extend(["tcp", "udp"].map(|word| candidate(word, help))),
        Kind::Choice(words) => found.extend(words.iter().map(|word| candidate(word, help))),
        Kind::Topic(words) => {
            found.extend(vocabulary.verbs.iter().map(|verb| candidate(verb.name, verb.summary)));
            found.extend(STATEMENTS.iter().map(|form| candidate(form.word, form.help)));
            found.extend(words.iter().map(|(word, tells)| candidate(word, tells)));
        }
        Kind::Service => {
            found.extend(vocabulary.services.iter().map(|service| candidate(service.name, service.summary)));
        }
        Kind::Remote(service) => found.extend(
            world.remote(service).into_iter().map(|(name, help)| Candidate { text: as_word(name), help }),
        ),
        Kind::BindAddress => found.push(candidate("any", "every address of this machine")),
        Kind::Session | Kind::Setting(_) => {
            if let Kind::Setting(words) = kind {
                found.extend(words.iter().map(|word| candidate(word, help)));
            }
            found.extend(world.sessions().into_iter().map(|(text, help)| Candidate { text, help }));
        }
        Kind::Endpoint => {
            found.extend(["tcp", "udp"].map(|word| candidate(word, "transport")));
            addresses(typed, world, found);
        }
        Kind::Path => {
            found.extend(
                world
                    .paths(typed.trim_start_matches(['"', '\'']))
                    .into_iter()
                    .map(|(path, help)| Candidate { text: path_word(path), help }),
            );
        }
        _ => {}
    }
}

/// A path as a word of the language. After `~/` it stays bare where it can: `~` is not expanded in quotes.
fn path_word(path: String) -> String {
    match path.strip_prefix("~/") {
        Some(rest) if rest.is_empty() || is_bare(rest) => path,
        _ => as_word(path),
    }
}

fn references(typed: &str, world: &dyn World) -> Vec<Candidate> {
    match typed.split_once('.') {
        Some((name, field)) => world
            .fields(name)
            .into_iter()
            .filter(|(f, _)| f.starts_with(field))
            .map(|(f, help)| Candidate { text: format!("${name}.{f}"), help })
            .collect(),
        None => world
            .names()
            .into_iter()
            .filter(|(name, _)| name.starts_with(typed))
            .map(|(name, help)| Candidate { text: format!("${name}"), help })
            .collect(),
    }
}
