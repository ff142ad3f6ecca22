//! A bar for the command in the foreground, on a terminal only, and only while no line is being edited.

use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::watch;

use crate::session::Session;

/// What is over sooner needs no bar.
const SHOW_AFTER: Duration = Duration::from_millis(400);
const REDRAW: Duration = Duration::from_millis(100);

/// Draws whatever is in the foreground, until the sender is dropped.
pub async fn watch(mut foreground: watch::Receiver<Option<Arc<Session>>>) {
    loop {
        let session = foreground.borrow_and_update().clone();
        if let Some(session) = session {
            tokio::select! {
                () = draw(&session) => {}
                changed = foreground.changed() => if changed.is_err() { return },
            }
        }
        if foreground.changed().await.is_err() {
            return;
        }
    }
}

/// Clears the bar however it ends: also when this future is dropped.
struct Bar(ProgressBar);

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

async fn draw(session: &Session) {
    tokio::time::sleep(SHOW_AFTER).await;
    let template = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta} {prefix}";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = Bar(ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style));
    bar.0.set_message(crate::base::escape::escape_line(&session.kind).into_owned());
    let mut moves = false;
    while !session.has_ended() {
        if let Some(progress) = session.progress() {
            bar.0.set_length(progress.total);
            bar.0.set_position(progress.done);
            bar.0.set_prefix(remarks(session));
            if !std::mem::replace(&mut moves, true) {
                // What was there before is no speed.
                bar.0.reset_eta();
            }
        }
        tokio::time::sleep(REDRAW).await;
    }
}

/// How it goes, and what the network cost.
fn remarks(session: &Session) -> String {
    let again = match session.retransmitted() {
        0 => None,
        count => Some(format!("{count} sent again")),
    };
    let note = Some(session.note()).filter(|note| !note.is_empty());
    note.into_iter().chain(again).collect::<Vec<_>>().join(", ")
}
