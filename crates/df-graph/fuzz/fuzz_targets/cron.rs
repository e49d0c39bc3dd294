//! Any text as a cron expression, at any time: the next match is later, or there is none.
#![no_main]

use chrono::{TimeZone, Utc};
use df_graph::Cron;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (i64, &str)| {
    let (seconds, expression) = input;
    let Some(after) = Utc.timestamp_opt(seconds, 0).single() else { return };
    if let Ok(cron) = Cron::parse(expression)
        && let Some(next) = cron.next_match(after)
    {
        assert!(next > after, "{expression} after {after} is {next}");
    }
});
