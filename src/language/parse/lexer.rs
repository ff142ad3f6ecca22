//! Text → logical lines → tokens, with nom.
//!
//! The lexer only separates words; what a word means depends on where it is used (`%2` is a session in `wait %2`
//! and arithmetic in `calc`). It never fails: what cannot be read becomes an error token with a span.

use std::borrow::Cow;
use std::ops::Range;

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while_m_n, take_while1};
use nom::character::complete::{anychar, char, none_of, one_of};
use nom::combinator::{map, map_opt, opt, recognize, value, verify};
use nom::multi::{many0_count, separated_list1};
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser};

use compact_str::CompactString;
use smallvec::{SmallVec, smallvec};

use crate::language::LINE_LIMIT;
use crate::language::diagnostic::Diagnostic;

/// A word: text and references, joined without spaces. The value of a reference is never split into several words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// The parts in order, at least one; most words have exactly one.
    pub segments: SmallVec<[Segment; 1]>,
    /// True if a part of it was in quotes: then it is not a keyword, and globs and `~` in it are not expanded.
    pub quoted: bool,
    /// Byte range in the whole text, quotes included.
    pub span: Range<usize>,
}

/// A part of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Text, with quotes removed and escapes replaced.
    Text(CompactString),
    /// `$name.field`: the path without the `$`, and the byte range of the whole.
    Reference(Vec<String>, Range<usize>),
}

impl Word {
    /// The text; `None` if the word contains a reference.
    pub fn literal(&self) -> Option<Cow<'_, str>> {
        match self.segments.as_slice() {
            [Segment::Text(text)] => Some(Cow::Borrowed(text)),
            segments => {
                let text = |segment: &Segment| match segment {
                    Segment::Text(text) => Some(text.clone()),
                    Segment::Reference(..) => None,
                };
                segments.iter().map(text).collect::<Option<String>>().map(Cow::Owned)
            }
        }
    }

    /// The text without quotes, with references as they were written.
    pub fn written(&self) -> String {
        self.segments.iter().fold(String::new(), |out, segment| match segment {
            Segment::Text(text) => out + text,
            Segment::Reference(path, _) => out + "$" + &path.join("."),
        })
    }

    /// Appends another word after `blanks` spaces.
    pub(crate) fn append(&mut self, blanks: usize, other: &Self) {
        (0..blanks).for_each(|_| push_text(&mut self.segments, " "));
        for segment in &other.segments {
            match segment {
                Segment::Text(text) => push_text(&mut self.segments, text),
                reference @ Segment::Reference(..) => self.segments.push(reference.clone()),
            }
        }
        self.quoted |= other.quoted;
        self.span.end = other.span.end;
    }

    /// The text, if nothing of the word is in quotes or a reference: what a keyword looks like.
    #[inline]
    pub(crate) fn bare(&self) -> Option<&str> {
        match self.segments.as_slice() {
            [Segment::Text(text)] if !self.quoted => Some(text),
            _ => None,
        }
    }

    /// True if the word is `word`, unquoted.
    #[inline]
    pub fn is(&self, word: &str) -> bool {
        self.bare() == Some(word)
    }

    /// The path, if the word is one reference and nothing else; else `None`.
    pub fn reference(&self) -> Option<&[String]> {
        match self.segments.as_slice() {
            [Segment::Reference(path, _)] => Some(path),
            _ => None,
        }
    }

    /// The first names of all references in it.
    pub fn roots(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Text(_) => None,
            Segment::Reference(path, _) => path.first().map(String::as_str),
        })
    }
}

/// A token of a logical line. Every span is a byte range in the whole text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// Words, quotes and references without spaces between them.
    Word(Word),
    /// `;` between two statements.
    Semicolon(Range<usize>),
    /// `&` at the end of a word or alone: run in the background.
    Ampersand(Range<usize>),
    /// `!CMD`: the rest of the line, for the system's shell, without the `!`.
    Bang(String, Range<usize>),
    /// What cannot be read. The rest of the line is not read.
    Error(Box<Diagnostic>),
}

