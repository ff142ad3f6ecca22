//! rustyline on a thread of its own: lines are requested over one channel and returned over another.

use std::io::BufRead as _;
use std::sync::Arc;

use rustyline::config::{BellStyle, Builder};
use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{ColorMode, CompletionType, ExternalPrinter};
use tokio::sync::mpsc;

use super::errors;
use super::helper::Helper;
use super::line_end_keys;
use super::reserved_descriptors::ReservedDescriptors;
use super::setup::Setup;
use super::state::{Key, PROMPT, PromptState};
use super::utf8_input::Keyboard;
use crate::output::{AboveLine, Rendered, Sink};
use crate::report::Failure;

/// Lines of history that the arrow keys can reach.
const HISTORY_LIMIT: usize = 10_000;

/// A text for the editor to print that shows nothing (ECMA-48: CUU; the editor requires a newline at the end). Printing
/// makes it draw its prompt again, which is where [`Helper`] puts the text that waits. In the first row of the screen
/// it leaves an empty line.
const REDRAW: &str = "\u{1b}[A\n";

/// The thread's name. Its panics are caught on the thread, so the panic hook ignores them.
pub const NAME: &str = "editor";

/// The result of reading a line.
#[derive(Debug)]
pub(super) enum Input {
    Line(String),
    /// Ctrl-C; true if the line was empty.
    Interrupted(bool),
    /// Ctrl-D, or the end of the input.
    End,
    /// Ctrl-Z or Ctrl-], which leave an attached session.
    Leave,
    /// Ctrl-X, which changes how an attached session is shown; what was typed so far.
    Hexadecimal(String),
    /// The terminal failed, with the reason.
    Broken(String),
}

/// A request to the thread.
enum EditorRequest {
    /// A line: the prompt, and the text that is already on the line.
    Line(String, String),
    /// A secret, by its prompt: shown as stars and not added to the history.
    Secret(String),
}

/// Handle to the line editor's thread.
pub(super) struct Editor {
    requests: std::sync::mpsc::Sender<EditorRequest>,
    sink: Sink,
    lines: tokio::sync::Mutex<mpsc::UnboundedReceiver<Input>>,
}

impl Editor {
    pub(super) fn start(history: &[String], known: Arc<PromptState>, setup: &Setup) -> Result<Self, Failure> {
        let mut editor = create_editor().map_err(|error| errors::editor_cannot_start(&error))?;
        for line in history {
            drop(editor.add_history_entry(line));
        }
        line_end_keys::bind(&mut editor, &known);
        let pressed = known.clone();
        let above = above_line(&mut editor, &setup.sink);
        let (secrets, colour) = (setup.sink.secrets.clone(), setup.style.colours.out);
        editor.set_helper(Some(Helper { known, above, colour, secrets, hides: false }));
        let (requests, asked) = std::sync::mpsc::channel();
        let (answers, lines) = mpsc::unbounded_channel();
        let sink = setup.sink.clone();
        let mut spare = ReservedDescriptors::default();
        spare.fill();
        // If it does not start, the editor reads the terminal directly.
        let keyboard = if crate::output::is_capable() { Keyboard::start().ok() } else { None };
        let mut thread = Thread { editor, keyboard, known: pressed, sink, spare };
        let thread = std::thread::Builder::new().name(NAME.into()).spawn(move || {
            for request in asked {
                if answers.send(thread.answer(&request)).is_err() {
                    return;
                }
            }
        });
        thread.map_err(|error| Failure::io(&error, "the line editor"))?;
        Ok(Self { requests, sink: setup.sink.clone(), lines: tokio::sync::Mutex::new(lines) })
    }

    /// Reads a line, with the prompt of an attached session, or the shell's with the number of unread lines; `typed` is
    /// already on the line.
    pub(super) async fn read(&self, attached: Option<&'static str>, unread: u64, typed: String) -> Input {
        let prompt = match (attached, unread) {
            (Some(prompt), _) => prompt.to_owned(),
            (None, 0) => PROMPT.to_owned(),
            (None, unread) => format!("({unread} unread) {PROMPT}"),
        };
        self.ask(EditorRequest::Line(prompt, typed)).await
    }

    /// The line that is being read is the shell's from now on. On a terminal without editing the prompt must be said again.
    pub(super) fn repeat_prompt(&self) {
        if !crate::output::is_capable() {
            self.sink.put(Rendered { out: PROMPT.to_owned(), err: String::new() });
        }
    }

    /// Reads a secret: shown as stars and not added to the history; `None` if the user cancelled.
    pub(super) async fn read_secret(&self, name: &str) -> Option<String> {
        match self.ask(EditorRequest::Secret(format!("{name}: "))).await {
            Input::Line(text) => Some(text),
            Input::Interrupted(_) | Input::End | Input::Leave | Input::Hexadecimal(_) | Input::Broken(_) => {
                None
            }
        }
    }

    async fn ask(&self, request: EditorRequest) -> Input {
        if self.requests.send(request).is_err() {
            return Input::End;
        }
        self.lines.lock().await.recv().await.unwrap_or(Input::End)
    }
}

