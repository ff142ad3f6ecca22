//! Matches the words of a command against the row of its verb, in one pass. The pass yields the bound arguments, the
//! errors, and what may come next: the parser uses the first two, completion and hints the last.
//!
//! | file | holds |
//! |---|---|
//! | `argument` | arguments, as they are taken from the front |
//! | `follows` | what may follow |
//! | `complaint` | what is wrong, and what was probably meant |

mod argument;
mod complaint;
mod follows;

use std::ops::Range;

use super::lexer::Word;
use super::next::Next;
use super::refused::{carriers, dash, typed_key};
use crate::base::Carrier;
use crate::language::arguments::{Argument, Invocation};
use crate::language::diagnostic::Diagnostic;
use crate::language::kind::{Datum, Kind};
use crate::language::other_shells::connector;
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
}
