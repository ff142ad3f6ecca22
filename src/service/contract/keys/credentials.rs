//! What a client connects with.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use super::{ClientChoice, KeyChoice, KeyFolder, NamedKey, errors};
use crate::base::{Code, Secrets};
use crate::language::Target;
use crate::net;
use crate::report::Failure;
use crate::wire::ServiceId;

/// What the key of a code is called.
const NAME: &str = "code";
/// Codes whose keys are remembered; then all are forgotten.
const CODES_LIMIT: usize = 64;

/// What a client connects with.
#[derive(Clone, Debug)]
pub(crate) enum Credentials {
    /// The key that the command named.
    Named(NamedKey),
    /// A code, the key that it was exchanged for, and where that is remembered.
    Code(Code, Arc<OnceCell<NamedKey>>, Arc<UsedCodes>),
    /// None, unless the server asks for one: then the user's default key, which is masked here.
    IfAsked(Secrets),
}

/// The codes that were used here, with the keys that they were exchanged for: a code is good for one exchange, and for as
/// many connections as this shell makes.
#[derive(Debug, Default)]
pub(crate) struct UsedCodes(Mutex<HashMap<String, Arc<OnceCell<NamedKey>>>>);

impl UsedCodes {
    fn key(&self, code: &Code) -> Arc<OnceCell<NamedKey>> {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() >= CODES_LIMIT && !used.contains_key(code.text()) {
            used.clear();
        }
        used.entry(code.text().to_owned()).or_default().clone()
    }

    fn forget(&self, code: &Code) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(code.text());
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
            (None, Some(code)) => Ok(Self::Code(code.clone(), used.key(code), used.clone())),
            (None, None) => Ok(Self::IfAsked(secrets.clone())),
        }
    }

    /// The key to begin with. A code is exchanged for one, the first time.
    pub(crate) async fn first(
        &self,
        Target { transport, endpoint }: &Target,
        service: ServiceId,
    ) -> Result<Option<NamedKey>, Failure> {
        match self {
            Self::Named(named) => Ok(Some(named.clone())),
            Self::IfAsked(_) => Ok(None),
            Self::Code(code, key, _) => {
                let exchanged = key.get_or_try_init(|| async {
                    let key = net::exchange(*transport, endpoint, service, code).await?;
                    Ok(NamedKey { name: NAME.to_owned(), key })
                });
                exchanged.await.map(|key| Some(key.clone()))
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
            Self::Code(code, ..) => Some(code.text().to_owned()),
            Self::IfAsked(_) => None,
        }
    }

    /// Why a server refused them. The key of a code is of no more use then.
    pub(crate) fn refused(&self, failure: Failure) -> Failure {
        match self {
            Self::Code(code, key, used) if key.initialized() => {
                used.forget(code);
                errors::wrong_code()
            }
            _ => failure,
        }
    }
}
