//! A UDP socket that sends and receives many datagrams in one system call. Segmentation offload (GSO, GRO), where the
//! system has it, gives a factor of 25 over loopback. A GSO call may still fail when it is used; then the same
//! datagrams are sent one by one. (quinn-udp 0.6.3 requests receive timestamps too, and so loses the ECN marks; 0.5.16
//! does not.)

use std::io::{self, ErrorKind, IoSliceMut};
use std::net::SocketAddr;

use bytes::Bytes;
use quinn_udp::{EcnCodepoint, RecvMeta, Transmit, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::wire::datagram::DATAGRAM_LIMIT;

/// Socket buffer size requested for each direction, in bytes. The kernel may grant less; the initial credit for blocks
/// follows what it granted.
pub(super) const SOCKET_BUFFER: usize = 4 << 20;
/// Maximum number of datagrams in one send call; the kernel's limit is 64.
const GROUP_LIMIT: usize = 64;
/// Buffers for one receive call, and the size of each in bytes: with GRO one may hold many datagrams.
const READS: usize = 8;
const READ_SIZE: usize = 64 << 10;

/// A GSO batch: datagrams of one size for one peer, to be sent in one call.
#[derive(Default)]
struct Batch {
    peer: Option<SocketAddr>,
    bytes: Vec<u8>,
    /// Bytes of each datagram; the last one may be shorter, which ends the batch.
    segment: usize,
    count: usize,
    ended: bool,
    /// Sent as ECT(0): routers may mark them instead of dropping them (ECN).
    markable: bool,
}

impl Batch {
    /// Adds a datagram if it fits into the batch; false if it does not.
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

/// The socket, the batch that waits to be sent, and the receive buffers.
pub(super) struct Socket {
    io: UdpSocket,
    /// `None`: one datagram per call, without offload.
    state: Option<UdpSocketState>,
    /// Datagrams must not be fragmented. If they may be, they are sent one by one, except on loopback: GSO never
    /// fragments. [`Socket::grouped`] sockets are as if.
    whole: bool,
    connected: bool,
    group: Batch,
    buffers: Vec<u8>,
    /// Buffers for one receive call, at most [`READS`].
    reads: usize,
    pub(super) counts: SocketCounts,
}

/// Send errors.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SocketCounts {
    /// Send calls that the kernel refused: too large for the path, no route, and so on.
    pub(super) unsendable: u64,
    /// Those of them where a datagram exceeds the path MTU (EMSGSIZE).
    pub(super) too_large: u64,
    /// GSO calls that failed.
    pub(super) groups_failed: u64,
}

impl Socket {
    /// `connected`: `io` is connected to its peer. `whole`: datagrams must not be fragmented on the path.
    pub(super) fn new(io: UdpSocket, connected: bool, whole: bool) -> Self {
        let state = if cfg!(target_os = "linux") { UdpSocketState::new((&io).into()).ok() } else { None };
        let state = state.filter(|_| whole || may_fragment(&io).is_ok());
        Self {
            io,
            state,
            whole,
            connected,
            group: Batch::default(),
            buffers: Vec::new(),
            reads: READS,
            counts: SocketCounts::default(),
        }
    }

    /// The datagrams fit the interface, so that they may leave as a batch though routers may fragment them.
    pub(super) fn grouped(self) -> Self {
        Self { whole: true, ..self }
    }

    /// At most this many buffers are used for one receive call.
    pub(super) fn reading(self, most: usize) -> Self {
        Self { reads: most.clamp(1, READS), ..self }
    }

    /// From now on many datagrams are read in one call.
    pub(super) fn read_many(&mut self) {
        self.reads = READS;
    }

    /// From now on few datagrams come: the memory for more is freed.
    pub(super) fn read_few(&mut self) {
        (self.reads, self.buffers) = (1, Vec::new());
    }

    /// What the interface towards the peer carries, in bytes with all headers; `None` if the system does not say, or if
    /// the socket is not connected.
    pub(super) fn mtu(&self) -> Option<usize> {
        #[cfg(target_os = "linux")]
        {
            use rustix::net::sockopt::{ip_mtu, ipv6_mtu};
            let is_v6 = self.local().is_ipv6();
            let mtu = if is_v6 { ipv6_mtu(&self.io) } else { ip_mtu(&self.io) };
            mtu.ok().map(|mtu| mtu as usize)
        }
        #[cfg(not(target_os = "linux"))]
        None
    }

    /// Bytes of the receive buffer, as the system counts them.
    pub(super) fn granted(&self) -> usize {
        socket2::SockRef::from(&self.io).recv_buffer_size().unwrap_or(0)
    }

    /// The local port; 0 if it is unknown.
    /// The address of this side; that of a socket for any address is unspecified.
    pub(super) fn local(&self) -> SocketAddr {
        self.io.local_addr().unwrap_or_else(|_| (std::net::Ipv4Addr::UNSPECIFIED, 0).into())
    }

    pub(super) fn port(&self) -> u16 {
        self.io.local_addr().map_or(0, |address| address.port())
    }

    pub(super) async fn readable(&self) -> io::Result<()> {
        self.io.readable().await
    }

    pub(super) async fn writable(&self) -> io::Result<()> {
        self.io.writable().await
    }

    /// Queues a datagram for sending; it leaves at the latest with [`Self::flush`]. `markable`: it is sent as ECT(0),
    /// so that routers may mark it instead of dropping it (ECN), where the system supports that.
    ///
    /// # Errors
    /// `WouldBlock`: the send buffer is full, the datagram was not taken. `ConnectionRefused`: the peer refused an
    /// earlier datagram.
    pub(super) fn send(&mut self, peer: SocketAddr, datagram: &[u8], markable: bool) -> io::Result<()> {
        let most = self.together(peer).map_or(1, |state| state.max_gso_segments().min(GROUP_LIMIT));
        if !self.group.join(peer, datagram, markable, most) {
            self.flush()?;
            self.group.join(peer, datagram, markable, most);
        }
        Ok(())
    }

    /// `Some` if datagrams to this peer may be sent as a batch: they need no fragmentation, or the peer is on loopback,
    /// which takes any size.
    fn together(&self, peer: SocketAddr) -> Option<&UdpSocketState> {
        self.state.as_ref().filter(|_| self.whole || peer.ip().is_loopback())
    }

    /// Sends the batch that waits.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.group.count == 0 {
            return Ok(());
        }
        let result = self.send_group();
        match &result {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return result,
            // Any other error is treated as packet loss: the state machine retransmits (rows 47 and 48).
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
                // The first ones were sent: the rest is treated as lost.
                Err(error) if index == 0 => return Err(error),
                Err(_) => break,
                Ok(_) => {}
            }
        }
        Ok(())
    }

    /// Receives what one call returns. For each datagram `each` gets the sender, the bytes, and whether a router marked
    /// it (ECN CE).
    ///
    /// # Errors
    /// Those of the receive call. `WouldBlock`: nothing to read. Others concern one peer or one datagram.
    pub(super) fn receive(&mut self, mut each: impl FnMut(SocketAddr, Bytes, bool)) -> io::Result<()> {
        self.buffers.resize(self.reads * READ_SIZE, 0);
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
            // Each datagram gets its own allocation, so that a kept one does not keep the others alive.
            for datagram in buffer[..meta.len.min(READ_SIZE)].chunks(meta.stride.max(1)) {
                each(meta.addr, Bytes::copy_from_slice(datagram), marked);
            }
        }
        Ok(())
    }
}

