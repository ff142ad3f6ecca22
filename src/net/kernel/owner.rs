//! The owner of a local socket, as the kernel reports it: on loopback every user of the machine can connect.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use super::sockets::{SocketRow, lists};
use crate::base::Transport;

/// `TCP_TIME_WAIT`: such a socket no longer has an owner.
const OVER: &str = "06";

/// True if the peer is a loopback socket of another user who is not root (root may do anything anyway). False if the
/// kernel does not say, or if the peer is not on loopback.
pub fn is_of_another_user(transport: Transport, peer: SocketAddr) -> bool {
    if !peer.ip().to_canonical().is_loopback() {
        return false;
    }
    let own = rustix::process::geteuid().as_raw();
    owner(transport, peer).is_some_and(|user| user != own && user != 0)
}

/// The user whose socket has this local address.
fn owner(transport: Transport, local: SocketAddr) -> Option<u32> {
    let forms = written(local);
    // An IPv6 socket may have an IPv4 address, so both lists are searched.
    lists(transport).flatten().find_map(|line| read(&line, &forms))
}

fn read(line: &str, forms: &[String]) -> Option<u32> {
    let row = SocketRow::read(line).filter(|row| row.state != OVER)?;
    forms.iter().any(|form| form == row.local).then_some(row.user)?
}

/// The notations that the kernel may use for an address: hexadecimal 32-bit words in native byte order. An IPv4 address
/// may also appear IPv4-mapped, and any address as the unspecified one.
fn written(address: SocketAddr) -> Vec<String> {
    let words = |bytes: &[u8]| {
        bytes.as_chunks::<4>().0.iter().fold(String::new(), |mut out, word| {
            let _ = write!(out, "{:08X}", u32::from_ne_bytes(*word));
            out
        })
    };
    let port = address.port();
    let mut forms = match address.ip().to_canonical() {
        IpAddr::V4(ip) => vec![words(&ip.octets()), words(&ip.to_ipv6_mapped().octets()), "0".repeat(8)],
        IpAddr::V6(ip) => vec![words(&ip.octets())],
    };
    forms.push("0".repeat(32));
    forms.into_iter().map(|form| format!("{form}:{port:04X}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_of_this_process_is_of_its_user() {
        let own = rustix::process::geteuid().as_raw();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert_eq!(owner(Transport::Tcp, client.local_addr().unwrap()), Some(own));
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(owner(Transport::Udp, socket.local_addr().unwrap()), Some(own));
        assert!(!is_of_another_user(Transport::Tcp, client.local_addr().unwrap()));
        assert!(!is_of_another_user(Transport::Tcp, "192.0.2.1:80".parse().unwrap()));
    }

    #[test]
    fn lines_of_the_table_are_read_as_the_kernel_writes_them() {
        let line = "   0: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 12345 1";
        let forms = |address: &str| written(address.parse().unwrap());
        assert_eq!(read(line, &forms("127.0.0.1:8080")), Some(1000));
        assert_eq!(read(line, &forms("127.0.0.1:8081")), None);
        for torn in 0..line.len() {
            let _any = read(&line[..torn], &forms("127.0.0.1:8080"));
        }
    }
}
