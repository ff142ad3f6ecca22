//! The path of a target as a name below the root, and the other way round. A name is bytes; in this program it is
//! written with escapes, in a URL with other ones.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::service::files::name::{raw, written};
use crate::wire::http::{HttpError, Target, percent_encode_segment};

/// The name, as `ls` shows it; empty for the root.
///
/// # Errors
/// The path leads elsewhere: `..` in any spelling, and empty names.
pub(super) fn name(target: &Target) -> Result<String, HttpError> {
    let segments = target.segments()?;
    let names: Vec<String> = segments.iter().map(|segment| written(OsStr::from_bytes(segment))).collect();
    Ok(names.join("/"))
}

/// One name as people read it, and as a browser saves it: what is not UTF-8 is replaced.
pub(super) fn shown(name: &str) -> String {
    raw(name).map_or_else(|| name.to_owned(), |raw| raw.to_string_lossy().into_owned())
}

/// One name as a segment of a URL.
pub(super) fn segment(name: &str) -> String {
    raw(name)
        .map_or_else(|| percent_encode_segment(name.as_bytes()), |raw| percent_encode_segment(raw.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::http::Method;

    fn target(path: &str) -> Target {
        Target::read(path.as_bytes(), Method::Get).unwrap()
    }

    #[test]
    fn row_20_and_21_paths_become_names_and_back() {
        for (path, expected) in [
            ("/", ""),
            ("/a/b.txt", "a/b.txt"),
            ("/12:30%20notes", "12:30 notes"),
            ("/f%C3%BCr", "für"),
            ("/a%09b", "a\\tb"),
            ("/a%5Cb", "a\\\\b"),
            ("/%FF", "\\xff"),
            ("/folder/", "folder"),
        ] {
            let read = name(&target(path)).unwrap();
            assert_eq!(read, expected, "{path}");
            let back: Vec<String> = read.split('/').map(segment).collect();
            assert_eq!(name(&target(&format!("/{}", back.join("/")))).unwrap(), expected);
        }
    }

    #[test]
    fn row_20_no_path_leads_out() {
        for path in [
            "/..",
            "/../etc/passwd",
            "/a/../../b",
            "/%2e%2e/x",
            "/.%2E/x",
            "/a%2F..%2Fb",
            "//etc",
            "/a//b",
            "/./a",
        ] {
            assert!(name(&target(path)).is_err(), "{path}");
        }
    }
}
