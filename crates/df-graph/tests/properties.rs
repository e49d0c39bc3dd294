//! Whatever the bytes: nothing panics, and an inserted value is read back as itself.

mod support;

use df_graph::{
    Graph, Place, break_value, decode_base64, names_in, next_match, statement_count, static_path,
    substitute_json_text, substitute_plain, substitute_sql, transaction_class, truth, whole_value,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::Bound;

fn row(value: Value) -> Value {
    json!({"rows": [{"v": value}], "row_count": 1})
}

fn bound(value: &str) -> Bound {
    Bound {
        results: json!({
            "a": row(json!(value)),
            "n": row(json!(-1)),
            "e": {"rows": [], "row_count": 0},
            "o": {"k": value},
        }),
        vars: vec![("v".into(), value.into())],
        label: None,
    }
}

/// Text that is likely to be cut in the wrong place: quotes, dollars, backslashes, references.
fn quoting() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "'",
        "''",
        "\\",
        "\"",
        "$",
        "$$",
        "$q$",
        "$a",
        "$a.v",
        "$a.*",
        "$n",
        "$e?",
        "$o.k?",
        "{v}",
        "{",
        "}",
        "E'",
        "e'\\'",
        "U&'",
        "B'",
        "--",
        "/*",
        "*/",
        "\n",
        " ",
        ";",
        "x",
        "é",
        "5",
        ".",
        "?",
        ",",
        "begin",
        "UESCAPE '!'",
        "[",
        "]",
        ":",
        "\0",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        quoting(),
        ".{0,60}",
        prop::collection::vec(any::<char>(), 0..40).prop_map(String::from_iter)
    ]
}

/// Reads one string constant as Postgres does; gives its value and what follows it.
fn decode(constant: &str) -> Option<(String, &str)> {
    let escapes = constant.starts_with("E'");
    let mut rest = constant
        .strip_prefix('E')
        .unwrap_or(constant)
        .strip_prefix('\'')?
        .chars();
    let mut value = String::new();
    loop {
        match rest.next()? {
            '\'' if rest.as_str().starts_with('\'') => value.extend(rest.next()),
            '\'' => return Some((value, rest.as_str())),
            '\\' if escapes => value.extend(rest.next()),
            c => value.push(c),
        }
    }
}

