//! The name of a request as one of the file system. Pure.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::service::files::name::written;

/// The name as `ls` shows it. Many clients write it with a `/` in front: here that is the served folder.
pub(super) fn below_root(name: &[u8]) -> String {
    let relative = name.iter().position(|byte| *byte != b'/').map_or(&[][..], |at| &name[at..]);
    written(OsStr::from_bytes(relative))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::files::name::components;

    #[test]
    fn row_20_and_21_names_are_bytes_below_the_served_folder() {
        for (name, expected) in [
            (&b"a/b c"[..], "a/b c"),
            (b"//a", "a"),
            (b"/", ""),
            (b"12:30", "12:30"),
            (b"a\\b", "a\\\\b"),
            (b"a\tb", "a\\tb"),
            (b"\xff", "\\xff"),
        ] {
            assert_eq!(below_root(name), expected);
        }
        for out in [&b"../a"[..], b"/../a", b"a/../../b", b"a//b", b"."] {
            assert!(components(&below_root(out)).is_err(), "{out:?}");
        }
    }
}
