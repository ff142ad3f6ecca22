//! The terminal: its size, what it can show, and its attributes before the line editor changed them.

use std::io::IsTerminal;
use std::sync::OnceLock;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use crate::report::Area;

/// With fewer columns nothing is drawn (faults.md row 95).
const COLUMNS_LEAST: u16 = 20;

/// The size of the terminal on standard output; `None` if it is no terminal, cannot move its cursor, or is too narrow.
pub fn area() -> Option<Area> {
    area_of(&std::io::stdout())
}

/// The same for standard error, where progress is drawn.
pub fn area_of_errors() -> Option<Area> {
    area_of(&std::io::stderr())
}

fn area_of(stream: &(impl IsTerminal + std::os::fd::AsFd)) -> Option<Area> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if !stream.is_terminal() || !is_capable() {
        return None;
    }
    let size = tcgetwinsize(stream).ok()?;
    let unicode = is_utf8(variable);
    (size.ws_col >= COLUMNS_LEAST).then(|| Area {
        columns: usize::from(size.ws_col),
        rows: usize::from(size.ws_row),
        unicode,
    })
}

/// The terminal and its attributes as [`keep_terminal`] found them.
static BEFORE: OnceLock<(std::os::fd::OwnedFd, Termios)> = OnceLock::new();

/// True if the name in `TERM` is that of a terminal with cursor movement and colours.
pub fn is_capable() -> bool {
    names_capable(std::env::var("TERM").ok().as_deref())
}

/// The same for this value of `TERM`.
pub(super) fn names_capable(term: Option<&str>) -> bool {
    term.is_some_and(|term| !term.is_empty() && term != "dumb")
}

/// Remembers the attributes of the terminal, once.
pub fn keep_terminal() {
    // A duplicate, because standard input may be replaced while a line is being edited.
    let terminal = rustix::io::fcntl_dupfd_cloexec(std::io::stdin(), 3);
    if let Ok(terminal) = terminal
        && let Ok(attributes) = tcgetattr(&terminal)
    {
        drop(BEFORE.set((terminal, attributes)));
    }
}

/// Restores the attributes that [`keep_terminal`] remembered: a line editor or a child process that was killed leaves
/// the terminal in its own mode.
pub fn restore_terminal() {
    if let Some((terminal, attributes)) = BEFORE.get() {
        // The terminal may be gone.
        let _ = tcsetattr(terminal, OptionalActions::Now, attributes);
    }
}

/// True if the locale uses UTF-8 (POSIX, section 8.2: the first variable that is set counts). If none is set, UTF-8 is
/// assumed, as on most systems today.
fn is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable);
    locale.is_none_or(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_locale_that_is_set_counts() {
        let with = |pairs: &'static [(&str, &str)]| {
            is_utf8(|name| pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()))
        };
        assert!(
            with(&[]) && with(&[("LANG", "en_US.UTF-8")]) && with(&[("LC_CTYPE", "C.utf8"), ("LANG", "C")])
        );
        assert!(!with(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]) && !with(&[("LANG", "POSIX")]));
    }
}
