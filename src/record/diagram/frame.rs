//! Which columns of a terminal are for what: the time, the labels of the left side, the lifelines, the labels of the right
//! side.

use unicode_width::UnicodeWidthChar;

use super::Diagram;
use super::canvas::{ASCII, DRAWN, Signs};
use super::label;
use super::layout::Layout;
use super::trips::{Mark, Point, Trip};
use crate::base::width;

/// Columns between two lifelines that are never given to labels.
const GAP: usize = 12;
/// The same with a link in the middle.
const NARROW_GAP: usize = 9;
/// Columns that the name of the right lifeline gets in any case, if it has so many.
const NAME: usize = 16;
const TIME_HEAD: &str = "ms";

/// Which columns are for what.
pub(super) struct Frame {
    pub(super) signs: &'static Signs,
    ascii: bool,
    /// Of the time.
    pub(super) time: usize,
    /// Of a place: see [`Diagram::names`].
    pub(super) places: Vec<usize>,
    pub(super) columns: usize,
}

impl Frame {
    pub(super) fn new(diagram: &Diagram, layout: &Layout, columns: usize, ascii: bool) -> Self {
        let longest = layout.times.last().map_or(0, |(_, at)| label::millis(*at).len());
        let (time, gaps) = (longest.max(7), diagram.names.len().saturating_sub(1).max(1));
        let gap = if gaps == 1 { GAP } else { NARROW_GAP };
        let room = columns.saturating_sub(time + 3 + gaps * (gap + 1) + 2);
        let name = diagram.names.last().map_or(0, |name| columns_of(name).min(NAME));
        let right = wanted(diagram, diagram.last_place(), ascii).max(name);
        let (left, right) = share(wanted(diagram, 0, ascii), right, room);
        let (first, last) = (time + left + 3, columns.saturating_sub(right + 2));
        let steps = diagram.last_place().max(1);
        let places = (0..=steps).map(|place| first + last.saturating_sub(first) * place / steps).collect();
        Self { signs: if ascii { &ASCII } else { &DRAWN }, ascii, time, places, columns }
    }

    pub(super) fn plain(&self, text: &str) -> String {
        if self.ascii { label::ascii(text) } else { text.to_owned() }
    }

    pub(super) fn column(&self, place: usize) -> usize {
        self.places.get(place).copied().unwrap_or(0)
    }

    /// The names above their lifelines.
    pub(super) fn head(&self, diagram: &Diagram) -> String {
        let mut head = format!("{TIME_HEAD:>time$}", time = self.time);
        let mut used = self.time;
        for (n, name) in diagram.names.iter().enumerate() {
            let (name, column) = (self.plain(name), self.column(2 * n));
            let is_last = n + 1 == diagram.names.len();
            // The first name ends at its lifeline, the last one begins there: so one in the middle has the room between.
            let (centre, end) = match n {
                0 => (1, column + 1),
                _ if is_last => (0, self.columns),
                _ => (2, self.column(2 * n + 2).saturating_sub(1)),
            };
            let name = width::front(&name, end.saturating_sub(if is_last { column } else { used + 1 }));
            let size = columns_of(name);
            let begin = match centre {
                1 => end.saturating_sub(size),
                2 => column.saturating_sub(size / 2).min(end.saturating_sub(size)),
                _ => column,
            };
            let begin = begin.max(used + 1);
            head.extend(std::iter::repeat_n(' ', begin - used));
            head.push_str(name);
            used = begin + size;
        }
        head + "\n"
    }

    pub(super) fn word(&self, trip: &Trip, point: &Point, room: usize) -> String {
        let text = match point.mark {
            // ASCII needs two letters for some of the others.
            Mark::Departure => {
                label::label_within(trip.event, room.saturating_sub(2 * usize::from(self.ascii)))
            }
            _ => short_note(trip, point, self.places.len().saturating_sub(1)),
        };
        self.cut(&self.plain(&text), room)
    }

    fn cut(&self, text: &str, room: usize) -> String {
        if text.chars().count() <= room {
            return text.to_owned();
        }
        let mut short: String = text.chars().take(room.saturating_sub(1)).collect();
        short.push(self.signs.cut);
        short
    }
}

/// Columns that the words at a place need.
fn wanted(diagram: &Diagram, place: usize, ascii: bool) -> usize {
    let mut most = 0;
    for trip in &diagram.trips {
        for point in trip.points.iter().filter(|point| point.place == place) {
            let text = match point.mark {
                Mark::Departure => label::label(trip.event),
                _ => short_note(trip, point, diagram.last_place()),
            };
            let text = if ascii { label::ascii(&text) } else { text };
            most = most.max(text.chars().count());
        }
    }
    most
}

fn short_note(trip: &Trip, point: &Point, last_place: usize) -> String {
    let is_side = point.place == 0 || point.place == last_place;
    let note = if is_side { label::side_note(trip, point) } else { label::note(trip, point) };
    note.replace("dropped: ", "")
}

/// Shares the room between left and right: who wants less than a third gets all of it.
fn share(left: usize, right: usize, room: usize) -> (usize, usize) {
    if left + right <= room {
        return (left, right);
    }
    let least = room / 3;
    let right = right.min(least.max(room.saturating_sub(left)));
    (left.min(room - right), right)
}

pub(super) fn columns_of(text: &str) -> usize {
    text.chars().map(|sign| sign.width().unwrap_or(0)).sum()
}
