//! One chart: its axes, its curves and marks, its legend, as a piece of SVG.

use super::scale::{Axis, Quantity};
use crate::base::escape::html::escape;

/// Most points of a series in a picture.
pub const POINT_LIMIT: usize = 1500;

/// Room around the drawing: left, right, top, bottom.
const LEFT: f64 = 58.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 58.0;
const BOTTOM: f64 = 50.0;
/// Pixels of a letter in the legend, about.
const LETTER: f64 = 6.1;
/// Least height of a segment of the file.
const LEAST: f64 = 3.0;
/// Half the size of a mark.
const MARK: f64 = 3.5;

/// How points are drawn. Each is told from the others by its form as well as by its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A line that stays until the next point.
    Steps,
    /// An upright stroke from one value to another.
    Segments,
    /// A box around such a stroke.
    Boxes,
    /// A cross.
    Crosses,
    /// A stroke from the ground, with a triangle on top.
    Bars,
}

/// The colour and the dashes of a series, in the style sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    First,
    Second,
    Third,
    Bad,
    Worse,
}

impl Look {
    const fn class(self) -> &'static str {
        match self {
            Self::First => "a",
            Self::Second => "b",
            Self::Third => "c",
            Self::Bad => "x",
            Self::Worse => "y",
        }
    }
}

/// Points of one kind.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) name: &'static str,
    pub(super) form: Form,
    pub(super) look: Look,
    /// Seconds, the value, and the second value of [`Form::Segments`] and [`Form::Boxes`].
    pub(super) points: Vec<(f64, f64, f64)>,
}

/// A chart that is not drawn yet.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    pub(super) title: String,
    pub(super) quantity: Quantity,
    /// The axis begins at 0, not at the least value.
    pub(super) from_zero: bool,
    /// It needs height to be read.
    pub(super) tall: bool,
    pub(super) series: Vec<Series>,
    /// What the reader must know.
    pub(super) remark: Option<String>,
}

/// The size of a chart in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Extent {
    pub(super) width: f64,
    pub(super) height: f64,
}

/// The frame in which points get their places.
struct Frame {
    extent: Extent,
    time: Axis,
    value: Axis,
}

impl Frame {
    fn x(&self, time: f64) -> f64 {
        LEFT + self.time.place(time) * (self.extent.width - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        self.ground() - self.value.place(value) * (self.ground() - TOP)
    }

    fn ground(&self) -> f64 {
        self.extent.height - BOTTOM
    }
}

impl Panel {
    pub(super) fn is_empty(&self) -> bool {
        self.series.iter().all(|series| series.points.is_empty())
    }

