//! Where a client is, and what its paths mean. Pure: whether something is there, and whether the client may have it, is
//! seen when it is opened below the root (faults.md rows 20 to 22).
//!
//! A path from a client is bytes; a component of [`Path`] is the same name as `ls` writes it.

use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::service::files::name::{raw, written};

/// A place below the served folder, which is `/` to the client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Path(Vec<String>);

impl Path {
    /// The place that a client at `self` means: `..` leads up, and at the root nowhere.
    pub(super) fn resolve(&self, argument: &[u8]) -> Self {
        self.walk(argument.split(|byte| *byte == b'/'), argument.first(), |part| {
            written(OsStr::from_bytes(part))
        })
    }

    /// The same, for a path whose components have escapes: names with control characters are told in that form. `None`
    /// if it has none.
    pub(super) fn resolve_escaped(&self, argument: &[u8]) -> Option<Self> {
        let text = str::from_utf8(argument).ok().filter(|text| text.contains('\\'))?;
        let is_escaped = text.split('/').all(|part| raw(part).is_some());
        is_escaped.then(|| self.walk(text.split('/'), argument.first(), str::to_owned))
    }

    fn walk<P: AsRef<[u8]>>(
        &self,
        parts: impl Iterator<Item = P>,
        first: Option<&u8>,
        write: impl Fn(P) -> String,
    ) -> Self {
        let mut path = if first == Some(&b'/') { Self::default() } else { self.clone() };
        for part in parts {
            match part.as_ref() {
                b"" | b"." => {}
                b".." => drop(path.0.pop()),
                _ => path.0.push(write(part)),
            }
        }
        path
    }

    /// The folder that holds it; that of the root is the root.
    pub(super) fn parent(&self) -> Self {
        Self(self.0[..self.0.len().saturating_sub(1)].to_vec())
    }

    /// Its own name, as `ls` writes it; empty for the root.
    pub(super) fn last(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }

    /// Its name below the served folder, as the store takes it; empty: the folder itself.
    pub(super) fn name(&self) -> String {
        self.0.join("/")
    }

    /// The path as the client knows it.
    pub(super) fn shown(&self) -> Vec<u8> {
        let mut out = vec![b'/'];
        for (n, part) in self.0.iter().enumerate() {
            out.extend_from_slice(if n > 0 { b"/" } else { b"" });
            out.extend(spoken(part));
        }
        out
    }

    /// The same in quotes, each quote in it doubled (RFC 959, appendix II).
    pub(super) fn quoted(&self) -> Vec<u8> {
        let mut out = vec![b'"'];
        for byte in self.shown() {
            out.extend_from_slice(if byte == b'"' { b"\"\"" } else { std::slice::from_ref(&byte) });
        }
        out.push(b'"');
        out
    }
}

/// A name that `ls` writes, as it is told to a client: its bytes, unless one of them is a control character, which no
/// line can hold. Then its escapes.
pub(super) fn spoken(name: &str) -> Vec<u8> {
    let bytes = raw(name).map(OsStringExt::into_vec);
    bytes.filter(|bytes| !bytes.iter().any(u8::is_ascii_control)).unwrap_or_else(|| name.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &str) -> Path {
        Path::default().resolve(path.as_bytes())
    }

    #[test]
    fn row_20_no_path_leads_above_the_root() {
        for (from, argument, name) in [
            ("", "a/b", "a/b"),
            ("/a", "b", "a/b"),
            ("/a", "/b", "b"),
            ("/a/b", "..", "a"),
            ("/a/b", "../../../../etc/passwd", "etc/passwd"),
            ("", "..", ""),
            ("", "/../..", ""),
            ("/a", "", "a"),
            ("/a", "./b//c/.", "a/b/c"),
            ("/a", "b/../../c", "c"),
        ] {
            assert_eq!(at(from).resolve(argument.as_bytes()).name(), name, "{from} {argument}");
        }
        assert_eq!(at("/a/b").parent(), at("/a"));
        assert_eq!(at("/").parent(), at("/"));
        assert_eq!((at("/a/b").last(), at("/").last()), ("b", ""));
    }

    #[test]
    fn row_21_names_are_bytes_and_those_that_no_line_holds_are_told_with_escapes() {
        for (bytes, name) in [
            (&b"12:30 notes "[..], "12:30 notes "),
            (b"caf\xe9", "caf\\xe9"),
            ("caf\u{e9}".as_bytes(), "caf\u{e9}"),
            (b"a\\n", "a\\\\n"),
            (b"(1 bytes)", "(1 bytes)"),
        ] {
            let path = Path::default().resolve(bytes);
            assert_eq!(path.name(), name);
            assert_eq!(path.shown(), [b"/", bytes].concat());
        }
        assert_eq!(spoken("a\\nb"), b"a\\nb");
        assert_eq!(at("/d").resolve_escaped(b"a\\nb").unwrap().name(), "d/a\\nb");
        assert_eq!(at("/d").resolve_escaped(b"/a\\x1b/..").unwrap().name(), "");
        for argument in [&b"a"[..], b"a\\q", b"\xff\\n"] {
            assert_eq!(at("/d").resolve_escaped(argument), None, "{argument:?}");
        }
    }

    #[test]
    fn quotes_in_a_path_are_doubled() {
        assert_eq!(at("/a\"b").quoted(), b"\"/a\"\"b\"");
        assert_eq!(at("").quoted(), b"\"/\"");
    }
}
