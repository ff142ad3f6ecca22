//! Plain-text clients over UDP, such as `nc -u`: a datagram holds one or more lines of text, each answer is one
//! datagram. This module does no I/O.
//!
//! A source address may be forged (faults.md row 52), except on loopback. Where lines are only questions, an address gets
//! at most three times the bytes that came from it, headers included. In a conversation a client also gets what others
//! say: there it must first return a code that was sent to its address, and until then no state is kept for it.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::base::Time;
use crate::net::accept::admission::Lines;
use crate::reliable::receive_side::stream_cost;
use crate::reliable::sealing::KEY_NEEDED;
use crate::wire::{ConnectionId, Frame, dialect, frame};

/// Idle timeout of a client that only asks questions: nothing is lost when its state is dropped.
const QUESTION_PATIENCE: Duration = Duration::from_secs(10);
/// Idle timeout in a conversation: `nc` sends no keep-alives.
const PATIENCE: Duration = Duration::from_mins(10);
/// When the server is full, a client idle for this long is replaced by a new one (faults.md row 84).
const SILENCE: Duration = Duration::from_secs(45);
/// Maximum number of clients that ask questions; the one idle for longest is replaced.
const QUESTION_LIMIT: usize = 1024;
/// Bytes of a client's lines that may wait for the service; further datagrams are dropped.
const UNREAD_LIMIT: u64 = 64 << 10;
/// Anti-amplification limit: bytes sent per byte received.
const AMPLIFICATION: u64 = 3;
/// Bytes of the IPv4 and UDP headers.
pub(super) const HEADERS: u64 = 28;
/// Largest answer, in bytes, that needs no fragmentation on any supported path.
const DATAGRAM: usize = 1200;
/// Token bucket for answers to an address that may be forged, in answers/s and burst size: it limits two servers that
/// one forged datagram made answer each other. The same limits apply to codes, for all addresses together, so that
/// codes cannot be guessed by trying.
const ANSWER_RATE: f64 = 5.0;
const ANSWER_BURST: f64 = 50.0;
/// A code is valid for at least this long, and for less than twice this.
const CODE_PERIOD: Duration = Duration::from_mins(5);

#[derive(Debug)]
struct Peer {
    id: ConnectionId,
    heard: Time,
    unread: u64,
    /// What may still be sent to this address; `None` if the address is known not to be forged.
    allowance: Option<Allowance>,
}

impl Peer {
    /// Counts lines that came, which cost `cost` and let `may_send` more bytes be sent; false if too many wait already.
    fn hear(&mut self, now: Time, cost: u64, may_send: u64) -> bool {
        self.heard = now;
        if self.unread + cost > UNREAD_LIMIT {
            return false;
        }
        self.unread += cost;
        if let Some(allowance) = &mut self.allowance {
            allowance.bytes += may_send;
        }
        true
    }
}

#[derive(Debug)]
struct Allowance {
    bytes: u64,
    answers: Bucket,
}

/// A token bucket.
#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Time,
}

impl Bucket {
    const fn new(now: Time) -> Self {
        Self { left: ANSWER_BURST, at: now }
    }

    fn take(&mut self, now: Time) -> bool {
        let earned = now.since(self.at).as_secs_f64() * ANSWER_RATE;
        (self.left, self.at) = ((self.left + earned).min(ANSWER_BURST), now);
        let may = self.left >= 1.0;
        self.left -= f64::from(u8::from(may));
        may
    }
}

/// All plain-text clients of one socket.
#[derive(Debug)]
pub(super) struct TextClients {
    lines: Lines,
    max: usize,
    secret: [u8; 32],
    peers: HashMap<SocketAddr, Peer>,
    addresses: HashMap<ConnectionId, SocketAddr>,
    codes: Bucket,
}

/// The result of a received datagram.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Nothing,
    /// Text to send back; no state is kept.
    Answer(String),
    /// Lines of a known client.
    Lines {
        id: ConnectionId,
        lines: Vec<Frame>,
    },
    /// Lines of a new client. `instead_of`: the client that was removed to make room.
    First {
        id: ConnectionId,
        lines: Vec<Frame>,
        instead_of: Option<ConnectionId>,
    },
}

impl TextClients {
    /// `max`: the limit of clients in a conversation. `secret`: the key that codes are derived from.
    pub(super) fn new(lines: Lines, max: usize, secret: [u8; 32]) -> Self {
        let codes = Bucket::new(Time::ZERO);
        Self { lines, max, secret, peers: HashMap::new(), addresses: HashMap::new(), codes }
    }

    /// Number of clients that count towards the service's limit: those that give way do not, and none does unless lines
    /// are a conversation.
    pub(super) fn taken(&self, now: Time) -> usize {
        let keeps_its_place = |peer: &&Peer| now.since(peer.heard) < SILENCE;
        let converses = self.lines == Lines::Conversation;
        if converses { self.peers.values().filter(keeps_its_place).count() } else { 0 }
    }