impl Token {
    /// The word, if it is one.
    pub const fn word(&self) -> Option<&Word> {
        match self {
            Self::Word(word) => Some(word),
            _ => None,
        }
    }

    /// Moves the word out, if it is one; a `;` with its span takes its place.
    pub(crate) fn take_word(&mut self) -> Option<Word> {
        let Self::Word(word) = self else { return None };
        let span = word.span.clone();
        match std::mem::replace(self, Self::Semicolon(span)) {
            Self::Word(word) => Some(word),
            _ => None,
        }
    }

    /// The token as messages show it; a word with a reference is shown as `$…`.
    pub fn text(&self) -> String {
        match self {
            Self::Word(word) => word.literal().unwrap_or(Cow::Borrowed("$…")).into_owned(),
            Self::Semicolon(_) => ";".into(),
            Self::Ampersand(_) => "&".into(),
            Self::Bang(text, _) => format!("!{text}"),
            Self::Error(diagnostic) => diagnostic.title.to_string(),
        }
    }

    /// Its byte range in the whole text.
    pub fn span(&self) -> Range<usize> {
        match self {
            Self::Word(word) => word.span.clone(),
            Self::Semicolon(span) | Self::Ampersand(span) | Self::Bang(_, span) => span.clone(),
            Self::Error(diagnostic) => diagnostic.span.clone(),
        }
    }
}

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

fn ends_word(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with(|c: char| c.is_whitespace() || c == ';' || c == '#')
}

/// Skips blanks, and a `\` before the end of a line.
fn blank(input: &str) -> IResult<&str, ()> {
    // Counted, not collected: this is called once for each word.
    let blanks = many0_count(alt((take_while1(char::is_whitespace), tag("\\\n"), tag("\\\r\n"))));
    value((), blanks).parse(input)
}

/// One piece of a word.
enum WordPart<'a> {
    Bare(&'a str),
    Quoted(SmallVec<[Segment; 1]>),
    Reference(Vec<String>),
}

/// What a double quote holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Text,
    /// A regular expression: its own escapes stay, and a `$` that begins no name is the end of a line.
    Pattern,
}

/// The style of the word after this one.
fn style_after(token: Option<&Token>) -> Style {
    match token {
        Some(Token::Word(word)) if word.is("matching") || word.is("matches") => Style::Pattern,
        _ => Style::Text,
    }
}

/// Reads the word at the start of `input`, which begins at byte `at` of the text.
fn word(input: &str, at: usize, style: Style) -> Result<(&str, Word), Diagnostic> {
    let mut word = Word { segments: SmallVec::new(), quoted: false, span: at..at };
    let mut rest = input;
    while !rest.is_empty()
        && !rest.starts_with(|c: char| c.is_whitespace() || c == ';')
        && !rest.starts_with("\\\n")
        && !rest.starts_with("\\\r\n")
    {
        if rest.starts_with('&') && ends_word(&rest[1..]) {
            break;
        }
        let here = at + (input.len() - rest.len());
        let (tail, piece) = piece(rest, here, style)?;
        let end = at + (input.len() - tail.len());
        match piece {
            WordPart::Bare(text) => push_text(&mut word.segments, text),
            WordPart::Quoted(segments) => {
                word.quoted = true;
                for segment in segments {
                    match segment {
                        Segment::Text(text) => push_text(&mut word.segments, &text),
                        reference @ Segment::Reference(..) => word.segments.push(reference),
                    }
                }
            }
            WordPart::Reference(path) => word.segments.push(Segment::Reference(path, here..end)),
        }
        rest = tail;
    }
    if word.segments.is_empty() {
        word.segments.push(Segment::Text(CompactString::default()));
    }
    word.span.end = at + (input.len() - rest.len());
    Ok((rest, word))
}

