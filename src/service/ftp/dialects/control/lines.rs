//! The lines of lists, pure: LIST as `ls -l` prints it, which all clients can read, and the facts of MLSD and MLST (RFC
//! 3659, section 7). Times are UTC.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use super::path::spoken;
use crate::service::files::protocol::Entry;

const NANOS: u64 = 1_000_000_000;
/// Files that changed within this many seconds are listed with the time of day, others with the year: half a year.
const RECENT: u64 = 183 * 86_400;
/// The names of all facts, in their order.
const FACTS: [&str; 5] = ["type", "size", "modify", "perm", "unix.mode"];

/// Which facts MLSD and MLST tell: a bit for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts(u8);

impl Default for Facts {
    fn default() -> Self {
        Self((1 << FACTS.len()) - 1)
    }
}

impl Facts {
    /// Those that are named, as in `type;size;`.
    pub(super) fn named(list: &str) -> Self {
        let is_named = |fact: &str| list.split(';').any(|name| name.eq_ignore_ascii_case(fact));
        Self((0..FACTS.len()).filter(|n| is_named(FACTS[*n])).fold(0, |set, n| set | 1 << n))
    }

    fn has(self, fact: &str) -> bool {
        FACTS.iter().position(|name| *name == fact).is_some_and(|n| self.0 & 1 << n != 0)
    }

    /// All that there are, those in the set marked.
    pub(super) fn of_all(self) -> String {
        FACTS.map(|fact| format!("{fact}{};", if self.has(fact) { "*" } else { "" })).concat()
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        FACTS.iter().filter(|fact| self.has(fact)).try_for_each(|fact| write!(f, "{fact};"))
    }
}

/// A line of LIST; `now` is in nanoseconds since 1970.
pub(super) fn long(entry: &Entry, now: u64) -> Vec<u8> {
    let kind = if entry.is_folder() { 'd' } else { '-' };
    let mode: String =
        (0..9).map(|n| if entry.mode & 0o400 >> n == 0 { '-' } else { ['r', 'w', 'x'][n % 3] }).collect();
    let date = civil(entry.modified);
    let age = now.checked_sub(entry.modified).map(|age| age / NANOS);
    let date = match age {
        Some(age) if age < RECENT => date.strftime("%b %e %H:%M"),
        _ => date.strftime("%b %e  %Y"),
    };
    let size = entry.size;
    line(&format!("{kind}{mode}    1 ftp      ftp      {size:>12} {date} "), &spoken(&entry.name))
}

/// The facts of an entry and its name, as MLSD and MLST tell them. `name` is told instead of its own. `may_store`: new
/// files may be stored into folders.
pub(super) fn facts(entry: &Entry, name: &[u8], facts: Facts, may_store: bool) -> Vec<u8> {
    let (kind, may) = match (entry.is_folder(), may_store) {
        (false, _) => ("file", "r"),
        (true, true) => ("dir", "cel"),
        (true, false) => ("dir", "el"),
    };
    let mut told = String::new();
    let mut tell = |fact: &str, value: &str| {
        if facts.has(fact) {
            told.push_str(&format!("{fact}={value};"));
        }
    };
    tell("type", kind);
    if !entry.is_folder() {
        tell("size", &entry.size.to_string());
    }
    tell("modify", &time(entry.modified));
    tell("perm", may);
    tell("unix.mode", &format!("{:04o}", entry.mode));
    told.push(' ');
    line(&told, name)
}

fn line(front: &str, name: &[u8]) -> Vec<u8> {
    [front.as_bytes(), name].concat()
}

/// `20260131235959`, from nanoseconds since 1970 (RFC 3659, section 2.3).
pub(super) fn time(nanoseconds: u64) -> String {
    civil(nanoseconds).strftime("%Y%m%d%H%M%S").to_string()
}

fn civil(nanoseconds: u64) -> DateTime {
    // Before the year 2555: within the range of the calendar.
    let moment = Timestamp::from_nanosecond(i128::from(nanoseconds)).unwrap_or_default();
    Offset::UTC.to_datetime(moment)
}

