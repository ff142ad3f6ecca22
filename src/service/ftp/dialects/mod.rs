//! The file server for clients that do not have nls: the same folder, the same rules, in other protocols.
//!
//! | file | holds |
//! |---|---|
//! | `store` | what every dialect does with files: open, list, receive |
//! | `control` | FTP: a control connection, and one for each transfer |
//! | `tftp` | TFTP, over UDP |
//! | `web` | HTTP |

mod control;
pub(crate) mod store;
mod tftp;
pub(crate) mod web;

use std::sync::Arc;

use self::store::Store;
use super::served::FileServer;
use crate::service::contract::errors::dialect_unknown;
use crate::service::{ForeignClient, Job};
use crate::session::{ClientEntry, Handle};
use crate::wire::dialect::Dialect;

pub(super) use self::control::GREETING;
pub(crate) use self::control::{DATA_ACCEPT_LIMIT, LINE_LIMIT};

/// Serves one client, from its first byte to its last.
pub(super) fn serve(
    server: Arc<FileServer>,
    session: Handle,
    client: ForeignClient,
    entry: ClientEntry,
) -> Job<()> {
    let store = Store { server, session, client: entry, dress: |_, _, page| page };
    Box::pin(async move {
        match client {
            ForeignClient::Stream(Dialect::Http, stream) => web::serve(store, stream).await,
            ForeignClient::Stream(Dialect::Ftp, stream) => control::converse(store, stream).await,
            ForeignClient::Datagram(datagram) if datagram.dialect == Dialect::Tftp => {
                tftp::serve(store, datagram).await
            }
            other => Err(dialect_unknown(other.dialect())),
        }
    })
}

/// Reads what a client may send in each of them, for the fuzzer.
pub(super) fn read(bytes: &[u8]) {
    control::read_commands(bytes);
    tftp::read_packet(bytes);
    web::read_target(bytes);
}
