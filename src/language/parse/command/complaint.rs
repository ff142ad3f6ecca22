//! What is wrong with the words of a command, and what was probably meant.

use super::{Matcher, Services};
use crate::base::quantity::all_of;
use crate::language::arguments::Argument;
use crate::language::diagnostic::{Diagnostic, nearest};
use crate::language::kind::{Datum, Kind};
use crate::language::other_shells;
use crate::language::parse::lexer::Word;
use crate::language::parse::refused::typed_key;
use crate::language::verb::{Keyword, Param};

impl Matcher<'_> {
    /// True if a further value of a repeated parameter looks more like a misspelt keyword, or if a word that is no choice
    /// of an optional one is the keyword of another tool.
    pub(super) fn is_misspelt(&self, param: &Param, word: &Word, tail: &[Word]) -> bool {
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

    /// Reports an argument, and records it as given, so that no second error reports it as missing.
    pub(super) fn refuse(&mut self, name: &'static str, word: &Word, diagnostic: Diagnostic) {
        self.errors.push(diagnostic);
        self.flag(name, word);
    }

    /// Reports a word that pipes, redirects or chains commands in other shells.
    pub(super) fn connected(&mut self, word: &Word, hint: &'static str) {
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

    pub(super) fn unexpected(&mut self, word: &Word) {
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
        let title = format!("`{text}` cannot follow here");
        let many = self.verb.params.get(self.param).is_some_and(|param| param.many);
        let hint = many.then_some("put a file of that name in quotes");
        let diagnostic =
            Diagnostic::new(title, word.span.clone()).expected(self.expected()).fix(fix).hint(hint);
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
        let own = match self.services {
            Services::One(service) => service.name,
            Services::None | Services::Any => self.verb.name,
        };
        let title = format!("`{text}` is an option of {}, not of {own}", all_of(owners));
        Diagnostic::new(title, word.span.clone()).expected(self.expected())
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

    pub(super) fn check_missing(&mut self) {
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
