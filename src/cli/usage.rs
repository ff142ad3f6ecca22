//! Tables of the command-line forms and options: the source of `--help`, the manual page and the shell completions.

use std::fmt::Write;

/// A form of the command line.
pub(super) struct UsageForm {
    /// What follows `nls`.
    pub(super) words: &'static str,
    pub(super) help: &'static str,
}

/// An option.
pub(super) struct Flag {
    /// Such as `-k`; empty if it has only the long form.
    pub(super) short: &'static str,
    /// Such as `--json`; empty if it has only the short form.
    pub(super) long: &'static str,
    /// The value that follows it.
    pub(super) value: Value,
    pub(super) help: &'static str,
}

/// The value of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    None,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A file, with its placeholder.
    File(&'static str),
    /// Anything else, with its placeholder.
    Any(&'static str),
}

impl Value {
    /// The value as shown in the usage; empty if there is none.
    pub(super) fn placeholder(self) -> String {
        match self {
            Self::None => String::new(),
            Self::Choice(words) => words.join("|"),
            Self::File(name) | Self::Any(name) => name.into(),
        }
    }
}

impl Flag {
    const fn new(short: &'static str, long: &'static str, value: Value, help: &'static str) -> Self {
        Self { short, long, value, help }
    }

    /// Its names, short form first.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        [self.short, self.long].into_iter().filter(|name| !name.is_empty())
    }

    /// Names and placeholder, such as `--seed N` or `-k`.
    pub(super) fn form(&self) -> String {
        let names = self.names().collect::<Vec<_>>().join(", ");
        format!("{names} {}", self.value.placeholder()).trim_end().to_owned()
    }
}

pub(super) static FORMS: [UsageForm; 8] = [
    UsageForm { words: "", help: "the prompt; a script, if standard input is not a terminal" },
    UsageForm { words: "FILE [ARG…]", help: "run a script ($1, $args)" },
    UsageForm { words: "-c 'a; b'", help: "run these commands" },
    UsageForm { words: "-i FILE", help: "run a script, then the prompt" },
    UsageForm {
        words: "test PATH…",
        help: "run the tests in files and folders; `nls test --help` shows its options",
    },
    UsageForm { words: "check PATH…", help: "find every error without running anything" },
    UsageForm { words: "help [COMMAND]", help: "all commands, or one" },
    UsageForm { words: "help man|bash|zsh|fish", help: "the manual page; completions for that shell" },
];

pub(super) static OPTIONS: [Flag; 13] = [
    Flag::new("-c", "--command", Value::Any("COMMANDS"), "run these commands"),
    Flag::new("-i", "--interactive", Value::File("FILE"), "run a script, then the prompt"),
    Flag::new("", "--json", Value::None, "one JSON object a line"),
    Flag::new("", "--color", Value::Choice(&["auto", "always", "never"]), "when to use colour"),
    Flag::new("", "--seed", Value::Any("N"), "seed of random decisions"),
    Flag::new("-k", "--keep-going", Value::None, "continue after a failure"),
    Flag::new("-x", "--xtrace", Value::None, "show commands as they run"),
    Flag::new("-q", "--quiet", Value::None, "show only errors and the output of `print`"),
    Flag::new("-n", "--no-rc", Value::None, "do not run the rc file"),
    Flag::new(
        "",
        "--no-shell",
        Value::None,
        "refuse !COMMAND and unknown players; scripts can still use files and sockets",
    ),
    Flag::new("-h", "--help", Value::None, "show this help"),
    Flag::new("-V", "--version", Value::None, "show the version"),
    Flag::new("", "--", Value::None, "end of the options"),
];

pub(super) static TEST_OPTIONS: [Flag; 10] = [
    Flag::new(
        "-j",
        "--jobs",
        Value::Any("N"),
        "tests that run at the same time (default: twice the cores, at least 4)",
    ),
    Flag::new("", "--filter", Value::Any("PATTERN"), "only tests whose name matches this regular expression"),
    Flag::new("", "--tag", Value::Any("NAME"), "only tests with this tag; may be given several times"),
    Flag::new("", "--failed", Value::None, "only tests that failed in the last run"),
    Flag::new("", "--list", Value::None, "list the tests that would run, and run none"),
    Flag::new("", "--shuffle", Value::None, "in random order, from --seed"),
    Flag::new("", "--repeat", Value::Any("N"), "run each test N times"),
    Flag::new(
        "",
        "--retries",
        Value::Any("N"),
        "run a failed test again, up to N times: one that passes then is flaky",
    ),
    Flag::new("", "--fail-fast", Value::None, "start no more tests after a failure"),
    Flag::new(
        "",
        "--report",
        Value::Any("FORMAT[=FILE]"),
        "human, tap, junit, jsonl, github or html; may be given several times",
    ),
];

/// Exit codes and their meanings.
pub(super) static EXITS: [(&str, &str); 6] = [
    ("0", "success"),
    ("1", "something failed"),
    ("2", "usage or syntax (nothing has run)"),
    ("3", "cannot start"),
    ("4", "no tests found"),
    ("5", "internal error"),
];

/// Environment variables and their effects.
pub(super) static VARIABLES: [(&str, &str); 8] = [
    ("NLS_RC", "the file that the prompt runs at its start; empty: none"),
    ("NLS_HISTFILE", "where lines typed at the prompt are kept; empty: nowhere"),
    ("NLS_KEYS", "the folder that keeps keys"),
    ("NLS_KEY", "a key for `key import`"),
    ("NLS_PLAYERS", "players for `stream … play`, separated by commas, the preferred one first"),
    ("NO_COLOR", "no colour, if set and not empty"),
    ("CLICOLOR_FORCE", "colour even if the output is not a terminal"),
    ("LC_ALL, LC_CTYPE, LANG", "without UTF-8 in the first of them that is set, pictures are ASCII"),
];

/// The text of `nls --help`, without the commands.
pub(super) fn usage() -> String {
    let mut out = "nls, the network lab shell\n\n".to_owned();
    for form in &FORMS {
        let _ = writeln!(out, "  {:<24} {}", format!("nls {}", form.words).trim_end(), form.help);
    }
    out.push('\n');
    for flag in OPTIONS.iter().filter(|flag| !matches!(flag.short, "-c" | "-i")) {
        let _ = writeln!(out, "  {:<24} {}", flag.form(), flag.help);
    }
    let exits: Vec<String> = EXITS.iter().map(|(code, meaning)| format!("{code} {meaning}")).collect();
    let _ = write!(out, "\nExit: {}; or the signal that ended it.\n", exits.join(", "));
    out
}

/// The text of `nls test --help`.
pub(super) fn test_usage() -> String {
    let mut out =
        "nls test PATH…             run the tests in files and folders (*.nls; names that begin with `_` are for `source`)\n\n"
            .to_owned();
    for flag in &TEST_OPTIONS {
        let _ = writeln!(out, "  {:<24} {}", flag.form(), flag.help);
    }
    out.push_str("  --seed N                 seed of their random decisions\n\n");
    out.push_str(
        "Exit: 0 all passed, 1 one failed, 2 one does not parse (nothing has run), 3 cannot start, 4 no tests found.\n",
    );
    out
}
