//! [`Statement`]s → [`Plan`]: verbs and types are checked against the table, names against what was bound before;
//! sourced files are read through a function of the caller. All errors are collected; nothing runs if there is one.

use crate::language::script::Heading;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::condition;
use super::scope::{Known, Scope};
use super::{Action, Plan, Step, Test};
use crate::base::secrets::key::seen;
use crate::language::arguments::{Argument, Invocation};
use crate::language::diagnostic::{Diagnostic, Report, Source, nearest};
use crate::language::kind::{Datum, Kind, Place, SessionRef};
use crate::language::other_shells::{self, Advice};
use crate::language::parse::command::Matcher;
use crate::language::parse::grammar;
use crate::language::parse::lexer::{Segment, Word};
use crate::language::script::{
    Body, Expectation, FileExpectation, FileTest, Prefix, SessionExpectation, SessionTest, Statement,
    TriggerEvent, error_code,
};
use crate::language::statement::statement;
use crate::language::vocabulary::Vocabulary;
use crate::language::{SOURCE_DEPTH_LIMIT, STATEMENT_LIMIT};

/// Reads a sourced file. The path is as written, relative to the given source that names it; the error says why the
/// file cannot be read.
pub type Loader<'a> = &'a dyn Fn(&str, &Source) -> Result<Arc<Source>, String>;

/// Checks a text against the table and the names. On success `scope` gains the names that the text binds (with tests:
/// those bound above the first one); on failure every error of the text is returned.
pub fn plan(
    source: &Arc<Source>,
    vocabulary: &Vocabulary,
    scope: &mut Scope,
    load: Loader<'_>,
) -> Result<Plan, Vec<Report>> {
    let mut planner = Planner::new(vocabulary, load).read(source, scope)?;
    if let Some(setup) = planner.setup.take() {
        *scope = setup;
    }
    Ok(planner.plan)
}

/// Like [`plan`], but returns only the number of statements, and memory does not grow with it.
pub fn check(
    source: &Arc<Source>,
    vocabulary: &Vocabulary,
    scope: &mut Scope,
    load: Loader<'_>,
) -> Result<usize, Vec<Report>> {
    let planner = Planner { keep: false, ..Planner::new(vocabulary, load) };
    planner.read(source, scope).map(|planner| planner.steps)
}

/// Errors show the line that they are in: keys in it are masked, as in every other output.
fn without_keys(mut errors: Vec<Report>) -> Vec<Report> {
    // Most errors are of one text, and most texts have no key.
    let mut known: Vec<(Arc<Source>, Arc<Source>)> = Vec::new();
    for Report { source, diagnostic } in &mut errors {
        let masked =
            known.iter().find(|(whole, _)| Arc::ptr_eq(whole, source)).map(|(_, masked)| masked.clone());
        let masked = masked.unwrap_or_else(|| {
            let masked = match seen::masked(&source.text) {
                Cow::Borrowed(_) => source.clone(),
                Cow::Owned(text) => Source::new(source.name.clone(), text),
            };
            known.push((source.clone(), masked.clone()));
            masked
        });
        if !Arc::ptr_eq(&masked, source) {
            let without = |words: &str| seen::masked_in(words, &source.text);
            diagnostic.title = without(&diagnostic.title).into();
            diagnostic.fix = diagnostic.fix.take().map(|fix| without(&fix));
            *source = masked;
        }
    }
    errors
}

struct Planner<'a> {
    vocabulary: &'a Vocabulary,
    load: Loader<'a>,
    plan: Plan,
    /// False if only the errors are wanted, not the steps.
    keep: bool,
    errors: Vec<Report>,
    /// Names of the files being read, outermost first.
    open: Vec<String>,
    steps: usize,
    /// The scope after the lines above the first `test`.
    setup: Option<Scope>,
}

impl<'a> Planner<'a> {
    fn new(vocabulary: &'a Vocabulary, load: Loader<'a>) -> Self {
        Self {
            vocabulary,
            load,
            plan: Plan::default(),
            keep: true,
            errors: Vec::new(),
            open: Vec::new(),
            steps: 0,
            setup: None,
        }
    }

    /// Reads a text to its end. The errors are sorted by their place in the text, whichever pass found them.
    fn read(mut self, source: &Arc<Source>, scope: &mut Scope) -> Result<Self, Vec<Report>> {
        self.text(source, scope);
        self.errors.sort_by_key(|report| (report.source.name != source.name, report.diagnostic.span.start));
        if self.errors.is_empty() { Ok(self) } else { Err(without_keys(self.errors)) }
    }

