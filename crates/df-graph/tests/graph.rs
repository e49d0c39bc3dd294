//! Parsing and the checks of docs/sql-api.md, What is refused.

use df_graph::{Condition, Graph, HttpMethod, Kind};
use serde_json::{Value, json};

fn sql(query: &str) -> Value {
    json!({"node_type": "SQL", "query": query})
}

fn then(left: Value, right: Value) -> Value {
    json!({"node_type": "THEN", "left_node": left, "right_node": right})
}

fn with_config(node_type: &str, config: Value) -> Value {
    json!({"node_type": node_type, "query": config.to_string()})
}

/// A node of the given type with SQL children, with some fields set over it.
fn node(node_type: &str, fields: Value) -> Value {
    let mut node = json!({"node_type": node_type});
    let two = ["THEN", "JOIN", "RACE", "IF"].contains(&node_type);
    if two || node_type == "LOOP" {
        node["left_node"] = sql("select 'left'");
    }
    if two {
        node["right_node"] = sql("select 'right'");
    }
    for (key, value) in fields.as_object().unwrap() {
        node[key] = value.clone();
    }
    node
}

fn accepted(node: &Value) -> Graph {
    Graph::parse(&node.to_string()).unwrap_or_else(|error| panic!("{node}: {error}"))
}

fn check_refused(node: &Value, expected: &str) {
    let error = Graph::parse(&node.to_string())
        .expect_err(&node.to_string())
        .to_string();
    assert!(
        error.starts_with("Invalid durable function graph: root"),
        "{error}"
    );
    assert!(
        error.contains(expected),
        "{node}\n gave {error}\n not {expected}"
    );
}

/// Each line of the table is a graph and, behind an arrow, the message that it is refused with.
#[test]
fn malformed_graphs_are_refused_with_their_path_and_reason() {
    let table = include_str!("refused_graphs.txt");
    let cases: Vec<&str> = table
        .lines()
        .filter(|line| line.starts_with(['{', '[', '"']))
        .collect();
    assert!(
        cases.len() > 100,
        "the table has only {} cases",
        cases.len()
    );
    for case in cases {
        let (graph, expected) = case.split_once(" -> ").expect(case);
        let error = Graph::parse(graph).expect_err(graph).to_string();
        assert_eq!(
            error,
            format!("Invalid durable function graph: {expected}"),
            "{graph}"
        );
    }
}

#[test]
fn well_formed_nodes_are_read() {
    let kind = |node: Value| accepted(&node).nodes.swap_remove(0).kind;
    assert_eq!(
        kind(sql("select 1")),
        Kind::Sql {
            query: "select 1".into()
        }
    );
    assert_eq!(
        kind(node("SLEEP", json!({"query": "0.25"}))),
        Kind::Sleep { seconds: 0.25 }
    );
    assert_eq!(
        kind(node("SLEEP", json!({"query": "0"}))),
        Kind::Sleep { seconds: 0.0 }
    );
    let longest = kind(node("SLEEP", json!({"query": "9223372036854775807"})));
    assert_eq!(
        longest,
        Kind::Sleep {
            seconds: 9_223_372_036_854_775_807.0
        }
    );
    assert_eq!(
        kind(with_config(
            "WAIT_SCHEDULE",
            json!({"cron_expr": "*/5 * * * MON-FRI"})
        )),
        Kind::WaitSchedule {
            cron: "*/5 * * * MON-FRI".into()
        }
    );
    for (config, timeout_seconds) in [
        (json!({"signal_name": "go"}), None),
        (json!({"signal_name": "go", "timeout_seconds": null}), None),
        (
            json!({"signal_name": "go", "timeout_seconds": 5}),
            Some(5.0),
        ),
    ] {
        let expected = Kind::Signal {
            name: "go".into(),
            timeout_seconds,
        };
        assert_eq!(kind(with_config("SIGNAL", config)), expected);
    }
    for (node, value) in [
        (json!({"node_type": "BREAK"}), None),
        (with_config("BREAK", json!({"break_value": null})), None),
        (
            with_config("BREAK", json!({"break_value": "done"})),
            Some("done".to_string()),
        ),
        (
            with_config("BREAK", json!({"break_value": {"a": 1}})),
            Some("{\"a\":1}".to_string()),
        ),
    ] {
        assert_eq!(kind(node), Kind::Break { value });
    }
    let config = json!({"condition_type": "result_has_rows", "result_name": "x"}).to_string();
    let Kind::If {
        condition,
        then_branch,
        else_branch,
    } = kind(node("IF", json!({"query": config})))
    else {
        panic!("not an IF")
    };
    assert_eq!(
        condition,
        Condition::HasRows {
            result_name: "x".into()
        }
    );
    assert_eq!((then_branch, else_branch), (1, 2));
}

