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
const DEPTH_LIMIT: usize = 64;

/// The components of a name; the error says why not, with the name made harmless.
pub(super) fn components(name: &str) -> Result<Vec<&str>, Failure> {
    let refuse = |why: &str| {
        Err(Failure::new(Code::Policy, format!("the name `{}` is refused: {why}", escape_line(name)))
            .fix("choose another with `name NAME`"))
    };
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
    if part.ends_with('.') || part.ends_with(' ') {
        return Some("a dot or a blank cannot end it");
    }
    if part.len() > COMPONENT_LIMIT - PART_PREFIX.len() - PART_SUFFIX.len() {
        return Some("it is too long");
    }
    is_reserved(part).then_some("it is reserved on Windows")
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
    fn row_21_names_that_some_system_cannot_hold_are_refused() {
        let long = "x".repeat(250);
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
            long.as_str(),
        ] {
            assert!(components(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn ordinary_names_pass() {
        for name in ["a.txt", "folder/file.bin", "Ünïcödé 文件.mp4", "console.log", "com10", "a..b", "-x"]
        {
            assert!(components(name).is_ok(), "{name:?}");
        }
    }
}
