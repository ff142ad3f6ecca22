//! File names, as they travel and as they are shown (faults.md rows 20 and 21).
//!
//! On a POSIX system a name is bytes: all but `/` and NUL. On the wire, in lists and in messages it is text: a byte
//! that is not UTF-8, an unprintable character and a backslash are written as escapes: `\\`, `\n`, `\r`, `\t`, `\xHH`
//! (a byte) or `\u{H…}` (a character). `get` takes the form that `ls` shows.
//!
//! The components of a name from a peer are checked before anything is opened. That the name stays below the root is
//! enforced by the kernel when it is opened, not here.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::errors::{BadName, name_refused};
use crate::base::escape::escape_line;
use crate::report::Failure;

/// Longest component, in bytes.
const COMPONENT_LIMIT: usize = 255;
/// Prefix and suffixes of the names of an incomplete file and of its journal.
const PART_PREFIX: &str = ".";
const PART_SUFFIX: &str = ".nls-part";
const JOURNAL_SUFFIX: &str = ".nls-journal";
/// Appended to the name of a part that is set aside.
pub(crate) const KEPT_SUFFIX: &str = ".kept";
/// Appended to the name of a complete file whose hash is wrong.
pub(crate) const BAD_SUFFIX: &str = ".bad";
/// Most components of a name.
const DEPTH_LIMIT: usize = 64;
/// Longest name, in bytes, that fits beside the prefix and the longest suffix of a part.
const PART_NAME_LIMIT: usize =
    COMPONENT_LIMIT - PART_PREFIX.len() - PART_SUFFIX.len() - KEPT_SUFFIX.len() - HASH_DIGITS - 1;
/// Hexadecimal digits of the hash in the part name of a longer name.
const HASH_DIGITS: usize = 16;

/// A name of the file system as text, with escapes.
pub(crate) fn written(name: &OsStr) -> String {
    let mut out = String::with_capacity(name.len());
    for chunk in name.as_bytes().utf8_chunks() {
        for (n, part) in chunk.valid().split('\\').enumerate() {
            out.push_str(if n > 0 { "\\\\" } else { "" });
            out.push_str(&escape_line(part));
        }
        chunk.invalid().iter().for_each(|byte| out.push_str(&format!("\\x{byte:02x}")));
    }
    out
}

/// The file system's name for a text with escapes; `None` if an escape is invalid.
pub(crate) fn raw(text: &str) -> Option<OsString> {
    if !text.contains('\\') {
        return Some(text.into());
    }
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some((front, escape)) = rest.split_once('\\') {
        out.extend_from_slice(front.as_bytes());
        let mut characters = escape.chars();
        match characters.next()? {
            '\\' => out.push(b'\\'),
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            't' => out.push(b'\t'),
            'x' => {
                let digits =
                    escape.get(1..3).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
                out.push(u8::from_str_radix(digits, 16).ok()?);
                rest = &escape[3..];
                continue;
            }
            'u' => {
                let (digits, behind) = escape[1..].strip_prefix('{')?.split_once('}')?;
                let character = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32)?;
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                rest = behind;
                continue;
            }
            _ => return None,
        }
        rest = characters.as_str();
    }
    out.extend_from_slice(rest.as_bytes());
    Some(OsString::from_vec(out))
}

/// The path of what a user wrote: as it is, or with its escapes read if only that exists. So a name that is not UTF-8 can be
/// written.
pub(crate) fn local(directory: &Path, text: &str) -> PathBuf {
    let plain = directory.join(text);
    let exists = |path: &Path| path.symlink_metadata().is_ok();
    match raw(text).map(|unescaped| directory.join(unescaped)) {
        Some(unescaped) if !exists(&plain) && exists(&unescaped) => unescaped,
        _ => plain,
    }
}

/// Name of an incomplete file: `.NAME.nls-part`. A name that is too long for that is cut, and a hash is added.
pub(crate) fn part_name(name: &str) -> String {
    beside(name, PART_SUFFIX)
}

/// Name of the journal of an incomplete file, built like [`part_name`].
pub(crate) fn journal_name(name: &str) -> String {
    beside(name, JOURNAL_SUFFIX)
}

