//! Syntax highlighting of the prompt's line while it is typed, from the same parser and the same checks that run on
//! Enter.

use std::ops::Range;

use crate::language::diagnostic::Source;
use crate::language::parse::ahead::behind;
use crate::language::parse::lexer::{Segment, Token, Word, tokens};
use crate::language::parse::next::Next;
use crate::language::plan::planner::check;
use crate::language::plan::scope::Scope;
use crate::language::vocabulary::Vocabulary;

/// Longest line that is highlighted, in bytes: every key press analyses the whole line.
const MARKED_LIMIT: usize = 1000;

/// What a highlighted part of a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A verb, or the first word of a statement.
    Verb,
    /// A keyword of a verb or a statement.
    Keyword,
    /// A word with a part in quotes.
    Quoted,
    /// `$name.field`
    Reference,
    /// From `#` to the end of the line.
    Comment,
    /// An error that typing on cannot fix.
    Wrong,
}

/// The parts of the line to highlight, as byte ranges, in order and without overlap. Empty for a line that is too
/// long.
pub fn marks(line: &str, vocabulary: &Vocabulary, scope: &Scope) -> Vec<(Range<usize>, Mark)> {
    if line.len() > MARKED_LIMIT {
        return Vec::new();
    }
    let found = tokens(line, 0);
    let mut marks = Vec::new();
    for statement in found.split(|token| matches!(token, Token::Semicolon(_))) {
        for (index, token) in statement.iter().enumerate() {
            if let Token::Word(word) = token {
                mark_word(word, &statement[..index], vocabulary, &mut marks);
            }
        }
    }
    let end = found.last().map_or(0, |token| token.span().end);
    let is_whole = !matches!(found.last(), Some(Token::Error(_) | Token::Bang(..)));
    if is_whole && line[end..].trim_start().starts_with('#') {
        marks.push((end..line.len(), Mark::Comment));
    }
    for wrong in errors(line, vocabulary, scope) {
        marks.retain(|(span, _)| span.end <= wrong.start || span.start >= wrong.end);
        marks.push((wrong, Mark::Wrong));
    }
    marks.sort_by_key(|(span, _)| span.start);
    marks
}

fn mark_word(word: &Word, before: &[Token], vocabulary: &Vocabulary, marks: &mut Vec<(Range<usize>, Mark)>) {
    if word.quoted {
        return marks.push((word.span.clone(), Mark::Quoted));
    }
    for segment in &word.segments {
        if let Segment::Reference(_, span) = segment {
            marks.push((span.clone(), Mark::Reference));
        }
    }
    let Some(text) = word.literal() else { return };
    let mark = behind(before, vocabulary).into_iter().find_map(|next| match next {
        Next::Verb => vocabulary.verb(&text).map(|_| Mark::Verb),
        Next::Statement(known) => (known == text).then_some(Mark::Verb),
        Next::Word(known) => (known == text).then_some(Mark::Keyword),
        Next::Keyword(keyword) => (keyword.word == text).then_some(Mark::Keyword),
        Next::As => (text == "as").then_some(Mark::Keyword),
        _ => None,
    });
    marks.extend(mark.map(|mark| (word.span.clone(), mark)));
}

/// Errors in finished words: more text follows them already, so typing on cannot fix them.
fn errors(line: &str, vocabulary: &Vocabulary, scope: &Scope) -> Vec<Range<usize>> {
    // A sourced file is read only when the line runs.
    let nothing = |_: &str, _: &Source| Ok(Source::new(String::new(), String::new()));
    let source = Source::new("prompt", line);
    let Err(reports) = check(&source, vocabulary, &mut scope.clone(), &nothing) else { return Vec::new() };
    let written = line.trim_end().len();
    let mut spans: Vec<Range<usize>> = reports
        .into_iter()
        .filter(|report| !report.diagnostic.unfinished)
        .map(|report| report.diagnostic.span)
        .filter(|span| span.start < written && span.end < line.len() && span.start < span.end)
        .filter(|span| line.get(span.clone()).is_some())
        .collect();
    spans.sort_by_key(|span| span.start);
    spans.dedup_by(|next, before| next.start < before.end);
    spans
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::verb::{Keyword, Lasting, Param, Verb};
    use crate::language::{Field, Kind};

    static SEND: Verb = Verb {
        name: "send",
        aliases: &[],
        summary: "",
        details: "",
        params: &[Param::required("path", Kind::Path, "")],
        keywords: &[
            Keyword::new("to", Kind::Endpoint, "").required(),
            Keyword::new("chunk", Kind::Size(1, 1 << 20), ""),
        ],
        fields: &[Field::size("bytes", "")],
        example: "",
        next: "",
        lasting: Lasting::Job,
        capabilities: &[],
    };

    fn vocabulary() -> Vocabulary {
        Vocabulary { verbs: vec![&SEND], prefixes: true, ..Vocabulary::default() }
    }

    /// The line with each part in angle brackets, after the first letter of its mark.
    fn shown(line: &str) -> String {
        let mut scope = Scope::builtin(0);
        scope.define("x", crate::language::plan::scope::Known::Scalar(None));
        let (mut out, mut at) = (String::new(), 0);
        for (span, mark) in marks(line, &vocabulary(), &scope) {
            out.push_str(&line[at..span.start]);
            let letter = format!("{mark:?}").chars().next().unwrap();
            out.push_str(&format!("<{letter} {}>", &line[span.clone()]));
            at = span.end;
        }
        out + &line[at..]
    }

    #[test]
    fn each_part_shows_as_what_the_parser_takes_it_for() {
        for (line, wanted) in [
            ("send to to :1 chunk $x", "<V send> to <K to> :1 <K chunk> <R $x>"),
            (
                "let y = \"a b\"; send 'c' to :1 # all",
                "<V let> y <K => <Q \"a b\">; <V send> <Q 'c'> <K to> :1<C  # all>",
            ),
            (
                "retry 3 every 1s: send f to :1 as z",
                "<V retry> 3 <K every> 1s: <V send> f <K to> :1 <K as> z",
            ),
            ("!echo $HOME # x", "!echo $HOME # x"),
        ] {
            assert_eq!(shown(line), wanted);
        }
    }

    #[test]
    fn an_error_shows_as_soon_as_its_word_is_finished_and_what_is_only_unfinished_never() {
        for (line, wanted) in [
            ("sned", "sned"),
            ("sned f", "<W sned> f"),
            ("send f to ::1:90", "<V send> f <K to> ::1:90"),
            ("send f to ::1:90 ", "<V send> f <K to> <W ::1:90> "),
            ("send f to :1 chunk ", "<V send> f <K to> :1 <K chunk> "),
            ("send f to :1 chunk 5x ", "<V send> f <K to> :1 <K chunk> <W 5x> "),
            ("send f ", "<V send> f "),
            ("send \"half of ", "<V send> \"half of "),
            ("let y = $nope ", "<V let> y <K => <W $nope> "),
        ] {
            assert_eq!(shown(line), wanted);
        }
    }

    #[test]
    fn no_line_breaks_it() {
        for line in ["", ";;", "$", "é\"", "send \\", "\u{0}", "a\u{301}b $x.y.z #", &"x ".repeat(800)] {
            let found = marks(line, &vocabulary(), &Scope::default());
            assert!(found.windows(2).all(|pair| pair[0].0.end <= pair[1].0.start), "{line}: {found:?}");
        }
    }
}
