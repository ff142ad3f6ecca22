//! A file from one machine to the other. The client of a download is made of the machine that receives uploads, that of an
//! upload of the one that sends; the first packet of either is its request.

use std::time::Duration;

use super::network::{Faults, Network, To};
use crate::base::Time;
use crate::report::Failure;
use crate::service::ftp::dialects::tftp::options::{Agreed, TIMEOUT};
use crate::service::ftp::dialects::tftp::packet::{HEADER, Packet, decode, option_ack};
use crate::service::ftp::dialects::tftp::read::Reading;
use crate::service::ftp::dialects::tftp::write::Writing;

/// A transfer that takes longer has hung.
const LONGEST: Duration = Duration::from_hours(1);
/// How long a receiver answers when it has all.
const DALLY: Duration = Duration::from_mins(1);
/// Bytes of a piece that the sender gets from its disk.
const PIECE: usize = 1000;

fn agreed(block: usize, window: u64, is_answered: bool) -> Agreed {
    let answer = is_answered.then(|| option_ack(&[("blksize", block as u64), ("windowsize", window)]));
    Agreed { block, window, timeout: TIMEOUT, answer }
}

fn file(size: usize) -> Vec<u8> {
    (0..size).map(|n| (n * 31 % 251) as u8).collect()
}

/// One transfer.
struct Run {
    network: Network,
    now: Time,
    /// Where the sender of the file is.
    sender_at: To,
    reading: Reading,
    writing: Writing,
    file: Vec<u8>,
    fed: usize,
    got: Vec<u8>,
    /// The client has heard from the server; until then it repeats its request.
    begun: bool,
    ask_at: Time,
    /// When the file is on the disk of the receiver, and how long it answers then.
    stored_at: Option<Time>,
    storing: Duration,
    ends_at: Option<Time>,
    /// DATA packets that the sender sent.
    packets: u64,
}

impl Run {
    fn new(faults: Faults, seed: u64, is_download: bool, size: usize, agreed: Agreed) -> Self {
        let now = Time::ZERO + Duration::from_secs(100);
        let client = Agreed { answer: None, ..agreed.clone() };
        let (server, other) = (agreed, client);
        let (sends, takes) = if is_download { (server, other) } else { (other, server) };
        Self {
            network: Network::new(faults, seed),
            now,
            sender_at: if is_download { To::Server } else { To::Client },
            reading: Reading::new(now, sends, None),
            writing: Writing::new(now, takes, None),
            file: file(size),
            fed: 0,
            got: Vec::new(),
            begun: false,
            ask_at: now,
            stored_at: None,
            storing: Duration::from_millis(seed % 7 * 500),
            ends_at: None,
            packets: 0,
        }
    }

    fn runs(&self, side: To) -> bool {
        side == To::Server || self.begun
    }

    /// Sends what is due on both sides.
    fn send(&mut self) {
        while self.reading.wants() && self.fed <= self.file.len() {
            let end = self.file.len().min(self.fed + PIECE);
            self.reading.feed(&self.file[self.fed..end]);
            if end == self.file.len() {
                self.reading.end();
            }
            self.fed = end;
        }
        let (from, to) = match self.sender_at {
            To::Server => (To::Server, To::Client),
            To::Client => (To::Client, To::Server),
        };
        if self.runs(from)
            && let Some((packets, size)) = self.reading.poll()
        {
            for packet in packets.chunks(size) {
                self.packets += u64::from(packet.starts_with(&[0, 3]));
                self.network.send(self.now, to, packet);
            }
            self.reading.left(self.now);
        }
        if self.runs(to)
            && let Some(packet) = self.writing.poll(self.now)
        {
            self.network.send(self.now, from, &packet);
        }
    }

    /// The request goes, and goes again.
    fn ask(&mut self) {
        if !self.begun && self.now >= self.ask_at {
            self.network.send(self.now, To::Server, b"RRQ");
            self.ask_at = self.now + Duration::from_secs(1);
        }
    }

