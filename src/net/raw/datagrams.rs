//! The clients of one UDP socket: each address is a client, until it is silent for a while.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use super::{RawConnection, Reader, Writer};
use crate::base::{Carrier, Fields, share};
use crate::net::connection::permits::ConnectionPermit;
use crate::net::{Driver, show};
use crate::wire::datagram::DATAGRAM_LIMIT;

/// Datagrams of a client that may wait to be taken; more are dropped, as a full socket would.
const WAITING_LIMIT: usize = 256;
/// A client that sent nothing for this long is gone.
const IDLE_LIMIT: Duration = Duration::from_mins(1);
/// How often silent clients are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(5);

struct Client {
    datagrams: mpsc::Sender<Bytes>,
    heard: Instant,
}

/// The clients of a socket as they come, and the task that hands each its datagrams. A new one beyond `max` is ignored.
pub(super) fn serve(socket: UdpSocket, max: usize) -> (mpsc::UnboundedReceiver<RawConnection>, Driver) {
    let (new, clients) = mpsc::unbounded_channel();
    let socket = Arc::new(socket);
    (clients, Box::pin(async move { distribute(&socket, max, &new).await }))
}

async fn distribute(socket: &Arc<UdpSocket>, max: usize, new: &mpsc::UnboundedSender<RawConnection>) {
    let mut clients: HashMap<SocketAddr, Client> = HashMap::new();
    let mut buffer = BytesMut::new();
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        buffer.reserve(DATAGRAM_LIMIT);
        let from = tokio::select! {
            () = new.closed() => return,
            _ = look.tick() => {
                clients.retain(|_, client| client.heard.elapsed() < IDLE_LIMIT && !client.datagrams.is_closed());
                continue;
            }
            read = socket.recv_buf_from(&mut buffer) => match read {
                Ok((_, from)) => from,
                // An answer of ours met a closed port.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => continue,
                Err(_) => return,
            },
        };
        let bytes = buffer.split().freeze();
        clients.retain(|address, client| *address != from || !client.datagrams.is_closed());
        if !clients.contains_key(&from) {
            let of_address = clients.keys().filter(|known| known.ip() == from.ip()).count();
            if clients.len() >= max || of_address >= share(max, from.ip()) {
                continue;
            }
            let (datagrams, taken) = mpsc::channel(WAITING_LIMIT);
            clients.insert(from, Client { datagrams, heard: Instant::now() });
            if new.send(client(socket, from, taken)).is_err() {
                return;
            }
        }
        if let Some(client) = clients.get_mut(&from) {
            client.heard = Instant::now();
            drop(client.datagrams.try_send(bytes));
        }
    }
}

fn client(socket: &Arc<UdpSocket>, peer: SocketAddr, datagrams: mpsc::Receiver<Bytes>) -> RawConnection {
    RawConnection {
        ends: socket.local_addr().ok().map(|local| (local, peer)),
        reader: Reader::client(datagrams),
        writer: Writer::client(socket.clone(), peer),
        peer: show(peer),
        carrier: Carrier::UDP,
        facts: Fields::new(),
        place: ConnectionPermit::elsewhere(),
    }
}