    fn text(&mut self, source: &Arc<Source>, scope: &mut Scope) {
        self.open.push(source.name.clone());
        for statement in grammar::statements(&source.text) {
            let statement = match statement {
                Ok(statement) => statement,
                Err(diagnostic) => {
                    self.error(source, *diagnostic);
                    continue;
                }
            };
            self.steps += 1;
            if self.steps > STATEMENT_LIMIT {
                self.error(
                    source,
                    Diagnostic::new(
                        format!("more than {STATEMENT_LIMIT} statements in a script"),
                        statement.span,
                    ),
                );
                break;
            }
            self.statement(source, statement, scope);
        }
        self.open.pop();
    }

    fn error(&mut self, source: &Arc<Source>, diagnostic: Diagnostic) {
        self.errors.push(Report { source: source.clone(), diagnostic });
    }

    fn statement(&mut self, source: &Arc<Source>, statement: Statement, scope: &mut Scope) {
        let Statement { span, prefixes, body } = statement;
        self.check_prefixes(source, &prefixes, scope);
        let action = match body {
            Body::Source(path) => return self.source(source, &path, scope),
            Body::Test(heading) => return self.heading(source, heading, span, scope),
            Body::Command { verb, words, background } => {
                let may_fail = prefixes.iter().any(|prefix| matches!(prefix, Prefix::ExpectError(_)));
                match self.command(source, &verb, &words, background, (&span, may_fail), scope) {
                    Some(invocation) => Action::Command(Box::new(invocation)),
                    None => return,
                }
            }
            Body::Expect(expectation) => self.expectation(source, expectation, scope),
            Body::ExpectSession(expectation) => self.session_expectation(source, expectation, scope),
            Body::ExpectFile(expectation) => self.file_expectation(source, expectation, scope),
            Body::Let { name, value } => {
                self.check_word(source, &value, scope);
                scope.define(&name, known(&value, scope));
                Action::Let { name, value }
            }
            Body::Secret(name) => {
                scope.define(&name, Known::Scalar(None));
                Action::Secret(name)
            }
            Body::Shell(text) => Action::Shell(text),
            Body::Skip { reason, unless } => self.skip(source, reason, unless, scope),
            Body::Timeout(duration) => Action::Timeout(duration),
        };
        if !self.keep {
            return;
        }
        self.push(Step { source: source.clone(), span, prefixes, action });
    }

    fn check_prefixes(&mut self, source: &Arc<Source>, prefixes: &[Prefix], scope: &Scope) {
        for prefix in prefixes {
            match prefix {
                Prefix::ExpectError(Some(wanted)) => {
                    self.check_word(source, wanted, scope);
                    self.check_code(source, wanted);
                }
                Prefix::On(trigger) => {
                    self.check_word(source, &trigger.session, scope);
                    if let TriggerEvent::Says(word) | TriggerEvent::Matching(word) = &trigger.event {
                        self.check_word(source, word, scope);
                    }
                }
                _ => {}
            }
        }
    }

    fn expectation(&mut self, source: &Arc<Source>, expectation: Expectation, scope: &Scope) -> Action {
        self.check_word(source, &expectation.left, scope);
        if let Some((_, right)) = &expectation.test {
            self.check_word(source, right, scope);
        }
        condition::check(&expectation, scope).into_iter().for_each(|wrong| self.error(source, wrong));
        Action::Expect(expectation)
    }

    fn session_expectation(
        &mut self,
        source: &Arc<Source>,
        expectation: SessionExpectation,
        scope: &mut Scope,
    ) -> Action {
        self.check_word(source, &expectation.session, scope);
        if let Some(word) = expectation.test.word() {
            self.check_word(source, word, scope);
        }
        if let SessionTest::Traced(word) = &expectation.test
            && let (Some(check), Some(text)) = (self.vocabulary.check_filter, word.literal())
            && let Some(why) = check(&text)
        {
            self.error(source, Diagnostic::new(why, word.span.clone()));
        }
        if let Some(name) = &expectation.binding {
            scope.define(name, Known::Any);
        }
        Action::ExpectSession(expectation)
    }

    fn file_expectation(
        &mut self,
        source: &Arc<Source>,
        expectation: FileExpectation,
        scope: &Scope,
    ) -> Action {
        self.check_word(source, &expectation.path, scope);
        if let FileTest::SameAs(word) | FileTest::Contains(word) = &expectation.test {
            self.check_word(source, word, scope);
        }
        Action::ExpectFile(expectation)
    }

    fn skip(&mut self, source: &Arc<Source>, reason: Word, unless: Option<Word>, scope: &Scope) -> Action {
        self.check_word(source, &reason, scope);
        if let Some(unless) = &unless {
            self.check_word(source, unless, scope);
            condition::check_bare(unless, scope).into_iter().for_each(|wrong| self.error(source, wrong));
        }
        Action::Skip { reason, unless }
    }

    fn push(&mut self, step: Step) {
        match self.plan.tests.last_mut() {
            Some(test) => test.steps.push(step),
            None => self.plan.setup.push(step),
        }
    }

