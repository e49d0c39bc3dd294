//! Truth, break values and the other result shapes of docs/sql-api.md.

use df_graph::{break_value, has_rows, rows, signal_result, signal_timeout_result, sleep_result};
use serde_json::{Value, json};

#[test]
fn only_row_sets_have_rows() {
    let check = |result: Value, row_set: Option<usize>, has: bool| {
        assert_eq!(rows(&result).map(<[Value]>::len), row_set, "{result}");
        assert_eq!(has_rows(&result), has, "{result}");
    };
    check(json!({"rows": [], "row_count": 0}), Some(0), false);
    check(json!({"rows": [{"a": 1}], "row_count": 1}), Some(1), true);
    check(
        json!({"rows": [{"a": null}], "row_count": 1}),
        Some(1),
        true,
    );
    check(json!({"rows": [1], "row_count": 1}), None, false);
    check(json!({"rows": [{"a": 1}]}), None, false);
    check(json!({"rows": 5, "row_count": 5}), None, false);
    check(json!({"slept": true, "seconds": 1}), None, false);
    check(json!([]), None, false);
    check(json!([1]), None, true);
    check(json!(null), None, false);
    check(json!("x"), None, false);
}

#[test]
fn a_break_value_is_json_or_a_string_or_null() {
    let check = |text: Option<&str>, expected: &str| {
        assert_eq!(break_value(text).to_string(), expected, "{text:?}");
    };
    check(None, "null");
    check(Some("done"), "\"done\"");
    check(Some(""), "\"\"");
    check(Some("42"), "42");
    check(Some("-1.5"), "-1.5");
    check(Some("true"), "true");
    check(Some("null"), "null");
    check(Some("\"quoted\""), "\"quoted\"");
    check(Some("{\"b\": 1, \"a\": [2]}"), "{\"b\":1,\"a\":[2]}");
    check(Some("{broken"), "\"{broken\"");
    check(Some("007"), "\"007\"");
    check(Some("say \"hi\""), "\"say \\\"hi\\\"\"");
    check(Some("SELECT 1"), "\"SELECT 1\"");
}

#[test]
fn waits_have_their_result_shapes() {
    let check = |result: Value, expected: &str| assert_eq!(result.to_string(), expected);
    check(sleep_result(5.0), r#"{"slept":true,"seconds":5}"#);
    check(sleep_result(0.25), r#"{"slept":true,"seconds":0.25}"#);
    check(df_graph::schedule_result(), r#"{"scheduled":true}"#);
    check(
        signal_result("go", Some("{\"a\":1}")),
        r#"{"signal_name":"go","timed_out":false,"data":{"a":1}}"#,
    );
    check(
        signal_result("go", Some("hi")),
        r#"{"signal_name":"go","timed_out":false,"data":"hi"}"#,
    );
    check(
        signal_result("go", None),
        r#"{"signal_name":"go","timed_out":false,"data":null}"#,
    );
    check(
        signal_timeout_result("go"),
        r#"{"signal_name":"go","timed_out":true,"data":null}"#,
    );
    check(df_graph::empty_row_set(3), r#"{"rows":[],"row_count":3}"#);
}
