//! What may stand at an offset of a line: the completer and the hint of the prompt. The same walk as the
//! parser's, so they cannot disagree.

use std::ops::Range;

use super::command::{Matcher, Next};
use super::grammar::{SOURCE_WORD, STATEMENT_WORDS};
use super::kind::Kind;
use super::lexer::{Token, Word, is_bare, tokens};
use super::verb::Vocabulary;

/// A possible word and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub text: String,
    pub help: String,
}

/// What only the running shell knows.
pub trait World {
    /// Sessions by name or `%id`, each with a few words.
    fn sessions(&self) -> Vec<(String, String)>;
    /// Variables, without `$`.
    fn names(&self) -> Vec<String>;
    /// Fields of a variable.
    fn fields(&self, name: &str) -> Vec<String>;
    /// Endpoints used before.
    fn endpoints(&self) -> Vec<String>;
    /// Local paths that begin with `prefix`; folders end in `/`.
    fn paths(&self, prefix: &str) -> Vec<String>;
}

/// The place to replace, and what may stand there.
pub fn complete(
    line: &str,
    at: usize,
    vocabulary: &Vocabulary,
    world: &dyn World,
) -> (Range<usize>, Vec<Candidate>) {
    let front = line.get(..at).unwrap_or(line);
    let (before, current) = split(front);
    let start = current.as_ref().map_or(front.len(), |word| word.span.start);
    let typed = &front[start..];
    let place = start..front.len();
    if let Some(dollar) = typed.rfind('$') {
        return (start + dollar..front.len(), references(&typed[dollar + 1..], world));
    }
    let mut found = Vec::new();
    match before.split_first() {
        None => {
            found.extend(vocabulary.verbs.iter().map(|verb| candidate(verb.name, verb.summary)));
            found.extend(STATEMENT_WORDS.iter().chain([&SOURCE_WORD]).map(|word| candidate(word, "")));
        }
        Some((verb, words)) => {
            if let Some(row) = verb.literal().and_then(|text| vocabulary.verb(&text)) {
                for next in nexts(row, words, &verb.span, vocabulary) {
                    candidates(next, typed, vocabulary, world, &mut found);
                }
            }
        }
    }
    let typed = typed.trim_start_matches(['"', '\'']);
    found.retain(|candidate| candidate.text.trim_start_matches('"').starts_with(typed));
    found.dedup_by(|a, b| a.text == b.text);
    (place, found)
}

/// What is still possible behind a whole line, as a grey hint; nothing while a word is being typed.
pub fn hint(line: &str, vocabulary: &Vocabulary) -> Option<String> {
    let (before, current) = split(line);
    if current.is_some() || before.is_empty() {
        return None;
    }
    let (verb, words) = before.split_first()?;
    let row = vocabulary.verb(&verb.literal()?)?;
    let shown: Vec<String> = nexts(row, words, &verb.span, vocabulary)
        .into_iter()
        .filter_map(|next| match next {
            Next::Param(param) if param.required => Some(param.kind.placeholder_of(param.name)),
            Next::Param(param) => Some(format!("[{}]", param.kind.placeholder_of(param.name))),
            Next::Keyword(keyword) if keyword.required => Some(keyword.form()),
            Next::Keyword(keyword) => Some(format!("[{}]", keyword.form())),
            Next::Value(_, kind) => Some(kind.placeholder()),
            Next::Name => Some("NAME".into()),
            Next::As | Next::Background => None,
        })
        .take(4)
        .collect();
    (!shown.is_empty()).then(|| shown.join(" "))
}

/// The words of the statement before the cursor, and the one that is being typed.
fn split(front: &str) -> (Vec<Word>, Option<Word>) {
    let mut words = Vec::new();
    for token in tokens(front, 0) {
        match token {
            Token::Word(word) => words.push(word),
            Token::Error(diagnostic) => {
                // An open quote: the word goes on to the cursor.
                words.push(Word {
                    segments: smallvec::SmallVec::new(),
                    quoted: true,
                    span: diagnostic.span.start..front.len(),
                });
            }
            _ => words.clear(),
        }
    }
    let typing = words.last().is_some_and(|word| word.span.end == front.len());
    let current = if typing { words.pop() } else { None };
    (words, current)
}

fn nexts(
    row: &'static super::verb::Verb,
    words: &[Word],
    span: &Range<usize>,
    vocabulary: &Vocabulary,
) -> Vec<Next> {
    if let Some(last) = words.last() {
        if last.is("as") {
            return vec![Next::Name];
        }
        if let Some(keyword) = row.keywords.iter().find(|keyword| last.is(keyword.word))
            && let Some(kind) = keyword.kind
        {
            let mut next = vec![Next::Value(keyword, kind)];
            if keyword.optional {
                next.extend(Matcher::walk(row, words, span, vocabulary).next());
            }
            return next;
        }
    }
    Matcher::walk(row, words, span, vocabulary).next()
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
        Next::Param(param) => values(param.kind, param.help, typed, vocabulary, world, found),
        Next::Value(keyword, kind) => values(kind, keyword.help, typed, vocabulary, world, found),
        Next::Keyword(keyword) => found.push(candidate(keyword.word, keyword.help)),
        Next::As => found.push(candidate("as", "bind the result to a name")),
        Next::Background => found.push(candidate("&", "run in the background")),
        Next::Name => {}
    }
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
        Kind::Service => {
            found.extend(vocabulary.services.iter().map(|service| candidate(service.name, service.summary)));
        }
        Kind::BindAddress => found.push(candidate("any", "every address of this machine")),
        Kind::Session | Kind::Setting(_) => {
            if let Kind::Setting(words) = kind {
                found.extend(words.iter().map(|word| candidate(word, help)));
            }
            found.extend(world.sessions().into_iter().map(|(text, help)| Candidate { text, help }));
        }
        Kind::Endpoint => {
            found.extend(["tcp", "udp"].map(|word| candidate(word, "transport")));
            found.extend(world.endpoints().iter().map(|endpoint| candidate(endpoint, "used before")));
            found.extend(
                world.names().iter().map(|name| candidate(&format!("${name}"), "a session of this shell")),
            );
        }
        Kind::Path => {
            found.extend(world.paths(typed.trim_start_matches(['"', '\''])).into_iter().map(|path| {
                let text = if is_bare(&path) { path } else { format!("\"{path}\"") };
                Candidate { text, help: String::new() }
            }));
        }
        _ => {}
    }
}

fn references(typed: &str, world: &dyn World) -> Vec<Candidate> {
    match typed.split_once('.') {
        Some((name, field)) => world
            .fields(name)
            .into_iter()
            .filter(|f| f.starts_with(field))
            .map(|f| candidate(&format!("${name}.{f}"), ""))
            .collect(),
        None => world
            .names()
            .into_iter()
            .filter(|name| name.starts_with(typed))
            .map(|name| candidate(&format!("${name}"), ""))
            .collect(),
    }
}
