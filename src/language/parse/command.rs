//! Matches the words of a command against the row of its verb, in one pass. The pass yields the bound arguments, the
//! errors, and what may come next: the parser uses the first two, completion and hints the last.

use std::ops::Range;

use super::atom::{RESERVED_NAMES, is_name, not_a_name, reserved};
use super::lexer::Word;
use super::mismatch;
use super::next::Next;
use super::refused::{carriers, dash, typed_key};
use super::value::read;
use crate::base::quantity::all_of;
use crate::base::{Carrier, Transport};
use crate::language::arguments::{Argument, Invocation};
use crate::language::diagnostic::{Diagnostic, nearest};
use crate::language::kind::{Datum, Kind, Mismatch, Place, SessionRef};
use crate::language::other_shells::{self, connector};
use crate::language::verb::{Keyword, Lasting, Param, Service, Verb};
use crate::language::vocabulary::Vocabulary;

/// The services whose options may follow.
#[derive(Clone, Copy)]
enum Services {
    /// The command names none, or not yet.
    None,
    One(&'static Service),
    /// It is in a variable.
    Any,
}

/// One pass over the words of a command.
pub struct Matcher<'v> {
    verb: &'static Verb,
    vocabulary: &'v Vocabulary,
    services: Services,
    arguments: Vec<(&'static str, Argument, Range<usize>)>,
    binding: Option<String>,
    param: usize,
    errors: Vec<Diagnostic>,
    end: usize,
    /// What must follow, if the words end in the middle of an argument.
    pending: Option<Next>,
}

impl<'v> Matcher<'v> {
    /// Matches all `words`; `after` is the span of the verb.
    pub fn walk(
        verb: &'static Verb,
        words: &[Word],
        after: &Range<usize>,
        vocabulary: &'v Vocabulary,
    ) -> Self {
        let mut matcher = Self {
            verb,
            vocabulary,
            services: Services::None,
            arguments: Vec::with_capacity(words.len()),
            binding: None,
            param: 0,
            errors: Vec::new(),
            end: after.end,
            pending: None,
        };
        let mut rest = words;
        if let Some(diagnostic) = typed_key::spread(verb, words) {
            matcher.errors.push(diagnostic);
            rest = &[];
        }
        while let [word, tail @ ..] = rest {
            matcher.end = word.span.end;
            rest = matcher.step(word, tail);
        }
        matcher
    }

    /// The finished command, or all of its errors. `span` is the byte range of the statement.
    pub fn finish(mut self, background: bool, span: Range<usize>) -> Result<Invocation, Vec<Diagnostic>> {
        if self.errors.is_empty() {
            self.check_missing();
        }
        let service = carriers::service(&self.arguments, self.vocabulary);
        let key = carriers::key(&self.arguments, self.keywords());
        let dash = dash::to(self.verb, &self.arguments);
        self.errors.extend(service.into_iter().chain(key).chain(dash));
        if background && self.verb.lasting == Lasting::Instant {
            let title = format!(
                "`&` is not allowed here: `{}` answers at once, not in the background",
                self.verb.name
            );
            let diagnostic = Diagnostic::new(title, span.end.saturating_sub(1)..span.end);
            self.errors.push(diagnostic.expected(["the end of the line".into()]));
        }
        if !self.errors.is_empty() {
            return Err(self.errors);
        }
        let service = match self.services {
            Services::One(service) => Some(service),
            Services::None | Services::Any => None,
        };
        let Self { verb, arguments, binding, .. } = self;
        Ok(Invocation { verb, service, arguments, binding, background, span })
    }

    /// The options of the verb and of its service.
    fn keywords(&self) -> impl Iterator<Item = &'static Keyword> + Clone + use<'_, 'v> {
        let services: &[&'static Service] = match &self.services {
            Services::None => &[],
            Services::One(service) => std::slice::from_ref(service),
            Services::Any => &self.vocabulary.services,
        };
        self.verb.keywords.iter().chain(services.iter().flat_map(|service| service.keywords))
    }

