//! The terminal: its size, what it can show, and how it was before the line editor changed it.

use std::io::IsTerminal;
use std::sync::OnceLock;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use crate::report::Area;

/// On fewer columns nothing is drawn (FAULTS row 95).
const COLUMNS_LEAST: u16 = 20;

/// Where pictures can be drawn now; `None`: standard output is no terminal that can move its cursor, or a tiny one.
pub fn area() -> Option<Area> {
    area_of(&std::io::stdout())
}

/// The same behind standard error, where progress stands.
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

/// The terminal as it was.
static BEFORE: OnceLock<(std::os::fd::OwnedFd, Termios)> = OnceLock::new();

/// True if a terminal moves its cursor and knows colours: a name says so.
pub fn is_capable() -> bool {
    names_capable(std::env::var("TERM").ok().as_deref())
}

/// The same of what `TERM` says.
pub(super) fn names_capable(term: Option<&str>) -> bool {
    term.is_some_and(|term| !term.is_empty() && term != "dumb")
}

/// Remembers how the terminal is, once.
pub fn keep_terminal() {
    // Standard input may be another one while a line is edited.
    let terminal = rustix::io::fcntl_dupfd_cloexec(std::io::stdin(), 3);
    if let Ok(terminal) = terminal
        && let Ok(attributes) = tcgetattr(&terminal)
    {
        drop(BEFORE.set((terminal, attributes)));
    }
}

/// The terminal as it was when it was remembered: a line editor that is killed, and a child that was, leave it as they
/// needed it.
pub fn restore_terminal() {
    if let Some((terminal, attributes)) = BEFORE.get() {
        // It may be gone.
        let _ = tcsetattr(terminal, OptionalActions::Now, attributes);
    }
}

/// As the locale says (POSIX, section 8.2: the first that is set counts). Where none is set, most systems of today
/// mean UTF-8.
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
