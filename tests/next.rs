//! What may come next is asked of the parser itself: what it reads, it had announced.

use nls::language::parse::ahead::behind;
use nls::language::parse::lexer::{Token, tokens};
use nls::language::parse::next::Next;
use nls::language::statement::STATEMENTS;
use nls::shell::catalogue::vocabulary;

fn after(line: &str) -> Vec<Next> {
    behind(&tokens(line, 0), &vocabulary(true))
}

fn words(line: &str) -> Vec<String> {
    after(line).iter().map(Next::describe).collect()
}

/// Lines of every form, of the statements and of the verbs.
fn lines() -> Vec<String> {
    let statements = STATEMENTS.iter().flat_map(|form| form.example.lines());
    let more = [
        "retry 5 every 200ms: expect error \"no\": get x from :1",
        "expect not file a.bin same as b.bin within 2s",
        "expect file a.bin exists",
        "expect error: repeat 3 : print hi",
        "expect $x says \"hello\" within 2s",
        "skip \"why\" unless $x",
        "test \"name\" serial timeout 5s tag slow",
        "listen udp 0 chat open on any as room",
        "send a.bin to tcp host:9000 chunk 1024 as up &",
        "chat udp host:9001 name ann",
    ];
    let vocabulary = vocabulary(true);
    let verbs = vocabulary.verbs.iter().flat_map(|verb| verb.example.lines());
    statements.chain(more).chain(verbs).map(str::to_owned).collect()
}

/// What the parser reads, it had announced: at every word of every line.
#[test]
fn every_word_that_is_read_could_be_completed() {
    let mut checked = 0;
    for line in lines() {
        let all = tokens(&line, 0);
        for (at, token) in all.iter().enumerate() {
            let Token::Word(word) = token else { continue };
            let text = word.literal().unwrap_or_default();
            let next = after(&line[..word.span.start]);
            let fits = next.iter().any(|next| match next {
                Next::Statement(word) | Next::Word(word) => *word == text || format!("{word}:") == text,
                Next::Keyword(keyword) => keyword.word == text,
                Next::Verb => vocabulary(true).verb(&text).is_some(),
                Next::As => text == "as",
                Next::Background => false,
                _ => true,
            });
            // The words of a text in which anything may stand.
            let is_text = at > 0 && ["print", "say", "calc"].iter().any(|verb| line.contains(verb));
            assert!(fits || is_text, "`{text}` in `{line}`: {next:?}");
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked}");
}

#[test]
fn every_word_has_its_help() {
    for line in lines() {
        for end in (0..=line.len()).filter(|&end| line.is_char_boundary(end)) {
            for next in after(&line[..end]) {
                let explained =
                    !matches!(next, Next::Statement(_) | Next::Word(_)) || !next.help().is_empty();
                assert!(explained, "{next:?} behind `{}`", &line[..end]);
            }
        }
    }
}

#[test]
fn inside_a_statement_the_parser_says_what_follows() {
    assert_eq!(words("let x "), ["="]);
    assert_eq!(words("expect file a "), ["exists", "contains", "same"]);
    assert_eq!(words("retry 5 "), ["every", ":"]);
    assert_eq!(words("skip why "), ["unless"]);
    assert!(words("expect $x == 1 ").contains(&"within".to_owned()));
    assert!(words("repeat 3: ").contains(&"a command".to_owned()));
    assert!(!words("repeat 3: ").contains(&"test".to_owned()), "a test has no prefix");
    assert!(words("!ls ").is_empty() && words("let 9 ").is_empty());
}

#[test]
fn a_keyword_waits_for_its_value_and_a_transport_for_its_address() {
    assert!(matches!(after("send a to tcp ")[..], [Next::Address]));
    assert!(matches!(after("send a to :1 chunk ")[..], [Next::KeywordValue(..)]));
    assert!(matches!(after("send a to :1 as ")[..], [Next::Name]));
}
