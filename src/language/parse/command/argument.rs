//! Arguments, as they are taken from the front of the words.

use super::{Matcher, Services};
use crate::base::{Carrier, Transport};
use crate::language::arguments::Argument;
use crate::language::diagnostic::Diagnostic;
use crate::language::kind::{Datum, Kind, Mismatch, Place, SessionRef};
use crate::language::other_shells::connector;
use crate::language::parse::atom::{RESERVED_NAMES, is_name, not_a_name, reserved};
use crate::language::parse::lexer::Word;
use crate::language::parse::mismatch;
use crate::language::parse::next::Next;
use crate::language::parse::refused::typed_key;
use crate::language::parse::value::read;
use crate::language::verb::{Keyword, Param};
use crate::language::vocabulary::Vocabulary;

impl Matcher<'_> {
    /// Takes the value of a parameter.
    pub(super) fn value<'w>(&mut self, param: &'static Param, word: &Word, tail: &'w [Word]) -> &'w [Word] {
        match param.kind {
            Kind::Rest | Kind::Printed | Kind::Expression => self.rest(param.name, param.kind, word, tail),
            Kind::Endpoint => self.endpoint(param.name, word, tail),
            kind => {
                let kind = match kind {
                    Kind::Port | Kind::Peer if self.carrier() == Some(Carrier::Unix) => Kind::Path,
                    Kind::Peer => Kind::Endpoint,
                    kind => kind,
                };
                self.read(param.name, kind, word, None);
                tail
            }
        }
    }

    /// Records an argument that has no value.
    pub(super) fn flag(&mut self, name: &'static str, word: &Word) {
        self.arguments.push((name, Argument::Ready(Datum::Flag), word.span.clone()));
    }

    pub(super) fn bind<'w>(&mut self, word: &Word, tail: &'w [Word]) -> &'w [Word] {
        let Some((name, tail)) = tail.split_first() else {
            self.pending = Some(Next::Name);
            self.errors
                .push(Diagnostic::new("`as` needs a name", word.span.clone()).expected(["as NAME".into()]));
            return tail;
        };
        self.end = name.span.end;
        match name.literal().filter(|text| is_name(text)) {
            Some(_) if self.binding.is_some() => {
                self.errors.push(Diagnostic::new("a command can have only one name", name.span.clone()));
            }
            Some(text) if RESERVED_NAMES.contains(&&*text) => self.errors.push(reserved(name, &text)),
            Some(text) => self.binding = Some(text.into_owned()),
            None => {
                let read = name.literal().unwrap_or_default();
                self.errors.push(not_a_name(name, &read));
            }
        }
        tail
    }

    pub(super) fn keyword<'w>(
        &mut self,
        keyword: &'static Keyword,
        word: &Word,
        tail: &'w [Word],
    ) -> &'w [Word] {
        // A keyword ends a repeated parameter; otherwise a misspelt keyword after it would count as one more value.
        self.param += usize::from(self.verb.params.get(self.param).is_some_and(|param| param.many));
        if self.has(keyword.word) && !keyword.many {
            let title = format!("duplicate `{}`", keyword.word);
            self.errors.push(Diagnostic::new(title, word.span.clone()).expected(self.expected()));
        }
        let Some(kind) = keyword.kind else {
            self.flag(keyword.word, word);
            return tail;
        };
        let follows = tail
            .first()
            .filter(|next| !(keyword.optional && (next.is("as") || self.keyword_of(next).is_some())));
        let Some(value) = follows else {
            if tail.is_empty() {
                self.pending = Some(Next::KeywordValue(keyword, kind));
            }
            self.without_value(keyword, kind, word);
            return tail;
        };
        self.end = value.span.end;
        match kind {
            Kind::Endpoint => self.endpoint(keyword.word, value, &tail[1..]),
            Kind::Filter => self.rest(keyword.word, kind, value, &tail[1..]),
            _ => {
                self.read(keyword.word, kind, value, None);
                &tail[1..]
            }
        }
    }

    /// The keyword stands alone, as some may.
    fn without_value(&mut self, keyword: &'static Keyword, kind: Kind, word: &Word) {
        if keyword.optional {
            return self.flag(keyword.word, word);
        }
        let title = format!("`{}` needs {}", keyword.word, kind.describe());
        let diagnostic = Diagnostic::new(title, word.span.clone()).expected([keyword.form()]);
        self.errors.push(diagnostic.unfinished());
    }

    /// Reads an endpoint, which may have `tcp` or `udp` before it.
    fn endpoint<'w>(&mut self, name: &'static str, word: &Word, tail: &'w [Word]) -> &'w [Word] {
        let transport = word.literal().filter(|_| !word.quoted).and_then(|text| Transport::from_word(&text));
        match (transport, tail.split_first()) {
            (Some(_), Some((value, tail))) => {
                self.end = value.span.end;
                self.read(name, Kind::Endpoint, value, transport);
                tail
            }
            (Some(transport), None) => {
                self.pending = Some(Next::Address);
                let diagnostic = Diagnostic::new(
                    format!("`{transport}` must be followed by an endpoint"),
                    word.span.clone(),
                );
                self.errors.push(diagnostic.expected([Kind::Endpoint.describe()]).usage(self.usage()));
                tail
            }
            (None, _) => {
                self.read(name, Kind::Endpoint, word, None);
                tail
            }
        }
    }

    /// Reads the words of a text to the end of the line, or of an expression up to the next keyword.
    fn rest<'w>(&mut self, name: &'static str, kind: Kind, first: &Word, tail: &'w [Word]) -> &'w [Word] {
        let stops = |word: &&Word| {
            matches!(kind, Kind::Expression | Kind::Filter)
                && (word.is("as") || self.keyword_of(word).is_some())
        };
        let mut taken = tail.iter().take_while(|word| !stops(word)).count();
        // After a quoted text, a final `as NAME` is not part of the text.
        if let (true, [.., word, _]) = (first.quoted, &tail[..taken])
            && word.is("as")
        {
            taken -= 2;
        }
        let mut joined = first.clone();
        for word in &tail[..taken] {
            match (kind, connector(word)) {
                (Kind::Printed, Some(hint)) => self.connected(word, hint),
                (Kind::Expression, Some(hint)) => {
                    self.connected(word, hint);
                    self.flag(name, first);
                    return &[];
                }
                _ => {}
            }
            // An expression keeps its spacing, so that the column in the server's error points at the right place.
            let gap = if kind == Kind::Expression { word.span.start - joined.span.end } else { 1 };
            joined.append(gap, word);
        }
        self.end = joined.span.end;
        self.read(name, kind, &joined, None);
        &tail[taken..]
    }

    fn read(&mut self, name: &'static str, kind: Kind, word: &Word, transport: Option<Transport>) {
        if let Some(diagnostic) = typed_key::refused(kind, word) {
            return self.refuse(name, word, diagnostic);
        }
        match argument(kind, word, transport, self.vocabulary) {
            Ok(argument) => {
                if kind == Kind::Service {
                    self.services = match &argument {
                        Argument::Ready(Datum::Text(name)) => {
                            self.vocabulary.service(name).map_or(Services::None, Services::One)
                        }
                        _ => Services::Any,
                    };
                }
                self.arguments.push((name, argument, word.span.clone()));
            }
            Err(mismatch) => {
                let param = self.verb.params.iter().find(|param| param.name == name);
                let may_be_an_option = param.is_some_and(|param| !param.required);
                let options: Vec<&str> =
                    self.keywords().filter(|_| may_be_an_option).map(|keyword| keyword.word).collect();
                self.refuse(name, word, mismatch::diagnostic(mismatch, kind, word, &options));
            }
        }
    }
}