/// The line editor with its settings; its history is empty.
fn create_editor() -> Result<rustyline::Editor<Helper, MemHistory>, ReadlineError> {
    let config = Builder::new()
        .completion_type(CompletionType::List)
        .bell_style(BellStyle::None)
        // The prompt changes when a session ends in the middle of a line: the helper draws it, and decides on colour.
        .color_mode(ColorMode::Forced)
        .max_history_size(HISTORY_LIMIT)?
        .history_ignore_space(true)
        .auto_add_history(false)
        .build();
    let kept = MemHistory::with_config(&config);
    rustyline::Editor::with_history(config, kept)
}

/// Where text waits that comes while a line is edited; `None` if the terminal cannot show it above the line.
fn above_line(editor: &mut rustyline::Editor<Helper, MemHistory>, sink: &Sink) -> Option<Arc<AboveLine>> {
    let mut printer = crate::output::is_capable().then(|| editor.create_external_printer().ok()).flatten()?;
    Some(sink.set_editor(Box::new(move || drop(printer.print(REDRAW.to_owned())))))
}

/// The state of the thread.
struct Thread {
    editor: rustyline::Editor<Helper, MemHistory>,
    keyboard: Option<Keyboard>,
    known: Arc<PromptState>,
    sink: Sink,
    spare: ReservedDescriptors,
}

impl Thread {
    fn answer(&mut self, request: &EditorRequest) -> Input {
        let secret = matches!(request, EditorRequest::Secret(_));
        if let Some(helper) = self.editor.helper_mut() {
            helper.hides = secret;
        }
        self.known.press(None);
        self.sink.set_reading(true);
        let result = self.read(request);
        self.sink.set_reading(false);
        self.spare.fill();
        let key = self.known.pressed();
        if let Ok(line) = &result
            && key.is_none()
            && !secret
            && !super::history::is_private(line, &self.sink.secrets)
        {
            drop(self.editor.add_history_entry(line));
        }
        match (result, key) {
            (Ok(line), Some(Key::Interrupt)) => Input::Interrupted(line.is_empty()),
            (Ok(_), Some(Key::End)) => Input::End,
            (Ok(_), Some(Key::Leave)) => Input::Leave,
            (Ok(line), Some(Key::Hexadecimal)) => Input::Hexadecimal(line),
            (Ok(line), None) => Input::Line(line),
            (Err(ReadlineError::Interrupted), _) => Input::Interrupted(true),
            (Err(ReadlineError::Eof), _) => Input::End,
            (Err(error), _) => Input::Broken(error.to_string()),
        }
    }

    /// Reads a line. The editor panics if its descriptors are 1024 or above, because another thread took the low ones
    /// that were released for it; then it is tried again with others.
    fn read(&mut self, request: &EditorRequest) -> Result<String, ReadlineError> {
        let (prompt, typed) = match request {
            EditorRequest::Line(prompt, typed) => (prompt, typed.as_str()),
            EditorRequest::Secret(prompt) => (prompt, ""),
        };
        if !crate::output::is_capable() {
            let _hidden = matches!(request, EditorRequest::Secret(_)).then(HiddenInput::begin);
            return plain_line(&self.sink, prompt);
        }
        while self.spare.give() {
            let reading = || self.editor.readline_with_initial(prompt.as_str(), (typed, ""));
            let reading = || std::panic::catch_unwind(std::panic::AssertUnwindSafe(reading));
            // A key other than Enter, but for the one that changes how it is shown, leaves an attached session.
            let stays =
                || self.known.is_attached() && matches!(self.known.pressed(), None | Some(Key::Hexadecimal));
            let result = match &mut self.keyboard {
                Some(keyboard) => keyboard.lend(reading, stays),
                None => reading(),
            };
            if let Ok(result) = result {
                return result;
            }
        }
        Err(std::io::Error::other("no file descriptor below 1024 is left").into())
    }
}

/// While it lives, the terminal does not show what is typed.
struct HiddenInput(Option<rustix::termios::Termios>);

impl HiddenInput {
    fn begin() -> Self {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let before = tcgetattr(std::io::stdin()).ok();
        if let Some(mut hidden) = before.clone() {
            hidden.local_modes.remove(LocalModes::ECHO);
            // The newline is shown, so that the next line begins at the left.
            hidden.local_modes.insert(LocalModes::ECHONL);
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &hidden);
        }
        Self(before)
    }
}

impl Drop for HiddenInput {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            use rustix::termios::{OptionalActions, tcsetattr};
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, before);
        }
    }
}

/// Reads a line without editing, on a terminal that cannot move the cursor.
fn plain_line(sink: &Sink, prompt: &str) -> Result<String, ReadlineError> {
    sink.put(Rendered { out: prompt.to_owned(), err: String::new() });
    let mut bytes = Vec::new();
    loop {
        match std::io::stdin().lock().read_until(b'\n', &mut bytes) {
            Ok(0) if bytes.is_empty() => return Err(ReadlineError::Eof),
            Ok(_) => break,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    let line = String::from_utf8_lossy(&bytes);
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}
