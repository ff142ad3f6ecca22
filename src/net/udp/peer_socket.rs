//! A socket of its own for one conversation in another protocol: connected to its peer, so that the kernel drops what
//! comes from elsewhere.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use super::requests::ForeignDatagram;
use super::socket::{SOCKET_BUFFER, Socket};
use crate::base::Time;
use crate::net::connection::record::ConnectionNotes;
use crate::net::{clock, errors};
use crate::report::Failure;
use crate::wire::datagram::DATAGRAM_LIMIT;

/// Bytes of the IP and UDP headers of a datagram (RFC 791, RFC 8200, RFC 768).
const HEADERS_V4: usize = 20 + 8;
const HEADERS_V6: usize = 40 + 8;
/// The MTU where the system does not tell it: that of an Ethernet.
const MTU: usize = 1500;
/// Bytes that the kernel charges to the buffer for a datagram of so many bytes, at most: the sizes of its blocks of memory
/// are powers of two.
const fn charge(bytes: usize) -> usize {
    2 * bytes + 768
}

/// A socket for one conversation. Sends many datagrams in one system call.
pub struct PeerSocket {
    socket: Socket,
    pub peer: SocketAddr,
    /// What came in one call and was not taken yet.
    waiting: VecDeque<Bytes>,
    /// Repeats of the request that began it; `None` if they are not of interest any more.
    repeated: Option<mpsc::Receiver<usize>>,
    /// The peer has answered: its address is not forged.
    proof: Arc<AtomicBool>,
    /// Bytes of the request.
    request: usize,
    /// Where it is noted what passes.
    notes: Option<Box<ConnectionNotes>>,
}

/// What came next.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    Datagram(Bytes),
    /// The request that began the conversation came again at the listener; its length in bytes.
    Request(usize),
    /// Nothing in time.
    Nothing,
}

impl PeerSocket {
    /// A fresh port for the conversation that the datagram begins, on the address of the listener.
    ///
    /// # Errors
    /// The system has no socket, or no way to the peer.
    pub async fn open(request: ForeignDatagram) -> Result<Self, Failure> {
        let ForeignDatagram { peer, local, repeated, proof, bytes, .. } = request;
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let local = match (local.to_canonical(), peer) {
            (local, _) if !local.is_unspecified() => local,
            (_, SocketAddr::V4(_)) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            (_, SocketAddr::V6(_)) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let failed = |error: std::io::Error| errors::socket_failed(&error);
        let io = UdpSocket::bind((local, 0)).await.map_err(failed)?;
        io.connect(peer).await.map_err(failed)?;
        drop(socket2::SockRef::from(&io).set_recv_buffer_size(SOCKET_BUFFER));
        drop(socket2::SockRef::from(&io).set_send_buffer_size(SOCKET_BUFFER));
        let socket = Socket::new(io, true, false).grouped().reading(1);
        let (waiting, repeated) = (VecDeque::new(), Some(repeated));
        Ok(Self { socket, peer, waiting, repeated, proof, request: bytes.len(), notes: None })
    }

    /// The addresses of this side and of the peer.
    pub fn ends(&self) -> (SocketAddr, SocketAddr) {
        (self.socket.local(), self.peer)
    }

    /// Notes what passes from here on.
    pub fn note(&mut self, notes: ConnectionNotes) {
        self.notes = Some(Box::new(notes));
    }

    /// Largest payload of a datagram, in bytes, that leaves this machine in one piece. On the way it may be fragmented.
    pub fn payload(&self) -> usize {
        let headers = if self.peer.is_ipv4() { HEADERS_V4 } else { HEADERS_V6 };
        self.socket.mtu().unwrap_or(MTU).saturating_sub(headers).min(DATAGRAM_LIMIT)
    }

    /// How many datagrams of this payload the receive buffer holds, at least one.
    pub fn holds(&self, payload: usize) -> usize {
        (self.socket.granted() / charge(payload)).max(1)
    }

    /// Many datagrams are going to come at once.
    pub fn gather(&mut self) {
        self.socket.read_many();
    }

    /// The peer has answered, so its address is not forged.
    pub fn prove(&self) {
        self.proof.store(true, Ordering::Relaxed);
    }

    /// True if the peer has answered, or is on loopback.
    pub fn is_proven(&self) -> bool {
        self.proof.load(Ordering::Relaxed)
    }

    /// The bytes of the request, if its address may be forged.
    pub fn asked(&self) -> Option<usize> {
        (!self.is_proven()).then_some(self.request)
    }

    /// At the end of a conversation: true if the request came once more, for the same thing again. Otherwise its place is
    /// free from now on, and who asks again begins another conversation.
    pub fn is_asked_again(&mut self) -> bool {
        let Some(repeated) = &mut self.repeated else { return false };
        let mut again = false;
        while repeated.try_recv().is_ok() {
            again = true;
        }
        if again {
            return true;
        }
        repeated.close();
        // Between the look and the end. What is asked for now begins another conversation.
        let again = repeated.try_recv().is_ok();
        if again {
            self.repeated = None;
        }
        again
    }

    /// The conversation has its result, and its place is free for another one, of this peer as well. Little memory is
    /// kept.
    pub fn release(&mut self) {
        self.repeated = None;
        self.socket.read_few();
    }

    /// Sends the datagrams; those of one size together.
    ///
    /// # Errors
    /// The peer is gone: the system there said that nobody has its port. Any other trouble is a loss.
    pub async fn send<'a>(&mut self, datagrams: impl Iterator<Item = &'a [u8]>) -> Result<(), Failure> {
        for datagram in datagrams {
            while let Err(error) = self.socket.send(self.peer, datagram, false) {
                self.until_writable(&error).await?;
            }
            if let Some(notes) = &mut self.notes {
                notes.out.bytes(datagram);
            }
        }
        while let Err(error) = self.socket.flush() {
            self.until_writable(&error).await?;
        }
        Ok(())
    }

