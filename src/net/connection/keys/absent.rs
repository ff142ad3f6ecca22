//! A program without encryption: there is no handshake, so none of these values exists.

#![allow(clippy::unused_self, reason = "they have the shape of those that do something")]

use std::convert::Infallible;
use std::time::Instant;

use bytes::BytesMut;

use super::{FIRST, Forged, Keyring, SECOND, Secrets, errors};
use crate::base::{Code, Key};
use crate::reliable::sealing;
use crate::report::Failure;
use crate::wire::preface::{self, CODE_MESSAGE, Preface};

type Message = [u8; CODE_MESSAGE];

/// A code that nobody can exchange.
#[derive(Debug)]
pub(in crate::net) struct CodeOffer;

impl CodeOffer {
    pub(super) fn new(_: Code, _: Instant) -> Self {
        Self
    }

    pub(super) fn answer(&mut self, _: &Message, _: Instant) -> Option<Message> {
        None
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        std::iter::empty()
    }

    pub(super) const fn words(&self) -> &'static str {
        ""
    }

    pub(super) const fn is_worn(&self) -> bool {
        false
    }
}

pub(in crate::net) struct Exchange(Infallible);

impl Exchange {
    pub(in crate::net) fn begin(_: &Code) -> Result<(Self, Message), Failure> {
        Err(errors::no_keys_built_in())
    }

    pub(in crate::net) fn finish(self, _: &[u8]) -> Option<Key> {
        match self.0 {}
    }
}

pub(in crate::net) struct Initiator(Infallible);

impl Initiator {
    pub(in crate::net) fn finish(self, _: [u8; preface::SIZE], _: &[u8; SECOND]) -> Result<Secrets, Forged> {
        match self.0 {}
    }
}

pub(in crate::net) struct Responder(Infallible);

impl Responder {
    pub(in crate::net) fn read(_: &Key, _: [u8; preface::SIZE], _: &[u8; FIRST]) -> Option<Self> {
        None
    }

    pub(in crate::net) fn answer(self, _: Preface) -> Option<(Preface, [u8; SECOND], Secrets)> {
        match self.0 {}
    }
}

pub(in crate::net) struct Sealer(Infallible);

impl Sealer {
    pub(in crate::net) fn seal<'a>(
        &mut self,
        _: impl Iterator<Item = &'a [u8]>,
        _: usize,
        _: &mut BytesMut,
    ) -> usize {
        match self.0 {}
    }

    pub(in crate::net) fn confirm(&mut self, _: &mut BytesMut) {
        match self.0 {}
    }

    pub(in crate::net) fn end(&mut self, _: &mut BytesMut) {
        match self.0 {}
    }
}

pub(in crate::net) struct Opener(Infallible);

impl Opener {
    pub(in crate::net) const fn is_unconfirmed(&self) -> bool {
        match self.0 {}
    }

    pub(in crate::net) const fn is_at_end(&self) -> bool {
        match self.0 {}
    }

    pub(in crate::net) fn length(_: &[u8]) -> Option<usize> {
        None
    }

    pub(in crate::net) fn open(&mut self, _: &mut BytesMut) -> Result<Option<BytesMut>, Forged> {
        match self.0 {}
    }
}

pub(in crate::net) fn initiator(_: &Key) -> Result<Box<dyn sealing::Initiator>, Failure> {
    Err(errors::no_keys_built_in())
}

pub(in crate::net) fn exchange_message(_: &Message) -> Vec<u8> {
    Vec::new()
}

impl sealing::Keyholder for Keyring {
    fn read(&self, _: &[u8], _: &[u8]) -> Option<Box<dyn sealing::Offer>> {
        None
    }

    fn exchanges(&self, _: &[u8]) -> bool {
        false
    }

    fn exchange(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
}
