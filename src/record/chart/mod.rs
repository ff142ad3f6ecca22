//! Charts of a transfer over time: rates, round trips, the place in the file as tcptrace draws it, the window, a link.
//!
//! Pure: the same record gives the same bytes. A series has at most [`POINT_LIMIT`] points in the picture, so every picture
//! is bounded; a chart that leaves points out says so.
//!
//! | file | holds |
//! |---|---|
//! | `charted` | what is drawn |
//! | `series` | rates, round trips, windows, links as points |
//! | `sequence` | the place in the file of each packet, as points |
//! | `scale` | axes with units and round values |
//! | `panel` | one chart as a piece of SVG |

mod charted;
mod panel;
mod scale;
mod sequence;
mod series;

pub use charted::{Charted, Count};
pub use panel::POINT_LIMIT;

use crate::base::escape::html;
use panel::{Extent, Panel};

/// Most links that get a chart of their own.
const LINK_LIMIT: usize = 3;
/// Height of the title above stacked charts.
const HEAD: f64 = 34.0;
/// A chart of many below each other, a tall one of them, and one that stands alone.
const STACKED: Extent = Extent { width: 960.0, height: 266.0 };
const TALL: Extent = Extent { width: 960.0, height: 420.0 };
const ALONE: Extent = Extent { width: 440.0, height: 270.0 };

const STYLE: &str = "\
.chart { --ink: #1b1f24; --paper: #ffffff; --faint: #59636e; --grid: #d8dee4; --a: #0b5cad; --b: #b34700; --c: #1a7f37;
  --x: #c4001a; --y: #6e40aa; background: var(--paper) }
