//! A UDP socket that sends and takes many datagrams in one call: segmentation offload (GSO, GRO) where the system has it
//! is worth a factor of 25 over loopback. (quinn-udp 0.6.3 asks for timestamps too, and for these it loses the marks of
//! routers; 0.5.16 does not.) It may fail late; then the same datagrams leave one by one.

use std::io::{self, ErrorKind, IoSliceMut};
use std::net::SocketAddr;

use bytes::Bytes;
use quinn_udp::{EcnCodepoint, RecvMeta, Transmit, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::wire::datagram::DATAGRAM_LIMIT;

/// Datagrams that leave together at most; the system takes 64.
const GROUP_LIMIT: usize = 64;
/// Reads in one call, and room for each: one may hold many datagrams.
const READS: usize = 8;
const READ_SIZE: usize = 64 << 10;

/// Datagrams of one size for one peer that wait to leave together.
#[derive(Default)]
struct Group {
    peer: Option<SocketAddr>,
    bytes: Vec<u8>,
    /// Bytes of each; the last one may be shorter, and then nothing follows.
    segment: usize,
    count: usize,
    ended: bool,
    /// Routers may mark them.
    markable: bool,
}

impl Group {
    /// True if the datagram could join.
    fn join(&mut self, peer: SocketAddr, datagram: &[u8], markable: bool, most: usize) -> bool {
        if self.count == 0 {
            (self.peer, self.segment, self.ended) = (Some(peer), datagram.len(), false);
            self.markable = markable;
        } else if self.ended
            || self.peer != Some(peer)
            || self.markable != markable
            || datagram.len() > self.segment
            || self.count >= most
            || self.bytes.len() + datagram.len() > DATAGRAM_LIMIT
        {
            return false;
        }
        self.ended = datagram.len() < self.segment;
        self.bytes.extend_from_slice(datagram);
        self.count += 1;
        true
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
    }
}

/// The socket, what waits to leave, and where the system writes what it has.
pub(super) struct Socket {
    io: UdpSocket,
    /// `None`: one datagram for each call.
    state: Option<UdpSocketState>,
    /// Datagrams must not be fragmented. Others leave one by one: what leaves together never is.
    whole: bool,
    connected: bool,
    group: Group,
    buffers: Vec<u8>,
    pub(super) counts: Counts,
}

/// What the system did with datagrams.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// The system said no: too large for the path, or no route.
    pub(super) unsendable: u64,
    /// … because a datagram is larger than the path takes.
    pub(super) too_large: u64,
    /// Calls that sent many at once and failed.
    pub(super) groups_failed: u64,
}

impl Socket {
    /// `whole`: datagrams must not be fragmented on their way.
    pub(super) fn new(io: UdpSocket, connected: bool, whole: bool) -> Self {
        let state = if cfg!(target_os = "linux") { UdpSocketState::new((&io).into()).ok() } else { None };
        let state = state.filter(|_| whole || may_fragment(&io).is_ok());
        Self {
            io,
            state,
            whole,
            connected,
            group: Group::default(),
            buffers: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// Where it is bound.
    pub(super) fn port(&self) -> u16 {
        self.io.local_addr().map_or(0, |address| address.port())
    }

    pub(super) async fn readable(&self) -> io::Result<()> {
        self.io.readable().await
    }

    pub(super) async fn writable(&self) -> io::Result<()> {
        self.io.writable().await
    }

    /// Takes a datagram to send, at once or with the next ones. `markable`: routers may mark it instead of dropping it
    /// (ECN), where the system can say so.
    ///
    /// # Errors
    /// The system's queue is full (`WouldBlock`: the datagram was not taken), or a connected peer refused an earlier one.
    pub(super) fn send(&mut self, peer: SocketAddr, datagram: &[u8], markable: bool) -> io::Result<()> {
        let most = self.together(peer).map_or(1, |state| state.max_gso_segments().min(GROUP_LIMIT));
        if !self.group.join(peer, datagram, markable, most) {
            self.flush()?;
            self.group.join(peer, datagram, markable, most);
        }
        Ok(())
    }

    /// Datagrams may leave together, in one call: where none is larger than the path takes, which this machine takes all.
    fn together(&self, peer: SocketAddr) -> Option<&UdpSocketState> {
        self.state.as_ref().filter(|_| self.whole || peer.ip().is_loopback())
    }

    /// Lets go what waits.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.group.count == 0 {
            return Ok(());
        }
        let result = self.send_group();
        match &result {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return result,
            // Anything else is as good as lost: the state machine repairs it (rows 47 and 48).
            Err(error) if error.kind() != ErrorKind::ConnectionRefused => {
                let is_size = rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::MSGSIZE);
                self.counts.unsendable += 1;
                self.counts.too_large += u64::from(is_size);
            }
            _ => {}
        }
        self.group.clear();
        result.or_else(|error| if error.kind() == ErrorKind::ConnectionRefused { Err(error) } else { Ok(()) })
    }

    fn send_group(&mut self) -> io::Result<()> {
        let Some(peer) = self.group.peer else { return Ok(()) };
        let Some(state) = self.together(peer).filter(|_| self.group.count > 1 || self.group.markable) else {
            return self.send_singly(peer);
        };
        let transmit = Transmit {
            destination: peer,
            ecn: self.group.markable.then_some(EcnCodepoint::Ect0),
            contents: &self.group.bytes,
            segment_size: (self.group.count > 1).then_some(self.group.segment),
            src_ip: None,
        };
        let result = self.io.try_io(Interest::WRITABLE, || state.try_send((&self.io).into(), &transmit));
        match result {
            Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionRefused) => {
                self.counts.groups_failed += 1;
                self.send_singly(peer)
            }
            other => other,
        }
    }

    fn send_singly(&self, peer: SocketAddr) -> io::Result<()> {
        for (index, datagram) in self.group.bytes.chunks(self.group.segment).enumerate() {
            let result =
                if self.connected { self.io.try_send(datagram) } else { self.io.try_send_to(datagram, peer) };
            match result {
                // The first ones left already: the rest is as good as lost.
                Err(error) if index == 0 => return Err(error),
                Err(_) => break,
                Ok(_) => {}
            }
        }
        Ok(())
    }

    /// Takes some of what is here: each datagram with its sender, and whether a router marked it.
    ///
    /// # Errors
    /// Those of the system; they belong to one peer, or to one datagram.
    pub(super) fn receive(&mut self, mut each: impl FnMut(SocketAddr, Bytes, bool)) -> io::Result<()> {
        self.buffers.resize(READS * READ_SIZE, 0);
        let Some(state) = &self.state else {
            let (length, peer) = self.io.try_recv_from(&mut self.buffers)?;
            each(peer, Bytes::copy_from_slice(&self.buffers[..length]), false);
            return Ok(());
        };
        let mut metas = [RecvMeta::default(); READS];
        let count = self.io.try_io(Interest::READABLE, || {
            let mut slices = self.buffers.chunks_mut(READ_SIZE).map(IoSliceMut::new).collect::<Vec<_>>();
            state.recv((&self.io).into(), &mut slices, &mut metas)
        })?;
        for (meta, buffer) in metas.iter().zip(self.buffers.chunks(READ_SIZE)).take(count) {
            let marked = meta.ecn == Some(EcnCodepoint::Ce);
            // Each has memory of its own: one that is kept holds no others.
            for datagram in buffer[..meta.len.min(READ_SIZE)].chunks(meta.stride.max(1)) {
                each(meta.addr, Bytes::copy_from_slice(datagram), marked);
            }
        }
        Ok(())
    }
}

