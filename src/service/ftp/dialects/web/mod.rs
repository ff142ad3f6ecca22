//! The served folder over HTTP: files with ranges and preconditions, folders as pages, as JSON and as tar archives,
//! and uploads.
//!
//! | file | holds |
//! |---|---|
//! | `path` | pure: the path of a target as a name of the file system |
//! | `file` | GET and HEAD of a file |
//! | `folder` | a folder as a page or as JSON |
//! | `listing` | pure: the rows of a page, in the order that is wanted |
//! | `player` | a film as a page |
//! | `tar`, `archive` | a folder as a tar archive, and the format of one |
//! | `upload` | PUT |
//!
//! The page is made of `folder.css` and `folder.js`.

mod archive;
mod file;
mod folder;
mod listing;
mod path;
mod player;
mod tar;
mod upload;

use self::file::Opened;
use super::store::{Found, Store};
use crate::net::accept::foreign::ForeignStream;
use crate::report::Failure;
use crate::service::http::{self, Answer, Exchange, Site, guard, page};
use crate::wire::http::{Method, RequestHead, ResponseHead, Status};

/// The methods that a folder knows.
const METHODS: &str = "GET, HEAD, PUT, OPTIONS";

/// The served folder, for one client.
struct Web {
    store: Store,
    /// Why this client is refused whatever it asks.
    refusal: Option<Failure>,
}

/// Serves one client.
pub(crate) async fn serve(store: Store, stream: ForeignStream) -> Result<(), Failure> {
    let refusal = store.objection(stream.client());
    let session = store.session.clone();
    http::serve(&session, stream, &mut Web { store, refusal }).await
}

impl Site for Web {
    fn answer<'a>(&'a mut self, exchange: &'a mut Exchange<'_>) -> Answer<'a> {
        Box::pin(async move {
            if let Some(refusal) = &self.refusal {
                return exchange.fail(refusal).await;
            }
            match exchange.head.method {
                Method::Get | Method::Head => self.look(exchange).await,
                Method::Put => upload::put(&self.store, exchange).await,
                Method::Options => exchange.tell_methods(METHODS).await,
                _ => {
                    exchange
                        .refuse_method(METHODS, "files are read with GET and new ones written with PUT")
                        .await
                }
            }
        })
    }
}

impl Web {
    async fn find(&self, name: &str) -> Result<Found<Opened>, Failure> {
        if let Some(opened) = Opened::in_memory(&self.store.server, name) {
            return Ok(Found::File(opened));
        }
        let server = self.store.server.clone();
        self.store.find_and(name, move |source| Opened::new(source, &server.hashes)).await
    }

    /// GET and HEAD.
    async fn look(&self, exchange: &mut Exchange<'_>) -> Result<(), Failure> {
        let name = match path::name(&exchange.head.target) {
            Ok(name) => name,
            Err(error) => return exchange.refuse(error.status, error.why).await,
        };
        let is_folder = exchange.head.target.is_folder();
        if exchange.head.target.query_has("vtt") && !is_folder {
            return player::subtitles(&self.store, exchange, &name).await;
        }
        match self.find(&name).await {
            Ok(Found::File(_)) if is_folder => {
                exchange.refuse(Status::NOT_FOUND, "it is a file: without `/` at its end").await
            }
            Ok(Found::File(_)) if exchange.head.target.query_has("play") => {
                player::show(&self.store, exchange, &name).await
            }
            Ok(Found::File(opened)) => file::send(&self.store, exchange, &name, opened).await,
            Ok(Found::Folder { .. }) if !is_folder => {
                let to = format!("{}/", exchange.head.target.raw_path());
                let head = ResponseHead::new(Status::MOVED_PERMANENTLY).with("Location", to);
                exchange.reply(page::guarded(head), "").await
            }
            Ok(Found::Folder { .. }) => folder::show(&self.store, exchange, &name).await,
            Err(failure) => {
                self.store.refused(&name, &failure);
                exchange.fail(&failure).await
            }
        }
    }
}

/// Reads what a client may ask for, for the fuzzer: whatever path it names is below the root.
pub(super) fn read_target(bytes: &[u8]) {
    let Ok(Some((head, _))) = RequestHead::read(bytes) else { return };
    let _ = guard::objection_to_writing(&head);
    if let Ok(name) = path::name(&head.target) {
        assert!(!name.split('/').any(|part| part == "..") && !name.starts_with('/'), "{name}");
        drop((path::shown(&name), path::segment(&name)));
    }
}
