//! From time to height. Inside an active stretch the scale is true; a pause is folded, and the fold knows how long it was.
//! Points that would stand on top of each other are moved apart, later ones downwards, so their order is that of time.

use super::Diagram;
use super::trips::{Mark, Point, Trip};

/// A pause longer than this number of flights is folded.
const FOLD_FLIGHTS: u64 = 2;

/// Heights, in rows or pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// Of a usual flight.
    pub(super) flight: u64,
    /// Least distance of two points at one place.
    pub(super) beside: u64,
    /// Least distance of any two points.
    pub(super) apart: u64,
    /// Of a fold, with what is above and below.
    pub(super) fold: u64,
}

/// A pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fold {
    /// Height at which it begins; it ends after [`Scale::fold`].
    pub(super) from: u64,
    /// In microseconds.
    pub(super) length: u64,
}

/// Where everything stands.
#[derive(Debug)]
pub(super) struct Layout {
    /// Heights of the points of each trip.
    pub(super) heights: Vec<Vec<u64>>,
    /// From top to bottom.
    pub(super) folds: Vec<Fold>,
    /// Height and time since the first point, of each point, from top to bottom.
    pub(super) times: Vec<(u64, u64)>,
}

impl Layout {
    pub(super) fn new(diagram: &Diagram, scale: Scale) -> Self {
        let trips = &diagram.trips;
        let order = order(trips);
        let flight = usual_flight(trips, &order);
        let origin = order.first().map_or(0, |(at, _, _)| *at);
        let heights = trips.iter().map(|trip| vec![0; trip.points.len()]).collect();
        let mut layout = Self { heights, folds: Vec::new(), times: Vec::with_capacity(order.len()) };
        let mut lowest = vec![None; diagram.last_place() + 1];
        let mut above: Option<(u64, u64)> = None;
        for (at, trip, point) in order {
            let mut height = above.map_or(0, |above| layout.below(above, at, flight, scale));
            let (point, place) = (&trips[trip].points[point], &mut layout.heights[trip][point]);
            if let Some(lowest) = lowest.get_mut(point.place) {
                height = lowest.map_or(height, |lowest: u64| height.max(lowest + scale.beside));
                *lowest = Some(height);
            }
            *place = height;
            // Nobody saw when a packet died on its way.
            if !is_half_way(point) {
                layout.times.push((height, at - origin));
            }
            above = Some((height, at));
        }
        make_parallel(trips, &mut layout.heights);
        layout
    }

    /// The height of a time, from height and time of the point before it.
    fn below(&mut self, (height, before): (u64, u64), at: u64, flight: u64, scale: Scale) -> u64 {
        let pause = at.saturating_sub(before);
        if pause > flight.saturating_mul(FOLD_FLIGHTS) {
            self.folds.push(Fold { from: height, length: pause });
            return height + scale.fold;
        }
        // At most two flights.
        let grown = u128::from(pause) * u128::from(scale.flight) / u128::from(flight);
        height + u64::try_from(grown).unwrap_or(scale.flight).max(scale.apart)
    }

    /// Height of the lowest point.
    pub(super) fn height(&self) -> u64 {
        self.heights.iter().flatten().copied().max().unwrap_or(0)
    }
}

const fn is_half_way(point: &Point) -> bool {
    matches!(point.mark, Mark::Death(_) | Mark::Unseen)
}

/// An arrow that ends half way falls like the one before it from the same place: so they do not touch, where points were
/// moved apart.
fn make_parallel(trips: &[Trip], heights: &mut [Vec<u64>]) {
    let mut falls = [None; 6];
    for (trip, heights) in trips.iter().zip(heights) {
        for &(from, to) in &trip.legs {
            let is_right = trip.points[to].place > trip.points[from].place;
            // Arrows begin at one of three lifelines.
            let Some(fall) = falls.get_mut(trip.points[from].place + usize::from(is_right)) else { continue };
            if !is_half_way(&trip.points[to]) {
                *fall = Some(heights[to].saturating_sub(heights[from]));
            } else if let Some(fall) = *fall
                && trip.points[from].at < trip.points[to].at
            {
                heights[to] = heights[from] + fall / 2;
            }
        }
    }
}

/// All points by time: time, trip, number in the trip.
fn order(trips: &[Trip]) -> Vec<(u64, usize, usize)> {
    let mut order: Vec<(u64, usize, usize)> = Vec::new();
    for (n, trip) in trips.iter().enumerate() {
        order.extend(trip.points.iter().enumerate().map(|(place, point)| (point.at, n, place)));
    }
    order.sort_unstable();
    order
}

/// How long most trips last, and not less than most pauses: at least 1 µs.
fn usual_flight(trips: &[Trip], order: &[(u64, usize, usize)]) -> u64 {
    let last_leg =
        |trip: &Trip| trip.legs.last().map(|&(_, to)| trip.points[to].at.saturating_sub(trip.began()));
    let flight = median(trips.iter().filter_map(last_leg));
    let pause = median(order.windows(2).map(|pair| pair[1].0 - pair[0].0));
    flight.max(pause).max(1)
}

/// The median of those that are not zero.
fn median(all: impl Iterator<Item = u64>) -> u64 {
    let mut all: Vec<u64> = all.filter(|one| *one > 0).collect();
    all.sort_unstable();
    all.get(all.len() / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::diagram::samples::{stop_and_wait, window_of_four};
    use crate::record::diagram::{Lane, Options};

    const ROWS: Scale = Scale { flight: 4, beside: 1, apart: 1, fold: 2 };

    fn layout(lanes: &[Lane], scale: Scale) -> Layout {
        Layout::new(&Diagram::new(lanes, &Options::default()), scale)
    }

    #[test]
    fn a_pause_is_folded_and_says_how_long_it_was() {
        let layout = layout(&stop_and_wait(2), ROWS);
        assert_eq!(layout.folds.iter().map(|fold| fold.length).collect::<Vec<_>>(), [195_000]);
    }

    #[test]
    fn order_is_that_of_time_and_no_two_points_share_a_row() {
        for lanes in (1..=3).map(|lanes| window_of_four(lanes, true)) {
            let layout = layout(&lanes, ROWS);
            assert!(layout.times.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{:?}", layout.times);
        }
    }

    #[test]
    fn points_at_one_place_are_apart_and_others_may_be_level() {
        let scale = Scale { flight: 64, beside: 16, apart: 0, fold: 30 };
        let lanes = window_of_four(2, false);
        let diagram = Diagram::new(&lanes, &Options::default());
        let layout = Layout::new(&diagram, scale);
        let mut at_client: Vec<u64> = Vec::new();
        for (trip, heights) in diagram.trips.iter().zip(&layout.heights) {
            at_client.extend(
                trip.points
                    .iter()
                    .zip(heights)
                    .filter(|(point, _)| point.place == 0)
                    .map(|(_, height)| *height),
            );
        }
        at_client.sort_unstable();
        assert!(at_client.windows(2).all(|pair| pair[1] - pair[0] >= 16), "{at_client:?}");
    }

    #[test]
    fn times_at_the_end_of_the_scale_do_not_overflow() {
        let mut lanes = stop_and_wait(1);
        lanes[0].events[3].at = crate::base::Time::from_micros(u64::MAX);
        lanes[0].events[0].at = crate::base::Time::ZERO;
        assert!(layout(&lanes, ROWS).height() < 1000);
        assert_eq!(layout(&[], ROWS).height(), 0);
    }
}