/// Allows IP fragmentation of what this socket sends: `UdpSocketState::new` has forbidden it.
fn may_fragment(io: &UdpSocket) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::net::sockopt::{self, Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery};
        if io.local_addr()?.is_ipv6() {
            sockopt::set_ipv6_mtu_discover(io, Ipv6PathMtuDiscovery::DONT)?;
        }
        // An IPv6 socket may also carry IPv4.
        sockopt::set_ip_mtu_discover(io, Ipv4PathMtuDiscovery::DONT)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(group: &mut Batch, lengths: &[usize]) -> usize {
        let peer = "127.0.0.1:1".parse().unwrap();
        lengths.iter().take_while(|length| group.join(peer, &vec![1; **length], true, GROUP_LIMIT)).count()
    }

    #[test]
    fn a_group_is_of_one_size_and_one_peer_and_ends_with_a_shorter_one() {
        assert_eq!(joined(&mut Batch::default(), &[1200; 100]), 54);
        assert_eq!(joined(&mut Batch::default(), &[100; 100]), GROUP_LIMIT);
        assert_eq!(joined(&mut Batch::default(), &[1200, 1200, 30, 30]), 3);
        assert_eq!(joined(&mut Batch::default(), &[30, 1200]), 1);
        let mut group = Batch::default();
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
        // All in one call, as far as the system supports it.
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
