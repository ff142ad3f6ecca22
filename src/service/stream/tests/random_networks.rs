//! A film over a thousand bad networks in virtual time: server, viewer and a reader that jumps, without sockets.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;

use crate::base::RangeSet;
use crate::link::Profile;
use crate::reliable::tests::simulation::{Pair, content};
use crate::reliable::{Config, Event};
use crate::service::stream::client::plan::Plan;
use crate::service::stream::parity::{Decoder, Encoder};
use crate::service::stream::protocol::{Message, PARITY_PLACE, Parity};
use crate::service::stream::server::chunker::Chunker;

/// What a viewer has: the bytes, and its plan.
struct Viewer {
    bytes: Vec<u8>,
    plan: Plan,
    parity: Decoder,
    /// Where it reads; `jumps` are (from, to), the last one first.
    at: u64,
    jumps: Vec<(u64, u64)>,
    rebuilt: u64,
}

impl Viewer {
    fn block(&mut self, offset: u64, bytes: &Bytes) {
        if offset >= PARITY_PLACE {
            self.parity.add(Parity::decode(bytes).unwrap());
        } else {
            self.chunk(offset, bytes);
        }
        loop {
            let (plan, held) = (&self.plan, &self.bytes);
            let read = |offset: u64, chunk: &mut [u8]| {
                chunk.copy_from_slice(&held[offset as usize..][..chunk.len()]);
                Ok::<_, ()>(())
            };
            let Some((offset, chunk)) = self.parity.rebuild(|range| plan.has(range), read).unwrap() else {
                return;
            };
            self.rebuilt += 1;
            self.chunk(offset, &chunk);
        }
    }

    fn chunk(&mut self, offset: u64, bytes: &Bytes) {
        let range = offset..offset + bytes.len() as u64;
        self.bytes[range.start as usize..range.end as usize].copy_from_slice(bytes);
        for Range { start, end } in self.plan.put(range).unwrap() {
            self.bytes[start as usize..end as usize].fill(0xee);
        }
    }

    /// Reads on as far as it can, and checks each byte; true if it has read to the end.
    fn read(&mut self, size: u64, seed: u64) -> bool {
        while self.at < size {
            if let Some(&(from, to)) = self.jumps.last()
                && self.at >= from
            {
                self.jumps.pop();
                self.at = to;
            }
            let Some(end) = self.plan.readable(self.at) else { return false };
            let (from, end) = (self.at, end.min(self.at + 5000));
            assert!(
                (from..end).all(|at| self.bytes[at as usize] == content(at, seed)),
                "seed {seed}: {from}..{end}"
            );
            self.plan.read(&(from..end));
            self.at = end;
        }
        true
    }
}

/// Streams one film; returns how many chunks parity restored.
fn watch(seed: u64) -> u64 {
    let profile = Profile {
        loss: 0.1,
        burst: (1 + seed % 4) as f64,
        duplicate: 0.02,
        reorder: 0.05,
        reorder_by: Duration::from_millis(3),
        delay: Duration::from_millis(5 + seed % 60),
        ..Profile::default()
    };
    let size = 50_000 + seed * 7919 % 100_000;
    let keeps = seed.is_multiple_of(2);
    // A viewer that does not keep the film has room for a third of it.
    let room = if keeps { u64::MAX } else { size / 3 };
    let mut viewer = Viewer {
        bytes: vec![0; size as usize],
        plan: Plan::new(size, room, keeps, &RangeSet::new()),
        parity: Decoder::default(),
        at: 0,
        jumps: vec![(size / 10 * 9, size / 3), (size / 4, size / 10 * 8)],
        rebuilt: 0,
    };
    let percent = if seed.is_multiple_of(3) { 10 } else { 0 };
    // With chunks of at most 1000 bytes, parity fits a datagram of this network, too.
    let (mut chunker, mut parity) = (Chunker::new(size, seed, 1000), Encoder::new(percent));
    let mut pair = Pair::new(profile, seed, Config { backlog: 16 << 10, ..Config::default() });
    pair.run_until(|pair| {
        for event in pair.client.events.drain(..) {
            let Event::Frame(frame) = event else { continue };
            match Message::decode(&frame).unwrap() {
                Message::Want { offset, until } => drop(chunker.seek(offset, until)),
                Message::Forgot { start, end } => chunker.forget(start..end),
                other => panic!("{other:?}"),
            }
        }
        while pair.sender.is_writable()
            && let Some(range) = chunker.next()
        {
            let bytes: Bytes = range.clone().map(|at| content(at, seed)).collect::<Vec<_>>().into();
            let more = parity.add(range.start, &bytes);
            pair.sender.write_block(range.start, bytes);
            if let Some((place, block)) = more {
                pair.sender.write_block(place, block);
            }
        }
        for event in pair.server.events.drain(..) {
            if let Event::Block { offset, bytes } = event {
                viewer.block(offset, &bytes);
            }
        }
        let read_all = viewer.read(size, seed);
        if let Some(connection) = pair.endpoint.connection(crate::wire::ConnectionId(seed)) {
            for message in viewer.plan.messages() {
                connection.write_frame(&message.encode());
            }
        }
        assert!(pair.client.ended.is_none() && pair.server.ended.is_none(), "seed {seed}");
        read_all && (!keeps || viewer.plan.is_complete())
    });
    if keeps {
        assert!((0..size).all(|at| viewer.bytes[at as usize] == content(at, seed)), "seed {seed}");
    }
    viewer.rebuilt
}

#[test]
fn a_thousand_bad_networks_bring_every_film_whole() {
    let rebuilt: u64 = (0..1000).map(watch).sum();
    assert!(rebuilt > 500, "parity helped only {rebuilt} times");
}
