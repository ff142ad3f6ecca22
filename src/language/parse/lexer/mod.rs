//! Text → logical lines → tokens, with nom.
//!
//! The lexer only separates words; what a word means depends on where it is used (`%2` is a session in `wait %2`
//! and arithmetic in `calc`). It never fails: what cannot be read becomes an error token with a span.
//!
//! | file | holds |
//! |---|---|
//! | `token` | what a line is read as |
//! | `word` | one word: bare text, quotes and references |
//! | `parts` | … and its parts |
//! | `quotes` | what a double quote holds |
//! | `written` | … and the way back: a text as a word |

mod parts;
mod quotes;
mod token;
mod word;
mod written;

use std::ops::Range;

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while1};
use nom::combinator::value;
use nom::multi::many0_count;
use nom::{IResult, Parser};

pub use token::{Segment, Token, Word};
pub use written::{as_word, is_bare, quoted};

use self::parts::ends_word;
use self::word::{style_after, word};
use crate::language::LINE_LIMIT;
use crate::language::diagnostic::Diagnostic;

/// Byte ranges of the logical lines of a text: a `\` at the end of a line joins it with the next; a BOM, and `#!` on
/// line 1, are skipped.
pub fn logical_lines(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    if text[at..].starts_with("#!") {
        at = text[at..].find('\n').map_or(text.len(), |end| at + end + 1);
    }
    std::iter::from_fn(move || {
        if at >= text.len() {
            return None;
        }
        let start = at;
        loop {
            let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
            at = (end + 1).min(text.len().max(end));
            let line = text[start..end].strip_suffix('\r').unwrap_or(&text[start..end]);
            if !line.ends_with('\\') || end == text.len() {
                at = end + 1;
                return Some(start..start + line.len());
            }
            at = end + 1;
        }
    })
}

/// Splits one logical line, which begins at byte `base` of the text, into tokens. Comments and blanks yield none.
pub fn tokens(line: &str, base: usize) -> Vec<Token> {
    let mut out = Vec::new();
    tokens_into(line, base, &mut out);
    out
}

/// Like [`tokens`], but appends to a buffer that the caller reuses: a comment or an empty line allocates nothing.
pub(crate) fn tokens_into(line: &str, base: usize, out: &mut Vec<Token>) {
    if line.len() > LINE_LIMIT {
        let title = format!("the line is {} bytes long; the limit is {LINE_LIMIT}", line.len());
        return out.push(Token::Error(Box::new(Diagnostic::new(title, base..base + 1))));
    }
    if let Some(nul) = line.find('\0') {
        let at = base + nul..base + nul + 1;
        return out.push(Token::Error(Box::new(Diagnostic::new("a script cannot contain a NUL byte", at))));
    }
    let mut rest = line;
    let mut first = true;
    loop {
        rest = blank(rest).map_or(rest, |(rest, ())| rest);
        let at = base + (line.len() - rest.len());
        if rest.is_empty() || rest.starts_with('#') && !is_packet(rest, out) {
            return;
        }
        if let Some(tail) = rest.strip_prefix(';') {
            out.push(Token::Semicolon(at..at + 1));
            (rest, first) = (tail, true);
        } else if let Some(command) = bang(rest, first, out) {
            out.push(Token::Bang(command.trim().into(), at..base + line.len()));
            return;
        } else if rest.starts_with('&') && ends_word(&rest[1..]) {
            out.push(Token::Ampersand(at..at + 1));
            rest = &rest[1..];
        } else {
            match word(rest, at, style_after(out.last())) {
                Ok((tail, word)) => {
                    out.push(Token::Word(word));
                    (rest, first) = (tail, false);
                }
                Err(diagnostic) => {
                    out.push(Token::Error(Box::new(diagnostic)));
                    return;
                }
            }
        }
    }
}

/// The text after the `!` of a `!CMD`, which is one only where a statement begins: first on the line, after `;`, or
/// after a prefix.
fn bang<'a>(rest: &'a str, first: bool, before: &[Token]) -> Option<&'a str> {
    let behind_prefix = || match before.last() {
        Some(Token::Word(word)) => {
            word.is("defer")
                || matches!(word.segments.last(), Some(Segment::Text(text)) if text.ends_with(':'))
        }
        _ => false,
    };
    rest.strip_prefix('!').filter(|_| first || behind_prefix())
}

/// Commands whose second word may be the number of a packet: `explain $up #17`.
const OF_PACKETS: [&str; 2] = ["explain", "dup"];

/// True if a `#` begins the number of a packet, not a comment.
fn is_packet(rest: &str, before: &[Token]) -> bool {
    let digits = rest[1..].trim_start_matches(|c: char| c.is_ascii_digit());
    let is_number = digits.len() + 1 < rest.len() && ends_word(digits);
    let verb = before.len().checked_sub(2).and_then(|at| before[at].word());
    is_number && verb.is_some_and(|verb| OF_PACKETS.iter().any(|name| verb.is(name)))
}

