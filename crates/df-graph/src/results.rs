//! The shapes of results (docs/sql-api.md, Results).

use serde_json::{Map, Value, json};

use crate::json::{self, ReadError};

/// How many containers of a result may be nested for its parts to be read. Values are dropped and
/// written recursively, so that much deeper ones would overflow a stack.
pub const MAX_RESULT_DEPTH: usize = 1000;

/// Reads a recorded result; numbers keep their digits.
///
/// Errors: why it cannot be read, in words: nested too deep, or text that Postgres takes for `json`
/// and nobody else does, such as half a surrogate pair.
pub fn read_result(text: &str) -> Result<Value, String> {
    // Nearly every result is flat, and serde_json is the faster reader.
    serde_json::from_str(text).or_else(|_| {
        json::read(text, MAX_RESULT_DEPTH).map_err(|error| match error {
            ReadError::TooDeep => format!("it is nested deeper than {MAX_RESULT_DEPTH} levels"),
            ReadError::Malformed(why) => format!("it is not valid JSON: {why}"),
        })
    })
}

/// The rows of a result that is a row set, that is, `{"rows":[{…}],"row_count":n}`.
pub fn rows(result: &Value) -> Option<&[Value]> {
    let map = result.as_object()?;
    let rows = map.get("rows")?.as_array()?;
    let counted = map.get("row_count").is_some_and(Value::is_number);
    let objects = rows.first().is_none_or(Value::is_object);
    (counted && objects).then_some(rows.as_slice())
}

/// Whether a named result has rows, for `df.if_rows`: of an array its items are the rows.
pub fn has_rows(result: &Value) -> bool {
    match (rows(result), result) {
        (Some(rows), _) => !rows.is_empty(),
        (None, Value::Array(items)) => !items.is_empty(),
        _ => false,
    }
}

/// The result of a loop that a BREAK left: JSON stays JSON, other text is a string, none is null.
pub fn break_value(text: Option<&str>) -> Value {
    match text {
        None => Value::Null,
        Some(text) => json_or_string(text),
    }
}

/// `{"slept":true,"seconds":n}`; whole seconds are written without a fraction.
pub fn sleep_result(seconds: f64) -> Value {
    // Below 2^53 a whole float is exactly its integer.
    let whole = seconds.fract() == 0.0 && seconds.abs() < 9_007_199_254_740_992.0;
    let seconds = if whole {
        json!(seconds as i64)
    } else {
        json!(seconds)
    };
    json!({"slept": true, "seconds": seconds})
}

/// `{"scheduled":true}`.
pub fn schedule_result() -> Value {
    json!({"scheduled": true})
}

/// The result of a wait that was served; the data is parsed when it is JSON.
pub fn signal_result(signal_name: &str, data: Option<&str>) -> Value {
    let data = data.map_or(Value::Null, json_or_string);
    json!({"signal_name": signal_name, "timed_out": false, "data": data})
}

/// The result of a wait that timed out.
pub fn signal_timeout_result(signal_name: &str) -> Value {
    json!({"signal_name": signal_name, "timed_out": true, "data": null})
}

/// A row set of no rows, with the number of rows that the statement affected.
pub fn empty_row_set(row_count: u64) -> Value {
    let mut map = Map::new();
    map.insert("rows".into(), Value::Array(Vec::new()));
    map.insert("row_count".into(), Value::from(row_count));
    Value::Object(map)
}

fn json_or_string(text: &str) -> Value {
    read_result(text).unwrap_or_else(|_| Value::from(text))
}
