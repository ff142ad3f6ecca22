//! What is written for what was done. Pure text:
//!
//! | done | written |
//! |---|---|
//! | `listen tcp 9000 ftp root box` | the folder copied into `$tmp`, `listen tcp 0 ftp root $tmp/box as ftp1` |
//! | `send a.bin to localhost:9000` | `send a.bin to $ftp1 as r1`, then an `expect` for each value that never changes |
//! | `get a.bin from :9000` | `get a.bin from $ftp1 to $tmp as r2` … |
//! | a command that failed | `expect error "why": …` |
//! | a received message | `expect $chat1 says "…" within 5s` |
//! | bytes of a raw session that no expectation consumed | the same for each line, or `expect $c hex "…" within 5s` |
//! | a secret | `$env.NAME` |

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use super::heard::PATIENCE;
use super::script::{Edit, Script};
use crate::base::{Fields, Secrets};
use crate::language::parse::lexer::quoted;
use crate::language::verb::Lasting;
use crate::language::{Action, Argument, Capability, Datum, Invocation, Place, Step};
use crate::report::Failure;
use crate::session::Session;

/// Fields that have the same value in each run.
const LASTING_FIELDS: [&str; 3] = ["value", "bytes", "blake3"];
/// Commands that only inform people, and change nothing.
const NOT_RECORDED: [&str; 9] =
    ["record", "help", "history", "sessions", "log", "attach", "quit", "wait", "print"];
/// A shared folder with more bytes than this is not copied for each run.
const COPY_LIMIT: u64 = 64 << 20;

/// A recording in progress.
#[derive(Debug)]
pub struct Recorder {
    pub(in crate::shell) file: PathBuf,
    pub(super) script: Script,
    pub(in crate::shell) commands: usize,
    /// Fixed ports, and the variables that replace them.
    ports: HashMap<u16, String>,
    /// Paths that were written to, and what replaces them.
    paths: HashMap<String, String>,
    names: usize,
    /// Names that the script itself binds.
    pub(super) bound: HashSet<String>,
    /// Number of messages looked at so far, by the id of the session.
    pub(super) heard: HashMap<u64, usize>,
    /// Names of sessions in the script, by their ids; `newest` is the one given last.
    pub(super) called: HashMap<u64, String>,
    pub(super) newest: Option<String>,
}

impl Recorder {
    pub(in crate::shell) fn new(file: PathBuf) -> Self {
        Self {
            file,
            script: Script::default(),
            commands: 0,
            ports: HashMap::new(),
            paths: HashMap::new(),
            names: 0,
            bound: HashSet::new(),
            heard: HashMap::new(),
            called: HashMap::new(),
            newest: None,
        }
    }

    /// The text of the script, with secrets as `$env.NAME`. Those that it uses are secrets of the script, too.
    pub(in crate::shell) fn text(&self, secrets: &Secrets) -> String {
        let mut script = self.script.text();
        secrets.name(&mut script);
        let mut text = format!("# Recorded by nls {}.\n", env!("CARGO_PKG_VERSION"));
        for name in secrets.names() {
            let line = format!("secret {name}");
            if uses(&script, &name) && !script.lines().any(|known| known.trim() == line) {
                text += &(line + "\n");
            }
        }
        text + &script
    }

    /// Records a statement and its result.
    pub(super) fn note(&mut self, step: &Step, known: Vec<Edit>, result: Result<Option<&Fields>, &Failure>) {
        let Action::Command(invocation) = &step.action else {
            if let Action::Let { name, .. } = &step.action {
                self.bound.insert(name.clone());
            }
            // The reason of what was not met is the condition.
            let is_condition = matches!(step.action, Action::Expect(_) | Action::ExpectSession(_));
            let why = result.err().map(|failure| if is_condition { "" } else { &failure.why });
            self.push(step.text().to_owned(), why);
            return;
        };
        if NOT_RECORDED.contains(&invocation.verb.name) {
            return;
        }
        let mut behind = String::new();
        let name = match &invocation.binding {
            Some(name) => name.clone(),
            None if wants_name(invocation) => {
                let name = self.new_name(invocation);
                behind += &format!(" as {name}");
                name
            }
            None => String::new(),
        };
        let mut edits = self.edits(invocation, &name, result.is_ok());
        edits.extend(known);
        self.bound.insert(name.clone());
        behind.insert_str(0, &self.additions(invocation));
        let line = edited(step, edits, &behind);
        self.push(line, result.err().map(|failure| failure.why.as_str()));
        self.newest = Some(name.clone()).filter(|name| !name.is_empty());
        if let Ok(Some(fields)) = result {
            self.expect_fields(invocation, &name, fields);
        }
    }

