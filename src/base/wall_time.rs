//! Wall-clock times for display, in the time zone of this machine. Nothing here reads a clock.

use std::time::SystemTime;

use jiff::Zoned;

/// The time of day, such as `18:30:05`; empty if the calendar cannot represent it.
pub fn time_of_day(moment: SystemTime) -> String {
    shown(moment, "%H:%M:%S")
}

/// Date, time and offset from UTC, such as `2026-11-25 18:30:05+01:00`; empty if the calendar cannot represent it.
pub fn date_and_time(moment: SystemTime) -> String {
    shown(moment, "%Y-%m-%d %H:%M:%S%:z")
}

/// The time in the given `strftime` format; empty if it is outside the range of the calendar.
fn shown(moment: SystemTime, format: &str) -> String {
    Zoned::try_from(moment).map(|zoned| zoned.strftime(format).to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_their_offset_and_none_is_a_panic() {
        let epoch = date_and_time(SystemTime::UNIX_EPOCH);
        assert!(
            epoch.len() == 25 && (epoch.starts_with("1970-01-01 ") || epoch.starts_with("1969-12-31 ")),
            "{epoch}"
        );
        let late = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(u64::MAX / 4);
        assert_eq!(time_of_day(late), "");
    }
}
