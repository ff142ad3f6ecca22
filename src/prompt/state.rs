//! The shell state that the line editor's thread can read, for the prompt and for completion.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fs::DirEntry;
use std::sync::{Arc, Mutex, PoisonError};

use super::remote_names::Names;
use crate::base::escape::escape_line;
use crate::base::{Value, quantity};
use crate::language::editing::complete::World;
use crate::language::parse::lexer::is_bare;
use crate::language::{Scope, Vocabulary};
use crate::net::ports_in_use;
use crate::service::chat::protocol::UDP_CHARACTER_LIMIT;
use crate::service::contract::keys::KeyFolder;
use crate::service::{Context, PROVIDERS, provider};
use crate::session::{Registry, Session};
use crate::shell::{Reached, Shell};
use crate::wire::ServiceId;

/// The key that ended a line, if it was not Enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-D on an empty line.
    End,
    /// Ctrl-Z or Ctrl-] in an attached session.
    Leave,
    /// Ctrl-X in an attached session.
    Hexadecimal,
}

/// All prompts have the same width: the editor measures it only once per line.
pub(super) const PROMPT: &str = "nls> ";
pub(super) const SPEAKING: &str = "say> ";
pub(super) const WATCHING: &str = "see> ";
/// Maximum number of directory entries that completion reads.
const ENTRY_LIMIT: usize = 20_000;
/// With more matching files than this, sizes are not shown.
const SIZES_LIMIT: usize = 200;
/// Maximum characters of a description.
const WORDS_LIMIT: usize = 40;

/// The shell state that the editor's thread can read.
pub(super) struct PromptState {
    pub(super) vocabulary: Vocabulary,
    registry: Arc<Registry>,
    remote: Names,
    changing: Mutex<Changing>,
    pressed: Mutex<Option<Key>>,
}

/// The prompt of an attached session: one that accepts lines, or one that is only watched.
pub(super) fn prompt_in(session: &Session) -> &'static str {
    if session.listens() { SPEAKING } else { WATCHING }
}

#[derive(Default)]
struct Changing {
    scope: Arc<Scope>,
    endpoints: Vec<String>,
    /// Servers that can list names for completion.
    places: Vec<(ServiceId, Reached)>,
    /// What they are asked with.
    context: Option<Context>,
    attached: Option<Arc<Session>>,
}

impl PromptState {
    pub(super) fn new(shell: &Shell) -> Self {
        Self {
            vocabulary: shell.vocabulary().clone(),
            registry: shell.registry().clone(),
            remote: Names::new(),
            changing: Mutex::default(),
            pressed: Mutex::default(),
        }
    }

    /// Records the key that ended the line; `None` while the line goes on.
    pub(super) fn press(&self, key: Option<Key>) {
        *self.pressed.lock().unwrap_or_else(PoisonError::into_inner) = key;
    }

    /// The key that ended the line, if it was not Enter.
    pub(super) fn pressed(&self) -> Option<Key> {
        *self.pressed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The variables and names that are defined.
    pub(super) fn scope(&self) -> Arc<Scope> {
        self.lock().scope.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Changing> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Copies the current state of the shell.
    pub(super) fn update(&self, shell: &Shell, attached: Option<Arc<Session>>) {
        let places = PROVIDERS
            .iter()
            .filter(|provider| provider.lists())
            .map(|provider| provider.id)
            .filter_map(|service| Some((service, shell.place_of(service)?)))
            .collect();
        let scope = Arc::new(shell.scope().clone());
        let (endpoints, context) = (shell.endpoints(), Some(shell.context().clone()));
        *self.lock() = Changing { scope, endpoints, places, context, attached };
    }

    /// True while a session is attached; false as soon as it ends, even in the middle of a line.
    pub(super) fn is_attached(&self) -> bool {
        self.prompt().is_some()
    }

    /// The prompt of the attached session; `None` if there is none or it has ended.
    pub(super) fn prompt(&self) -> Option<&'static str> {
        let attached = self.lock().attached.clone()?;
        (!attached.has_ended()).then(|| prompt_in(&attached))
    }
}

impl PromptState {
    /// How many more characters fit into a message, shown as a hint; only over UDP, where its length is limited (faults.md
    /// row 80).
    pub(super) fn characters_left(&self, line: &str) -> Option<String> {
        let attached = self.lock().attached.clone()?;
        let udp = attached.field("transport").is_some_and(|transport| transport.to_string() == "udp");
        let typed = line.chars().count();
        (udp && typed > 0).then(|| match UDP_CHARACTER_LIMIT.checked_sub(typed) {
            Some(left) => format!("  {left} left"),
            None => format!("  {} too many", typed - UDP_CHARACTER_LIMIT),
        })
    }
}

impl World for PromptState {
    fn sessions(&self) -> Vec<(String, String)> {
        self.registry
            .live()
            .iter()
            .map(|session| (session.label(), described(session)))
            .chain([("all".into(), "every session".into())])
            .collect()
    }

