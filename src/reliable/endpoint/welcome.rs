//! What a server does with a HELLO: RETRY, REFUSE, ACCEPT, or nothing.

use std::net::SocketAddr;

use bytes::Bytes;

use super::guard::Read;
use super::{Acceptance, Accepted, Endpoint, Slot};
use crate::base::Time;
use crate::reliable::connection::Connection;
use crate::reliable::handshake;
use crate::reliable::handshake::sealing::{
    KEY_NEEDED, KeyRefusal, NO_CODE_HERE, NO_KEY_HERE, Offer, WRONG_KEY,
};
use crate::reliable::{Config, shared};
use crate::wire::datagram::{self, Credit, HELLO_HEAD, Packet};
use crate::wire::{Code, ConnectionId, VERSION};

/// Most refused clients that wait to be noted in a log; of more, nothing is noted.
const REFUSED_LIMIT: usize = 8;

/// What a HELLO says.
struct Hello<'d> {
    version: u8,
    service: u8,
    credit: Credit,
    cookie: &'d [u8],
    handshake: &'d [u8],
    datagram: &'d [u8],
}

/// What becomes of a HELLO with an id that no connection has.
enum Verdict {
    Refuse(Code, String),
    /// Nothing is answered.
    Ignore,
    /// The client may begin.
    Fine(Option<Box<dyn Offer>>),
}

impl Endpoint {
    /// A HELLO of any kind.
    pub(super) fn handle_hello(
        &mut self,
        now: Time,
        (peer, id): (SocketAddr, ConnectionId),
        packet: Packet,
        datagram: &Bytes,
    ) {
        let Packet::Hello { version, service, credit, cookie, handshake } = &packet else { return };
        let hello =
            Hello { version: *version, service: *service, credit: *credit, cookie, handshake, datagram };
        if self.slots.contains_key(&id) {
            self.greet_again(now, (peer, id), &hello);
        } else if datagram.len() < datagram::BASE_DATAGRAM {
            // A short one could provoke a longer answer (RFC 9000, section 14.1).
            self.ignored += 1;
        } else if let Some(listening) = self.listening
            && version == &VERSION
            && self.guard.as_ref().is_some_and(|guard| guard.exchanges(handshake))
        {
            self.exchange(now, (peer, id), &listening, &hello);
        } else if let Some(listening) = self.listening {
            self.greet(now, (peer, id), &listening, &hello);
        } else {
            self.ignored += 1;
        }
    }

    /// ACCEPT was lost, or the client is at a new address, which it must prove.
    fn greet_again(&mut self, now: Time, (peer, id): (SocketAddr, ConnectionId), hello: &Hello<'_>) {
        let Some(slot) = self.slots.get_mut(&id).filter(|slot| slot.connection.is_of_server()) else {
            self.ignored += 1;
            return;
        };
        if slot.peer != peer {
            let proven = self.listening.is_some_and(|listening| {
                handshake::period_of(&listening.secret, peer, id, now, hello.cookie).is_some()
            });
            let before = datagram::before_handshake(hello.datagram, hello.cookie);
            if !proven || !slot.connection.has_proven(before, hello.handshake) {
                self.ignored += 1;
                return;
            }
            slot.peer = peer;
            self.touched.push_back(id);
        }
        let accept = slot.connection.accept_packet();
        self.answer(now, peer, id, &accept);
    }

    /// A known id from an unknown address (faults.md row 54): sends a RETRY, so that a client whose address changed can
    /// prove the new one as at the start.
    pub(super) fn ask_who(&mut self, now: Time, peer: SocketAddr, id: ConnectionId, size: usize) {
        let Some(listening) = &self.listening else {
            self.ignored += 1;
            return;
        };
        let cookie = handshake::cookie(&listening.secret, peer, id, now);
        let retry = Packet::Retry { cookie, handshake: Vec::new() };
        // Never more bytes than the datagram had.
        if datagram::encode(id, &retry).len() <= size {
            self.answer(now, peer, id, &retry);
        } else {
            self.ignored += 1;
        }
    }

    /// Answers a client that exchanges a code for a key. It proves its address first: nobody uses up a code for another.
    fn exchange(
        &mut self,
        now: Time,
        (peer, id): (SocketAddr, ConnectionId),
        listening: &Acceptance,
        hello: &Hello<'_>,
    ) {
        if handshake::period_of(&listening.secret, peer, id, now, hello.cookie).is_none() {
            let cookie = handshake::cookie(&listening.secret, peer, id, now);
            return self.answer(now, peer, id, &Packet::Retry { cookie, handshake: Vec::new() });
        }
        let Some(guard) = &mut self.guard else { return };
        if let Some(handshake) = guard.exchange(hello.handshake) {
            self.answer(now, peer, id, &Packet::Retry { cookie: Vec::new(), handshake });
        } else if guard.may_refuse(now) {
            self.refuse(now, (peer, id), Code::Key, NO_CODE_HERE.text());
        } else {
            self.ignored += 1;
        }
    }

