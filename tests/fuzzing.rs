//! The short form of `fuzz/`: the corpus of bad inputs and every example, mutated at random from a fixed seed.

#[path = "../fuzz/checks.rs"]
mod checks;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// Mutations of each input.
const ROUNDS: usize = 40;

fn corpus() -> Vec<Vec<u8>> {
    let inputs = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/diagnostics/inputs.txt")).unwrap();
    let mut corpus: Vec<Vec<u8>> = inputs.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    corpus.extend(nls::shell::catalogue::entries().map(|entry| entry.verb().example.into()));
    corpus
}

/// Flips, drops, repeats and glues bytes.
fn mutated(input: &[u8], other: &[u8], random: &mut Xoshiro256PlusPlus) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..random.random_range(1..4) {
        let at = random.random_range(0..=bytes.len());
        match random.random_range(0..5) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 => bytes.insert(
                at,
                *b"\"'$\\;#&!%:.\n\t\0=|~*[]{}\xff"[..].get(random.random_range(0..24)).unwrap_or(&b' '),
            ),
            3 => bytes.splice(at..at, other.iter().copied()).for_each(drop),
            _ => bytes.truncate(at),
        }
    }
    bytes
}

fn each(check: fn(&[u8])) {
    let corpus = corpus();
    let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
    for input in &corpus {
        check(input);
        for _ in 0..ROUNDS {
            let other = &corpus[random.random_range(0..corpus.len())];
            let bytes = mutated(input, other, &mut random);
            // A failure names its input: it becomes a line of the corpus.
            let shown = String::from_utf8_lossy(&bytes).into_owned();
            assert!(std::panic::catch_unwind(|| check(&bytes)).is_ok(), "{shown:?}");
        }
    }
}

#[test]
fn no_line_brings_down_the_parser() {
    each(checks::line);
}

#[test]
fn no_line_brings_down_completion_at_any_offset() {
    each(checks::complete_line);
}

#[test]
fn no_word_brings_down_the_values() {
    each(checks::values);
}

#[test]
fn no_bytes_of_a_peer_bring_down_the_codecs() {
    each(checks::wire);
}
