//! `expect file …`: checks files on the disk.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use super::errors;
use crate::language::script::{FileExpectation, FileTest};
use crate::report::{Contrast, Failure};
use crate::shell::Shell;

/// Polling interval with `within`: a file has no events.
const LOOK: Duration = Duration::from_millis(20);
/// Files of up to this many bytes are shown whole where they differ, larger ones around the first difference.
const WHOLE: u64 = 64 << 10;
/// Bytes of a larger file that are shown.
const WINDOW: usize = 64;

impl Shell {
    pub(crate) async fn expect_file(&self, expectation: &FileExpectation) -> Result<(), Failure> {
        let path = |word| Ok::<PathBuf, Failure>(self.directory().join(self.text_with_parts(word)?));
        let left = path(&expectation.path)?;
        let wanted = match &expectation.test {
            FileTest::Exists => FileCondition::Exists,
            FileTest::SameAs(word) => FileCondition::SameAs(path(word)?),
            FileTest::Contains(word) => FileCondition::Contains(self.text(word)?),
        };
        let deadline = expectation.within.map(|within| Instant::now() + within);
        loop {
            let (path, wanted, negated) = (left.clone(), wanted.clone(), expectation.negated);
            let looked = self.registry.block(move || examine(&path, &wanted, negated)).await;
            let failure = match looked.flatten() {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            };
            match deadline {
                Some(deadline) if Instant::now() < deadline => tokio::time::sleep(LOOK).await,
                _ => return Err(failure),
            }
        }
    }
}

/// What is expected of a file.
#[derive(Clone, Debug)]
enum FileCondition {
    Exists,
    SameAs(PathBuf),
    Contains(String),
}

fn examine(left: &Path, wanted: &FileCondition, negated: bool) -> Result<(), Failure> {
    let right = match wanted {
        FileCondition::SameAs(right) => right,
        FileCondition::Contains(text) => return examine_text(left, text, negated),
        FileCondition::Exists => {
            return match (left.symlink_metadata(), negated) {
                (Ok(_), false) => Ok(()),
                (Err(error), true) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                (Ok(_), true) => Err(errors::file_exists(left)),
                (Err(error), _) => Err(errors::file_missing(left, &error)),
            };
        }
    };
    match (difference(left, right)?, negated) {
        (None, false) | (Some(_), true) => Ok(()),
        (None, true) => Err(errors::files_equal(left, right)),
        (Some((at, contrast)), false) => Err(errors::files_differ(left, right, at).contrast(contrast)),
    }
}

/// Searches the file in pieces, each joined to the end of the one before.
fn examine_text(path: &Path, text: &str, negated: bool) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::io(&error, path.display().to_string());
    let mut file = BufReader::with_capacity(WHOLE as usize, File::open(path).map_err(failed)?);
    let (mut seen, mut found): (Vec<u8>, bool) = (Vec::new(), text.is_empty());
    while !found {
        let piece = file.fill_buf().map_err(failed)?;
        if piece.is_empty() {
            break;
        }
        seen.extend_from_slice(piece);
        let length = piece.len();
        file.consume(length);
        found = seen.windows(text.len()).any(|window| window == text.as_bytes());
        seen.drain(..seen.len().saturating_sub(text.len() - 1));
    }
    match found == negated {
        false => Ok(()),
        true if negated => Err(errors::file_contains(path, text)),
        true => Err(errors::file_lacks(path, text).contrast(Contrast::of(text, around(path, 0).1))),
    }
}

/// Offset of the first byte that differs, and both files around it; `None` if they are equal.
fn difference(actual: &Path, expected: &Path) -> Result<Option<(u64, Contrast)>, Failure> {
    let failed = |path: &Path| {
        let shown = path.display().to_string();
        move |error: io::Error| Failure::io(&error, shown)
    };
    let open = |path: &Path| File::open(path).map(BufReader::new).map_err(failed(path));
    let (mut left, mut right) = (open(actual)?, open(expected)?);
    let mut at = 0;
    loop {
        let (a, b) = (left.fill_buf().map_err(failed(actual))?, right.fill_buf().map_err(failed(expected))?);
        let length = a.len().min(b.len());
        let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
        at += same as u64;
        if same < length || length == 0 && a.len() != b.len() {
            break;
        }
        if length == 0 {
            return Ok(None);
        }
        left.consume(length);
        right.consume(length);
    }
    let (actual, expected) = (around(actual, at), around(expected, at));
    let offset = actual.0.max(expected.0);
    Ok(Some((at, Contrast { expected: expected.1, actual: actual.1, offset })))
}

/// A small file as a whole, or a window from `at` on; with the offset where it begins.
fn around(path: &Path, at: u64) -> (u64, Vec<u8>) {
    use std::os::unix::fs::FileExt;
    let Ok(file) = File::open(path) else { return (0, Vec::new()) };
    if file.metadata().is_ok_and(|metadata| metadata.len() <= WHOLE) && at < WHOLE {
        return (0, std::fs::read(path).unwrap_or_default());
    }
    let start = at / 16 * 16;
    let mut window = vec![0; WINDOW];
    let read = file.read_at(&mut window, start).unwrap_or(0);
    window.truncate(read);
    (start, window)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_compared_to_the_last_byte() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let large = vec![7u8; 200_000];
        let (a, same) = (file("a", &large), file("same", &large));
        assert_eq!(examine(&a, &FileCondition::SameAs(same), false), Ok(()));
        let with = |text: &str, negated| examine(&a, &FileCondition::Contains(text.into()), negated);
        assert!(with("\u{7}\u{7}", false).is_ok() && with("x", true).is_ok());
        assert!(with("x", false).is_err() && with("\u{7}", true).is_err());
        let mut other = large.clone();
        other[150_001] = 8;
        let failure = examine(&a, &FileCondition::SameAs(file("b", &other)), false).unwrap_err();
        assert!(failure.why.ends_with("they differ from byte 150001 on"), "{failure}");
        assert_eq!(failure.contrast.unwrap().offset, 150_000);
        let failure =
            examine(&a, &FileCondition::SameAs(file("short", &large[..100_000])), false).unwrap_err();
        assert!(failure.why.ends_with("byte 100000 on"), "{failure}");
        assert!(examine(&a, &FileCondition::SameAs(folder.path().join("absent")), true).is_err());
        assert_eq!(examine(&folder.path().join("absent"), &FileCondition::Exists, true), Ok(()));
    }
}
