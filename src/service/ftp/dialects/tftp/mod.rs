//! TFTP over UDP (RFC 1350), with its options (RFC 2347 to 2349, 7440): new files come in, files go out.
//!
//! | file | holds |
//! |---|---|
//! | `packet` | pure: the packets as bytes |
//! | `name` | pure: the name of a request as one of the file system |
//! | `options` | pure: what is agreed about blocks, windows and waits |
//! | `trust` | pure: how long to wait, and what may go to an address that may be forged |
//! | `read` | pure: the sender of a file |
//! | `write` | pure: the receiver of a file |
//! | `netascii` | pure: text as it travels |
//! | `feed` | the bytes of a file that is sent |
//! | `sending`, `receiving` | RRQ and WRQ, between disk and socket |
//! | `errors` | what is told to clients, and how |
//! | `tests` | both machines over a bad network, in virtual time |
//!
//! Which requests come here, and that a repeated one is no second one, is decided in `net::udp::requests`.

mod errors;
mod feed;
mod name;
mod netascii;
mod options;
mod packet;
mod read;
mod receiving;
mod sending;
#[cfg(test)]
mod tests;
mod trust;
mod write;

use std::time::Duration;

use tokio::sync::Semaphore;

use self::packet::{ERROR_FRAME, Flaw, Packet, Request, decode};
use self::trust::AMPLIFICATION;
use self::write::Writing;
use super::store::Store;
use crate::net::Client;
use crate::net::clock;
use crate::net::udp::ForeignDatagram;
use crate::net::udp::peer_socket::{Heard, PeerSocket};
use crate::report::Failure;
use crate::service::contract::errors::server_stopped;
use crate::session::Handle;

/// How long the last ACK of an upload is repeated: twice what clients wait before they ask again.
const DALLY: Duration = Duration::from_secs(10);
/// Uploads that wait so at once: each has a socket. One more ends without (RFC 1350, section 6: it "is encouraged").
static DALLYING: Semaphore = Semaphore::const_new(64);
/// Bytes of an ERROR packet, at most.
const ERROR_LIMIT: usize = 256;

/// Serves one request, from a port of its own.
pub(super) async fn serve(store: Store, datagram: ForeignDatagram) -> Result<(), Failure> {
    let (bytes, session) = (datagram.bytes.clone(), store.session.clone());
    let mut peer = PeerSocket::open(datagram).await?;
    session.measure_peer(&mut peer);
    let request = match decode(&bytes) {
        Ok(Packet::Request(request)) => Ok(request),
        Ok(_) => Err(Flaw::Malformed),
        Err(flaw) => Err(flaw),
    };
    let name = request.as_ref().map(|request| name::below_root(&request.name)).unwrap_or_default();
    let answered = match &request {
        Ok(request) => session.unless_cancelled(Box::pin(answer(&store, &mut peer, request, &name))).await,
        Err(flaw) => Err(errors::flawed(*flaw)),
    };
    match answered {
        Ok(None) => Ok(()),
        Ok(Some(writing)) => {
            dally(&session, peer, writing);
            Ok(())
        }
        Err(_) if session.is_cancelled() => {
            tell(&mut peer, &server_stopped()).await;
            Err(server_stopped())
        }
        Err(failure) => {
            tell(&mut peer, &failure).await;
            if !errors::is_refusal(&failure) {
                return Err(failure);
            }
            store.refused(&name, &failure);
            Ok(())
        }
    }
}

/// Answers the request, and again if it comes again when it was answered. What has received a file goes on to answer its
/// client.
async fn answer(
    store: &Store,
    peer: &mut PeerSocket,
    request: &Request,
    name: &str,
) -> Result<Option<Writing>, Failure> {
    if let Some(failure) = store.objection(Client::Udp(peer.peer)) {
        return Err(failure);
    }
    loop {
        let mut writing = None;
        if request.is_write {
            writing = Some(receiving::receive(store, peer, request, name).await?);
        } else {
            sending::send(store, peer, request, name).await?;
        }
        if !peer.is_asked_again() {
            return Ok(writing);
        }
    }
}

/// Tells the client why it gets nothing; to an address that may be forged in few bytes.
async fn tell(peer: &mut PeerSocket, failure: &Failure) {
    if failure.told {
        return;
    }
    let most = peer.asked().map_or(ERROR_LIMIT, |asked| (asked * AMPLIFICATION).min(ERROR_LIMIT));
    let words =
        failure.fix.as_ref().map_or_else(|| failure.why.clone(), |fix| format!("{}; {fix}", failure.why));
    let packet = packet::error(errors::code_of(failure), &words, most.max(ERROR_FRAME));
    // It may be gone: then there is nobody to tell.
    drop(peer.send(std::iter::once(&packet[..])).await);
}

/// Answers a client whose last ACK may have been lost, for some time.
fn dally(session: &Handle, mut peer: PeerSocket, mut writing: Writing) {
    let Ok(turn) = DALLYING.try_acquire() else { return };
    peer.release();
    let (until, stopped) = (clock::now() + DALLY, session.clone());
    session.spawn(async move {
        let answers = async {
            while clock::now() < until
                && let Ok(Heard::Datagram(datagram)) = peer.next(until).await
            {
                let Ok(packet) = decode(&datagram) else { continue };
                if writing.handle(clock::now(), &packet).is_err()
                    || receiving::say(&mut peer, &mut writing).await.is_err()
                {
                    break;
                }
            }
        };
        tokio::select! {
            () = stopped.cancelled() => {}
            () = answers => {}
        }
        drop(turn);
    });
}

/// Reads what a peer may send, for the fuzzer: see `service::fuzz_entry`.
pub(super) fn read_packet(bytes: &[u8]) {
    netascii::check(bytes);
    let holds = &|_| usize::MAX;
    let bounds = options::Bounds { payload: bytes.len(), holds, window: options::WINDOW_BYTES, rate: None };
    if let Ok(Packet::Request(request)) = decode(bytes) {
        let agreed = options::agree(&request, Some(bytes.len() as u64), bounds);
        assert!(agreed.block >= 8 && agreed.window >= 1);
        drop(name::below_root(&request.name));
    }
}