    /// The chart over `end` seconds.
    pub(super) fn draw(&self, end: f64, extent: Extent) -> String {
        let values =
            || self.series.iter().flat_map(|series| &series.points).flat_map(|point| [point.1, point.2]);
        let high = values().fold(f64::MIN, f64::max);
        let low = if self.from_zero { 0.0 } else { values().fold(f64::MAX, f64::min) };
        let ticks = (extent.width / 90.0) as usize;
        let frame = Frame {
            extent,
            time: Axis::new(Quantity::Time, (0.0, end), ticks, false),
            value: Axis::new(self.quantity, (low, high), 5, true),
        };
        let mut out = format!("<text class=\"h\" x=\"12\" y=\"20\">{}</text>\n", escape(&self.title));
        axes(&mut out, &frame);
        let mut left_out = (0, 0);
        let mut x = LEFT;
        for series in self.series.iter().filter(|series| !series.points.is_empty()) {
            let points = sampled(&series.points);
            if points.len() < series.points.len() {
                left_out = (left_out.0 + points.len(), left_out.1 + series.points.len());
            }
            let path = path(&frame, series.form, &points);
            let class = class(series);
            out.push_str(&format!("<path class=\"{class}\" d=\"{path}\"/>\n"));
            legend(&mut out, x, series, &class);
            x += 42.0 + LETTER * series.name.chars().count() as f64;
        }
        let sampled = (left_out.1 > 0).then(|| format!("sampled: {} of {} points", left_out.0, left_out.1));
        let remarks: Vec<String> = self.remark.iter().cloned().chain(sampled).collect();
        out.push_str(&format!(
            "<text class=\"r\" x=\"{LEFT:.1}\" y=\"{:.1}\">{}</text>\n",
            frame.ground() + 38.0,
            escape(&remarks.join("; "))
        ));
        out
    }
}

fn class(series: &Series) -> String {
    let form = match series.form {
        Form::Steps => "l",
        Form::Segments | Form::Crosses => "s",
        Form::Boxes | Form::Bars => "f",
    };
    format!("{form} {}", series.look.class())
}

/// At most [`POINT_LIMIT`] points, evenly chosen, the first and the last among them.
fn sampled(points: &[(f64, f64, f64)]) -> Vec<(f64, f64, f64)> {
    if points.len() <= POINT_LIMIT {
        return points.to_vec();
    }
    (0..POINT_LIMIT).map(|n| points[n * (points.len() - 1) / (POINT_LIMIT - 1)]).collect()
}

fn axes(out: &mut String, frame: &Frame) {
    let (right, ground) = (frame.extent.width - RIGHT, frame.ground());
    for (place, word) in &frame.value.ticks {
        let y = ground - place * (ground - TOP);
        out.push_str(&format!(
            "<path class=\"g\" d=\"M{LEFT:.1} {y:.1}H{right:.1}\"/><text class=\"t e\" x=\"{:.1}\" y=\"{:.1}\">{word}</text>\n",
            LEFT - 6.0,
            y + 4.0
        ));
    }
    out.push_str(&format!(
        "<text class=\"t e\" x=\"{:.1}\" y=\"{:.1}\">{}</text>\n",
        LEFT - 6.0,
        TOP - 18.0,
        frame.value.unit
    ));
    for (place, word) in &frame.time.ticks {
        let x = LEFT + place * (right - LEFT);
        // The words at the ends stay within the picture, and leave the corner to the unit.
        if x > right - 34.0 {
            continue;
        }
        out.push_str(&format!(
            "<path class=\"k\" d=\"M{x:.1} {ground:.1}v5\"/><text class=\"t m\" x=\"{x:.1}\" y=\"{:.1}\">{word}</text>\n",
            ground + 18.0
        ));
    }
    out.push_str(&format!(
        "<text class=\"t e\" x=\"{right:.1}\" y=\"{:.1}\">{}</text>\n<path class=\"k\" d=\"M{LEFT:.1} {TOP:.1}V{ground:.1}H{right:.1}\"/>\n",
        ground + 18.0,
        frame.time.unit
    ));
}

fn legend(out: &mut String, x: f64, series: &Series, class: &str) {
    let y = TOP - 22.0;
    let path = match series.form {
        Form::Steps => format!("M{x:.1} {y:.1}h26"),
        Form::Segments => format!("M{:.1} {:.1}v10m7-10v10m7-10v10", x + 6.0, y - 5.0),
        Form::Boxes => boxed(x + 13.0, y - 4.0, y + 4.0),
        Form::Crosses => cross(x + 13.0, y),
        Form::Bars => bar(x + 13.0, y + 2.0, y + 7.0),
    };
    out.push_str(&format!(
        "<path class=\"{class}\" d=\"{path}\"/><text class=\"t\" x=\"{:.1}\" y=\"{:.1}\">{}</text>\n",
        x + 32.0,
        y + 4.0,
        series.name
    ));
}

fn path(frame: &Frame, form: Form, points: &[(f64, f64, f64)]) -> String {
    let mut out = String::new();
    for (n, &(time, value, second)) in points.iter().enumerate() {
        let (x, y) = (frame.x(time), frame.y(value));
        let other = frame.y(second).min(y - LEAST);
        out.push_str(&match form {
            Form::Steps if n == 0 => format!("M{x:.1} {y:.1}"),
            Form::Steps => format!("H{x:.1}V{y:.1}"),
            Form::Segments => format!("M{x:.1} {y:.1}V{other:.1}"),
            Form::Boxes => boxed(x, other.min(y - 2.0 * LEAST), y),
            Form::Crosses => cross(x, y),
            Form::Bars => bar(x, y, frame.ground()),
        });
    }
    out
}

fn boxed(x: f64, top: f64, bottom: f64) -> String {
    format!("M{:.1} {bottom:.1}V{top:.1}h{:.1}V{bottom:.1}z", x - MARK, 2.0 * MARK)
}

fn cross(x: f64, y: f64) -> String {
    let size = 2.0 * MARK;
    format!("M{:.1} {:.1}l{size:.1} {size:.1}m0-{size:.1}l-{size:.1} {size:.1}", x - MARK, y - MARK)
}

fn bar(x: f64, y: f64, ground: f64) -> String {
    format!(
        "M{x:.1} {ground:.1}V{y:.1}l-{MARK:.1}-{:.1}h{:.1}l-{MARK:.1} {:.1}",
        2.0 * MARK,
        2.0 * MARK,
        2.0 * MARK
    )
}
