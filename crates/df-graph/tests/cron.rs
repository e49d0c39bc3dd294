//! Five-field cron expressions in UTC.

use chrono::{DateTime, Utc};
use df_graph::next_match;

fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(&format!("{text}Z"))
        .unwrap()
        .to_utc()
}

#[test]
fn the_next_match_is_strictly_later_and_to_the_minute() {
    let check = |expression: &str, after: &str, expected: &str| {
        let found = next_match(expression, at(after)).unwrap();
        assert_eq!(found, Some(at(expected)), "{expression} after {after}");
    };
    // 2024-01-01 is a Monday, and 2024 a leap year.
    check("* * * * *", "2024-01-01T00:00:00", "2024-01-01T00:01:00");
    check(
        "* * * * *",
        "2024-01-01T00:00:59.999",
        "2024-01-01T00:01:00",
    );
    check(
        "  * *\t* * *  ",
        "2024-12-31T23:59:30",
        "2025-01-01T00:00:00",
    );
    check("*/5 * * * *", "2024-01-01T00:05:00", "2024-01-01T00:10:00");
    check("*/7 * * * *", "2024-01-01T00:56:00", "2024-01-01T01:00:00");
    check("3/20 * * * *", "2024-01-01T00:23:00", "2024-01-01T00:43:00");
    check(
        "10-12 * * * *",
        "2024-01-01T00:12:00",
        "2024-01-01T01:10:00",
    );
    check(
        "10-30/10,5 * * * *",
        "2024-01-01T00:05:00",
        "2024-01-01T00:10:00",
    );
    check("0 9 * * *", "2024-01-01T09:00:00", "2024-01-02T09:00:00");
    check(
        "30 9,17 * * *",
        "2024-01-01T09:30:01",
        "2024-01-01T17:30:00",
    );
    check("0 0 1 * *", "2024-01-01T00:00:00", "2024-02-01T00:00:00");
    check("0 0 31 * *", "2024-01-31T00:00:00", "2024-03-31T00:00:00");
    check("0 0 29 2 *", "2024-02-29T00:00:00", "2028-02-29T00:00:00");
    check("0 0 29 2 *", "2096-03-01T00:00:00", "2104-02-29T00:00:00");
    check("0 0 * * 0", "2024-01-01T00:00:00", "2024-01-07T00:00:00");
    check("0 0 * * 7", "2024-01-01T00:00:00", "2024-01-07T00:00:00");
    check("0 0 * * SUN", "2024-01-01T00:00:00", "2024-01-07T00:00:00");
    check("0 0 * * 1-5", "2024-01-05T00:00:00", "2024-01-08T00:00:00");
    check(
        "0 0 * * mon-Fri",
        "2024-01-05T00:00:00",
        "2024-01-08T00:00:00",
    );
    check("0 0 * * 5-7", "2024-01-06T00:00:00", "2024-01-07T00:00:00");
    check(
        "0 0 * * SAT-SUN",
        "2024-01-06T00:00:00",
        "2024-01-07T00:00:00",
    );
    check("0 0 * * */2", "2024-01-01T00:00:00", "2024-01-02T00:00:00");
    check("0 0 * * */7", "2024-01-01T00:00:00", "2024-01-07T00:00:00");
    check("0 0 * JUN *", "2024-01-01T00:00:00", "2024-06-01T00:00:00");
    check(
        "0 0 1 jan-mar,12 *",
        "2024-03-02T00:00:00",
        "2024-12-01T00:00:00",
    );
    // When both day fields are restricted, either may match.
    check("0 0 13 * 5", "2024-01-01T00:00:00", "2024-01-05T00:00:00");
    check("0 0 13 * 5", "2024-01-12T00:00:00", "2024-01-13T00:00:00");
    check("0 0 30 2 1", "2024-02-05T00:00:00", "2024-02-12T00:00:00");
    // A field that begins with a star does not restrict, so both must match.
    check("0 0 */2 * 1", "2024-01-01T00:00:00", "2024-01-15T00:00:00");
    check("0 0 13 * *", "2024-01-01T00:00:00", "2024-01-13T00:00:00");
    check(
        "59 23 31 12 *",
        "2024-12-31T23:59:00",
        "2025-12-31T23:59:00",
    );
    check("0 0 29 2 */6", "2024-03-01T00:00:00", "2032-02-29T00:00:00");
}

#[test]
fn malformed_expressions_are_refused() {
    let check = |expression: &str, expected: &str| {
        let error = next_match(expression, at("2024-01-01T00:00:00"))
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("invalid cron expression '"), "{error}");
        assert!(error.contains(expected), "{expression}: {error}");
    };
    check("", "expected exactly 5 fields");
    check("* * * *", "expected exactly 5 fields");
    check("* * * * * *", "expected exactly 5 fields");
    check("0 * * * * 2024", "expected exactly 5 fields");
    check("@daily", "expected exactly 5 fields");
    check("60 * * * *", "minute: 60 is not between 0 and 59");
    check("* 24 * * *", "hour: 24 is not between 0 and 23");
    check("* * 0 * *", "day of month: 0 is not between 1 and 31");
    check("* * 32 * *", "day of month: 32");
    check("* * * 13 *", "month: 13");
    check("* * * 0 *", "month: 0");
    check("* * * * 8", "day of week: 8 is not between 0 and 7");
    check("a * * * *", "'a' is not a value");
    check("-1 * * * *", "'' is not a value");
    check("+1 * * * *", "'+1' is not a value");
    check("1, * * * *", "'' is not a value");
    check("1- * * * *", "'' is not a value");
    check("5-1 * * * *", "'5-1' runs backwards");
    check("* * * * 5-0", "'5-0' runs backwards");
    check("* * * * FRI-MON", "runs backwards");
    check("*/0 * * * *", "a step must be at least 1");
    check("*/ * * * *", "'' is not a value");
    check("*/-2 * * * *", "'-2' is not a value");
    check("1/2/3 * * * *", "'2/3' is not a value");
    check("** * * * *", "'**' is not a value");
    check("JAN * * * *", "'JAN' is not a value");
    check("* * * MON *", "'MON' is not a value");
    check("* * L * *", "'L' is not a value");
    check("* * ? * *", "'?' is not a value");
    check("99999999999 * * * *", "is not a value");
    check("0 0 30 2 *", "it never matches any date");
    check("0 0 31 2,4,6,9,11 *", "it never matches any date");
}

#[test]
fn the_end_of_the_calendar_has_no_next_match() {
    assert_eq!(
        next_match("* * * * *", DateTime::<Utc>::MAX_UTC).unwrap(),
        None
    );
}
