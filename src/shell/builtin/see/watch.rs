//! Draws a picture again and again: `sessions watch`, `plot X watch`.

use std::time::Duration;

use crate::language::{Arguments, FromArguments, Keyword, Kind};
use crate::report::Report;
use crate::shell::Shell;

/// Default interval.
const EVERY: Duration = Duration::from_secs(1);
/// Minimum interval: nobody sees faster changes.
const EVERY_LEAST: Duration = Duration::from_millis(50);

pub(in crate::shell::builtin) const KEYWORD: Keyword =
    Keyword::new("watch", Kind::Duration, "redraw at this interval, until Ctrl-C")
        .optional_value()
        .default("1s");

/// The interval between two pictures; `None`: it is drawn once.
pub(in crate::shell::builtin) struct Every(pub(in crate::shell::builtin) Option<Duration>);

impl FromArguments for Every {
    fn from_arguments(arguments: &Arguments) -> Self {
        let interval = || arguments.duration("watch").unwrap_or(EVERY).max(EVERY_LEAST);
        Self(arguments.flag("watch").then(interval))
    }
}

/// Draws until `picture` says that this was the last one, or until an interrupt, which is the usual end. The last
/// picture stays.
pub(in crate::shell::builtin) async fn watch(
    shell: &Shell,
    verb: &'static str,
    every: Duration,
    mut picture: impl FnMut() -> (String, bool),
) {
    let interrupt = shell.interrupt.clone();
    let mut tick = tokio::time::interval(every);
    loop {
        tokio::select! {
            biased;
            () = interrupt.cancelled() => break,
            () = shell.suspend.notified() => break,
            _ = tick.tick() => {}
        }
        let (text, last) = picture();
        let text = match shell.terminal.area() {
            Some(area) => within(&text, area.rows.saturating_sub(1)),
            None => text,
        };
        shell.emit(Report::Picture { verb, text: Some(text) });
        if last {
            break;
        }
    }
    shell.emit(Report::Picture { verb, text: None });
}

/// At most `most` lines: the first, which is a heading, and the last ones.
fn within(text: &str, most: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let Some(missing) = lines.len().checked_sub(most.max(3)).filter(|missing| *missing > 0) else {
        return text.to_owned();
    };
    let left_out = format!("… {} more", missing + 1);
    let kept = lines[missing + 2..].iter().copied();
    [lines[0], &left_out].into_iter().chain(kept).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_table_keeps_its_heading_and_its_end() {
        assert_eq!(within("h\n1\n2\n3\n4", 4), "h\n… 2 more\n3\n4");
        assert_eq!(within("h\n1\n2\n3", 4), "h\n1\n2\n3");
    }
}
