//! A key that stands in a command: it can be read there by others, and comes from elsewhere.

use std::ops::Range;

use crate::base::secrets::key::seen;
use crate::language::diagnostic::Diagnostic;
use crate::language::kind::Kind;
use crate::language::parse::lexer::Word;
use crate::language::verb::Verb;

/// Fewest words that can be a key.
const WORDS: usize = 12;

/// The error for a key as an argument of this kind; `None` if it is none, or if the kind is a text that may be anything.
pub(in crate::language::parse) fn refused(kind: Kind, word: &Word) -> Option<Diagnostic> {
    let is_free = matches!(
        kind,
        Kind::Rest | Kind::Printed | Kind::Text | Kind::SessionOrText | Kind::Expression | Kind::Remote(_)
    );
    if is_free { None } else { found(word) }
}

/// The error for a key as words without quotes, which are as many arguments; `None` if there is none, or if the verb
/// takes a text of words.
pub(in crate::language::parse) fn spread(verb: &Verb, words: &[Word]) -> Option<Diagnostic> {
    let takes_text = verb.params.iter().any(|param| param.kind.is_text() || param.kind == Kind::Expression);
    let (first, last) = (words.first()?, words.last()?);
    if takes_text || words.len() < WORDS {
        return None;
    }
    let texts: Vec<_> = words.iter().map(|word| word.literal().unwrap_or_default()).collect();
    // A single word with a key in it is reported where it stands.
    let is_spread = seen::occurs_in(&texts.join(" ")) && !texts.iter().any(|text| seen::occurs_in(text));
    is_spread.then(|| error(first.span.start..last.span.end))
}

/// The error for a key where nothing can follow; `None` if it is none.
pub(in crate::language::parse) fn found(word: &Word) -> Option<Diagnostic> {
    word.literal().is_some_and(|text| seen::occurs_in(&text)).then(|| error(word.span.clone()))
}

fn error(span: Range<usize>) -> Diagnostic {
    let title = "a key must not stand in a command: a history keeps it, and `ps` shows it to others";
    let expected = "the name of a key, a file, or a variable such as $env.NLS_KEY".to_owned();
    let hint = "this one has been seen: make another with `key new`; `key import NAME` asks for one";
    Diagnostic::new(title, span).expected([expected]).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Key, mix};
    use crate::language::verb::{Keyword, Lasting, Param};
    use crate::language::{Action, Argument, Datum, Plan, Report, Scope, Source, Vocabulary, plan};

    const BARE: Verb = Verb {
        name: "join",
        aliases: &[],
        summary: "",
        details: "",
        params: &[Param::optional("path", Kind::Path, "a path")],
        keywords: &[Keyword::new("key", Kind::Key, "the key"), Keyword::flag("open", "for all")],
        fields: &[],
        example: "",
        next: "",
        lasting: Lasting::Instant,
        capabilities: &[],
    };
    static JOIN: Verb = BARE;
    static SERVE: Verb = Verb {
        name: "serve",
        keywords: &[Keyword::new("key", Kind::Key, "the keys").many(), Keyword::flag("open", "for all")],
        ..BARE
    };

    fn read(text: &str) -> Result<Plan, Vec<Report>> {
        let vocabulary = Vocabulary { verbs: vec![&JOIN, &SERVE], ..Vocabulary::default() };
        let load = |_: &str, _: &Source| Err("there are no files".to_owned());
        plan(&Source::new("t", text), &vocabulary, &mut Scope::builtin(0), &load)
    }

    /// The arguments of one command.
    fn arguments(text: &str) -> Vec<Argument> {
        let plan = read(text).unwrap();
        let Action::Command(invocation) = &plan.setup[0].action else { panic!("{text}") };
        invocation.arguments.iter().map(|(_, argument, _)| argument.clone()).collect()
    }

    fn key() -> Key {
        Key::made_by(|bytes| *bytes = std::array::from_fn(|n| mix(n as u64) as u8))
    }

    #[test]
    fn a_key_is_named_by_its_name_its_file_or_a_variable() {
        let name = |text: &str| Argument::Ready(Datum::Text(text.into()));
        let file = |path: &str, bare| Argument::Ready(Datum::Path(path.into(), bare));
        assert_eq!(arguments("join key ann"), [name("ann")]);
        assert_eq!(arguments("join key ./ann"), [file("./ann", true)]);
        assert_eq!(arguments("join key '~/a b.key'"), [file("~/a b.key", false)]);
        assert!(matches!(arguments("join key $env.NLS_KEY")[..], [Argument::Later(Kind::Key, ..)]));
        let several = arguments("serve key ann open key $env.B key c.key");
        assert!(
            matches!(several[..], [_, Argument::Ready(Datum::Flag), Argument::Later(..), _]),
            "{several:?}"
        );
    }

    #[test]
    fn one_that_listens_takes_several_keys_and_one_that_connects_takes_one() {
        assert!(read("serve key ann key bob").is_ok());
        let wrong = read("join key ann key bob").unwrap_err();
        assert_eq!(&*wrong[0].diagnostic.title, "duplicate `key`");
        assert_eq!(JOIN.usage(), "join [PATH] [key NAME|FILE] [open]");
        assert_eq!(SERVE.usage(), "serve [PATH] [key NAME|FILE]… [open]");
        let next = |line: &str| {
            let vocabulary = Vocabulary { verbs: vec![&JOIN, &SERVE], ..Vocabulary::default() };
            let before = crate::language::parse::lexer::tokens(line, 0);
            let next = crate::language::parse::ahead::behind(&before, &vocabulary);
            next.iter().any(|next| next.describe() == "key NAME|FILE")
        };
        assert!(next("serve key ann ") && next("join open ") && !next("join key ann "));
    }

    #[test]
    fn row_114_a_key_in_a_command_is_refused_and_masked_where_it_stands() {
        let (text, words) = (key().text(), key().words());
        for (front, form) in [
            ("join key ", text.to_string()),
            ("serve key ann key ", format!("\"{}\"", *words)),
            ("join here ", text.to_uppercase()),
            ("join ", text.to_string()),
            ("join open key ", text[..40].to_owned()),
            ("join ", words.to_string()),
        ] {
            let line = format!("{front}{form}");
            let wrong = read(&line).unwrap_err();
            let Report { source, diagnostic } = &wrong[0];
            assert!(diagnostic.title.contains("must not stand in a command"), "{line}: {}", diagnostic.title);
            assert_eq!(diagnostic.span, front.len()..line.len(), "{line}");
            assert_eq!(source.text.len(), line.len());
            assert!(!seen::occurs_in(&format!("{}{}", source.text, diagnostic.title)), "{}", source.text);
        }
        let wrong = read(&format!("jion {}\njoin key 'tiger lily'", *text)).unwrap_err();
        assert!(wrong.iter().all(|report| !seen::occurs_in(&report.source.text)));
        assert!(wrong[1].diagnostic.title.contains("a password that somebody chose"));
    }

    #[test]
    fn row_114_a_statement_with_a_key_in_it_is_not_shown() {
        let plan =
            read(&format!("join open\nlet k = {}\nlet w = '{}'", *key().text(), *key().words())).unwrap();
        assert_eq!(
            plan.setup.iter().map(crate::language::Step::has_secret).collect::<Vec<_>>(),
            [false, true, true]
        );
    }
}
