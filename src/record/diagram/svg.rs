//! The diagram as a picture: one self-contained SVG without script, fonts or other files.

use super::label::{self, Look};
use super::layout::{Fold, Layout, Scale};
use super::trips::{Mark, Point, Trip};
use super::{Diagram, Lane, NAME_LIMIT, Options};
use crate::base::escape::html::escape;
use crate::base::width;
use crate::record::Fate;

const PIXELS: Scale = Scale { flight: 72, beside: 16, apart: 2, fold: 44 };
const WIDTH: u64 = 960;
/// Left and right lifeline; labels stand outside of them.
const LIFELINES: (u64, u64) = (360, 740);
/// The line of time.
const AXIS: u64 = 76;
/// Height of the first point; names and remarks are above.
const TOP: u64 = 96;
/// Least distance of two times at the axis.
const TICK: u64 = 14;
/// Most letters beside the left and the right lifeline.
const LETTERS: (usize, usize) = (40, 31);

/// Columns of a name with another lane on both sides.
const NAME_COLUMNS: usize = 22;

const STYLE: &str = "\
svg { --ink: #1b1f24; --paper: #ffffff; --faint: #8a929c; --data: #0b5cad; --again: #b34700; --ack: #1a7f37;
  --control: #6e40aa; --lost: #c4001a; background: var(--paper) }
@media (prefers-color-scheme: dark) { svg { --ink: #e6edf3; --paper: #0d1117; --faint: #7d8590; --data: #6cb6ff;
  --again: #ffa657; --ack: #57d364; --control: #d2a8ff; --lost: #ff7b72 } }
text { font: 11px ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace; fill: var(--ink);
  paint-order: stroke; stroke: var(--paper); stroke-width: 3px }
.name { font: bold 13px system-ui, sans-serif; text-anchor: middle }
.remark { font: 12px system-ui, sans-serif; fill: var(--faint) }
.time { fill: var(--faint); text-anchor: end; font-size: 10px }
.left { text-anchor: end } .verdict { font-style: italic; fill: var(--lost) }
.seen { fill: var(--faint) }
.paper { fill: var(--paper) } .life, .axis { stroke: var(--ink); stroke-width: 1.5; fill: none }
.axis { stroke: var(--faint); stroke-width: 1 }
.trip { stroke-width: 1.5; fill: none } .again { stroke-width: 2.5 }
.data { stroke: var(--data) } .again { stroke: var(--again); stroke-dasharray: 9 3 2 3 }
.ack { stroke: var(--ack); stroke-dasharray: 3 3 } .control { stroke: var(--control); stroke-width: 1 }
.head-data { fill: var(--data) } .head-again { fill: var(--again) } .head-ack { fill: var(--ack) }
.head-control { fill: var(--control) }
.death circle { fill: var(--paper); stroke: var(--lost); stroke-width: 1.5 }
.death path { stroke: var(--lost); stroke-width: 2 }";

/// The diagram as an SVG document. Its height is bounded, as the number of packets is.
pub fn svg(lanes: &[Lane], options: &Options) -> String {
    let diagram = Diagram::new(lanes, options);
    let layout = Layout::new(&diagram, PIXELS);
    let bottom = TOP + layout.height() + 20;
    let height = bottom + 20;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\">\n<title>Time-sequence diagram</title>\n<style>\n{STYLE}\n</style>\n"
    );
    out.push_str(&heads());
    out.push_str(&format!("<rect class=\"paper\" width=\"{WIDTH}\" height=\"{height}\"/>\n"));
    let remarks: Vec<String> = diagram.summary().into_iter().chain(diagram.remarks(options)).collect();
    let remarks = remarks.join("; ");
    out.push_str(&format!("<text class=\"remark\" x=\"16\" y=\"22\">{}</text>\n", escape(&remarks)));
    legend(&mut out, &diagram);
    axis(&mut out, &layout, bottom);
    for (n, name) in diagram.names.iter().enumerate() {
        // The names of three lanes stand closer.
        let room = if diagram.names.len() > 2 { NAME_COLUMNS } else { NAME_LIMIT };
        let name = width::front(name, room);
        lifeline(&mut out, (across(&diagram, 2 * n), bottom), name, &layout.folds);
    }
    let drawn = || diagram.trips.iter().zip(&layout.heights);
    drawn().for_each(|(trip, heights)| arrows(&mut out, &diagram, trip, heights));
    drawn().for_each(|(trip, heights)| words(&mut out, &diagram, trip, heights));
    out.push_str("</svg>\n");
    out
}

const fn class(look: Look) -> &'static str {
    match look {
        Look::Data => "data",
        Look::Again => "again",
        Look::Ack => "ack",
        Look::Control => "control",
    }
}

