//! The diagram as a `sequenceDiagram` of Mermaid, for a page that renders it. Mermaid knows no slanted arrows: messages
//! stand in the order in which they leave.

use super::label::{self, Look};
use super::trips::{Mark, Trip};
use super::{Diagram, Lane, Options};

/// Most bytes; Mermaid refuses more than 50 000 characters.
const LIMIT: usize = 45_000;
/// What the last note may need of them.
const RESERVED: usize = 300;

/// The diagram as text for Mermaid, shorter than 45 000 bytes.
pub fn mermaid(lanes: &[Lane], options: &Options) -> String {
    let diagram = Diagram::new(lanes, options);
    let mut out = String::from("sequenceDiagram\n");
    for (n, name) in diagram.names.iter().enumerate() {
        out.push_str(&format!("    participant L{n} as {}\n", encoded(name)));
    }
    if diagram.names.is_empty() {
        return out + "    participant L0 as nobody\n    Note over L0: no packets\n";
    }
    let unwritten = write_lines(&mut out, &diagram);
    let rest = Diagram { left_out: diagram.left_out + unwritten, ..diagram };
    let mut remarks = rest.remarks(options);
    if rest.left_out == 0 && !rest.trips.is_empty() {
        remarks.push("0 packets left out".into());
    }
    let right = rest.last_place() / 2;
    out.push_str(&format!("    Note over L0,L{right}: {}\n", encoded(&remarks.join(", "))));
    out
}

/// Writes what fits, by time; returns the number of packets of which nothing was written.
fn write_lines(out: &mut String, diagram: &Diagram) -> usize {
    let mut lines: Vec<(u64, usize, String)> = Vec::new();
    let began = diagram.trips.iter().map(Trip::began).min().unwrap_or(0);
    for (n, trip) in diagram.trips.iter().enumerate() {
        lines.extend(messages(trip, began).into_iter().map(|(at, line)| (at, n, line)));
    }
    lines.sort_by_key(|(at, n, _)| (*at, *n));
    let mut written = vec![false; diagram.trips.len()];
    for (_, n, line) in lines {
        if out.len() + line.len() > LIMIT - RESERVED {
            break;
        }
        out.push_str(&line);
        written[n] = true;
    }
    written.iter().filter(|written| !**written).count()
}

/// The arrows and notes of a packet with their times.
fn messages(trip: &Trip, began: u64) -> Vec<(u64, String)> {
    let mut messages = Vec::new();
    for &(from, to) in &trip.legs {
        let (from, to) = (&trip.points[from], &trip.points[to]);
        let dots = if Look::of(trip.event) == Look::Ack { "-" } else { "" };
        let head = if to.is_death() { "-x" } else { "->>" };
        // What dies between two lifelines was on its way to the next one.
        let goal = if trip.rightwards { to.place.div_ceil(2) } else { to.place / 2 };
        let mut said = format!("{} ms {}", label::millis(from.at - began), label::label(trip.event));
        let note = label::note(trip, to);
        if !note.is_empty() {
            said.push_str(&format!(" ({note})"));
        }
        messages.push((from.at, format!("    L{}{dots}{head}L{goal}: {}\n", from.place / 2, encoded(&said))));
    }
    for point in trip.points.iter().filter(|point| matches!(point.mark, Mark::Verdict(_))) {
        let note = encoded(&format!(
            "{} ms {}",
            label::millis(point.at.saturating_sub(began)),
            label::note(trip, point)
        ));
        messages.push((point.at, format!("    Note over L{}: {note}\n", point.place / 2)));
    }
    messages
}

/// Text that Mermaid takes for text: all but letters, digits and harmless signs as numbers of characters.
fn encoded(text: &str) -> String {
    let is_harmless = |sign: char| sign.is_ascii_alphanumeric() || " +,.()-_:/≤–…×".contains(sign);
    let plain: String = text
        .chars()
        .map(|sign| if is_harmless(sign) { sign.to_string() } else { format!("#{};", u32::from(sign)) })
        .collect();
    // A word `end` ends blocks.
    plain.replace("end", "#101;nd").replace("End", "#69;nd").replace("END", "#69;ND")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::diagram::samples::{big, stop_and_wait, window_of_four};

    #[test]
    fn each_packet_is_a_message_and_a_lost_one_ends_in_a_cross() {
        for lanes in (1..=3).flat_map(|lanes| [stop_and_wait(lanes), window_of_four(lanes, true)]) {
            let text = mermaid(&lanes, &Options::default());
            for trip in &Diagram::new(&lanes, &Options::default()).trips {
                assert!(text.contains(&encoded(&label::label(trip.event))), "{:?}\n{text}", trip.event);
            }
            assert_eq!(text.matches("-xL1").count(), 1, "{text}");
            assert!(text.trim_end().ends_with("0 packets left out"), "{text}");
        }
    }

    #[test]
    fn it_stays_below_its_limit_and_counts_what_did_not_fit() {
        let mut lanes = big(300);
        for lane in &mut lanes {
            let names = (u64::MAX - 1_000_000..).zip(&mut lane.events);
            names.for_each(|(number, event)| {
                (event.number, event.offset, event.again) = (number, number, number);
            });
            lane.events.iter_mut().for_each(|event| event.cause = Some(crate::record::Cause::TailCopy));
            lane.name = "\u{1f600};".repeat(40);
        }
        let text = mermaid(&lanes, &Options::default());
        assert!(text.len() < LIMIT, "{}", text.len());
        let messages = text.matches("->>").count();
        assert!(text.contains(&format!("{} later packets left out", 300 - messages)), "{messages}");
    }

    #[test]
    fn foreign_names_cannot_end_a_line_or_begin_a_command() {
        let mut lanes = stop_and_wait(3);
        lanes[0].name = "x; end\n    L0->>L1: forged %% #35;".into();
        let text = mermaid(&lanes, &Options::default());
        let head: Vec<&str> = text.lines().take(2).collect();
        assert!(head[1].starts_with("    participant L0 as x#59; #101;nd"), "{text}");
        assert!(!head[1].contains('>') && !head[1].contains('%'), "{text}");
        assert!(mermaid(&[], &Options::default()).contains("no packets"));
    }
}