/// IP may fragment what this socket sends: taking many datagrams in one call was set up to forbid that.
fn may_fragment(io: &UdpSocket) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::net::sockopt::{self, Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery};
        if io.local_addr()?.is_ipv6() {
            sockopt::set_ipv6_mtu_discover(io, Ipv6PathMtuDiscovery::DONT)?;
        }
        // A socket of IPv6 may carry IPv4, too.
        sockopt::set_ip_mtu_discover(io, Ipv4PathMtuDiscovery::DONT)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(group: &mut Group, lengths: &[usize]) -> usize {
        let peer = "127.0.0.1:1".parse().unwrap();
        lengths.iter().take_while(|length| group.join(peer, &vec![1; **length], true, GROUP_LIMIT)).count()
    }

    #[test]
    fn a_group_is_of_one_size_and_one_peer_and_ends_with_a_shorter_one() {
        assert_eq!(joined(&mut Group::default(), &[1200; 100]), 54);
        assert_eq!(joined(&mut Group::default(), &[100; 100]), GROUP_LIMIT);
        assert_eq!(joined(&mut Group::default(), &[1200, 1200, 30, 30]), 3);
        assert_eq!(joined(&mut Group::default(), &[30, 1200]), 1);
        let mut group = Group::default();
        joined(&mut group, &[1200]);
        assert!(!group.join("127.0.0.1:2".parse().unwrap(), &[1; 1200], true, GROUP_LIMIT));
    }

    #[tokio::test]
    async fn many_datagrams_arrive_as_they_left_with_and_without_offload() {
        for whole in [true, false] {
            let receiver = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let address = receiver.local_addr().unwrap();
            let mut receiver = Socket::new(receiver, false, whole);
            let sender = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let mut sender = Socket::new(sender, false, whole);
            sender.writable().await.unwrap();
            for number in 0..40u8 {
                sender
                    .send(address, &vec![number; 1000 - usize::from(number / 39)], number % 2 == 0)
                    .unwrap();
            }
            sender.flush().unwrap();
            let mut got = Vec::new();
            while got.len() < 40 {
                receiver.readable().await.unwrap();
                drop(receiver.receive(|_, bytes, _| got.push(bytes)));
            }
            assert!(got.iter().zip(0u8..).all(|(bytes, number)| bytes.iter().all(|byte| *byte == number)));
            assert_eq!((got[0].len(), got[39].len()), (1000, 999));
        }
    }

    #[tokio::test]
    async fn the_mark_of_a_router_is_seen_on_datagrams_that_came_together() {
        let receiver = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let destination = receiver.local_addr().unwrap();
        let mut receiver = Socket::new(receiver, false, true);
        let io = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let state = UdpSocketState::new((&io).into()).unwrap();
        io.writable().await.unwrap();
        // One call for all of them, as far as the system can.
        let together = state.max_gso_segments().min(20);
        let transmit = Transmit {
            destination,
            ecn: Some(EcnCodepoint::Ce),
            contents: &vec![7; together * 1000],
            segment_size: Some(1000),
            src_ip: None,
        };
        io.try_io(Interest::WRITABLE, || state.try_send((&io).into(), &transmit)).unwrap();
        let mut marks = Vec::new();
        while marks.len() < together {
            receiver.readable().await.unwrap();
            drop(receiver.receive(|_, _, marked| marks.push(marked)));
        }
        assert!(marks.iter().all(|marked| *marked), "{marks:?}");
    }
}
