//! What stands behind `nls` on the command line.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;

use lexopt::prelude::*;

use crate::output::Choice;

pub(super) const USAGE: &str = "\
nls, the network lab shell

  nls                      the prompt; a script, if standard input is no terminal
  nls FILE [ARG…]          run a script ($1, $args)
  nls -c 'a; b'            run these commands
  nls -i FILE              run a script, then the prompt
  nls test PATH…           run the tests in files and folders [--filter PATTERN]
  nls check PATH…          find every error without running anything
  nls help [COMMAND]       all commands, or one

  --json         one JSON object a line     --color auto|always|never
  --seed N       what is drawn at random    -k  go on after a failure
  -x  show commands as they run             -q  only errors and what `print` says
  -n  no rc file                            --no-shell  refuse !COMMAND
  --version

Exit: 0 well, 1 something failed, 2 usage or syntax (nothing has run), 3 cannot start,
4 no tests found, 5 internal error; or the signal that ended it.
";

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Check(Vec<PathBuf>),
    Command(String),
    Help(Option<String>),
    /// Standard input is a script.
    Input,
    Prompt {
        first: Option<PathBuf>,
    },
    Script(PathBuf),
    Test {
        paths: Vec<PathBuf>,
        filter: Option<String>,
    },
    Version,
}

#[derive(Clone, Debug)]
pub(super) struct Arguments {
    pub(super) mode: Mode,
    /// `$1`, `$2` …
    pub(super) rest: Vec<String>,
    pub(super) json: bool,
    pub(super) colour: Choice,
    pub(super) seed: u64,
    pub(super) keep_going: bool,
    pub(super) echo: bool,
    pub(super) quiet: bool,
    pub(super) no_rc: bool,
    pub(super) no_shell: bool,
}

#[derive(Default)]
struct Raw {
    command: Option<String>,
    first: Option<PathBuf>,
    filter: Option<String>,
    values: Vec<OsString>,
    help: bool,
    version: bool,
    seed: Option<u64>,
}

impl Arguments {
    pub(super) fn read() -> Result<Self, String> {
        Self::from(lexopt::Parser::from_env(), std::io::stdin().is_terminal())
    }

    fn from(mut parser: lexopt::Parser, terminal: bool) -> Result<Self, String> {
        let mut raw = Raw::default();
        let mut out = Self {
            mode: Mode::Input,
            rest: Vec::new(),
            json: false,
            colour: Choice::Auto,
            seed: 0,
            keep_going: false,
            echo: false,
            quiet: false,
            no_rc: false,
            no_shell: false,
        };
        while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
            // An option borrows the parser, which its value is read from.
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
                // What stands behind a script belongs to the script.
                raw.values.extend(parser.raw_args()?);
            }
            return Ok(());
        }
        match word {
            "-c" => {
                let more = parser.value()?.string()?;
                let before = raw.command.take().map(|before| before + "\n").unwrap_or_default();
                raw.command = Some(before + &more);
            }
            "-i" => raw.first = Some(parser.value()?.into()),
            "-k" => self.keep_going = true,
            "-x" => self.echo = true,
            "-q" => self.quiet = true,
            "-n" => self.no_rc = true,
            "-h" | "--help" => raw.help = true,
            "-V" | "--version" => raw.version = true,
            "--json" => self.json = true,
            "--no-shell" => self.no_shell = true,
            "--filter" => raw.filter = Some(parser.value()?.string()?),
            "--seed" => raw.seed = Some(parser.value()?.parse()?),
            "--color" | "--colour" => {
                self.colour = match parser.value()?.string()?.as_str() {
                    "auto" => Choice::Auto,
                    "always" => Choice::Always,
                    "never" => Choice::Never,
                    other => return Err(format!("--color is auto, always or never, not `{other}`").into()),
                }
            }
            other => return Err(format!("unknown option {other}").into()),
        }
        Ok(())
    }

    fn decide(&mut self, raw: Raw, terminal: bool) -> Result<(), String> {
        let Raw { command, first, filter, mut values, help, version, .. } = raw;
        let paths = |values: &[OsString]| values.iter().skip(1).map(PathBuf::from).collect::<Vec<_>>();
        let text = |value: OsString| {
            value.into_string().map_err(|value| format!("`{}` is not UTF-8", value.display()))
        };
        if filter.is_some() && values.first().is_none_or(|word| word != "test") {
            return Err("--filter belongs to `nls test`".into());
        }
        self.mode = match values.first().and_then(|word| word.to_str()) {
            _ if version => Mode::Version,
            _ if help => Mode::Help(None),
            _ if command.is_some() && first.is_some() => return Err("-c and -i exclude each other".into()),
            Some("help") => Mode::Help(values.get(1).cloned().map(text).transpose()?),
            Some("test" | "check") if values.len() == 1 => return Err("name a file or a folder".into()),
            Some("test") => Mode::Test { paths: paths(&values), filter },
            Some("check") => Mode::Check(paths(&values)),
            other => {
                let mode = match (command, first, other) {
                    (Some(command), ..) => Mode::Command(command),
                    (None, Some(first), _) => Mode::Prompt { first: Some(first) },
                    (None, None, Some("-")) => Mode::Input,
                    (None, None, None) if terminal => Mode::Prompt { first: None },
                    (None, None, None) => Mode::Input,
                    (None, None, Some(_)) => Mode::Script(PathBuf::from(&values[0])),
                };
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Arguments, String> {
        Arguments::from(lexopt::Parser::from_args(words), true)
    }

    #[test]
    fn modes_and_options() {
        assert_eq!(read(&[]).unwrap().mode, Mode::Prompt { first: None });
        assert_eq!(read(&["-c", "a; b", "--json"]).unwrap().mode, Mode::Command("a; b".into()));
        let script = read(&["-k", "x.nls", "one", "-c", "--two"]).unwrap();
        assert_eq!(script.mode, Mode::Script("x.nls".into()));
        assert_eq!(script.rest, ["one", "-c", "--two"]);
        assert_eq!(
            read(&["test", "a", "b", "--filter", "x"]).unwrap().mode,
            Mode::Test { paths: vec!["a".into(), "b".into()], filter: Some("x".into()) }
        );
        assert_eq!(read(&["help", "send"]).unwrap().mode, Mode::Help(Some("send".into())));
        assert_eq!(read(&["--seed", "7"]).unwrap().seed, 7);
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
            &["-c", "a", "-i", "b"],
        ] {
            assert!(read(words).is_err(), "{words:?}");
        }
    }
}
