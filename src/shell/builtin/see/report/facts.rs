//! A session as a page shows it: all that is known, taken once.

use std::time::Duration;

use super::super::charted::charted;
use super::super::diagram::lanes;
use super::super::witness::witnesses;
use crate::record::chart;
use crate::record::diagram::{self, Options};
use crate::record::line::{line, millis};
use crate::record::{slowest, total};
use crate::session::{Session, State};
use crate::shell::Shell;

/// Packets of the diagram, of the table of the slowest, and lost ones that are explained.
const DIAGRAM_PACKETS: usize = 24;
const SLOWEST: usize = 8;
const LOST: usize = 12;

/// A packet whose acknowledgement took long.
pub(super) struct Slow {
    pub(super) line: String,
    pub(super) left_at: String,
    pub(super) took: Duration,
}

/// A session. All texts are plain; they may be foreign.
pub(super) struct Facts {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) state: State,
    pub(super) peer: String,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) age: Duration,
    pub(super) retransmitted: u64,
    /// Each an SVG.
    pub(super) charts: Vec<String>,
    /// An SVG; `None`: no packets.
    pub(super) diagram: Option<String>,
    pub(super) explained: Vec<String>,
    pub(super) slow: Vec<Slow>,
    /// Number, and what became of it.
    pub(super) lost: Vec<(u64, Vec<String>)>,
    /// Lost ones that are not explained.
    pub(super) more_lost: usize,
    /// Events that are kept no more.
    pub(super) forgotten: u64,
    /// There would be pictures, but the page has enough of them.
    pub(super) bare: bool,
}

impl Facts {
    /// `pictures`: the number of sessions that have some already, at most `most`.
    pub(super) fn of(shell: &Shell, session: &Session, pictures: &mut usize, most: usize) -> Self {
        let (events, forgotten) = session.packets();
        let recorded = total("retransmissions", &events).unwrap_or_default();
        let address = session.field("addr").map_or_else(|| session.peer(), |address| address.to_string());
        let mut facts = Self {
            id: session.id,
            name: hidden(shell, &session.label()),
            kind: hidden(shell, &session.kind),
            state: session.state(),
            peer: hidden(shell, &address),
            bytes_in: session.bytes_in(),
            bytes_out: session.bytes_out(),
            age: session.age(),
            retransmitted: session.retransmitted().max(recorded),
            charts: Vec::new(),
            diagram: None,
            explained: Vec::new(),
            slow: Vec::new(),
            lost: Vec::new(),
            more_lost: 0,
            forgotten,
            bare: false,
        };
        if events.is_empty() && session.samples().len() < 2 {
            return facts;
        }
        facts.bare = *pictures >= most;
        if !facts.bare {
            facts.look(shell, session);
            *pictures += usize::from(!facts.charts.is_empty());
        }
        facts
    }

    /// Takes the pictures and the packets.
    fn look(&mut self, shell: &Shell, session: &Session) {
        let mut seen = witnesses(shell.registry(), session, usize::MAX);
        let places = seen.links.iter_mut().chain(&mut seen.peers);
        places.for_each(|(name, _)| *name = hidden(shell, name));
        let mut record = charted(session, &seen);
        record.name = hidden(shell, &record.name);
        self.charts = chart::pieces(&record);
        if seen.own.is_empty() {
            return;
        }
        self.explained = seen.explain_all();
        let began = seen.own.first().map(|event| event.at).unwrap_or_default();
        self.slow = slowest(&seen.own, SLOWEST)
            .into_iter()
            .map(|(event, took)| {
                let text = line(event, began);
                // The time stands in a column of its own.
                let words = text.split_once(" ms → ").map_or(text.as_str(), |(_, words)| words);
                Slow { line: words.to_owned(), left_at: millis(event.at, began), took }
            })
            .collect();
        let lost = seen.lost();
        let explained = lost.iter().filter_map(|number| Some((*number, seen.explain(*number)?)));
        self.lost = explained.take(LOST).collect();
        self.more_lost = lost.len() - self.lost.len();
        let options = Options { last: Some(DIAGRAM_PACKETS), ..Options::default() };
        self.diagram = Some(diagram::svg(&lanes(session, seen), &options));
    }
}

/// A text without secrets: they are sought before the text is encoded for the page.
pub(super) fn hidden(shell: &Shell, text: &str) -> String {
    shell.secrets().hidden(text)
}
