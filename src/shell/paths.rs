//! Expands `~` and globs, in paths that were not quoted; and writes what a command makes.

use std::ffi::OsString;
use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use super::errors;
use crate::report::Failure;
use crate::service::files::name::written;

/// Hidden files match only if the pattern begins with a dot, as in every shell.
const HIDDEN_BY_NAME: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };
/// Maximum files that a pattern is tried on, at each level.
const ENTRY_LIMIT: usize = 100_000;

/// Permissions of a new file; the user's umask takes some away.
const MODE: u32 = 0o666;

/// Writes a file that does not exist yet: it is whole, or not there.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut new = tempfile::Builder::new().permissions(Permissions::from_mode(MODE)).tempfile_in(folder)?;
    new.write_all(bytes)?;
    new.persist_noclobber(path).map_err(|error| error.error).map(drop)
}

/// The one path that `text` matches; an error if there are several.
pub(super) fn expand(text: &str, directory: &Path) -> Result<String, Failure> {
    let mut found = expand_all(text, directory)?;
    match found.len() {
        1 => Ok(found.remove(0)),
        many => Err(errors::pattern_ambiguous(text, many)),
    }
}

/// All paths that `text` matches, sorted; an error if there is none.
pub(super) fn expand_all(text: &str, directory: &Path) -> Result<Vec<String>, Failure> {
    let text = home(text);
    if !is_pattern(&text) || directory.join(&text).symlink_metadata().is_ok() {
        return Ok(vec![text]);
    }
    let mut found: Vec<String> =
        glob(&text, directory).into_iter().map(|path| path.display().to_string()).collect();
    found.sort();
    if found.is_empty() {
        return Err(errors::pattern_matches_nothing(&text));
    }
    Ok(found)
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

fn home(text: &str) -> String {
    match (text.strip_prefix('~'), dirs::home_dir()) {
        (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => {
            format!("{}{rest}", home.display())
        }
        _ => text.to_owned(),
    }
}

fn glob(pattern: &str, directory: &Path) -> Vec<PathBuf> {
    let mut found = vec![if pattern.starts_with('/') { PathBuf::from("/") } else { PathBuf::new() }];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        found = found.iter().flat_map(|base| step(base, part, directory)).take(ENTRY_LIMIT).collect();
    }
    found
}

/// The pattern with the brackets of a POSIX shell: `[^b]` is `[!b]`, and `[[:digit:]]` a class of characters (POSIX.1-2017,
/// 9.3.5; of ASCII).
fn of_a_shell(part: &str) -> String {
    const CLASSES: [(&str, &str); 8] = [
        ("[:alpha:]", "a-zA-Z"),
        ("[:digit:]", "0-9"),
        ("[:alnum:]", "a-zA-Z0-9"),
        ("[:upper:]", "A-Z"),
        ("[:lower:]", "a-z"),
        ("[:xdigit:]", "0-9a-fA-F"),
        ("[:space:]", " \t\n\r"),
        ("[:punct:]", "!-/:-@\\[-`{-~"),
    ];
    let negated = part.replace("[^", "[!");
    CLASSES.iter().fold(negated, |part, (class, characters)| part.replace(class, characters))
}

fn step(base: &Path, part: &str, directory: &Path) -> Vec<PathBuf> {
    // An unclosed `[` is a literal character, as in every shell.
    let pattern = Pattern::new(&of_a_shell(part)).ok().filter(|_| is_pattern(part));
    let Some(pattern) = pattern else {
        let next = base.join(part);
        return if directory.join(&next).exists() { vec![next] } else { Vec::new() };
    };
    let Ok(entries) = std::fs::read_dir(directory.join(base)) else { return Vec::new() };
    // A name that is not UTF-8 is written with escapes, as everywhere.
    let text = |name: OsString| name.into_string().unwrap_or_else(|name| written(&name));
    let names = entries.take(ENTRY_LIMIT).filter_map(|entry| Some(text(entry.ok()?.file_name())));
    names.filter(|name| pattern.matches_with(name, HIDDEN_BY_NAME)).map(|name| base.join(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        let temp = tempfile::tempdir().unwrap();
        for name in ["a.bin", "abc", "bx", "dx", "z[", ".hidden"] {
            std::fs::write(temp.path().join(name), "").unwrap();
        }
        for (pattern, found) in [
            ("*.bin", &["a.bin"][..]),
            ("a?c", &["abc"]),
            ("[a-c]x", &["bx"]),
            ("[!b]x", &["dx"]),
            ("[^b]x", &["dx"]),
            ("[[:alpha:]]x", &["bx", "dx"]),
            ("[[:upper:][:digit:]b]x", &["bx"]),
            ("*x", &["bx", "dx"]),
            (".h*", &[".hidden"]),
            ("z[", &["z["]),
            ("*", &["a.bin", "abc", "bx", "dx", "z["]),
        ] {
            assert_eq!(expand_all(pattern, temp.path()).unwrap(), found, "{pattern}");
        }
        for pattern in ["[c-z]y", "?", "q*"] {
            assert!(expand_all(pattern, temp.path()).is_err(), "{pattern}");
        }
    }

    #[test]
    fn a_pattern_must_match_exactly_one_file() {
        let temp = tempfile::tempdir().unwrap();
        for name in ["one.bin", "two.txt", "three.txt"] {
            std::fs::write(temp.path().join(name), "").unwrap();
        }
        assert_eq!(expand("*.bin", temp.path()).unwrap(), "one.bin");
        assert!(expand("*.txt", temp.path()).unwrap_err().to_string().contains("matches 2 files"));
        assert!(expand("*.mp4", temp.path()).unwrap_err().to_string().contains("no file matches"));
    }
}