/// The heads of arrows.
fn heads() -> String {
    let head = |look: &Look| {
        let class = class(*look);
        format!(
            "<marker id=\"head-{class}\" viewBox=\"0 0 10 10\" refX=\"9.5\" refY=\"5\" markerWidth=\"9\" markerHeight=\"9\" \
             markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path class=\"head-{class}\" d=\"M0 1 10 5 0 9z\"/></marker>\n"
        )
    };
    format!("<defs>\n{}</defs>\n", Look::ALL.iter().map(head).collect::<String>())
}

/// From a place to pixels.
fn across(diagram: &Diagram, place: usize) -> u64 {
    let (first, last) = LIFELINES;
    first + (last - first) * place as u64 / diagram.last_place().max(1) as u64
}

fn legend(out: &mut String, diagram: &Diagram) {
    let used = |look: &&Look| diagram.trips.iter().any(|trip| Look::of(trip.event) == **look);
    for (n, look) in Look::ALL.iter().filter(used).enumerate() {
        let (x, class) = (16 + 120 * n as u64, class(*look));
        out.push_str(&format!(
            "<path class=\"trip {class}\" marker-end=\"url(#head-{class})\" d=\"M{x} 40h34\"/>\
             <text x=\"{}\" y=\"44\">{}</text>\n",
            x + 40,
            look.word()
        ));
    }
}

fn axis(out: &mut String, layout: &Layout, bottom: u64) {
    if layout.times.is_empty() {
        return;
    }
    out.push_str(&format!("<text class=\"time\" x=\"{}\" y=\"{}\">ms</text>\n", AXIS - 8, TOP - 18));
    line(out, "axis", (AXIS, bottom), &layout.folds);
    let mut free = 0;
    for &(height, at) in &layout.times {
        if height < free {
            continue;
        }
        let y = TOP + height;
        free = height + TICK;
        out.push_str(&format!(
            "<path class=\"axis\" d=\"M{} {y}h8\"/><text class=\"time\" x=\"{}\" y=\"{}\">{}</text>\n",
            AXIS - 4,
            AXIS - 8,
            y + 3,
            label::millis(at)
        ));
    }
    for fold in &layout.folds {
        out.push_str(&format!(
            "<text x=\"{}\" y=\"{}\">⋮ {}</text>\n",
            AXIS + 10,
            TOP + fold.from + PIXELS.fold / 2 + 4,
            label::length(fold.length)
        ));
    }
}

fn lifeline(out: &mut String, (x, bottom): (u64, u64), name: &str, folds: &[Fold]) {
    out.push_str(&format!("<text class=\"name\" x=\"{x}\" y=\"{}\">{}</text>\n", TOP - 18, escape(name)));
    line(out, "life", (x, bottom), folds);
}

/// A vertical line with a zigzag where time is folded.
fn line(out: &mut String, class: &str, (x, bottom): (u64, u64), folds: &[Fold]) {
    let mut path = format!("M{x} {}", TOP - 10);
    for fold in folds {
        path.push_str(&format!("V{}l-6 4 12 8-12 8 12 8-6 4", TOP + fold.from + (PIXELS.fold - 32) / 2));
    }
    out.push_str(&format!("<path class=\"{class}\" d=\"{path}V{bottom}\"/>\n"));
}

