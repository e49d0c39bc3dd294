//! Every node type alone, through the real path: its result, and what it does to those beside it.

use serde_json::{Value, json};

use crate::support::Workflows;

/// Runs the expressions at once and compares their results' text, key order included.
async fn check(workflows: &Workflows, cases: &[(&str, &str)]) {
    let mut started = Vec::new();
    for (expression, expected) in cases {
        started.push((workflows.start(expression).await, expression, expected));
    }
    let mut wrong = Vec::new();
    for (id, expression, expected) in started {
        let ended = workflows.ended(&id).await;
        let text = workflows
            .alice
            .text(&format!("select df.result('{id}')"))
            .await;
        if text.as_deref() != Some(*expected) {
            wrong.push(format!(
                "{expression}\n  expected {expected}\n  but {text:?} {ended:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn every_node_ends_with_the_result_that_the_contract_names() {
    let workflows = Workflows::new().await;
    let make = "create table t (n int); insert into t values (1), (2), (3)";
    workflows.alice.client.batch_execute(make).await.unwrap();
    let row = |n: u32| format!(r#"{{"rows":[{{"n":{n}}}],"row_count":1}}"#);
    let (one, two) = (row(1), row(2));
    let both = format!("[{one},{two}]");
    let three = format!("[{one},{two},{}]", row(3));
    let nested = format!("[[{one},{two}],{}]", row(3));
    check(&workflows, &[
        ("'select 1 as n'", one.as_str()),
        ("df.sql('select 1 as n')", one.as_str()),
        ("'select n as z, -n as a from t order by n limit 2'",
            r#"{"rows":[{"z":1,"a":-1},{"z":2,"a":-2}],"row_count":2}"#),
        ("'select 1 as n where false'", r#"{"rows":[],"row_count":0}"#),
        ("'update t set n = n'", r#"{"rows":[],"row_count":3}"#),
        ("'create table made (n int)'", r#"{"rows":[],"row_count":0}"#),
        ("df.seq('select 1 as n', 'select 2 as n')", two.as_str()),
        ("'select 1 as n' ~> 'select 2 as n'", two.as_str()),
        ("'select 1 as n' |=> 'x'", one.as_str()),
        ("df.join('select 1 as n', 'select 2 as n')", both.as_str()),
        ("'select 1 as n' & 'select 2 as n'", both.as_str()),
        ("df.join3('select 1 as n', 'select 2 as n', 'select 3 as n')", three.as_str()),
        ("'select 1 as n' & 'select 2 as n' & 'select 3 as n'", nested.as_str()),
        ("df.race('select 1 as n', df.sleep(60))", one.as_str()),
        ("df.sleep(60) | 'select 2 as n'", two.as_str()),
        ("df.if('select true', 'select 1 as n', 'select 2 as n')", one.as_str()),
        ("df.if('select false', 'select 1 as n', 'select 2 as n')", two.as_str()),
        ("'select 0' ?> 'select 1 as n' !> 'select 2 as n'", two.as_str()),
        ("df.seq(df.as('select 9', 'x'), df.if_rows('x', 'select 1 as n', 'select 2 as n'))", one.as_str()),
        ("df.seq(df.as('select 9 where false', 'x'), df.if_rows('x', 'select 1 as n', 'select 2 as n'))", two.as_str()),
        ("df.loop('select 1 as n', 'select false')", one.as_str()),
        ("@> df.break('done')", r#""done""#),
        ("df.loop(df.break('{\"a\": [1, 2]}'))", r#"{"a":[1,2]}"#),
        ("df.loop(df.break('12'))", "12"),
        ("df.loop(df.break('\"quoted\"'))", r#""quoted""#),
        ("df.loop(df.break('say \"hi\"'))", r#""say \"hi\"""#),
        ("df.loop(df.break())", "null"),
        ("df.loop('select 1', df.break('7'))", "7"),
        ("df.sleep(0)", r#"{"slept":true,"seconds":0}"#),
        ("df.sleep(1)", r#"{"slept":true,"seconds":1}"#),
        ("df.sleep_interval('0.25 seconds')", r#"{"slept":true,"seconds":0.25}"#),
        ("df.wait_for_signal('x', 1)", r#"{"signal_name":"x","timed_out":true,"data":null}"#),
    ]).await;
}

#[tokio::test]
async fn a_schedule_waits_for_the_next_whole_minute_and_wakes_a_parked_instance() {
    let workflows = Workflows::new().await;
    let id = workflows.start("df.wait_for_schedule('* * * * *')").await;
    workflows.db.waits_begun(&id, 1).await;
    let due = "select due_at = date_trunc('minute', due_at) and due_at - created_at <= interval '1 minute'
                  and due_at >= created_at from df.node_runs";
    assert_eq!(workflows.db.text(due).await.as_deref(), Some("t"));
    workflows
        .db
        .eventually("select owner is null from df.instances")
        .await;
    let ahead = "insert into df.clock_override (shift) values ('61 seconds')";
    workflows.db.client.batch_execute(ahead).await.unwrap();
    assert_eq!(
        workflows.ended(&id).await.result,
        json!({"scheduled": true})
    );
}

#[tokio::test]
async fn a_schedule_is_reckoned_by_the_databases_clock() {
    let ahead = "insert into df.clock_override (shift) values ('800 days')";
    let workflows = Workflows::prepared(ahead).await;
    let id = workflows.start("df.wait_for_schedule('0 0 1 1 *')").await;
    workflows.db.waits_begun(&id, 1).await;
    let due =
        "select due_at = date_trunc('year', df.clock()) + interval '1 year' from df.node_runs";
    assert_eq!(workflows.db.text(due).await.as_deref(), Some("t"));
}

#[tokio::test]
async fn a_signals_data_is_parsed_when_it_is_json_and_text_otherwise() {
    let workflows = Workflows::new().await;
    for (data, expected) in [
        ("'{\"b\": 1, \"a\": [true]}'", json!({"b": 1, "a": [true]})),
        ("'12'", json!(12)),
        ("'plain text'", json!("plain text")),
        ("''", json!("")),
        ("null", Value::Null),
    ] {
        let id = workflows.start("df.wait_for_signal('go')").await;
        workflows.db.waits_begun(&id, 1).await;
        workflows
            .alice
            .text(&format!("select df.signal('{id}', 'go', {data})"))
            .await;
        let expected = json!({"signal_name": "go", "timed_out": false, "data": expected});
        assert_eq!(workflows.ended(&id).await.result, expected, "{data}");
    }
}

#[tokio::test]
async fn a_signal_wakes_every_pending_wait_of_its_name_in_any_branch() {
    let workflows = Workflows::new().await;
    let id = workflows
        .start(
            "df.join(df.wait_for_signal('go'), df.race(df.wait_for_signal('go'), df.sleep(600)),
               df.seq(df.wait_for_signal('other'), df.wait_for_signal('go')))",
        )
        .await;
    workflows.db.waits_begun(&id, 4).await;
    workflows
        .alice
        .text(&format!("select df.signal('{id}', 'go', '1')"))
        .await;
    // Two were waiting and took it; the third comes to wait later and must take the second.
    workflows.db.waits_begun(&id, 2).await;
    workflows
        .alice
        .text(&format!("select df.signal('{id}', 'other')"))
        .await;
    workflows
        .alice
        .text(&format!("select df.signal('{id}', 'go', '2')"))
        .await;
    let data: Vec<Value> = workflows
        .ended(&id)
        .await
        .result
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["data"].clone())
        .collect();
    assert_eq!(data, [json!(1), json!(1), json!(2)]);
}

#[tokio::test]
async fn a_races_loser_is_cancelled_at_once_and_leaves_no_effect() {
    let workflows = Workflows::new().await;
    workflows
        .alice
        .client
        .batch_execute("create table effects (n int)")
        .await
        .unwrap();
    let id = workflows
        .start(
            "df.seq(df.race(df.wait_for_signal('go'),
                       'with slow as materialized (select pg_sleep(600) as s)
                        insert into effects select 1 from slow'),
                    df.wait_for_signal('end'))",
        )
        .await;
    let sleeping = "select count(*) = 1 from pg_stat_activity
                     where datname = current_database() and query like '%pg_sleep(600)%'
                       and state = 'active' and pid <> pg_backend_pid()";
    workflows.db.eventually(sleeping).await;
    workflows
        .alice
        .text(&format!("select df.signal('{id}', 'go')"))
        .await;
    workflows
        .db
        .eventually(&sleeping.replace("= 1", "= 0"))
        .await;
    workflows
        .alice
        .text(&format!("select df.signal('{id}', 'end')"))
        .await;
    assert_eq!(workflows.ended(&id).await.status, "completed");
    assert_eq!(
        workflows
            .db
            .text("select count(*) from effects")
            .await
            .as_deref(),
        Some("0")
    );
}

#[tokio::test]
async fn a_race_is_decided_by_the_first_end_of_whatever_kind() {
    let workflows = Workflows::new().await;
    let failed = workflows
        .failure("df.race('select 1/0', df.sleep(600))")
        .await;
    assert_eq!(failed.path.as_deref(), Some("root.left"));
    let broken = "df.loop(df.seq(df.race(df.sleep(600), df.break('5')), 'select 1/0'))";
    assert_eq!(workflows.result(broken).await, json!(5));
}

#[tokio::test]
async fn a_join_waits_for_all_then_takes_the_first_failure_or_break_in_branch_order() {
    let workflows = Workflows::new().await;
    workflows
        .alice
        .client
        .batch_execute("create table effects (n int)")
        .await
        .unwrap();
    let failed = workflows
        .failure(
            "df.join(df.seq(df.sleep_interval('0.3 seconds'), 'select 1/0'), 'select nothing_here',
                     df.seq(df.sleep_interval('0.4 seconds'), 'insert into effects values (1)'))",
        )
        .await;
    assert_eq!(failed.sqlstate.as_deref(), Some("22012"));
    assert_eq!(failed.path.as_deref(), Some("root.left.right"));
    assert_eq!(
        workflows
            .db
            .text("select count(*) from effects")
            .await
            .as_deref(),
        Some("1")
    );
    let first = "df.loop(df.join(df.seq(df.sleep_interval('0.2 seconds'), df.break('1')), df.break('2'), 'select 1/0'))";
    assert_eq!(workflows.result(first).await, json!(1));
}

#[tokio::test]
async fn a_loop_runs_hundreds_of_turns_without_a_pause_and_keeps_few_rows() {
    let workflows = Workflows::new().await;
    workflows
        .alice
        .client
        .batch_execute("create table turns (n int, at timestamptz default clock_timestamp())")
        .await
        .unwrap();
    let id = workflows
        .start("df.loop('insert into turns select count(*) + 1 from turns', 'select count(*) < 300 from turns')")
        .await;
    assert_eq!(workflows.ended(&id).await.status, "completed");
    // Were there a least time of a tenth of a second, no turn would be shorter; how long they take
    // altogether says more of what else the machine does.
    let quarter = "select percentile_cont(0.25) within group (order by took) < interval '0.1 s'
                     from (select at - lag(at) over (order by n) from turns) as t(took)";
    let quick = workflows.db.text(quarter).await;
    assert_eq!(quick.as_deref(), Some("t"));
    let turns = workflows
        .db
        .text("select count(*) || ' ' || max(n) from turns")
        .await;
    assert_eq!(turns.as_deref(), Some("300 300"));
    let rows = workflows
        .db
        .text("select count(*) < 100 from df.node_runs")
        .await;
    assert_eq!(rows.as_deref(), Some("t"));
}
