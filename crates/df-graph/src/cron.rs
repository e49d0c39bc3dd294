//! Five-field cron expressions, in UTC.
//!
//! Written out rather than taken from a library, so that it is exactly cron(8) as Paul Vixie wrote
//! it: five fields, Sunday is 0 or 7, and when both day fields are restricted either may match.

use chrono::{DateTime, Datelike, Duration, NaiveDate, NaiveTime, TimeZone, Timelike, Utc};

/// Why a cron expression was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid cron expression '{expression}': {why}")]
pub struct CronError {
    pub expression: String,
    pub why: String,
}

/// A parsed expression: one bit per allowed value of each field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Both day fields are restricted, that is, neither begins with `*`.
    either_day: bool,
}

struct Field {
    name: &'static str,
    low: u32,
    high: u32,
    names: &'static [&'static str],
}

const MONTHS: &[&str] = &[
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const WEEKDAYS: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const FIELDS: [Field; 5] = [
    Field {
        name: "minute",
        low: 0,
        high: 59,
        names: &[],
    },
    Field {
        name: "hour",
        low: 0,
        high: 23,
        names: &[],
    },
    Field {
        name: "day of month",
        low: 1,
        high: 31,
        names: &[],
    },
    Field {
        name: "month",
        low: 1,
        high: 12,
        names: MONTHS,
    },
    Field {
        name: "day of week",
        low: 0,
        high: 7,
        names: WEEKDAYS,
    },
];
/// The most days of each month, February in a leap year.
const MONTH_DAYS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
/// The calendar repeats after this many days, so a longer search would find nothing new.
const MAX_SEARCH_DAYS: u32 = 146_097;

/// The first match strictly after `after`, to the minute; `None` past the end of the calendar.
///
/// # Errors
/// When the expression is malformed, or can never match (`0 0 30 2 *`).
pub fn next_match(
    expression: &str,
    after: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, CronError> {
    Ok(Cron::parse(expression)?.next_match(after))
}

impl Cron {
    /// Parses `minute hour day-of-month month day-of-week`.
    pub fn parse(expression: &str) -> Result<Self, CronError> {
        let fail = |why: String| CronError {
            expression: shorten(expression),
            why,
        };
        let fields: Vec<&str> = expression.split_ascii_whitespace().take(6).collect();
        if fields.len() != FIELDS.len() {
            return Err(fail("expected exactly 5 fields".into()));
        }
        let mut masks = [0u64; 5];
        for (index, text) in fields.iter().enumerate() {
            let field = &FIELDS[index];
            masks[index] = field
                .mask(text)
                .map_err(|why| fail(format!("{}: {why}", field.name)))?;
        }
        let [minutes, hours, days, months, weekdays] = masks;
        // Sunday is both 0 and 7; bit 0 alone stands for it from here on.
        let weekdays = (weekdays & 0x7f) | (weekdays >> 7);
        let either_day = !fields[2].starts_with('*') && !fields[4].starts_with('*');
        let cron = Self {
            minutes,
            hours,
            days,
            months,
            weekdays,
            either_day,
        };
        if cron.can_match() {
            Ok(cron)
        } else {
            Err(fail("it never matches any date".into()))
        }
    }

    /// The first match strictly after `after`; `None` past the end of the calendar.
    pub fn next_match(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let start = after.checked_add_signed(Duration::minutes(1))?;
        let mut date = start.date_naive();
        if self.matches_date(date)
            && let Some(time) = self.first_time(start.hour(), start.minute())
        {
            return Some(Utc.from_utc_datetime(&date.and_time(time)));
        }
        let midnight = self.first_time(0, 0)?;
        for _ in 0..=MAX_SEARCH_DAYS {
            date = date.succ_opt()?;
            if self.matches_date(date) {
                return Some(Utc.from_utc_datetime(&date.and_time(midnight)));
            }
        }
        None
    }

    fn matches_date(&self, date: NaiveDate) -> bool {
        if !has(self.months, date.month()) {
            return false;
        }
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().num_days_from_sunday());
        if self.either_day {
            day || weekday
        } else {
            day && weekday
        }
    }

    /// The first allowed time of day at or after this one.
    fn first_time(&self, hour: u32, minute: u32) -> Option<NaiveTime> {
        let first_minute = |from: u32| (from..60).find(|minute| has(self.minutes, *minute));
        if has(self.hours, hour)
            && let Some(minute) = first_minute(minute)
        {
            return NaiveTime::from_hms_opt(hour, minute, 0);
        }
        let hour = (hour + 1..24).find(|hour| has(self.hours, *hour));
        NaiveTime::from_hms_opt(hour?, first_minute(0)?, 0)
    }

    /// Every weekday falls on every day of every month at some time in 400 years, February 29
    /// included, so only a day that none of the months has can keep an expression from matching.
    fn can_match(&self) -> bool {
        self.either_day
            || (1..=12u32).any(|month| {
                has(self.months, month)
                    && (1..=MONTH_DAYS[month as usize - 1]).any(|day| has(self.days, day))
            })
    }
}

impl Field {
    fn mask(&self, text: &str) -> Result<u64, String> {
        let mut mask = 0;
        for item in text.split(',') {
            mask |= self.item(item)?;
        }
        Ok(mask)
    }

    /// `*`, `a`, `a-b`, each with an optional `/step`; `a/step` runs to the field's end.
    fn item(&self, item: &str) -> Result<u64, String> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(number(step)?)),
            None => (item, None),
        };
        if step == Some(0) {
            return Err("a step must be at least 1".into());
        }
        let (low, high) = if range == "*" {
            (self.low, self.high)
        } else if let Some((low, high)) = range.split_once('-') {
            (self.value(low)?, self.value_at_end(high)?)
        } else {
            let value = self.value(range)?;
            (value, if step.is_some() { self.high } else { value })
        };
        if low > high {
            return Err(format!("'{}' runs backwards", shorten(range)));
        }
        // `*/n` over weekdays must not count Sunday twice.
        let high = if self.names.len() == 7 && step.is_some() && !range.contains('-') {
            high.min(6).max(low)
        } else {
            high
        };
        let step = step.unwrap_or(1);
        Ok((low..=high)
            .filter(|value| (value - low) % step == 0)
            .fold(0, |mask, v| mask | 1 << v))
    }

    fn value_at_end(&self, text: &str) -> Result<u32, String> {
        // `SAT-SUN` means Saturday and Sunday, and `5-0` stays an error.
        let value = self.value(text)?;
        let named_sunday = self.names.len() == 7 && text.eq_ignore_ascii_case("SUN");
        Ok(if named_sunday { 7 } else { value })
    }

    fn value(&self, text: &str) -> Result<u32, String> {
        if let Some(index) = self
            .names
            .iter()
            .position(|name| text.eq_ignore_ascii_case(name))
        {
            let first = if self.names.len() == 7 { 0 } else { 1 };
            return Ok(index as u32 + first);
        }
        let value = number(text)?;
        if (self.low..=self.high).contains(&value) {
            Ok(value)
        } else {
            Err(format!(
                "{value} is not between {} and {}",
                self.low, self.high
            ))
        }
    }
}

fn has(mask: u64, value: u32) -> bool {
    mask & (1 << value) != 0
}

fn number(text: &str) -> Result<u32, String> {
    let digits = !text.is_empty() && text.len() <= 6 && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse() {
        Ok(value) if digits => Ok(value),
        _ => Err(format!("'{}' is not a value", shorten(text))),
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(100).collect()
}
