//! Two machines and a lossy link between them, without a socket or a clock: the state machines of `reliable` and `link`
//! alone. `cargo run --example two_machines` sends a mebibyte over a link that loses a fifth of its packets.

#![allow(clippy::print_stdout)] // an example speaks

use bytes::Bytes;
use nls::base::Time;
use nls::link::{Direction, Link, Profile};
use nls::reliable::{Acceptance, Config, Connection, Endpoint, Event, Input, Output};
use nls::wire::{ConnectionId, ServiceId};
use std::time::Duration;

const SERVICE: ServiceId = ServiceId::new(200);
const BLOCK: usize = 64 << 10;

fn main() {
    let profile =
        Profile { loss: 0.2, delay: Duration::from_millis(10), rate: 100_000_000, ..Profile::default() };
    let (mut up, mut down) =
        (Link::new(profile, 7, "wire", Direction::Up), Link::new(profile, 7, "wire", Direction::Down));
    let acceptance = Acceptance { service: SERVICE, name: "blocks", lists: false, max: 1, secret: [7; 32] };
    let mut server = Endpoint::new(Config::default(), Some(acceptance));
    let mut client = Connection::connect(ConnectionId(1), SERVICE.number(), Config::default(), Time::ZERO);
    let address = "192.0.2.7:9000".parse().expect("an address");
    let (mut now, mut sent, mut received) = (Time::ZERO, 0, 0);
    while received < 1 << 20 {
        // The application: a block whenever there is room.
        while sent < 1 << 20 && client.is_writable() {
            client.write_block(sent as u64, Bytes::from(vec![1; BLOCK]));
            sent += BLOCK;
        }
        let mut datagram = Vec::new();
        let until = loop {
            match client.poll_output(now, &mut datagram) {
                Output::Transmit => {
                    up.offer(now, address, Bytes::from(std::mem::take(&mut datagram)));
                }
                Output::Event(event) => assert!(!matches!(event, Event::Ended(_)), "{event:?}"),
                Output::Wait(until) => break until,
            }
        };
        // The server: takes blocks in any order, and grants credit again.
        let mut blocks = Vec::new();
        let send = |peer, bytes: &[u8], _| {
            down.offer(now, peer, Bytes::copy_from_slice(bytes));
            true
        };
        server.drain(now, send, |id, event| blocks.push((id, event)));
        while server.poll_accepted().is_some() {}
        for (id, event) in blocks {
            if let (Event::Block { bytes, .. }, Some(connection)) = (event, server.connection(id)) {
                received += bytes.len();
                connection.consumed(0, bytes.len() as u64 + nls::reliable::PIECE_COST);
            }
        }
        // The link: what arrives now, else time passes to the next deadline.
        let mut arrived = false;
        while let Some((from, bytes)) = up.poll(now) {
            server.handle_datagram(now, from, bytes, false);
            arrived = true;
        }
        while let Some((_, bytes)) = down.poll(now) {
            client.handle_input(now, Input::Datagram { bytes, marked: false });
            arrived = true;
        }
        if !arrived {
            let deadlines = [until, server.deadline(), up.deadline(), down.deadline()];
            now = deadlines.into_iter().flatten().min().expect("somebody waits for something").max(now);
            client.handle_input(now, Input::Timeout);
            server.handle_timeout(now);
        }
    }
    let stats = client.stats();
    println!("{received} bytes after {} ms of virtual time", now.micros() / 1000);
    println!(
        "{} datagrams, {} declared lost, {} segments sent again",
        stats.datagrams_out, stats.lost, stats.retransmitted
    );
}