/// Whether Postgres would take the whole text for one string constant with this value.
fn is_one_constant(constant: &str, value: &str) -> bool {
    decode(constant).is_some_and(|(decoded, rest)| decoded == value && rest.is_empty())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_function_panics(text in any_text(), value in any_text()) {
        let bound = bound(&value);
        let _ = Graph::from_input(&text);
        let _ = Graph::parse(&format!("{{\"node_type\":{text}"));
        let _ = substitute_sql(&text, &bound);
        for place in [Place::Url, Place::Header, Place::Body] {
            let _ = substitute_plain(&text, place, &bound);
        }
        let _ = substitute_json_text(&text, &bound);
        let _ = whole_value(&text, &bound);
        let _ = names_in(&text, |_| true);
        let _ = transaction_class(&text);
        let _ = statement_count(&text);
        let _ = static_path(&text);
        let _ = decode_base64(&text);
        let _ = break_value(Some(&text));
        let _ = truth(&text);
        let _ = next_match(&text, chrono::DateTime::UNIX_EPOCH);
        for node_type in ["SLEEP", "BREAK", "IF", "LOOP", "HTTP", "HTTP_MULTIPART", "SIGNAL", "WAIT_SCHEDULE"] {
            let node = json!({"node_type": node_type, "query": text, "result_name": value, "retry": value});
            let _ = Graph::parse(&node.to_string());
        }
    }

    #[test]
    fn cron_parses_or_refuses_anything(
        fields in prop::collection::vec("[0-9*/,\\-A-Z]{1,6}", 5),
        seconds in 0i64..8_000_000_000,
    ) {
        let after = chrono::DateTime::from_timestamp(seconds, 0).unwrap();
        if let Ok(Some(found)) = next_match(&fields.join(" "), after) {
            prop_assert!(found > after);
            prop_assert_eq!(found.timestamp() % 60, 0);
        }
    }

    #[test]
    fn an_inserted_value_is_one_constant_that_decodes_to_it(value in any_text()) {
        let value = value.replace('\0', "");
        let bound = bound(&value);
        let bare = substitute_sql("$a", &bound).unwrap();
        prop_assert!(is_one_constant(&bare, &value), "{bare}");
        let quoted = substitute_sql("'$a'", &bound).unwrap();
        prop_assert!(is_one_constant(&quoted, &value), "{quoted}");
        let escaped = substitute_sql("E'<$a.v>'", &bound).unwrap();
        prop_assert!(is_one_constant(&escaped, &format!("<{value}>")), "{escaped}");
        let variable = substitute_sql("'{v}'", &bound).unwrap();
        prop_assert!(is_one_constant(&variable, &value), "{variable}");
    }

    #[test]
    fn a_value_begins_no_other_statement(value in any_text()) {
        let value = value.replace('\0', "");
        for reference in ["$a?", "$a.v", "$o.k?", "'{v}'", "'$a'"] {
            let sql = substitute_sql(&format!("select {reference}"), &bound(&value)).unwrap();
            prop_assert_eq!(statement_count(&sql), 1, "{}", sql);
        }
    }

    #[test]
    fn a_dollar_quoted_body_holds_its_value_to_the_end(value in any_text(), tag in "(q|x_y)?") {
        let value = value.replace('\0', "");
        let text = format!("${tag}$ $a ${tag}$ tail");
        let found = substitute_sql(&text, &bound(&value)).unwrap();
        let opening = &found[..=found[1..].find('$').unwrap() + 1];
        let (body, tail) = found[opening.len()..].split_once(opening).unwrap();
        prop_assert_eq!(tail, " tail");
        prop_assert!(is_one_constant(body.trim_matches(' '), &value), "{}", found);
    }

    #[test]
    fn text_without_bound_names_is_kept(text in any_text()) {
        let nothing = Bound { results: json!({}), vars: vec![], label: None };
        prop_assume!(!text.contains("{sys_"));
        prop_assert_eq!(&substitute_sql(&text, &nothing).unwrap(), &text);
        prop_assert_eq!(&substitute_plain(&text, Place::Url, &nothing).unwrap(), &text);
        prop_assert_eq!(&substitute_json_text(&text, &nothing).unwrap(), &text);
        prop_assert_eq!(&whole_value(&text, &nothing).unwrap(), &text);
    }

    #[test]
    fn a_value_in_a_json_string_stays_in_it(value in any_text()) {
        let found = substitute_json_text("{\"x\":\"<$a>\",\"y\":$a}", &bound(&value)).unwrap();
        let parsed: Value = serde_json::from_str(&found).unwrap();
        prop_assert_eq!(parsed, json!({"x": format!("<{value}>"), "y": value}));
    }
}

#[test]
fn hostile_texts_take_linear_time() {
    let size = 200_000;
    let tags: String = (0..size / 8).map(|index| format!("$t{index}$ ")).collect();
    let texts = [
        "$".repeat(size),
        "$$".repeat(size),
        "$a$ ".repeat(size),
        "'".repeat(size),
        "E'\\'".repeat(size),
        "{".repeat(size),
        "{v".repeat(size),
        "/*".repeat(size),
        "\"".repeat(size),
        "$$'".repeat(size),
        "U&'' ".repeat(size),
        "U&'a' \n".repeat(size),
        "(".repeat(size),
        "[{\"a\":".repeat(size),
        "$a.v?".repeat(size),
        "--\r".repeat(size),
        tags,
        format!("$$ {} $$", "' \"E'\\".repeat(size)),
        format!("{}{}", "U&'a'", " ".repeat(size)),
        "create function begin ".repeat(size / 10),
    ];
    let bound = bound("x$'");
    let started = std::time::Instant::now();
    for text in &texts {
        let _ = substitute_sql(text, &bound);
        let _ = substitute_plain(text, Place::Url, &bound);
        let _ = substitute_json_text(text, &bound);
        let _ = names_in(text, |_| true);
        let _ = statement_count(text);
        let _ = transaction_class(text);
        let _ = Graph::from_input(text);
    }
    // Quadratic work would take hours here; the bound only has to tell the two apart.
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}
