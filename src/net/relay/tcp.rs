//! The relay for TCP: the bytes of one read count as a packet. Nothing is dropped, as TCP on either side would not
//! retransmit it; a slow link makes its readers wait instead.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::JoinSet;

use super::gate::Whom;
use super::{Chunk, Flow, PacketIn, PacketOut, named, revoked, stranger};
use crate::base::{Endpoint, Transport};
use crate::link::Direction;
use crate::net::{CONNECT_LIMIT, Client, errors, is_of_another_user, show, tcp};
use crate::report::{Failure, reason};

/// Maximum bytes of one read.
const READ: usize = 16 << 10;
/// Maximum bytes in flight for one client in one direction: 300 Mbit/s at 100 ms.
const ON_THE_WAY: usize = 4 << 20;

/// What is behind the link, and who may pass.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) target: Endpoint,
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) whom: Whom,
}

/// Accepts clients until the relay is dropped.
pub(super) async fn read(
    listener: TcpListener,
    server: Arc<Server>,
    max: usize,
    arrivals: mpsc::Sender<PacketIn>,
) -> Result<(), Failure> {
    let (mut flows, mut next, places) = (JoinSet::new(), 0, Arc::new(Semaphore::new(max)));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return Ok(()) };
        let (client, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                drop(arrivals.send(PacketIn::Trouble(reason(&error))).await);
                tokio::time::sleep(crate::net::ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (server, arrivals) = (server.clone(), arrivals.clone());
        flows.spawn(async move {
            if let Err(failure) = server.attend(client, peer, next, &arrivals).await {
                drop(arrivals.send(PacketIn::Trouble(format!("{}: {failure}", show(peer)))).await);
            }
            drop(place);
        });
        next += 1;
        while flows.try_join_next().is_some() {}
    }
}

impl Server {
    /// Lets a client pass, and relays it.
    async fn attend(
        &self,
        client: TcpStream,
        peer: SocketAddr,
        flow: Flow,
        arrivals: &mpsc::Sender<PacketIn>,
    ) -> Result<(), Failure> {
        let (client, front, passing) = match &self.whom {
            Whom::User if is_of_another_user(Client::Tcp(client.local_addr().unwrap_or(peer), peer)) => {
                abort(&client);
                drop(arrivals.send(stranger(peer)).await);
                return Ok(());
            }
            Whom::All | Whom::User => (client, BytesMut::new(), None),
            Whom::Keys(gate) => match gate.stream(client, peer).await {
                Ok((client, front, passing)) => (client, front, Some(passing)),
                Err(failure) => {
                    drop(
                        arrivals.send(PacketIn::Note("refused", format!("{}: {failure}", show(peer)))).await,
                    );
                    return Ok(());
                }
            },
        };
        let dialled = self.dial().await;
        // Without a server the client gets a reset: an end of the stream would be an answer.
        let server = dialled.inspect_err(|_| abort(&client))?;
        let end = passing.as_ref().map(|passing| passing.end.clone()).unwrap_or_default();
        let shown = named(peer, passing.as_ref());
        tokio::select! {
            () = carry((client, shown.clone(), front), server, flow, arrivals) => {}
            () = end.cancelled() => {
                drop(arrivals.send(PacketIn::Left(flow)).await);
                drop(arrivals.send(revoked(&shown)).await);
            }
        }
        Ok(())
    }

    /// Connects to the first address of the server that answers.
    async fn dial(&self) -> Result<TcpStream, Failure> {
        let mut last = errors::connect_timed_out(&self.target, Transport::Tcp);
        for address in &self.addresses {
            match tokio::time::timeout(CONNECT_LIMIT, tcp::dial(self.target.clone(), *address)).await {
                Ok(Ok((stream, _))) => return Ok(stream),
                Ok(Err(failure)) => last = failure,
                Err(_) => {}
            }
        }
        Err(last)
    }
}

