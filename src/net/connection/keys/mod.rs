//! Encryption of a connection: the handshake `NNpsk0` of the Noise Protocol Framework (revision 34), with a key that both
//! sides have, and the records over TCP or packets over UDP that follow it. Nothing here reads or writes a socket;
//! `docs/protocol.md` describes the same bytes in words.
//!
//! Panic contract: nothing here panics on any bytes of a peer.
//!
//! | file | holds |
//! |---|---|
//! | `handshake` | over TCP: the two messages, from which both sides have the same secrets |
//! | `record` | records: sealed, opened, counted |
//! | `datagram` | over UDP: the same two messages, in HELLO and RETRY |
//! | `packet` | packets: each sealed by itself |
//! | `noise` | the handshake itself, whatever carries its messages |
//! | `cipher` | the ciphers |
//! | `code` | a code exchanged for a key |
//! | `keyring` | the keys of a server, and how often it may be tried which is right |
//! | `fuzz_entry` | what a peer may send, for the fuzzer |
//! | `absent` | the same without the feature `keys` |
//! | `errors` | why a connection with a key is not made, or ends |

#[cfg(not(feature = "keys"))]
mod absent;
#[cfg(feature = "keys")]
mod cipher;
#[cfg(feature = "keys")]
mod code;
#[cfg(feature = "keys")]
mod datagram;
pub(in crate::net) mod errors;
#[cfg(feature = "keys")]
#[doc(hidden)]
pub mod fuzz_entry;
#[cfg(feature = "keys")]
mod handshake;
mod keyring;
#[cfg(feature = "keys")]
mod noise;
#[cfg(feature = "keys")]
mod packet;
#[cfg(feature = "keys")]
mod record;
#[cfg(test)]
#[cfg(feature = "keys")]
mod tests;

#[cfg(not(feature = "keys"))]
pub(in crate::net) use absent::{
    CodeOffer, Exchange, Initiator, Opener, Responder, Sealer, exchange_message, initiator,
};
#[cfg(feature = "keys")]
pub(in crate::net) use code::{CodeOffer, Exchange};
#[cfg(feature = "keys")]
pub(in crate::net) use datagram::{exchange_message, initiator};
#[cfg(feature = "keys")]
pub(in crate::net) use handshake::{Initiator, Responder, offer};
#[cfg(feature = "keys")]
pub(in crate::net) use record::{Opener, Sealer};

pub use keyring::{CODE_NAME, Clash, ClientKey, CodeState, KEYS_LIMIT, Keyring};

pub(in crate::net) use crate::wire::preface::{FIRST, RECORD_HEADER as HEADER, SECOND, TAG};

/// # Errors
/// This program was built without encryption.
pub fn is_built_in() -> Result<(), crate::report::Failure> {
    #[cfg(not(feature = "keys"))]
    return Err(errors::no_keys_built_in());
    #[cfg(feature = "keys")]
    Ok(())
}

/// Most bytes in one record: with the tag its length just fits the header.
pub(in crate::net) const CONTENT: usize = 65_519;
const _: () = assert!(CONTENT + TAG == u16::MAX as usize);

/// What a handshake leaves: what is sent from now on, and what is received.
pub(in crate::net) struct Secrets {
    pub(in crate::net) sealer: Sealer,
    pub(in crate::net) opener: Opener,
}

/// Bytes that are not from who has the key, or not in their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::net) struct Forged;
