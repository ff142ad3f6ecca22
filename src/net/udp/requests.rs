//! Conversations in other protocols that begin at a socket and go on at one of their own: which are live, and how many
//! there may be.
//!
//! Whoever asks may have written somebody else's address as its own (faults.md row 52). So an address that has not
//! answered yet has few conversations, and none has a port where only services are: an answer could go from one service
//! to another for ever.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::base::share;
use crate::wire::dialect::{self, Dialect};

/// Conversations of one socket at once, whatever `max` says: each has a socket, and the list of them is walked.
pub const CONVERSATION_LIMIT: usize = 256;
/// Conversations of one address at once that may be forged: nothing has come back from there yet.
const UNPROVEN_LIMIT: usize = 4;
/// One conversation in this many may be forged: the rest of the places is for those who answer.
const UNPROVEN_SHARE: usize = 2;
/// Clients take ports at random, from here on; below are services (RFC 6335, section 6).
const FIRST_CLIENT_PORT: u16 = 1024;
/// Repeats of a request that may wait to be noticed; more say nothing new.
const REPEATS: usize = 4;

/// A datagram that begins a conversation in another protocol, which goes on between other ports.
#[derive(Debug)]
pub struct ForeignDatagram {
    pub dialect: Dialect,
    pub peer: SocketAddr,
    /// Where the listener is bound.
    pub local: IpAddr,
    pub bytes: Bytes,
    /// The lengths of repeats of the datagram. It is closed when the peer has begun another conversation from the same
    /// port, or the listener is closed; who drops it gives the place of the conversation back.
    pub(super) repeated: mpsc::Receiver<usize>,
    /// The peer has answered: its address is not forged.
    pub(super) proof: Arc<AtomicBool>,
}

/// What is known of a conversation here.
#[derive(Debug)]
struct Conversation {
    request: Bytes,
    /// Where repeats of the request go; closed when the conversation is over.
    repeats: mpsc::Sender<usize>,
    proof: Arc<AtomicBool>,
}

/// The conversations that began at a socket.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// `None`: the service speaks no such protocol.
    queue: Option<mpsc::Sender<ForeignDatagram>>,
    live: HashMap<SocketAddr, Conversation>,
    max: usize,
}

impl Requests {
    /// Requests go to `queue`; at most `max` conversations at once.
    pub(super) fn into(queue: mpsc::Sender<ForeignDatagram>, max: usize) -> Self {
        Self { queue: Some(queue), live: HashMap::new(), max }
    }

    /// Number of conversations, which count towards the limit of the service.
    pub(super) fn taken(&mut self) -> usize {
        self.live.retain(|_, conversation| !conversation.repeats.is_closed());
        self.live.len()
    }

    /// Handles a datagram if it is a request; false if it is none. `others`: clients of other kinds. What does not fit
    /// is lost, as datagrams are: its client asks again.
    pub(super) fn hear(&mut self, peer: SocketAddr, local: SocketAddr, bytes: &Bytes, others: usize) -> bool {
        let Some(queue) = self.queue.as_ref().filter(|_| dialect::is_tftp_request(bytes)) else {
            return false;
        };
        let queue = queue.clone();
        let taken = self.taken() + others;
        if let Some(known) = self.live.get(&peer).filter(|known| known.request == bytes) {
            // More than fit say nothing new. If the conversation ends at this moment, it is asked for anew.
            match known.repeats.try_send(bytes.len()) {
                Ok(()) | Err(TrySendError::Full(_)) => return true,
                Err(TrySendError::Closed(_)) => {}
            }
        }
        // Another request from the same port: its client has given up the first one, which ends now.
        let taken = taken - usize::from(self.live.remove(&peer).is_some());
        if taken < self.max && self.admits(peer) {
            let (repeats, repeated) = mpsc::channel(REPEATS);
            let proof = Arc::new(AtomicBool::new(peer.ip().to_canonical().is_loopback()));
            let (dialect, local) = (Dialect::Tftp, local.ip());
            let request = ForeignDatagram {
                dialect,
                peer,
                local,
                bytes: bytes.clone(),
                repeated,
                proof: proof.clone(),
            };
            if queue.try_send(request).is_ok() {
                self.live.insert(peer, Conversation { request: bytes.clone(), repeats, proof });
            }
        }
        true
    }

