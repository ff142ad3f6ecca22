//! The owner of a local socket, as the kernel reports it: on loopback every user of the machine can connect.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use super::sockets::{SocketRow, lists};
use crate::base::Transport;

/// `TCP_TIME_WAIT`.
const OVER: &str = "06";
/// `TCP_LISTEN`.
const LISTENS: &str = "0A";

/// How often a socket is looked for that is not in the list.
const LOOKS: usize = 3;

/// A client as its server knows it.
#[derive(Clone, Copy, Debug)]
pub enum Client {
    /// By the addresses of its connection, the server's first.
    Tcp(SocketAddr, SocketAddr),
    /// By its own address.
    Udp(SocketAddr),
}

/// True if the client is on loopback and not shown to be of this user or of root, who may do anything anyway: of another
/// user, or gone already, so that nobody can tell whose it was. False if the system does not tell whose its sockets are,
/// or if the client is not on loopback.
pub fn is_of_another_user(client: Client) -> bool {
    owners(client).is_some_and(|owners| !is_own(&owners, rustix::process::geteuid().as_raw()))
}

/// The same, but false if nobody can tell: for a second connection of a client that was asked at its first one, and may
/// have said all and left.
pub fn is_known_to_be_of_another_user(client: Client) -> bool {
    let own = rustix::process::geteuid().as_raw();
    let other = |owner: &Owner| owner.user != 0 && owner.user != own;
    owners(client).is_some_and(|owners| owners.iter().any(other))
}

/// Whose sockets the client may be; `None` if it is not on loopback, or if the system does not tell.
fn owners(client: Client) -> Option<Vec<Owner>> {
    let (Client::Tcp(_, address) | Client::Udp(address)) = client;
    if !address.ip().to_canonical().is_loopback() {
        return None;
    }
    match client {
        Client::Tcp(server, address) => match at_connection(address, server) {
            Some(owner) => Some(vec![owner]),
            // Nobody can tell. Who resets many connections does not make us read the whole list for each.
            None if is_over(server, address) => Some(Vec::new()),
            // Its side is gone, or a rule of the firewall has changed an address on the way.
            None => at_address(Transport::Tcp, address),
        },
        Client::Udp(address) => at_address(Transport::Udp, address),
    }
}

/// Whose socket has exactly this connection; `None` if there is none, or if the system has no such query.
#[cfg(target_os = "linux")]
fn at_connection(local: SocketAddr, peer: SocketAddr) -> Option<Owner> {
    super::diag::ask(local, peer, &[]).ok()?.as_ref().map(Owner::of)
}

/// True if our own side of the connection is gone, too.
#[cfg(target_os = "linux")]
fn is_over(server: SocketAddr, client: SocketAddr) -> bool {
    matches!(super::diag::ask(server, client, &[]), Ok(None))
}

#[cfg(not(target_os = "linux"))]
fn is_over(_: SocketAddr, _: SocketAddr) -> bool {
    false
}

#[cfg(not(target_os = "linux"))]
fn at_connection(_: SocketAddr, _: SocketAddr) -> Option<Owner> {
    None
}

/// Whose sockets have this address.
#[cfg(target_os = "linux")]
fn at_address(transport: Transport, address: SocketAddr) -> Option<Vec<Owner>> {
    let Ok(sockets) = super::diag::on_port(transport, address.port()) else {
        return listed(transport, address);
    };
    Some(sockets.iter().filter(|socket| socket.is_at(address.ip())).map(Owner::of).collect())
}

#[cfg(not(target_os = "linux"))]
fn at_address(transport: Transport, address: SocketAddr) -> Option<Vec<Owner>> {
    listed(transport, address)
}

/// The same, of the kernel's list of sockets; `None` if the system has none. All of it is written for one look, which
/// takes milliseconds.
fn listed(transport: Transport, address: SocketAddr) -> Option<Vec<Owner>> {
    let forms = written(address);
    let look = || {
        let mut all: Option<Vec<Owner>> = None;
        // An IPv6 socket may have an IPv4 address, so both lists are searched.
        for list in lists(transport) {
            all.get_or_insert_default().extend(list.filter_map(|line| read(&line, &forms)));
        }
        all
    };
    // The kernel goes on in its list by counting: a socket that is closed meanwhile makes it leave another one out.
    (0..LOOKS)
        .map(|_| look())
        .find(|found| !found.as_ref().is_some_and(Vec::is_empty))
        .unwrap_or_else(|| Some(Vec::new()))
}

/// Whose a socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Owner {
    user: u32,
    /// No process has it any more. Then the kernel may give root as its user, whoever had it.
    is_orphan: bool,
}

#[cfg(target_os = "linux")]
impl Owner {
    fn of(socket: &super::diag::Diag) -> Self {
        Self { user: socket.user(), is_orphan: socket.inode() == 0 }
    }
}

/// True if this user or root has such a socket, and nobody else one. Those that the kernel may only seem to give to root
/// tell nothing.
fn is_own(owners: &[Owner], own: u32) -> bool {
    let mut told = owners.iter().filter(|owner| owner.user != 0 || !owner.is_orphan).peekable();
    told.peek().is_some() && told.all(|owner| owner.user == 0 || owner.user == own)
}

