//! Every node type inside every other to depth two ends as docs/sql-api.md says.
//!
//! A small model of that page's words gives the expected end of each generated workflow.

use df_reference::SCHEDULES_ARE_DUE;
use serde_json::{Value, json};

use crate::support::{Ended, Web, Workflows, literal};

/// A node to generate: its expression in the DSL, and its end by docs/sql-api.md.
#[derive(Debug, Clone)]
enum Node {
    Sql,
    Falsy,
    Fails,
    Sleep,
    /// A sleep long enough to leave memory when nothing lingers there.
    Nap,
    Schedule,
    Signal,
    TimesOut,
    Http(String),
    Multipart(String),
    Break,
    Then(Box<Node>, Box<Node>),
    Join(Vec<Node>),
    /// The given branch, 0 or 1, against a wait that never ends.
    Race(Box<Node>, usize),
    If(Box<Node>, Box<Node>, Box<Node>),
    IfRows(bool, Box<Node>, Box<Node>),
    /// A body that runs once.
    Loop(Box<Node>),
    /// A condition that is asked after each turn; the second turn of the body breaks.
    LoopWhile(Box<Node>),
    /// No condition: only a break or a failure ends it.
    LoopForever(Box<Node>),
}

/// How a node ends.
#[derive(Debug, Clone, PartialEq)]
enum End {
    Done(Value),
    Break(Value),
    /// SQLSTATE, a part of the message, run path.
    Failed(&'static str, &'static str, String),
}

fn row(value: Value) -> Value {
    json!({"rows": [{"n": value}], "row_count": 1})
}

/// What counts as true: a first column of the first row, or the value itself.
fn truth(result: &Value) -> bool {
    let value = match result.get("rows").and_then(Value::as_array) {
        Some(rows) => rows
            .first()
            .and_then(|row| row.as_object()?.values().next()),
        None => Some(result),
    };
    match value {
        None | Some(Value::Null) | Some(Value::Bool(false)) => false,
        Some(Value::Array(all)) => !all.is_empty(),
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        _ => true,
    }
}

impl Node {
    fn dsl(&self) -> String {
        self.dsl_at(0)
    }

