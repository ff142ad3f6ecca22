//! The three ARQ methods against the formulas of the textbooks (Stallings, Data and Computer Communications, appendix
//! on flow and error control; Kurose and Ross, section 3.4), in virtual time.
//!
//! `L/R` is the time of a datagram on the link, `RTT` the round trip without it, `P` the share of datagrams that are
//! lost. Without loss, a window of N uses the share `N·(L/R) / (RTT + L/R)` of the link, at most all of it. A loss
//! costs stop-and-wait and go-back-N one timeout, which the formulas set to `RTT + L/R`.

use crate::base::mix;
use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::simulation::Pair;
use crate::link::Profile;
use crate::reliable::{Arq, Config, Event, Stats};

/// Bytes of a chunk, and of its datagram on the wire.
const CHUNK: usize = 1000;
const WIRE: f64 = (1 + 8 + 8 + 1 + 4 + 4 + 2 + CHUNK + 4) as f64;
const RATE: u64 = 10_000_000;

/// One measurement.
struct Setting {
    arq: Arq,
    rtt: Duration,
    loss: f64,
    pieces: u64,
}

impl Setting {
    /// The share of the link's time in which it carries pieces for the first time, 0 to 1.
    fn utilisation(&self, seed: u64) -> f64 {
        let up = Profile { rate: RATE, delay: self.rtt / 2, ..Profile::default() };
        let mut pair = Pair::new(up, seed, Config { arq: self.arq, ..Config::default() });
        pair.down.set_profile(Profile { rate: 0, ..up });
        pair.run_until(|pair| pair.client.events.contains(&Event::Open));
        // A few pieces first, so that the round trip is known and steady.
        let warm = 300;
        let mut came = 0;
        let chunk: Bytes = vec![1; CHUNK].into();
        for number in 0..warm {
            pair.sender.write_block(number * CHUNK as u64, chunk.clone());
        }
        let count = |pair: &mut Pair, came: &mut u64| {
            let blocks = pair.server.events.drain(..).filter(|event| matches!(event, Event::Block { .. }));
            *came += blocks.count() as u64;
        };
        pair.run_until(|pair| {
            count(pair, &mut came);
            came == warm
        });
        pair.up.set_profile(Profile { loss: self.loss, ..up });
        let (mut began, mut written) = (None, warm);
        pair.run_until(|pair| {
            while written < warm + self.pieces && pair.sender.is_writable() {
                pair.sender.write_block(written * CHUNK as u64, chunk.clone());
                written += 1;
            }
            count(pair, &mut came);
            if came > warm && began.is_none() {
                began = Some((pair.now, came));
            }
            came == warm + self.pieces
        });
        // From the first arrival to the last.
        let serial = WIRE * 8.0 / RATE as f64;
        let (began, first) = began.unwrap();
        (came - first) as f64 * serial / pair.now.since(began).as_secs_f64()
    }

    /// The mean of this number of runs.
    fn mean(&self, seeds: u64) -> f64 {
        (0..seeds).map(|seed| self.utilisation(seed)).sum::<f64>() / seeds as f64
    }
}

/// `1 + 2a`: how many datagrams fit into the time from sending one to its acknowledgement.
fn full_window(rtt: Duration) -> f64 {
    1.0 + rtt.as_secs_f64() / (WIRE * 8.0 / RATE as f64)
}

#[test]
fn without_loss_windows_use_what_the_formula_says_within_one_percent() {
    for (rtt, arq, window) in [
        (10, Arq::StopAndWait, 1.0),
        (50, Arq::StopAndWait, 1.0),
        (50, Arq::GoBackN(4), 4.0),
        (50, Arq::GoBackN(16), 16.0),
        (20, Arq::GoBackN(64), 64.0),
    ] {
        let rtt = Duration::from_millis(rtt);
        let expected = (window / full_window(rtt)).min(1.0);
        let measured = Setting { arq, rtt, loss: 0.0, pieces: 2000 }.utilisation(1);
        assert!((measured / expected - 1.0).abs() < 0.01, "{arq:?} {rtt:?}: {measured} for {expected}");
    }
}

/// Go-back-N as the textbook draws it, in slots of `L/R`: one datagram in each slot, its acknowledgement `full` slots
/// later, and if it is missing by then, back to that datagram. Returns the share of slots with a datagram that is
/// delivered in order.
fn textbook_go_back_n(window: u64, full: u64, loss: f64, slots: u64) -> f64 {
    let (mut base, mut next, mut dice) = (0, 0, 7);
    let mut sent: VecDeque<(u64, u64, bool)> = VecDeque::new();
    for slot in 0..slots {
        while let Some(&(at, number, arrived)) = sent.front()
            && at + full <= slot
        {
            sent.pop_front();
            if number == base && arrived {
                base += 1;
                next = next.max(base);
            } else if number == base {
                // The receiver has dropped all that was sent after it.
                next = base;
                sent.clear();
            }
        }
        if next < base + window {
            dice = mix(dice);
            sent.push_back((slot, next, (dice >> 11) as f64 / (1u64 << 53) as f64 >= loss));
            next += 1;
        }
    }
    base as f64 / slots as f64
}

