//! The only module that uses sockets (TCP, UDP) and the clock. It offers [`Connection`] over either transport, so that
//! a service need not know which one it uses. In floors, from the ground:
//!
//! | file | holds |
//! |---|---|
//! | `limits`, `errors` | time limits; all errors of the network |
//! | `clock`, `random` | time and fine timers; random bytes |
//! | `kernel` | what the kernel says of addresses, ports and sockets |
//! | `connection::message` | what travels over a connection |
//! | `tcp`, `udp` | the two transports: halves that send and receive messages |
//! | `connection` | both halves, whichever the transport |
//! | `connect`, `accept` | making connections, and taking them: bind, detect the protocol, refuse |
//! | `raw` | connections whose bytes are not ours |
//! | `relay` | a bad network in front of a server |

pub mod accept;
pub mod clock;
pub mod connect;
pub mod connection;
pub mod errors;
mod kernel;
pub mod limits;
pub mod random;
pub mod raw;
pub mod relay;
pub mod tcp;
pub mod udp;

pub use accept::Listener;
pub use accept::bind::Bound;
pub use connect::{connect, exchange};
pub use connection::message::{BlockSink, Message, PathCounts, Received};
pub use connection::path_stats::PathStats;
pub use connection::{Connection, Incoming, Outgoing};
pub use kernel::owner::{Client, is_known_to_be_of_another_user, is_of_another_user};
pub use kernel::ports_in_use::ports_in_use;
pub use kernel::reach::{has_address, reachable, reachable_addresses};
pub use limits::{
    ACCEPT_PAUSE, CODE_LIFETIME, CONNECT_LIMIT, FIRST_MESSAGE_LIMIT, GIVES_WAY_AFTER, MINIMUM_RATE,
    SILENCE_LIMIT,
};

use std::net::SocketAddr;

/// The background task of a UDP socket: its connections make progress only while this runs. The caller spawns it.
pub type Driver = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// Bytes that cost a client one of the steps after which the runtime gives a turn to others: 128, whatever a step is.
/// Without this, hundreds of clients that send as fast as they can make everybody wait for seconds.
const STEP: u64 = 256;

/// Lets others have their turn as often as so many bytes deserve it.
pub async fn take_turns(bytes: u64) {
    for _ in 0..=(bytes / STEP) {
        tokio::task::coop::consume_budget().await;
    }
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
