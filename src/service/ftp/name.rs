//! Names from a peer: a list of components, each harmless, before anything is opened (FAULTS rows 20 and 21).
//! That they stay below the root is not judged here but by the kernel, when they are opened.

use crate::base::escape::escape_line;
use crate::report::Failure;
use crate::wire::Code;

/// Longest component, in bytes.
const COMPONENT_LIMIT: usize = 255;
/// What stands around a name while its file is not whole.
pub(super) const PART_PREFIX: &str = ".";
pub(super) const PART_SUFFIX: &str = ".nls-part";
pub(super) const JOURNAL_SUFFIX: &str = ".nls-journal";
/// Behind the suffix of a part that is set aside.
pub(super) const KEPT_SUFFIX: &str = ".kept";
pub(super) const BAD_SUFFIX: &str = ".bad";
const DEPTH_LIMIT: usize = 64;

/// The components of a name; the error says why not, with the name made harmless.
pub(super) fn components(name: &str) -> Result<Vec<&str>, Failure> {
    let refuse = |why: &str| Err(refused(name, why));
    if name.is_empty() {
        return refuse("it is empty");
    }
    if name.starts_with('/') || name.starts_with('\\') {
        return refuse("it is an absolute path");
    }
    if name.as_bytes().get(1) == Some(&b':') && name.as_bytes()[0].is_ascii_alphabetic() {
        return refuse("it names a drive");
    }
    let parts: Vec<&str> = name.split('/').collect();
    if parts.len() > DEPTH_LIMIT {
        return refuse("it has too many folders");
    }
    for part in &parts {
        if let Some(why) = objection(part) {
            return refuse(why);
        }
    }
    Ok(parts)
}

fn objection(part: &str) -> Option<&'static str> {
    match part {
        "" => return Some("a part of it is empty"),
        "." | ".." => return Some("`.` and `..` cannot be part of it"),
        _ => {}
    }
    if part.contains(['\\', '\0', ':']) {
        return Some("`\\`, `:` and NUL cannot be part of it");
    }
    if part.chars().any(char::is_control) {
        return Some("control characters cannot be part of it");
    }
    if part.starts_with('.') {
        return Some("hidden files are not served or written");
    }
    if part.len() > COMPONENT_LIMIT - PART_PREFIX.len() - PART_SUFFIX.len() - KEPT_SUFFIX.len() {
        return Some("it is too long");
    }
    None
}

/// What a server asks of new names beyond that they are harmless here.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rules {
    /// Names must be good on every system, so that a tree can move anywhere.
    pub(super) portable: bool,
}

impl Rules {
    pub(super) fn check(self, parts: &[&str]) -> Result<(), Failure> {
        let why = parts.iter().find_map(|part| self.objection(part));
        why.map_or(Ok(()), |why| Err(refused(&parts.join("/"), why)))
    }

    fn objection(self, part: &str) -> Option<&'static str> {
        if !self.portable && !cfg!(windows) {
            return None;
        }
        if part.ends_with('.') || part.ends_with(' ') {
            return Some("a dot or a blank cannot end it on Windows");
        }
        if part.contains(['<', '>', '"', '|', '?', '*']) {
            return Some("`<>\"|?*` cannot be part of it on Windows");
        }
        is_reserved(part).then_some("it is reserved on Windows")
    }

    /// Two names that differ only in case are one on other systems.
    pub(super) fn check_clash(self, dir: &cap_std::fs::Dir, name: &str) -> Result<(), Failure> {
        if !self.portable {
            return Ok(());
        }
        let lower = name.to_lowercase();
        let clash = dir.entries().into_iter().flatten().flatten().find_map(|entry| {
            let known = entry.file_name().into_string().ok()?;
            (known != name && known.to_lowercase() == lower).then_some(known)
        });
        clash.map_or(Ok(()), |known| {
            let why = format!("`{}` differs from it only in case", escape_line(&known));
            Err(refused(name, &why))
        })
    }
}

fn refused(name: &str, why: &str) -> Failure {
    Failure::new(Code::Policy, format!("the name `{}` is refused: {why}", escape_line(name)))
        .fix("choose another with `name NAME`")
}

/// `CON`, `com1.txt`, `COM¹`: devices on one system are refused on all, so that a tree can move anywhere.
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
        for name in [
            "",
            "..",
            "../x",
            "a/../b",
            "/etc/passwd",
            "\\\\host\\x",
            "C:x",
            "c:\\x",
            "a\0b",
            "a\\b",
            "f:stream",
            "a//b",
            "a/",
            ".hidden",
            "a/.b",
            "x\u{1b}[2J",
            "a\nb",
        ] {
            assert!(components(name).is_err(), "{name:?}");
        }
        let message = components("x\u{1b}[2J").unwrap_err().to_string();
        assert!(message.contains("\\x1b") && !message.contains('\u{1b}'));
    }

    #[test]
    fn row_21_names_that_some_system_cannot_hold_are_refused_where_names_must_be_portable() {
        let portable = Rules { portable: true };
        for name in
            ["CON", "con", "nul.txt", "COM1", "lpt9.log", "COM\u{b9}", "CONIN$", "dot.", "blank ", "a?b"]
        {
            let parts = components(name).unwrap();
            assert!(portable.check(&parts).is_err(), "{name:?}");
            assert_eq!(Rules::default().check(&parts).is_err(), cfg!(windows), "{name:?}");
        }
        let long = "x".repeat(241);
        assert!(components(&long).is_err(), "a part and a journal must fit beside it");
        assert!(portable.check(&["console.log", "com10"]).is_ok());
    }

    #[test]
    fn row_21_a_name_that_differs_only_in_case_clashes_where_names_must_be_portable() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("Readme"), "").unwrap();
        let dir = cap_std::fs::Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).unwrap();
        let portable = Rules { portable: true };
        assert!(portable.check_clash(&dir, "README").unwrap_err().to_string().contains("`Readme` differs"));
        assert!(portable.check_clash(&dir, "Readme").is_ok());
        assert!(Rules::default().check_clash(&dir, "README").is_ok());
    }

    #[test]
    fn ordinary_names_pass() {
        for name in ["a.txt", "folder/file.bin", "Ünïcödé 文件.mp4", "console.log", "com10", "a..b", "-x"]
        {
            assert!(components(name).is_ok(), "{name:?}");
        }
    }
}
