//! What may stand at an offset of a line: the completer and the hint of the prompt. The same walk as the
//! parser's, so they cannot disagree.

use std::ops::Range;

use super::command::{Matcher, Next};
use super::kind::Kind;
use super::lexer::{Token, Word, is_bare, tokens};
use super::script::Comparison;
use super::statement::{STATEMENTS, statement};
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
    match behind_prefixes(&before).split_first() {
        None => {
            found.extend(vocabulary.verbs.iter().map(|verb| candidate(verb.name, verb.summary)));
            found.extend(STATEMENTS.iter().map(|form| candidate(form.word, form.help)));
        }
        Some((first, words)) => {
            let text = first.literal().unwrap_or_default();
            if statement(&text).is_some() {
                in_statement(&text, words, typed, world, &mut found);
            } else if let Some(row) = vocabulary.verb(&text) {
                for next in nexts(row, words, &first.span, vocabulary) {
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
    let (verb, words) = behind_prefixes(&before).split_first()?;
    let text = verb.literal()?;
    if let Some(form) = statement(&text) {
        return words.is_empty().then(|| form.forms[0][form.word.len()..].trim_start().to_owned());
    }
    let row = vocabulary.verb(&text)?;
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

/// The words behind the prefixes that are complete.
fn behind_prefixes(mut words: &[Word]) -> &[Word] {
    while let Some(first) = words.first() {
        let text = first.literal().unwrap_or_default();
        let is_prefix = statement(&text).is_some_and(|form| form.is_prefix)
            || text == "expect" && words.get(1).is_some_and(|word| word.is("error") || word.is("error:"));
        let closed = |word: &Word| word.literal().is_some_and(|text| text.ends_with(':'));
        let end = match &*text {
            "defer" => Some(0),
            _ => words.iter().position(closed),
        };
        match end.filter(|_| is_prefix) {
            Some(end) => words = &words[end + 1..],
            None => break,
        }
    }
    words
}

/// What may follow in a statement that is the language's own; values are typed with `$`.
fn in_statement(text: &str, words: &[Word], typed: &str, world: &dyn World, found: &mut Vec<Candidate>) {
    let is = |at: usize, text: &str| words.get(at).is_some_and(|word| word.is(text));
    let offer = |found: &mut Vec<Candidate>, words: &[(&str, &str)]| {
        found.extend(words.iter().map(|(word, help)| candidate(word, help)));
    };
    match text {
        "test" if !words.is_empty() => offer(
            found,
            &[
                ("serial", "alone, after the others"),
                ("timeout", "how long it may take"),
                ("tag", "a name for `--tag`"),
            ],
        ),
        "let" if words.len() == 1 => offer(found, &[("=", "the value follows")]),
        "retry" if words.len() == 1 => offer(found, &[("every", "the pause between two tries")]),
        "skip" if words.len() == 1 => offer(found, &[("unless", "only if this is empty or false")]),
        "source" if words.is_empty() => values(Kind::Path, "", typed, &Vocabulary::default(), world, found),
        "expect" => {
            let words = &words[usize::from(is(0, "not"))..];
            let file = words.first().is_some_and(|word| word.is("file"));
            match words.len() {
                0 => offer(
                    found,
                    &[
                        ("not", "the opposite"),
                        ("file", "a file exists, or is the same"),
                        ("error", "the command must fail"),
                    ],
                ),
                1 if file => values(Kind::Path, "", typed, &Vocabulary::default(), world, found),
                2 if file => offer(found, &[("exists", "it is there"), ("same", "… as another file")]),
                3 if file && words[2].is("same") => offer(found, &[("as", "the other file")]),
                1 => {
                    found.extend(Comparison::WORDS.iter().map(|(word, kind)| candidate(word, kind.help())));
                    offer(found, &[("within", "wait for it")]);
                }
                _ => offer(found, &[("within", "wait for it")]),
            }
        }
        _ => {}
    }
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
