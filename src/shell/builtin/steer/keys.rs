//! `set X key`, `set X revoke`: who may connect to a port with keys, while it runs.

use crate::base::Value;
use crate::language::{Arguments, FromArguments};
use crate::net::connection::keys::{Clash, ClientKey, Keyring};
use crate::report::Failure;
use crate::service::contract::keys::{
    KEY, KEYS_LIMIT, KeyChoice, KeySource, named_twice, same_key, too_many_keys,
};
use crate::session::Session;
use crate::shell::{Shell, errors};

/// What follows `key` and `revoke`.
pub(super) struct KeyChange {
    added: Option<KeyChoice>,
    revoked: Option<KeyChoice>,
}

impl FromArguments for KeyChange {
    fn from_arguments(arguments: &Arguments) -> Self {
        let choice = |word| arguments.keys(word).map(KeyChoice::from).next();
        Self { added: choice(KEY.word), revoked: choice("revoke") }
    }
}

impl KeyChange {
    pub(super) fn is_empty(&self) -> bool {
        self.added.is_none() && self.revoked.is_none()
    }

    /// Makes the change, and says it in words. With both words, who has the new key is let in first.
    pub(super) fn make(&self, shell: &Shell, session: &Session) -> Result<String, Failure> {
        let label = session.label();
        let keys = session.control::<Keyring>().ok_or_else(|| errors::port_without_keys(&label))?;
        let mut said = Vec::new();
        let made = self.added.iter().try_for_each(|choice| {
            said.push(format!("{} opens it, too", add(shell, &keys, choice)?));
            Ok(())
        });
        let made = made.and_then(|()| {
            self.revoked.iter().try_for_each(|choice| {
                said.push(format!("{} opens it no more", revoke(shell, &keys, choice)?));
                Ok(())
            })
        });
        session.set_all([("key", Value::text(keys.names().join(",")))]);
        made.map(|()| format!("{label}: {}", said.join("; ")))
    }
}

/// Returns the key's name.
fn add(shell: &Shell, keys: &Keyring, choice: &KeyChoice) -> Result<String, Failure> {
    let count = keys.names().len();
    if count == KEYS_LIMIT {
        return Err(too_many_keys(count + 1, KEYS_LIMIT));
    }
    let named = choice.resolve(shell.directory(), shell.secrets())?;
    keys.add(ClientKey { name: named.name.as_str().into(), key: named.key }).map_err(
        |clash| match clash {
            Clash::Key(same) => same_key(&same, &named.name),
            Clash::Name => named_twice(&named.name),
        },
    )?;
    Ok(named.name)
}

/// Returns the key's name. The key itself may be gone already.
fn revoke(shell: &Shell, keys: &Keyring, choice: &KeyChoice) -> Result<String, Failure> {
    let name = match &choice.source {
        KeySource::Given(_) => choice.resolve(shell.directory(), shell.secrets())?.name,
        KeySource::Folder | KeySource::File(_) => choice.name.clone(),
    };
    if keys.revoke(&name) { Ok(name) } else { Err(errors::key_not_at_port(&name, &keys.names().join(", "))) }
}
