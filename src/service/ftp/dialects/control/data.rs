//! The data connection, which the client makes to a port that it was told (RFC 959, section 4.1.2; RFC 2428). Whoever
//! else connects there is let go: neither does another get a client's files, nor a client those of another.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpListener;

use super::errors;
use crate::net::accept::foreign::ForeignStream;
use crate::report::Failure;
use crate::service::ftp::dialects::store::Store;

/// How long a client may take to connect for its data.
pub(crate) const DATA_ACCEPT_LIMIT: Duration = Duration::from_secs(10);
/// Pause after a connection could not be accepted, for lack of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A port that waits for a client's data connection; closed with this value.
#[derive(Debug)]
pub(super) struct Passive {
    listener: TcpListener,
    address: SocketAddr,
    client: SocketAddr,
}

impl Passive {
    /// A free port beside the control connection.
    pub(super) fn open(control: &ForeignStream) -> Result<Self, Failure> {
        let opened = control.listen_beside().and_then(|listener| {
            let address = listener.local_addr()?;
            Ok(Self { listener, address, client: control.peer })
        });
        opened.map_err(|error| errors::data_port_failed(&error))
    }

    /// Where the client is to connect.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The client's connection.
    pub(super) async fn accept(self, store: &Store) -> Result<ForeignStream, Failure> {
        let accepted = tokio::time::timeout(DATA_ACCEPT_LIMIT, self.first_of_the_client(store));
        accepted.await.map_err(|_| errors::no_data_connection(DATA_ACCEPT_LIMIT))
    }

    async fn first_of_the_client(&self, store: &Store) -> ForeignStream {
        let mut told = false;
        loop {
            let Ok(mut stream) = ForeignStream::accept(&self.listener).await else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let is_same = is_same_host(stream.peer, self.client);
            if is_same && !store.is_of_a_stranger(stream.client()) {
                store.session.measure_foreign(&mut stream);
                return stream;
            }
            // Once for each transfer: whoever knocks there all the time does not fill the log.
            if !std::mem::replace(&mut told, true) {
                store.refused("data", &errors::data_from_elsewhere(stream.peer));
            }
        }
    }
}

/// True if both are of one host; IPv4-mapped addresses are those of IPv4.
fn is_same_host(one: SocketAddr, other: SocketAddr) -> bool {
    one.ip().to_canonical() == other.ip().to_canonical()
}

/// The text of 227, `h1,h2,h3,h4,p1,p2`; `None` where there is no IPv4.
pub(super) fn host_and_port(address: SocketAddr) -> Option<String> {
    let IpAddr::V4(ip) = address.ip().to_canonical() else { return None };
    let ([a, b, c, d], [high, low]) = (ip.octets(), address.port().to_be_bytes());
    Some(format!("{a},{b},{c},{d},{high},{low}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_told_in_the_form_of_each_rfc() {
        assert_eq!(host_and_port("192.0.2.7:1025".parse().unwrap()).unwrap(), "192,0,2,7,4,1");
        assert_eq!(host_and_port("[::ffff:192.0.2.7]:65535".parse().unwrap()).unwrap(), "192,0,2,7,255,255");
        assert_eq!(host_and_port("[2001:db8::1]:21".parse().unwrap()), None);
    }

    #[test]
    fn row_111_only_the_host_of_the_control_connection_may_come() {
        let same = |one: &str, other: &str| is_same_host(one.parse().unwrap(), other.parse().unwrap());
        assert!(same("127.0.0.1:1", "127.0.0.1:2"));
        assert!(same("[::ffff:127.0.0.1]:1", "127.0.0.1:2"));
        assert!(!same("127.0.0.2:1", "127.0.0.1:1"));
        assert!(!same("[::1]:1", "127.0.0.1:1"));
    }
}
