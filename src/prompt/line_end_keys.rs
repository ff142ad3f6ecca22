//! Keys other than Enter that end a line. Each accepts the line as Enter would and records which key it was: if the
//! editor returned with an error instead, it would discard what was typed ahead.

use std::sync::Arc;

use rustyline::history::MemHistory;
use rustyline::{
    Cmd, ConditionalEventHandler, Editor, Event, EventContext, EventHandler, KeyCode, KeyEvent, Modifiers,
    RepeatCount,
};

use super::helper::Helper;
use super::state::{Key, PromptState};

/// Binds the keys.
pub(super) fn bind(editor: &mut Editor<Helper, MemHistory>, known: &Arc<PromptState>) {
    let handler = |key| EventHandler::Conditional(Box::new(Ends { key, known: known.clone() }));
    let letters = [
        ('C', Key::Interrupt),
        ('D', Key::End),
        ('Z', Key::Leave),
        (']', Key::Leave),
        ('X', Key::Hexadecimal),
    ];
    for (letter, key) in letters {
        editor.bind_sequence(KeyEvent(KeyCode::Char(letter), Modifiers::CTRL), handler(key));
    }
    editor.bind_sequence(Event::Any, EventHandler::Conditional(Box::new(Others(known.clone()))));
}

struct Ends {
    key: Key,
    known: Arc<PromptState>,
}

impl ConditionalEventHandler for Ends {
    fn handle(&self, event: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        match self.key {
            Key::End if !context.line().is_empty() => return None,
            Key::Hexadecimal if !self.known.is_attached() => return None,
            // The default action of Ctrl-Z would suspend the process with all its servers.
            Key::Leave if !self.known.is_attached() => {
                let stops = event.get(0) == Some(&KeyEvent(KeyCode::Char('Z'), Modifiers::CTRL));
                return stops.then_some(Cmd::Noop);
            }
            _ => {}
        }
        self.known.press(Some(self.key));
        Some(Cmd::AcceptLine)
    }
}

/// Any other key resets the recorded one, which may have been pressed where it could not end a line, such as in a paged
/// list of completions.
struct Others(Arc<PromptState>);

impl ConditionalEventHandler for Others {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, _: &EventContext<'_>) -> Option<Cmd> {
        self.0.press(None);
        None
    }
}