#[test]
fn http_configs_are_read_with_their_defaults() {
    let Kind::Http(config) = accepted(&with_config("HTTP", json!({"url": "HTTPS://x.y"})))
        .nodes
        .remove(0)
        .kind
    else {
        panic!("not an HTTP node")
    };
    assert_eq!(
        (config.method, config.timeout_seconds),
        (HttpMethod::Post, 30.0)
    );
    assert_eq!((config.body, config.headers), (None, vec![]));
    for url in [
        "http://x",
        "$base/x",
        "{base}/x",
        "ftp://{host}",
        "https://x/$id",
    ] {
        accepted(&with_config(
            "HTTP",
            json!({"url": url, "headers": null, "body": null}),
        ));
    }
    for method in ["GET", "post", "Put", "DELETE", "PATCH"] {
        accepted(&with_config(
            "HTTP",
            json!({"url": "http://x", "method": method}),
        ));
    }
    let parts = json!([
        {"name": "a", "data_b64": "aGVs\nbG8="},
        {"name": "b", "data_b64": "$file.data", "filename": "f.txt", "content_type": "text/plain"},
        {"name": "c", "data_b64": ""},
    ]);
    let node = with_config(
        "HTTP_MULTIPART",
        json!({"url": "http://x", "parts": parts, "headers": {"n": 1}}),
    );
    let Kind::HttpMultipart(form) = accepted(&node).nodes.remove(0).kind else {
        panic!("not a form")
    };
    assert_eq!(form.parts.len(), 3);
    assert_eq!(form.parts[1].filename.as_deref(), Some("f.txt"));
    assert_eq!(form.headers, vec![("n".to_string(), "1".to_string())]);
    assert_eq!(df_graph::decode_base64("aGVs\r\n bG8").unwrap(), b"hello");
}

#[test]
fn retry_and_timeout_may_stand_on_any_node() {
    let retry = json!({"max_attempts": 5, "on_sqlstate": ["40001", "DF001"]});
    let graph = accepted(&node(
        "THEN",
        json!({"retry": retry, "node_timeout_seconds": 1.5}),
    ));
    let policy = graph.root().retry.clone().unwrap();
    assert_eq!(
        (policy.max_attempts, policy.factor, policy.max_seconds),
        (5, 2.0, 300.0)
    );
    assert_eq!(graph.root().timeout_seconds, Some(1.5));
    for (attempt, seconds) in [
        (1, 1.0),
        (2, 2.0),
        (3, 4.0),
        (9, 256.0),
        (10, 300.0),
        (u32::MAX, 300.0),
    ] {
        assert_eq!(policy.delay_seconds(attempt), seconds, "attempt {attempt}");
    }
    assert!(
        policy.retries(Some("40001")) && !policy.retries(Some("22012")) && !policy.retries(None)
    );
    let any = accepted(&node(
        "SQL",
        json!({"query": "x", "retry": {"max_attempts": 1, "initial_seconds": 0}}),
    ));
    let any = any.root().retry.clone().unwrap();
    assert!(any.retries(None) && any.delay_seconds(u32::MAX) == 0.0);
}

#[test]
fn nodes_are_in_pre_order_with_paths_leaves_and_loops() {
    let graph = accepted(&then(
        node(
            "IF",
            json!({"condition_node": sql("select 'asked'"), "result_name": "r"}),
        ),
        node(
            "JOIN",
            json!({"extra_nodes": [
                node("LOOP", json!({"condition_node": sql("select 'again'")})),
                node("RACE", json!({})),
            ]}),
        ),
    ));
    let seen: Vec<(&str, usize, bool, Option<usize>)> = graph
        .nodes
        .iter()
        .map(|node| (node.path.as_str(), node.leaves, node.has_loop, node.parent))
        .collect();
    let expected = [
        ("root", 9, true, None),
        ("root.left", 3, false, Some(0)),
        ("root.left.condition_node", 1, false, Some(1)),
        ("root.left.left", 1, false, Some(1)),
        ("root.left.right", 1, false, Some(1)),
        ("root.right", 6, true, Some(0)),
        ("root.right.left", 1, false, Some(5)),
        ("root.right.right", 1, false, Some(5)),
        ("root.right.extra_nodes[0]", 2, true, Some(5)),
        ("root.right.extra_nodes[0].body", 1, false, Some(8)),
        (
            "root.right.extra_nodes[0].condition_node",
            1,
            false,
            Some(8),
        ),
        ("root.right.extra_nodes[1]", 2, false, Some(5)),
        ("root.right.extra_nodes[1].left", 1, false, Some(11)),
        ("root.right.extra_nodes[1].right", 1, false, Some(11)),
    ];
    assert_eq!(seen, expected);
    assert_eq!(
        graph.nodes[5].kind,
        Kind::Join {
            branches: vec![6, 7, 8, 11]
        }
    );
    assert_eq!(
        graph.nodes[8].kind,
        Kind::Loop {
            body: 9,
            condition: Some(10)
        }
    );
    assert_eq!(graph.nodes[1].children(), vec![2, 3, 4]);
    assert_eq!(graph.nodes[1].result_name.as_deref(), Some("r"));
    assert_eq!(graph.find("root.right.left"), Some(6));
}

