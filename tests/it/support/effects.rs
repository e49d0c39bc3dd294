//! Workflows that leave traces, and what must hold of the traces and of `df.*` after any fault.

use std::time::{Duration, Instant};

use super::TestDb;
use super::database::Role;

/// Where steps leave traces: one row per committed step, one number per step that was tried.
pub const TABLES: &str = "create table effects (instance text, step text);
                      create sequence tries;
                      create table turns (label text)";

/// What must find nothing once every instance has ended.
pub const VIOLATIONS: &str = "
    select 'not terminal: ' || id from df.instances where ended_at is null
    union all select 'owned though ended: ' || id from df.instances
               where ended_at is not null and owner is not null
    union all select 'undelivered: ' || event_id from df.outbox where delivered_at is null
    union all select 'run without its instance: ' || run_path from df.node_runs r
               where not exists (select from df.instances i where i.id = r.instance_id)
    union all select 'signal without its instance: ' || key from df.signals s
               where not exists (select from df.instances i where i.id = s.instance_id)
    union all select 'event without its instance: ' || event_id from df.outbox o
               where not exists (select from df.instances i where i.id = o.instance_id)
    union all select 'graph is gone: ' || id from df.instances i
               where not exists (select from df.graphs g where g.id = i.graph_id)
    union all select 'run of an epoch that never was: ' || r.run_path from df.node_runs r
               join df.instances i on i.id = r.instance_id where r.epoch > i.epoch
    union all select 'run of a stale epoch: ' || run_path from (
               select r.run_path, r.epoch, lag(r.epoch) over (
                          partition by r.instance_id order by r.ended_at) as before
                 from df.node_runs r
                where r.status in ('completed', 'failed') and r.due_at is null and r.signal_name is null
               ) as in_order where before > epoch
    union all select 'effect not exactly once: ' || step || ' of ' || instance
                from effects group by instance, step having count(*) <> 1
    union all select 'intent without outcome: ' || i.id from df.node_runs r
               join df.instances i on i.id = r.instance_id
               where r.status = 'intent' and i.status in ('completed', 'cancelled')";

/// One workflow per kind of node, as label and DSL text. Their results do not depend on when or where
/// they run. Those that wait for the signal `go` get it, and the one labelled `doomed` is cancelled,
/// by [`drive`].
pub fn workflows() -> Vec<(&'static str, String)> {
    let [a, b, c] = ["a", "b", "c"].map(trace);
    let next = "$$insert into turns values ('{sys_label}') returning
                  (select count(*) from turns where label = '{sys_label}') < 40$$";
    let break_at = "$$select count(*) >= 5 from turns where label = '{sys_label}'$$";
    let looped = format!(
        "df.loop(df.seq({next}, df.if({break_at}, df.break('{{\"left\":true}}'), 'select 1')))"
    );
    vec![
        ("sequence", format!("df.seq({a}, df.seq({b}, {c}))")),
        (
            "named",
            format!("df.seq({a}, df.seq(df.as('select 7 as n', 'x'), 'select $x + 1 as m'))"),
        ),
        (
            "joined",
            format!("df.join3({a}, df.seq({b}, df.sleep(1)), {c})"),
        ),
        ("raced", format!("df.race(df.seq({a}, {b}), df.sleep(600))")),
        (
            "branched",
            format!("df.if('select false', {a}, df.seq({b}, {c}))"),
        ),
        (
            "counted",
            format!("df.seq(df.loop('select 1', {next}), {a})"),
        ),
        ("left", format!("df.seq({looped}, {a})")),
        (
            "loops joined",
            format!("df.join(df.loop({next}, {next}), df.seq({a}, {b}))"),
        ),
        ("slept", format!("df.seq({a}, df.seq(df.sleep(1), {b}))")),
        (
            "signalled",
            format!("df.seq({a}, df.seq(df.wait_for_signal('go'), {b}))"),
        ),
        (
            "waited in vain",
            format!("df.seq(df.wait_for_signal('never', 1), {a})"),
        ),
        (
            "woken twice",
            format!("df.join(df.wait_for_signal('go'), df.seq(df.wait_for_signal('go'), {a}))"),
        ),
        ("failed", format!("df.seq({a}, df.seq('select 1/0', {b}))")),
        (
            "doomed",
            format!("df.seq({a}, df.seq(df.wait_for_signal('never'), {b}))"),
        ),
        (
            "many",
            format!(
                "df.join(df.seq({a}, {b}), df.join(df.seq('select pg_sleep(0.2)', {c}), df.race(df.wait_for_signal('never'), df.sleep(1))))"
            ),
        ),
    ]
}

