//! The only module that uses sockets (TCP, UDP) and the clock. It offers [`Connection`] over either transport, so that
//! a service need not know which one it uses.

pub mod accept;
pub mod clock;
pub mod connection;
mod path_stats;
mod ports_in_use;
mod reach;
pub mod relay;
pub mod resolve;
mod sockets;
pub mod tcp;
mod timer;
pub mod udp;

pub use self::accept::owner::is_of_another_user;
pub use self::accept::{Bound, Listener};
pub use self::path_stats::Gauge;
pub use self::ports_in_use::ports_in_use;
pub use connection::{Connection, Incoming, Landed, Landing, Message, Outgoing, PathCounts};
pub use reach::{has_address, reachable};

use std::net::SocketAddr;
use std::time::Duration;

use crate::base::{Endpoint, Transport};
use crate::report::{Failure, reason};
use crate::wire::{Code, ServiceId};

/// Time limit for connecting: the first answer of a peer (FAULTS row 37), instead of the kernel's two minutes.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Time limit for the first complete message of a client (FAULTS row 62).
pub const FIRST_MESSAGE_LIMIT: Duration = Duration::from_secs(10);
/// How long a peer may be silent while an answer or an acknowledgement is due.
pub const SILENCE_LIMIT: Duration = Duration::from_secs(30);
/// A peer that takes fewer bytes/s than this counts as stopped (FAULTS row 40).
pub const MINIMUM_RATE: u64 = 900;

/// Pause after `accept` failed for a local reason (no descriptors left, FAULTS row 61), until some client disconnects.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The background task of a UDP socket: its connections make progress only while this runs. The caller spawns it.
pub type Driver = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// Connects to a service. The caller must spawn the driver, if there is one (UDP only).
pub async fn connect(
    transport: Transport,
    endpoint: &Endpoint,
    service: ServiceId,
    options: udp::Options,
) -> Result<(Connection, Option<Driver>), Failure> {
    let addresses = resolve::resolve(endpoint).await?;
    match transport {
        Transport::Tcp => {
            tcp::connect(endpoint, &addresses, service).await.map(|connection| (connection, None))
        }
        Transport::Udp => udp::connect(endpoint, &addresses, service, options)
            .await
            .map(|(connection, driver)| (connection, Some(driver))),
    }
}

/// Connection refused (row 36): the most common error, so the hint depends on the likely cause.
fn nobody_listens(endpoint: &Endpoint, transport: Transport) -> Failure {
    let other = if transport == Transport::Tcp { Transport::Udp } else { Transport::Tcp };
    let hint = if endpoint.host.is_loopback()
        && ports_in_use::ports_in_use().contains(&(endpoint.port, other))
    {
        format!("something listens on {other}: put `{other}` before the address: {other} {endpoint}")
    } else if endpoint.host.is_loopback() {
        format!("start a server here first: listen {transport} {} SERVICE", endpoint.port)
    } else {
        format!(
            "if the server runs there, it may be bound to loopback: listen {transport} {} SERVICE on any; or it is \
             served over {other}: {other} {endpoint}",
            endpoint.port
        )
    };
    Failure::new(Code::Refused, format!("nothing is listening on {transport} {endpoint}")).fix(hint)
}

/// The system cannot connect, for a local reason or because of the network.
fn cannot_reach(endpoint: &Endpoint, error: &std::io::Error) -> Failure {
    let fix = match rustix::io::Errno::from_io_error(error) {
        Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) => {
            "stop some sessions, or raise the limit: ulimit -n"
        }
        _ => "check the address and the network",
    };
    Failure::new(Code::Broken, format!("cannot reach {endpoint}: {}", reason(error))).fix(fix)
}

fn silent(endpoint: &Endpoint, transport: Transport) -> Failure {
    let why = format!("no answer from {transport} {endpoint} within {} s", CONNECT_LIMIT.as_secs());
    Failure::new(Code::Timeout, why).fix("check the address, and whether a firewall drops the packets")
}

/// The peer is still connected but no longer reads (row 40).
fn stopped_reading() -> Failure {
    Failure::new(Code::Timeout, format!("the peer stopped reading for {} s", SILENCE_LIMIT.as_secs()))
        .fix("the peer may be hung or overloaded")
}

/// The address as text; an IPv4-mapped IPv6 address is shown as IPv4.
pub fn show(address: SocketAddr) -> String {
    match address {
        SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(v4) => format!("{v4}:{}", v6.port()),
            None => address.to_string(),
        },
        SocketAddr::V4(_) => address.to_string(),
    }
}