    /// The option that a word names. The verb's own are looked at first: most commands have no service.
    #[inline]
    fn keyword_of(&self, word: &Word) -> Option<&'static Keyword> {
        let own = self.verb.keywords.iter().find(|keyword| word.is(keyword.word));
        match &self.services {
            Services::None => own,
            Services::One(service) => {
                own.or_else(|| service.keywords.iter().find(|keyword| word.is(keyword.word)))
            }
            Services::Any => own.or_else(|| self.keywords().find(|keyword| word.is(keyword.word))),
        }
    }

    fn usage(&self) -> String {
        match self.services {
            Services::One(service) => self.verb.usage_with(service.keywords),
            Services::None | Services::Any => self.verb.usage(),
        }
    }

    /// What may follow the matched words.
    pub fn next(&self) -> Vec<Next> {
        match self.pending {
            Some(pending @ Next::KeywordValue(keyword, _)) if keyword.optional => {
                [vec![pending], self.behind()].concat()
            }
            Some(pending) => vec![pending],
            None => self.behind(),
        }
    }

    /// What may follow a complete argument.
    fn behind(&self) -> Vec<Next> {
        let mut next: Vec<Next> =
            self.verb.params.get(self.param).map(|param| self.next_param(param)).into_iter().collect();
        let required = self.verb.params.get(self.param).filter(|param| self.must_have(param));
        if required.is_some_and(|param| !param.kind.is_text()) {
            return next;
        }
        let free = |keyword: &&'static Keyword| keyword.many || !self.has(keyword.word);
        for keyword in self.keywords().filter(free).map(Next::Keyword) {
            // Services share some options.
            if !next.contains(&keyword) {
                next.push(keyword);
            }
        }
        if required.is_some() {
            return next;
        }
        if self.binding.is_none() {
            next.push(Next::As);
        }
        if self.verb.lasting != Lasting::Instant {
            next.push(Next::Background);
        }
        next
    }

    fn next_param(&self, param: &'static Param) -> Next {
        match param.kind {
            Kind::Service => Next::Service(param, self.carrier()),
            Kind::Port | Kind::Peer if self.carrier() == Some(Carrier::Unix) => Next::Path,
            _ => Next::Param(param),
        }
    }

    /// The carrier that was named already.
    fn carrier(&self) -> Option<Carrier> {
        self.arguments.iter().find_map(|(_, argument, _)| match argument {
            Argument::Ready(Datum::Carrier(carrier)) => Some(*carrier),
            _ => None,
        })
    }

    /// True if the parameter is required and not given yet.
    fn must_have(&self, param: &Param) -> bool {
        let is_given = param.many && self.has(param.name);
        param.required
            && !is_given
            && !self
                .verb
                .keywords
                .iter()
                .any(|keyword| keyword.replaces == param.name && self.has(keyword.word))
    }

    fn has(&self, name: &str) -> bool {
        self.arguments.iter().any(|(n, ..)| *n == name)
    }

    /// Takes one argument from the front; returns the words after it.
    fn step<'w>(&mut self, word: &Word, tail: &'w [Word]) -> &'w [Word] {
        let param = self.verb.params.get(self.param);
        let literal = param.is_some_and(|param| param.kind == Kind::Rest);
        if let (false, Some(hint)) = (literal, connector(word)) {
            self.connected(word, hint);
            return &[];
        }
        let must = param.is_some_and(|param| self.must_have(param));
        if !must && word.is("as") && self.keyword_of(word).is_none_or(|own| self.has(own.word)) {
            return self.bind(word, tail);
        }
        let keyword = self.keyword_of(word);
        // A keyword may precede a text if its value and some text follow: `say $room to ann "hello"`, or stand for it.
        let instead =
            keyword.is_some_and(|keyword| param.is_some_and(|param| keyword.replaces == param.name));
        let before = param.is_some_and(|param| param.kind.is_text()) && tail.len() > usize::from(!instead);
        let must = must && !before;
        if let (false, Some(keyword)) = (must, keyword) {
            return self.keyword(keyword, word, tail);
        }
        let Some(param) = param.filter(|param| !self.is_misspelt(param, word, tail)) else {
            self.unexpected(word);
            // After an unknown word the rest cannot be interpreted either.
            return &[];
        };
        self.param += usize::from(!param.many);
        self.value(param, word, tail)
    }

    /// Takes the value of a parameter.
    fn value<'w>(&mut self, param: &'static Param, word: &Word, tail: &'w [Word]) -> &'w [Word] {
        match param.kind {
            Kind::Rest | Kind::Printed | Kind::Expression => self.rest(param.name, param.kind, word, tail),
            Kind::Endpoint => self.endpoint(param.name, word, tail),
            Kind::Port | Kind::Peer if self.carrier() == Some(Carrier::Unix) => {
                self.read(param.name, Kind::Path, word, None);
                tail
            }
            Kind::Peer => {
                self.read(param.name, Kind::Endpoint, word, None);
                tail
            }
            kind => {
                self.read(param.name, kind, word, None);
                tail
            }
        }
    }

    fn bind<'w>(&mut self, word: &Word, tail: &'w [Word]) -> &'w [Word] {
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

    /// True if a further value of a repeated parameter looks more like a misspelt keyword, or if a word that is no choice
    /// of an optional one is the keyword of another tool.
    fn is_misspelt(&self, param: &Param, word: &Word, tail: &[Word]) -> bool {
        // Where the keyword follows, nothing else is meant to be it.
        let follows = |next: &Word| self.keyword_of(next).is_some_and(|keyword| keyword.required);
        if tail.iter().any(follows) {
            return false;
        }
        let text = word.literal().unwrap_or_default();
        let another = param.many && self.has(param.name) && !word.quoted && !text.contains(['.', '/', '*']);
        let is_no_choice = matches!(param.kind, Kind::Choice(words) if !words.contains(&&*text));
        let words = self.keywords().map(|keyword| keyword.word);
        let foreign = other_shells::keyword(&text).is_some();
        another && (foreign || nearest(&text, words).is_some()) || !param.required && is_no_choice && foreign
    }

    fn keyword<'w>(&mut self, keyword: &'static Keyword, word: &Word, tail: &'w [Word]) -> &'w [Word] {
        // A keyword ends a repeated parameter; otherwise a misspelt keyword after it would count as one more value.
        self.param += usize::from(self.verb.params.get(self.param).is_some_and(|param| param.many));
        if self.has(keyword.word) && !keyword.many {
            let mut expected: Vec<String> = self.next().iter().map(Next::describe).collect();
            expected.push("the end of the line".into());
            let title = format!("duplicate `{}`", keyword.word);
            self.errors.push(Diagnostic::new(title, word.span.clone()).expected(expected));
        }
        let Some(kind) = keyword.kind else {
            self.arguments.push((keyword.word, Argument::Ready(Datum::Flag), word.span.clone()));
            return tail;
        };
        let follows = tail
            .first()
            .filter(|next| !(keyword.optional && (next.is("as") || self.keyword_of(next).is_some())));
        let Some(value) = follows else {
            if tail.is_empty() {
                self.pending = Some(Next::KeywordValue(keyword, kind));
            }
            if keyword.optional {
                self.arguments.push((keyword.word, Argument::Ready(Datum::Flag), word.span.clone()));
            } else {
                let title = format!("`{}` needs {}", keyword.word, kind.describe());
                self.errors
                    .push(Diagnostic::new(title, word.span.clone()).expected([keyword.form()]).unfinished());
            }
            return tail;
        };
        self.end = value.span.end;
        if kind == Kind::Endpoint {
            return self.endpoint(keyword.word, value, &tail[1..]);
        }
        if kind == Kind::Filter {
            return self.rest(keyword.word, kind, value, &tail[1..]);
        }
        self.read(keyword.word, kind, value, None);
        &tail[1..]
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
                    self.arguments.push((name, Argument::Ready(Datum::Flag), first.span.clone()));
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

    /// Reports an argument, and records it as given, so that no second error reports it as missing.
    fn refuse(&mut self, name: &'static str, word: &Word, diagnostic: Diagnostic) {
        self.errors.push(diagnostic);
        self.arguments.push((name, Argument::Ready(Datum::Flag), word.span.clone()));
    }

    /// Reports a word that pipes, redirects or chains commands in other shells.
    fn connected(&mut self, word: &Word, hint: &'static str) {
        let title = format!("`{}` cannot follow here", word.literal().unwrap_or_default());
        let expected = "the end of the line, or the text in quotes".to_owned();
        self.errors.push(Diagnostic::new(title, word.span.clone()).expected([expected]).hint(hint));
    }

    /// The fix for an endpoint whose keyword was left out: `to host:9000` for `send x host:9000`.
    fn introduction(&self, text: &str) -> Option<String> {
        use crate::base::endpoint::{of_url, parse};
        let endpoint = parse(text)
            .is_ok()
            .then(|| text.to_owned())
            .or_else(|| of_url(text).map(|(endpoint, _)| endpoint))?;
        let missing = |keyword: &&Keyword| keyword.kind == Some(Kind::Endpoint) && !self.has(keyword.word);
        self.keywords().find(missing).map(|keyword| format!("{} {endpoint}", keyword.word))
    }

    fn unexpected(&mut self, word: &Word) {
        let text = word.literal().unwrap_or_else(|| word.written().into());
        if let Some(diagnostic) = typed_key::found(word) {
            return self.errors.push(diagnostic);
        }
        let owners = self.other_owners(&text);
        if !owners.is_empty() {
            let diagnostic = self.not_an_option(word, &owners);
            return self.errors.push(diagnostic);
        }
        let words = self.keywords().map(|keyword| keyword.word).filter(|word| !self.has(word)).chain(["as"]);
        let synonym =
            other_shells::keyword(&text).filter(|word| self.keywords().any(|known| known.word == *word));
        let fix =
            self.introduction(&text).or_else(|| synonym.or_else(|| nearest(&text, words)).map(Into::into));
        let mut expected: Vec<String> = self.next().iter().map(Next::describe).collect();
        expected.push("the end of the line".into());
        let title = format!("`{text}` cannot follow here");
        let many = self.verb.params.get(self.param).is_some_and(|param| param.many);
        let hint = many.then_some("put a file of that name in quotes");
        let diagnostic = Diagnostic::new(title, word.span.clone()).expected(expected).fix(fix).hint(hint);
        self.errors.push(diagnostic.usage(self.usage()));
    }

    /// The services that take the option, where another was named.
    fn other_owners(&self, option: &str) -> Vec<&'static str> {
        if !matches!(self.services, Services::One(_)) {
            return Vec::new();
        }
        let owners = self.vocabulary.services.iter().filter(|service| service.keyword(option).is_some());
        owners.map(|service| service.name).collect()
    }

    fn not_an_option(&self, word: &Word, owners: &[&str]) -> Diagnostic {
        let text = word.literal().unwrap_or_default();
        let mut expected: Vec<String> = self.next().iter().map(Next::describe).collect();
        expected.push("the end of the line".into());
        let own = match self.services {
            Services::One(service) => service.name,
            Services::None | Services::Any => self.verb.name,
        };
        let title = format!("`{text}` is an option of {}, not of {own}", all_of(owners));
        Diagnostic::new(title, word.span.clone()).expected(expected)
    }

    /// The fix for `get http://host:9000/a.bin` and `get host:9000/a.bin`: `get a.bin from host:9000`.
    fn address_with_name(&self, keyword: &Keyword) -> Option<String> {
        let (_, Argument::Ready(Datum::Text(text) | Datum::Path(text, _)), _) = self.arguments.first()?
        else {
            return None;
        };
        if let [_, .., (_, Argument::Ready(Datum::Path(last, _)), _)] = self.arguments.as_slice()
            && let Some(introduced) = self.introduction(last)
        {
            return Some(introduced);
        }
        let (endpoint, name) = crate::base::endpoint::of_url(text)?;
        let is_place = keyword.kind == Some(Kind::Endpoint) && !name.is_empty();
        is_place.then(|| format!("{} {name} {} {endpoint}", self.verb.name, keyword.word))
    }

    fn check_missing(&mut self) {
        let place = self.end..self.end;
        if let Some(param) = self.verb.params.get(self.param).filter(|param| self.must_have(param)) {
            let title = format!(
                "`{}` needs {}: {}",
                self.verb.name,
                param.kind.placeholder_of(param.name),
                param.help
            );
            self.errors
                .push(Diagnostic::new(title, place).expected([param.kind.describe()]).usage(self.usage()));
        } else if let Some(keyword) = self.verb.keywords.iter().find(|k| k.required && !self.has(k.word)) {
            let title = format!("`{}` needs `{}`: {}", self.verb.name, keyword.form(), keyword.help);
            let diagnostic = Diagnostic::new(title, place).expected([keyword.form()]);
            self.errors.push(diagnostic.fix(self.address_with_name(keyword)).usage(self.usage()));
        } else if let [(name, Argument::Ready(Datum::Text(text)), span), ..] = self.arguments.as_slice()
            && self.verb.params.first().is_some_and(|param| matches!(param.kind, Kind::Remote(_)))
            && let Some(keyword) = self.verb.keywords.iter().find(|k| k.kind == Some(Kind::Endpoint))
            && !self.has(keyword.word)
            && let Some(fix) = self.address_with_name(keyword)
        {
            let title = format!("`{text}` combines an address and a {name}");
            let diagnostic = Diagnostic::new(title, span.clone()).expected([(*name).to_owned()]);
            self.errors.push(diagnostic.fix(fix).usage(self.usage()));
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