    fn take(&mut self, to: To, datagram: &[u8]) -> Result<(), Failure> {
        if datagram == b"RRQ" {
            // The first one began the conversation; others come to it.
            match self.sender_at {
                To::Server => self.reading.handle_request(30),
                To::Client => self.writing.handle_request(30),
            }
            return Ok(());
        }
        let packet = decode(datagram).unwrap();
        if to == To::Client {
            let is_first = !std::mem::replace(&mut self.begun, true);
            match packet {
                // A client answers an OACK: with the ACK of block 0, or with the first block.
                Packet::OptionAck(_) | Packet::Ack(0) if is_first => return Ok(()),
                Packet::OptionAck(_) => {
                    if self.sender_at == To::Server {
                        self.writing.handle_request(30);
                    }
                    return Ok(());
                }
                _ => {}
            }
        }
        if to == self.sender_at {
            return self.reading.handle(self.now, &packet);
        }
        if let Some(bytes) = self.writing.handle(self.now, &packet)? {
            self.got.extend_from_slice(bytes);
        }
        if self.writing.has_ended() && self.stored_at.is_none() {
            self.stored_at = Some(self.now + self.storing);
        }
        Ok(())
    }

    fn pass_time(&mut self) -> Result<(), Failure> {
        if self.ends_at.is_none() && self.stored_at.is_some_and(|at| self.now >= at) {
            self.writing.stored();
            self.ends_at = Some(self.now + DALLY);
        }
        if self.runs(self.sender_at) && !self.reading.is_done() {
            self.reading.handle_timeout(self.now)?;
        }
        self.writing.handle_timeout(self.now)
    }

    /// Until the sender knows that the file arrived.
    fn run(mut self) -> Result<Self, Failure> {
        let began = self.now;
        while !self.reading.is_done() {
            self.ask();
            self.send();
            let next = [
                self.network.next(),
                (!self.begun).then_some(self.ask_at),
                self.runs(self.sender_at).then(|| self.reading.deadline()),
                (!self.writing.has_ended()).then(|| self.writing.deadline()),
                self.stored_at.filter(|_| self.ends_at.is_none()),
            ];
            self.now = self.now.max(next.into_iter().flatten().min().expect("something is going to happen"));
            assert!(self.now.since(began) < LONGEST, "it hangs");
            while let Some((to, datagram)) = self.network.arrived(self.now) {
                self.take(to, &datagram)?;
                self.send();
            }
            self.pass_time()?;
        }
        Ok(self)
    }
}

#[track_caller]
fn arrives(faults: Faults, seed: u64, is_download: bool, size: usize, agreed: Agreed) -> Run {
    let what = format!("seed {seed}, download {is_download}, {size} bytes, {agreed:?}");
    let run = Run::new(faults, seed, is_download, size, agreed).run();
    let run = run.unwrap_or_else(|failure| panic!("{what}: {failure}"));
    assert!(run.got == run.file, "{what}: other bytes");
    run
}

#[test]
fn row_42_files_arrive_over_a_bad_network_both_ways_with_and_without_windows() {
    for seed in 0..1000 {
        for (block, window, is_answered) in [(512, 1, false), (512, 1, true), (64, 16, true)] {
            let size = [0, 1, 5119, 5120, 7000][seed as usize % 5];
            for is_download in [true, false] {
                arrives(Faults::MANY, seed, is_download, size, agreed(block, window, is_answered));
            }
        }
    }
}

#[test]
fn row_111_packets_that_are_all_doubled_do_not_double_the_traffic() {
    for (window, is_download) in [(1, true), (16, true), (1, false), (16, false)] {
        let blocks = 1000;
        let size = blocks * 64 - 1;
        let run = arrives(Faults::TWICE, 0, is_download, size, agreed(64, window, true));
        assert!(run.packets <= blocks as u64 + 2 * window, "{} packets for {blocks} blocks", run.packets);
        let all = run.network.sent[0] + run.network.sent[1];
        assert!(all <= 3 * blocks as u64, "{all} packets in all");
    }
}