/// Starts every workflow, in one transaction.
pub async fn start_all(role: &Role) {
    let mut all = String::from("begin;");
    for (label, graph) in workflows() {
        all.push_str(&format!("select df.start({graph}, '{label}');"));
    }
    role.client
        .batch_execute(&format!("{all} commit"))
        .await
        .unwrap();
}

/// What callers do meanwhile: signals once its waits are pending, and cancels. Answers whether all
/// of it has been done; call it until it has.
pub async fn drive(role: &Role) -> bool {
    let signal = "select df.signal_once('once', i.id, 'go', '1') from df.instances i
                   where i.label in ('signalled', 'woken twice') and i.ended_at is null
                     and (select count(*) from df.node_runs r
                           where r.instance_id = i.id and r.status = 'waiting' and r.signal_name = 'go')
                         = case i.label when 'signalled' then 1 else 2 end";
    let cancel = "select df.cancel(i.id, 'enough') from df.instances i
                   where i.label = 'doomed' and i.ended_at is null
                     and exists (select from df.node_runs r
                                  where r.instance_id = i.id and r.status = 'waiting')";
    let done = "select (select count(*) = 2 from df.signals) and
                       (select bool_and(status = 'cancelled') from df.instances where label = 'doomed')";
    role.text(signal).await;
    role.text(cancel).await;
    role.text(done).await.as_deref() == Some("t")
}

/// The outcome that must not depend on faults, as lines: instances, runs that ended, and effects.
/// Waits that were abandoned, epochs and times may differ.
pub const OUTCOME: &str = "
    select i.label || ' ' || i.status || ' ' || coalesce(i.result::text, i.error, '')
      from df.instances i
    union all
    select i.label || ' ' || r.run_path || ' ' || r.status || ' ' || coalesce(r.turn::text, '')
           || ' ' || coalesce(r.result::text, r.error, '')
      from df.node_runs r join df.instances i on i.id = r.instance_id
     where r.status <> 'waiting'
    union all
    select i.label || ' effect ' || e.step || ' ' || count(*)
      from effects e join df.instances i on i.id = right(e.instance, 8) group by i.label, e.step
    union all
    select label || ' turns ' || count(*) from turns group by label";

/// The outcome as one text.
pub async fn outcome(db: &TestDb) -> String {
    let all =
        format!("select string_agg(line, e'\\n' order by line) from ({OUTCOME}) as lines(line)");
    db.text(&all).await.unwrap()
}

/// A granted role whose steps leave traces.
pub async fn role_with_traces(db: &TestDb) -> Role {
    let role = db.role("worker").await;
    role.client.batch_execute(TABLES).await.unwrap();
    role
}

/// The DSL text of a step that leaves a trace.
pub fn trace(step: &str) -> String {
    format!("df.sql($$insert into effects values ('{{sys_label}}{{sys_instance_id}}', '{step}')$$)")
}

/// Waits until a query of the superuser's says `t`.
pub async fn until(db: &TestDb, question: &str, patience: Duration) {
    let deadline = Instant::now() + patience;
    while db.text(question).await.as_deref() != Some("t") {
        if Instant::now() >= deadline {
            let unfinished = "select coalesce(string_agg(i::text, e'\\n'), 'none')
                                from df.instances i where ended_at is null";
            let unfinished = db.text(unfinished).await.unwrap_or_default();
            panic!("still not: {question}; unfinished instances:\n{unfinished}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until every instance has ended and every event is delivered.
pub async fn until_all_ended(db: &TestDb, patience: Duration) {
    let question = "select not exists (select from df.instances where ended_at is null)
                       and not exists (select from df.outbox where delivered_at is null)
                       and not exists (select from df.instances where owner is not null)";
    until(db, question, patience).await;
}

/// Panics with everything that must not be.
pub async fn assert_nothing_lost_or_repeated(db: &TestDb) {
    let all = format!("select string_agg(v, e'\\n') from ({VIOLATIONS}) as all_of_them(v)");
    let found = db.text(&all).await;
    assert_eq!(found, None, "what must hold does not");
}
