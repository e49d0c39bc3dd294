//! What a SQL step's result looks like, and how names carry results into later steps.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Workflows, literal};

/// Values, and how they come out: docs/sql-api.md, Results.
const VALUES: &[(&str, &str)] = &[
    ("true", "true"),
    ("1::int2", "1"),
    ("(-2147483648)::int4", "-2147483648"),
    ("9223372036854775807::int8", "9223372036854775807"),
    ("1.5::float4", "1.5"),
    ("0.1::float8", "0.1"),
    ("'NaN'::float8", "null"),
    ("'-Infinity'::float4", "null"),
    ("1.50::numeric", r#""1.50""#),
    (
        "12345678901234567890.123::numeric",
        r#""12345678901234567890.123""#,
    ),
    ("'NaN'::numeric", r#""NaN""#),
    ("'a\"b\\'::text", r#""a\"b\\""#),
    ("'x'::varchar(5)", r#""x""#),
    ("'ab'::char(4)", r#""ab  ""#),
    ("'n'::name", r#""n""#),
    (
        "'6ba7b810-9dad-11d1-80b4-00c04fd430c8'::uuid",
        r#""6ba7b810-9dad-11d1-80b4-00c04fd430c8""#,
    ),
    (
        "'2024-02-29 12:30:00+02'::timestamptz",
        r#""2024-02-29T10:30:00+00:00""#,
    ),
    (
        "'2024-02-29 12:30:00.25'::timestamp",
        r#""2024-02-29T12:30:00.250""#,
    ),
    ("'infinity'::timestamptz", r#""infinity""#),
    ("'-infinity'::timestamp", r#""-infinity""#),
    ("'2024-02-29'::date", r#""2024-02-29""#),
    ("'{\"b\":1, \"a\":[null]}'::json", r#"{"b":1, "a":[null]}"#),
    ("'{\"b\":1,\"a\":2}'::jsonb", r#"{"a":2,"b":1}"#),
    ("null::int", "null"),
    ("pg_sleep(0)", r#""""#),
    ("array[1, null, 3]", "[1,null,3]"),
    ("array[[1, 2], [3, 4]]", "[[1,2],[3,4]]"),
    ("array['a', 'b,c']", r#"["a","b,c"]"#),
    ("row(1, 'x')::pair", r#"{"n":1,"t":"x"}"#),
    ("'happy'::mood", r#""happy""#),
    ("7::positive", "7"),
    ("'1 day 02:00:00'::interval", r#""1 day 02:00:00""#),
    ("'192.168.0.1/24'::inet", r#""192.168.0.1/24""#),
    ("'\\xdeadbeef'::bytea", r#""\\xdeadbeef""#),
    ("'[1,5)'::int4range", r#""[1,5)""#),
    ("'12:30'::time", r#""12:30:00""#),
];

#[tokio::test]
async fn every_type_comes_out_as_the_contract_says_in_column_order() {
    every_type_comes_out(&Workflows::new().await).await;
}

/// Whatever the role's own settings say: those that results are rendered by come over them.
#[tokio::test]
async fn every_type_comes_out_the_same_for_a_role_of_other_settings() {
    let workflows = Workflows::new().await;
    for setting in [
        "datestyle = 'SQL, DMY'",
        "intervalstyle = 'sql_standard'",
        "bytea_output = 'escape'",
        "extra_float_digits = -5",
        "xmlbinary = 'hex'",
        "standard_conforming_strings = off",
        "timezone = 'Asia/Kolkata'",
    ] {
        let alter = format!("alter role {} set {setting}", workflows.alice.name);
        workflows.db.client.batch_execute(&alter).await.unwrap();
    }
    every_type_comes_out(&workflows).await;
}

/// Also those that change while the role's sessions are in use, and those that Postgres spells with capitals.
#[tokio::test]
async fn a_step_has_its_roles_settings_as_they_are() {
    let workflows = Workflows::new().await;
    let look =
        "$$select current_setting('timezone') || ' ' || current_setting('work_mem') || ' ' ||
                         current_setting('row_security') as s$$";
    let seen = async |expected: &str| {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let result = workflows.result(look).await;
            if result["rows"][0]["s"] == expected {
                return;
            }
            assert!(Instant::now() < deadline, "{result} for {expected}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let name = &workflows.alice.name;
    let alter = async |settings: &[&str]| {
        for setting in settings {
            let alter = format!("alter role {name} {setting}");
            workflows.db.client.batch_execute(&alter).await.unwrap();
        }
    };
    alter(&[
        "set timezone = 'Asia/Kolkata'",
        "set work_mem = '9MB'",
        "set row_security = off",
    ])
    .await;
    seen("Asia/Kolkata 9MB on").await;
    alter(&["set timezone = 'Asia/Tokyo'", "reset work_mem"]).await;
    seen("Asia/Tokyo 4MB on").await;
}

async fn every_type_comes_out(workflows: &Workflows) {
    let make = "create type pair as (n int, t text); create type mood as enum ('happy');
                create domain positive as int check (value > 0)";
    workflows.alice.client.batch_execute(make).await.unwrap();
    let columns: Vec<String> = VALUES
        .iter()
        .enumerate()
        .map(|(at, (sql, _))| format!("{sql} as z{at}"))
        .collect();
    let ended = workflows
        .run(&literal(&format!("select {}", columns.join(", "))))
        .await;
    assert_eq!(ended.status, "completed", "{ended:?}");
    let row = ended.result["rows"][0].as_object().unwrap();
    let names: Vec<&String> = row.keys().collect();
    let expected: Vec<String> = (0..VALUES.len()).map(|at| format!("z{at}")).collect();
    assert_eq!(names, expected.iter().collect::<Vec<_>>());
    for (at, (sql, expected)) in VALUES.iter().enumerate() {
        let mut expected: Value = serde_json::from_str(expected).unwrap();
        if *sql == "pg_sleep(0)" {
            expected = Value::Null;
        }
        let found = &row[&format!("z{at}")];
        assert!(
            *found == expected || same_instant(found, &expected),
            "{sql}: {found}"
        );
    }
}

/// Trailing zeros of a second's fraction are no difference.
fn same_instant(found: &Value, expected: &Value) -> bool {
    let trimmed = |value: &Value| {
        value
            .as_str()
            .map(|text| text.trim_end_matches('0').to_string())
    };
    expected.as_str().is_some_and(|text| text.contains('T')) && trimmed(found) == trimmed(expected)
}

#[tokio::test]
async fn repeated_column_names_are_numbered_and_statements_that_return_count() {
    let workflows = Workflows::new().await;
    workflows
        .alice
        .client
        .batch_execute("create table t (n int)")
        .await
        .unwrap();
    assert_eq!(
        workflows.result("'select 1 as a, 2 as a, 3 as a'").await,
        json!({"rows": [{"a": 1, "a_2": 2, "a_3": 3}], "row_count": 1})
    );
    assert_eq!(
        workflows
            .result("'insert into t values (1), (2) returning n'")
            .await,
        json!({"rows": [{"n": 1}, {"n": 2}], "row_count": 2})
    );
    assert_eq!(
        workflows.result("'delete from t'").await,
        json!({"rows": [], "row_count": 2})
    );
}

#[tokio::test]
async fn names_carry_results_into_later_steps() {
    let workflows = Workflows::new().await;
    workflows
        .db
        .client
        .batch_execute(
            "create table public.people (id int, name text);
        insert into public.people values (1, 'O''Hara'), (2, null);
        grant all on public.people to public",
        )
        .await
        .unwrap();
    for call in [
        "df.setvar('table', 'people')",
        "df.setvar('quote', 'it''s')",
    ] {
        workflows.alice.text(&format!("select {call}")).await;
    }
    let people = "df.as('select id, name from people order by id', 'p')";
    for (first, then, expected) in [
        (people, "select $p as n", json!({"n": 1})),
        (people, "select $p.name as n", json!({"n": "O'Hara"})),
        (
            people,
            "select 'Dear $p.name' as n",
            json!({"n": "Dear O'Hara"}),
        ),
        (
            people,
            "select count(*)::int as n, max(p.name) as m from $p.*",
            json!({"n": 2, "m": "O'Hara"}),
        ),
        (people, "select '$unknown' as n", json!({"n": "$unknown"})),
        (people, "select $$a $p b$$ as n", json!({"n": "a 1 b"})),
        (people, "select 1 as \"$p\" -- $p.name", json!({"$p": 1})),
        (
            "df.as('select null::int as v, 5 as w', 'p')",
            "select $p.v? is null as n, $p.w? as w",
            json!({"n": true, "w": 5}),
        ),
        (
            "df.as('select 1 as v where false', 'p')",
            "select $p? is null as n, (select count(*)::int from $p.*) as c",
            json!({"n": true, "c": 0}),
        ),
        (
            "df.as('select -5 as v', 'p')",
            "select 3 -$p as n",
            json!({"n": 8}),
        ),
        (
            "df.as('select true as v', 'p')",
            "select $p as n",
            json!({"n": true}),
        ),
        (
            "df.as('select 1.50 as v', 'p')",
            "select $p::numeric as n",
            json!({"n": "1.50"}),
        ),
        (
            "df.as(df.wait_for_signal('s', 1), 'p')",
            "select $p.timed_out as n",
            json!({"n": true}),
        ),
        (
            "df.as(df.loop(df.break('{\"k\": \"v\"}')), 'p')",
            "select $p.k as n, $p::json ->> 'k' as w",
            json!({"n": "v", "w": "v"}),
        ),
        // Digits beyond what a 64-bit number or a float holds.
        (
            "df.as('select ''{\"k\": 12345678901234567890123}''::json as v', 'p')",
            "select $p.v::json ->> 'k' as n",
            json!({"n": "12345678901234567890123"}),
        ),
        (
            "df.as(df.loop(df.break('{\"k\": 0.12345678901234567890123}')), 'p')",
            "select $p.k as n",
            json!({"n": "0.12345678901234567890123"}),
        ),
        // More levels than a JSON reader usually takes.
        (
            "df.as('select (repeat(''['', 500) || repeat('']'', 500))::json as v', 'p')",
            "select length($p.v) as n",
            json!({"n": 1000}),
        ),
        (
            "df.as('select 1', 'one')",
            "select count(*)::int as n from {table}",
            json!({"n": 2}),
        ),
        (
            "df.as('select 1', 'one')",
            "select '{quote}' as n",
            json!({"n": "it's"}),
        ),
        (
            "df.as('select ''$b'' as v', 'a')",
            "select $a as n",
            json!({"n": "$b"}),
        ),
        (
            "df.as('select 1 as v', 'ab')",
            "select '$abc' as n, $ab as m",
            json!({"n": "$abc", "m": 1}),
        ),
    ] {
        let result = workflows
            .result(&format!("df.seq({first}, {})", literal(then)))
            .await;
        assert_eq!(result["rows"][0], expected, "{first} ~> {then}");
    }
}

#[tokio::test]
async fn names_of_branches_loops_and_constructs_are_visible_after_them() {
    let workflows = Workflows::new().await;
    for (expression, expected) in [
        (
            "df.seq(df.join(df.as('select 1 as n', 'a'), df.as('select 2 as n', 'b')), 'select $a + $b as n')",
            json!(3),
        ),
        (
            "df.seq(df.join(df.as('select 1 as n', 'a'), df.as('select 2 as n', 'a')), 'select $a as n')",
            json!(2),
        ),
        (
            "df.seq(df.race(df.as('select 1 as n', 'a'), df.seq(df.sleep(600), df.as('select 2 as n', 'b'))), 'select $a as n')",
            json!(1),
        ),
        (
            "df.seq(df.if('select true', df.as('select 4 as n', 'a'), 'select 1'), 'select $a as n')",
            json!(4),
        ),
        (
            "df.seq(df.if(df.as('select 6 as n', 'c'), 'select 1', 'select 1'), 'select $c as n')",
            json!(6),
        ),
        (
            "df.seq(df.as('select 0 as n', 'i'), df.seq(df.loop(df.as('select $i + 1 as n', 'i'), 'select $i < 40'), 'select $i as n'))",
            json!(40),
        ),
        (
            "df.seq(df.loop(df.seq(df.as('select 3 as n', 'i'), df.break('1'))), 'select $i as n')",
            json!(3),
        ),
        (
            "df.seq(df.as(df.seq('select 1 as n', 'select 8 as n'), 'a'), 'select $a as n')",
            json!(8),
        ),
        (
            "df.seq(df.as(df.seq(df.as(df.seq(df.as('select 1 as n', 'a'), df.as('select $a + 1 as n', 'b')), 'c'), df.as('select $a + $b + $c as n', 'd')), 'e'), df.seq(df.seq('select 0', df.as('select 10 * $e as n', 'f')), df.seq('select 0', 'select $a + 10 * $b + $c + $d + $e + $f as n')))",
            json!(83),
        ),
        (
            "df.seq(df.as('select 1 as n', 'a'), df.seq(df.join(df.seq(df.as('select 2 as n', 'a'), 'select 1'), df.seq(df.sleep_interval('0.3 seconds'), df.as('select $a as n', 'seen'))), 'select $seen as n'))",
            json!(1),
        ),
    ] {
        let result = workflows.result(expression).await;
        assert_eq!(result["rows"][0]["n"], expected, "{expression}");
    }
    let joined = workflows.result("df.seq(df.as(df.join('select 1 as n', 'select 2 as n'), 'j'), 'select ($j)::json -> 1 -> ''row_count'' as n')").await;
    assert_eq!(joined["rows"][0]["n"], json!(1));
}

#[tokio::test]
async fn variables_are_those_of_the_start_and_sys_names_those_of_the_instance() {
    let workflows = Workflows::new().await;
    let alice = &workflows.alice;
    assert_eq!(
        alice
            .text("select df.setvar('v', 'first')")
            .await
            .as_deref(),
        Some("OK")
    );
    let id = alice
        .text("select df.start(df.seq(df.wait_for_signal('go'), df.sql($$select '{v}' as v, '{sys_instance_id}' as id, '{sys_label}' as label, '{unset}' as u$$)), 'my label')")
        .await
        .unwrap();
    alice.text("select df.setvar('v', 'second')").await;
    alice.text(&format!("select df.signal('{id}', 'go')")).await;
    let ended = workflows.ended(&id).await;
    let expected = json!({"v": "first", "id": id, "label": "my label", "u": "{unset}"});
    assert_eq!(ended.result["rows"][0], expected);
}

#[tokio::test]
async fn break_values_and_loops_substitute_too() {
    let workflows = Workflows::new().await;
    let result = workflows
        .result("df.seq(df.as('select 5 as n, ''a\"b'' as t', 'x'), df.loop(df.break('{\"n\": $x.n, \"t\": \"$x.t\"}')))")
        .await;
    assert_eq!(result, json!({"n": 5, "t": "a\"b"}));
}

#[tokio::test]
async fn a_result_too_deep_to_read_fails_the_step_that_names_it_and_no_other() {
    let workflows = Workflows::new().await;
    let deep = "df.as('select (repeat(''['', 1500) || repeat('']'', 1500))::json as v', 'p')";
    let unnamed = format!("df.seq({deep}, 'select 1 as n')");
    assert_eq!(workflows.result(&unnamed).await["rows"][0], json!({"n": 1}));
    let id = workflows
        .start(&format!("df.seq({deep}, 'select $p.v')"))
        .await;
    assert_eq!(workflows.db.ended(&id).await, "failed");
    let error = format!("select error_path || ': ' || error from df.instances where id = '{id}'");
    assert_eq!(
        workflows.db.text(&error).await.as_deref(),
        Some(
            "root.right: the result that $p refers to cannot be read: it is nested deeper than 1000 levels"
        )
    );
}

/// `count` branches of some 20,000 bytes each.
fn wide_join(count: u32) -> String {
    let branches = format!(
        "select array_agg(df.sql('select repeat(''x'', 20000) as x')) from generate_series(1, {count})"
    );
    format!("df.join(variadic ({branches}))")
}

#[tokio::test]
async fn results_that_are_too_large_together_fail_the_node_that_composes_them() {
    let workflows = Workflows::prepared("select df.configure('max_result_bytes', '100000')").await;
    let too_large = "54000 the result is larger than 100000 bytes (max_result_bytes)";
    let together = "54000 the results that are referred to are larger than 100000 bytes together (max_result_bytes)";
    let (small, large) = (wide_join(4), wide_join(5));
    let sequence = (0..5)
        .map(|n| format!("df.as('select repeat(''x'', 20000) as x', 'n{n}')"))
        .reduce(|all, one| format!("df.seq({all}, {one})"))
        .unwrap();
    for (expression, path, why) in [
        (large.clone(), "root", too_large),
        (format!("df.join({small}, {small})"), "root", too_large),
        (
            format!("df.seq('select 1', {large})"),
            "root.right",
            too_large,
        ),
        (
            format!("df.race({large}, df.sleep(600))"),
            "root.left",
            too_large,
        ),
        (format!("df.timeout({large}, 600)"), "root", too_large),
        (
            format!("df.seq(df.as({large}, 'j'), df.if_rows('j', 'select 1', 'select 2'))"),
            "root.right",
            too_large,
        ),
        (
            format!("df.seq(df.as({large}, 'j'), 'select ''$j''')"),
            "root.right",
            together,
        ),
        (
            format!("df.seq({sequence}, 'select ''$n0$n1$n2$n3$n4''')"),
            "root.right",
            together,
        ),
        (
            format!("df.seq({sequence}, df.loop(df.break('$n0$n0$n0$n0$n0')))"),
            "root.right.body[0]",
            too_large,
        ),
        // Six times as long in JSON as it is.
        (
            "df.loop(df.break(repeat(E'\\x01', 20000)))".to_owned(),
            "root.body[0]",
            too_large,
        ),
    ] {
        let ended = workflows.run(&expression).await;
        let error = ended.error.as_deref().unwrap_or_default();
        let sqlstate = ended.sqlstate.as_deref().unwrap_or_default();
        assert_eq!(
            (
                ended.path.as_deref(),
                format!("{sqlstate} {error}").as_str()
            ),
            (Some(path), why),
            "{expression}: {ended:?}"
        );
    }
    // A LOOP has no run of its own to fail, as where it can count no further.
    let id = workflows
        .start(&format!("df.loop({large}, 'select false')"))
        .await;
    let why = format!(
        "select concat_ws(' ', error_path, error_sqlstate, error) from df.instances where id = '{id}'"
    );
    workflows.db.until(&why, &format!("root {too_large}")).await;
    for expression in [
        small.clone(),
        format!("df.seq({large}, 'select 1')"),
        format!("df.seq(df.as({small}, 'j'), 'select length(''$j'')')"),
        format!("df.seq({sequence}, 'select length(''$n0$n1$n2$n3'')')"),
        format!("df.seq({sequence}, df.loop(df.break('$n0$n0$n0$n0')))"),
    ] {
        let ended = workflows.run(&expression).await;
        assert_eq!(ended.status, "completed", "{expression}: {ended:?}");
    }
}