    /// Others have taken places, `others` in all: removes the clients that must give way, and returns their ids.
    pub(super) fn give_way(&mut self, now: Time, others: usize) -> Vec<ConnectionId> {
        let mut gone = Vec::new();
        while self.lines == Lines::Conversation
            && !self.peers.is_empty()
            && self.peers.len() + others > self.max
        {
            let Some(id) = self.dismiss(now, SILENCE) else { break };
            gone.push(id);
        }
        gone
    }

    /// Removes the client that has been idle for longest, and at least for `silence`.
    fn dismiss(&mut self, now: Time, silence: Duration) -> Option<ConnectionId> {
        let silent = self.peers.values().filter(|peer| now.since(peer.heard) >= silence);
        let id = silent.min_by_key(|peer| peer.heard).map(|peer| peer.id)?;
        self.leave(id);
        Some(id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// Handles a datagram that is not of the reliable protocol. `id` makes an id for a new client, `others` is the
    /// number of clients that are not plain-text ones.
    pub(super) fn hear(
        &mut self,
        now: Time,
        from: SocketAddr,
        bytes: &[u8],
        id: impl FnOnce() -> ConnectionId,
        others: usize,
    ) -> Heard {
        if self.lines == Lines::No || !is_text(bytes) {
            return Heard::Nothing;
        }
        if self.lines == Lines::Refused {
            // With headers it is less than three times a datagram of one byte.
            let answer = || Heard::Answer(format!("* {}\n", KEY_NEEDED.why));
            return if self.codes.take(now) { answer() } else { Heard::Nothing };
        }
        let text = String::from_utf8_lossy(bytes);
        let (lines, may_send) = (frames(&text), (bytes.len() as u64 + HEADERS) * AMPLIFICATION);
        let cost: u64 = lines.iter().map(stream_cost).sum();
        if let Some(peer) = self.peers.get_mut(&from) {
            if !peer.hear(now, cost, may_send) {
                return Heard::Nothing;
            }
            return Heard::Lines { id: peer.id, lines };
        }
        let forgeable = !is_this_machine(from.ip());
        let joins = forgeable && self.lines == Lines::Conversation;
        if joins && let Some(refusal) = self.ask_for_code(now, from, text.trim()) {
            return refusal;
        }
        let Ok(instead_of) = self.make_room(now, others) else {
            return Heard::Answer("* busy, retry later\n".into());
        };
        let (id, unproven) = (id(), forgeable && !joins);
        let allowance = unproven.then(|| Allowance { bytes: may_send, answers: Bucket::new(now) });
        let (lines, unread) = if joins { (Vec::new(), 0) } else { (lines, cost) };
        self.peers.insert(from, Peer { id, heard: now, unread, allowance });
        self.addresses.insert(id, from);
        Heard::First { id, lines, instead_of }
    }

    /// The answer to a client whose address could be forged; `None` if it has sent its code.
    fn ask_for_code(&mut self, now: Time, from: SocketAddr, said: &str) -> Option<Heard> {
        if !self.codes.take(now) {
            return Some(Heard::Nothing);
        }
        if self.is_code(now, from, said) {
            return None;
        }
        let code = self.code(now, from);
        Some(Heard::Answer(format!("* your address could be forged: send {code:06} to join\n")))
    }

    /// Makes room for one more client; if all places are taken, the one idle for longest is removed and its id
    /// returned.
    fn make_room(&mut self, now: Time, others: usize) -> Result<Option<ConnectionId>, ()> {
        let (most, silence) = match self.lines {
            Lines::Conversation => (self.max.saturating_sub(others), SILENCE),
            Lines::Questions | Lines::No | Lines::Refused => (QUESTION_LIMIT, Duration::ZERO),
        };
        if self.peers.len() < most {
            return Ok(None);
        }
        self.dismiss(now, silence).map(Some).ok_or(())
    }

    /// The datagrams to send for a line to a client. Empty if the client is gone, or its address may be forged and has
    /// got all that it is allowed.
    pub(super) fn say(&mut self, now: Time, id: ConnectionId, line: &[u8]) -> Vec<(SocketAddr, Vec<u8>)> {
        let Some(&address) = self.addresses.get(&id) else { return Vec::new() };
        let Some(peer) = self.peers.get_mut(&address) else { return Vec::new() };
        let Some(allowance) = &mut peer.allowance else {
            let most = if is_this_machine(address.ip()) { line.len() } else { DATAGRAM };
            return parts(line, most).into_iter().map(|part| (address, part)).collect();
        };
        let mut bytes = [line, b"\n"].concat();
        if bytes.len() > DATAGRAM || bytes.len() as u64 + HEADERS > allowance.bytes {
            bytes = b"error: too long for udp, use tcp\n".to_vec();
        }
        let cost = bytes.len() as u64 + HEADERS;
        if cost > allowance.bytes || !allowance.answers.take(now) {
            return Vec::new();
        }
        allowance.bytes -= cost;
        vec![(address, bytes)]
    }

    /// True if there is a client with this id.
    pub(super) fn has(&self, id: ConnectionId) -> bool {
        self.addresses.contains_key(&id)
    }

    /// The service has taken `bytes` of a client's lines, as [`stream_cost`] counts them.
    pub(super) fn took(&mut self, id: ConnectionId, bytes: u64) {
        if let Some(peer) = self.addresses.get(&id).and_then(|address| self.peers.get_mut(address)) {
            peer.unread = peer.unread.saturating_sub(bytes);
        }
    }

    /// Removes a client; true if there was one with this id.
    pub(super) fn leave(&mut self, id: ConnectionId) -> bool {
        self.addresses.remove(&id).is_some_and(|address| self.peers.remove(&address).is_some())
    }

    /// Removes the clients that were idle for too long, and returns their ids.
    pub(super) fn expire(&mut self, now: Time) -> Vec<ConnectionId> {
        let patience = self.patience();
        let late = self.peers.values().filter(|peer| now.since(peer.heard) >= patience);
        let gone: Vec<ConnectionId> = late.map(|peer| peer.id).collect();
        for &id in &gone {
            self.leave(id);
        }
        gone
    }

    /// When [`Self::expire`] must be called next.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.peers.values().map(|peer| peer.heard + self.patience()).min()
    }

    const fn patience(&self) -> Duration {
        if matches!(self.lines, Lines::Conversation) { PATIENCE } else { QUESTION_PATIENCE }
    }

    fn code(&self, now: Time, from: SocketAddr) -> u64 {
        self.code_of(from, now.micros() / CODE_PERIOD.as_micros() as u64)
    }

    /// Six digits that are known only to somebody who receives at this address.
    fn code_of(&self, from: SocketAddr, period: u64) -> u64 {
        let mut hasher = blake3::Hasher::new_keyed(&self.secret);
        hasher.update(from.to_string().as_bytes());
        hasher.update(&period.to_be_bytes());
        let hash = hasher.finalize();
        hash.as_bytes().first_chunk().map_or(0, |front| u64::from_be_bytes(*front)) % 1_000_000
    }

    fn is_code(&self, now: Time, from: SocketAddr, said: &str) -> bool {
        let period = now.micros() / CODE_PERIOD.as_micros() as u64;
        let good = |period| format!("{:06}", self.code_of(from, period)) == said;
        good(period) || period > 0 && good(period - 1)
    }
}

/// Loopback: such a source address cannot come from another machine.
fn is_this_machine(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// True if it looks like typed text: no control characters except tab, newlines and escape.
fn is_text(bytes: &[u8]) -> bool {
    let typed = |&byte: &u8| byte >= 0x20 || matches!(byte, b'\t' | b'\n' | b'\r' | 0x1b);
    dialect::is_text_datagram(bytes) && bytes.iter().all(typed)
}

/// Splits a line into lines of at most `most` bytes; UTF-8 characters are not split.
fn parts(line: &[u8], most: usize) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    let mut rest = line;
    loop {
        let mut end = rest.len().min(most.max(4));
        while end < rest.len() && end > 1 && rest[end] & 0xc0 == 0x80 {
            end -= 1;
        }
        let (part, after) = rest.split_at(end);
        parts.push([part, b"\n"].concat());
        rest = after;
        if rest.is_empty() {
            return parts;
        }
    }
}

fn frames(text: &str) -> Vec<Frame> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| Frame::new(frame::LINE, line.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "127.0.0.1:7";
    const THERE: &str = "192.0.2.1:7";

    fn plain(lines: Lines, max: usize) -> TextClients {
        TextClients::new(lines, max, [3; 32])
    }

    fn at(seconds: u64) -> Time {
        Time::from_micros(seconds * 1_000_000)
    }

    fn hear(plain: &mut TextClients, now: Time, from: &str, text: &[u8], id: u64) -> Heard {
        plain.hear(now, from.parse().unwrap(), text, || ConnectionId(id), 0)
    }

    #[test]
    fn a_datagram_is_its_lines_and_an_answer_goes_back_with_a_newline() {
        let mut plain = plain(Lines::Questions, 9);
        let lines = vec![Frame::new(frame::LINE, "7 % 3"), Frame::new(frame::LINE, "1/0")];
        let heard = hear(&mut plain, at(0), HERE, b"7 % 3\r\n\n1/0", 5);
        assert_eq!(heard, Heard::First { id: ConnectionId(5), lines, instead_of: None });
        assert_eq!(plain.say(at(0), ConnectionId(5), b"1"), [(HERE.parse().unwrap(), b"1\n".to_vec())]);
        assert_eq!(hear(&mut plain, at(1), HERE, b"\x05binary", 6), Heard::Nothing);
        assert_eq!(plain.expire(at(11)), [ConnectionId(5)]);
        assert!(plain.is_empty() && plain.say(at(11), ConnectionId(5), b"1").is_empty());
    }

    #[test]
    fn row_52_a_forged_address_gets_no_more_than_three_times_what_came_from_it() {
        let mut plain = plain(Lines::Questions, 9);
        let question = b"9*9\n";
        hear(&mut plain, at(0), THERE, question, 1);
        let mut sent = 0;
        for length in [10, 4000, 60, 4, 4, 4, 4, 4, 4] {
            sent += plain
                .say(at(0), ConnectionId(1), &vec![b'9'; length])
                .iter()
                .map(|(_, bytes)| bytes.len() + 28)
                .sum::<usize>();
        }
        assert!(sent > 40 && sent <= 3 * (question.len() + 28), "{sent}");
        // On loopback nobody can forge.
        hear(&mut plain, at(0), HERE, question, 2);
        assert_eq!(plain.say(at(0), ConnectionId(2), &[b'9'; 4000])[0].1.len(), 4001);
    }

    #[test]
    fn two_servers_that_are_made_to_talk_to_each_other_soon_do_so_slowly() {
        let mut plain = plain(Lines::Questions, 9);
        let answered = (0..100_000).filter(|n| {
            let now = Time::from_micros(n * 100);
            hear(&mut plain, now, THERE, b"error: no\n", 1);
            plain.took(ConnectionId(1), 100);
            !plain.say(now, ConnectionId(1), b"error: no").is_empty()
        });
        assert!((50..=110).contains(&answered.count()));
    }

    #[test]
    fn long_lines_of_a_conversation_are_parted_between_characters() {
        let parted = parts("é".repeat(1000).as_bytes(), 1201);
        assert_eq!(parted.iter().map(Vec::len).collect::<Vec<_>>(), [1201, 801]);
        assert!(parted.iter().all(|part| std::str::from_utf8(part).is_ok()));
        assert_eq!(parts(b"", 9), [b"\n".to_vec()]);
    }

    #[test]
    fn row_52_a_conversation_begins_with_a_code_that_only_the_address_gets() {
        let mut plain = plain(Lines::Conversation, 1);
        let Heard::Answer(told) = hear(&mut plain, at(0), THERE, b"hello\n", 1) else { panic!() };
        assert!(plain.is_empty() && told.len() + 28 <= 3 * (6 + 28), "{told}");
        let code: String = told.chars().filter(char::is_ascii_digit).collect();
        assert!(matches!(hear(&mut plain, at(0), "192.0.2.2:7", code.as_bytes(), 2), Heard::Answer(_)));
        let joined = Heard::First { id: ConnectionId(3), lines: Vec::new(), instead_of: None };
        assert_eq!(hear(&mut plain, at(200), THERE, format!("{code}\n").as_bytes(), 3), joined);
        assert_eq!(plain.say(at(200), ConnectionId(3), &[b'x'; 500])[0].1.len(), 501);
    }

    #[test]
    fn row_84_a_silent_one_makes_room_for_another_after_45_seconds() {
        let mut plain = plain(Lines::Conversation, 1);
        hear(&mut plain, at(0), HERE, b"hello", 1);
        assert_eq!((plain.taken(at(44)), plain.taken(at(45))), (1, 0));
        assert_eq!((plain.give_way(at(44), 1), plain.give_way(at(50), 0)), (Vec::new(), Vec::new()));
        assert!(matches!(hear(&mut plain, at(44), "127.0.0.1:8", b"me too", 2), Heard::Answer(_)));
        let heard = hear(&mut plain, at(45), "127.0.0.1:8", b"me too", 3);
        assert!(
            matches!(heard, Heard::First { id: ConnectionId(3), instead_of: Some(ConnectionId(1)), .. }),
            "{heard:?}"
        );
        // So it does for a client of our protocol.
        assert_eq!(plain.give_way(at(90), 1), [ConnectionId(3)]);
    }

    #[test]
    fn lines_that_nobody_takes_are_bounded() {
        let mut plain = plain(Lines::Questions, 9);
        let line = [b'1'; 1000];
        let taken = |heard| matches!(heard, Heard::First { .. } | Heard::Lines { .. });
        let count = (0..1000).filter(|_| taken(hear(&mut plain, at(0), HERE, &line, 1))).count();
        assert_eq!(count, 65);
        plain.took(ConnectionId(1), 1005);
        assert!(taken(hear(&mut plain, at(0), HERE, &line, 1)));
    }
}