fn beside(name: &str, suffix: &str) -> String {
    let Some(bytes) = raw(name).filter(|raw| raw.len() > PART_NAME_LIMIT) else {
        return format!("{PART_PREFIX}{name}{suffix}");
    };
    let hash = &blake3::hash(bytes.as_bytes()).to_hex()[..HASH_DIGITS];
    let front = written(OsStr::from_bytes(&bytes.as_bytes()[..PART_NAME_LIMIT]));
    format!("{PART_PREFIX}{front}-{hash}{suffix}")
}

/// True for the name of a part or journal, which is never a user's file.
pub(crate) fn is_scaffold(name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    let suffixes = [PART_SUFFIX, JOURNAL_SUFFIX, ".nls-part.kept", ".nls-part.bad"];
    bytes.starts_with(PART_PREFIX.as_bytes())
        && suffixes.iter().any(|suffix| bytes.ends_with(suffix.as_bytes()))
}

/// True for the name of a part, also of one that was set aside.
pub(crate) fn is_part(name: &OsStr) -> bool {
    is_scaffold(name) && !name.as_bytes().ends_with(JOURNAL_SUFFIX.as_bytes())
}

/// Name of the journal of a part; `None` for a part that was set aside.
pub(crate) fn journal_of(part: &OsStr) -> Option<OsString> {
    let front = part.as_bytes().strip_suffix(PART_SUFFIX.as_bytes())?;
    Some(OsStr::from_bytes(&[front, JOURNAL_SUFFIX.as_bytes()].concat()).to_owned())
}

pub(crate) fn is_hidden(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b".")
}

/// The components of a name; the error says what is wrong, with the name escaped.
pub(crate) fn components(name: &str) -> Result<Vec<OsString>, Failure> {
    let refuse = |fault: BadName| Err(name_refused(name, &fault));
    if name.is_empty() {
        return refuse(BadName::Empty);
    }
    if name.starts_with('/') {
        return refuse(BadName::Absolute);
    }
    let mut parts = Vec::new();
    for part in name.split('/') {
        let Some(part) = raw(part) else {
            return refuse(BadName::InvalidEscape);
        };
        if let Some(fault) = objection(part.as_bytes()) {
            return refuse(fault);
        }
        parts.push(part);
    }
    if parts.len() > DEPTH_LIMIT {
        return refuse(BadName::TooDeep);
    }
    Ok(parts)
}

fn objection(part: &[u8]) -> Option<BadName> {
    match part {
        b"" => Some(BadName::EmptyPart),
        b"." | b".." => Some(BadName::Dots),
        _ if part.contains(&0) || part.contains(&b'/') => Some(BadName::NulOrSlash),
        _ if part.len() > COMPONENT_LIMIT => Some(BadName::TooLong),
        _ => None,
    }
}

/// Rules for the names of new files, in addition to [`components`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rules {
    /// Names must be valid on every system, so that a tree can move anywhere.
    pub(crate) portable: bool,
    /// Names that begin with a dot may be created: by the owner of the folder, or where that was allowed.
    pub(crate) hidden: bool,
}

impl Rules {
    /// For names that the user gave, on the user's own machine.
    pub(crate) const OWN: Self = Self { portable: false, hidden: true };

    pub(crate) fn check(self, name: &str, parts: &[OsString]) -> Result<(), Failure> {
        let fault = parts.iter().find_map(|part| self.objection(part));
        fault.map_or(Ok(()), |fault| Err(name_refused(name, &fault)))
    }

    fn objection(self, part: &OsStr) -> Option<BadName> {
        if is_scaffold(part) {
            return Some(BadName::Reserved);
        }
        if is_hidden(part) && !self.hidden {
            return Some(BadName::Hidden);
        }
        if !self.portable && !cfg!(windows) {
            return None;
        }
        let Some(part) = part.to_str() else { return Some(BadName::NotUtf8) };
        if part.contains(['\\', ':']) || part.chars().any(char::is_control) {
            return Some(BadName::ControlOnWindows);
        }
        if part.ends_with('.') || part.ends_with(' ') {
            return Some(BadName::EndOnWindows);
        }
        if part.contains(['<', '>', '"', '|', '?', '*']) {
            return Some(BadName::CharacterOnWindows);
        }
        is_reserved(part).then_some(BadName::ReservedOnWindows)
    }

