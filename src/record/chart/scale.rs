//! Axes: units that fit, round tick values, and places between 0 and 1.

/// What an axis measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quantity {
    /// In seconds.
    Time,
    /// In bytes.
    Size,
    /// In bytes a second.
    Rate,
    /// Of packets.
    Count,
}

const TIMES: [(f64, &str); 4] = [(3600.0, "h"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs")];
const SIZES: [(f64, &str); 6] = [
    (1_125_899_906_842_624.0, "PiB"),
    (1_099_511_627_776.0, "TiB"),
    (1_073_741_824.0, "GiB"),
    (1_048_576.0, "MiB"),
    (1024.0, "KiB"),
    (1.0, "B"),
];
const RATES: [(f64, &str); 6] = [
    (1_125_899_906_842_624.0, "PiB/s"),
    (1_099_511_627_776.0, "TiB/s"),
    (1_073_741_824.0, "GiB/s"),
    (1_048_576.0, "MiB/s"),
    (1024.0, "KiB/s"),
    (1.0, "B/s"),
];
const COUNTS: [(f64, &str); 1] = [(1.0, "packets")];

impl Quantity {
    const fn units(self) -> &'static [(f64, &'static str)] {
        match self {
            Self::Time => &TIMES,
            Self::Size => &SIZES,
            Self::Rate => &RATES,
            Self::Count => &COUNTS,
        }
    }

    /// The largest unit of which `span` has at least two; the smallest one if it has none.
    fn unit(self, span: f64) -> (f64, &'static str) {
        let units = self.units();
        let fits = units.iter().find(|(size, _)| span >= *size * 2.0);
        fits.or(units.last()).copied().unwrap_or((1.0, ""))
    }
}

/// An axis from its low to its high end.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    pub(super) unit: &'static str,
    /// Places between 0 and 1, and the words there.
    pub(super) ticks: Vec<(f64, String)>,
}

impl Axis {
    /// An axis that holds all from `low` to `high`, with about `most` ticks. `whole`: it ends at a tick on both sides.
    pub(super) fn new(quantity: Quantity, (low, high): (f64, f64), most: usize, whole: bool) -> Self {
        let (scale, unit) = quantity.unit(high.abs().max(low.abs()));
        let least = if scale <= 1.0 && quantity != Quantity::Time { 1.0 } else { 0.0 };
        let (mut low, mut high) = (low / scale, high / scale);
        // A span that numbers of this size cannot show would have ticks that are all the same.
        if high.is_nan() || low.is_nan() || high - low <= high.abs() * 1e-9 {
            high = low + low.abs().max(1.0);
        }
        let step = round_step((high - low) / most.max(1) as f64).max(least);
        if whole {
            (low, high) = ((low / step).floor() * step, (high / step).ceil() * step);
        }
        let digits = (-(step.log10() + 1e-9).floor()).clamp(0.0, 9.0) as usize;
        let first = (low / step - 1e-6).ceil();
        let ticks = (0..=2 * most)
            .map(|n| (first + n as f64) * step)
            .take_while(|value| *value <= high + step * 1e-6)
            .map(|value| ((value - low) / (high - low), format!("{:.digits$}", value.max(0.0))))
            .collect();
        Self { low: low * scale, high: high * scale, unit, ticks }
    }

    /// Where a value is: 0 at the low end, 1 at the high one, never outside.
    pub(super) fn place(&self, value: f64) -> f64 {
        let place = (value - self.low) / (self.high - self.low);
        if place.is_nan() { 0.0 } else { place.clamp(0.0, 1.0) }
    }
}

/// The smallest of 1, 2 and 5 times a power of ten that is not less than `least`.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.max(f64::MIN_POSITIVE).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    steps.into_iter().find(|step| *step >= least * (1.0 - 1e-9)).unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, word)| word.as_str()).collect()
    }

    #[test]
    fn ticks_are_round_and_in_a_unit_that_fits() {
        let axis = Axis::new(Quantity::Rate, (0.0, 3.3 * 1_048_576.0), 4, true);
        assert_eq!((axis.unit, words(&axis)), ("MiB/s", vec!["0", "1", "2", "3", "4"]));
        let axis = Axis::new(Quantity::Time, (0.0, 0.0123), 5, false);
        assert_eq!((axis.unit, words(&axis)), ("ms", vec!["0", "5", "10"]));
        let axis = Axis::new(Quantity::Time, (0.0, 0.9), 4, false);
        assert_eq!((axis.unit, words(&axis)), ("ms", vec!["0", "500"]));
        let axis = Axis::new(Quantity::Count, (0.0, 2.0), 5, true);
        assert_eq!((axis.unit, words(&axis)), ("packets", vec!["0", "1", "2"]));
        let axis = Axis::new(Quantity::Size, (1000.0, 3600.0), 5, true);
        assert_eq!((axis.unit, words(&axis)), ("KiB", vec!["0", "1", "2", "3", "4"]));
    }

    #[test]
    fn no_value_is_outside_and_no_axis_is_endless() {
        for (low, high) in
            [(0.0, 0.0), (5.0, 5.0), (0.0, f64::MAX), (f64::NAN, 1.0), (1.8e19, 1.9e19), (3.0, 1.0)]
        {
            for quantity in [Quantity::Time, Quantity::Size, Quantity::Rate, Quantity::Count] {
                let axis = Axis::new(quantity, (low, high), 5, true);
                assert!(axis.ticks.len() <= 11, "{axis:?}");
                for value in [low, high, -1.0, f64::NAN, f64::INFINITY] {
                    assert!((0.0..=1.0).contains(&axis.place(value)), "{axis:?}");
                }
            }
        }
    }
}