fn push_text(segments: &mut SmallVec<[Segment; 1]>, text: &str) {
    match segments.last_mut() {
        Some(Segment::Text(last)) => last.push_str(text),
        _ => segments.push(Segment::Text(text.into())),
    }
}

fn piece(input: &str, at: usize, style: Style) -> Result<(&str, WordPart<'_>), Diagnostic> {
    match input.chars().next() {
        Some('\'') => raw(input)
            .map(|(rest, text)| (rest, WordPart::Quoted(smallvec![Segment::Text(text.into())])))
            .map_err(|_| never_closed('\'', input, at)),
        Some('"') => double(input, at, style),
        Some('$') => reference(input).map(|(rest, path)| (rest, WordPart::Reference(path))).map_err(|_| {
            no_name_follows(at).expected(["a name such as $files.port".into(), "'$' in single quotes".into()])
        }),
        _ => bare(input)
            .map(|(rest, text)| (rest, WordPart::Bare(text)))
            .map_err(|_| Diagnostic::new("this cannot be read", at..at + 1)),
    }
}

/// The error of a quote at the start of `input`, which is at `at`.
fn never_closed(quote: char, input: &str, at: usize) -> Diagnostic {
    let fix = format!("{}{quote}", input.lines().next().unwrap_or_default());
    Diagnostic::new(format!("the quote `{quote}` is never closed"), at..at + 1)
        .expected([format!("a `{quote}` after the text")])
        .fix(fix)
        .unfinished()
}

/// The error of a `$` at `at` that is not a reference.
fn no_name_follows(at: usize) -> Diagnostic {
    Diagnostic::new("`$` begins a variable, and no name follows", at..at + 1)
}

/// Unquoted text up to a blank, `;`, quote or `$`.
fn bare(input: &str) -> IResult<&str, &str> {
    let (_, text) =
        take_while1(|c: char| !c.is_whitespace() && !matches!(c, ';' | '"' | '\'' | '$')).parse(input)?;
    // A `&` at the end of a word puts the command in the background; a `\` at the end of a line joins lines.
    let behind = &input[text.len()..];
    let kept = match text.strip_suffix('&') {
        Some(kept) if !kept.is_empty() && kept != "&" && ends_word(behind) => kept,
        _ => text,
    };
    let kept = match kept.strip_suffix('\\') {
        Some(front) if !front.is_empty() && (behind.starts_with('\n') || behind.starts_with("\r\n")) => front,
        _ => kept,
    };
    Ok((&input[kept.len()..], kept))
}

/// `'raw'`
fn raw(input: &str) -> IResult<&str, &str> {
    delimited(char('\''), take_while(|c| c != '\''), char('\'')).parse(input)
}

/// `$name`, `$name.field`, `$1`
pub(crate) fn reference(input: &str) -> IResult<&str, Vec<String>> {
    preceded(char('$'), separated_list1(char('.'), map(name, String::from))).parse(input)
}

/// A name: letters, digits, `_`, and `-` inside.
fn name(input: &str) -> IResult<&str, &str> {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    verify(
        recognize((
            take_while_m_n(1, 1, inside),
            take_while(inside),
            many0_count((char('-'), take_while1(inside))),
        )),
        |name: &str| !name.is_empty(),
    )
    .parse(input)
}

/// `"escapes \n and $name.field inside"`
fn double(input: &str, at: usize, style: Style) -> Result<(&str, WordPart<'_>), Diagnostic> {
    let mut segments = SmallVec::new();
    let mut rest = &input[1..];
    loop {
        let here = at + (input.len() - rest.len());
        match rest.chars().next() {
            None => return Err(never_closed('"', input, at)),
            Some('"') => {
                if segments.is_empty() {
                    segments.push(Segment::Text(CompactString::default()));
                }
                return Ok((&rest[1..], WordPart::Quoted(segments)));
            }
            Some('$') => match reference(rest) {
                Ok((tail, path)) => {
                    segments.push(Segment::Reference(path, here..at + (input.len() - tail.len())));
                    rest = tail;
                }
                Err(_) if style == Style::Pattern => {
                    push_text(&mut segments, "$");
                    rest = &rest[1..];
                }
                Err(_) => return Err(no_name_follows(here).fix("\\$".to_owned())),
            },
            Some('\\') => {
                let (tail, text) = unescaped(rest, here, style)?;
                push_text(&mut segments, &text);
                rest = tail;
            }
            Some(_) => {
                let end = rest.find(['"', '$', '\\']).unwrap_or(rest.len());
                push_text(&mut segments, &rest[..end]);
                rest = &rest[end..];
            }
        }
    }
}

