//! What passes a socket, for a capture: nothing is copied unless somebody looks.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::record::PacketEvent;

/// A packet, or a part of a TCP connection, as it passes.
#[derive(Clone, Copy, Debug)]
pub struct Tapped<'a> {
    /// 0; at a link 0 towards the clients and 1 towards the server.
    pub side: u32,
    /// The address of this side.
    pub local: SocketAddr,
    pub peer: SocketAddr,
    pub outgoing: bool,
    pub part: Part<'a>,
    /// What is known of it.
    pub event: Option<PacketEvent>,
}

/// What passes.
#[derive(Clone, Copy, Debug)]
pub enum Part<'a> {
    /// A UDP payload.
    Datagram(&'a [u8]),
    /// A TCP connection, which the sender opens.
    Open,
    /// Bytes of a TCP connection.
    Bytes(&'a [u8]),
    /// The sender has no more bytes.
    End,
    /// The sender has cut a TCP connection.
    Reset,
}

/// Who looks.
pub type Look = Box<dyn FnMut(&Tapped<'_>) + Send>;

/// Of an encrypted connection, what is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// What is on the wire.
    #[default]
    Wire,
    /// What is inside the encryption, as it would pass without a key.
    Inside,
}

/// A place where somebody may look at what passes.
#[derive(Default)]
pub struct Tap {
    is_on: AtomicBool,
    looks_inside: AtomicBool,
    look: Mutex<Option<Look>>,
}

impl Tap {
    /// True while somebody looks.
    pub fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// True while somebody looks at what is inside the encryption.
    pub fn looks_inside(&self) -> bool {
        self.is_on() && self.looks_inside.load(Ordering::Relaxed)
    }

    /// From now on this one looks, and the one before no more; `None`: nobody.
    pub fn set(&self, look: Option<Look>, depth: Depth) {
        self.looks_inside.store(depth == Depth::Inside, Ordering::Relaxed);
        self.is_on.store(look.is_some(), Ordering::Relaxed);
        *self.look.lock().unwrap_or_else(PoisonError::into_inner) = look;
    }

    /// Shows something that passes to the one who looks.
    pub fn show(&self, tapped: &Tapped<'_>) {
        if let Some(look) = &mut *self.look.lock().unwrap_or_else(PoisonError::into_inner) {
            look(tapped);
        }
    }
}

impl std::fmt::Debug for Tap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tap").field("is_on", &self.is_on()).finish_non_exhaustive()
    }
}