    /// Loops at different depths count their turns under different names.
    fn dsl_at(&self, depth: usize) -> String {
        let inner = |node: &Node| node.dsl_at(depth + 1);
        match self {
            Node::Sql => "df.sql('select 7 as n')".into(),
            Node::Falsy => "df.sql('select false as n')".into(),
            Node::Fails => "df.sql('select 1 / 0 as n')".into(),
            Node::Sleep => "df.sleep(0)".into(),
            Node::Nap => "df.sleep_interval('0.05 seconds')".into(),
            Node::Schedule => "df.wait_for_schedule('* * * * *')".into(),
            Node::Signal => "df.wait_for_signal('go')".into(),
            Node::TimesOut => "df.wait_for_signal('silence', 1)".into(),
            Node::Http(url) => format!("df.http({}, 'POST', 'ping')", literal(url)),
            Node::Multipart(url) => format!(
                r#"df.http_multipart({}, 'POST', '[{{"name":"a","data_b64":"aGk="}}]')"#,
                literal(url)
            ),
            Node::Break => "df.break('\"out\"')".into(),
            Node::Then(a, b) => format!("df.seq({}, {})", inner(a), inner(b)),
            Node::Join(branches) => {
                let branches: Vec<String> = branches.iter().map(inner).collect();
                format!("df.join({})", branches.join(", "))
            }
            Node::Race(node, 0) => format!("df.race({}, df.wait_for_signal('never'))", inner(node)),
            Node::Race(node, _) => format!("df.race(df.wait_for_signal('never'), {})", inner(node)),
            Node::If(c, t, e) => format!("df.if({}, {}, {})", inner(c), inner(t), inner(e)),
            Node::IfRows(true, t, e) => format!("df.if_rows('one', {}, {})", inner(t), inner(e)),
            Node::IfRows(false, t, e) => format!("df.if_rows('none', {}, {})", inner(t), inner(e)),
            Node::Loop(body) => format!("df.loop({}, 'select false')", inner(body)),
            Node::LoopWhile(condition) => format!(
                "df.seq(df.as('select 0 as n', 'turn{depth}'),
                  df.loop(df.seq(df.as('select $turn{depth} + 1 as n', 'turn{depth}'),
                    df.if('select $turn{depth} > 1', df.break('\"second\"'), 'select 7 as n')), {}))",
                inner(condition)
            ),
            Node::LoopForever(body) => format!("df.loop({})", inner(body)),
        }
    }

    /// The node's end at a run path, inside a loop or not.
    fn end(&self, at: &str, in_loop: bool) -> End {
        let done = |value: Value| End::Done(value);
        match self {
            Node::Sql => done(row(json!(7))),
            Node::Falsy => done(row(json!(false))),
            Node::Fails => End::Failed("22012", "division by zero", at.into()),
            Node::Sleep => done(json!({"slept": true, "seconds": 0})),
            Node::Nap => done(json!({"slept": true, "seconds": 0.05})),
            Node::Schedule => done(json!({"scheduled": true})),
            Node::Signal => {
                done(json!({"signal_name": "go", "timed_out": false, "data": {"n": 1}}))
            }
            Node::TimesOut => {
                done(json!({"signal_name": "silence", "timed_out": true, "data": null}))
            }
            Node::Http(_) => {
                done(json!({"status": 200, "body": "ping", "encoding": "text", "ok": true}))
            }
            Node::Multipart(_) => done(json!({"status": 200, "encoding": "text", "ok": true})),
            Node::Break if in_loop => End::Break(json!("out")),
            Node::Break => End::Failed("22023", "BREAK outside", at.into()),
            Node::Then(a, b) => match a.end(&format!("{at}.left"), in_loop) {
                End::Done(_) => b.end(&format!("{at}.right"), in_loop),
                other => other,
            },
            Node::Join(branches) => {
                let segment = |index: usize| match index {
                    0 => format!("{at}.left"),
                    1 => format!("{at}.right"),
                    more => format!("{at}.extra_nodes[{}]", more - 2),
                };
                let mut results = Vec::new();
                for (index, branch) in branches.iter().enumerate() {
                    match branch.end(&segment(index), in_loop) {
                        End::Done(result) => results.push(result),
                        other => return other,
                    }
                }
                End::Done(Value::Array(results))
            }
            Node::Race(node, 0) => node.end(&format!("{at}.left"), in_loop),
            Node::Race(node, _) => node.end(&format!("{at}.right"), in_loop),
            Node::If(c, t, e) => match c.end(&format!("{at}.condition_node"), in_loop) {
                End::Done(result) if truth(&result) => t.end(&format!("{at}.left"), in_loop),
                End::Done(_) => e.end(&format!("{at}.right"), in_loop),
                other => other,
            },
            Node::IfRows(true, t, _) => t.end(&format!("{at}.left"), in_loop),
            Node::IfRows(false, _, e) => e.end(&format!("{at}.right"), in_loop),
            Node::Loop(body) => out_of_loop(body.end(&format!("{at}.body[0]"), true)),
            Node::LoopForever(body) => match body.end(&format!("{at}.body[0]"), true) {
                End::Done(_) => unreachable!("a loop for ever is given a body that ends it"),
                other => out_of_loop(other),
            },
            Node::LoopWhile(condition) => {
                match condition.end(&format!("{at}.right.condition_node[0]"), true) {
                    End::Done(result) if truth(&result) => End::Done(json!("second")),
                    End::Done(_) => End::Done(row(json!(7))),
                    other => out_of_loop(other),
                }
            }
        }
    }
}

fn out_of_loop(end: End) -> End {
    match end {
        End::Break(value) => End::Done(value),
        other => other,
    }
}

fn boxed(node: &Node) -> Box<Node> {
    Box::new(node.clone())
}

/// Every combinator with `inner` in each of its places, as far as the result ends at all.
fn around(inner: &Node) -> Vec<Node> {
    let sql = || Box::new(Node::Sql);
    let mut all = vec![
        Node::Then(boxed(inner), sql()),
        Node::Then(sql(), boxed(inner)),
        Node::Join(vec![inner.clone(), Node::Sql]),
        Node::Join(vec![Node::Sql, inner.clone()]),
        Node::Join(vec![Node::Sql, Node::Sleep, inner.clone()]),
        Node::Race(boxed(inner), 0),
        Node::Race(boxed(inner), 1),
        Node::If(boxed(inner), sql(), Box::new(Node::Falsy)),
        Node::If(sql(), boxed(inner), Box::new(Node::Fails)),
        Node::If(Box::new(Node::Falsy), Box::new(Node::Fails), boxed(inner)),
        Node::IfRows(true, boxed(inner), Box::new(Node::Fails)),
        Node::IfRows(false, Box::new(Node::Fails), boxed(inner)),
        Node::Loop(boxed(inner)),
        Node::LoopWhile(boxed(inner)),
    ];
    if !matches!(inner.end("root", true), End::Done(_)) {
        all.push(Node::LoopForever(boxed(inner)));
    }
    all
}

