//! What a client connects with.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use super::{ClientChoice, KeyChoice, KeyFolder, NamedKey, errors, memory};
use crate::base::{Code, Secrets};
use crate::language::Target;
use crate::net;
use crate::net::connection::keys::CODE_NAME;
use crate::report::Failure;
use crate::wire::ServiceId;

/// Codes whose keys are remembered; then all are forgotten.
const CODES_LIMIT: usize = 64;

/// What a client connects with.
#[derive(Clone, Debug)]
pub(crate) enum Credentials {
    /// The key that the command named.
    Named(NamedKey),
    /// A code, and the keys that codes were exchanged for.
    Code(Code, Arc<UsedCodes>),
    /// None, unless the server asks for one: then the user's default key, which is masked here.
    IfAsked(Secrets),
}

/// The codes that were used here, with the keys that they were exchanged for: a code is good for one exchange, and for as
/// many connections to that server as this shell makes.
#[derive(Debug, Default)]
pub(crate) struct UsedCodes(Mutex<HashMap<(Target, String), Arc<Exchanged>>>);

/// What became of a code.
#[derive(Debug, Default)]
struct Exchanged {
    key: OnceCell<NamedKey>,
    /// It has opened a connection: whoever refuses it later does not make it wrong.
    is_right: AtomicBool,
}

impl UsedCodes {
    fn of(&self, target: &Target, code: &Code) -> Arc<Exchanged> {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (target.clone(), code.text().to_owned());
        if used.len() >= CODES_LIMIT && !used.contains_key(&place) {
            used.clear();
        }
        used.entry(place).or_default().clone()
    }

    fn forget(&self, target: &Target, code: &Code) {
        let place = (target.clone(), code.text().to_owned());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&place);
    }
}

impl Credentials {
    /// What a command names, read from where it is; relative paths begin at `directory`.
    pub(crate) fn of(
        choice: &ClientChoice,
        directory: &Path,
        secrets: &Secrets,
        used: &Arc<UsedCodes>,
    ) -> Result<Self, Failure> {
        let named = choice.key.resolve(directory, secrets)?.into_iter().next();
        match (named, &choice.code) {
            (Some(_), Some(_)) => Err(errors::key_and_code()),
            (Some(named), None) => Ok(Self::Named(named)),
            (None, Some(code)) => Ok(Self::Code(code.clone(), used.clone())),
            (None, None) => Ok(Self::IfAsked(secrets.clone())),
        }
    }

    /// The key to begin with. A code is exchanged for one, the first time.
    pub(crate) async fn first(
        &self,
        target: &Target,
        service: ServiceId,
    ) -> Result<Option<NamedKey>, Failure> {
        match self {
            Self::Named(named) => Ok(Some(named.clone())),
            Self::IfAsked(_) => Ok(None),
            Self::Code(code, used) => {
                let exchanged = used.of(target, code);
                let key = exchanged.key.get_or_try_init(|| async {
                    memory::protect();
                    let key = net::exchange(target.transport, &target.endpoint, service, code).await?;
                    Ok(NamedKey { name: CODE_NAME.to_owned(), key })
                });
                key.await.map(|key| Some(key.clone()))
            }
        }
    }

    /// The key for a server that asked for one; `None` if there is no other to try.
    ///
    /// # Errors
    /// There is a default key, and it cannot be read.
    pub(crate) fn if_asked(&self) -> Result<Option<NamedKey>, Failure> {
        match self {
            Self::IfAsked(secrets) if KeyFolder::find()?.has_default() => {
                KeyChoice::default_key().resolve(Path::new(""), secrets).map(Some)
            }
            Self::Named(_) | Self::Code(..) | Self::IfAsked(_) => Ok(None),
        }
    }

    /// Tells connections of one client from those of another; `None` without a key.
    pub(crate) fn identity(&self) -> Option<String> {
        match self {
            Self::Named(named) => Some(named.key.fingerprint()),
            Self::Code(code, _) => Some(code.text().to_owned()),
            Self::IfAsked(_) => None,
        }
    }

    /// They opened a connection.
    pub(crate) fn are_right(&self, target: &Target) {
        if let Self::Code(code, used) = self {
            used.of(target, code).is_right.store(true, Ordering::Relaxed);
        }
    }

    /// Why a server refused them. The key of a code that never opened a connection is of no more use then.
    pub(crate) fn refused(&self, target: &Target, failure: Failure) -> Failure {
        let Self::Code(code, used) = self else { return failure };
        let exchanged = used.of(target, code);
        if exchanged.key.get().is_none() {
            return failure;
        }
        if exchanged.is_right.load(Ordering::Relaxed) {
            return errors::code_over();
        }
        used.forget(target, code);
        errors::wrong_code()
    }
}