/// What an escape at the start of `input`, which is at `at`, stands for.
fn unescaped(input: &str, at: usize, style: Style) -> Result<(&str, CompactString), Diagnostic> {
    if style == Style::Pattern && is_of_pattern(input) {
        let length = 1 + input[1..].chars().next().map_or(0, char::len_utf8);
        return Ok((&input[length..], input[..length].into()));
    }
    match escaped(input) {
        Ok((tail, c)) => Ok((tail, c.map(String::from).unwrap_or_default().into())),
        Err(_) => Err(not_an_escape(input, at)),
    }
}

/// True for an escape that belongs to a regular expression: all but those of the language that mean the same there.
fn is_of_pattern(input: &str) -> bool {
    input[1..].starts_with(['x', 'u']) || escaped(input).is_err()
}

/// The error of a `\` at the start of `input`, which is at `at`.
fn not_an_escape(input: &str, at: usize) -> Diagnostic {
    let length = 1 + input[1..].chars().next().map_or(0, char::len_utf8);
    let possible = ["\\n", "\\t", "\\\\", "\\\"", "\\$", "\\xHH", "\\u{…}"].map(String::from);
    let read = &input[..length];
    Diagnostic::new(format!("`{read}` is not an escape"), at..at + length).expected(possible)
}

/// One escape in double quotes; `None` for a `\` that joins lines.
fn escaped(input: &str) -> IResult<&str, Option<char>> {
    let hex = |digits: &str| u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
    let is_hex = |c: char| c.is_ascii_hexdigit();
    preceded(
        char('\\'),
        alt((
            value(Some('\n'), char('n')),
            value(Some('\t'), char('t')),
            value(Some('\r'), char('r')),
            value(Some('\0'), char('0')),
            map(one_of("\\\"$'"), Some),
            map_opt(preceded(char('x'), take_while_m_n(2, 2, is_hex)), move |d| hex(d).map(Some)),
            map_opt(delimited(tag("u{"), take_while_m_n(1, 6, is_hex), char('}')), move |d| hex(d).map(Some)),
            value(None, (opt(char('\r')), char('\n'))),
        )),
    )
    .parse(input)
}

/// True if `text` would be read back as one bare word equal to itself.
pub fn is_bare(text: &str) -> bool {
    let mut check = many0_count(none_of::<_, _, nom::error::Error<&str>>(" \t\r\n;\"'$#&\\~*?["));
    !text.is_empty()
        && check.parse(text).is_ok_and(|(rest, _): (&str, usize)| rest.is_empty())
        && !text.starts_with('!')
        && anychar::<_, nom::error::Error<&str>>(text).is_ok()
}

/// Writes `text` as one word: bare if possible, else in quotes.
pub fn as_word(text: String) -> String {
    if is_bare(&text) { text } else { quoted(&text) }
}

/// Writes `text` in double quotes, with escapes.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' | '$' => out.extend(['\\', c]),
            '\n' => out += "\\n",
            '\r' => out += "\\r",
            '\t' => out += "\\t",
            c if c.is_ascii_control() => out += &format!("\\x{:02x}", u32::from(c)),
            c if c.is_control() => out += &format!("\\u{{{:x}}}", u32::from(c)),
            c => out.push(c),
        }
    }
    out + "\""
}

#[cfg(test)]
mod tests {
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
