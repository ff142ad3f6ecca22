//! The terminal behind standard output: its size, and what it can show.

use std::io::IsTerminal;

use crate::report::Area;

/// On fewer columns nothing is drawn (FAULTS row 95).
const COLUMNS_LEAST: u16 = 20;

/// Where pictures can be drawn now; `None`: standard output is no terminal that can move its cursor, or a tiny one.
pub fn area() -> Option<Area> {
    let out = std::io::stdout();
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let term = variable("TERM").filter(|term| term != "dumb");
    if !out.is_terminal() || term.is_none() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(&out).ok()?;
    let unicode = is_utf8(variable);
    (size.ws_col >= COLUMNS_LEAST).then(|| Area {
        columns: usize::from(size.ws_col),
        rows: usize::from(size.ws_row),
        unicode,
    })
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
