//! Dates of fields (RFC 9110, section 5.6.7), in seconds since 1970 (UTC).

/// The last second of the year 9999: a later one has no form.
const LATEST: u64 = 253_402_300_799;
const DAY: u64 = 86_400;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// From that of 1 January 1970.
const WEEKDAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn format(seconds: u64) -> String {
    let seconds = seconds.min(LATEST);
    let (days, rest) = (seconds / DAY, seconds % DAY);
    let (year, month, day) = civil(days);
    let weekday = &WEEKDAYS[(days % 7) as usize][..3];
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{weekday}, {day:02} {} {year:04} {hour:02}:{minute:02}:{second:02} GMT", MONTHS[month])
}

/// Reads the three forms: that of today, of RFC 850, and of `asctime`. Times before 1970 become 0. A year of two digits
/// is one of 1970 to 2069: there is no clock here to ask which century is nearer.
pub fn parse(text: &str) -> Option<u64> {
    let (weekday, rest) = text.split_once(' ')?;
    let words: Vec<&str> = rest.splitn(5, ' ').collect();
    let (name, date) = match (weekday.strip_suffix(','), words.as_slice()) {
        (Some(name), [day, month, year, time, "GMT"]) if name.len() == 3 => {
            (name, read(number(day, 2)?, month, number(year, 4)?, time)?)
        }
        (Some(name), [date, time, "GMT"]) if name.len() > 3 => {
            let [day, month, year] = parts(date, '-')?;
            let year = number(year, 2)?;
            let year = if year < 70 { 2000 + year } else { 1900 + year };
            (name, read(number(day, 2)?, month, year, time)?)
        }
        (None, [month, "", day, time, year]) if weekday.len() == 3 => {
            (weekday, read(number(day, 1)?, month, number(year, 4)?, time)?)
        }
        (None, [month, day, time, year]) if weekday.len() == 3 => {
            (weekday, read(number(day, 2)?, month, number(year, 4)?, time)?)
        }
        _ => return None,
    };
    WEEKDAYS.iter().any(|known| *known == name || known[..3] == *name).then_some(date)
}

fn read(day: u64, month: &str, year: u64, time: &str) -> Option<u64> {
    let month = MONTHS.iter().position(|name| *name == month)?;
    let [hour, minute, second] = parts(time, ':')?;
    let (hour, minute, second) = (number(hour, 2)?, number(minute, 2)?, number(second, 2)?);
    // A leap second is the first one of the next minute.
    if day == 0 || day > days_of(year, month) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    if year < 1970 {
        return Some(0);
    }
    let months: u64 = (0..month).map(|month| days_of(year, month)).sum();
    let days = days_before(year) - days_before(1970) + months + day - 1;
    Some(days * DAY + hour * 3600 + minute * 60 + second)
}

fn parts(text: &str, separator: char) -> Option<[&str; 3]> {
    let mut parts = text.split(separator);
    let found = [parts.next()?, parts.next()?, parts.next()?];
    parts.next().is_none().then_some(found)
}

/// Of exactly so many digits.
fn number(text: &str, digits: usize) -> Option<u64> {
    if text.len() == digits { super::syntax::digits(text) } else { None }
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// Of a month from 0.
const fn days_of(year: u64, month: usize) -> u64 {
    match month {
        1 if is_leap(year) => 29,
        1 => 28,
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    }
}

/// Days from the year 1 to the first of a year; of the year 0 as of the year 1.
const fn days_before(year: u64) -> u64 {
    let past = year.saturating_sub(1);
    past * 365 + past / 4 - past / 100 + past / 400
}

/// Year, month from 0 and day from 1 of a day since 1970.
fn civil(days: u64) -> (u64, usize, u64) {
    // Never too late, and at most a year too early.
    let mut year = 1970 + days / 366;
    let since = |year: u64| days_before(year) - days_before(1970);
    while since(year + 1) <= days {
        year += 1;
    }
    let (mut month, mut left) = (0, days - since(year));
    while left >= days_of(year, month) {
        left -= days_of(year, month);
        month += 1;
    }
    (year, month, left + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: u64 = 784_111_777;

    #[test]
    fn the_three_forms_are_one_date() {
        assert_eq!(format(SAMPLE), "Sun, 06 Nov 1994 08:49:37 GMT");
        for text in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            assert_eq!(parse(text), Some(SAMPLE), "{text}");
        }
        assert_eq!(parse("Wed Nov 16 08:49:37 1994"), Some(SAMPLE + 10 * DAY));
        assert_eq!(
            parse("Friday, 06-Nov-26 08:49:37 GMT").map(format).unwrap(),
            "Fri, 06 Nov 2026 08:49:37 GMT"
        );
    }

    #[test]
    fn every_day_reads_back() {
        let mut seconds = 0;
        while seconds < LATEST {
            let text = format(seconds);
            assert_eq!(parse(&text), Some(seconds), "{text}");
            // Prime, so that every time of a day occurs.
            seconds += 86_399 * 11;
        }
        assert_eq!(format(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(format(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(format(u64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "0",
            "now",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 29 Feb 1900 00:00:00 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:60:00 GMT",
            "Xyz, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov +994 08:49:37 GMT",
            "Sun, 06 Nov 1994 8:49:37 GMT",
            "Sun Nov 6 08:49:37 1994",
            "Sun, 06 Nov 1994 08:49:37 GMT x",
            "sun, 06 nov 1994 08:49:37 gmt",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse("Wed, 01 Jan 0000 00:00:00 GMT"), Some(0));
        assert_eq!(parse("Wed, 31 Dec 1969 23:59:59 GMT"), Some(0));
    }
}