    fn names(&self) -> Vec<(String, String)> {
        let scope = self.scope();
        let sessions: HashMap<String, String> = self
            .registry
            .all()
            .iter()
            .filter_map(|session| Some((session.name.clone()?, described(session))))
            .collect();
        let mut names: Vec<(String, String)> = scope
            .names()
            .map(|name| (name.to_owned(), sessions.get(name).cloned().unwrap_or_else(|| "a value".into())))
            .collect();
        names.sort();
        names
    }

    fn fields(&self, name: &str) -> Vec<(String, String)> {
        if let Some(session) = self.registry.by_name(name) {
            let shown = |value: &Value| cut(&escape_line(&value.to_string()));
            return session.fields().iter().map(|(name, value)| ((*name).to_owned(), shown(value))).collect();
        }
        let scope = self.scope();
        let fields = scope.fields(name).unwrap_or_default();
        fields.iter().map(|field| (field.name.to_owned(), field.help.to_owned())).collect()
    }

    fn endpoints(&self, prefix: &str) -> Vec<(String, String)> {
        let used = self.lock().endpoints.clone();
        let mut found: Vec<(String, String)> =
            used.into_iter().map(|endpoint| (endpoint, "used before".into())).collect();
        let own = self.registry.live().into_iter().filter_map(|session| {
            let port = session.listening()?.address.socket()?.port();
            Some((format!(":{port}"), format!("{}, {}", session.label(), session.kind)))
        });
        found.extend(own);
        // An endpoint without a host means this machine.
        if prefix.starts_with(':') {
            let ports = ports_in_use().into_iter();
            found.extend(
                ports.map(|(port, transport)| (format!(":{port}"), format!("{transport}, in use here"))),
            );
        }
        let mut seen = HashSet::new();
        found.retain(|(text, _)| text.starts_with(prefix) && seen.insert(text.clone()));
        found
    }

    fn remote(&self, service: &str) -> Vec<(String, String)> {
        let (place, context) = {
            let state = self.lock();
            let is_meant = |id| provider(id).is_some_and(|provider| provider.row.name == service);
            let place = state.places.iter().find(|(id, _)| is_meant(*id)).map(|(_, place)| place.clone());
            (place, state.context.clone())
        };
        let asked = place.zip(context).map(|(place, context)| self.remote.of(service, &place, &context));
        let found = asked.unwrap_or_default();
        // Names with characters that the terminal cannot show as they are, are not offered.
        found.into_iter().filter(|(name, _)| matches!(escape_line(name), Cow::Borrowed(_))).collect()
    }

    fn keys(&self) -> Vec<(String, String)> {
        let names = KeyFolder::find().map(|folder| folder.names()).unwrap_or_default();
        names.into_iter().map(|name| (name, "a key".into())).collect()
    }

    fn paths(&self, prefix: &str) -> Vec<(String, String)> {
        let (folder, start) = prefix.rfind('/').map_or(("", prefix), |at| prefix.split_at(at + 1));
        let home = dirs::home_dir();
        let path = match (folder.strip_prefix("~/"), &home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ if folder.is_empty() => ".".into(),
            _ => folder.into(),
        };
        let Ok(entries) = std::fs::read_dir(path) else { return Vec::new() };
        let mut found: Vec<(String, DirEntry)> = entries
            .take(ENTRY_LIMIT)
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let name = entry.file_name().into_string().ok().filter(|name| {
                    name.starts_with(start) && name.starts_with('.') == start.starts_with('.')
                })?;
                Some((name, entry))
            })
            .collect();
        found.sort_by(|one, two| one.0.cmp(&two.0));
        let asks_sizes = found.len() <= SIZES_LIMIT;
        let described = found.into_iter().map(|(name, entry)| {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let size = || asks_sizes.then(|| entry.metadata().ok()).flatten();
            let (slash, help) = if is_folder {
                ("/", "folder".to_owned())
            } else {
                ("", size().map_or_else(String::new, |metadata| quantity::show_size(metadata.len())))
            };
            let path = format!("{folder}{name}{slash}");
            match (path.strip_prefix("~/"), &home) {
                (Some(rest), Some(home)) if !is_bare(rest) => (home.join(rest).display().to_string(), help),
                _ => (path, help),
            }
        });
        described.collect()
    }
}

/// Kind and state of a session, shortened.
fn described(session: &Session) -> String {
    format!("{}, {}", cut(&escape_line(&session.kind)), session.state().word())
}

fn cut(text: &str) -> String {
    text.chars().take(WORDS_LIMIT).collect()
}
