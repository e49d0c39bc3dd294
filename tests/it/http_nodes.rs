//! HTTP nodes against a small server in this process.

use serde_json::json;

use crate::support::{Web, Workflows, literal};

async fn allowed() -> Workflows {
    Workflows::prepared("select df.configure('http_allow_private', 'true')").await
}

#[tokio::test]
async fn a_4xx_is_a_result_and_a_5xx_fails_the_node() {
    let (workflows, web) = (allowed().await, Web::start());
    for (status, ok) in [(200, true), (204, true), (404, false), (429, false)] {
        let url = literal(&web.url(&format!("/status/{status}")));
        let result = workflows.result(&format!("df.http({url}, 'GET')")).await;
        assert_eq!(
            (&result["status"], &result["ok"]),
            (&json!(status), &json!(ok)),
            "{result}"
        );
    }
    let url = literal(&web.url("/status/503"));
    let failed = workflows
        .failure(&format!("df.seq('select 1', df.http({url}))"))
        .await;
    assert!(
        failed.error.as_deref().unwrap().contains("503"),
        "{failed:?}"
    );
    assert_eq!(failed.path.as_deref(), Some("root.right"));
    assert_eq!(
        web.requests()
            .iter()
            .filter(|request| request.target == "/status/503")
            .count(),
        1
    );
}

#[tokio::test]
async fn a_result_has_the_shape_of_the_contract() {
    let (workflows, web) = (allowed().await, Web::start());
    let url = literal(&web.url("/echo"));
    let result = workflows
        .result(&format!("df.http({url}, 'PUT', 'hello')"))
        .await;
    let keys: Vec<&String> = result.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        ["status", "body", "encoding", "headers", "ok", "duration_ms"]
    );
    assert_eq!(result["body"], "hello");
    assert_eq!(result["encoding"], "text");
    assert_eq!(result["headers"]["content-type"], "text/plain");
    assert!(result["duration_ms"].is_number());
    assert_eq!(web.requests()[0].method, "PUT");
}

#[tokio::test]
async fn references_are_replaced_in_url_body_and_headers() {
    let (workflows, web) = (allowed().await, Web::start());
    workflows
        .alice
        .text("select df.setvar('token', 's3cret')")
        .await;
    let url = literal(&web.url("/items/$item.id?label={sys_label}"));
    let id = workflows
        .alice
        .text(&format!(
            "select df.start(df.seq(df.as('select 7 as id, ''a \"b\"'' as name', 'item'),
               df.http({url}, 'POST', 'id=$item.id name=$item.name unknown=$nothing',
                       '{{\"X-Token\": \"{{token}}\", \"X-Rows\": \"$item.*\"}}')), 'lbl')"
        ))
        .await
        .unwrap();
    let ended = workflows.ended(&id).await;
    assert_eq!(ended.status, "completed", "{ended:?}");
    let request = web.requests().remove(0);
    assert_eq!(request.target, "/items/7?label=lbl");
    assert!(request.body.starts_with("id=7 name="), "{}", request.body);
    assert!(
        request.body.ends_with("unknown=$nothing"),
        "{}",
        request.body
    );
    assert_eq!(request.header("x-token"), Some("s3cret"));
    let rows: serde_json::Value = serde_json::from_str(request.header("x-rows").unwrap()).unwrap();
    assert_eq!(rows, json!([{"id": 7, "name": "a \"b\""}]));
}

#[tokio::test]
async fn an_unknown_column_is_an_error_in_http() {
    let (workflows, web) = (allowed().await, Web::start());
    let url = literal(&web.url("/$item.nothing"));
    let failed = workflows
        .failure(&format!(
            "df.seq(df.as('select 7 as id', 'item'), df.http({url}))"
        ))
        .await;
    assert!(
        failed.error.as_deref().unwrap().contains("nothing"),
        "{failed:?}"
    );
    assert!(web.requests().is_empty());
}

