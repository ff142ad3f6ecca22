//! Link utilisation, in virtual time: figures that a change of the congestion control must not make worse.

use std::time::Duration;

use super::simulation::Pair;
use crate::base::Time;
use crate::link::Profile;
use crate::reliable::Config;
use crate::reliable::congestion::Control;
use crate::wire::datagram::Credit;
use bytes::Bytes;

/// Bytes of the IP and UDP headers of each datagram.
const HEADERS: usize = 28;

/// A path with a bottleneck, the same in both directions.
pub(crate) struct Path {
    /// bit/s.
    pub rate: u64,
    /// Round trip without queues.
    pub rtt: Duration,
    /// Loss rate of each direction, 0 to 1.
    pub loss: f64,
    /// Size of the queue at the bottleneck, as the time to send it.
    pub queue: Duration,
}

/// What was measured during one transfer.
#[derive(Debug)]
pub(crate) struct Figure {
    /// Bit/s of the file, over the whole time with the handshake.
    pub goodput: f64,
    /// Bytes of blocks sent, divided by the bytes of the file.
    pub overhead: f64,
    /// 95th percentile of the queueing delay.
    pub queue: Duration,
    /// Datagrams that the sender declared lost.
    pub lost: u64,
    /// When the client saw that the connection is open.
    pub opened: Time,
}

impl Path {
    /// The profile of its links.
    pub(crate) fn profile(&self) -> Profile {
        let rate = self.rate;
        Profile {
            loss: self.loss,
            rate,
            queue: (rate as f64 / 8.0 * self.queue.as_secs_f64()) as usize,
            delay: self.rtt / 2,
            header: HEADERS,
            mtu: 1500,
            ..Profile::default()
        }
    }

    /// One transfer of `size` bytes.
    pub(crate) fn measure(&self, size: u64, seed: u64) -> Figure {
        measure(self.profile(), size, seed)
    }
}

/// One transfer of `size` bytes over a link both ways.
fn measure(profile: Profile, size: u64, seed: u64) -> Figure {
    measure_under(Control::Auto, Duration::MAX, profile, size, seed)
}

/// The same with this congestion control; packets get an ECN mark while the queue is longer than `mark_over`.
fn measure_under(control: Control, mark_over: Duration, profile: Profile, size: u64, seed: u64) -> Figure {
    let config = Config {
        credit: Credit { stream: 1 << 20, block: 16 << 20 },
        datagram_most: 65_507,
        control,
        ..Config::default()
    };
    let mut pair = Pair::new(profile, seed, config);
    pair.mark_over = mark_over;
    let (mut offset, mut came) = (0, 0);
    let chunk: Bytes = vec![7; 64 << 10].into();
    let mut delays = Vec::new();
    let mut next_look = Time::ZERO;
    let mut opened = Time::ZERO;
    pair.run_until(|pair| {
        let sender = &mut pair.sender;
        while offset < size && sender.is_writable() {
            let length = (size - offset).min(chunk.len() as u64);
            sender.write_block(offset, chunk.slice(..length as usize));
            offset += length;
        }
        if pair.now >= next_look {
            delays.push(pair.up.backlog(pair.now));
            next_look = pair.now + Duration::from_millis(1);
        }
        if opened == Time::ZERO && pair.client.events.contains(&crate::reliable::Event::Open) {
            opened = pair.now;
        }
        for event in pair.server.events.drain(..) {
            if let crate::reliable::Event::Block { bytes, .. } = event {
                came += bytes.len() as u64;
            }
        }
        assert_eq!(pair.client.ended, None, "seed {seed}");
        came == size
    });
    delays.sort();
    let seconds = pair.now.micros() as f64 / 1e6;
    let sent = pair.sender.stats().block_bytes;
    Figure {
        goodput: size as f64 * 8.0 / seconds,
        overhead: sent as f64 / size as f64,
        queue: delays[delays.len() * 95 / 100],
        opened,
        lost: pair.sender.stats().lost,
    }
}

fn mbit(figure: &Figure) -> f64 {
    figure.goodput / 1e6
}