    /// What must be said in addition, so that nothing is written outside the folder of the run.
    fn additions(&mut self, invocation: &Invocation) -> String {
        let has = |word: &str| invocation.arguments.iter().any(|(name, ..)| *name == word);
        let mut more = String::new();
        if has_writable_root(invocation) && !has("root") && !has("readonly") {
            more += &format!(" root {}", self.copied("."));
        }
        if invocation.verb.capabilities.contains(&Capability::Store) && !has("to") {
            more += " to $tmp";
        }
        more
    }

    /// Expects the values of a result that never change.
    fn expect_fields(&mut self, invocation: &Invocation, name: &str, fields: &Fields) {
        let lasting = invocation.verb.lasting == Lasting::Job
            || invocation.verb.capabilities.contains(&Capability::Record);
        if !lasting || name.is_empty() || invocation.background {
            return;
        }
        for (field, value) in fields.iter().filter(|(field, _)| LASTING_FIELDS.contains(field)) {
            self.script.write(format!("expect ${name}.{field} == {}", quoted(&value.to_string())));
        }
    }

    /// The next name for a result: the service or the verb, with a number.
    fn new_name(&mut self, invocation: &Invocation) -> String {
        self.names += 1;
        let kind = invocation.service.map_or(invocation.verb.name, |service| service.name);
        format!("{kind}{}", self.names)
    }

    /// The arguments that would differ in the next run, with their replacements. `well`: the statement succeeded.
    fn edits(&mut self, invocation: &Invocation, name: &str, well: bool) -> Vec<Edit> {
        let mut edits = Vec::new();
        for (word, argument, span) in &invocation.arguments {
            if let Argument::Ready(datum) = argument
                && let Some(text) = self.replaced(word, datum, name, well)
            {
                edits.push((span.clone(), text));
            }
        }
        edits
    }

    /// The name of a session in the script; `None` if it is neither started there nor a client of a server that is.
    pub(super) fn name_of(&self, session: &Session) -> Option<String> {
        let of_own_server = session.parent.is_some_and(|server| self.called.contains_key(&server));
        let own = || session.name.clone().filter(|_| of_own_server);
        self.called.get(&session.id).cloned().or_else(own)
    }

    /// Records a received message as an expectation.
    pub(super) fn heard(&mut self, session: &str, text: &str) {
        self.script.write(format!("expect {session} says {} within {PATIENCE}", quoted(text)));
    }

    /// Records a line that was typed while attached.
    pub(super) fn said(&mut self, session: &str, text: &str) {
        self.push(format!("say {session} {}", quoted(text)), None);
    }

    /// Records that a session was ended while attached.
    pub(super) fn stopped(&mut self, session: &str) {
        self.push(format!("stop {session}"), None);
    }

    /// `why`: why it failed.
    fn push(&mut self, line: String, why: Option<&str>) {
        self.commands += 1;
        self.script.write(match why {
            // Only the front of the reason, up to the first digit: no address and no time is in it.
            Some(why) => {
                let why = why.split([':', ';']).next().unwrap_or_default();
                let why: String = why.chars().take_while(|c| !c.is_ascii_digit()).take(60).collect();
                match why.trim() {
                    "" => format!("expect error: {line}"),
                    why => format!("expect error {}: {line}", quoted(why)),
                }
            }
            None => line,
        });
    }

    /// The replacement for an argument that would differ in the next run; `None`: it stays. `well`: the statement
    /// succeeded.
    fn replaced(&mut self, word: &str, datum: &Datum, name: &str, well: bool) -> Option<String> {
        match datum {
            Datum::Port(port) if *port != 0 => {
                if well {
                    self.ports.insert(*port, format!("${name}"));
                }
                Some("0".into())
            }
            Datum::Endpoint(_, Place::Address(endpoint)) if endpoint.host.is_loopback() => {
                self.ports.get(&endpoint.port).cloned()
            }
            Datum::Path(path, _) if word == "root" => Some(self.copied(path)),
            Datum::Path(path, _) if word == "to" => {
                let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or("copy");
                let new = if path.contains("$tmp") { return None } else { format!("$tmp/{last}") };
                self.paths.insert(path.clone(), new.clone());
                Some(new)
            }
            Datum::Path(path, _) => self.paths.get(path).cloned(),
            _ => None,
        }
    }