    /// Refuses a name that differs from an existing one only in case: on other systems both are the same.
    pub(crate) fn check_clash(self, dir: &cap_std::fs::Dir, name: &str) -> Result<(), Failure> {
        if !self.portable {
            return Ok(());
        }
        let lower = name.to_lowercase();
        let clash = dir.entries().into_iter().flatten().flatten().find_map(|entry| {
            let known = entry.file_name().into_string().ok()?;
            (known != name && known.to_lowercase() == lower).then_some(known)
        });
        clash.map_or(Ok(()), |known| Err(name_refused(name, &BadName::DiffersInCase(known))))
    }
}

/// True if a symbolic link may have this target: up from its own folder, but not out of the root, and then down. A `..`
/// after that could leave the root through another link. The target must not be what a name could not reach: a part, or
/// a hidden file where those are not served.
pub(crate) fn stays_inside(path: &[OsString], target: &OsStr, hidden: bool) -> bool {
    let bytes = target.as_bytes();
    if bytes.is_empty() || bytes.starts_with(b"/") || bytes.contains(&0) {
        return false;
    }
    let parts: Vec<&[u8]> = bytes.split(|b| *b == b'/').filter(|part| !matches!(*part, b"" | b".")).collect();
    let up = parts.iter().take_while(|part| **part == b"..").count();
    let reachable = |part: &&[u8]| {
        let name = OsStr::from_bytes(part);
        *part != b".." && !is_scaffold(name) && (hidden || !is_hidden(name))
    };
    up < path.len() && up < parts.len() && parts[up..].iter().all(reachable)
}