    /// Answers a HELLO with an id that no connection has.
    fn greet(
        &mut self,
        now: Time,
        (peer, id): (SocketAddr, ConnectionId),
        listening: &Acceptance,
        hello: &Hello<'_>,
    ) {
        let offer = match self.judge(now, listening, hello) {
            Verdict::Fine(offer) => offer,
            Verdict::Refuse(code, text) => return self.refuse(now, (peer, id), code, text),
            Verdict::Ignore => {
                self.ignored += 1;
                return;
            }
        };
        let Some(period) = handshake::period_of(&listening.secret, peer, id, now, hello.cookie) else {
            let cookie = handshake::cookie(&listening.secret, peer, id, now);
            let seed = self.seed(now, handshake::period(now), &cookie, hello.handshake);
            let answer = offer.zip(seed).and_then(|(offer, seed)| offer.answer(seed));
            let handshake = answer.map(|(message, _)| message).unwrap_or_default();
            return self.answer(now, peer, id, &Packet::Retry { cookie, handshake });
        };
        if self.ended.has(id, now) {
            // Repeated datagrams of a session that is over: its requests were served already.
            self.ignored += 1;
            return;
        }
        let full = self.is_full_for(peer.ip(), listening.max).or_else(|| self.is_full_of_ended());
        if let Some(why) = full {
            return self.refuse(now, (peer, id), Code::Busy, why);
        }
        self.let_in(now, (peer, id), hello, (period, offer));
    }

    fn refuse(&mut self, now: Time, (peer, id): (SocketAddr, ConnectionId), code: Code, text: String) {
        if code == Code::Key && self.refused.len() < REFUSED_LIMIT {
            self.refused.push_back((peer, text.clone()));
        }
        self.answer(now, peer, id, &Packet::Refuse { code, text });
    }

    /// Begins the connection of a client with a good cookie of this period.
    fn let_in(
        &mut self,
        now: Time,
        (peer, id): (SocketAddr, ConnectionId),
        hello: &Hello<'_>,
        (period, offer): (u64, Option<Box<dyn Offer>>),
    ) {
        let key = offer.as_ref().map(|offer| offer.name());
        let seed = self.seed(now, period, hello.cookie, hello.handshake);
        let seal = offer.zip(seed).and_then(|(offer, seed)| offer.answer(seed)).map(|(_, seal)| seal);
        if seal.is_none() && self.guard.is_some() {
            self.ignored += 1;
            return;
        }
        let others = self.slots.len();
        let (backlog, gaps) = (shared(self.config.backlog, others), shared(self.config.gaps, others));
        let config = Config { gaps, backlog, ..self.config };
        let connection = Connection::accept(id, hello.credit, config, now).sealed(seal);
        let accept = connection.accept_packet();
        self.slots.insert(id, Slot { connection, peer, deadline: None });
        self.touched.push_back(id);
        self.accepted.push_back(Accepted { id, peer, key });
        self.answer(now, peer, id, &accept);
    }

    /// Whether a client can be served here at all.
    fn judge(&mut self, now: Time, listening: &Acceptance, hello: &Hello<'_>) -> Verdict {
        if hello.version != VERSION {
            let why = format!("the server speaks version {VERSION}, the client {}", hello.version);
            return Verdict::Refuse(Code::Version, why);
        }
        let offer = match self.offer(now, hello) {
            Ok(offer) => offer,
            Err(verdict) => return verdict,
        };
        if !listening.serves(hello.service) {
            return Verdict::Refuse(Code::Service, format!("this port serves {}", listening.name));
        }
        Verdict::Fine(offer)
    }

    /// The client's message, if one is needed: it was made with one of the keys.
    fn offer(&mut self, now: Time, hello: &Hello<'_>) -> Result<Option<Box<dyn Offer>>, Verdict> {
        let refused = |why: KeyRefusal| Err(Verdict::Refuse(Code::Key, why.text()));
        let guard = match (&mut self.guard, hello.handshake) {
            (None, []) => return Ok(None),
            (None, _) => return refused(NO_KEY_HERE),
            (Some(_), []) => return refused(KEY_NEEDED),
            (Some(guard), _) => guard,
        };
        match guard.read(now, &hello.datagram[..HELLO_HEAD], hello.handshake) {
            Read::Offer(offer) => Ok(Some(offer)),
            Read::Refuse => refused(WRONG_KEY),
            Read::Ignore => Err(Verdict::Ignore),
        }
    }

    /// The seed of this server's part of a handshake.
    fn seed(&mut self, now: Time, period: u64, cookie: &[u8], offer: &[u8]) -> Option<[u8; 32]> {
        self.guard.as_mut()?.seed(now, period, cookie, offer)
    }

    /// With keys, no id may be forgotten while its cookie is valid: the same keys would encrypt something else.
    fn is_full_of_ended(&self) -> Option<String> {
        let is_full = self.guard.is_some() && self.ended.is_full();
        is_full.then(|| "busy: too many connections in the last two minutes, retry later".to_owned())
    }
}
