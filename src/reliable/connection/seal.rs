//! The place where the datagrams of a connection are encrypted, proven and opened.

use bytes::{Bytes, BytesMut};

use super::Connection;
use crate::record::Way;
use crate::reliable::handshake::sealing::{Initiator, Seal};
use crate::wire::datagram::{self, HELLO_HEAD, Packet, SEALED_MORE};
use crate::wire::{ConnectionId, PacketNumber};

/// What encrypts a connection.
#[derive(Debug)]
pub(in crate::reliable) enum Sealing {
    /// Nothing.
    Plain,
    /// A client that waits for the server's message.
    Offered(Box<dyn Initiator>),
    /// Both sides agree.
    Sealed {
        seal: Box<dyn Seal>,
        /// A client goes on to send its own message with each HELLO.
        initiator: Option<Box<dyn Initiator>>,
    },
}

/// A datagram of an encrypted connection as it would be without a key.
#[derive(Clone, Debug)]
pub struct Inside {
    /// Its connection.
    pub id: ConnectionId,
    /// Its direction.
    pub way: Way,
    /// Its number in its direction.
    pub number: PacketNumber,
    /// The datagram, with a check sum.
    pub datagram: Vec<u8>,
}

impl Inside {
    fn new((id, way, number): (ConnectionId, Way, PacketNumber), mut datagram: Vec<u8>) -> Self {
        datagram::finish(&mut datagram);
        Self { id, way, number, datagram }
    }
}

impl Connection {
    /// From now on its encrypted datagrams are kept as they are inside, until they are taken, or no more.
    pub(in crate::reliable) fn keep_inside(&mut self, keeps: bool) {
        if keeps != self.inside.is_some() {
            self.inside = keeps.then(Vec::new);
        }
    }

    /// Moves what was kept into `into`.
    pub(in crate::reliable) fn take_inside(&mut self, into: &mut Vec<Inside>) {
        if let Some(inside) = &mut self.inside {
            into.append(inside);
        }
    }

    /// A client with a key: only a server with the same key is accepted.
    pub fn with_key(mut self, initiator: Option<Box<dyn Initiator>>) -> Self {
        if let Some(initiator) = initiator {
            self.sealing = Sealing::Offered(initiator);
            self.mtu.leave(SEALED_MORE);
        }
        self
    }

    /// A server's side, encrypted from the start.
    pub(in crate::reliable) fn sealed(mut self, seal: Option<Box<dyn Seal>>) -> Self {
        if let Some(seal) = seal {
            self.sealing = Sealing::Sealed { seal, initiator: None };
            self.mtu.leave(SEALED_MORE);
        }
        self
    }

    /// The HELLO that a client sends now; `is_moved`: it proves a new address.
    pub(super) fn hello(&self, service: u8, cookie: Vec<u8>, is_moved: bool) -> Vec<u8> {
        let credit = self.config.credit;
        datagram::hello(self.id, service, credit, cookie, |before| match &self.sealing {
            Sealing::Plain => Vec::new(),
            Sealing::Sealed { seal, .. } if is_moved => seal.prove(before).to_vec(),
            Sealing::Offered(initiator) | Sealing::Sealed { initiator: Some(initiator), .. } => {
                initiator.offer(&before[..HELLO_HEAD])
            }
            Sealing::Sealed { initiator: None, .. } => Vec::new(),
        })
    }

    /// Takes the server's message in RETRY; false if it is none of a server with the key. The first one counts: the keys
    /// do not change afterwards.
    pub(super) fn take_answer(&mut self, service: u8, answer: &[u8]) -> bool {
        let Sealing::Offered(initiator) = &self.sealing else { return true };
        let before = datagram::hello(self.id, service, self.config.credit, Vec::new(), |_| Vec::new());
        let Some(seal) = initiator.finish(&before[..HELLO_HEAD], answer) else { return false };
        if let Sealing::Offered(initiator) = std::mem::replace(&mut self.sealing, Sealing::Plain) {
            self.sealing = Sealing::Sealed { seal, initiator: Some(initiator) };
        }
        true
    }

    /// True if this side has a key.
    pub(super) const fn has_key(&self) -> bool {
        !matches!(self.sealing, Sealing::Plain)
    }

    const fn seal(&self) -> Option<&dyn Seal> {
        match &self.sealing {
            Sealing::Sealed { seal, .. } => Some(&**seal),
            Sealing::Plain | Sealing::Offered(_) => None,
        }
    }

    /// The server's ACCEPT.
    pub(in crate::reliable) fn accept_packet(&self) -> Packet {
        datagram::accept(self.id, self.config.credit, |bytes| self.seal().map(|seal| seal.prove(bytes)))
    }

    /// True without a key, or if `proof` shows that the bytes are from the peer.
    pub(in crate::reliable) fn has_proven(&self, bytes: &[u8], proof: &[u8]) -> bool {
        match self.seal() {
            Some(seal) => seal.is_proven(bytes, proof),
            None => !self.has_key(),
        }
    }

    /// Ends a datagram: with a tag, or with a check sum.
    pub(super) fn finish(&mut self, number: PacketNumber, out: &mut Vec<u8>) {
        match &mut self.sealing {
            Sealing::Sealed { seal, .. } => {
                if let Some(inside) = &mut self.inside {
                    inside.push(Inside::new((self.id, Way::Out, number), out.clone()));
                }
                datagram::begin_seal(out);
                seal.seal(number, out);
            }
            Sealing::Plain | Sealing::Offered(_) => datagram::finish(out),
        }
    }

    /// Opens a datagram, if it is encrypted; `None` if it may not be heeded: with a key, all DATA must be encrypted and open.
    pub(in crate::reliable) fn admit(&mut self, packet: Packet, bytes: Bytes) -> Option<(Packet, Bytes)> {
        match (packet, &mut self.sealing) {
            (Packet::Sealed { number }, Sealing::Sealed { seal, .. }) => {
                let mut datagram = bytes.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
                if !seal.open(number, &mut datagram) {
                    return None;
                }
                let datagram = datagram.freeze();
                if let Some(inside) = &mut self.inside {
                    let plain = datagram::unsealed_bytes(&datagram);
                    inside.push(Inside::new((self.id, Way::In, number), plain));
                }
                Some((datagram::unsealed(&datagram, number), datagram))
            }
            (Packet::Sealed { .. }, _)
            | (Packet::Data { .. }, Sealing::Offered(_) | Sealing::Sealed { .. }) => None,
            (packet, _) => Some((packet, bytes)),
        }
    }
}