#[test]
fn with_loss_windows_use_what_the_textbook_says_within_ten_percent() {
    // 25 times the transmission time of a datagram: 26 datagrams fill the link.
    let rtt = Duration::from_nanos((WIRE * 8.0 / RATE as f64 * 25.0 * 1e9) as u64);
    let full = full_window(rtt);
    for loss in [0.02, 0.1, 0.2] {
        let formulas = [
            (Arq::StopAndWait, (1.0 - loss) / full),
            (Arq::GoBackN(26), (1.0 - loss) / (1.0 + (full - 1.0) * loss)),
        ];
        let models = [4, 8, 16]
            .map(|window| (Arq::GoBackN(window), textbook_go_back_n(u64::from(window), 26, loss, 2_000_000)));
        for (arq, expected) in formulas.into_iter().chain(models) {
            let measured = Setting { arq, rtt, loss, pieces: 1500 }.mean(20);
            assert!(
                (measured / expected - 1.0).abs() < 0.1,
                "{arq:?} at {loss}: {measured:.4} for {expected:.4}"
            );
        }
    }
}

/// Transfers this number of pieces, all written at once; returns the counters of the sender.
fn carried(arq: Arq, rtt: Duration, loss: f64, pieces: u64) -> Stats {
    let up = Profile { rate: RATE, delay: rtt / 2, loss, ..Profile::default() };
    let mut pair = Pair::new(up, 3, Config { arq, ..Config::default() });
    pair.down.set_profile(Profile { delay: rtt / 2, ..Profile::default() });
    let chunk: Bytes = vec![1; CHUNK].into();
    (0..pieces).for_each(|number| pair.sender.write_block(number * CHUNK as u64, chunk.clone()));
    let mut came = 0;
    pair.run_until(|pair| {
        let blocks = pair.server.events.drain(..);
        came += blocks.filter(|event| matches!(event, Event::Block { .. })).count() as u64;
        came == pieces
    });
    pair.sender.stats()
}

#[test]
fn selective_repeat_sends_again_only_what_was_lost_and_go_back_n_all_behind_it() {
    let again = |arq| {
        let pieces = 900;
        let stats = carried(arq, Duration::from_millis(20), 0.05, pieces);
        stats.block_bytes as f64 / (pieces as usize * CHUNK) as f64
    };
    let (selective, go_back) = (again(Arq::Selective), again(Arq::GoBackN(24)));
    assert!(selective < 1.25 && go_back > 1.8, "{selective} {go_back}");
}

#[test]
fn the_three_machines_stand_in_the_order_of_the_textbook_at_every_loss_and_window() {
    let rtt = Duration::from_nanos((WIRE * 8.0 / RATE as f64 * 25.0 * 1e9) as u64);
    for loss in [0.0, 0.02, 0.05, 0.1, 0.2] {
        let share = |arq| Setting { arq, rtt, loss, pieces: 1600 }.mean(10);
        let one = share(Arq::StopAndWait);
        for window in [2, 4, 8, 16, 26] {
            let (back, selective) = (share(Arq::GoBackN(window)), share(Arq::SelectiveRepeat(window)));
            let most = (f64::from(window) / full_window(rtt)).min(1.0) * 1.02;
            // With a window of two and little loss, the difference is smaller than the random variation.
            let clear = f64::from(window) * loss > 0.15;
            let ordered =
                one < back && back < selective * if clear { 1.0 } else { 1.005 } && selective <= most;
            assert!(ordered, "{window} at {loss}: {one:.4} {back:.4} {selective:.4} of {most:.4}");
        }
    }
}

#[test]
fn a_window_of_selective_repeat_sends_again_what_was_lost_and_every_repetition_is_counted() {
    for (window, loss) in [(4, 0.05), (8, 0.05), (26, 0.2)] {
        let pieces = 2000;
        let stats = carried(Arq::SelectiveRepeat(window), Duration::from_millis(10), loss, pieces);
        let again = stats.block_bytes / CHUNK as u64 - pieces;
        assert_eq!(again, stats.retransmitted);
        let expected = pieces as f64 * loss / (1.0 - loss);
        assert!((again as f64) < expected * 1.25, "{window} at {loss}: {again} for {expected}");
    }
}

#[test]
#[ignore = "prints the table of docs/arq.md"]
#[expect(clippy::print_stdout, reason = "that is what it is for")]
fn print_the_table() {
    let rtt = Duration::from_nanos((WIRE * 8.0 / RATE as f64 * 25.0 * 1e9) as u64);
    println!(
        "| loss | stop-and-wait | go-back-N 4 | go-back-N 8 | go-back-N 26 | selective 8 | selective |\n|---|---|---|---|---|---|---|"
    );
    for loss in [0.0, 0.02, 0.05, 0.1, 0.2] {
        let machines =
            [Arq::StopAndWait, Arq::GoBackN(4), Arq::GoBackN(8), Arq::GoBackN(26), Arq::SelectiveRepeat(8)];
        let cells = machines
            .into_iter()
            .chain([Arq::Selective])
            .map(|arq| {
                let pieces = if arq == Arq::Selective { 20_000 } else { 1000 };
                let seeds = if arq == Arq::Selective { 4 } else { 50 };
                format!("{:.1} %", Setting { arq, rtt, loss, pieces }.mean(seeds) * 100.0)
            })
            .collect::<Vec<_>>();
        println!("| {} % | {} |", loss * 100.0, cells.join(" | "));
    }
}