/// True for the names of Windows devices: `CON`, `com1.txt`, `COM¹`.
fn is_reserved(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or(part).trim_end().to_uppercase();
    if matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$") {
        return true;
    }
    let Some(number) = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT")) else { return false };
    matches!(
        number,
        "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "\u{b9}" | "\u{b2}" | "\u{b3}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_20_hostile_names_are_refused() {
        let long = "x".repeat(256);
        for name in [
            "",
            "..",
            "../x",
            "a/../b",
            "/etc/passwd",
            "a\0b",
            "a//b",
            "a/",
            "\\x2e\\x2e/x",
            "a\\x2fb",
            "a\\x00",
            "a\\q",
            "a\\",
            "\\u{2e}.",
            "\\x2",
            "\\u{110000}",
            &long,
        ] {
            assert!(components(name).is_err(), "{name:?}");
        }
        let message = components("x\u{1b}[2J/..").unwrap_err().to_string();
        assert!(message.contains("\\x1b") && !message.contains('\u{1b}'));
        for name in [".hidden", "a/.b", ".a.nls-part", ".a.nls-journal", "d/.a.nls-part.bad"] {
            assert!(Rules::default().check(name, &components(name).unwrap()).is_err(), "{name:?}");
            let hidden = Rules { hidden: true, ..Rules::default() };
            assert_eq!(
                hidden.check(name, &components(name).unwrap()).is_err(),
                name.contains("nls"),
                "{name:?}"
            );
        }
    }

    #[test]
    fn row_21_every_name_that_the_system_has_is_written_and_read_back() {
        let mut seed = 7u64;
        for length in (1..255).chain(std::iter::repeat_n(8, 2000)) {
            let bytes: Vec<u8> = (0..length)
                .map(|_| {
                    seed = crate::base::mix(seed);
                    // Few letters, so that escapes of escapes come up.
                    if seed & 4 == 0 { b"\\xnu{}2e"[seed as usize / 8 % 8] } else { (seed >> 16) as u8 }
                })
                .map(|byte| if matches!(byte, 0 | b'/') { b'a' } else { byte })
                .collect();
            let text = written(OsStr::from_bytes(&bytes));
            assert_eq!(raw(&text).as_deref(), Some(OsStr::from_bytes(&bytes)), "{text}");
            assert_eq!(escape_line(&text), text, "it is shown as it is");
        }
        for (name, text) in [
            (&b"12:30 notes"[..], "12:30 notes"),
            (b"a\tb\nc", "a\\tb\\nc"),
            (b"back\\slash", "back\\\\slash"),
            (b"caf\xe9", "caf\\xe9"),
            ("caf\u{e9}".as_bytes(), "caf\u{e9}"),
            ("\u{202e}gnp".as_bytes(), "\\u{202e}gnp"),
        ] {
            assert_eq!(written(OsStr::from_bytes(name)), text);
        }
    }

    #[test]
    fn row_21_a_part_has_room_beside_the_longest_name() {
        let mut known = std::collections::HashSet::new();
        for name in [
            "x".repeat(220),
            "x".repeat(224),
            "x".repeat(225),
            "x".repeat(254) + "y",
            "x".repeat(255),
            "\u{e9}".repeat(127),
        ] {
            let longest = part_name(&name) + KEPT_SUFFIX;
            assert!(raw(&longest).unwrap().len() <= COMPONENT_LIMIT, "{longest}");
            for beside in [part_name(&name), journal_name(&name)] {
                assert!(raw(&beside).unwrap().len() <= COMPONENT_LIMIT, "{beside}");
                assert!(is_scaffold(&raw(&beside).unwrap()) && known.insert(beside));
            }
        }
        assert_eq!(part_name("a"), ".a.nls-part");
    }

    #[test]
    fn row_21_names_that_some_system_cannot_hold_are_refused_where_names_must_be_portable() {
        let portable = Rules { portable: true, hidden: false };
        for name in [
            "CON",
            "con",
            "nul.txt",
            "COM1",
            "lpt9.log",
            "COM\u{b9}",
            "CONIN$",
            "dot.",
            "blank ",
            "a?b",
            "12:30",
            "C:x",
            "back\\\\slash",
            "tab\\t",
            "caf\\xe9",
        ] {
            let parts = components(name).unwrap();
            assert!(portable.check(name, &parts).is_err(), "{name:?}");
            assert_eq!(Rules::default().check(name, &parts).is_err(), cfg!(windows), "{name:?}");
        }
        for name in ["console.log", "com10"] {
            assert!(portable.check(name, &components(name).unwrap()).is_ok());
        }
    }

    #[test]
    fn row_21_a_name_that_differs_only_in_case_clashes_where_names_must_be_portable() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("Readme"), "").unwrap();
        let dir = cap_std::fs::Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).unwrap();
        let portable = Rules { portable: true, hidden: false };
        assert!(portable.check_clash(&dir, "README").unwrap_err().to_string().contains("`Readme` differs"));
        assert!(portable.check_clash(&dir, "Readme").is_ok());
        assert!(Rules::default().check_clash(&dir, "README").is_ok());
    }

    #[test]
    fn row_22_a_link_goes_up_first_and_never_out() {
        let inside =
            |path: &str, target: &str| stays_inside(&components(path).unwrap(), OsStr::new(target), false);
        for (path, target) in
            [("l", "a"), ("l", "./a/b"), ("d/l", "../a"), ("d/e/l", "../../a"), ("l", "a..b")]
        {
            assert!(inside(path, target), "{path} -> {target}");
        }
        for (path, target) in [
            ("l", ".."),
            ("l", "/etc"),
            ("l", ""),
            ("d/l", "../.."),
            ("d/l", "x/../../.."),
            ("l", "."),
            ("d/l", ".."),
            ("l", ".ssh"),
            ("l", "a/.git"),
            ("l", ".a.nls-part"),
            ("d/l", "../a/.."),
        ] {
            assert!(!inside(path, target), "{path} -> {target}");
        }
    }

    #[test]
    fn ordinary_names_pass() {
        for name in [
            "a.txt",
            "folder/file.bin",
            "Ünïcödé 文件.mp4",
            "console.log",
            "com10",
            "a..b",
            "-x",
            "12:30 notes",
        ] {
            let parts = components(name).unwrap();
            assert!(Rules::default().check(name, &parts).is_ok(), "{name:?}");
        }
    }
}
