//! What a result is worth as a condition: docs/sql-api.md, What counts as true.

use df_graph::truth;
use serde_json::{Value, json};

fn one(value: Value) -> Value {
    json!({"rows": [{"a": value, "b": true}], "row_count": 1})
}

#[test]
fn truth_is_that_of_the_first_column_of_the_first_row() {
    let truths = [
        json!(true),
        json!(1),
        json!(-1),
        json!(0.5),
        json!("t"),
        json!("true"),
        json!("yes"),
        json!("on"),
        json!("1"),
        json!("0.01"),
        json!("off"),
        json!("n"),
        json!("falsehood"),
        json!("0x0"),
        json!("-"),
        json!("."),
        json!("e"),
        json!("0e"),
        json!("1e-400"),
        json!("0 0"),
        json!("null"),
        json!([0]),
        json!({"a": null}),
        json!("NaN"),
        json!("nope"),
        json!("[]"),
        json!("0.0.0"),
        json!("--0"),
    ];
    let falsehoods = [
        json!(null),
        json!(false),
        json!(0),
        json!(0.0),
        json!(-0.0),
        json!(""),
        json!("  "),
        json!("f"),
        json!("F"),
        json!("false"),
        json!(" FALSE\n"),
        json!("no"),
        json!("No"),
        json!("0"),
        json!("0.00"),
        json!("-0"),
        json!("+0.0"),
        json!("0e5"),
        json!(".0"),
        json!("0."),
        json!("000"),
        json!(" 0 "),
        json!("0E-10"),
        json!([]),
        json!({}),
    ];
    let cases = truths
        .iter()
        .map(|v| (v, true))
        .chain(falsehoods.iter().map(|v| (v, false)));
    for (value, expected) in cases {
        assert_eq!(
            truth(&one(value.clone()).to_string()),
            expected,
            "{value} in a row"
        );
        assert_eq!(truth(&value.to_string()), expected, "{value} itself");
    }
    let texts = [
        (r#"{"rows": [], "row_count": 0}"#, false),
        (r#"{"rows": [], "row_count": 5}"#, false),
        (r#"{"rows": [{}], "row_count": 1}"#, false),
        (r#"{"rows": [{"a": 1}, {"a": 0}], "row_count": 2}"#, true),
        (r#"{"rows": [{"z": 0, "a": 1}], "row_count": 1}"#, false),
        (r#"{"rows": [{"a": 0}], "row_count": "1"}"#, true),
        (r#"{"rows": [0], "row_count": 1}"#, true),
        (r#"{"rows": 0, "row_count": 1}"#, true),
        (r#"{"rows": [{"a": 0}]}"#, true),
        (r#"{"rows": 1, "row_count": 1, "rows": []}"#, false),
        (r#"{"row\u0073": [{"a": 0}], "row_count": 1}"#, false),
        (" [ ] ", false),
        ("{\n}", false),
        ("", false),
        ("no JSON", false),
    ];
    for (text, expected) in texts {
        assert_eq!(truth(text), expected, "{text}");
    }
}

/// Half a surrogate pair is text that nobody can decode, and no depth is too deep to look past.
#[test]
fn what_cannot_be_decoded_has_a_truth() {
    let deep = format!("{}0{}", "[".repeat(100_000), "]".repeat(100_000));
    for (first, expected) in [
        (r#""\ud800""#, true),
        (r#"" \udc00""#, true),
        (r#"{"\ud800": 0}"#, true),
        (r#"["\ud800"]"#, true),
        (&deep, true),
        (r#""\u00a0no""#, true),
        ("0", false),
    ] {
        assert_eq!(truth(first), expected, "{first}");
        for second in ["0", r#""\ud800""#, r#"{"\ud800": 0}"#, &deep] {
            let result = format!(r#"{{"rows":[{{"a":{first},"b":{second}}}],"row_count":1}}"#);
            assert_eq!(truth(&result), expected, "{result}");
        }
    }
}
