//! The requested report formats and their targets: standard output, or a file. A regular file is written completely or
//! not at all; FIFOs, devices and the standard streams (`/dev/stdout`) are written to directly.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::base::open::NO_WAIT;
use crate::cli::arguments::Choices;
use crate::cli::{Program, errors};
use crate::output::reports::{Reporter, reporter};
use crate::output::{Rendered, Sink, Style};
use crate::report::{Failure, Summary, TestPlan, TestRun};

/// The format for people.
const HUMAN: &str = "human";
/// Maximum number of symbolic links followed, as in the kernel (path_resolution(7)).
const LINKS_LIMIT: usize = 40;

/// The target of a report.
enum ReportTarget {
    Output,
    /// A file, and its text so far: it is written at the end.
    File(PathBuf, String),
}

pub(super) struct Reports {
    sink: Sink,
    all: Vec<FormattedReport>,
}

struct FormattedReport {
    reporter: Box<dyn Reporter>,
    target: ReportTarget,
    /// For people: masked once more as it is shown. In the others the words of the format stay as they are.
    is_human: bool,
}

impl Reports {
    /// `None`, after an error was shown, if two reports want standard output or the folder of a file does not exist.
    pub(super) fn new(program: &Program, choices: &Choices, seed: u64) -> Option<Self> {
        let mut wanted = choices.reports.clone();
        for (_, file) in &mut wanted {
            file.take_if(|file| standard_stream(file) == Some(1));
        }
        let to_output = wanted.iter().filter(|(_, file)| file.is_none()).count();
        if to_output > 1 || to_output == 1 && program.style.json {
            program.show_failure(errors::two_reports_on_output());
            return None;
        }
        if to_output == 0 {
            let format = if program.style.json { "jsonl" } else { HUMAN };
            wanted.insert(0, (format.to_owned(), None));
        }
        let files = wanted.iter().filter_map(|(_, file)| file.as_ref());
        if let Some(file) = files.into_iter().find(|file| !folder_of(file).is_dir()) {
            program.show_failure(errors::report_without_folder(file));
            return None;
        }
        // A random value that no test can guess, as a test knows the seed.
        let secret = u64::from_le_bytes(crate::net::random::random());
        let all = wanted
            .into_iter()
            .filter_map(|(format, file)| {
                let style = if file.is_some() { Style::plain() } else { program.style };
                let target =
                    file.map_or(ReportTarget::Output, |file| ReportTarget::File(file, String::new()));
                let reporter = reporter(&format, style, secret ^ seed)?;
                Some(FormattedReport { reporter, target, is_human: format == HUMAN })
            })
            .collect();
        Some(Self { sink: program.sink.clone(), all })
    }

    fn each(&mut self, text: impl Fn(&mut dyn Reporter) -> String) {
        for FormattedReport { reporter, target, is_human } in &mut self.all {
            let mut text = text(&mut **reporter);
            if *is_human {
                self.sink.secrets.hide(&mut text);
            }
            match target {
                ReportTarget::Output => self.sink.put_as_it_is(Rendered { out: text, err: String::new() }),
                ReportTarget::File(_, whole) => whole.push_str(&text),
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
    /// A report could not be written.
    pub(super) fn end(mut self, summary: &Summary) -> Result<(), Failure> {
        self.each(|reporter| reporter.end(summary));
        for FormattedReport { target, .. } in &self.all {
            if let ReportTarget::File(file, text) = target {
                write(file, text).map_err(|error| errors::report_unwritable(file, &error))?;
            }
        }
        Ok(())
    }
}

/// Writes a regular file completely or not at all; a symbolic link to it is kept. A FIFO or a device is written to
/// directly.
fn write(file: &Path, text: &str) -> std::io::Result<()> {
    if standard_stream(file) == Some(2) {
        return std::io::stderr().write_all(text.as_bytes());
    }
    match file.metadata() {
        Ok(metadata) if !metadata.is_file() => return through(file, text),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let target = behind_links(file);
    let mut new = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder_of(&target))?;
    new.write_all(text.as_bytes())?;
    new.persist(target).map_err(|error| error.error).map(drop)
}

/// The target of a chain of symbolic links, whether it exists or not.
fn behind_links(file: &Path) -> PathBuf {
    links(file).last().unwrap_or_else(|| file.to_owned())
}

/// A path, and where each symbolic link of the chain that it begins leads.
fn links(file: &Path) -> impl Iterator<Item = PathBuf> {
    let next = |path: &PathBuf| std::fs::read_link(path).ok().map(|next| folder_of(path).join(next));
    std::iter::successors(Some(file.to_owned()), next).take(LINKS_LIMIT)
}

/// The number of the descriptor if the path leads to one of ours: `/dev/stdout` does, by `/proc/self/fd/1`.
fn standard_stream(file: &Path) -> Option<u32> {
    links(file).find_map(|path| {
        let path = path.to_str()?;
        let number = ["/proc/self/fd/", "/dev/fd/"].iter().find_map(|folder| path.strip_prefix(folder))?;
        number.parse().ok()
    })
}

/// Opens without blocking: a FIFO without a reader is an error.
fn through(file: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut open = std::fs::File::options().write(true).custom_flags(NO_WAIT).open(file)?;
    rustix::fs::fcntl_setfl(&open, rustix::fs::OFlags::empty())?;
    open.write_all(text.as_bytes())
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
