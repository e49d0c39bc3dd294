//! Graphs that are long, wide or deep: more than one execution or orchestration holds.

use serde_json::json;

use crate::support::{Workflows, literal, refused};

/// A sequence of `count` steps as a balanced tree, so that it is long and not deep.
fn sequence(step: &str, count: usize) -> String {
    if count == 1 {
        return step.to_string();
    }
    let half = count / 2;
    format!(
        "df.seq({}, {})",
        sequence(step, half),
        sequence(step, count - half)
    )
}

#[tokio::test]
async fn a_sequence_of_hundreds_of_steps_carries_its_names_to_the_end() {
    let workflows = Workflows::new().await;
    let step = "df.as('select $x + 1 as n', 'x')";
    let result = workflows
        .result(&format!(
            "df.seq(df.as('select 0 as n', 'x'), {})",
            sequence(step, 300)
        ))
        .await;
    assert_eq!(result["rows"][0]["n"], 300);
}

#[tokio::test]
async fn a_join_of_a_thousand_branches_keeps_their_order() {
    let workflows = Workflows::new().await;
    let branches =
        "array(select df.sql('select ' || n || ' as n') from generate_series(1, 1000) n)";
    let result = workflows
        .result(&format!("df.join(variadic {branches})"))
        .await;
    let numbers: Vec<i64> = result
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["rows"][0]["n"].as_i64().unwrap())
        .collect();
    assert_eq!(numbers, (1..=1000).collect::<Vec<_>>());
}

#[tokio::test]
async fn nested_loops_count_right_across_their_checkpoints() {
    let workflows = Workflows::new().await;
    let make = "create table turns (i int, j int)";
    workflows.alice.client.batch_execute(make).await.unwrap();
    let inner = "df.loop(df.seq(df.as('select $j + 1 as n', 'j'), 'insert into turns values ($i, $j)'), 'select $j < 40')";
    let outer = format!(
        "df.loop(df.seq(df.as('select $i + 1 as n', 'i'), df.seq(df.as('select 0 as n', 'j'), {inner})), 'select $i < 4')"
    );
    let result = workflows
        .result(&format!(
            "df.seq(df.as('select 0 as n', 'i'), df.seq({outer}, 'select $i as i, $j as j'))"
        ))
        .await;
    assert_eq!(result["rows"][0], json!({"i": 4, "j": 40}));
    let turns = "select count(*) || ' ' || count(distinct (i, j)) || ' ' || sum(i * j) from turns";
    assert_eq!(
        workflows.db.text(turns).await.as_deref(),
        Some("160 160 8200")
    );
}

#[tokio::test]
async fn a_loop_over_races_and_joins_runs_on_past_its_checkpoints() {
    let workflows = Workflows::new().await;
    let body = "df.seq(df.as('select $i + 1 as n', 'i'),
                  df.seq(df.join('select 1', df.race('select $i as n', df.wait_for_signal('never'))),
                         df.if('select $i >= 70', df.break('{\"i\": $i}'), 'select 1')))";
    let result = workflows
        .result(&format!(
            "df.seq(df.as('select 0 as n', 'i'), df.loop({body}))"
        ))
        .await;
    assert_eq!(result, json!({"i": 70}));
}

#[tokio::test]
async fn loops_in_branches_run_beside_each_other_and_their_names_come_out() {
    let workflows = Workflows::new().await;
    let count = |name: &str, to: u32| {
        format!(
            "df.seq(df.as('select 0 as n', '{name}'),
                   df.loop(df.as('select ${name} + 1 as n', '{name}'), 'select ${name} < {to}'))"
        )
    };
    let expression = format!(
        "df.seq(df.join({}, {}, df.race({}, df.wait_for_signal('never'))), 'select $a as a, $b as b, $c as c')",
        count("a", 90),
        count("b", 40),
        count("c", 70),
    );
    let result = workflows.result(&expression).await;
    assert_eq!(result["rows"][0], json!({"a": 90, "b": 40, "c": 70}));
    // A break unwinds from a branch of its own to the loop around the join.
    let broken = format!(
        "df.loop(df.join('select 1', df.seq({}, df.break('$a'))))",
        count("a", 40)
    );
    assert_eq!(workflows.result(&broken).await, json!(40));
}

/// A node at the given depth below the same operator over and over.
fn deep(edges: usize, around: &str) -> String {
    let node = r#"{"node_type":"SQL","query":"select 6 as n"}"#;
    let (before, after) = around.split_once('%').unwrap();
    let (before, after) = (before.repeat(edges), after.repeat(edges));
    literal(&format!("{before}{node}{after}"))
}

/// One that overflowed a stack would end the relay for everybody.
#[tokio::test]
async fn graphs_of_the_greatest_depth_run_and_one_deeper_is_refused() {
    let workflows = Workflows::new().await;
    let no = r#"{"node_type":"SQL","query":"select false"}"#;
    let never = r#"{"node_type":"SIGNAL","query":"{\"signal_name\":\"never\"}"}"#;
    for around in [
        format!(r#"{{"node_type":"THEN","left_node":{no},"right_node":%}}"#),
        format!(r#"{{"node_type":"THEN","left_node":%,"right_node":{no}}}"#),
        format!(r#"{{"node_type":"RACE","left_node":{never},"right_node":%}}"#),
        format!(r#"{{"node_type":"IF","condition_node":{no},"left_node":{no},"right_node":%}}"#),
    ] {
        let sql = format!("select df.start({})", deep(257, &around));
        let error = refused(&workflows.alice.client, &sql).await;
        assert!(
            error.message.contains("maximum nesting depth of 256"),
            "{error:?}"
        );
        let ended = workflows.run(&deep(256, &around)).await;
        assert_eq!(ended.status, "completed", "{around}: {ended:?}");
        if !around.starts_with(r#"{"node_type":"THEN","left_node":%"#) {
            assert_eq!(ended.result["rows"][0]["n"], 6, "{around}");
        }
    }
}

/// As many branches as operators make of them: `a & b & c` is a join in a join.
#[tokio::test]
async fn a_hundred_branches_joined_by_operators_complete() {
    let workflows = Workflows::new().await;
    let branches = ["df.sql('select 1 as n')"; 100].join(" & ");
    let ended = workflows.run(&branches).await;
    assert_eq!(ended.status, "completed", "{ended:?}");
}

#[tokio::test]
async fn a_race_of_long_branches_is_decided_by_the_first_to_end() {
    let workflows = Workflows::new().await;
    let make = "create table effects (branch text)";
    workflows.alice.client.batch_execute(make).await.unwrap();
    let short = sequence("df.sql('insert into effects values (''short'')')", 60);
    let long = sequence("df.sql('insert into effects values (''long'')')", 60);
    let ended = workflows
        .run(&format!(
            "df.race(df.seq({long}, df.sleep(600)), df.seq({short}, 'select 1 as n'))"
        ))
        .await;
    assert_eq!(ended.result["rows"][0]["n"], 1, "{ended:?}");
    let shorts = "select count(*) from effects where branch = 'short'";
    assert_eq!(workflows.db.text(shorts).await.as_deref(), Some("60"));
}