/// True if the name has the pattern: `*` is any bytes, `?` is one. Each `*` is tried from its last place only, so that
/// the time is bounded by the product of the lengths.
pub(super) fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[n] => (p, n) = (p + 1, n + 1),
            _ => match star {
                None => return false,
                Some((at, tried)) => {
                    star = Some((at, tried + 1));
                    (p, n) = (at + 1, tried + 1);
                }
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::files::protocol::EntryKind;

    /// 2026-01-31 23:59:58 UTC.
    const MOMENT: u64 = 1_769_903_998 * NANOS;

    fn entry(name: &str, kind: EntryKind, modified: u64) -> Entry {
        let is_folder = kind == EntryKind::Folder;
        let (mode, size) = if is_folder { (0o750, 0) } else { (0o644, 5_000_000_000) };
        Entry { name: name.into(), kind, mode, size, modified }
    }

    fn text(line: Vec<u8>) -> String {
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn a_list_looks_like_that_of_ls() {
        let file = entry("a b", EntryKind::File, MOMENT);
        assert_eq!(
            text(long(&file, MOMENT + 60 * NANOS)),
            "-rw-r--r--    1 ftp      ftp        5000000000 Jan 31 23:59 a b"
        );
        let old = text(long(&file, MOMENT + (RECENT + 1) * NANOS));
        assert!(old.ends_with(" Jan 31  2026 a b"), "{old}");
        let future = text(long(&file, MOMENT - NANOS));
        assert!(future.ends_with(" Jan 31  2026 a b"), "{future}");
        let folder = text(long(&entry("d", EntryKind::Folder, 0), MOMENT));
        assert_eq!(folder, "drwxr-x---    1 ftp      ftp                 0 Jan  1  1970 d");
        assert!(text(long(&entry("x", EntryKind::File, u64::MAX), MOMENT)).ends_with(" Jul 21  2554 x"));
    }

    #[test]
    fn row_21_names_in_lists_are_their_bytes_and_never_a_second_line() {
        let bytes = long(&entry("caf\\xe9", EntryKind::File, MOMENT), MOMENT);
        assert!(bytes.ends_with(b" caf\xe9"));
        let hostile = long(&entry("a\\r\\nb", EntryKind::File, MOMENT), MOMENT);
        assert!(hostile.ends_with(b" a\\r\\nb"));
    }

    #[test]
    fn facts_are_those_of_rfc_3659() {
        let (file, folder) = (entry("a", EntryKind::File, MOMENT), entry("d", EntryKind::Folder, 0));
        let all = Facts::default();
        assert_eq!(
            text(facts(&file, b"a", all, true)),
            "type=file;size=5000000000;modify=20260131235958;perm=r;unix.mode=0644; a"
        );
        assert_eq!(
            text(facts(&folder, b"/d", all, true)),
            "type=dir;modify=19700101000000;perm=cel;unix.mode=0750; /d"
        );
        let some = Facts::named("Size;type;frob");
        assert_eq!(text(facts(&file, b"a", some, false)), "type=file;size=5000000000; a");
        assert_eq!(text(facts(&folder, b"d", Facts::named(""), false)), " d");
        assert_eq!(some.to_string(), "type;size;");
        assert_eq!(all.of_all(), "type*;size*;modify*;perm*;unix.mode*;");
        assert_eq!(some.of_all(), "type*;size*;modify;perm;unix.mode;");
    }

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, name, is_match) in [
            ("*", "", true),
            ("*.txt", "a.txt", true),
            ("*.txt", "a.txt.gz", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*b*", "xxaxxbxx", true),
            ("a", "a", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), is_match, "{pattern} {name}");
        }
        let (pattern, name) = ("*a".repeat(2000), "b".repeat(255));
        assert!(!matches(pattern.as_bytes(), name.as_bytes()));
    }
}
