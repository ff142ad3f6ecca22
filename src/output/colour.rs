//! Whether to use colour, decided once for each stream.

use std::io::IsTerminal;

/// The value of `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColourChoice {
    #[default]
    Auto,
    Always,
    Never,
}

/// Whether each of the two streams gets colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Colours {
    pub out: bool,
    pub err: bool,
}

impl Colours {
    /// The first that applies decides: `--color`, NO_COLOR, CLICOLOR_FORCE, CLICOLOR, whether it is a terminal.
    pub fn decide(choice: ColourChoice) -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        let of = |terminal: bool| decide(choice, &variable, terminal);
        let colours =
            Self { out: of(std::io::stdout().is_terminal()), err: of(std::io::stderr().is_terminal()) };
        // `colored` has one global switch: it is on, and each use here checks the setting of its own stream first.
        colored::control::set_override(true);
        colours
    }
}

fn decide(choice: ColourChoice, variable: &dyn Fn(&str) -> Option<String>, terminal: bool) -> bool {
    match choice {
        ColourChoice::Always => return true,
        ColourChoice::Never => return false,
        ColourChoice::Auto => {}
    }
    if variable("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        return false;
    }
    if variable("CLICOLOR_FORCE").is_some_and(|value| !value.is_empty() && value != "0") {
        return true;
    }
    if variable("CLICOLOR").is_some_and(|value| value == "0") {
        return false;
    }
    terminal && super::terminal::names_capable(variable("TERM").as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_the_contract() {
        let with = |choice, pairs: &'static [(&str, &str)], terminal| {
            decide(
                choice,
                &|name| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()),
                terminal,
            )
        };
        assert!(
            with(ColourChoice::Auto, &[("TERM", "xterm")], true)
                && !with(ColourChoice::Auto, &[("TERM", "xterm")], false)
        );
        assert!(!with(ColourChoice::Auto, &[], true), "no name says that it has colours");
        assert!(with(ColourChoice::Always, &[("NO_COLOR", "1")], false));
        assert!(!with(ColourChoice::Auto, &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], true));
        assert!(with(ColourChoice::Auto, &[("NO_COLOR", ""), ("CLICOLOR_FORCE", "1")], false));
        assert!(!with(ColourChoice::Auto, &[("CLICOLOR", "0")], true));
        assert!(!with(ColourChoice::Auto, &[("TERM", "dumb")], true));
    }
}
