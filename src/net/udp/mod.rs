//! Reliable UDP: one task per socket runs the state machines of all its connections and connects them to the halves
//! that services hold.
//!
//! | file | holds |
//! |---|---|
//! | `options` | how a service wants its data sent |
//! | `driver` | one task for all connections of a socket |
//! | `halves` | what a service holds |
//! | `socket` | many datagrams in one system call |
//! | `drops` | datagrams that the kernel dropped |
//! | `record` | what happened to the packets, and the packets themselves for who looks |
//! | `requests`, `peer_socket` | conversations in other protocols: which there are, and a socket for each |
//! | `exchange` | a code exchanged for a key, before a connection |
//! | `text_client` | plain-text clients, such as `nc -u` |

mod driver;
mod drops;
mod exchange;
mod halves;
mod options;
pub mod peer_socket;
mod record;
mod requests;
mod socket;
mod text_client;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use self::driver::{Opening, SocketDriver};
use self::text_client::TextClients;
pub use exchange::exchange;
pub use halves::{Counters, Ender, Halves, Incoming, Outgoing, Refused};
pub use options::Options;
use requests::Requests;
pub use requests::{CONVERSATION_LIMIT, ForeignDatagram};
use socket::{SOCKET_BUFFER, Socket};

use super::accept::admission::{Admission, Lines};
use super::connect::resolve;
use super::connection::keys;
use super::errors;
use super::kernel::ports_in_use::is_served_here;
use super::limits::CONNECT_LIMIT;
use super::random::random;
use super::{Driver, clock};
use crate::base::{Endpoint, Key, Transport};
use crate::record::EVENT_LIMIT;
use crate::reliable::{self, Acceptance, Config};
use crate::report::Failure;
use crate::wire::datagram::{self, Credit, DATAGRAM_LIMIT};
use crate::wire::dialect::Dialect;
use crate::wire::{Code, ConnectionId, ServiceId};

/// Bytes that the kernel charges to the socket buffer for a datagram of 1200 bytes, approximately.
const DATAGRAM_CHARGE: usize = 2304;
/// Upper limit, in bytes, to which the credit for blocks grows while the service keeps reading: 1 Gbit/s at 100 ms.
const CREDIT_LIMIT: u64 = 16 << 20;
/// Bytes of frames that may wait unread: the largest frame must fit, and a fast path with a long way wants more.
const STREAM_CREDIT: u64 = 2 << 20;
/// Bytes of the packet that opens a connection.
const FIRST_PACKET: u64 = datagram::BASE_DATAGRAM as u64 + text_client::HEADERS;

/// The initial credit for blocks is half of what the granted receive buffer really holds.
fn config(socket: &UdpSocket, options: Options) -> Config {
    let reference = socket2::SockRef::from(socket);
    drop(reference.set_recv_buffer_size(SOCKET_BUFFER));
    drop(reference.set_send_buffer_size(SOCKET_BUFFER));
    let granted = reference.recv_buffer_size().unwrap_or(200 << 10);
    let block = ((granted / DATAGRAM_CHARGE * options.datagram.min(1200) / 2) as u64).min(CREDIT_LIMIT);
    Config {
        datagram: options.datagram,
        // Only a socket that forbids fragmentation can discover the path MTU.
        datagram_most: if options.is_whole() && cfg!(target_os = "linux") { DATAGRAM_LIMIT } else { 0 },
        credit: Credit { stream: STREAM_CREDIT, block },
        gaps: STREAM_CREDIT as usize,
        credit_limit: CREDIT_LIMIT,
        control: options.control,
        arq: options.arq,
        give_up: options.give_up,
        backlog: options.backlog,
        backlog_time: options.backlog_time,
        connect: CONNECT_LIMIT,
        seed: u64::from_be_bytes(random()),
        record: EVENT_LIMIT,
        ..Config::default()
    }
}

/// Connects to the first address that answers.
pub async fn connect(
    endpoint: &Endpoint,
    addresses: &[SocketAddr],
    service: ServiceId,
    (options, key): (Options, Option<&Key>),
) -> Result<(Halves, Driver), Failure> {
    let with = |address| connect_to(endpoint.clone(), address, service, (options, key.cloned()));
    resolve::race(addresses, with).await
}

