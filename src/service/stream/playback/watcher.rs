//! What reads the film: a player, the clock, or a counter, which just takes everything.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::clock::{self, Stalls};
use super::http::{self, Offer};
use super::player::{self, Player, PlayerChoice};
use crate::base::Value;
use crate::report::Failure;
use crate::service::stream::errors::duration_unknown;
use crate::session::Handle;

pub(crate) enum Watcher {
    Player(Box<Player>),
    Clock(oneshot::Receiver<Result<blake3::Hash, Failure>>, Arc<Stalls>),
    Counter(oneshot::Receiver<Result<blake3::Hash, Failure>>),
}

impl Watcher {
    /// Starts the watcher; `None`: the file is kept, and nothing reads it meanwhile.
    pub(crate) async fn start(
        session: &Handle,
        (choice, known_only): (&PlayerChoice, bool),
        offer: Offer<'_>,
        duration: Option<Duration>,
        keep: bool,
    ) -> Result<Option<Self>, Failure> {
        let store = &offer.store;
        Ok(match choice {
            PlayerChoice::None if keep => None,
            PlayerChoice::None => Some(Self::Counter(run(session, clock::count(store.clone())))),
            PlayerChoice::Clock => {
                let duration = duration.ok_or_else(duration_unknown)?;
                let stalls = Arc::new(Stalls::default());
                Some(Self::Clock(run(session, clock::play(store.clone(), duration, stalls.clone())), stalls))
            }
            PlayerChoice::First | PlayerChoice::Named(_) => {
                let address = http::serve(session, offer).await?;
                session.set("url", Value::text(&address.url));
                Some(Self::Player(Box::new(player::start(session, choice, address, known_only)?)))
            }
        })
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Player(player) => &player.name,
            Self::Clock(..) => "clock",
            Self::Counter(_) => "none",
        }
    }

    /// Number of stalls; `None` if they cannot be observed.
    pub(crate) fn stalls(&self) -> Option<u64> {
        match self {
            Self::Clock(_, stalls) => Some(stalls.count()),
            Self::Player(_) | Self::Counter(_) => None,
        }
    }

    /// Frames shown; `None` if they are not reported.
    pub(crate) fn frames(&self) -> Option<u64> {
        match self {
            Self::Player(player) => player.frames(),
            Self::Clock(..) | Self::Counter(_) => None,
        }
    }

    /// Waits until the watcher is done; returns the hash if it has read everything. Cancel-safe.
    pub(crate) async fn wait(&mut self) -> Result<Option<blake3::Hash>, Failure> {
        match self {
            Self::Player(player) => player.wait().await.map(|()| None),
            Self::Clock(end, _) | Self::Counter(end) => {
                end.await.map_err(|_| Failure::of_worker())?.map(Some)
            }
        }
    }
}

/// Runs `reading` as a task of the session, until its receiver is dropped.
fn run(
    session: &Handle,
    reading: impl Future<Output = Result<blake3::Hash, Failure>> + Send + 'static,
) -> oneshot::Receiver<Result<blake3::Hash, Failure>> {
    let (mut done, end) = oneshot::channel();
    session.spawn(async move {
        tokio::select! {
            () = done.closed() => {}
            result = reading => drop(done.send(result)),
        }
    });
    end
}