/// Skips blanks, and a `\` before the end of a line.
fn blank(input: &str) -> IResult<&str, ()> {
    // Counted, not collected: this is called once for each word.
    let blanks = many0_count(alt((take_while1(char::is_whitespace), tag("\\\n"), tag("\\\r\n"))));
    value((), blanks).parse(input)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[test]
    fn a_number_of_a_packet_is_no_comment() {
        assert_eq!(words("explain up #17 # why"), ["explain", "up", "#17"]);
        assert_eq!(words("explain up # 17"), ["explain", "up"]);
        assert_eq!(words("trace up #17"), ["trace", "up"]);
        assert_eq!(words("explain up #17th"), ["explain", "up"]);
    }

    #[test]
    fn a_foreign_text_as_a_word_is_read_back_as_itself_and_refers_to_nothing() {
        for text in [
            "plain.mp4",
            "two words",
            "a\"b",
            "x$env.HOME.mp4",
            "back\\slash",
            "~",
            "!ls",
            "tab\tnew\nline\u{1b}",
            "%1;#&",
        ] {
            let line = as_word(text.into());
            match &tokens(&line, 0)[..] {
                [Token::Word(word)] => assert_eq!(word.literal().as_deref(), Some(text), "{line}"),
                other => panic!("{line}: {other:?}"),
            }
        }
    }

    fn words(line: &str) -> Vec<String> {
        tokens(line, 0)
            .into_iter()
            .map(|token| match token {
                Token::Word(word) => {
                    word.literal().map_or_else(|| format!("{:?}", word.reference()), Cow::into_owned)
                }
                Token::Semicolon(_) => ";".into(),
                Token::Ampersand(_) => "&".into(),
                Token::Bang(text, _) => format!("!{text}"),
                Token::Error(diagnostic) => format!("error {:?}: {}", diagnostic.span, diagnostic.title),
            })
            .collect()
    }

    #[test]
    fn words_quotes_comments_and_separators() {
        assert_eq!(words("send 'my file' to \"a\\tb\" # note"), ["send", "my file", "to", "a\tb"]);
        assert_eq!(words("a#b; c &"), ["a#b", ";", "c", "&"]);
        assert_eq!(words("get x&"), ["get", "x", "&"]);
        assert_eq!(words("a\"b c\"d ''"), ["ab cd", ""]);
        assert_eq!(words("\"\\x41\\u{1F600}\\$\""), ["A\u{1F600}$"]);
    }

    #[test]
    fn references_keep_their_path() {
        assert_eq!(words("$files.port"), ["Some([\"files\", \"port\"])"]);
        let Token::Word(word) = &tokens("http://$a.b/x", 0)[0] else { panic!() };
        assert_eq!(word.segments.len(), 3);
    }

    #[test]
    fn the_rest_of_a_shell_line_is_not_split() {
        assert_eq!(words("print x; !echo 'a; b' | wc"), ["print", "x", ";", "!echo 'a; b' | wc"]);
        assert_eq!(words("defer !rm x"), ["defer", "!rm x"]);
        assert_eq!(words("say a hi!"), ["say", "a", "hi!"]);
        assert_eq!(words("say a !"), ["say", "a", "!"]);
    }

    #[test]
    fn what_cannot_be_read_becomes_an_error_with_its_place() {
        assert_eq!(words("print \"abc"), ["print", "error 6..7: the quote `\"` is never closed"]);
        assert_eq!(words("a \"\\q\""), ["a", "error 3..5: `\\q` is not an escape"]);
        assert_eq!(words("a $"), ["a", "error 2..3: `$` begins a variable, and no name follows"]);
        assert_eq!(words("a\0b"), ["error 1..2: a script cannot contain a NUL byte"]);
    }

    #[test]
    fn lines_join_at_a_backslash_and_skip_bom_and_shebang() {
        let text = "\u{feff}#!/usr/bin/env nls\nsend a \\\r\n  to b\r\nquit";
        let lines: Vec<_> = logical_lines(text).map(|span| words(&text[span])).collect();
        assert_eq!(lines, vec![vec!["send", "a", "to", "b"], vec!["quit"]]);
        assert_eq!(logical_lines("").count(), 0);
        assert_eq!(logical_lines("a\\").count(), 1);
    }

    #[test]
    fn row_90_a_line_has_a_limit() {
        assert!(words(&"x".repeat(LINE_LIMIT + 1))[0].contains("limit is 65536"));
        assert_eq!(words(&"x".repeat(LINE_LIMIT))[0].len(), LINE_LIMIT);
    }

    #[test]
    fn any_bytes_lex_without_panic_and_with_spans_on_character_boundaries() {
        let alphabet: Vec<char> = "a\"'$\\;&#!% \n\r\t\0é🙂.:{}x".chars().collect();
        let mut state = 1u64;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..(state >> 60) + 3 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(99);
                text.push(alphabet[(state >> 33) as usize % alphabet.len()]);
            }
            for line in logical_lines(&text) {
                for token in tokens(&text[line.clone()], line.start) {
                    assert!(text.get(token.span()).is_some(), "{text:?} {token:?}");
                }
            }
        }
    }
}
