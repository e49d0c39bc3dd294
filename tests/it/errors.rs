//! What is refused at once, with nothing written; and what a failed workflow says.

use crate::support::{TestDb, Workflows, refused};

/// Rows that callers write.
const WRITTEN: &str = "select (select count(*) from df.graphs) + (select count(*) from df.instances)
    + (select count(*) from df.outbox) + (select count(*) from df.signals) + (select count(*) from df.vars)";

#[tokio::test]
async fn what_is_refused_says_why_and_writes_nothing() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    let deep = "(select string_agg('{\"node_type\":\"LOOP\",\"left_node\":', '') from generate_series(1, 257))
        || '{\"node_type\":\"SQL\",\"query\":\"select 1\"}' || repeat('}', 257)";
    let too_deep = format!("df.start({deep})");
    for (call, sqlstate, message) in [
        (
            "df.start('{\"node_type\":\"X\"}')",
            "22023",
            "Invalid durable function graph: root: Unknown node_type 'X'",
        ),
        (
            "df.start('{\"node_type\":\"THEN\",\"left_node\":{\"node_type\":\"SQL\",\"query\":\"select 1\"}}')",
            "22023",
            "Invalid durable function graph: root: right_node in THEN is required",
        ),
        (
            "df.start('{\"node_type\":\"JOIN\",\"left_node\":{\"node_type\":\"SQL\",\"query\":\"a\"},\"right_node\":{\"node_type\":\"SQL\",\"query\":\"b\"},\"extra_nodes\":[3]}')",
            "22023",
            "extra_nodes entries must be Durofut JSON objects",
        ),
        (
            "df.start('{\"node_type\":\"IF\",\"query\":\"x\",\"left_node\":{\"node_type\":\"SQL\",\"query\":\"a\"},\"right_node\":{\"node_type\":\"SQL\",\"query\":\"b\"}}')",
            "22023",
            "query in IF must be valid JSON config",
        ),
        (&too_deep, "22023", "maximum nesting depth of 256"),
        ("df.start(null)", "22023", ""),
        ("df.start('')", "22023", ""),
        (
            "df.start(df.as('select 1', 'two words'))",
            "22023",
            "is not a valid identifier",
        ),
        (
            "df.start(df.as('select 1', '1st'))",
            "22023",
            "is not a valid identifier",
        ),
        (
            "df.start(df.wait_for_schedule('61 * * * *'))",
            "22023",
            "cron",
        ),
        ("df.start(df.wait_for_schedule('* * *'))", "22023", "cron"),
        ("df.start(df.sleep(-1))", "22023", ""),
        (
            "df.start(df.wait_for_signal('go', 0))",
            "22023",
            "timeout_seconds",
        ),
        (
            "df.start(df.http('ftp://example.com'))",
            "22023",
            "unsupported URL scheme",
        ),
        (
            "df.start(df.http('https://example.com', 'BREW'))",
            "22023",
            "",
        ),
        (
            "df.start(df.http_multipart('https://example.com'))",
            "22023",
            "",
        ),
        ("df.start(df.setvar('a', 'b'))", "22023", ""),
        ("df.start('select 1' ?> 'select 2')", "22023", ""),
        (
            "df.start('select 1', transaction_mode => 'later')",
            "22023",
            "invalid transaction_mode",
        ),
        (
            "df.start('select 1', transaction_mode => null)",
            "22023",
            "invalid transaction_mode",
        ),
        (
            "df.start('select 1', transaction_mode => 'new')",
            "0A000",
            "dblink",
        ),
        (
            "df.start('select 1', database => 'no_such_db')",
            "3D000",
            "no_such_db does not exist",
        ),
        ("df.start_once('', 'select 1')", "22023", "key"),
        ("df.start_once(null, 'select 1')", "22023", "key"),
        (
            "df.cancel('nothere1')",
            "P0002",
            "Instance not found or access denied: nothere1",
        ),
        (
            "df.signal('nothere1', 'go')",
            "P0002",
            "Instance not found or access denied: nothere1",
        ),
        (
            "df.signal_once('k', 'nothere1', 'go')",
            "P0002",
            "Instance not found or access denied: nothere1",
        ),
        (
            "df.await_instance('nothere1')",
            "P0002",
            "Instance not found or access denied: nothere1",
        ),
        ("df.setvar('', 'x')", "22023", ""),
        ("df.setvar(null, 'x')", "22023", ""),
    ] {
        let error = refused(&alice.client, &format!("select {call}")).await;
        assert_eq!(error.sqlstate, sqlstate, "{call}: {error:?}");
        assert!(error.message.contains(message), "{call}: {error:?}");
        assert_eq!(db.text(WRITTEN).await.as_deref(), Some("0"), "{call}");
    }
}

#[tokio::test]
async fn of_unknown_ids_the_readers_say_nothing() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    for reader in ["df.status('nothere1')", "df.result('nothere1')"] {
        assert_eq!(alice.text(&format!("select {reader}")).await, None);
    }
    for rows in [
        "df.instance_nodes('nothere1')",
        "df.instance_info('nothere1')",
        "df.instance_executions('nothere1')",
        "df.list_instances('nonsense')",
    ] {
        assert_eq!(
            alice
                .text(&format!("select count(*) from {rows}"))
                .await
                .as_deref(),
            Some("0")
        );
    }
}

