//! `~` and globs, in paths that were not quoted.

use std::path::{Path, PathBuf};

use crate::report::Failure;
use crate::wire::Code;

/// Most files that a pattern is tried on.
const ENTRY_LIMIT: usize = 100_000;

/// The one path that `text` means.
pub(super) fn expand(text: &str, directory: &Path) -> Result<String, Failure> {
    let text = home(text);
    if !text.contains(['*', '?', '[']) || directory.join(&text).symlink_metadata().is_ok() {
        return Ok(text);
    }
    let mut found = glob(&text, directory);
    found.sort();
    match found.as_slice() {
        [one] => Ok(one.display().to_string()),
        [] => {
            Err(Failure::new(Code::Missing, format!("no file matches `{text}`"))
                .fix("quote it if it is a name"))
        }
        many => Err(Failure::new(Code::Usage, format!("`{text}` matches {} files", many.len()))
            .fix("name one of them")),
    }
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

fn step(base: &Path, part: &str, directory: &Path) -> Vec<PathBuf> {
    if !part.contains(['*', '?', '[']) {
        let next = base.join(part);
        return if directory.join(&next).exists() { vec![next] } else { Vec::new() };
    }
    let Ok(entries) = std::fs::read_dir(directory.join(base)) else { return Vec::new() };
    let names = entries.take(ENTRY_LIMIT).filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let pattern: Vec<char> = part.chars().collect();
    // Hidden files only if the pattern says so, as in every shell.
    names
        .filter(|name| {
            name.starts_with('.') == part.starts_with('.')
                && matches(&pattern, &name.chars().collect::<Vec<_>>())
        })
        .map(|name| base.join(name))
        .collect()
}

/// `*`, `?` and `[abc]`, in linear time for each star.
fn matches(pattern: &[char], name: &[char]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match one(&pattern[p..], name[n]) {
            Some(0) => {
                star = Some((p + 1, n));
                p += 1;
                continue;
            }
            Some(length) => {
                (p, n) = (p + length, n + 1);
                continue;
            }
            None => {}
        }
        let Some((back, at)) = star else { return false };
        star = Some((back, at + 1));
        (p, n) = (back, at + 1);
    }
    pattern[p..].iter().all(|&c| c == '*')
}

/// How much of the pattern matches one character: 0 for a star, `None` for no match.
fn one(pattern: &[char], c: char) -> Option<usize> {
    match pattern {
        ['*', ..] => Some(0),
        ['?', ..] => Some(1),
        ['[', rest @ ..] => {
            let end = rest.iter().position(|&x| x == ']')?;
            rest[..end].contains(&c).then_some(end + 2)
        }
        [x, ..] if *x == c => Some(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        let is = |pattern: &str, name: &str| {
            matches(&pattern.chars().collect::<Vec<_>>(), &name.chars().collect::<Vec<_>>())
        };
        assert!(
            is("*.bin", "a.bin")
                && is("a?c", "abc")
                && is("[ab]x", "bx")
                && is("*a*b*", "xxaxxbxx")
                && is("*", "")
        );
        assert!(!is("*.bin", "a.txt") && !is("a?c", "ac") && !is("[ab]x", "cx") && !is("", "a"));
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
