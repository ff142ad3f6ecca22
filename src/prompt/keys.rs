//! Keys that end a line without being Enter. Each ends it as Enter would, and says which it was: an editor that is left
//! by an error forgets what was typed ahead of it.

use std::sync::Arc;

use rustyline::history::MemHistory;
use rustyline::{
    Cmd, ConditionalEventHandler, Editor, Event, EventContext, EventHandler, KeyCode, KeyEvent, Modifiers,
    RepeatCount,
};

use super::helper::Helper;
use super::world::Known;

/// What a line ended with, if not with Enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-D on an empty line.
    End,
    /// Ctrl-Z or Ctrl-] in an attached session.
    Leave,
}

/// Where keys are bound.
pub(super) fn bind(editor: &mut Editor<Helper, MemHistory>, known: &Arc<Known>) {
    let handler = |key| EventHandler::Conditional(Box::new(Ends { key, known: known.clone() }));
    for (letter, key) in [('C', Key::Interrupt), ('D', Key::End), ('Z', Key::Leave), (']', Key::Leave)] {
        editor.bind_sequence(KeyEvent(KeyCode::Char(letter), Modifiers::CTRL), handler(key));
    }
    editor.bind_sequence(Event::Any, EventHandler::Conditional(Box::new(Others(known.clone()))));
}

struct Ends {
    key: Key,
    known: Arc<Known>,
}

impl ConditionalEventHandler for Ends {
    fn handle(&self, event: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        match self.key {
            Key::End if !context.line().is_empty() => return None,
            // The stock Ctrl-Z would stop every server of the process.
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

/// A key that came where no line could end, as in a list that fills the screen, is over with the next one.
struct Others(Arc<Known>);

impl ConditionalEventHandler for Others {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, _: &EventContext<'_>) -> Option<Cmd> {
        self.0.press(None);
        None
    }
}
