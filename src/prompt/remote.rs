//! Names at servers, for completion: asked for in the background, kept for a while, never waited for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::base::{Endpoint, Transport};
use crate::service::ftp;
use crate::session::Registry;

/// Names that are older are asked for again; until then they are still shown.
const FRESH: Duration = Duration::from_secs(5);

type Place = (Transport, Endpoint);

/// What servers have said.
pub(super) struct Names {
    runtime: Handle,
    registry: Arc<Registry>,
    known: Arc<Mutex<HashMap<String, Known>>>,
}

struct Known {
    place: Place,
    names: Vec<(String, String)>,
    asked: Instant,
}

impl Names {
    /// Within a runtime; what is asked for later runs in it.
    pub(super) fn new(registry: Arc<Registry>) -> Self {
        Self { runtime: Handle::current(), registry, known: Arc::default() }
    }

    /// What is known of a service at `place`. If that is old, or nothing, it is asked for beside this.
    pub(super) fn of(&self, service: &str, place: &Place) -> Vec<(String, String)> {
        let mut known = lock(&self.known);
        let entry = known.get(service).filter(|known| known.place == *place);
        if entry.is_some_and(|known| known.asked.elapsed() < FRESH) {
            return entry.map(|known| known.names.clone()).unwrap_or_default();
        }
        let names = entry.map(|known| known.names.clone()).unwrap_or_default();
        let asked = Known { place: place.clone(), names: names.clone(), asked: Instant::now() };
        known.insert(service.into(), asked);
        let (service, (transport, endpoint), all) = (service.to_owned(), place.clone(), self.known.clone());
        let registry = self.registry.clone();
        // Who asks is the editor's own thread.
        let _in_runtime = self.runtime.enter();
        self.registry.spawn(async move {
            let Ok(names) = ftp::names(&registry, transport, &endpoint).await else { return };
            if let Some(known) =
                lock(&all).get_mut(&service).filter(|known| known.place == (transport, endpoint))
            {
                known.names = names;
            }
        });
        names
    }
}

fn lock(known: &Mutex<HashMap<String, Known>>) -> MutexGuard<'_, HashMap<String, Known>> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}