    async fn until_writable(&self, error: &std::io::Error) -> Result<(), Failure> {
        if error.kind() != ErrorKind::WouldBlock {
            return Err(errors::client_port_closed());
        }
        self.socket.writable().await.map_err(|error| errors::socket_failed(&error))
    }

    /// What comes next, until then. Cancel-safe.
    ///
    /// # Errors
    /// The peer is gone, or has made another request instead; or the listener is closed.
    pub async fn next(&mut self, until: Time) -> Result<Heard, Failure> {
        loop {
            if let Some(datagram) = self.waiting.pop_front() {
                return Ok(Heard::Datagram(datagram));
            }
            tokio::select! {
                biased;
                ready = self.socket.readable() => {
                    ready.map_err(|error| errors::socket_failed(&error))?;
                }
                repeated = repeated(self.repeated.as_mut()) => {
                    return repeated.map(Heard::Request).ok_or_else(errors::request_replaced);
                }
                () = tokio::time::sleep_until(clock::instant(until)) => return Ok(Heard::Nothing),
            }
            let (waiting, notes) = (&mut self.waiting, &mut self.notes);
            let read = self.socket.receive(|_, bytes, _| {
                if let Some(notes) = notes {
                    notes.into.bytes(&bytes);
                }
                waiting.push_back(bytes);
            });
            if read.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused) {
                return Err(errors::client_port_closed());
            }
        }
    }
}

async fn repeated(repeated: Option<&mut mpsc::Receiver<usize>>) -> Option<usize> {
    match repeated {
        Some(repeated) => repeated.recv().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::wire::dialect::Dialect;

    async fn pair() -> (PeerSocket, UdpSocket, mpsc::Sender<usize>) {
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (repeats, repeated) = mpsc::channel(1);
        let request = ForeignDatagram {
            dialect: Dialect::Tftp,
            peer: client.local_addr().unwrap(),
            local: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            bytes: Bytes::new(),
            repeated,
            proof: Arc::default(),
        };
        (PeerSocket::open(request).await.unwrap(), client, repeats)
    }

    fn later() -> Time {
        clock::now() + Duration::from_mins(1)
    }

    #[tokio::test]
    async fn many_datagrams_go_both_ways_and_strangers_are_not_heard() {
        let (mut own, client, _repeats) = pair().await;
        let bytes: Vec<u8> = (0..40_000u32).map(|n| n as u8).collect();
        own.send(bytes.chunks(1000)).await.unwrap();
        let (mut got, mut buffer, mut from) = (Vec::new(), vec![0; 2000], None);
        while got.len() < bytes.len() {
            let (length, peer) = client.recv_from(&mut buffer).await.unwrap();
            assert_eq!(length, 1000);
            got.extend_from_slice(&buffer[..length]);
            from = Some(peer);
        }
        assert!(got == bytes);
        let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        stranger.send_to(b"strange", from.unwrap()).await.unwrap();
        client.send_to(b"known", from.unwrap()).await.unwrap();
        assert_eq!(own.next(later()).await.unwrap(), Heard::Datagram("known".into()));
        assert_eq!(own.next(Time::ZERO).await.unwrap(), Heard::Nothing);
    }

    #[tokio::test]
    async fn the_end_of_the_client_and_of_its_interest_are_noticed() {
        let (mut own, client, repeats) = pair().await;
        repeats.send(30).await.unwrap();
        assert_eq!(own.next(later()).await.unwrap(), Heard::Request(30));
        repeats.send(30).await.unwrap();
        assert!(own.is_asked_again() && !repeats.is_closed());
        assert!(!own.is_asked_again() && repeats.is_closed());
        drop(repeats);
        assert!(own.next(later()).await.unwrap_err().why.contains("another request"));
        own.release();
        drop(client);
        // The system may report it with the next datagram only.
        let mut gone = Ok(Heard::Nothing);
        for _ in 0..100 {
            gone = match own.send(std::iter::once(&b"gone"[..])).await {
                Ok(()) => own.next(clock::now() + Duration::from_millis(100)).await,
                Err(failure) => Err(failure),
            };
            if gone.is_err() {
                break;
            }
        }
        assert!(gone.unwrap_err().why.contains("client is gone"));
    }

    #[tokio::test]
    async fn a_datagram_may_be_as_large_as_the_interface_carries() {
        let (own, _client, _repeats) = pair().await;
        assert_eq!(own.payload(), if cfg!(target_os = "linux") { DATAGRAM_LIMIT } else { 1472 });
        assert!(own.holds(1432) >= 32 && own.holds(usize::MAX / 4) == 1);
    }
}
