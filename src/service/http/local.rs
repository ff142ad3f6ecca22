//! A page or a film of this program for its own user: on loopback, under an address that nobody else knows.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::{Site, serve};
use crate::net::accept::foreign::ForeignStream;
use crate::net::{ACCEPT_PAUSE, is_of_another_user};
use crate::report::reason;
use crate::session::Handle;

/// Most connections at once: those of a browser with some pages, or of a player.
const CONNECTION_LIMIT: usize = 32;

/// Serves the user's own programs until the session ends; each connection gets a site of its own from `visit`. Connections that are
/// left then are closed. `what`: the word for the log.
pub(crate) async fn serve_user<S: Site + 'static>(
    session: Handle,
    listener: TcpListener,
    what: &'static str,
    visit: impl Fn() -> S,
) {
    let places = Arc::new(Semaphore::new(CONNECTION_LIMIT));
    while let Ok(place) = places.clone().acquire_owned().await {
        let accepted = tokio::select! {
            () = session.cancelled() => return,
            accepted = ForeignStream::accept(&listener) => accepted,
        };
        match accepted {
            // Another user may see the address in the list of processes.
            Ok(stream) if is_of_another_user(stream.client()) => {}
            Ok(stream) => {
                let (handle, mut site) = (session.clone(), visit());
                session.spawn(async move {
                    // The program may disconnect at any time.
                    tokio::select! {
                        _ = serve(&handle, stream, &mut site) => {}
                        () = handle.cancelled() => {}
                    }
                    drop(place);
                });
            }
            Err(error) => {
                session.log(what, format!("a connection cannot be taken: {}", reason(&error)));
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
