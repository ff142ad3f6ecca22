//! Ports of this machine that somebody listens on, as the system lists them (proc(5): `/proc/net/tcp` and its like).

use std::io::{BufRead, BufReader};

use crate::base::Transport;

/// Lines of one list that are read.
const LINE_LIMIT: usize = 10_000;
/// TCP: `TCP_LISTEN`; UDP: a socket without a peer is `TCP_CLOSE`.
const LISTENING: &str = "0A";
const UNCONNECTED: &str = "07";

/// Each once, in order. Where the system has no such list: none.
pub fn ports_in_use() -> Vec<(u16, Transport)> {
    let lists = [
        ("/proc/net/tcp", LISTENING, Transport::Tcp),
        ("/proc/net/tcp6", LISTENING, Transport::Tcp),
        ("/proc/net/udp", UNCONNECTED, Transport::Udp),
        ("/proc/net/udp6", UNCONNECTED, Transport::Udp),
    ];
    let mut found: Vec<(u16, Transport)> = lists
        .into_iter()
        .filter_map(|(path, state, transport)| Some((std::fs::File::open(path).ok()?, state, transport)))
        .flat_map(|(file, state, transport)| {
            let lines = BufReader::new(file).lines().take(LINE_LIMIT).map_while(Result::ok);
            lines.filter_map(move |line| port(&line, state)).map(move |port| (port, transport))
        })
        .collect();
    found.sort_by_key(|(port, transport)| (*port, transport.word()));
    found.dedup();
    found
}

/// The local port of a line, if its socket is in this state.
fn port(line: &str, state: &str) -> Option<u16> {
    let mut words = line.split_whitespace().skip(1);
    let (local, _, found) = (words.next()?, words.next()?, words.next()?);
    let (_, port) = local.rsplit_once(':')?;
    u16::from_str_radix(port, 16).ok().filter(|_| found == state)
}

#[cfg(test)]
mod tests {
    use super::*;

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