/// Parses one word as `kind`; a word with a reference in it is kept until its value is known.
fn argument(
    kind: Kind,
    word: &Word,
    transport: Option<Transport>,
    vocabulary: &Vocabulary,
) -> Result<Argument, Mismatch> {
    let is_name =
        !word.quoted && (word.literal().is_some() || word.reference().is_some_and(|path| path.len() == 1));
    let kind = if kind == Kind::SessionOrText && !is_name { Kind::Text } else { kind };
    if let Some([name]) = word.reference() {
        match kind {
            Kind::Session | Kind::SessionOrText | Kind::Setting(_) => {
                return Ok(Argument::Ready(Datum::Session(SessionRef::Name(name.clone()))));
            }
            Kind::Endpoint => {
                let place = Place::Session(SessionRef::Name(name.clone()));
                return Ok(Argument::Ready(Datum::Endpoint(transport, place)));
            }
            _ => {}
        }
    }
    if let (Kind::Session | Kind::Setting(_), Some([server, client])) = (kind, word.reference()) {
        return Ok(Argument::Ready(Datum::Session(SessionRef::Name(format!("{server}.{client}")))));
    }
    let Some(text) = word.literal() else {
        return Ok(Argument::Later(kind, word.clone(), transport));
    };
    Ok(Argument::Ready(match read(kind, &text, vocabulary)? {
        Datum::Endpoint(_, place) => Datum::Endpoint(transport, place),
        Datum::Path(path, _) => Datum::Path(path, !word.quoted),
        datum => datum,
    }))
}