#[tokio::test]
async fn the_idempotency_key_names_the_run_for_ever() {
    let (workflows, web) = (allowed().await, Web::start());
    let url = literal(&web.url("/count"));
    let turns = "df.as('select $turn + 1 as n', 'turn')";
    let ended = workflows
        .run(&format!(
            "df.seq(df.as('select 0 as n', 'turn'), df.loop(df.seq({turns}, df.http({url})), 'select $turn < 3'))"
        ))
        .await;
    assert_eq!(ended.status, "completed", "{ended:?}");
    let installation = workflows
        .db
        .text("select value from df.meta where key = 'installation'")
        .await
        .unwrap();
    let keys: Vec<String> = web
        .requests()
        .iter()
        .map(|r| r.header("idempotency-key").unwrap().to_string())
        .collect();
    let expected: Vec<String> = (0..3)
        .map(|turn| format!("{installation}/{}/root.right.body[{turn}].right", ended.id))
        .collect();
    assert_eq!(keys, expected);
}

#[tokio::test]
async fn a_multipart_request_carries_its_parts_decoded() {
    let (workflows, web) = (allowed().await, Web::start());
    let url = literal(&web.url("/upload"));
    let result = workflows
        .result(&format!(
            r#"df.seq(df.as('select encode(''from a step'', ''base64'') as data, ''n1'' as name', 'f'),
               df.http_multipart({url}, 'POST', '[
                 {{"name": "$f.name", "data_b64": "$f.data", "filename": "a.txt", "content_type": "text/plain"}},
                 {{"name": "b", "data_b64": "aGVs\nbG8="}}]'))"#
        ))
        .await;
    assert_eq!(result["status"], 200);
    let request = web.requests().remove(0);
    assert!(
        request
            .header("content-type")
            .unwrap()
            .starts_with("multipart/form-data; boundary=")
    );
    for part in [
        "name=\"n1\"; filename=\"a.txt\"",
        "text/plain",
        "from a step",
        "name=\"b\"",
        "hello",
    ] {
        assert!(
            request.body.contains(part),
            "{part} is not in {}",
            request.body
        );
    }
}

#[tokio::test]
async fn a_timeout_a_refused_connection_and_a_private_target_fail_the_node() {
    let (workflows, web) = (allowed().await, Web::start());
    let slow = literal(&web.url("/slow"));
    let failed = workflows
        .failure(&format!("df.http({slow}, 'GET', timeout_seconds => 1)"))
        .await;
    assert_eq!(failed.sqlstate.as_deref(), Some("57014"), "{failed:?}");
    let failed = workflows
        .failure("df.http('http://127.0.0.1:1/', 'GET')")
        .await;
    assert_eq!(failed.sqlstate.as_deref(), Some("08000"), "{failed:?}");

    let guarded = Workflows::new().await;
    for (url, message) in [
        (web.url("/"), "bare IP"),
        ("http://localhost:1/".into(), ""),
    ] {
        let failed = guarded
            .failure(&format!("df.http({}, 'GET')", literal(&url)))
            .await;
        assert!(
            failed.error.as_deref().unwrap().contains(message),
            "{failed:?}"
        );
        assert_eq!(failed.sqlstate.as_deref(), Some("42501"), "{failed:?}");
    }
}

#[tokio::test]
async fn a_role_without_the_http_grant_is_refused_when_the_node_runs() {
    let (workflows, web) = (allowed().await, Web::start());
    let bob = workflows.db.login("bob", "pw").await;
    workflows
        .db
        .text(&format!("select df.grant_usage('{}')", bob.name))
        .await;
    let node = format!(
        r#"{{"node_type":"HTTP","query":"{{\"url\":\"{}\",\"method\":\"GET\"}}"}}"#,
        web.url("/")
    );
    let id = bob
        .text(&format!("select df.start({})", literal(&node)))
        .await
        .unwrap();
    let ended = workflows.ended_of(&bob, &id).await;
    assert_eq!(ended.status, "failed", "{ended:?}");
    assert!(
        ended
            .error
            .as_deref()
            .unwrap()
            .contains("does not have EXECUTE privilege"),
        "{ended:?}"
    );
    assert!(web.requests().is_empty());
}