    /// True if there is room for another conversation of this address.
    fn admits(&self, peer: SocketAddr) -> bool {
        let most = self.max.min(CONVERSATION_LIMIT);
        let of_address = || self.live.iter().filter(|(known, _)| known.ip() == peer.ip());
        let is_unproven = |conversation: &Conversation| !conversation.proof.load(Ordering::Relaxed);
        if peer.port() < FIRST_CLIENT_PORT
            || self.live.len() >= most
            || of_address().count() >= share(most, peer.ip())
        {
            return false;
        }
        peer.ip().to_canonical().is_loopback()
            || of_address().filter(|(_, known)| is_unproven(known)).count() < UNPROVEN_LIMIT
                && self.live.values().filter(|known| is_unproven(known)).count()
                    < most.div_ceil(UNPROVEN_SHARE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: &str = "192.0.2.1:69";

    struct Desk {
        requests: Requests,
        queue: mpsc::Receiver<ForeignDatagram>,
    }

    impl Desk {
        fn new(max: usize) -> Self {
            let (sender, queue) = mpsc::channel(1000);
            Self { requests: Requests::into(sender, max), queue }
        }

        /// The conversation that the request begins, if it begins one.
        fn ask(&mut self, peer: &str, name: &str) -> Option<ForeignDatagram> {
            let bytes = Bytes::from(format!("\0\u{1}{name}\0octet\0"));
            assert!(self.requests.hear(peer.parse().unwrap(), LOCAL.parse().unwrap(), &bytes, 0));
            self.queue.try_recv().ok()
        }
    }

    #[test]
    fn row_111_a_request_that_is_repeated_begins_no_second_conversation() {
        let mut desk = Desk::new(8);
        let mut first = desk.ask("127.0.0.1:5000", "a").unwrap();
        assert!(desk.ask("127.0.0.1:5000", "a").is_none());
        assert_eq!(first.repeated.try_recv().unwrap(), 10);
        assert!(desk.ask("127.0.0.1:5001", "a").is_some(), "another port is another client");
        // Another request from the same port takes the place of the first.
        let second = desk.ask("127.0.0.1:5000", "b").unwrap();
        assert!(first.repeated.try_recv() == Err(mpsc::error::TryRecvError::Disconnected));
        drop(second);
        assert!(desk.ask("127.0.0.1:5000", "b").is_some(), "the second one is over");
    }

    #[test]
    fn row_52_addresses_that_may_be_forged_have_few_conversations_until_they_answer() {
        let mut desk = Desk::new(16);
        let victim: Vec<_> =
            (0..9).filter_map(|n| desk.ask(&format!("198.51.100.1:{}", 2000 + n), "a")).collect();
        assert_eq!(victim.len(), UNPROVEN_LIMIT);
        let others: Vec<_> = (0..99).filter_map(|n| desk.ask(&format!("203.0.113.{n}:2000"), "a")).collect();
        assert_eq!(victim.len() + others.len(), 16 / UNPROVEN_SHARE);
        assert!(desk.ask("127.0.0.1:2000", "a").is_some(), "nobody forges loopback");
        victim[0].proof.store(true, Ordering::Relaxed);
        assert!(desk.ask("198.51.100.1:3000", "a").is_some());
    }

    #[test]
    fn row_52_and_63_services_are_not_answered_and_places_are_given_back() {
        let mut desk = Desk::new(2);
        assert!(desk.ask("198.51.100.1:53", "a").is_none() && desk.ask("127.0.0.1:7", "a").is_none());
        let (one, two) = (desk.ask("127.0.0.1:2000", "a"), desk.ask("127.0.0.1:2001", "a"));
        assert!(one.is_some() && two.is_some() && desk.ask("127.0.0.1:2002", "a").is_none());
        drop(one);
        assert_eq!(desk.requests.taken(), 1);
        assert!(desk.ask("127.0.0.1:2002", "a").is_some());
        let text = Bytes::from_static(b"hello\n");
        assert!(!desk.requests.hear("127.0.0.1:2003".parse().unwrap(), LOCAL.parse().unwrap(), &text, 0));
    }
}
