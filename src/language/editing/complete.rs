//! Completion and hints of the prompt: what the parser says may come next ([`super::next`]), filled in with what the
//! running shell knows.

use std::ops::Range;

use crate::base::Carrier;
use crate::language::kind::Kind;
use crate::language::parse::ahead::behind;
use crate::language::parse::lexer::{Token, as_word, is_bare, tokens};
use crate::language::parse::next::Next;
use crate::language::statement::{STATEMENTS, statement};
use crate::language::verb::{Param, Service};
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
    /// The names of the keys that are kept.
    fn keys(&self) -> Vec<(String, String)>;
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
    let (before, current) = split(front);
    let start = current.unwrap_or(front.len());
    let typed = &front[start..];
    if let Some(dollar) = typed.rfind('$') {
        return (start + dollar..front.len(), references(&typed[dollar + 1..], world));
    }
    let mut gathering = Gathering { typed, vocabulary, world, found: Vec::new() };
    behind(&before, vocabulary).into_iter().for_each(|next| gathering.add(next));
    let mut found = gathering.found;
    let typed = typed.trim_start_matches(['"', '\'']);
    let is_whole = |text: &str| typed.starts_with("~/") && text.starts_with("\"/");
    found.retain(|Candidate { text, .. }| text.trim_start_matches('"').starts_with(typed) || is_whole(text));
    found.dedup_by(|a, b| a.text == b.text);
    (start..front.len(), found)
}

/// What may still follow the line, for the grey hint after it; `None` while a word is being typed.
pub fn hint(line: &str, vocabulary: &Vocabulary) -> Option<String> {
    let (before, current) = split(line);
    if current.is_some() {
        return None;
    }
    if let [Token::Word(word)] = &before[..]
        && let Some(form) = word.literal().and_then(|text| statement(&text))
    {
        return Some(form.forms[0][form.word.len()..].trim_start().to_owned());
    }
    let next = behind(&before, vocabulary);
    if let [Next::Word(word)] = next[..] {
        return Some(word.to_owned());
    }
    let shown: Vec<String> = next.iter().filter_map(Next::placeholder).take(HINT_LIMIT).collect();
    (!shown.is_empty()).then(|| shown.join(" "))
}

/// The service whose names may come next, so that the prompt can ask the server while the line is being typed;
/// `None` if no such name is expected.
pub fn wants_names(line: &str, vocabulary: &Vocabulary) -> Option<&'static str> {
    let (before, _) = split(line);
    behind(&before, vocabulary).iter().find_map(|next| match next {
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

/// The candidates for one word, while they are gathered.
struct Gathering<'a> {
    /// What of the word is typed already.
    typed: &'a str,
    vocabulary: &'a Vocabulary,
    world: &'a dyn World,
    found: Vec<Candidate>,
}

impl Gathering<'_> {
    fn add(&mut self, next: Next) {
        match next {
            Next::Verb => self.verbs(),
            Next::Statement(word) | Next::Word(word) => self.found.push(candidate(word, next.help())),
            Next::Keyword(keyword) => self.found.push(candidate(keyword.word, keyword.help)),
            Next::Service(_, carrier) => self.services(carrier),
            Next::Param(Param { kind, .. }) => self.values(*kind, next.help()),
            Next::KeywordValue(_, kind) => self.values(kind, next.help()),
            Next::Path => self.values(Kind::Path, ""),
            Next::Address => self.addresses(),
            Next::As => self.found.push(candidate("as", next.help())),
            Next::Background => self.found.push(candidate("&", next.help())),
            Next::Value(_) | Next::Name | Next::End => {}
        }
    }

    fn values(&mut self, kind: Kind, help: &str) {
        match kind {
            Kind::Transport => self.found.extend(["tcp", "udp"].map(|word| candidate(word, help))),
            Kind::Carrier => self.found.extend(Carrier::ALL.map(|carrier| candidate(carrier.word(), help))),
            // The help is that of the option, not of one of its values.
            Kind::Choice(words) | Kind::Choices(words) => {
                self.found.extend(words.iter().map(|word| candidate(word, "")));
            }
            Kind::Topic(words) => self.topics(words),
            Kind::Service => self.services(None),
            Kind::Remote(service) => {
                let names = self.world.remote(service).into_iter();
                self.found.extend(names.map(|(name, help)| Candidate { text: as_word(name), help }));
            }
            Kind::Key => self.keys(),
            Kind::BindAddress => self.found.push(candidate("any", "every address of this machine")),
            Kind::Session => self.sessions(),
            Kind::SessionOrText => {
                self.sessions();
                self.found.retain(|candidate| candidate.text != "all");
            }
            Kind::Setting(words) => {
                self.found.extend(words.iter().map(|word| candidate(word, help)));
                self.sessions();
                self.found.retain(|candidate| candidate.text != "all");
            }
            Kind::Peer => self.addresses(),
            Kind::Endpoint => {
                self.found.extend(["tcp", "udp"].map(|word| candidate(word, "transport")));
                self.addresses();
            }
            Kind::Path => self.paths(),
            _ => {}
        }
    }

    fn keys(&mut self) {
        let keys = self.world.keys().into_iter();
        self.found.extend(keys.map(|(text, help)| Candidate { text, help }));
        self.paths();
    }

    fn paths(&mut self) {
        let paths = self.world.paths(self.typed.trim_start_matches(['"', '\''])).into_iter();
        self.found.extend(paths.map(|(path, help)| Candidate { text: path_word(path), help }));
    }

    fn verbs(&mut self) {
        self.found.extend(self.vocabulary.verbs.iter().map(|verb| candidate(verb.name, verb.summary)));
    }

    fn topics(&mut self, words: &[(&str, &str)]) {
        self.verbs();
        self.found.extend(STATEMENTS.iter().map(|form| candidate(form.word, form.help)));
        self.services(None);
        self.found.extend(words.iter().map(|(word, tells)| candidate(word, tells)));
    }

    /// Those that are available over `carrier`.
    fn services(&mut self, carrier: Option<Carrier>) {
        let fits = |service: &&&Service| carrier.is_none_or(|carrier| service.carriers.contains(&carrier));
        let services = self.vocabulary.services.iter().filter(fits);
        self.found.extend(services.map(|service| candidate(service.name, service.summary)));
    }

    fn sessions(&mut self) {
        let sessions = self.world.sessions().into_iter();
        self.found.extend(sessions.map(|(text, help)| Candidate { text, help }));
    }

    fn addresses(&mut self) {
        let endpoints = self.world.endpoints(self.typed).into_iter();
        self.found.extend(endpoints.map(|(text, help)| Candidate { text, help }));
        let names = self.world.names().into_iter();
        self.found.extend(names.map(|(name, help)| Candidate { text: format!("${name}"), help }));
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
