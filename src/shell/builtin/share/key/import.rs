//! Where a key comes from that is imported: a file, the environment, the user, standard input. Never the command itself.

use std::io::IsTerminal;

use crate::base::Key;
use crate::base::secrets::key::BadKey;
use crate::report::Failure;
use crate::service::contract::keys::{file, memory, no_key_in};
use crate::shell::Shell;
use crate::shell::builtin::share::errors;
use crate::shell::errors::interrupted;

/// The environment variable that may hold it.
pub(super) const VARIABLE: &str = "NLS_KEY";

/// A key, and what to know about where it came from.
pub(super) struct Imported {
    pub(super) key: Key,
    pub(super) note: Option<String>,
}

/// `name`: what it is to be called.
pub(super) async fn import(shell: &Shell, from: Option<&str>, name: &str) -> Result<Imported, Failure> {
    memory::protect();
    let imported = match from {
        Some(path) => of_file(shell, path)?,
        None => match std::env::var(VARIABLE) {
            Ok(text) => of_variable(&text)?,
            Err(_) => Imported { key: of_elsewhere(shell, name).await?, note: None },
        },
    };
    shell.secrets().add_key(VARIABLE, &imported.key);
    Ok(imported)
}

/// A file that came from elsewhere may be one that others can read, as on a memory stick: the key is kept in another.
fn of_file(shell: &Shell, path: &str) -> Result<Imported, Failure> {
    let (key, refusal) = file::read_foreign(&shell.directory().join(path))?;
    let note = refusal.map(|refusal| format!("{}: remove it, or keep it from others", refusal.why));
    Ok(Imported { key, note })
}

/// Said with the result: nobody may have thought of the variable.
fn of_variable(text: &str) -> Result<Imported, Failure> {
    let key = read(text).map_err(|failure| failure.of(format!("$env.{VARIABLE}")))?;
    Ok(Imported { key, note: Some(format!("it is that of $env.{VARIABLE}")) })
}

async fn of_elsewhere(shell: &Shell, name: &str) -> Result<Key, Failure> {
    if let Some(answer) = shell.terminal.ask(&format!("key {name}")) {
        return read(&answer.await.ok_or_else(interrupted)?);
    }
    if !shell.context.streams.input || std::io::stdin().is_terminal() {
        return Err(errors::no_key_to_import());
    }
    // What a pipe brings may be long in coming.
    let read = shell.registry.block(|| file::read_text(&mut std::io::stdin().lock())).await?;
    match read.map_err(|error| Failure::io(&error, "standard input"))? {
        Err(BadKey::Empty) => Err(errors::no_key_to_import()),
        read => read.map_err(|bad| no_key_in(&bad)),
    }
}

fn read(text: &str) -> Result<Key, Failure> {
    Key::read(text).map_err(|bad| no_key_in(&bad))
}
