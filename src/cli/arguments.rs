//! The arguments of `nls` on the command line.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;

use lexopt::prelude::*;

use crate::language::Verb;
use crate::language::parse::lexer::as_word;
use crate::language::verb::{Capability, Lasting};
use crate::output::ColourChoice;
use crate::output::reports::FORMATS;
use crate::service::files::name::written;
use crate::shell::catalogue;

/// What the program does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Check(Vec<PathBuf>),
    Command(String),
    Help(Option<String>),
    /// Run standard input as a script.
    Input,
    /// The prompt; `first` is a script to run before it, `typed` a command.
    Prompt {
        first: Option<PathBuf>,
        typed: Option<String>,
    },
    /// One command, whose words were given as arguments.
    Verb {
        text: String,
        /// A session that continues: it is waited for.
        stays: bool,
        /// The standard streams are the other side of its connection.
        pipes: bool,
    },
    Script(PathBuf),
    Test {
        paths: Vec<PathBuf>,
        choice: Choices,
    },
    TestHelp,
    Version,
}

/// Which tests run, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Choices {
    /// Tests run in parallel; `None`: a default that depends on the number of cores.
    pub(super) jobs: Option<usize>,
    /// Regular expressions: a test runs if its name matches one of them; empty: all run.
    pub(super) filters: Vec<String>,
    /// A test runs if it has one of these tags; empty: all run.
    pub(super) tags: Vec<String>,
    /// Only the tests that failed in the last run.
    pub(super) failed: bool,
    /// List the tests instead of running them.
    pub(super) list: bool,
    pub(super) shuffle: bool,
    /// How often each test runs; `None`: once.
    pub(super) repeat: Option<usize>,
    /// How often a failed test is run again.
    pub(super) retries: usize,
    pub(super) fail_fast: bool,
    /// A format and a file each; `None` is standard output.
    pub(super) reports: Vec<(String, Option<PathBuf>)>,
}

/// The parsed command line.
#[derive(Clone, Debug)]
pub(super) struct Arguments {
    pub(super) mode: Mode,
    /// Arguments of the script: `$1`, `$2` …
    pub(super) rest: Vec<String>,
    pub(super) json: bool,
    pub(super) colour: ColourChoice,
    /// Seed of random decisions; the process id if it is not given.
    pub(super) seed: u64,
    pub(super) keep_going: bool,
    pub(super) echo: bool,
    pub(super) quiet: bool,
    pub(super) no_rc: bool,
    /// Refuse `!COMMAND` and unknown players.
    pub(super) no_shell: bool,
}

#[derive(Default)]
struct Raw {
    command: Option<String>,
    first: Option<PathBuf>,
    choice: Choices,
    values: Vec<OsString>,
    help: bool,
    version: bool,
    seed: Option<u64>,
}

impl Arguments {
    /// True for the prompt.
    pub(super) fn is_interactive(&self) -> bool {
        matches!(self.mode, Mode::Prompt { .. })
    }

    /// Parses the process's arguments; an error says what is wrong with them.
    pub(super) fn read() -> Result<Self, String> {
        Self::from(lexopt::Parser::from_env(), std::io::stdin().is_terminal())
    }

