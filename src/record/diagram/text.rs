//! The diagram for a terminal. Each departure, each arrival and each verdict has a row of its own, so a label is never in
//! doubt; labels stand outside of the lifelines, beside the place where they happen.

use super::canvas::Canvas;
use super::frame::Frame;
use super::label::{self, Look};
use super::layout::{Layout, Scale};
use super::trips::{Mark, Point, Trip};
use super::{Diagram, Lane, Options};

const ROWS: Scale = Scale { flight: 4, beside: 1, apart: 1, fold: 2 };

/// The diagram as lines of text, none wider than `options.columns`.
pub fn text(lanes: &[Lane], options: &Options) -> String {
    let diagram = Diagram::new(lanes, options);
    let columns = options.columns.clamp(60, 400);
    let mut out = String::new();
    for remark in diagram.summary().into_iter().chain(diagram.remarks(options)) {
        out.push_str(&if options.ascii { label::ascii(&remark) } else { remark });
        out.push('\n');
    }
    if diagram.trips.is_empty() {
        return out;
    }
    let layout = Layout::new(&diagram, ROWS);
    let frame = Frame::new(&diagram, &layout, columns, options.ascii);
    out.push_str(&frame.head(&diagram));
    let mut canvas = Canvas::new(columns, row(layout.height()) + 1);
    frame.lifelines(&mut canvas, &layout);
    for (trip, heights) in diagram.trips.iter().zip(&layout.heights) {
        frame.arrows(&mut canvas, trip, heights);
    }
    for (trip, heights) in diagram.trips.iter().zip(&layout.heights) {
        frame.words(&mut canvas, trip, heights);
    }
    canvas.lines().for_each(|line| {
        out.push_str(&line);
        out.push('\n');
    });
    out.push_str(&frame.legend(&diagram));
    out
}

fn row(height: u64) -> usize {
    usize::try_from(height).unwrap_or(usize::MAX)
}

impl Frame {
    fn lifelines(&self, canvas: &mut Canvas, layout: &Layout) {
        for row in 0..=row(layout.height()) {
            self.places.iter().step_by(2).for_each(|column| canvas.put((*column, row), self.signs.lifeline));
        }
        for &(height, at) in &layout.times {
            canvas.write((0, row(height)), &format!("{:>width$}", label::millis(at), width = self.time));
        }
        for fold in &layout.folds {
            let line = row(fold.from) + 1;
            let length = self.plain(&label::length(fold.length));
            let text = format!("{:>width$}", format!("{} {length}", self.signs.fold), width = self.time);
            canvas.write((0, line), &text);
            self.places.iter().step_by(2).for_each(|column| canvas.put((*column, line), self.signs.fold));
        }
    }

    fn arrows(&self, canvas: &mut Canvas, trip: &Trip, heights: &[u64]) {
        for &(from, to) in &trip.legs {
            let spot = |n: usize| (self.column(trip.points[n].place), row(heights[n]));
            let (from, far, look) = (spot(from), spot(to), Look::of(trip.event));
            canvas.arrow(from, far, look, self.signs);
            let sign = if trip.rightwards { self.signs.leaves_right } else { self.signs.leaves_left };
            canvas.put(from, sign);
            if self.end(&trip.points[to]).is_some() {
                // What died has no head.
                let before = if trip.rightwards { far.0.saturating_sub(1) } else { far.0 + 1 };
                canvas.put((before, far.1), self.signs.dash(look));
            }
        }
    }

    /// The sign at the end of an arrow that does not arrive.
    fn end(&self, point: &Point) -> Option<char> {
        match point.mark {
            Mark::Unseen => Some('?'),
            _ if point.is_death() => Some(self.signs.death),
            _ => None,
        }
    }

    /// Words and ends come last: no arrow hides them.
    fn words(&self, canvas: &mut Canvas, trip: &Trip, heights: &[u64]) {
        for (point, height) in trip.points.iter().zip(heights) {
            let (row, column) = (row(*height), self.column(point.place));
            if let Some(end) = self.end(point) {
                canvas.put((column, row), end);
            }
            if point.place == 0 {
                let text = self.word(trip, point, column.saturating_sub(self.time + 3));
                canvas.write((column.saturating_sub(text.chars().count() + 1), row), &text);
            } else if point.place + 1 == self.places.len() {
                canvas.write(
                    (column + 2, row),
                    &self.word(trip, point, self.columns.saturating_sub(column + 2)),
                );
            } else {
                self.word_between(canvas, (column, row), &self.word(trip, point, self.columns));
            }
        }
    }

    /// A word near a place between the others, where no arrow is; if there is none, on the arrow.
    fn word_between(&self, canvas: &mut Canvas, (column, row): (usize, usize), word: &str) {
        let left = column.saturating_sub(word.chars().count() + 1);
        let spots =
            [(column + 2, row), (column + 2, row.saturating_sub(1)), (left, row + 1), (column + 2, row + 1)];
        let is_written = word.is_empty() || spots.into_iter().any(|spot| canvas.write_if_free(spot, word));
        if !is_written && self.places.len() > 4 {
            canvas.write((column + 2, row), word);
        }
    }

