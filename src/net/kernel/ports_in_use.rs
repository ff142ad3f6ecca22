//! Ports of this machine that are in use.

use super::sockets::{SocketRow, lists};
use crate::base::{Endpoint, Transport};

/// Maximum number of lines read from one list.
const LINE_LIMIT: usize = 10_000;
/// Socket states in `/proc/net`: `TCP_LISTEN`; a UDP socket without a peer has `TCP_CLOSE`.
const LISTENING: &str = "0A";
const UNCONNECTED: &str = "07";

/// The ports that a program listens on, sorted, each once. Empty where the system has no such list.
pub fn ports_in_use() -> Vec<(u16, Transport)> {
    let mut found = Vec::new();
    for transport in [Transport::Tcp, Transport::Udp] {
        listening(transport, |port, _| found.push((port, transport)));
    }
    found.sort_by_key(|(port, transport)| (*port, transport.word()));
    found.dedup();
    found
}

/// True if the endpoint is of this machine and a program listens there.
pub(crate) fn is_served_here(endpoint: &Endpoint, transport: Transport) -> bool {
    endpoint.host.is_loopback() && ports_in_use().contains(&(endpoint.port, transport))
}

/// Inodes of the sockets that listen on port `wanted`.
pub(crate) fn inodes(transport: Transport, wanted: u16) -> Vec<String> {
    let mut found = Vec::new();
    listening(transport, |port, row| {
        found.extend(row.inode.filter(|_| port == wanted).map(str::to_owned));
    });
    found
}

/// Calls `each` for every listening socket, with its port.
fn listening(transport: Transport, mut each: impl FnMut(u16, &SocketRow<'_>)) {
    let state = if transport == Transport::Tcp { LISTENING } else { UNCONNECTED };
    for line in lists(transport).flat_map(|list| list.take(LINE_LIMIT)) {
        if let Some((port, row)) = read(&line, state) {
            each(port, &row);
        }
    }
}

/// Parses a line; its local port and fields if the socket is in this state.
fn read<'a>(line: &'a str, state: &str) -> Option<(u16, SocketRow<'a>)> {
    let row = SocketRow::read(line).filter(|row| row.state == state)?;
    let (_, port) = row.local.rsplit_once(':')?;
    Some((u16::from_str_radix(port, 16).ok()?, row))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(line: &str, state: &str) -> Option<u16> {
        read(line, state).map(|(port, _)| port)
    }

    #[test]
    fn a_port_is_listed_while_somebody_listens() {
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let found = ports_in_use();
        assert!(found.contains(&(tcp.local_addr().unwrap().port(), Transport::Tcp)), "{found:?}");
        assert!(found.contains(&(udp.local_addr().unwrap().port(), Transport::Udp)), "{found:?}");
    }

    #[test]
    fn lines_that_are_no_sockets_are_none() {
        for line in ["", "sl local_address rem_address st", "0: 0100007F 0 0A", "0: x:zz 0 0A", "0: a:b"] {
            assert_eq!(port(line, LISTENING), None, "{line}");
        }
        assert_eq!(port("0: 0100007F:2328 00000000:0000 0A 0", LISTENING), Some(9000));
    }
}