fn leaves(web: &Web) -> Vec<Node> {
    vec![
        Node::Sql,
        Node::Fails,
        Node::Break,
        Node::Falsy,
        Node::Sleep,
        Node::Schedule,
        Node::Signal,
        Node::TimesOut,
        Node::Http(web.url("/echo")),
        Node::Multipart(web.url("/echo")),
    ]
}

/// What changes from one request to the next is not compared.
fn steady(mut value: Value) -> Value {
    match &mut value {
        Value::Array(all) => all.iter_mut().for_each(|one| *one = steady(one.take())),
        Value::Object(object) if object.contains_key("duration_ms") => {
            object.retain(|key, _| key != "duration_ms" && key != "headers");
            let is_form = object
                .get("body")
                .and_then(Value::as_str)
                .is_some_and(|b| b.starts_with("--"));
            if is_form {
                object.remove("body");
            }
        }
        _ => {}
    }
    value
}

fn matches(expected: &End, ended: &Ended) -> bool {
    match expected {
        End::Done(value) => ended.status == "completed" && steady(ended.result.clone()) == *value,
        End::Break(_) => false,
        End::Failed(sqlstate, message, path) => {
            ended.status == "failed"
                && ended.sqlstate.as_deref() == Some(*sqlstate)
                && ended
                    .error
                    .as_deref()
                    .is_some_and(|error| error.contains(message))
                && ended.path.as_deref() == Some(path)
        }
    }
}

/// Starts all, each with the names and signals that the nodes refer to, and compares every end.
async fn check(workflows: &Workflows, nodes: &[Node]) {
    let alice = &workflows.alice;
    let mut started = Vec::new();
    for some in nodes.chunks(50) {
        alice.client.batch_execute("begin").await.unwrap();
        for node in some {
            let expression = format!(
                "df.seq(df.as('select 1 as n', 'one'), df.seq(df.as('select 1 as n where false', 'none'),
                   {}))",
                node.dsl()
            );
            let id = workflows.start(&expression).await;
            // Each wait takes one: a few more than any workflow here has.
            let send = format!(
                "select df.signal('{id}', 'go', '{{\"n\": 1}}') from generate_series(1, 4)"
            );
            alice.client.batch_execute(&send).await.unwrap();
            started.push((id, node));
        }
        alice.client.batch_execute("commit").await.unwrap();
    }
    workflows.db.settled().await;
    let mut wrong = Vec::new();
    for (id, node) in started {
        let expected = node.end("root.right.right", false);
        let ended = workflows.ended(&id).await;
        if !matches(&expected, &ended) {
            wrong.push(format!(
                "{}\n  expected {expected:?}\n  but {ended:?}",
                node.dsl()
            ));
        }
    }
    let (count, of) = (wrong.len(), nodes.len());
    assert!(
        wrong.is_empty(),
        "{count} of {of} ended otherwise:\n{}",
        wrong.join("\n")
    );
}

/// Workflows whose HTTP nodes may reach this machine, and whose schedules are due at once.
async fn prepared() -> Workflows {
    let allow = "select df.configure('http_allow_private', 'true')";
    Workflows::prepared(&format!("{allow};\n{SCHEDULES_ARE_DUE}")).await
}

#[tokio::test]
async fn every_node_inside_every_combinator_ends_as_the_contract_says() {
    let (workflows, web) = (prepared().await, Web::start());
    let leaves = leaves(&web);
    let mut nodes = leaves.clone();
    nodes.extend(leaves.iter().flat_map(around));
    check(&workflows, &nodes).await;
}