/// Round trips that 100 KB take on an open connection: median and 99th percentile of 200 transfers.
fn small_objects(path: &Path) -> (f64, f64) {
    let mut times: Vec<f64> = (0..200)
        .map(|seed| {
            let figure = path.measure(100_000, seed);
            (100_000.0 * 8.0 / figure.goodput - figure.opened.micros() as f64 / 1e6) / path.rtt.as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (times[100], times[198])
}

#[test]
#[ignore = "prints the table"]
#[expect(clippy::print_stdout, reason = "that is what it is for")]
fn print_the_table() {
    let millis = Duration::from_millis;
    for (rate, rtt, size) in [
        (100_000_000, 50, 50_000_000),
        (100_000_000, 50, 1_000_000_000),
        (1_000_000_000, 50, 1_000_000_000),
        (20_000_000, 300, 100_000_000),
    ] {
        for loss in [0.0, 0.01, 0.05, 0.1, 0.2] {
            let path = Path { rate, rtt: millis(rtt), loss, queue: millis(100) };
            let started = std::time::Instant::now();
            let figure = path.measure(size, 1);
            println!(
                "{:>5} Mbit/s {rtt} ms {:>4}%: {:>6.1} Mbit/s, sent {:.3}, queue {:?}   ({:.1?})",
                rate / 1_000_000,
                loss * 100.0,
                mbit(&figure),
                figure.overhead,
                figure.queue,
                started.elapsed()
            );
        }
    }
    for (what, profile, path) in [
        (
            "bursts 8, 5 %, dup 1 %, reorder 5 %",
            true,
            Path { rate: 100_000_000, rtt: millis(50), loss: 0.05, queue: millis(100) },
        ),
        (
            "queue 10 ms, 5 %",
            false,
            Path { rate: 100_000_000, rtt: millis(50), loss: 0.05, queue: millis(10) },
        ),
        (
            "queue 10 ms, 0 %",
            false,
            Path { rate: 100_000_000, rtt: millis(50), loss: 0.0, queue: millis(10) },
        ),
    ] {
        let mut bad = path.profile();
        if profile {
            bad = Profile { burst: 8.0, duplicate: 0.01, reorder: 0.05, reorder_by: millis(10), ..bad };
        }
        let figure = measure(bad, 50 << 20, 1);
        println!(
            "{what}: {:.1} Mbit/s, sent {:.3}, queue {:?}",
            mbit(&figure),
            figure.overhead,
            figure.queue
        );
    }
    let path = Path { rate: 100_000_000, rtt: millis(50), loss: 0.1, queue: millis(100) };
    let (median, worst) = small_objects(&path);
    println!("100 KB at 10 %: median {median:.2} round trips, p99 {worst:.2}");
}

#[test]
fn random_loss_costs_what_it_must_and_queues_stay_short() {
    for (loss, least, most) in
        [(0.0, 87.0, 1.01), (0.01, 86.0, 1.04), (0.05, 85.0, 1.08), (0.1, 83.0, 1.15), (0.2, 80.0, 1.29)]
    {
        let path = Path {
            rate: 100_000_000,
            rtt: Duration::from_millis(50),
            loss,
            queue: Duration::from_millis(100),
        };
        let figure = path.measure(50_000_000, 1);
        assert!(mbit(&figure) >= least && figure.overhead <= most, "{loss}: {figure:?}");
        // Start-up is a fifth of this transfer; in a longer one, 20 ms hold at 20 % loss, too.
        assert!(loss > 0.15 || figure.queue <= Duration::from_millis(20), "{loss}: {figure:?}");
    }
}

#[test]
fn bursts_reordering_and_a_short_queue_change_little() {
    let path = Path {
        rate: 100_000_000,
        rtt: Duration::from_millis(50),
        loss: 0.05,
        queue: Duration::from_millis(100),
    };
    let plain = path.measure(50_000_000, 1).goodput;
    let rough = Profile {
        burst: 8.0,
        duplicate: 0.01,
        reorder: 0.05,
        reorder_by: Duration::from_millis(10),
        ..path.profile()
    };
    let rough = measure(rough, 50_000_000, 1).goodput;
    assert!(rough >= 0.9 * plain, "{rough} of {plain}");
    let short = Path { queue: Duration::from_millis(10), ..path }.measure(50_000_000, 1).goodput;
    assert!(short >= 0.85 * plain, "{short} of {plain}");
}

#[test]
fn marks_of_a_router_are_heeded_before_it_has_to_drop() {
    let millis = Duration::from_millis;
    let path = Path { rate: 100_000_000, rtt: millis(50), loss: 0.0, queue: millis(100) };
    // CUBIC fills any queue until it sees loss or marks: with marks it loses nothing after start-up.
    let deaf = measure_under(Control::Cubic, Duration::MAX, path.profile(), 100_000_000, 1);
    let heeding = measure_under(Control::Cubic, millis(25), path.profile(), 100_000_000, 1);
    assert!(deaf.lost > 100 && deaf.queue > millis(60), "{deaf:?}");
    // A few datagrams are too large for the path: probes of its MTU.
    assert!(heeding.lost < 10 && heeding.queue < millis(60), "{heeding:?}");
    assert!(mbit(&heeding) > 80.0, "{heeding:?}");
    // The model keeps the queue shorter than most routers want it; marks of a router that marks early are obeyed, and
    // cost little.
    let deaf = path.measure(100_000_000, 1);
    let heeding = measure_under(Control::Auto, millis(3), path.profile(), 100_000_000, 1);
    assert!(heeding.queue < deaf.queue, "{heeding:?} {deaf:?}");
    assert!(mbit(&heeding) > 80.0, "{heeding:?}");
}

#[test]
fn a_small_object_on_a_lossy_path_needs_few_round_trips() {
    let path = Path {
        rate: 100_000_000,
        rtt: Duration::from_millis(50),
        loss: 0.1,
        queue: Duration::from_millis(100),
    };
    let (median, worst) = small_objects(&path);
    assert!(median <= 4.0 && worst <= 8.0, "{median} {worst}");
}

/// A slow link with a short round trip: this machine itself, with `link … rate`. Half of the losses are in the first
/// window.
#[test]
fn a_slow_link_that_is_near_is_filled_and_not_flooded() {
    let micros = Duration::from_micros;
    for (rate, rtt, queue, size) in [
        (200_000, 200, 16_384, 800_000),
        (200_000, 40_000, 16_384, 800_000),
        (800_000, 200, 16_384, 2_000_000),
        (8_000_000, 200, 100_000, 5_000_000),
        (8_000_000, 20_000, 100_000, 5_000_000),
        (100_000_000, 200, 1_250_000, 50_000_000),
    ] {
        for loss in [0.0, 0.05, 0.2] {
            let path = Path { rate, rtt: micros(rtt), loss, queue: Duration::ZERO };
            let figure = measure(Profile { queue, ..path.profile() }, size, 1);
            let what = format!("{rate} bit/s, {rtt} us, loss {loss}: {figure:?}");
            assert!(figure.overhead < 1.08 / (1.0 - loss), "{what}");
            assert!(figure.goodput > rate as f64 * 0.8, "{what}");
            // Where the link takes 60 ms for a packet, eight of them are a long queue.
            assert!(rate < 8_000_000 || figure.queue < Duration::from_millis(20), "{what}");
        }
    }
}
