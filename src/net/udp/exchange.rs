//! A code exchanged for a key: one HELLO with the client's message, one RETRY with the server's. The connection with the
//! key is another.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::UdpSocket;

use super::{not_opened, socket_to};
use crate::base::{Code as Words, Endpoint, Key, Transport};
use crate::net::connect::resolve;
use crate::net::connection::keys::{self, Exchange};
use crate::net::errors;
use crate::net::limits::CONNECT_LIMIT;
use crate::net::random::random;
use crate::report::Failure;
use crate::wire::datagram::{self, Credit, DATAGRAM_LIMIT, Packet};
use crate::wire::{Code, ConnectionId, ServiceId, VERSION};

/// First wait for the answer; doubled each time.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Exchanges a code for the key of the one client that may use it. The server has the same if it has the same code.
pub async fn exchange(
    endpoint: &Endpoint,
    addresses: &[SocketAddr],
    service: ServiceId,
    code: &Words,
) -> Result<Key, Failure> {
    let with = |address| exchange_with(endpoint.clone(), address, service, code.clone());
    resolve::race(addresses, with).await
}

async fn exchange_with(
    endpoint: Endpoint,
    peer: SocketAddr,
    service: ServiceId,
    code: Words,
) -> Result<Key, Failure> {
    let (exchange, first) = Exchange::begin(&code)?;
    let socket = socket_to(peer).await.map_err(|error| errors::cannot_reach(&endpoint, &error))?;
    let id = ConnectionId(u64::from_be_bytes(random()));
    let hello = Packet::Hello {
        version: VERSION,
        service: service.number(),
        credit: Credit { stream: 0, block: 0 },
        cookie: Vec::new(),
        handshake: keys::exchange_message(&first),
    };
    let asked = ask(&socket, id, datagram::encode(id, &hello));
    let answer = tokio::time::timeout(CONNECT_LIMIT, asked)
        .await
        .unwrap_or_else(|_| Err(errors::connect_timed_out(&endpoint, Transport::Udp)))
        .map_err(|failure| not_opened(&endpoint, failure))?;
    exchange.finish(&answer).ok_or_else(keys::errors::wrong_key)
}

/// Sends HELLO until it is answered.
async fn ask(socket: &UdpSocket, id: ConnectionId, hello: Vec<u8>) -> Result<Vec<u8>, Failure> {
    let mut wait = AGAIN_AFTER;
    loop {
        socket.send(&hello).await.map_err(|error| broken(&error))?;
        match tokio::time::timeout(wait, answer(socket, id)).await {
            Ok(answer) => return answer,
            Err(_) => wait *= 2,
        }
    }
}

/// The server's message, or why there is none. What is not from the server is passed over.
async fn answer(socket: &UdpSocket, id: ConnectionId) -> Result<Vec<u8>, Failure> {
    let mut buffer = vec![0; DATAGRAM_LIMIT];
    loop {
        let length = socket.recv(&mut buffer).await.map_err(|error| broken(&error))?;
        match datagram::decode(&buffer[..length]) {
            Ok((of, Packet::Retry { handshake, .. })) if of == id => return Ok(handshake),
            Ok((of, Packet::Refuse { code, text })) if of == id => {
                return Err(errors::told_in_words(code, &text));
            }
            _ => {}
        }
    }
}

fn broken(error: &std::io::Error) -> Failure {
    match error.kind() {
        // ICMP: nobody listens there.
        ErrorKind::ConnectionRefused => Failure { code: Code::Refused, ..errors::socket_failed(error) },
        _ => errors::socket_failed(error),
    }
}