@media (prefers-color-scheme: dark) { .chart { --ink: #e6edf3; --paper: #0d1117; --faint: #9198a1; --grid: #2f353d;
  --a: #6cb6ff; --b: #ffa657; --c: #57d364; --x: #ff7b72; --y: #d2a8ff } }
.chart .p { fill: var(--paper) }
.chart text { font: 11px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; fill: var(--ink); stroke: none;
  font-variant-numeric: tabular-nums }
.chart .h { font-size: 13px; font-weight: 600 } .chart .n { font-size: 15px; font-weight: 600 }
.chart .t { fill: var(--faint) } .chart .r { fill: var(--faint); font-style: italic }
.chart .e { text-anchor: end } .chart .m { text-anchor: middle }
.chart .g { stroke: var(--grid); stroke-width: 1; fill: none } .chart .k { stroke: var(--faint); stroke-width: 1; fill: none }
.chart .l { fill: none; stroke-width: 1.8; stroke-linejoin: round } .chart .s { fill: none; stroke-width: 1.6 }
.chart .f { stroke-width: 1.4 }
.chart .a { stroke: var(--a) } .chart .b { stroke: var(--b) } .chart .c { stroke: var(--c) } .chart .x { stroke: var(--x) }
.chart .y { stroke: var(--y) } .chart .f.b { fill: none } .chart .f.x { fill: var(--x) } .chart .f.y { fill: var(--paper) }
.chart .l.b { stroke-dasharray: 7 3 } .chart .l.c { stroke-width: 1.3 } .chart .s.x { stroke-width: 2 }";

/// The charts that have something to show, and for how many seconds.
fn panels(record: &Charted) -> (Vec<Panel>, f64) {
    let (clock, of_packets) = (record.clock(), record.has_packets());
    let mut panels = vec![series::throughput(record, clock, of_packets)];
    panels.extend(sequence::panel(record, clock));
    panels.push(series::window(record, clock));
    panels.push(series::round_trip(record, clock, of_packets));
    panels.extend(record.links.iter().take(LINK_LIMIT).map(|lane| series::link(lane, clock)));
    panels.retain(|panel| !panel.is_empty());
    (panels, clock.length)
}

/// All charts of a record below each other, as an SVG document.
pub fn svg(record: &Charted) -> String {
    let (panels, length) = panels(record);
    let mut inner = format!("<text class=\"n\" x=\"12\" y=\"24\">{}</text>\n", html::escape(&record.name));
    let mut top = HEAD;
    for panel in &panels {
        let extent = if panel.tall { TALL } else { STACKED };
        inner.push_str(&format!(
            "<g transform=\"translate(0,{top:.0})\">\n{}</g>\n",
            panel.draw(length, extent)
        ));
        top += extent.height;
    }
    if panels.is_empty() {
        top += HEAD;
        let y = HEAD + 20.0;
        inner.push_str(&format!(
            "<text class=\"r\" x=\"12\" y=\"{y:.0}\">no packets and no bytes so far</text>\n"
        ));
    }
    document(&record.name, Extent { height: top, ..STACKED }, &inner)
}

/// Each chart of a record as an SVG of its own, for a page.
pub fn pieces(record: &Charted) -> Vec<String> {
    let (panels, length) = panels(record);
    panels.iter().map(|panel| document(&panel.title, ALONE, &panel.draw(length, ALONE))).collect()
}

fn document(title: &str, extent: Extent, inner: &str) -> String {
    let Extent { width, height } = extent;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" role=\"img\">\n<title>{}</title>\n<style>\n{STYLE}\n</style>\n\
         <rect class=\"p\" width=\"{width:.0}\" height=\"{height:.0}\"/>\n{inner}</svg>\n",
        html::escape(title)
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::Time;
    use crate::record::diagram::Lane;
    use crate::record::diagram::samples::{big, stop_and_wait, window_of_four};
    use crate::record::{Acked, Cause, Fate, Kind, NO_NUMBER, PacketEvent, Way};

    fn charted(lanes: Vec<Lane>) -> Charted {
        let mut lanes = lanes.into_iter();
        let own = lanes.next().unwrap_or_default();
        let links = lanes.filter(|lane| lane.name.contains("link")).collect();
        Charted { name: own.name, events: own.events, links, ..Charted::default() }
    }

    #[test]
    fn a_transfer_has_a_chart_of_each_kind_and_its_loss_is_in_it() {
        let mut record = charted(window_of_four(3, true));
        record.events.iter_mut().for_each(|event| (event.window, event.in_flight) = (4096, 1024));
        let svg = svg(&record);
        let titles = [
            "Throughput",
            "Place in the file",
            "Window and bytes",
            "Smoothed round trip",
            "Link link 5% loss",
        ];
        for title in titles {
            assert!(svg.contains(title), "{title}: {svg}");
        }
        for word in ["KiB/s", "ms", "sent again", "lost", "acknowledged", "received", "1 lost"] {
            assert!(svg.contains(word), "{word}: {svg}");
        }
        assert_eq!(pieces(&record).len(), titles.len());
        let again = charted(stop_and_wait(1));
        assert!(super::svg(&again).contains("sent again") && !super::svg(&again).contains("Link"));
    }

    #[test]
    fn nothing_is_a_picture_that_says_so() {
        assert!(svg(&Charted::default()).contains("no packets and no bytes so far"));
        assert!(pieces(&Charted::default()).is_empty());
    }

    #[test]
    fn counts_alone_give_rates_and_round_trips() {
        let count = |at, bytes_out| Count {
            at: Duration::from_millis(at),
            bytes_out,
            round_trip: Some(Duration::from_millis(3)),
            ..Count::default()
        };
        let frame = PacketEvent { kind: Kind::Frame, size: 10, ..PacketEvent::default() };
        let record = Charted {
            events: vec![frame; 3],
            counts: vec![count(0, 0), count(100, 1 << 20), count(200, 2 << 20)],
            ..Charted::default()
        };
        let svg = svg(&record);
        assert!(svg.contains("Throughput") && svg.contains("MiB/s") && svg.contains("Smoothed"), "{svg}");
        assert!(!svg.contains("received") && !svg.contains("Window"), "{svg}");
    }

    #[test]
    fn many_points_are_sampled_and_the_chart_says_so() {
        let svg = svg(&charted(big(100_000)));
        assert!(svg.len() < 400_000, "{}", svg.len());
        assert!(svg.contains("sampled: 1500 of 100000 points"), "{svg}");
    }

    #[test]
    fn foreign_names_stay_text_and_nothing_is_loaded() {
        let mut record = charted(stop_and_wait(3));
        record.name = "</text><script>alert('1')</script>".into();
        record.links[0].name = "\"\u{1}\u{ffff}]]>".into();
        let svg = svg(&record);
        assert!(!svg.contains("<script") && svg.contains("&lt;/text&gt;&lt;script&gt;alert(&#39;1"), "{svg}");
        assert!(!svg.contains(['\u{1}', '\u{ffff}']) && !svg.contains("]]>"));
        assert_eq!(svg.matches("http").count(), 1, "the name space");
    }

    #[test]
    fn nonsense_is_drawn_within_all_bounds_and_always_the_same() {
        let mut seed = 1u64;
        let mut draw = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        for round in 0..200 {
            let events: Vec<PacketEvent> = (0..40)
                .map(|_| PacketEvent {
                    at: Time::from_micros(if draw(9) == 0 { u64::MAX - draw(9) } else { draw(50_000) }),
                    way: Way::ALL[draw(2) as usize],
                    kind: Kind::ALL[draw(12) as usize],
                    number: if draw(4) == 0 { NO_NUMBER } else { draw(9) },
                    offset: if draw(2) == 0 { u64::MAX - draw(9) } else { draw(9) },
                    length: [0, 1, u32::MAX][draw(3) as usize],
                    acked: Acked {
                        ranges: [(draw(9), draw(9)), (0, u64::MAX), (draw(9), 3)],
                        count: draw(9) as u16,
                    },
                    fate: Fate::ALL[draw(14) as usize],
                    cause: Cause::ALL.get(draw(9) as usize).copied(),
                    window: [0, 1, u32::MAX][draw(3) as usize],
                    ..PacketEvent::default()
                })
                .collect();
            let links = vec![Lane { name: "l".into(), events: events.clone() }; round % 3];
            let counts = vec![Count { at: Duration::MAX, bytes_in: u64::MAX, ..Count::default() }; round % 4];
            let record = Charted { name: "n".into(), events, links, counts };
            let svg = svg(&record);
            assert_eq!(svg, super::svg(&record));
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }
}