#[tokio::test]
async fn every_combinator_inside_every_combinator_ends_as_the_contract_says() {
    let workflows = prepared().await;
    let inner: Vec<Node> = [Node::Sql, Node::Fails, Node::Break]
        .iter()
        .flat_map(around)
        .collect();
    let nodes: Vec<Node> = inner.iter().flat_map(around).collect();
    check(&workflows, &nodes).await;
}

/// The last branches of a JOIN are told to its walk together; nothing that follows before its end waits for that.
#[tokio::test]
async fn what_follows_within_a_join_begins_while_another_branch_runs() {
    let workflows = Workflows::prepared(
        "create table public.follows (n int);
         create function public.followed() returns bool language plpgsql as $$ begin
             for i in 1 .. 1500 loop
                 if exists (select from public.follows) then return true; end if;
                 perform pg_sleep(0.02);
             end loop;
             raise 'nothing followed';
         end $$;
         grant insert, select, delete on public.follows to public",
    )
    .await;
    let follows = "'insert into public.follows values (1)'";
    let branches = [
        format!("df.seq('select pg_sleep(0.2)', {follows})"),
        format!("df.seq(df.join('select 1', 'select 2'), {follows})"),
        format!("df.seq(df.join('select 1', df.seq('select 2', 'select 3')), {follows})"),
        format!("df.seq(df.join(df.join('select 1', 'select 2'), 'select 3'), {follows})"),
        format!("df.if('select true', {follows}, 'select 1')"),
        format!("df.seq(df.if('select true', 'select 1', 'select 2'), {follows})"),
        format!("df.seq(df.race('select 1', df.wait_for_signal('never')), {follows})"),
        format!("df.seq(df.timeout(df.join('select 1', 'select 2'), 50), {follows})"),
        format!("df.seq(df.loop('select 1', 'select false'), {follows})"),
        format!("df.loop({follows}, 'select false')"),
    ];
    let mut programs: Vec<String> = branches
        .iter()
        .map(|branch| format!("df.join({branch}, 'select public.followed()')"))
        .collect();
    // A race that a JOIN wins is decided as the JOIN ends.
    let joins = [
        "df.join('select 1', 'select 2')",
        "df.join(df.join('select 1', 'select 2'), 'select 3')",
    ];
    programs.extend(joins.map(|join| format!("df.race({join}, 'select pg_sleep(60)')")));
    for program in programs {
        workflows.alice.text("delete from public.follows").await;
        let ended = workflows.run(&program).await;
        assert_eq!(ended.status, "completed", "{program}: {ended:?}");
    }
}

/// A generator of small numbers, the same for the same seed.
struct Dice {
    state: u64,
    /// Whether half of all leaves wait.
    naps: bool,
}

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) % sides
    }

    /// A node no deeper than `depth` edges.
    fn node(&mut self, depth: u32) -> Node {
        if depth == 0 || self.below(6) == 0 {
            let naps = self.naps && self.below(2) == 0;
            return match self.below(12) {
                _ if naps => Node::Nap,
                0 => Node::Fails,
                1 => Node::Break,
                2 => Node::Sleep,
                3..=5 => Node::Falsy,
                _ => Node::Sql,
            };
        }
        let kind = self.below(9);
        let mut one = || Box::new(self.node(depth - 1));
        match kind {
            0 => Node::Then(one(), one()),
            1 => Node::Join(vec![*one(), *one()]),
            2 => Node::Join(vec![*one(), *one(), *one()]),
            3 => Node::Race(one(), 0),
            4 => Node::Race(one(), 1),
            5 => Node::If(one(), one(), one()),
            6 => Node::IfRows(true, one(), one()),
            7 => Node::Loop(one()),
            _ => Node::LoopWhile(one()),
        }
    }
}

fn random(seeds: std::ops::Range<u64>, naps: bool) -> Vec<Node> {
    seeds.map(|state| Dice { state, naps }.node(6)).collect()
}

#[tokio::test]
async fn random_nestings_to_depth_six_end_as_the_contract_says() {
    check(&prepared().await, &random(0..80, false)).await;
}

/// Every wait ends with the instance rebuilt from what is recorded of it.
#[tokio::test]
async fn random_nestings_that_leave_memory_at_every_wait_end_as_the_contract_says() {
    let workflows = Workflows::with_relay("", &["--linger-ms", "1"]).await;
    check(&workflows, &random(0..60, true)).await;
}
