//! Names offered by servers, for completion: fetched in the background, cached for a while, never waited for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::language::FromArguments as _;
use crate::service::contract::keys::ClientChoice;
use crate::service::{Context, ftp};
use crate::shell::Reached;

/// Cached names older than this are fetched again; meanwhile they are still offered.
const FRESH: Duration = Duration::from_secs(5);

/// A cache of the names that servers offer.
pub(super) struct Names {
    runtime: Handle,
    known: Arc<Mutex<HashMap<String, NamesOfServer>>>,
}

struct NamesOfServer {
    place: Reached,
    names: Vec<(String, String)>,
    asked: Instant,
}

impl Names {
    /// Must be called within a runtime: later requests run on it.
    pub(super) fn new() -> Self {
        Self { runtime: Handle::current(), known: Arc::default() }
    }

    /// The cached names of a service at `place`. If they are old or missing, they are fetched in the background.
    pub(super) fn of(&self, service: &str, place: &Reached, context: &Context) -> Vec<(String, String)> {
        let mut known = lock(&self.known);
        let entry = known.get(service).filter(|known| known.place == *place);
        if entry.is_some_and(|known| known.asked.elapsed() < FRESH) {
            return entry.map(|known| known.names.clone()).unwrap_or_default();
        }
        let names = entry.map(|known| known.names.clone()).unwrap_or_default();
        let asked = NamesOfServer { place: place.clone(), names: names.clone(), asked: Instant::now() };
        known.insert(service.into(), asked);
        let (service, place, all) = (service.to_owned(), place.clone(), self.known.clone());
        let asking = context.clone();
        // The caller is the editor's thread, which is outside the runtime.
        let _in_runtime = self.runtime.enter();
        context.registry.spawn(async move {
            let key = ClientChoice::from_arguments(&place.with);
            let Ok(names) = ftp::names(&asking, &place.target, &key).await else { return };
            if let Some(known) = lock(&all).get_mut(&service).filter(|known| known.place == place) {
                known.names = names;
            }
        });
        names
    }
}

fn lock(known: &Mutex<HashMap<String, NamesOfServer>>) -> MutexGuard<'_, HashMap<String, NamesOfServer>> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}