#[test]
fn without_faults_each_block_travels_once_and_each_window_has_one_ack() {
    for is_download in [true, false] {
        let run = arrives(Faults::NONE, 0, is_download, 160 * 512 - 1, agreed(512, 16, true));
        assert_eq!(run.packets, 160);
        let back = if is_download { To::Server } else { To::Client };
        // Besides: the request, which comes to the conversation as a repeat, and what it leads to.
        assert!(run.network.sent[back as usize] <= 10 + 3, "{:?}", run.network.sent);
    }
}

#[test]
fn block_numbers_go_on_with_0_after_65535() {
    for (window, is_download, faults) in [
        (16, true, Faults::NONE),
        (16, false, Faults::NONE),
        (1, true, Faults::NONE),
        (64, true, Faults { lost: 1, ..Faults::NONE }),
    ] {
        let blocks = 66_000;
        let run = arrives(faults, 7, is_download, blocks * 8 + 3, agreed(8, window, true));
        assert!(run.packets > 65_536);
    }
}

#[test]
fn a_loss_inside_a_window_is_repaired_before_anybody_waits() {
    let now = Time::ZERO + Duration::from_secs(9);
    let (mut reading, mut writing) =
        (Reading::new(now, agreed(8, 4, false), None), Writing::new(now, agreed(8, 4, false), None));
    reading.feed(&file(40));
    reading.end();
    writing.poll(now).unwrap();
    let (packets, size) = reading.poll().unwrap();
    let packets: Vec<Vec<u8>> = packets.chunks(size).map(<[u8]>::to_vec).collect();
    assert_eq!((packets.len(), size), (4, 8 + HEADER));
    for lost in [0usize, 2, 3] {
        writing.handle(now, &decode(&packets[lost]).unwrap()).unwrap();
    }
    // Block 2 is missing: the last one before it is acknowledged, once.
    assert_eq!(writing.poll(now), Some(vec![0, 4, 0, 1]));
    reading.handle(now, &Packet::Ack(1)).unwrap();
    let (again, _) = reading.poll().unwrap();
    assert_eq!(again[..HEADER], [0, 3, 0, 2]);
    assert_eq!(again.len(), 4 * (8 + HEADER), "a whole window goes on behind it");
}

#[test]
fn the_last_ack_comes_when_the_file_is_stored_and_again_when_it_was_lost() {
    let mut now = Time::ZERO + Duration::from_secs(9);
    let mut writing = Writing::new(now, agreed(512, 1, false), None);
    writing.poll(now).unwrap();
    let last = Packet::Data { block: 1, bytes: b"end" };
    assert_eq!(writing.handle(now, &last).unwrap(), Some(&b"end"[..]));
    for _ in 0..9 {
        now = now + Duration::from_secs(5);
        assert_eq!(writing.handle(now, &last).unwrap(), None);
        writing.handle_timeout(now).unwrap();
        assert_eq!(writing.poll(now), None, "it is not stored yet");
    }
    writing.stored();
    assert_eq!(writing.poll(now), Some(vec![0, 4, 0, 1]));
    assert_eq!(writing.handle(now, &last).unwrap(), None);
    assert_eq!(writing.poll(now), None, "a double");
    now = now + Duration::from_secs(1);
    assert_eq!(writing.handle(now, &last).unwrap(), None);
    assert_eq!(writing.poll(now), Some(vec![0, 4, 0, 1]));
}

#[test]
fn row_37_a_client_that_says_nothing_is_given_up() {
    let start = Time::ZERO + Duration::from_secs(9);
    let mut reading = Reading::new(start, agreed(512, 1, true), None);
    reading.end();
    let mut writing = Writing::new(start, agreed(512, 1, true), None);
    let (mut answers, mut now) = (0, start);
    let failure = loop {
        answers += u64::from(reading.poll().is_some());
        reading.left(now);
        now = reading.deadline();
        if let Err(failure) = reading.handle_timeout(now) {
            break failure;
        }
    };
    assert_eq!((failure.code, answers), (crate::wire::Code::Timeout, 6));
    assert!(now.since(start) < Duration::from_secs(40));
    let failure = loop {
        writing.poll(now);
        now = writing.deadline();
        if let Err(failure) = writing.handle_timeout(now) {
            break failure;
        }
    };
    assert_eq!(failure.code, crate::wire::Code::Timeout);
}
