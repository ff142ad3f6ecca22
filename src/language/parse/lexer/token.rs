//! What a line is read as.

use std::borrow::Cow;
use std::ops::Range;

use compact_str::CompactString;
use smallvec::SmallVec;

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

/// Appends text to the parts of a word.
pub(super) fn push_text(segments: &mut SmallVec<[Segment; 1]>, text: &str) {
    match segments.last_mut() {
        Some(Segment::Text(last)) => last.push_str(text),
        _ => segments.push(Segment::Text(text.into())),
    }
}
