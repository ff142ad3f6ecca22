//! The formats that were asked for, and where each goes: standard output, or a file that is whole or absent; what is no
//! file is written through.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::fail;
use crate::cli::Program;
use crate::cli::arguments::Choices;
use crate::output::reports::{Reporter, reporter};
use crate::output::{Rendered, Sink, Style};
use crate::report::{Summary, TestPlan, TestRun};

/// Links that are followed, as many as the system does (path_resolution(7)).
const LINKS_LIMIT: usize = 40;

/// Where a report goes.
enum Target {
    Output,
    /// Written at the end.
    File(PathBuf, String),
}

pub(super) struct Reports {
    sink: Sink,
    all: Vec<(Box<dyn Reporter>, Target)>,
}

impl Reports {
    /// `None`: two want standard output, which was said.
    pub(super) fn new(program: &Program, choices: &Choices, seed: u64) -> Option<Self> {
        let mut wanted = choices.reports.clone();
        let to_output = wanted.iter().filter(|(_, file)| file.is_none()).count();
        if to_output > 1 || to_output == 1 && program.style.json {
            fail(
                program,
                "only one report can go to standard output; give the others a file: --report FORMAT=FILE",
            );
            return None;
        }
        if to_output == 0 {
            let format = if program.style.json { "jsonl" } else { "human" };
            wanted.insert(0, (format.to_owned(), None));
        }
        let files = wanted.iter().filter_map(|(_, file)| file.as_ref());
        if let Some(file) = files.into_iter().find(|file| !folder_of(file).is_dir()) {
            let shown = file.display();
            fail(
                program,
                format!("the report `{shown}` cannot be written: its folder does not exist; make it"),
            );
            return None;
        }
        // A word that no test can guess: the seed is known to it.
        let secret = u64::from_le_bytes(crate::net::udp::random());
        let all = wanted
            .into_iter()
            .filter_map(|(format, file)| {
                let style = if file.is_some() { Style::plain() } else { program.style };
                let target = file.map_or(Target::Output, |file| Target::File(file, String::new()));
                Some((reporter(&format, style, secret ^ seed)?, target))
            })
            .collect();
        Some(Self { sink: program.sink.clone(), all })
    }

    fn each(&mut self, text: impl Fn(&mut dyn Reporter) -> String) {
        for (reporter, target) in &mut self.all {
            let text = text(&mut **reporter);
            match target {
                Target::Output => self.sink.put(Rendered { out: text, err: String::new() }),
                Target::File(_, whole) => {
                    let mut text = text;
                    self.sink.secrets.hide(&mut text);
                    whole.push_str(&text);
                }
            }
        }
    }

    pub(super) fn begin(&mut self, plan: &TestPlan) {
        self.each(|reporter| reporter.begin(plan));
    }

    pub(super) fn test(&mut self, run: &TestRun) {
        let mut run = run.clone();
        run.hide(&self.sink.secrets);
        self.each(|reporter| reporter.test(&run));
    }

    /// # Errors
    /// A report could not be written, and why.
    pub(super) fn end(mut self, summary: &Summary) -> Result<(), String> {
        self.each(|reporter| reporter.end(summary));
        for (_, target) in &self.all {
            if let Target::File(file, text) = target {
                write(file, text).map_err(|error| {
                    format!(
                        "the report `{}` cannot be written: {}",
                        file.display(),
                        crate::report::reason(&error)
                    )
                })?;
            }
        }
        Ok(())
    }
}

/// A regular file appears as a whole; what is no file (a FIFO, a device) is written to as it is, and a link to a file
/// stays one.
fn write(file: &Path, text: &str) -> std::io::Result<()> {
    let is_special = file.metadata().is_ok_and(|metadata| !metadata.is_file());
    if is_special {
        return through(file, text);
    }
    let target = behind_links(file);
    let mut new = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder_of(&target))?;
    new.write_all(text.as_bytes())?;
    new.persist(target).map_err(|error| error.error).map(drop)
}

/// Where a chain of links leads, whether something is there or not.
fn behind_links(file: &Path) -> PathBuf {
    let mut target = file.to_owned();
    for _ in 0..LINKS_LIMIT {
        let Ok(next) = std::fs::read_link(&target) else { break };
        target = folder_of(&target).join(next);
    }
    target
}

/// Opened without waiting: a FIFO that nobody reads is an error.
fn through(file: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let mut open = std::fs::File::options().write(true).custom_flags(nonblocking).open(file)?;
    rustix::fs::fcntl_setfl(&open, rustix::fs::OFlags::empty())?;
    open.write_all(text.as_bytes())
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
