//! Frames over TCP: connecting here, the two halves of a connection in `incoming` and `outgoing`, asynchronous and
//! blocking sockets in `socket`, encrypted ones in `sealed`, kernel statistics in `info`. Partial input and output are
//! kept in the structs, so both halves are cancel-safe.
//!
//! | file | holds |
//! |---|---|
//! | `incoming`, `outgoing` | the two halves |
//! | `socket` | their end of the socket, asynchronous or blocking |
//! | `sealed` | the same, plain or encrypted |
//! | `opening` | the prefaces and handshakes that a connection begins with |
//! | `info` | kernel statistics of a connection |

mod incoming;
#[cfg(target_os = "linux")]
mod info;
pub(super) mod opening;
mod outgoing;
mod sealed;
mod socket;

pub use incoming::Incoming;
pub use outgoing::Outgoing;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::connect::resolve;
use super::connection::keys;
use super::connection::message::{Message, PathSample};
use super::connection::record::ConnectionNotes;
use super::errors;
use super::kernel::ports_in_use::is_served_here;
use super::limits::CONNECT_LIMIT;
use crate::base::{Code, Endpoint, Key, Transport};
use crate::report::Failure;
use crate::wire::preface::Preface;
use crate::wire::{ServiceId, VERSION, frame};

/// Bytes gathered before a write, and buffered for a read: large enough to keep system calls rare, and for a block of
/// 256 KiB with its hash.
const BATCH: usize = (256 << 10) + 512;
/// Blocks of at least this many bytes are sent and received without a copy through the buffer.
const DIRECT: usize = 16 << 10;
/// Longest line from a plain-text client, in bytes.
pub const LINE_LIMIT: usize = 64 << 10;
/// Keep-alive: an idle peer that lost its network is noticed within 10 + 4 × 5 s (faults.md row 39).
const KEEP_ALIVE: Duration = Duration::from_secs(10);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEP_ALIVE_PROBES: u32 = 4;
/// The connection ends if sent bytes stay unacknowledged for this time (`TCP_USER_TIMEOUT`).
const USER_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes that may wait in the system until the peer has room for them (`TCP_NOTSENT_LOWAT`). Without it a peer that reads
/// nothing is given megabytes, and hundreds of such keep the processors busy with copies that nobody takes: with it, others
/// wait 4 to 6 ms (99 %) where they waited 30 to 110, and a fast transfer takes no longer.
const UNSENT_LIMIT: u32 = 256 << 10;

/// The path statistics of one of our connections, from the kernel.
#[cfg(target_os = "linux")]
pub(super) fn path(local: SocketAddr, peer: SocketAddr) -> Option<PathSample> {
    let info = info::ask(local, peer)?;
    Some(PathSample { round_trip: info.round_trip, retransmitted: u64::from(info.repeated) })
}

/// Bytes that the peer has acknowledged; 0 if the kernel does not say.
pub(super) fn acknowledged(stream: &TcpStream) -> u64 {
    #[cfg(target_os = "linux")]
    if let (Ok(local), Ok(peer)) = (stream.local_addr(), stream.peer_addr()) {
        return info::ask(local, peer).map_or(0, |info| info.acknowledged);
    }
    let _ = stream;
    0
}

/// From here on the caller looks at what is [`acknowledged`]: the kernel takes a window that is always smaller than a
/// segment for silence, and would end the connection.
pub(super) fn leave_silence_to_the_caller(stream: &TcpStream) {
    #[cfg(target_os = "linux")]
    drop(socket2::SockRef::from(stream).set_tcp_user_timeout(None));
    let _ = stream;
}

/// Sets the socket options of every connection that is made here.
pub fn prepare(stream: &TcpStream) {
    set_options(&socket2::SockRef::from(stream));
}

/// The same for one that was accepted. Linux hands the options of a socket that listens on to those that it accepts.
pub(super) fn prepare_accepted(stream: &TcpStream) {
    if !cfg!(target_os = "linux") {
        prepare(stream);
    }
}

/// Sets the options of a connection, or of the connections that a socket accepts.
pub(super) fn set_options(socket: &socket2::Socket) {
    let keep_alive = socket2::TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE_INTERVAL);
    #[cfg(target_os = "linux")]
    let keep_alive = keep_alive.with_retries(KEEP_ALIVE_PROBES);
    // Best effort: a system that refuses one of them still transfers.
    drop(socket.set_tcp_nodelay(true));
    drop(socket.set_tcp_keepalive(&keep_alive));
    #[cfg(target_os = "linux")]
    {
        drop(socket.set_tcp_user_timeout(Some(USER_TIMEOUT)));
        drop(socket.set_tcp_notsent_lowat(UNSENT_LIMIT));
    }
}

/// Limits the kernel's send buffer to about `bytes`, in which it counts its overhead too. Best effort.
pub(super) fn bound_send_buffer(stream: &TcpStream, bytes: usize) {
    drop(socket2::SockRef::from(stream).set_send_buffer_size(bytes));
}

/// The addresses of this side and of the peer; `None` if the connection is gone.
pub(super) fn addresses(stream: &TcpStream) -> Option<(SocketAddr, SocketAddr)> {
    stream.local_addr().ok().zip(stream.peer_addr().ok())
}

/// Listens on any free port of loopback, for a program of this machine.
pub async fn bind_loopback() -> std::io::Result<tokio::net::TcpListener> {
    let listener = tokio::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
    set_options(&socket2::SockRef::from(&listener));
    Ok(listener)
}

/// Both halves of a connection that was made here.
pub struct Halves {
    /// The sending half.
    pub outgoing: Outgoing,
    /// The receiving half.
    pub incoming: Incoming,
    /// The server's address.
    pub peer: SocketAddr,
}