    /// Replaces a folder that is written to by a copy, so that each run has its own.
    fn copied(&mut self, path: &str) -> String {
        if let Some(known) = self.paths.get(path) {
            return known.clone();
        }
        if size_up_to(std::path::Path::new(path), COPY_LIMIT).is_none() {
            self.script.write(format!("# {path} is large: all runs share it, and must not write to it"));
            return path.to_owned();
        }
        let new = format!("$tmp/root{}", self.paths.len() + 1);
        let from = path.trim_end_matches('/');
        self.script.write(format!("!mkdir {new} && cp -r '{from}/.' {new}"));
        self.paths.insert(path.to_owned(), new.clone());
        new
    }
}

/// True if the variable of this name stands in the script, as `$NAME` or `$env.NAME`.
fn uses(script: &str, name: &str) -> bool {
    let ends = |behind: &str| !behind.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    ["$", "$env."].iter().any(|begin| script.split(&format!("{begin}{name}")).skip(1).any(ends))
}

fn wants_name(invocation: &Invocation) -> bool {
    invocation.verb.lasting != Lasting::Instant || invocation.verb.capabilities.contains(&Capability::Record)
}

/// True if it starts a server that stores files: its folder is copied for each run.
fn has_writable_root(invocation: &Invocation) -> bool {
    invocation.service.is_some_and(|service| service.keyword("readonly").is_some())
}

/// Bytes below a folder; `None`: more than `limit`, or it cannot be read.
fn size_up_to(folder: &std::path::Path, limit: u64) -> Option<u64> {
    let mut total = 0;
    for entry in std::fs::read_dir(folder).ok()?.flatten() {
        let metadata = entry.metadata().ok()?;
        total += if metadata.is_dir() { size_up_to(&entry.path(), limit - total)? } else { metadata.len() };
        if total > limit {
            return None;
        }
    }
    Some(total)
}

/// The statement with its edits, and `behind` added at its end, before a `&`.
fn edited(step: &Step, mut edits: Vec<Edit>, behind: &str) -> String {
    let mut line = step.text().to_owned();
    edits.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    for (span, text) in edits {
        let at = span.start - step.span.start..span.end - step.span.start;
        line.replace_range(at, &text);
    }
    match line.strip_suffix('&') {
        Some(front) => format!("{}{behind} &", front.trim_end()),
        None => line + behind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Value;
    use crate::language::{Scope, Source};

    fn record(lines: &[(&str, Result<Fields, Failure>)]) -> String {
        let vocabulary = crate::shell::catalogue::vocabulary(true);
        let mut recorder = Recorder::new("x.nls".into());
        let mut scope = Scope::builtin(0);
        for (line, result) in lines {
            let source = Source::new("prompt", *line);
            let plan =
                crate::language::plan(&source, &vocabulary, &mut scope, &|_, _| Err("no".into())).unwrap();
            recorder.note(&plan.setup[0], Vec::new(), result.as_ref().map(Some));
        }
        recorder.text(&Secrets::default()).split_once('\n').unwrap().1.to_owned()
    }

    #[test]
    fn ports_become_names_and_values_become_expectations() {
        let value = vec![("value", Value::text("1")), ("seconds", Value::text("9"))];
        let text = record(&[
            ("listen tcp 9002 calc", Ok(Vec::new())),
            ("calc 7 % 3 at localhost:9002", Ok(value.clone())),
            ("calc 7 % 3 at :9002 as r", Ok(value.clone())),
            ("calc 7 % 3 at elsewhere:9002", Ok(value)),
            ("help calc", Ok(Vec::new())),
        ]);
        assert_eq!(
            text,
            "listen tcp 0 calc as calc1\ncalc 7 % 3 at $calc1 as calc2\nexpect $calc2.value == \"1\"\n\
             calc 7 % 3 at $calc1 as r\nexpect $r.value == \"1\"\n\
             calc 7 % 3 at elsewhere:9002 as calc3\nexpect $calc3.value == \"1\"\n"
        );
    }

    #[test]
    fn failures_are_expected_and_what_is_written_goes_into_the_folder_of_the_run() {
        let failure = Failure::new(crate::wire::Code::Missing, "there is no file `x`; `ls` shows");
        let text = record(&[
            ("listen tcp 9000 ftp root src/base as files", Ok(Vec::new())),
            ("get x from :9000", Err(failure)),
            ("get y from :9000 to copy.bin &", Ok(Vec::new())),
        ]);
        assert_eq!(
            text,
            "!mkdir $tmp/root1 && cp -r 'src/base/.' $tmp/root1\nlisten tcp 0 ftp root $tmp/root1 as files\n\
             expect error \"there is no file `x`\": get x from $files to $tmp as get1\n\
             get y from $files to $tmp/copy.bin as get2 &\n"
        );
    }
}
