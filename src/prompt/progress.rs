//! The progress bar of the foreground command, on a terminal only. The output writer draws it, so that it stays below
//! all other output and is removed before anything else is shown.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use unicode_width::UnicodeWidthStr;

use crate::base::escape::escape_line;
use crate::base::quantity;
use crate::base::width::front;
use crate::output::Sink;
use crate::report::{Area, Progress};
use crate::session::Session;

/// Commands that end sooner show no bar.
const SHOW_AFTER: Duration = Duration::from_millis(400);
const REDRAW: Duration = Duration::from_millis(100);
/// Time over which the rate is measured.
const PACE_SPAN: Duration = Duration::from_secs(3);
/// Width of the bar itself, in columns.
const BAR: std::ops::RangeInclusive<usize> = 6..=40;
/// Below this rate, in bytes/s, no remaining time is shown.
const SLOWEST: f64 = 1.0;

/// Draws the progress of the foreground session until the sender is dropped. The number identifies the bar: a session
/// gets a new one each time it comes to the foreground.
pub async fn watch(mut foreground: watch::Receiver<Option<(u64, Arc<Session>)>>, sink: Sink) {
    loop {
        let shown = foreground.borrow_and_update().clone();
        if let Some((stay, session)) = shown {
            tokio::select! {
                () = draw(stay, &session, &sink) => {}
                changed = foreground.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
            }
        }
        if foreground.changed().await.is_err() {
            return;
        }
    }
}

async fn draw(stay: u64, session: &Session, sink: &Sink) {
    let mut pace = Pace::default();
    pace.note(Instant::now(), session.progress());
    tokio::time::sleep(SHOW_AFTER).await;
    while !session.has_ended() {
        if let (Some(progress), Some(area)) = (session.progress(), crate::output::area_of_errors()) {
            pace.note(Instant::now(), Some(progress));
            let text = line(&session.kind, progress, pace.rate(), &remarks(session), area);
            sink.bar(stay, Some(text + "\n"));
        }
        tokio::time::sleep(REDRAW).await;
    }
}

/// How fast it goes on: bytes may be queued long before they leave, and what was there already has not moved.
#[derive(Default)]
struct Pace(VecDeque<(Instant, u64)>);

impl Pace {
    fn note(&mut self, now: Instant, progress: Option<Progress>) {
        let Some(Progress { done, .. }) = progress else { return };
        self.0.push_back((now, done));
        while self.0.len() > 2 && self.0.front().is_some_and(|(at, _)| now - *at > PACE_SPAN) {
            self.0.pop_front();
        }
    }

    /// In bytes/s, over [`PACE_SPAN`]; 0 while it is not known.
    fn rate(&self) -> f64 {
        let (Some((began, from)), Some((now, done))) = (self.0.front(), self.0.back()) else { return 0.0 };
        let seconds = (*now - *began).as_secs_f64();
        if seconds > 0.0 { done.saturating_sub(*from) as f64 / seconds } else { 0.0 }
    }
}

/// The session's remark, and the number of retransmissions.
fn remarks(session: &Session) -> String {
    let again = match session.retransmitted() {
        0 => None,
        count => Some(format!("{count} sent again")),
    };
    let note = Some(session.note()).filter(|note| !note.is_empty());
    note.into_iter().chain(again).collect::<Vec<_>>().join(", ")
}

/// `get big ████░░░░ 4.5 MiB/19.1 MiB 7.4 MiB/s 2 s left, 3.0 MiB resumed`, within the terminal's width.
fn line(kind: &str, progress: Progress, rate: f64, remarks: &str, area: Area) -> String {
    let Progress { done, total } = progress;
    let (so_far, whole) = (quantity::show_size(done), quantity::show_size(total));
    let rate_shown = quantity::show_rate(rate);
    let left = match rate {
        SLOWEST.. => {
            format!(" {} left", rest((total.saturating_sub(done) as f64 / rate).ceil() as u64))
        }
        _ => String::new(),
    };
    let remarks = if remarks.is_empty() { String::new() } else { format!(", {remarks}") };
    let percent = done.saturating_mul(100) / total.max(1);
    let kind = escape_line(kind);
    // From the longest to the shortest; the least important part is left out first.
    let ways = [
        format!("{so_far}/{whole} {rate_shown}{left}{remarks}"),
        format!("{so_far}/{whole} {rate_shown}{left}"),
        format!("{percent} % {rate_shown}{left}"),
        format!("{percent} %{left}"),
        format!("{percent} %"),
    ];
    let fits = |words: &&String| kind.width() + words.width() + 1 < area.columns;
    let words = ways.iter().find(fits).unwrap_or(&ways[4]);
    let room = area.columns.saturating_sub(kind.width() + words.width() + 3).min(*BAR.end());
    let bar = if room >= *BAR.start() { bar(progress, room, area.unicode) + " " } else { String::new() };
    // A line that the terminal wraps could not be removed again.
    front(&format!("{kind} {bar}{words}"), area.columns.saturating_sub(1)).to_owned()
}

fn rest(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

fn bar(Progress { done, total }: Progress, columns: usize, unicode: bool) -> String {
    let filled = ((done as f64 / total.max(1) as f64 * columns as f64) as usize).min(columns);
    let (full, empty) = if unicode { ("█", "░") } else { ("#", ".") };
    full.repeat(filled) + &empty.repeat(columns - filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: Progress = Progress { done: 5 << 20, total: 10 << 20 };

    fn area(columns: usize, unicode: bool) -> Area {
        Area { columns, rows: 24, unicode }
    }

    #[test]
    fn a_bar_says_how_far_how_fast_and_how_long() {
        let shown = line("get big", HALF, 1_048_576.0, "1.0 MiB resumed", area(80, true));
        assert_eq!(shown, "get big █████████░░░░░░░░░ 5.0 MiB/10.0 MiB 1.0 MiB/s 5 s left, 1.0 MiB resumed");
        assert_eq!(
            line("get big", HALF, 0.0, "", area(60, false)),
            "get big ##############.............. 5.0 MiB/10.0 MiB 0 B/s"
        );
    }

    #[test]
    fn the_rate_is_that_of_the_last_seconds_and_what_was_there_before_does_not_count() {
        let began = Instant::now();
        let mut pace = Pace::default();
        assert!(pace.rate() < 1.0);
        for tenth in 0..=100u64 {
            let done = 5_000_000 + tenth * 1000;
            pace.note(began + Duration::from_millis(100 * tenth), Some(Progress { done, total: 9_000_000 }));
        }
        assert!((pace.rate() - 10_000.0).abs() < 500.0, "{}", pace.rate());
    }

    #[test]
    fn no_line_is_as_wide_as_the_terminal() {
        let odd = Progress { done: 7, total: 0 };
        for columns in 20..200 {
            for progress in [HALF, odd] {
                let shown = line("send 日本語 \u{1b}", progress, 1e6, "a remark", area(columns, true));
                assert!(shown.width() < columns && !shown.contains('\u{1b}'), "{columns}: {shown}");
            }
        }
    }
}
