//! The handshake and its records against a program in the middle, and the vectors that another implementation can check.
//!
//! | file | holds |
//! |---|---|
//! | `codes` | a code at a port: who comes in with it, and who does not |
//! | `middle` | whatever somebody on the way changes, repeats, reorders or leaves out |
//! | `udp` | both sides over UDP, in virtual time |
//! | `vectors` | fixed keys, and every byte that follows from them |

mod codes;
mod middle;
mod udp;
mod vectors;

use bytes::BytesMut;

use super::handshake::{Initiator, Responder, offer};
use super::noise::Ephemeral;
use super::{ClientKey, FIRST, Forged, Keyring, Opener, SECOND, Sealer, Secrets};
use crate::base::Key;
use crate::wire::ServiceId;
use crate::wire::preface::{self, Preface};

/// The key `n`, a secret that all who read this have.
fn key(n: u8) -> Key {
    Key::made_by(|bytes| bytes.iter_mut().zip(n..).for_each(|(byte, value)| *byte = value))
}

/// The bytes of a handshake, and what it leaves.
struct Session {
    client_preface: [u8; preface::SIZE],
    first: [u8; FIRST],
    server_preface: [u8; preface::SIZE],
    second: [u8; SECOND],
    client: Secrets,
    server: Secrets,
}

fn of(ephemeral: Option<&[u8]>) -> Ephemeral<'_> {
    ephemeral.map_or(Ephemeral::Random, Ephemeral::Fixed)
}

/// A handshake; `offered` are the flags of the client, `ephemeral` both ephemeral secrets.
fn session(key: &Key, offered: u8, ephemeral: [Option<&[u8]>; 2]) -> Session {
    let preface = Preface { flags: offered, ..Preface::new(ServiceId::new(1)) };
    let (initiator, first) = Initiator::with(key, preface, of(ephemeral[0]));
    let client_preface = preface.encode();
    let responder = Responder::with(key, client_preface, &first, of(ephemeral[1])).unwrap();
    let (answer, second, server) = responder.answer(Preface::new(ServiceId::new(1))).unwrap();
    let server_preface = answer.encode();
    let client = initiator.finish(server_preface, &second).unwrap();
    Session { client_preface, first, server_preface, second, client, server }
}

/// A session with what this machine offers, and random ephemeral keys.
fn any_session(key: &Key) -> Session {
    session(key, offer(Preface::new(ServiceId::new(1))).flags, [None, None])
}

fn sealed(sealer: &mut Sealer, text: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    assert_eq!(sealer.seal(std::iter::once(text), usize::MAX, &mut out), text.len().min(super::CONTENT));
    out.to_vec()
}

/// Opens everything: all texts, or that something is forged. An incomplete record is no end.
fn opened(opener: &mut Opener, bytes: &[u8]) -> Result<Vec<Vec<u8>>, Forged> {
    let mut front = BytesMut::from(bytes);
    let mut texts = Vec::new();
    while let Some(text) = opener.open(&mut front)? {
        texts.push(text.to_vec());
    }
    Ok(texts)
}