/// A chain with `edges` edges from the root to its leaf, built as text.
fn chain(edges: usize, open: &str, close: &str) -> String {
    let leaf = r#"{"node_type":"SQL","query":"select 1"}"#;
    format!("{}{leaf}{}", open.repeat(edges), close.repeat(edges))
}

#[test]
fn depth_is_limited_to_256_edges_whatever_the_nodes() {
    let leaf = r#"{"node_type":"SQL","query":"x"}"#;
    let shapes = [
        (
            r#"{"node_type":"LOOP","left_node":"#.to_string(),
            "}".to_string(),
        ),
        (
            format!(r#"{{"node_type":"THEN","right_node":{leaf},"left_node":"#),
            "}".to_string(),
        ),
        (
            format!(
                r#"{{"node_type":"JOIN","right_node":{leaf},"left_node":{leaf},"extra_nodes":["#
            ),
            "]}".to_string(),
        ),
        (
            format!(
                r#"{{"node_type":"IF","right_node":{leaf},"left_node":{leaf},"condition_node":"#
            ),
            "}".to_string(),
        ),
    ];
    for (open, close) in &shapes {
        Graph::parse(&chain(256, open, close)).unwrap();
        for edges in [257, 300, 1_000, 100_000] {
            let error = Graph::parse(&chain(edges, open, close))
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("root: graph exceeds the maximum nesting depth of 256"),
                "{error}"
            );
        }
    }
}

#[test]
fn the_number_of_nodes_is_limited_to_ten_thousand() {
    let join = |extras: usize| node("JOIN", json!({"extra_nodes": vec![sql("x"); extras]}));
    assert_eq!(accepted(&join(998)).nodes.len(), 1_001);
    assert_eq!(accepted(&join(9_997)).nodes.len(), 10_000);
    check_refused(
        &join(9_998),
        "root: graph exceeds the maximum of 10000 nodes",
    );
}

#[test]
fn input_is_json_or_plain_sql() {
    let check = |text: &str, query: &str| {
        let graph = Graph::from_input(text).unwrap();
        assert_eq!(
            graph.root().kind,
            Kind::Sql {
                query: query.into()
            },
            "{text}"
        );
    };
    check("select 1", "select 1");
    check("  {statement}", "  {statement}");
    check("{\"node_type\":\"SQL\",\"query\":\"select 2\"}", "select 2");
    check(
        "\n { \"query\":\"select 2\",\"node_type\":\"SQL\",\"comment\":[1]}",
        "select 2",
    );
    check("\"not\" json", "\"not\" json");
    check("[1]", "[1]");
    for (text, expected) in [
        ("{}", "root: Missing node_type"),
        (
            "{\"node_type\":",
            "root: a graph must be a Durofut JSON object: expected a value at byte 13",
        ),
        ("{\"a\":1} x", "trailing characters at byte 8"),
        ("select '\0'", "NUL"),
    ] {
        let error = Graph::from_input(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn explicit_nulls_are_absent_fields() {
    let graph = accepted(&json!({
        "node_type": "SQL", "query": "x", "result_name": null, "left_node": null, "right_node": null,
        "condition_node": null, "extra_nodes": [], "retry": null, "node_timeout_seconds": null
    }));
    assert_eq!(graph.nodes.len(), 1);
    accepted(&node("JOIN", json!({"extra_nodes": null})));
    accepted(&node(
        "LOOP",
        json!({"query": null, "condition_node": null}),
    ));
}