async fn connect_to(
    endpoint: Endpoint,
    peer: SocketAddr,
    service: ServiceId,
    (options, key): (Options, Option<Key>),
) -> Result<(Halves, Driver), Failure> {
    let initiator = key.as_ref().map(keys::initiator).transpose()?;
    let socket = socket_to(peer).await.map_err(|error| errors::cannot_reach(&endpoint, &error))?;
    let config = config(&socket, options);
    let socket = Socket::new(socket, true, options.is_whole());
    let nobody = TextClients::new(Lines::No, 0, [0; 32]);
    let mut drive = SocketDriver::new(socket, reliable::Endpoint::new(config, None), nobody, options.queue);
    let id = ConnectionId(u64::from_be_bytes(random()));
    drive.endpoint.connect(clock::now(), (id, peer), service, initiator);
    let halves = drive.register(id, peer);
    let (opened, mut result) = tokio::sync::oneshot::channel();
    drive.opening = Some(Opening { id, opened, foreign: None });
    let mut driver: Driver = Box::pin(drive.run());
    let outcome = tokio::select! {
        biased;
        outcome = &mut result => outcome.unwrap_or_else(|_| Err(errors::connection_closed())),
        () = &mut driver => {
            // The server accepted and closed at once: the driver has ended, but its messages can still be read.
            driver = Box::pin(std::future::ready(()));
            result.try_recv().unwrap_or_else(|_| Err(errors::connection_closed()))
        }
    };
    outcome.map(|()| (halves, driver)).map_err(|failure| not_opened(&endpoint, failure))
}

/// A connected socket: it reports ICMP errors, and receives from this peer only.
async fn socket_to(peer: SocketAddr) -> std::io::Result<UdpSocket> {
    let local: SocketAddr =
        if peer.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(local).await?;
    socket.connect(peer).await?;
    Ok(socket)
}

/// Why a connection was not opened, with what may help.
fn not_opened(endpoint: &Endpoint, failure: Failure) -> Failure {
    match failure.code {
        Code::Refused => {
            let is_on_tcp = is_served_here(endpoint, Transport::Tcp);
            errors::nobody_listens(endpoint, Transport::Udp, is_on_tcp)
        }
        Code::Limit if !failure.told => errors::path_too_narrow(endpoint, FIRST_PACKET),
        Code::Timeout => errors::connect_timed_out(endpoint, Transport::Udp),
        _ => failure,
    }
}

/// Requests of another protocol that may wait for the service; more are lost, as datagrams are.
const REQUESTS: usize = 64;

/// What arrives at a socket that listens.
pub struct Arrivals {
    /// Connections that were accepted.
    pub clients: mpsc::UnboundedReceiver<Halves>,
    /// Requests in other protocols.
    pub requests: mpsc::Receiver<ForeignDatagram>,
    /// Clients that were refused for their key.
    pub refused: mpsc::Receiver<Refused>,
}

/// Refused clients that may wait for the log; of more, nothing is noted.
const REFUSALS: usize = 16;

/// Accepts clients on a socket. The driver must be spawned.
pub fn listen(socket: UdpSocket, admission: &Admission) -> (Arrivals, Driver) {
    let config = config(&socket, admission.options);
    let listening = Acceptance {
        service: admission.service,
        name: admission.name,
        lists: admission.lists,
        max: admission.max,
        secret: random(),
    };
    let socket = Socket::new(socket, false, admission.options.is_whole());
    let plain = TextClients::new(admission.lines(), admission.max, random());
    let mut endpoint = reliable::Endpoint::new(config, Some(listening));
    if let Some(keys) = &admission.keys {
        endpoint = endpoint.guarded(Box::new(keys.clone()), random());
    }
    let mut drive = SocketDriver::new(socket, endpoint, plain, admission.options.queue);
    drive.note_into(admission.ring.clone());
    let (accepts, clients) = mpsc::unbounded_channel();
    drive.accepts = Some(accepts);
    let (requested, requests) = mpsc::channel(REQUESTS);
    if admission.dialects.has(Dialect::Tftp) && admission.keys.is_none() {
        drive.requests = Requests::into(requested, admission.max);
    }
    let (refusals, refused) = mpsc::channel(REFUSALS);
    drive.refusals = Some(refusals);
    (Arrivals { clients, requests, refused }, Box::pin(drive.run()))
}