#[tokio::test]
async fn a_cancel_ends_a_request_in_flight() {
    let (workflows, web) = (allowed().await, Web::start());
    let slow = literal(&web.url("/slow"));
    let id = workflows
        .start(&format!("df.http({slow}, 'GET', timeout_seconds => 600)"))
        .await;
    workflows
        .db
        .eventually("select count(*) = 1 from df.node_runs where status = 'intent'")
        .await;
    workflows
        .alice
        .text(&format!("select df.cancel('{id}', 'enough')"))
        .await;
    let ended = workflows.ended(&id).await;
    assert_eq!(ended.error.as_deref(), Some("enough"));
    workflows
        .db
        .eventually("select owner is null from df.instances")
        .await;
}

#[tokio::test]
async fn a_request_that_a_cancel_cuts_off_ends_with_that_as_its_reason() {
    let (workflows, web) = (allowed().await, Web::start());
    let url = literal(&web.url("/slow"));
    let id = workflows
        .start(&format!("df.http({url}, 'GET', timeout_seconds => 300)"))
        .await;
    while web.requests().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let cancel = format!("select df.cancel('{id}', 'enough')");
    workflows.alice.text(&cancel).await;
    let run = format!(
        "select status = 'failed' and sqlstate = '57014' and error like '%not known%'
           from df.node_runs where instance_id = '{id}'"
    );
    workflows.db.eventually(&run).await;
    assert_eq!(workflows.ended(&id).await.status, "cancelled");
}

/// S25: the decision is the end of what the loser had begun, for a later walk and for readers too.
#[tokio::test]
async fn a_request_that_lost_its_race_stays_begun_and_is_not_sent_again() {
    let allow = "select df.configure('http_allow_private', 'true')";
    let workflows = Workflows::with_relay(allow, &["--linger-ms", "50"]).await;
    let (db, web) = (&workflows.db, Web::start());
    let url = literal(&web.url("/slow"));
    let request = format!("df.http({url}, 'GET', timeout_seconds => 300)");
    let race = format!("df.race({request}, df.wait_for_signal('go'))");
    let id = workflows
        .start(&format!("df.seq({race}, df.wait_for_signal('later'))"))
        .await;
    while web.requests().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let signal = |name: &str| format!("select df.signal('{id}', '{name}')");
    workflows.alice.text(&signal("go")).await;
    // Given back, so that the next signal makes a second walk.
    let later = "select exists (select from df.node_runs where run_path = 'root.right')
                    and (select bool_and(owner is null) from df.instances)";
    db.eventually(later).await;
    let why = format!("select df.why('{id}')");
    let why = workflows.alice.text(&why).await.expect("a reason");
    assert!(why.contains("later") && !why.contains("HTTP"), "{why}");
    workflows.alice.text(&signal("later")).await;
    assert_eq!(workflows.ended(&id).await.status, "completed");
    // Whatever is delivered to an instance that has ended changes nothing of it.
    let again = "update df.outbox set delivered_at = null";
    db.client.batch_execute(again).await.unwrap();
    db.eventually("select bool_and(delivered_at is not null) from df.outbox")
        .await;
    db.assert_sound(&id).await;
    let recorded = "select status || coalesce(ended_at::text, '') from df.node_runs where run_path = 'root.left.left'";
    assert_eq!(db.text(recorded).await.as_deref(), Some("intent"));
    let shown = format!(
        "select concat_ws(' ', inferred_status, inferred_status_from_ancestor_id)
           from df.instance_nodes('{id}') where node_type = 'HTTP'"
    );
    let shown = workflows.alice.text(&shown).await;
    assert_eq!(shown, Some(format!("skipped {id}:root.left")));
    assert_eq!(web.requests().len(), 1);
}