    /// A test begins: with the names that were bound above the first one.
    fn heading(&mut self, source: &Arc<Source>, heading: Heading, span: Range<usize>, scope: &mut Scope) {
        if self.open.len() > 1 {
            return self.error(source, Diagnostic::new("a `test` is not allowed in a sourced file", span));
        }
        let setup = self.setup.get_or_insert_with(|| scope.clone());
        *scope = setup.clone();
        self.plan.tests.push(Test { heading, span, source: source.clone(), steps: Vec::new() });
    }

    fn source(&mut self, source: &Arc<Source>, path: &Word, scope: &mut Scope) {
        let wrong = |title: String| Diagnostic::new(title, path.span.clone());
        let Some(text) = path.literal() else {
            return self
                .error(source, wrong("the path of `source` must be known before anything runs".into()));
        };
        if self.open.len() > SOURCE_DEPTH_LIMIT {
            return self
                .error(source, wrong(format!("`source` nests deeper than {SOURCE_DEPTH_LIMIT} files")));
        }
        match (self.load)(&text, source) {
            Ok(inner) if self.open.contains(&inner.name) => {
                self.error(source, wrong(format!("`{text}` sources itself")));
            }
            Ok(inner) => self.text(&inner, scope),
            Err(why) => {
                self.error(source, wrong(why).expected(["a file, relative to this one".into()]));
            }
        }
    }

    fn command(
        &mut self,
        source: &Arc<Source>,
        verb: &Word,
        words: &[Word],
        background: bool,
        (span, may_fail): (&Range<usize>, bool),
        scope: &mut Scope,
    ) -> Option<Invocation> {
        let name = verb.literal().filter(|_| !verb.quoted).unwrap_or_default();
        let Some(row) = self.vocabulary.verb(&name) else {
            self.unknown_verb(source, verb, words);
            return None;
        };
        for word in words {
            self.check_word(source, word, scope);
        }
        match Matcher::walk(row, words, &verb.span, self.vocabulary).finish(background, span.clone()) {
            Ok(invocation) => {
                self.check_sessions(source, &invocation, scope);
                if !may_fail {
                    self.check_expressions(source, &invocation);
                }
                if let Some(name) = &invocation.binding {
                    scope.define(name, Known::Record(invocation.fields()));
                }
                Some(invocation)
            }
            Err(diagnostics) => {
                diagnostics.into_iter().for_each(|diagnostic| self.error(source, diagnostic));
                // A later use of the name must not be reported as a second error.
                if let Some(name) = name_after_as(words) {
                    scope.define(&name, Known::Any);
                }
                None
            }
        }
    }

    fn unknown_verb(&mut self, source: &Arc<Source>, verb: &Word, words: &[Word]) {
        let text = source.slice(&verb.span);
        let literal = verb.literal().unwrap_or_default();
        let matching: Vec<String> = if self.vocabulary.prefixes && !literal.is_empty() {
            self.vocabulary
                .verbs
                .iter()
                .filter(|row| row.name.starts_with(&*literal))
                .map(|row| row.name.into())
                .collect()
        } else {
            Vec::new()
        };
        let title = if matching.len() > 1 {
            format!("ambiguous command: {text}")
        } else {
            format!("unknown command: {text}")
        };
        let expected =
            if matching.is_empty() { vec!["a command; `help` lists them".into()] } else { matching };
        let advice = other_shells::verb(&literal);
        let line = source.slice(&(verb.span.start..words.last().unwrap_or(verb).span.end));
        let (fix, hint) = match advice {
            Some(Advice::Word(known)) => (Some(known.to_owned()), None),
            Some(Advice::Hint(hint)) => (None, Some(hint)),
            None if other_shells::is_arithmetic(line) => (Some(format!("calc {line}")), None),
            None if statement(&literal).is_some() => (None, None),
            None => (self.vocabulary.nearest_verb(&literal).map(Into::into), None),
        };
        let diagnostic = Diagnostic::new(title, verb.span.clone()).expected(expected);
        self.error(source, diagnostic.fix(fix).hint(hint));
    }

    /// Reports an unknown error code: an expectation with it could never be met.
    fn check_code(&mut self, source: &Arc<Source>, word: &Word) {
        let Some(code) = error_code(word) else { return };
        if !self.vocabulary.codes.iter().any(|known| *known == code) {
            let fix = nearest(&code, self.vocabulary.codes.iter().copied()).map(Into::into);
            let expected = self.vocabulary.codes.iter().map(|code| (*code).to_owned());
            let title = format!("no error has the code {code}");
            self.error(source, Diagnostic::new(title, word.span.clone()).expected(expected).fix(fix));
        }
    }

