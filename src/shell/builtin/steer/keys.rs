//! `set X key`, `set X code`, `set X revoke`: who may connect to a port with keys, while it runs.

use super::errors;
use crate::language::{Arguments, FromArguments};
use crate::net::connection::keys::{Clash, ClientKey, Keyring};
use crate::net::relay::RelayControl;
use crate::report::{Failure, Outcome};
use crate::service::contract::keys::{
    KEY, KeyChoice, KeySource, OFFERS_CODE, named_twice, port_full, same_key,
};
use crate::service::listen::code;
use crate::session::Session;
use crate::shell::Shell;

/// What follows `key` and `revoke`, and whether there is `code`.
pub(super) struct KeyChange {
    offers_code: bool,
    added: Option<KeyChoice>,
    revoked: Option<KeyChoice>,
}

impl FromArguments for KeyChange {
    fn from_arguments(arguments: &Arguments) -> Self {
        let choice = |word| arguments.keys(word).map(KeyChoice::from).next();
        let offers_code = arguments.flag(OFFERS_CODE.word);
        Self { offers_code, added: choice(KEY.word), revoked: choice("revoke") }
    }
}

impl KeyChange {
    pub(super) fn is_empty(&self) -> bool {
        self.added.is_none() && self.revoked.is_none() && !self.offers_code
    }

    /// Makes the change, and says it in words and in fields. Who has a new key is let in before another is shut out.
    pub(super) fn make(&self, shell: &Shell, session: &Session) -> Result<Outcome, Failure> {
        let label = session.label();
        let link = session.control::<RelayControl>();
        let of_link = || link.as_ref()?.keys().cloned();
        let keys = session.control::<Keyring>().map(|keys| (*keys).clone()).or_else(of_link);
        let keys = keys.ok_or_else(|| errors::port_without_keys(&label))?;
        if link.is_some() && self.offers_code {
            return Err(errors::link_without_code(&label));
        }
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
        let made = made.and_then(|()| {
            let offered = self.offers_code.then(|| code::offer(&keys)).transpose()?;
            said.extend(offered.map(|(code, replaces)| {
                let before = if replaces { "; the one before it lets nobody in" } else { "" };
                format!("the code {} lets one more client in, within ten minutes{before}", code.text())
            }));
            Ok(())
        });
        let mut fields = Vec::new();
        code::show(&keys, |[key, code]| {
            fields = [key].into_iter().chain(link.is_none().then_some(code)).collect();
            session.set_all(fields.clone());
        });
        made.map(|()| Outcome::new(format!("{label}: {}", said.join("; ")), fields))
    }
}

/// Returns the key's name.
fn add(shell: &Shell, keys: &Keyring, choice: &KeyChoice) -> Result<String, Failure> {
    let named = choice.resolve(shell.directory(), shell.secrets())?;
    keys.add(ClientKey { name: named.name.as_str().into(), key: named.key }).map_err(
        |clash| match clash {
            Clash::Key(same) => same_key(&same, &named.name),
            Clash::Name => named_twice(&named.name),
            Clash::Full => port_full(),
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
