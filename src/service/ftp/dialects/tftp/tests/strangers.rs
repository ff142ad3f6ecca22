//! Packets that nobody should send, and addresses that may be forged.

use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, RngExt, SeedableRng};

use crate::base::Time;
use crate::service::ftp::dialects::tftp::options::{Agreed, TIMEOUT};
use crate::service::ftp::dialects::tftp::packet::{Packet, decode, option_ack};
use crate::service::ftp::dialects::tftp::read::Reading;
use crate::service::ftp::dialects::tftp::trust::PROVE_TRIES;
use crate::service::ftp::dialects::tftp::write::Writing;

fn agreed(answer: Option<Vec<u8>>) -> Agreed {
    Agreed { block: 512, window: 4, timeout: TIMEOUT, answer }
}

/// What goes out of a sender to which nobody answers, in bytes and packets.
fn unanswered(reading: &mut Reading, mut now: Time) -> (usize, u32) {
    let (mut bytes, mut packets) = (0, 0);
    loop {
        if let Some((out, size)) = reading.poll() {
            (bytes, packets) = (bytes + out.len(), packets + out.chunks(size).count() as u32);
        }
        reading.left(now);
        now = reading.deadline();
        if reading.handle_timeout(now).is_err() {
            return (bytes, packets);
        }
    }
}

#[test]
fn row_52_an_address_that_never_answers_gets_little() {
    let now = Time::ZERO + Duration::from_secs(9);
    let asked = 40;
    let mut options = Reading::new(now, agreed(Some(option_ack(&[("tsize", 1 << 40)]))), Some(asked));
    options.feed(&[7; 4096]);
    let (bytes, packets) = unanswered(&mut options, now);
    assert!(bytes <= 3 * asked && packets <= PROVE_TRIES, "{bytes} bytes in {packets} packets");
    // Without options the first block has to go, but it goes once for each request.
    let mut plain = Reading::new(now, Agreed { window: 1, ..agreed(None) }, Some(asked));
    plain.feed(&[7; 4096]);
    assert_eq!(unanswered(&mut plain, now), (516, 1));
    for _ in 0..9 {
        plain.handle_request(asked);
    }
    let again = plain.poll().map(|(out, _)| out.len());
    assert_eq!(again, Some(516));
    for expected in [Some(516), None, None] {
        plain.handle_request(asked);
        assert_eq!(plain.poll().map(|(out, _)| out.len()), expected);
    }
    let mut upload = Writing::new(now, agreed(Some(option_ack(&[("tsize", 1 << 40)]))), Some(asked));
    let (mut bytes, mut now) = (0, now);
    loop {
        bytes += upload.poll(now).map_or(0, |packet| packet.len());
        now = upload.deadline();
        if upload.handle_timeout(now).is_err() {
            break;
        }
    }
    assert!(bytes <= 3 * asked, "{bytes}");
}

#[test]
fn row_52_whoever_answers_is_served_as_usual() {
    let now = Time::ZERO + Duration::from_secs(9);
    let mut reading = Reading::new(now, agreed(Some(option_ack(&[("windowsize", 4)]))), Some(40));
    reading.feed(&[7; 4096]);
    assert!(reading.poll().is_some() && !reading.is_proven());
    reading.handle(now, &Packet::Ack(9)).unwrap();
    assert!(!reading.is_proven(), "a guess is no answer");
    reading.handle(now, &Packet::Ack(0)).unwrap();
    assert!(reading.is_proven());
    assert_eq!(reading.poll().unwrap().0.len(), 4 * 516);
    for _ in 0..4 {
        let late = reading.deadline();
        reading.handle_timeout(late).unwrap();
        assert_eq!(reading.poll().unwrap().0.len(), 4 * 516);
    }
}

#[test]
fn row_111_no_packet_brings_a_machine_down() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
    for round in 0..20_000 {
        let mut now = Time::ZERO + Duration::from_secs(9);
        let answer = (round % 2 == 0).then(|| option_ack(&[("windowsize", 4)]));
        let mut reading = Reading::new(now, agreed(answer.clone()), (round % 3 == 0).then_some(40));
        let mut writing = Writing::new(now, agreed(answer), (round % 3 == 0).then_some(40));
        reading.feed(&[7; 3000]);
        reading.end();
        for _ in 0..20 {
            let mut bytes = vec![0; random.random_range(0..40)];
            random.fill_bytes(&mut bytes);
            // Mostly what looks like a packet, with numbers near those that are expected.
            if bytes.len() >= 4 && random.random_range(0..8) > 0 {
                let front = [0, bytes[1] % 7, if bytes[2] < 200 { 0 } else { 255 }];
                bytes[..3].copy_from_slice(&front);
                bytes[3] %= 9;
            }
            if let Ok(packet) = decode(&bytes) {
                let _any = (reading.handle(now, &packet), writing.handle(now, &packet));
            }
            let sent = reading.poll().map_or(0, |(packets, _)| packets.len());
            assert!(sent <= 4 * 516);
            let _any = (writing.poll(now), reading.handle_timeout(now), writing.handle_timeout(now));
            now = now + Duration::from_millis(random.random_range(0..900));
        }
        assert!(reading.taken() <= 6 * 512);
    }
}