    fn legend(&self, diagram: &Diagram) -> String {
        let all = diagram.trips.iter().map(|trip| Look::of(trip.event));
        let mut looks: Vec<Look> = all.filter(|look| *look != Look::Control).collect();
        looks.sort_unstable();
        looks.dedup();
        let part = |look: &Look| {
            let dash = self.signs.dash(*look);
            format!("{dash}{dash} {}", look.word())
        };
        let mut parts: Vec<String> = looks.iter().map(part).collect();
        if diagram.trips.iter().any(|trip| trip.points.iter().any(Point::is_death)) {
            parts.push(format!("{} lost", self.signs.death));
        }
        format!("        {}\n", parts.join("   "))
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::columns_of;
    use super::*;
    use crate::record::diagram::samples::{stop_and_wait, window_of_four};
    use crate::record::{Fate, Way};

    fn samples() -> Vec<Vec<Lane>> {
        (1..=3)
            .flat_map(|lanes| {
                [stop_and_wait(lanes), window_of_four(lanes, false), window_of_four(lanes, true)]
            })
            .collect()
    }

    #[test]
    fn no_line_is_wider_than_asked() {
        for lanes in samples() {
            for columns in [60, 80, 120] {
                for ascii in [false, true] {
                    let text = text(&lanes, &Options { columns, last: None, ascii });
                    assert!(text.lines().all(|line| columns_of(line) <= columns), "{columns}:\n{text}");
                    assert!(!ascii || text.is_ascii(), "{text}");
                }
            }
        }
    }

    #[test]
    fn each_packet_has_a_row_with_its_label() {
        for lanes in samples() {
            let text = text(&lanes, &Options { columns: 120, ..Options::default() });
            for trip in &Diagram::new(&lanes, &Options::default()).trips {
                assert!(text.contains(&label::label(trip.event)), "{:?}\n{text}", trip.event);
            }
        }
    }

    #[test]
    fn a_lost_packet_dies_on_its_way_and_its_sender_says_when_it_knew() {
        for lanes in (1..=3).map(stop_and_wait) {
            let text = text(&lanes, &Options::default());
            assert_eq!(text.matches('×').count(), 2, "once, and in the legend:\n{text}");
            assert!(text.contains("#1 lost ") && text.contains("⋮"), "{text}");
        }
    }

    #[test]
    fn one_side_alone_says_that_it_estimates_and_what_a_link_did_is_named() {
        assert!(text(&stop_and_wait(1), &Options::default()).contains("arrivals estimated"));
        assert!(!text(&stop_and_wait(2), &Options::default()).contains("estimated"));
        for fate in [Fate::QueueFull, Fate::HeldBack, Fate::Doubled, Fate::Corrupted] {
            let mut lanes = stop_and_wait(3);
            lanes[1].events.retain(|event| event.number == 2 && event.way == Way::Out);
            lanes.iter_mut().for_each(|lane| lane.events.retain(|event| event.number == 2));
            lanes[1].events[0].fate = fate;
            let text = text(&lanes, &Options::default());
            assert!(text.contains(fate.word()), "{fate}:\n{text}");
            assert_eq!(text.matches('×').count(), if fate == Fate::QueueFull { 2 } else { 0 }, "{text}");
        }
    }

    #[test]
    fn go_back_n_shows_what_the_receiver_dropped() {
        let text = text(&window_of_four(2, false), &Options::default());
        assert_eq!(text.matches("out of order").count(), 3, "{text}");
        assert!(text.contains("(again #5: time-out)"), "{text}");
    }

    #[test]
    fn a_stop_and_wait_transfer_looks_like_this() {
        let text = text(&stop_and_wait(2), &Options { last: Some(4), ..Options::default() });
        assert_eq!(text, PICTURE);
    }

    #[test]
    fn nothing_and_foreign_names_are_drawn_too() {
        assert_eq!(text(&[], &Options::default()), "no packets\n");
        let mut lanes = stop_and_wait(3);
        lanes[0].name = "\x1b[31m\n".repeat(20);
        lanes[1].name = "日本語".repeat(30);
        lanes[2].name = String::new();
        let text = text(&lanes, &Options::default());
        assert!(text.lines().all(|line| columns_of(line) <= 80), "{text}");
        assert!(!text.contains('\x1b') && text.contains("lane 3"), "{text}");
    }

    const PICTURE: &str = "\
4 packets in 230 ms
3 earlier packets left out
     ms                                    client                    server
  0.000                                         │                ╱┄┄┄┤ ack ≤0
                                                │            ╱┄┄┄    │
                                                │        ╱┄┄┄        │
                                                │    ╱┄┄┄            │
 10.000                                         │◀┄┄┄                │
 10.050                       #1 data 1024+1024 ├──╲                 │
                                                │   ──╲              │
                                                │      ───× lost     │
⋮ 195 ms                                        ⋮                    ⋮
210.050                                 #1 lost │                    │
210.050  #2 data 1024+1024 (again #1: time-out) ├═══╲                │
                                                │    ═══╲            │
                                                │        ═══╲        │
                                                │            ═══╲    │
220.050                                         │                ═══▶│ #2
220.100                                         │                ╱┄┄┄┤ ack ≤0, 2
                                                │            ╱┄┄┄    │
                                                │        ╱┄┄┄        │
                                                │    ╱┄┄┄            │
230.100                                         │◀┄┄┄                │
        ── data   ══ sent again   ┄┄ ack   × lost
";
}
