//! Workflows that leave traces, and what must hold of the traces and of `df.*` after any fault.

use std::time::{Duration, Instant};

use super::TestDb;
use super::database::Role;

/// Where steps leave traces: one row per committed step, one number per step that was tried.
const TABLES: &str = "create table effects (instance text, step text);
                      create sequence tries";

/// What must find nothing once every instance has ended.
const VIOLATIONS: &str = "
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
    union all select 'effect not exactly once: ' || step || ' of ' || instance
                from effects group by instance, step having count(*) <> 1
    union all select 'intent without outcome: ' || i.id from df.node_runs r
               join df.instances i on i.id = r.instance_id
               where r.status = 'intent' and i.status = 'completed'";

/// A granted role whose steps leave traces.
pub async fn role_with_traces(db: &TestDb) -> Role {
    let role = db.role("worker").await;
    role.client.batch_execute(TABLES).await.unwrap();
    role
}

/// The DSL text of a step that leaves a trace.
pub fn trace(step: &str) -> String {
    format!("df.sql($$insert into effects values ('{{sys_instance_id}}', '{step}')$$)")
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