    fn from(mut parser: lexopt::Parser, terminal: bool) -> Result<Self, String> {
        let mut raw = Raw::default();
        let mut out = Self {
            mode: Mode::Input,
            rest: Vec::new(),
            json: false,
            colour: ColourChoice::Auto,
            seed: 0,
            keep_going: false,
            echo: false,
            quiet: false,
            no_rc: false,
            no_shell: false,
        };
        while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
            // An option borrows the parser, so it is copied before its value can be read.
            let (word, value) = match argument {
                Short(letter) => (format!("-{letter}"), None),
                Long(word) => (format!("--{word}"), None),
                Value(value) => (String::new(), Some(value)),
            };
            out.take(&word, value, &mut parser, &mut raw).map_err(|error| error.to_string())?;
        }
        out.seed = raw.seed.unwrap_or_else(|| u64::from(std::process::id()));
        out.decide(raw, terminal)?;
        Ok(out)
    }

    fn take(
        &mut self,
        word: &str,
        value: Option<OsString>,
        parser: &mut lexopt::Parser,
        raw: &mut Raw,
    ) -> Result<(), lexopt::Error> {
        if let Some(value) = value {
            raw.values.push(value);
            if !matches!(raw.values[0].to_str(), Some("test" | "check" | "help")) {
                // Everything after the script's name belongs to the script.
                raw.values.extend(parser.raw_args()?);
            }
            return Ok(());
        }
        match word {
            "-c" | "--command" => {
                let more = parser.value()?.string()?;
                let before = raw.command.take().map(|before| before + "\n").unwrap_or_default();
                raw.command = Some(before + &more);
            }
            "-i" | "--interactive" => raw.first = Some(parser.value()?.into()),
            "-k" | "--keep-going" => self.keep_going = true,
            "-x" | "--xtrace" => self.echo = true,
            "-q" | "--quiet" => self.quiet = true,
            "-n" | "--no-rc" => self.no_rc = true,
            "-h" | "--help" => raw.help = true,
            "-V" | "--version" => raw.version = true,
            "--json" => self.json = true,
            "--no-shell" => self.no_shell = true,
            "--seed" => raw.seed = Some(parser.value()?.parse()?),
            "--color" | "--colour" => self.colour = parse_colour(&parser.value()?.string()?)?,
            other => return take_choice(other, parser, &mut raw.choice),
        }
        Ok(())
    }

    fn decide(&mut self, raw: Raw, terminal: bool) -> Result<(), String> {
        let Raw { command, first, choice, mut values, help, version, .. } = raw;
        let paths = |values: &[OsString]| values.iter().skip(1).map(PathBuf::from).collect::<Vec<_>>();
        let text = |value: OsString| {
            value.into_string().map_err(|value| format!("`{}` is not UTF-8", value.display()))
        };
        let tests = values.first().is_some_and(|word| word == "test");
        if choice != Choices::default() && !tests {
            return Err("--filter, --jobs, --report and similar options are only for `nls test`".into());
        }
        self.mode = match values.first().and_then(|word| word.to_str()) {
            _ if version => Mode::Version,
            _ if help && tests => Mode::TestHelp,
            _ if help => Mode::Help(None),
            _ if command.is_some() && first.is_some() => return Err("-c and -i cannot be combined".into()),
            Some("help") => Mode::Help(values.get(1).cloned().map(text).transpose()?),
            Some("test" | "check") if values.len() == 1 => return Err("name a file or a folder".into()),
            Some("test") => Mode::Test { paths: paths(&values), choice },
            Some("check") => Mode::Check(paths(&values)),
            Some(word) if command.is_none() && first.is_none() && catalogue::entry(word).is_some() => {
                let verb = catalogue::entry(word).map(|entry| entry.verb());
                let words = values.into_iter().map(in_words).collect();
                one_command(verb, words, terminal)
            }
            other => {
                let mode = to_run(command, first, other, terminal);
                if matches!(mode, Mode::Script(_) | Mode::Input) && !values.is_empty() {
                    values.remove(0);
                }
                self.rest = values.into_iter().map(text).collect::<Result<_, _>>()?;
                mode
            }
        };
        Ok(())
    }
}

/// The mode for what is to be run: `word` is in the first place.
fn to_run(command: Option<String>, first: Option<PathBuf>, word: Option<&str>, terminal: bool) -> Mode {
    match (command, first, word) {
        (Some(command), ..) => Mode::Command(command),
        (None, Some(first), _) => Mode::Prompt { first: Some(first), typed: None },
        (None, None, None) if terminal => Mode::Prompt { first: None, typed: None },
        (None, None, None | Some("-")) => Mode::Input,
        (None, None, Some(path)) => Mode::Script(PathBuf::from(path)),
    }
}

/// The mode for a verb in the first place. What is talked with is entered at a terminal.
fn one_command(verb: Option<&Verb>, words: Vec<String>, terminal: bool) -> Mode {
    let stays = verb.is_some_and(|verb| verb.lasting == Lasting::Service);
    let talks = verb.is_some_and(|verb| verb.capabilities.contains(&Capability::Converse));
    let pipes = verb.is_some_and(|verb| verb.name == crate::service::raw::CONNECT.verb.name);
    let text = words.into_iter().map(as_word).collect::<Vec<_>>().join(" ");
    if talks && terminal {
        return Mode::Prompt { first: None, typed: Some(text) };
    }
    Mode::Verb { text, stays, pipes: pipes && !terminal }
}

/// The value of `--color`.
fn parse_colour(word: &str) -> Result<ColourChoice, String> {
    match word {
        "auto" => Ok(ColourChoice::Auto),
        "always" => Ok(ColourChoice::Always),
        "never" => Ok(ColourChoice::Never),
        other => Err(format!("--color is auto, always or never, not `{other}`")),
    }
}