#[tokio::test]
async fn a_failed_workflow_tells_the_nodes_own_message_sqlstate_and_run_path() {
    let workflows = Workflows::new().await;
    let make = "create table parent (n int primary key);
        create table child (n int references parent deferrable initially deferred);
        create function complain() returns int language plpgsql as
          $$ begin raise exception 'no more %', 'tea' using errcode = 'TEA01'; end $$";
    workflows.alice.client.batch_execute(make).await.unwrap();
    for (expression, sqlstate, message, path) in [
        ("'select 1/0'", "22012", "division by zero", "root"),
        (
            "'selec 1'",
            "42601",
            "syntax error at or near \"selec\"",
            "root",
        ),
        (
            "'select 1; select 2'",
            "42601",
            "cannot insert multiple commands into a prepared statement",
            "root",
        ),
        (
            "'select * from no_such_table'",
            "42P01",
            "relation \"no_such_table\" does not exist",
            "root",
        ),
        ("'select complain()'", "TEA01", "no more tea", "root"),
        (
            "'insert into child values (1)'",
            "23503",
            "violates foreign key constraint",
            "root",
        ),
        (
            "'select * from pg_authid'",
            "42501",
            "permission denied for table pg_authid",
            "root",
        ),
        ("'commit'", "DF004", "", "root"),
        (
            "df.seq('select 1', 'select 1/0')",
            "22012",
            "division by zero",
            "root.right",
        ),
        (
            "df.join('select 1', 'select 2', 'select 1/0')",
            "22012",
            "division by zero",
            "root.extra_nodes[0]",
        ),
        (
            "df.if('select 1/0', 'select 1', 'select 2')",
            "22012",
            "division by zero",
            "root.condition_node",
        ),
        (
            "df.loop(df.seq(df.as('select 1 as n', 'x'), 'select 1/0'))",
            "22012",
            "division by zero",
            "root.body[0].right",
        ),
        (
            "df.seq(df.as('select 0 as n', 'x'), df.loop(df.as('select $x + 1 as n', 'x'), 'select 1 / (3 - $x) > 0 or true'))",
            "22012",
            "division by zero",
            "root.right.condition_node[2]",
        ),
        ("df.break()", "22023", "BREAK outside", "root"),
        (
            "df.seq('select 1', df.break('x'))",
            "22023",
            "BREAK outside",
            "root.right",
        ),
        (
            "df.seq(df.as('select 1 as n where false', 'x'), 'select $x')",
            "22023",
            "$x",
            "root.right",
        ),
        (
            "df.seq(df.as('select null::int as n', 'x'), 'select $x.n')",
            "22023",
            "$x.n",
            "root.right",
        ),
        (
            "df.if_rows('unset', 'select 1', 'select 2')",
            "22023",
            "unset",
            "root",
        ),
    ] {
        let ended = workflows.failure(expression).await;
        let error = ended.error.clone().unwrap_or_default();
        assert!(error.contains(message), "{expression}: {ended:?}");
        for wrapper in [
            "orchestration",
            "ctivity",
            "duroxide",
            "db error",
            "node failed",
            "Error {",
        ] {
            assert!(!error.contains(wrapper), "{expression}: {ended:?}");
        }
        assert_eq!(
            ended.sqlstate.as_deref(),
            Some(sqlstate),
            "{expression}: {ended:?}"
        );
        assert_eq!(ended.path.as_deref(), Some(path), "{expression}: {ended:?}");
        let output = workflows
            .alice
            .text(&format!(
                "select output from df.instance_info('{}')",
                ended.id
            ))
            .await;
        assert!(
            output.is_some_and(|output| output.contains(message)),
            "{expression}"
        );
        let node = format!(
            "select bool_and(error like '%' || $m${message}$m$ || '%') from df.nodes
              where instance_id = '{}' and status = 'failed' and node_type in ('SQL', 'BREAK')",
            ended.id
        );
        assert_ne!(
            workflows.alice.text(&node).await.as_deref(),
            Some("f"),
            "{expression}"
        );
    }
}

#[tokio::test]
async fn the_relays_own_limits_are_those_that_df_settings_lists() {
    let db = TestDb::new().await;
    for (name, limit) in [
        ("max_graph_nodes", df_graph::MAX_NODES),
        ("max_graph_depth", df_graph::MAX_DEPTH),
        ("max_expanded_rows", df_graph::MAX_EXPANDED_ROWS),
        ("max_result_depth", df_graph::MAX_RESULT_DEPTH),
        ("max_substituted_bytes", df_graph::MAX_SUBSTITUTED_BYTES),
    ] {
        let listed =
            format!("select value from df.settings where name = '{name}' and kind = 'fixed'");
        assert_eq!(db.text(&listed).await, Some(limit.to_string()), "{name}");
    }
}