    /// Every `$name.field` in a word must be known.
    fn check_word(&mut self, source: &Arc<Source>, word: &Word, scope: &Scope) {
        for segment in &word.segments {
            if let Segment::Reference(path, span) = segment {
                self.check_path(source, path, span, scope);
            }
        }
    }

    fn check_path(&mut self, source: &Arc<Source>, path: &[String], span: &Range<usize>, scope: &Scope) {
        let name = &path[0];
        let Some(known) = scope.known(name) else {
            if name.chars().all(|c| c.is_ascii_digit()) {
                let title = format!("argument ${name} was not given");
                return self.error(source, Diagnostic::new(title, span.clone()));
            }
            return self.error(source, unknown_name(name, span.clone(), scope, "$"));
        };
        match (known, path.get(1)) {
            // A client of a server that is a session of its own.
            (Known::Record(fields), Some(field)) if is_client(field) && fields.find("clients").is_some() => {}
            // The record of its packets, if it is a session.
            (Known::Record(fields), Some(field)) if field == "trace" && fields.find("state").is_some() => {}
            (Known::Record(fields), Some(field)) if !fields.iter().any(|f| f.name == field) => {
                let fix =
                    nearest(field, fields.iter().map(|f| f.name)).map(|field| format!("${name}.{field}"));
                let expected = fields.iter().map(|f| f.name.to_owned());
                let title = format!("`{name}` has no field `{field}`");
                self.error(source, Diagnostic::new(title, span.clone()).expected(expected).fix(fix));
            }
            (Known::Scalar(_), Some(field)) => {
                let title = format!("`{name}` is a single value and has no field `{field}`");
                let diagnostic = Diagnostic::new(title, span.clone()).expected([format!("${name}")]);
                self.error(source, diagnostic.fix(format!("${name}")));
            }
            _ => {}
        }
    }

    /// Reports expressions that the calculator cannot parse.
    fn check_expressions(&mut self, source: &Arc<Source>, invocation: &Invocation) {
        let Some(check) = self.vocabulary.check_expression else { return };
        for (name, argument, span) in &invocation.arguments {
            let is_expression = invocation
                .verb
                .params
                .iter()
                .any(|param| param.name == *name && param.kind == Kind::Expression);
            let Argument::Ready(Datum::Text(text)) = argument else { continue };
            if !is_expression {
                continue;
            }
            let Some((why, column)) = check(text) else { continue };
            // Columns of a quoted text differ from those of the line.
            let place = if source.slice(span) == text {
                let at = text.char_indices().nth(column - 1).map_or(text.len(), |(at, _)| at);
                let length = text[at..].chars().next().map_or(0, char::len_utf8);
                span.start + at..span.start + at + length
            } else {
                span.clone()
            };
            let expected = ["numbers, + - * / %, ( and )".to_owned()];
            let diagnostic = Diagnostic::new(format!("`{text}`: {why}"), place).expected(expected);
            self.error(source, diagnostic.unfinished());
        }
    }

    /// Bare names of sessions must be bound; whether an id exists is known only at run time.
    fn check_sessions(&mut self, source: &Arc<Source>, invocation: &Invocation, scope: &Scope) {
        for (_, argument, span) in &invocation.arguments {
            if let Argument::Ready(
                Datum::Session(SessionRef::Name(name))
                | Datum::Endpoint(_, Place::Session(SessionRef::Name(name))),
            ) = argument
                && scope.known(name.split('.').next().unwrap_or_default()).is_none()
                && !source.slice(span).starts_with('$')
            {
                let takes_text = invocation.verb.params.iter().any(|param| param.kind == Kind::SessionOrText);
                let hint = takes_text.then_some("put a text in quotes");
                self.error(source, unknown_name(name, span.clone(), scope, "").hint(hint));
            }
        }
    }
}

/// `$srv.1`, `$srv.last`
fn is_client(field: &str) -> bool {
    field == "last" || field.parse::<u64>().is_ok()
}

/// The name after the first `as` of a command that could not be parsed.
fn name_after_as(words: &[Word]) -> Option<Cow<'_, str>> {
    words.windows(2).find(|pair| pair[0].is("as")).and_then(|pair| pair[1].literal())
}

fn unknown_name(name: &str, span: Range<usize>, scope: &Scope, sigil: &str) -> Diagnostic {
    let fix = nearest(name, scope.names()).map(|near| format!("{sigil}{near}"));
    let expected = ["a name that was bound before with `as NAME` or `let NAME = …`".to_owned()];
    Diagnostic::new(format!("unknown name `{name}`"), span).expected(expected).fix(fix)
}

/// What is known of a name that is bound to a word.
fn known(value: &Word, scope: &Scope) -> Known {
    let is_alias = value.reference().is_some_and(|path| path.len() == 1);
    if is_alias { Known::Any } else { Known::Scalar(condition::dimension(value, scope)) }
}