/// An option of `nls test`.
fn take_choice(word: &str, parser: &mut lexopt::Parser, choice: &mut Choices) -> Result<(), lexopt::Error> {
    let mut count = |least: usize| match parser.value()?.parse::<usize>()? {
        count if count >= least => Ok(count),
        count => Err(lexopt::Error::from(format!("{word} {count}: the minimum is {least}"))),
    };
    match word {
        "--jobs" | "-j" => choice.jobs = Some(count(1)?),
        "--repeat" => choice.repeat = Some(count(1)?),
        "--retries" => choice.retries = count(0)?,
        "--filter" => choice.filters.push(parser.value()?.string()?),
        "--tag" => choice.tags.push(parser.value()?.string()?),
        "--failed" => choice.failed = true,
        "--list" => choice.list = true,
        "--shuffle" => choice.shuffle = true,
        "--fail-fast" => choice.fail_fast = true,
        "--report" => {
            let text = parser.value()?.string()?;
            let (format, file) = match text.split_once('=') {
                Some((format, file)) => (format, Some(PathBuf::from(file))),
                None => (text.as_str(), None),
            };
            if !FORMATS.contains(&format) {
                let known = FORMATS.join(", ");
                return Err(format!(
                    "--report is one of {known}, with =FILE to write to a file; not `{format}`"
                )
                .into());
            }
            choice.reports.push((format.to_owned(), file));
        }
        other => return Err(format!("unknown option {other}").into()),
    }
    Ok(())
}

/// An argument as it stands in a command. What is not UTF-8 is written with escapes, as names of files are everywhere.
fn in_words(value: OsString) -> String {
    value.into_string().unwrap_or_else(|value| written(&value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::usage::{Flag, OPTIONS, TEST_OPTIONS, Value};

    fn read(words: &[&str]) -> Result<Arguments, String> {
        Arguments::from(lexopt::Parser::from_args(words), true)
    }

    #[test]
    fn modes_and_options() {
        assert_eq!(read(&[]).unwrap().mode, Mode::Prompt { first: None, typed: None });
        assert_eq!(read(&["-c", "a; b", "--json"]).unwrap().mode, Mode::Command("a; b".into()));
        let script = read(&["-k", "x.nls", "one", "-c", "--two"]).unwrap();
        assert_eq!(script.mode, Mode::Script("x.nls".into()));
        assert_eq!(script.rest, ["one", "-c", "--two"]);
        assert_eq!(
            read(&["test", "a", "b", "--filter", "x", "--filter", "y"]).unwrap().mode,
            Mode::Test {
                paths: vec!["a".into(), "b".into()],
                choice: Choices { filters: vec!["x".into(), "y".into()], ..Choices::default() }
            }
        );
        assert_eq!(read(&["help", "send"]).unwrap().mode, Mode::Help(Some("send".into())));
        assert_eq!(read(&["--seed", "7"]).unwrap().seed, 7);
    }

    /// A valid value for an option.
    fn value(flag: &Flag) -> Option<&'static str> {
        match flag.value {
            Value::None => None,
            Value::Choice(words) => Some(words[0]),
            Value::File(_) => Some("a.nls"),
            Value::Any("FORMAT[=FILE]") => Some("tap=out"),
            Value::Any(_) => Some("1"),
        }
    }

    #[test]
    fn every_option_that_is_told_of_is_taken() {
        for (first, rows) in [(&[][..], &OPTIONS[..]), (&["test", "a"], &TEST_OPTIONS[..])] {
            for row in rows {
                for name in row.names() {
                    let words: Vec<&str> = first.iter().copied().chain([name]).chain(value(row)).collect();
                    assert!(read(&words).is_ok(), "{words:?}: {:?}", read(&words).err());
                }
            }
        }
    }

    #[test]
    fn wrong_words_are_refused() {
        for words in [
            &["--frobnicate"][..],
            &["--color", "maybe"],
            &["test"],
            &["-c"],
            &["--seed", "x"],
            &["--filter", "x"],
            &["--jobs", "2"],
            &["test", "a", "--jobs", "0"],
            &["test", "a", "--report", "pdf"],
            &["-c", "a", "-i", "b"],
        ] {
            assert!(read(words).is_err(), "{words:?}");
        }
    }
}
