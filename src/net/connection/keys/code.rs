//! A code exchanged for a key: SPAKE2 over Ed25519 (RFC 9382 in the form of the crate `spake2`, which is that of Magic
//! Wormhole), with the words as the password. Both sides have the same key only if they have the same words, and who
//! listens, or plays one of the sides, can try one guess for each exchange.

use std::fmt;
use std::time::Instant;

use curve25519_dalek::edwards::CompressedEdwardsY;
use ring::hmac;
use spake2::{Ed25519Group, Identity, Password, Spake2};
use zeroize::Zeroize;

use crate::base::{Code, Key};
use crate::net::limits::CODE_LIFETIME;
use crate::report::Failure;
use crate::wire::preface::CODE_MESSAGE;

/// Exchanges of one code, whether right or wrong: so many guesses has who does not know it.
const TRIES: usize = 3;
/// The two sides, which no message of one can be confused with.
const SIDES: [&[u8]; 2] = [b"nls client", b"nls server"];
/// Makes the key of what SPAKE2 agrees on.
const KEY_LABEL: &[u8] = b"nls key of a code";

/// A message of the exchange.
pub(in crate::net) type Message = [u8; CODE_MESSAGE];

fn key(mut agreed: Vec<u8>) -> Key {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &agreed), KEY_LABEL);
    let key = Key::made_by(|bytes| bytes.copy_from_slice(tag.as_ref()));
    agreed.zeroize();
    key
}

fn message(bytes: Vec<u8>) -> Message {
    bytes.try_into().expect("a message of SPAKE2 has one length")
}

fn sides() -> [Identity; 2] {
    SIDES.map(Identity::new)
}

/// What is none costs no more than this to find out.
fn is_point(message: &Message) -> bool {
    message.last_chunk().is_some_and(|point| CompressedEdwardsY(*point).decompress().is_some())
}

/// The client's side.
pub(in crate::net) struct Exchange(Spake2<Ed25519Group>);

impl Exchange {
    /// Begins, with the message for the server.
    ///
    /// # Errors
    /// This program was built without encryption.
    pub(in crate::net) fn begin(code: &Code) -> Result<(Self, Message), Failure> {
        let [client, server] = sides();
        let (state, first) = Spake2::start_a(&Password::new(code.text()), &client, &server);
        Ok((Self(state), message(first)))
    }

    /// The key, of the server's message; `None` if that is none. The server has the same if it has the same code.
    pub(in crate::net) fn finish(self, answer: &[u8]) -> Option<Key> {
        self.0.finish(answer).ok().map(key)
    }
}

/// The server's side: a code that lets one client in.
pub(in crate::net) struct CodeOffer {
    code: Code,
    until: Instant,
    tries: Vec<Try>,
}

/// A message of a client, the answer, and the key of both.
struct Try {
    message: Message,
    answer: Message,
    key: Key,
}

impl fmt::Debug for CodeOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeOffer").field("tries", &self.tries.len()).finish_non_exhaustive()
    }
}

impl CodeOffer {
    pub(super) fn new(code: Code, now: Instant) -> Self {
        Self { code, until: now + CODE_LIFETIME, tries: Vec::with_capacity(TRIES) }
    }

    /// The answer to a client's message; the same for the same message, which over UDP comes again. `None` if the message is
    /// none, or if the code was tried too often or is too old.
    pub(super) fn answer(&mut self, first: &Message, now: Instant) -> Option<Message> {
        if let Some(same) = self.tries.iter().find(|tried| tried.message == *first) {
            return Some(same.answer);
        }
        if self.tries.len() == TRIES || now >= self.until || !is_point(first) {
            return None;
        }
        let [client, server] = sides();
        let (state, answer) =
            Spake2::<Ed25519Group>::start_b(&Password::new(self.code.text()), &client, &server);
        let (answer, key) = (message(answer), key(state.finish(first).ok()?));
        self.tries.push(Try { message: *first, answer, key });
        Some(answer)
    }

    /// The words.
    pub(super) fn words(&self) -> &str {
        self.code.text()
    }

    /// The keys of those who tried.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.tries.iter().map(|tried| &tried.key)
    }

    /// True if nobody can try it any more.
    pub(super) const fn is_worn(&self) -> bool {
        self.tries.len() == TRIES
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::net::random;

    fn offer() -> (Code, CodeOffer, Instant) {
        let (code, now) = (Code::made_by(random::fill), Instant::now());
        (code.clone(), CodeOffer::new(code, now), now)
    }

    fn another(code: &Code) -> Code {
        std::iter::repeat_with(|| Code::made_by(random::fill)).find(|other| other != code).unwrap()
    }

    #[test]
    fn the_same_words_make_the_same_key_and_others_another() {
        let (code, mut offer, now) = offer();
        let (right, first) = Exchange::begin(&code).unwrap();
        let (wrong, second) = Exchange::begin(&another(&code)).unwrap();
        let answers = [first, second].map(|message| offer.answer(&message, now).unwrap());
        let keys: Vec<&Key> = offer.keys().collect();
        assert_eq!(right.finish(&answers[0]).as_ref(), Some(keys[0]));
        assert_ne!(wrong.finish(&answers[1]).as_ref(), Some(keys[1]));
    }

    #[test]
    fn three_messages_are_answered_and_each_again_when_it_comes_again() {
        let (code, mut offer, now) = offer();
        let begun: Vec<Message> = (0..=TRIES).map(|_| Exchange::begin(&code).unwrap().1).collect();
        let answers: Vec<_> = begun.iter().map(|message| offer.answer(message, now)).collect();
        assert!(answers[..TRIES].iter().all(Option::is_some) && answers[TRIES].is_none());
        assert!(offer.is_worn());
        assert_eq!(offer.answer(&begun[1], now), answers[1]);
        assert_eq!(offer.keys().count(), TRIES);
    }

    #[test]
    fn an_old_code_is_not_answered() {
        let (code, mut offer, now) = offer();
        let (_, first) = Exchange::begin(&code).unwrap();
        assert!(offer.answer(&first, now + CODE_LIFETIME).is_none());
        assert!(offer.answer(&first, now + CODE_LIFETIME.saturating_sub(Duration::from_secs(1))).is_some());
    }

    #[test]
    fn what_is_no_message_costs_no_try() {
        let (code, mut offer, now) = offer();
        let (exchange, first) = Exchange::begin(&code).unwrap();
        for flip in 0..8 * CODE_MESSAGE {
            let mut bytes = first;
            bytes[flip / 8] ^= 1 << (flip % 8);
            // A byte for the other side, or no point of the curve; about every second change is one.
            let answered = offer.answer(&bytes, now).is_some();
            assert_eq!(answered, offer.tries.last().is_some_and(|tried| tried.message == bytes));
            offer.tries.clear();
        }
        assert!(exchange.finish(&first).is_none(), "its own message");
    }
}
