//! A code exchanged for a key: HELLO with the client's message, RETRY with a cookie, HELLO with both, RETRY with the
//! server's message. The connection with the key is another.

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
    // One message for all addresses of a server: each other one would use up a try.
    let (exchange, first) = Exchange::begin(code)?;
    let asked = |address| ask(endpoint.clone(), address, service, keys::exchange_message(&first));
    let answer = resolve::race(addresses, asked).await?;
    exchange.finish(&answer).ok_or_else(keys::errors::exchange_changed)
}

/// The server's message.
async fn ask(
    endpoint: Endpoint,
    peer: SocketAddr,
    service: ServiceId,
    handshake: Vec<u8>,
) -> Result<Vec<u8>, Failure> {
    let socket = socket_to(peer).await.map_err(|error| errors::cannot_reach(&endpoint, &error))?;
    let talk =
        Talk { socket, id: ConnectionId(u64::from_be_bytes(random())), service: service.number(), handshake };
    tokio::time::timeout(CONNECT_LIMIT, talk.answer())
        .await
        .unwrap_or_else(|_| Err(errors::connect_timed_out(&endpoint, Transport::Udp)))
        .map_err(|failure| not_opened(&endpoint, failure))
}

/// One client, until it has the server's message.
struct Talk {
    socket: UdpSocket,
    id: ConnectionId,
    service: u8,
    handshake: Vec<u8>,
}

impl Talk {
    /// Sends HELLO until it is answered, and again with the cookie.
    async fn answer(&self) -> Result<Vec<u8>, Failure> {
        let (mut cookie, mut wait) = (Vec::new(), AGAIN_AFTER);
        loop {
            self.hello(&cookie).await?;
            match tokio::time::timeout(wait, self.retry()).await {
                Ok(Ok((next, message))) if message.is_empty() && !next.is_empty() => cookie = next,
                Ok(answer) => return answer.map(|(_, message)| message),
                Err(_) => wait *= 2,
            }
        }
    }

    async fn hello(&self, cookie: &[u8]) -> Result<(), Failure> {
        let hello = Packet::Hello {
            version: VERSION,
            service: self.service,
            credit: Credit { stream: 0, block: 0 },
            cookie: cookie.to_vec(),
            handshake: self.handshake.clone(),
        };
        let sent = self.socket.send(&datagram::encode(self.id, &hello)).await;
        sent.map(drop).map_err(|error| broken(&error))
    }

    /// The next cookie and message, or why there is none. What is not from the server is passed over.
    async fn retry(&self) -> Result<(Vec<u8>, Vec<u8>), Failure> {
        let mut buffer = vec![0; DATAGRAM_LIMIT];
        loop {
            let length = self.socket.recv(&mut buffer).await.map_err(|error| broken(&error))?;
            match datagram::decode(&buffer[..length]) {
                Ok((id, Packet::Retry { cookie, handshake })) if id == self.id => {
                    return Ok((cookie, handshake));
                }
                Ok((id, Packet::Refuse { code, text })) if id == self.id => {
                    return Err(errors::told_in_words(code, &text));
                }
                _ => {}
            }
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
