//! ISO timestamps as Postgres writes them, to RFC 3339.

use super::value::Fault;

/// `2024-01-02 03:04:05.5` to `2024-01-02T03:04:05.5`; infinities and years BC keep their text.
pub(super) fn timestamp(text: &str) -> Result<String, Fault> {
    if keeps_its_text(text) {
        return Ok(text.to_owned());
    }
    let parsed = Parsed::read(text).filter(|parsed| parsed.offset_seconds.is_none());
    parsed.ok_or(Fault::Unreadable("an ISO timestamp"))?;
    Ok(text.replacen(' ', "T", 1))
}

/// `2024-01-02 03:04:05+05:30` to `2024-01-01T21:34:05+00:00`; infinities and years BC keep their
/// text.
pub(super) fn timestamptz(text: &str) -> Result<String, Fault> {
    if keeps_its_text(text) {
        return Ok(text.to_owned());
    }
    let unreadable = || Fault::Unreadable("an ISO timestamp with time zone");
    let parsed = Parsed::read(text).ok_or_else(unreadable)?;
    let offset = parsed.offset_seconds.ok_or_else(unreadable)?;
    let local = days_from_civil(parsed.year, parsed.month, parsed.day) * 86_400 + parsed.seconds;
    let utc = local - offset;
    let (year, month, day) = civil_from_days(utc.div_euclid(86_400));
    if year < 1 {
        return Ok(text.to_owned());
    }
    let second = utc.rem_euclid(86_400);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let fraction = parsed.fraction;
    Ok(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}+00:00"
    ))
}

fn keeps_its_text(text: &str) -> bool {
    matches!(text, "infinity" | "-infinity") || text.ends_with(" BC")
}

struct Parsed<'a> {
    year: i64,
    month: i64,
    day: i64,
    /// Of the day.
    seconds: i64,
    /// With its point, or empty.
    fraction: &'a str,
    offset_seconds: Option<i64>,
}

impl<'a> Parsed<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (date, time) = text.split_once(' ')?;
        let mut parts = date.split('-');
        let (year, month, day) = (
            number(parts.next()?)?,
            number(parts.next()?)?,
            number(parts.next()?)?,
        );
        if parts.next().is_some() || date.find('-')? < 4 {
            return None;
        }
        let (clock, offset_seconds) = match time.find(['+', '-']) {
            Some(at) => (&time[..at], Some(offset(&time[at..])?)),
            None => (time, None),
        };
        let (clock, fraction) = clock.split_at(clock.find('.').unwrap_or(clock.len()));
        if !fraction.bytes().skip(1).all(|b| b.is_ascii_digit()) {
            return None;
        }
        Some(Parsed {
            year,
            month,
            day,
            seconds: clock_seconds(clock)?,
            fraction,
            offset_seconds,
        })
    }
}

/// `+05`, `-03:30` or `+00:19:32`, in seconds east of UTC.
fn offset(text: &str) -> Option<i64> {
    let (sign, digits) = text.split_at(1);
    let seconds = clock_seconds(digits)?;
    Some(if sign == "-" { -seconds } else { seconds })
}

/// `hh`, `hh:mm` or `hh:mm:ss`.
fn clock_seconds(text: &str) -> Option<i64> {
    let mut unit = 3600;
    let mut seconds = 0;
    for part in text.split(':') {
        seconds += number(part)? * unit;
        unit /= 60;
    }
    Some(seconds)
}

fn number(text: &str) -> Option<i64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar, and back: the algorithms of Howard
/// Hinnant's "chrono-compatible low-level date algorithms".
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zoned_timestamp_becomes_utc() {
        let check = |text: &str, expected: &str| {
            assert_eq!(timestamptz(text).unwrap(), expected, "{text}");
        };
        check("2024-01-02 03:04:05+00", "2024-01-02T03:04:05+00:00");
        check(
            "2024-01-02 03:04:05.123456+05:30",
            "2024-01-01T21:34:05.123456+00:00",
        );
        check("2023-12-31 22:00:00.5-03:30", "2024-01-01T01:30:00.5+00:00");
        check("1883-11-18 12:03:57-04:56:02", "1883-11-18T16:59:59+00:00");
        check("2000-02-28 23:30:00-01", "2000-02-29T00:30:00+00:00");
        check("1900-02-28 23:30:00-01", "1900-03-01T00:30:00+00:00");
        check("294276-12-31 23:59:59+00", "294276-12-31T23:59:59+00:00");
        check("0044-03-15 00:00:00+00 BC", "0044-03-15 00:00:00+00 BC");
        check("0001-01-01 00:30:00+05", "0001-01-01 00:30:00+05");
        check("-infinity", "-infinity");
    }

    #[test]
    fn another_datestyle_is_refused() {
        for text in [
            "02.01.2024 03:04:05 UTC",
            "Tue Jan 02 03:04:05 2024 UTC",
            "01/02/2024 03:04:05",
            "",
        ] {
            assert!(timestamptz(text).is_err(), "{text}");
            assert!(timestamp(text).is_err(), "{text}");
        }
    }
}