/// Connects to the first address that answers; each further address is tried 250 ms after the one before. With a key the
/// connection is encrypted, or is not made.
pub async fn connect(
    endpoint: &Endpoint,
    addresses: &[SocketAddr],
    service: ServiceId,
    key: Option<&Key>,
) -> Result<Halves, Failure> {
    let Halves { mut outgoing, mut incoming, peer } = reach(endpoint, addresses).await?;
    let opened = opening::begin(&mut outgoing, &mut incoming, Preface::new(service), key);
    match tokio::time::timeout(CONNECT_LIMIT, opened).await {
        Ok(result) => check(&result?, &mut incoming).await?,
        Err(_) => return Err(errors::server_sent_nothing(endpoint)),
    }
    Ok(Halves { outgoing, incoming, peer })
}

/// Exchanges a code for the key of the one client that may use it. The server has the same if it has the same code.
pub async fn exchange(
    endpoint: &Endpoint,
    addresses: &[SocketAddr],
    service: ServiceId,
    code: &Code,
) -> Result<Key, Failure> {
    let Halves { mut outgoing, mut incoming, .. } = reach(endpoint, addresses).await?;
    let exchanged = opening::exchange(&mut outgoing, &mut incoming, service, code);
    let exchanged = tokio::time::timeout(CONNECT_LIMIT, exchanged).await;
    exchanged.unwrap_or_else(|_| Err(errors::server_sent_nothing(endpoint)))
}

/// A connection over which nothing has been said.
async fn reach(endpoint: &Endpoint, addresses: &[SocketAddr]) -> Result<Halves, Failure> {
    let dialled = resolve::race(addresses, |address| dial(endpoint.clone(), address));
    let (stream, peer) = tokio::time::timeout(CONNECT_LIMIT, dialled)
        .await
        .unwrap_or_else(|_| Err(errors::connect_timed_out(endpoint, Transport::Tcp)))?;
    prepare(&stream);
    let (read, write) = stream.into_split();
    let outgoing = Outgoing::new(write, false);
    let incoming = Incoming::new(read, BytesMut::new(), false);
    Ok(Halves { outgoing, incoming, peer })
}

/// One attempt; refused and unreachable are different errors to the user.
pub(super) async fn dial(
    endpoint: Endpoint,
    address: SocketAddr,
) -> Result<(TcpStream, SocketAddr), Failure> {
    match TcpStream::connect(address).await {
        Ok(stream) => Ok((stream, address)),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            let is_on_udp = is_served_here(&endpoint, Transport::Udp);
            Err(errors::nobody_listens(&endpoint, Transport::Tcp, is_on_udp))
        }
        Err(error) => Err(errors::cannot_reach(&endpoint, &error)),
    }
}

/// Checks the server's preface against ours; if the server refuses, its next frame says why.
async fn check(server: &Preface, incoming: &mut Incoming) -> Result<(), Failure> {
    if server.version != VERSION {
        return Err(errors::version_mismatch(server.version, VERSION));
    }
    if server.service != ServiceId::ANY.number() {
        return Ok(());
    }
    // A server that refuses sends the service `any`, then an ERROR frame with the reason.
    match tokio::time::timeout(CONNECT_LIMIT, incoming.next()).await.unwrap_or(Ok(None))? {
        Some(Message::Frame(frame)) if frame.kind == frame::ERROR => Err(errors::told(&frame)),
        _ => Err(errors::refused_without_reason()),
    }
}

/// From here on frames are noted. Who looks already sees how the connection was opened, too.
pub(super) fn note(outgoing: &mut Outgoing, incoming: &mut Incoming, notes: ConnectionNotes) {
    let ConnectionNotes { mut out, mut into } = notes;
    (out.is_sealed, into.is_sealed) = (outgoing.end.is_sealed(), incoming.end.is_sealed());
    if let (Some(own), Some(theirs)) = (outgoing.greeting, incoming.greeting) {
        let (first, second) =
            if incoming.is_client { ((&into, theirs), (&out, own)) } else { ((&out, own), (&into, theirs)) };
        first.0.open();
        first.0.preface(first.1);
        second.0.preface(second.1);
    } else if incoming.is_client {
        into.open();
    }
    outgoing.end.note(out.tap());
    incoming.end.note(into.tap());
    (outgoing.notes, incoming.notes) = (Some(out), Some(into));
}

fn broken(error: &std::io::Error, received: u64) -> Failure {
    match error.kind() {
        // A blocked thread was cancelled.
        ErrorKind::Interrupted => errors::cancelled(),
        ErrorKind::ConnectionReset => errors::connection_reset(),
        ErrorKind::BrokenPipe => errors::peer_closed(),
        // Only `sealed` says these two.
        ErrorKind::InvalidData => keys::errors::record_forged(received),
        ErrorKind::UnexpectedEof => keys::errors::cut_off(received),
        ErrorKind::TimedOut => errors::peer_lost(received, USER_TIMEOUT),
        _ => errors::connection_broke(received, error),
    }
}

/// From here on reads and writes block the calling thread, which saves waking another thread. When `cancel` fires, a
/// blocked call fails soon.
pub(super) fn own(outgoing: &mut Outgoing, incoming: &mut Incoming, cancel: &CancellationToken) {
    socket::own(&mut outgoing.end.socket, &mut incoming.end.socket, cancel);
}

/// From here on the runtime waits for the socket again.
pub(super) fn share(outgoing: &mut Outgoing, incoming: &mut Incoming) {
    socket::share(&mut outgoing.end.socket, &mut incoming.end.socket);
}
