//! A code at a port: who comes in with it, and who does not.

use std::sync::{Arc, Barrier};

use tokio_util::sync::CancellationToken;

use super::*;
use crate::base::Code;
use crate::net::connection::keys::{Clash, CodeState, Exchange, KEYS_LIMIT};
use crate::net::random;

fn port() -> (Code, Keyring) {
    let code = Code::made_by(random::fill);
    let ring = Keyring::new(Vec::new(), CancellationToken::new());
    ring.offer(code.clone()).unwrap();
    (code, ring)
}

/// The key of who exchanges the code.
fn exchanged(ring: &Keyring, code: &Code) -> Option<Key> {
    let (exchange, first) = Exchange::begin(code).unwrap();
    exchange.finish(&ring.exchange(&first)?)
}

/// The name under which a client with this key is let in.
fn opened(ring: &Keyring, key: &Key) -> Option<Arc<str>> {
    let preface = offer(Preface::new(ServiceId::new(1)));
    let (_, first) = Initiator::new(key, preface);
    ring.open(preface.encode(), &first).map(|(name, _)| name)
}

#[test]
fn all_connections_that_a_client_begins_at_once_with_its_code_are_let_in() {
    for _ in 0..20 {
        let (code, ring) = port();
        let key = exchanged(&ring, &code).unwrap();
        let together = Barrier::new(4);
        let names: Vec<_> = std::thread::scope(|scope| {
            let begin = || {
                together.wait();
                opened(&ring, &key)
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(begin)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(names.iter().all(|name| name.as_deref() == Some("code")), "{names:?}");
    }
}

#[test]
fn the_first_client_with_the_code_is_the_only_one() {
    let (code, ring) = port();
    let (first, second) = (exchanged(&ring, &code).unwrap(), exchanged(&ring, &code).unwrap());
    assert!(first != second);
    assert_eq!(opened(&ring, &second).as_deref(), Some("code"));
    assert_eq!((opened(&ring, &first), exchanged(&ring, &code)), (None, None));
    assert_eq!(*ring.code().borrow(), CodeState::Used("code".into()));
}

#[test]
fn a_new_code_takes_the_place_of_one_that_somebody_is_exchanging() {
    let (code, ring) = port();
    let key = exchanged(&ring, &code).unwrap();
    assert_eq!(ring.offer(Code::made_by(random::fill)), Ok(true));
    assert_eq!(opened(&ring, &key), None);
    assert!(!ring.end_code(1) && ring.end_code(2) && !ring.end_code(2), "only the present one ends");
    ring.show_code(|words| assert_eq!(words, ""));
}

#[test]
fn a_revoked_client_is_not_taken_for_the_next_one_of_the_same_name() {
    let (code, ring) = port();
    let first = opened(&ring, &exchanged(&ring, &code).unwrap()).unwrap();
    assert!(!ring.end_of(&first).is_cancelled());
    ring.revoke("code");
    ring.offer(code.clone()).unwrap();
    let second = opened(&ring, &exchanged(&ring, &code).unwrap()).unwrap();
    assert_eq!(first, second);
    assert!(ring.end_of(&first).is_cancelled() && !ring.end_of(&second).is_cancelled());
}

#[test]
fn the_client_with_the_code_counts_among_the_keys() {
    let (code, ring) = port();
    let named = |n: usize| ClientKey { name: format!("key{n}").into(), key: Key::made_by(random::fill) };
    let added = (0..KEYS_LIMIT).filter(|n| ring.add(named(*n)).is_ok()).count();
    assert_eq!(added, KEYS_LIMIT - 1);
    assert!(opened(&ring, &exchanged(&ring, &code).unwrap()).is_some());
    assert_eq!((ring.offer(code), ring.add(named(99))), (Err(Clash::Full), Err(Clash::Full)));
}

#[test]
fn a_code_is_withdrawn_and_one_that_was_tried_three_times_is_not_shown() {
    let (code, ring) = port();
    let key = exchanged(&ring, &code).unwrap();
    assert!(ring.revoke("code") && !ring.revoke("code"));
    assert_eq!((opened(&ring, &key), exchanged(&ring, &code)), (None, None));
    ring.offer(code.clone()).unwrap();
    ring.show_code(|words| assert_eq!(words, code.text()));
    let keys: Vec<Key> = std::iter::from_fn(|| exchanged(&ring, &code)).collect();
    ring.show_code(|words| assert_eq!(words, ""));
    assert_eq!(keys.len(), 3);
    assert!(opened(&ring, &keys[2]).is_some(), "the last one may be right");
}
