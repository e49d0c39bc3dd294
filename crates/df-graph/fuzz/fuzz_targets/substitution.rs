//! Any text with any JSON value bound: substitution answers, and a value inside a literal stays there.
#![no_main]

use df_graph::{
    Bindings, Place, names_in, substitute_json_text, substitute_plain, substitute_sql, whole_value,
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

struct Bound(Value, String);

impl Bindings for Bound {
    fn result(&self, name: &str) -> Option<&Value> {
        (name == "x").then_some(&self.0)
    }
    fn var(&self, name: &str) -> Option<&str> {
        (name == "v").then_some(&self.1)
    }
    fn instance_id(&self) -> &str {
        "AAAAAAAA"
    }
    fn label(&self) -> Option<&str> {
        None
    }
}

fuzz_target!(|input: (&str, &str, &str)| {
    let (text, value, var) = input;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    let bound = Bound(value.clone(), var.to_owned());
    let _ = names_in(text, |_| true);
    let _ = substitute_sql(text, &bound);
    for place in [Place::Url, Place::Header, Place::Body] {
        let _ = substitute_plain(text, place, &bound);
    }
    let _ = substitute_json_text(text, &bound);
    let _ = whole_value(text, &bound);
    // One reference where a value stands becomes one value: nothing after it is another statement.
    let rows = serde_json::json!({"rows": [{"c": value}], "row_count": 1});
    let bound = Bound(rows, String::new());
    if let Ok(sql) = substitute_sql("select $x?", &bound) {
        assert_eq!(df_graph::statement_count(&sql), 1, "{sql}");
    }
});
