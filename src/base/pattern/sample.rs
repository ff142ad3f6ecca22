//! A text that a regular expression matches: what a mock server answers where a recording holds only the shape.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

/// Most bytes of a sample.
const SAMPLE_LIMIT: usize = 64 << 10;
/// What is taken of a class, if it is in it: the first of these.
const PREFERRED: [u8; 5] = [b'0', b'a', b'A', b' ', b'.'];

/// The shortest way through the expression, with a usual character for each class; `None` if the expression matches
/// nothing, or only more than [`SAMPLE_LIMIT`] bytes.
pub(super) fn sample(source: &str) -> Option<Vec<u8>> {
    let syntax =
        ParserBuilder::new().unicode(false).utf8(false).multi_line(true).crlf(true).build().parse(source);
    let mut out = Vec::new();
    walk(&syntax.ok()?, &mut out)?;
    Some(out)
}

fn walk(hir: &Hir, out: &mut Vec<u8>) -> Option<()> {
    if out.len() > SAMPLE_LIMIT {
        return None;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => out.extend_from_slice(&literal.0),
        HirKind::Class(class) => out.push(of_class(class)?),
        HirKind::Capture(capture) => walk(&capture.sub, out)?,
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| walk(part, out))?,
        HirKind::Alternation(ways) => walk(ways.first()?, out)?,
        HirKind::Repetition(repetition) => {
            for _ in 0..repetition.min {
                walk(&repetition.sub, out)?;
            }
        }
    }
    Some(())
}

fn of_class(class: &Class) -> Option<u8> {
    let ranges: Vec<(u8, u8)> = match class {
        Class::Bytes(class) => class.iter().map(|range| (range.start(), range.end())).collect(),
        Class::Unicode(class) => {
            let ascii = |c: char| u8::try_from(u32::from(c)).unwrap_or(u8::MAX);
            class.iter().map(|range| (ascii(range.start()), ascii(range.end()))).collect()
        }
    };
    let holds = |byte: &u8| ranges.iter().any(|(first, last)| (first..=last).contains(&byte));
    PREFERRED.into_iter().find(holds).or_else(|| ranges.first().map(|(first, _)| *first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::pattern::Pattern;

    #[test]
    fn a_sample_is_matched_by_its_pattern() {
        for source in [
            "abc",
            r"Date: \w{3}, \d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n",
            r"(?<code>\d+) (OK|no).*",
            "[^a-z]x?y+",
            r"(?s:.){4}$",
            r"\x00\xff[\x80-\x90]",
        ] {
            let pattern = Pattern::regex(source).unwrap();
            let sample = pattern.sample().unwrap();
            assert!(pattern.is_match(&sample), "{source}: {sample:?}");
        }
        assert_eq!(Pattern::regex(r"\d{3} x*ok").unwrap().sample().unwrap(), b"000 ok");
        assert_eq!(Pattern::hex("00 ?? ff").unwrap().sample().unwrap(), b"\x000\xff");
        assert_eq!(sample("(?:a{1000}){1000}"), None, "longer than the limit");
    }
}