/// Relays one client, which has sent `front` already, until both directions have ended.
async fn carry(
    (client, shown, front): (TcpStream, String, BytesMut),
    server: TcpStream,
    flow: Flow,
    arrivals: &mpsc::Sender<PacketIn>,
) {
    tcp::prepare(&client);
    tcp::prepare(&server);
    let ends = tcp::addresses(&client).zip(tcp::addresses(&server));
    // Who is gone already needs nobody to carry anything.
    let Some((client_ends, server_ends)) = ends else { return };
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = server.into_split();
    let (to_server, up) = mpsc::unbounded_channel();
    let (to_client, down) = mpsc::unbounded_channel();
    let joined = PacketIn::Joined {
        flow,
        client: shown,
        up: PacketOut::Stream(to_server, server_ends),
        down: PacketOut::Stream(to_client, client_ends),
    };
    drop(arrivals.send(joined).await);
    let (from_client, from_server) = (Reset::default(), Reset::default());
    let all = async {
        tokio::join!(
            pump((client_in, front), Direction::Up, flow, arrivals, &from_client),
            pump((server_in, BytesMut::new()), Direction::Down, flow, arrivals, &from_server),
            leave(up, server_out, &from_client),
            leave(down, client_out, &from_server),
        )
    };
    tokio::select! {
        _ = all => {}
        () = from_client.passed_on.notified() => {}
        () = from_server.passed_on.notified() => {}
    }
    drop(arrivals.send(PacketIn::Left(flow)).await);
}

/// Passes a connection reset through the link, in one direction: it takes effect on the other side after the bytes that
/// were in flight.
#[derive(Debug, Default)]
struct Reset {
    came: AtomicBool,
    passed_on: Notify,
}

/// From a socket into the link, after what was read of it already; the end of the stream or a reset goes through the link as an empty packet.
async fn pump(
    from: (OwnedReadHalf, BytesMut),
    direction: Direction,
    flow: Flow,
    arrivals: &mpsc::Sender<PacketIn>,
    reset: &Reset,
) {
    if pump_all(from, direction, flow, arrivals).await.is_err() {
        reset.came.store(true, Ordering::Release);
        drop(arrivals.send(PacketIn::Packet { direction, flow, bytes: Bytes::new(), place: None }).await);
    }
}

async fn pump_all(
    (mut from, mut buffer): (OwnedReadHalf, BytesMut),
    direction: Direction,
    flow: Flow,
    arrivals: &mpsc::Sender<PacketIn>,
) -> std::io::Result<()> {
    let places = Arc::new(Semaphore::new(ON_THE_WAY));
    loop {
        let mut count = buffer.len();
        if count == 0 {
            buffer.reserve(READ);
            let mut limited = (&mut from).take(READ as u64);
            count = limited.read_buf(&mut buffer).await?;
        }
        let bytes = buffer.split().freeze();
        let place = places.clone().acquire_many_owned(count as u32).await.ok();
        let packet = PacketIn::Packet { direction, flow, bytes, place };
        if arrivals.send(packet).await.is_err() || count == 0 {
            return Ok(());
        }
    }
}

/// From the link to a socket. Bytes that can no longer be written are dropped: the other direction reports the end.
async fn leave(mut pieces: mpsc::UnboundedReceiver<Chunk>, mut to: OwnedWriteHalf, reset: &Reset) {
    let mut gone = false;
    while let Some(piece) = pieces.recv().await {
        if piece.bytes.is_empty() && reset.came.load(Ordering::Acquire) {
            abort(to.as_ref());
            to.forget();
            return reset.passed_on.notify_one();
        }
        if piece.bytes.is_empty() {
            return drop(to.shutdown().await);
        }
        gone = gone || to.write_all(&piece.bytes).await.is_err();
    }
}

/// Makes the next close reset the connection: its linger time is zero (RFC 9293, section 3.10.5: ABORT).
fn abort(socket: &TcpStream) {
    drop(socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO)));
}