/// S25, S29, S34: a cancel ends what is in flight, and not what a decision has ended before.
#[tokio::test]
async fn a_cancel_ends_no_request_that_had_lost_before() {
    let (workflows, web) = (allowed().await, Web::start());
    let url = literal(&web.url("/slow"));
    let request = format!("df.http({url}, 'GET', timeout_seconds => 300)");
    let race = format!("df.race({request}, df.wait_for_signal('go'))");
    // Time enough for the request to be sent before it is cut off.
    let timed = format!("df.timeout(df.seq('select 1', {request}), 5)");
    let id = workflows
        .start(&format!(
            "df.join3(df.seq({race}, {request}), {timed}, {request})"
        ))
        .await;
    let sent = async |count: usize| {
        while web.requests().len() < count {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    sent(3).await;
    let go = format!("select df.signal('{id}', 'go')");
    workflows.alice.text(&go).await;
    sent(4).await;
    let decided = "select count(*) = 2 from df.node_runs where status = 'decided'";
    workflows.db.eventually(decided).await;
    let cancel = format!("select df.cancel('{id}', 'enough')");
    workflows.alice.text(&cancel).await;
    assert_eq!(workflows.ended(&id).await.status, "cancelled");
    let delivered = "select bool_and(delivered_at is not null) from df.outbox";
    workflows.db.eventually(delivered).await;
    workflows.db.assert_sound(&id).await;
    let recorded = "select string_agg(run_path || ' ' || status, ', ' order by run_path)
                      from df.node_runs where sqlstate = '57014' and run_path <> 'root.right' or status = 'intent'";
    let expected = "root.extra_nodes[0] failed, root.left.left.left intent, root.left.right failed, root.right.right intent";
    assert_eq!(workflows.db.text(recorded).await.as_deref(), Some(expected));
}

#[tokio::test]
async fn a_request_too_large_in_its_parts_together_fails_before_it_is_made() {
    let limit = "select df.configure('http_allow_private', 'true'), df.configure('http_max_request_bytes', '5000000')";
    let (workflows, web) = (Workflows::prepared(limit).await, Web::start());
    let url = literal(&web.url("/echo"));
    let headers = "(select json_object_agg('h' || n, '$r') from generate_series(1, 400) n)::text";
    let parts = "(select json_agg(json_build_object('name', 'n', 'data_b64', '$r')) from generate_series(1, 400))::text";
    let head = "the URL and headers of the HTTP request exceed the limit of 65536 bytes";
    let body =
        "the body of the HTTP request exceeds the limit of 5000000 bytes (http_max_request_bytes)";
    for (node, why) in [
        (
            format!("df.http({url}, 'GET', NULL, {headers}::jsonb)"),
            head,
        ),
        (format!("df.http({url}, 'POST', repeat('$r', 6))"), body),
        (
            format!("df.http_multipart({url}, 'POST', {parts}::jsonb)"),
            body,
        ),
    ] {
        let failed = workflows
            .failure(&format!(
                "df.seq(df.as('select repeat(''A'', 1000000) as x', 'r'), {node})"
            ))
            .await;
        assert_eq!(failed.error.as_deref(), Some(why), "{node}");
        assert_eq!(failed.sqlstate.as_deref(), Some("54000"));
        assert_eq!(failed.path.as_deref(), Some("root.right"));
    }
    assert!(web.requests().is_empty());
}

/// In JSON a control character is six, and a body that is no text is base64.
#[tokio::test]
async fn an_answer_whose_result_is_too_large_fails_its_node() {
    let limit = "select df.configure('http_allow_private', 'true'), df.configure('max_result_bytes', '100000')";
    let (workflows, web) = (Workflows::prepared(limit).await, Web::start());
    let url = literal(&web.url("/echo"));
    let node = |bytes: usize| format!("df.http({url}, 'POST', repeat(E'\\x01', {bytes}))");
    let result = workflows.result(&node(16_000)).await;
    assert_eq!(result["body"].as_str().map(str::len), Some(16_000));
    let failed = workflows.failure(&node(17_000)).await;
    assert_eq!(
        (failed.sqlstate.as_deref(), failed.error.as_deref()),
        (
            Some("54000"),
            Some("the result is larger than 100000 bytes (max_result_bytes)")
        )
    );
}
