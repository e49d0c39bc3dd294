//! Conditions: what a result is worth is read in one way, whoever reads it and when.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use crate::support::{TestDb, literal};

/// How many results are drawn.
const DRAWN: usize = 3_000;

/// S11, S32: the walk that meets a condition and the one that finds it recorded take the same arm, whatever
/// Postgres takes for a result: half a surrogate pair, white space of any script, any depth.
#[tokio::test]
async fn a_condition_is_worth_the_same_when_it_is_read_again() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    let _relay = db.relay_with(&["--linger-ms", "50"], &[]);
    let deep = format!("{}{}", "[".repeat(1500), "]".repeat(1500));
    let cases = [
        (r#""\ud800""#.to_owned(), true),
        (r#""\udc00\ud800 no""#.to_owned(), true),
        (r#"" \u0000 ""#.to_owned(), true),
        (r#"{"\ud800": 0}"#.to_owned(), true),
        (r#"["\ud800"]"#.to_owned(), true),
        (deep, true),
        (r#""\u00a0\u2003No\u3000""#.to_owned(), true),
        (r#""0e٣""#.to_owned(), true),
        (r#"" ""#.to_owned(), false),
    ];
    let cases = cases.map(|(json, truth)| (format!("{}::json", literal(&json)), truth));
    // Long ones travel by themselves.
    let long = [
        ("repeat('x', 70000)", true),
        ("repeat(' ', 70000) || 'F'", false),
    ];
    let long = long.map(|(text, truth)| (text.to_owned(), truth));
    let mut expected = Vec::new();
    for (value, truth) in cases.into_iter().chain(long) {
        // The first column alone decides, whatever stands in the second.
        for (columns, truth) in [
            (format!("{value} as a"), truth),
            (format!("1 as a, {value} as b"), true),
            (format!("0 as a, {value} as b"), false),
        ] {
            let condition = literal(&format!("select {columns}"));
            let arm = |arm: &str| format!("df.seq(df.wait_for_signal('go'), 'select ''{arm}''')");
            let (yes, no) = (arm("yes"), arm("no"));
            let start = format!("select df.start(df.if({condition}, {yes}, {no}))");
            let id = alice.text(&start).await.expect("an id");
            expected.push((id, columns, if truth { "yes" } else { "no" }));
        }
    }
    // Out of memory, so that the signal makes a second walk.
    let parked = "select count(*) from df.instances i join df.node_runs r on r.instance_id = i.id
                   where i.owner is null and r.status = 'waiting'";
    db.until(parked, &expected.len().to_string()).await;
    alice
        .text("select count(df.signal(id, 'go')) from df.instances")
        .await;
    for (id, columns, arm) in expected {
        assert_eq!(db.ended(&id).await, "completed", "{columns}");
        let told = format!(
            "select result -> 'rows' -> 0 ->> '?column?' from df.instances where id = '{id}'"
        );
        assert_eq!(db.text(&told).await.as_deref(), Some(arm), "{columns}");
        let waits = format!(
            "select count(*) from df.node_runs where instance_id = '{id}' and signal_name is not null"
        );
        assert_eq!(db.text(&waits).await.as_deref(), Some("1"), "{columns}");
    }
}

/// JSON as Postgres takes it, that is at the edge of what is true.
fn json() -> BoxedStrategy<String> {
    let piece = prop::sample::select(vec![
        "f",
        "FALSE",
        "no",
        "0",
        "0.0",
        "+",
        "-",
        ".",
        "e",
        "E5",
        "1",
        "x",
        " ",
        "\\t",
        "\\u000b",
        "\\u00a0",
        "\u{2003}",
        "\\u0000",
        "\\ud800",
        "\\udfff",
        "\\ud83d\\ude00",
        "\\\\u0000",
        "\\\\",
        "\\\"",
        "\u{663}",
        "\u{130}",
        "\u{17f}",
        "K",
    ]);
    let text = prop::collection::vec(piece, 0..4).prop_map(|all| format!("\"{}\"", all.concat()));
    let word = prop::sample::select(vec![
        "null", "true", "false", "0", "-0.0", "0e7", "1e-400", "-1", "10", "[ ]", "{ }", "0E-0",
    ]);
    let leaf = prop_oneof![text.clone(), word.prop_map(str::to_owned)];
    let key = prop_oneof![
        prop::sample::select(vec!["\"rows\"", "\"row_count\"", "\"row\\u0073\"", "\"a\""])
            .prop_map(str::to_owned),
        text,
    ];
    let value = leaf.prop_recursive(4, 24, 4, move |inner| {
        let fields = prop::collection::vec((key.clone(), inner.clone()), 0..4);
        let object = fields.prop_map(|all| {
            let all: Vec<_> = all
                .iter()
                .map(|(key, value)| format!("{key}:{value}"))
                .collect();
            format!("{{{}}}", all.join(" , "))
        });
        let array =
            prop::collection::vec(inner, 0..3).prop_map(|all| format!("[{}]", all.join(",")));
        prop_oneof![object, array]
    });
    let row_set =
        (prop::collection::vec(value.clone(), 0..3), any::<bool>()).prop_map(|(all, bare)| {
            let row = |value: &String| {
                if bare {
                    value.clone()
                } else {
                    format!("{{\"v\":{value}}}")
                }
            };
            let rows: Vec<_> = all.iter().map(row).collect();
            format!(
                "{{\"rows\":[{}],\"row_count\":{}}}",
                rows.join(","),
                rows.len()
            )
        });
    prop_oneof![value, row_set].boxed()
}

/// S11: the relay takes an arm and the views say which; the two read any result alike.
#[tokio::test]
async fn the_views_and_the_relay_agree_on_what_a_result_is_worth() {
    let db = TestDb::new().await;
    let (mut runner, results) = (TestRunner::deterministic(), json());
    let drawn: Vec<String> = (0..DRAWN)
        .map(|_| results.new_tree(&mut runner).expect("a result").current())
        .collect();
    let ask = "select array_agg(df.truth(r.result::json) order by r.n)
                 from unnest($1::text[]) with ordinality as r(result, n)";
    let told: Vec<bool> = db.client.query_one(ask, &[&drawn]).await.unwrap().get(0);
    let differ: Vec<_> = std::iter::zip(&drawn, told)
        .filter(|(result, told)| df_graph::truth(result) != *told)
        .collect();
    assert!(differ.is_empty(), "the views say otherwise: {differ:#?}");
    let truths = drawn
        .iter()
        .filter(|result| df_graph::truth(result))
        .count();
    assert!(
        (DRAWN / 5..DRAWN * 4 / 5).contains(&truths),
        "{truths} of {DRAWN}"
    );
}