fn arrows(out: &mut String, diagram: &Diagram, trip: &Trip, heights: &[u64]) {
    let class = class(Look::of(trip.event));
    for &(from, to) in &trip.legs {
        let spot = |n: usize| (across(diagram, trip.points[n].place), TOP + heights[n]);
        let ((x1, y1), (x2, y2)) = (spot(from), spot(to));
        let point = &trip.points[to];
        let said = label::note(trip, point);
        let said = if said.is_empty() {
            label::label(trip.event)
        } else {
            format!("{}: {said}", label::label(trip.event))
        };
        let head =
            if point.is_death() { String::new() } else { format!(" marker-end=\"url(#head-{class})\"") };
        out.push_str(&format!(
            "<path class=\"trip {class}\"{head} d=\"M{x1} {y1}L{x2} {y2}\"><title>{}</title></path>\n",
            escape(&said)
        ));
        if point.is_death() {
            out.push_str(&format!(
                "<g class=\"death\"><title>{}</title><circle cx=\"{x2}\" cy=\"{y2}\" r=\"7\"/>\
                 <path d=\"M{} {}l7 7m0-7l-7 7\"/></g>\n",
                escape(&said),
                x2.saturating_sub(3),
                y2.saturating_sub(3)
            ));
        }
    }
}

fn words(out: &mut String, diagram: &Diagram, trip: &Trip, heights: &[u64]) {
    for (point, height) in trip.points.iter().zip(heights) {
        let full = match point.mark {
            Mark::Departure => label::label(trip.event),
            _ if point.place == 0 || point.place == diagram.last_place() => label::side_note(trip, point),
            _ => label::note(trip, point),
        };
        if !full.is_empty() {
            word(out, diagram, (point, TOP + height), &full);
        }
    }
}

fn word(out: &mut String, diagram: &Diagram, (point, y): (&Point, u64), full: &str) {
    let x = across(diagram, point.place);
    let (letters, x, side) = match point.place {
        0 => (LETTERS.0, x - 10, "left"),
        place if place == diagram.last_place() => (LETTERS.1, x + 10, "right"),
        _ => (LETTERS.1, x + 11, "right"),
    };
    let is_short = full.chars().count() <= letters;
    let verdict = match point.mark {
        Mark::Departure => "",
        Mark::Stop(Fate::Arrived) => " seen",
        _ => " verdict",
    };
    let (short, title) = if is_short {
        (full.to_owned(), String::new())
    } else {
        let cut: String = full.chars().take(letters - 1).collect();
        (cut + "…", format!("<title>{}</title>", escape(full)))
    };
    out.push_str(&format!(
        "<text class=\"{side}{verdict}\" x=\"{x}\" y=\"{}\">{title}{}</text>\n",
        y + 4,
        escape(&short)
    ));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::diagram::samples::{stop_and_wait, window_of_four};

    #[test]
    fn each_packet_and_each_loss_is_in_the_picture() {
        for lanes in (1..=3).flat_map(|lanes| [stop_and_wait(lanes), window_of_four(lanes, false)]) {
            let svg = svg(&lanes, &Options::default());
            let diagram = Diagram::new(&lanes, &Options::default());
            for trip in &diagram.trips {
                assert!(svg.contains(&escape(&label::label(trip.event))), "{:?}", trip.event);
            }
            assert_eq!(svg.matches("<circle").count(), 1);
        }
    }

    #[test]
    fn foreign_names_stay_text_and_nothing_is_loaded() {
        let mut lanes = stop_and_wait(3);
        lanes.remove(1);
        lanes[0].name = "</text><script>alert('1')</script>&".into();
        lanes[1].name = "\"\u{1}\u{ffff}]]>".into();
        let svg = svg(&lanes, &Options::default());
        assert!(!svg.contains("<script") && svg.contains("&lt;/text&gt;&lt;script&gt;alert(&#39;1"), "{svg}");
        assert!(!svg.contains('\u{1}') && !svg.contains('\u{ffff}') && !svg.contains("]]>"));
        assert_eq!(svg.matches("http").count(), 1, "the name space");
        assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
    }

    #[test]
    fn nothing_is_a_picture_too() {
        assert!(svg(&[], &Options::default()).contains("no packets"));
    }
}