fn read(line: &str, forms: &[String]) -> Option<Owner> {
    let row = SocketRow::read(line).filter(|row| forms.iter().any(|form| form == row.local))?;
    // Of a server that listens on the same port it is another one, and of a connection that is over another one, too.
    if matches!(row.state, LISTENS | OVER) {
        return None;
    }
    Some(Owner { user: row.user?, is_orphan: row.inode.is_none_or(|inode| inode == "0") })
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
    fn a_connection_of_this_process_is_of_its_user_while_it_is() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        let client = std::net::TcpStream::connect(server).unwrap();
        let address = client.local_addr().unwrap();
        assert!(!is_of_another_user(Client::Tcp(server, address)));
        // Where a firewall changes the way to the server, all with this address are asked, in one way or the other.
        for owners in [at_address, listed].map(|search| search(Transport::Tcp, address).unwrap()) {
            assert!(is_own(&owners, rustix::process::geteuid().as_raw()));
        }
        drop(client);
        let (accepted, _) = listener.accept().unwrap();
        drop(accepted);
        assert!(is_of_another_user(Client::Tcp(server, address)) || rustix::process::geteuid().as_raw() != 0);
        assert!(!is_of_another_user(Client::Tcp(server, "192.0.2.1:80".parse().unwrap())));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn row_101_of_a_connection_that_was_reset_no_list_is_read() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        let client = std::net::TcpStream::connect(server).unwrap();
        let address = client.local_addr().unwrap();
        let (accepted, _) = listener.accept().unwrap();
        assert!(!is_over(server, address));
        socket2::SockRef::from(&client).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(client);
        assert!(is_over(server, address));
        assert!(is_of_another_user(Client::Tcp(server, address)));
        drop(accepted);
    }

    #[test]
    fn a_socket_of_this_process_is_of_its_user_while_it_is() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let client = Client::Udp(socket.local_addr().unwrap());
        assert!(!is_of_another_user(client));
        let own = Owner { user: rustix::process::geteuid().as_raw(), is_orphan: false };
        assert_eq!(at_address(Transport::Udp, socket.local_addr().unwrap()), Some(vec![own]));
        // Who has closed cannot be asked any more.
        drop(socket);
        assert!(is_of_another_user(client));
    }

    #[test]
    fn of_a_connection_only_its_own_socket_counts() {
        let servers = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
        let mut address: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let _clients = servers.each_ref().map(|server| {
            let client = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            client.set_reuse_address(true).unwrap();
            client.bind(&address.into()).unwrap();
            address = client.local_addr().unwrap().as_socket().unwrap();
            client.connect(&server.local_addr().unwrap().into()).unwrap();
            client
        });
        let own = Owner { user: rustix::process::geteuid().as_raw(), is_orphan: false };
        assert_eq!(at_address(Transport::Tcp, address), Some(vec![own; 2]));
        // Sockets of others that come and go meanwhile may make the kernel list one twice, or leave it out.
        assert!((0..1000).any(|_| listed(Transport::Tcp, address) == Some(vec![own; 2])));
        for server in servers {
            let client = Client::Tcp(server.local_addr().unwrap(), address);
            #[cfg(target_os = "linux")]
            assert_eq!(owners(client), Some(vec![own]));
            assert!(!is_of_another_user(client));
        }
    }

    #[test]
    fn row_112_who_is_gone_or_shares_a_port_with_others_is_not_taken_for_this_user() {
        let owner = |user, is_orphan| Owner { user, is_orphan };
        for (owners, own, is) in [
            (vec![], 0, false),
            (vec![owner(0, false)], 0, true),
            (vec![owner(0, false)], 1000, true),
            (vec![owner(0, true)], 0, false),
            (vec![owner(0, true), owner(0, false)], 0, true),
            (vec![owner(0, true), owner(1000, false)], 1000, true),
            (vec![owner(1000, true)], 1000, true),
            (vec![owner(1000, false)], 0, false),
            (vec![owner(0, false), owner(1000, false)], 0, false),
            (vec![owner(1000, false), owner(1001, false)], 1000, false),
        ] {
            assert_eq!(is_own(&owners, own), is, "{owners:?} {own}");
        }
    }

    #[test]
    fn lines_of_the_table_are_read_as_the_kernel_writes_them() {
        let line = "   0: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 12345 1";
        let forms = |address: &str| written(address.parse().unwrap());
        assert_eq!(read(line, &forms("127.0.0.1:8080")), Some(Owner { user: 1000, is_orphan: false }));
        let over = line.replace("1000        0 12345", "   0        0 0");
        assert_eq!(read(&over, &forms("127.0.0.1:8080")), Some(Owner { user: 0, is_orphan: true }));
        assert_eq!(read(line, &forms("127.0.0.1:8081")), None);
        for torn in 0..line.len() {
            let _any = read(&line[..torn], &forms("127.0.0.1:8080"));
        }
    }
}
