//! Workflows that stand in every state in which an upgrade can find them, and what ends them.
//!
//! `begin` brings them there with a relay running, `late` adds what has happened since that relay was
//! killed, `finish` lets them all end. What they came to is compared with a run that nobody disturbed.

use tokio_postgres::Client;

use crate::support::{Role, TestDb};

/// What the workflows use besides `df`. They log a label for every effect.
const TABLES: &str = "
    create schema app;
    create table app.effects (label text);
    create sequence app.tries;
    create table app.switch (on_ int);
    insert into app.switch values (0);
    create table app.gate (n int);
    insert into app.gate values (1);
    grant usage on schema app to @alice@;
    grant select, insert, update on all tables in schema app to @alice@;
    grant all on all sequences in schema app to @alice@";

/// Label, expression, and the query that is true once it stands where the upgrade is to find it; `@`
/// is the instance. A label in angle brackets logs itself.
const WORKFLOWS: [(&str, &str, &str); 13] = [
    ("mid sequence", "<seq a> ~> 'insert into app.effects select ''seq b'' from app.gate for update' ~> <seq c>",
     "select count(*) = 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%seq b%'
         and datname = current_database()"),
    ("signal", "<sig a> ~> df.wait_for_signal('go') |=> 's' ~> 'insert into app.effects select $s.data'", WAITS),
    ("timer", "<timer a> ~> df.sleep(3600) ~> <timer b>", WAITS),
    ("loop", "df.loop(<loop> ~> df.if('select count(*) = 40 from app.effects where label = ''loop''',
                 df.sleep(3600), 'select 1'), 'select count(*) < 60 from app.effects where label = ''loop''')
              ~> <loop done>", WAITS),
    ("race decided", "df.race(<race won>, df.wait_for_signal('never')) ~> df.wait_for_signal('on') ~> <race after>", WAITS),
    ("race open", "df.race(df.sleep(3600) ~> <race slow>, df.wait_for_signal('never') ~> <race never>)",
     "select count(*) = 2 from df.node_runs where instance_id = @ and status = 'waiting'"),
    ("join", "df.join(<join a>, df.wait_for_signal('join') ~> <join b>) ~> <join c>",
     "select count(*) = 2 from df.node_runs where instance_id = @"),
    ("failed", "<fail a> ~> 'insert into app.effects select ''fail b'' where 1 / (select on_ from app.switch) = 1'
                ~> <fail c>",
     "select status = 'failed' from df.instances where id = @"),
    ("left failed", "<left a> ~> 'select 1 / 0'", "select status = 'failed' from df.instances where id = @"),
    ("attempts", "df.retry_policy('insert into app.effects select ''tried''
                      where 1 / (case when nextval(''app.tries'') >= 3 then 1 else 0 end) = 1', 5, 1800, factor => 1)
                  ~> <tried after>", WAITS),
    ("timed", "df.timeout(<timed a> ~> df.wait_for_signal('timed'), 3e9) ~> <timed b>",
     "select count(*) = 3 from df.node_runs where instance_id = @"),
    ("parked event", "df.wait_for_signal('parked') ~> <parked a>", WAITS),
    ("paused", "<paused a> ~> df.sleep(3600) ~> <paused b>", WAITS),
];

const WAITS: &str = "select owner is null and exists (select from df.node_runs r where r.instance_id = @
                        and r.status = 'waiting' and (r.due_at is null or r.due_at > now() + interval '1 minute'))
                       from df.instances where id = @";

/// Every `<label>` as a statement that logs it.
fn written(expression: &str) -> String {
    let mut sql = String::new();
    for (at, part) in expression.split('<').enumerate() {
        match part
            .split_once('>')
            .filter(|_| at > 0 && !part.starts_with([' ', '=']))
        {
            Some((label, rest)) => {
                sql.push_str(&format!(
                    "'insert into app.effects values (''{label}'')'{rest}"
                ));
            }
            None if at > 0 => sql.push_str(&format!("<{part}")),
            None => sql.push_str(part),
        }
    }
    sql
}

async fn start(alice: &Role, label: &str, expression: &str) -> String {
    let sql = format!("select df.start({}, '{label}')", written(expression));
    alice.text(&sql).await.expect("an instance id")
}

async fn id(db: &TestDb, label: &str) -> String {
    let sql = format!("select id from df.instances where label = '{label}'");
    db.text(&sql).await.expect("an instance of that label")
}

/// Holds the row that the step in flight needs; the step goes on when it is dropped.
pub struct Gate {
    _session: Client,
}

/// Starts all workflows and waits until each stands where it is to be found. A relay must run.
pub async fn begin(db: &TestDb, alice: &Role) -> Gate {
    let tables = TABLES.replace("@alice@", &alice.name);
    db.client.batch_execute(&tables).await.unwrap();
    let gate = df_postgres::ConnectOptions::parse(&db.superuser_url()).unwrap();
    let gate = gate.connect().await.unwrap();
    gate.batch_execute("begin; select n from app.gate for update")
        .await
        .unwrap();
    for (label, expression, stands) in WORKFLOWS {
        let id = start(alice, label, expression).await;
        db.until(&stands.replace('@', &format!("'{id}'")), "t")
            .await;
    }
    let cancelled = start(
        alice,
        "cancelled",
        "<cancelled a> ~> df.wait_for_signal('never')",
    )
    .await;
    db.until(&WAITS.replace('@', &format!("'{cancelled}'")), "t")
        .await;
    let cancel = format!("select df.cancel('{cancelled}', 'enough')");
    alice.text(&cancel).await.unwrap();
    let completed = start(
        alice,
        "completed",
        "<completed a> |=> 'x' ~> 'select 7 as n'",
    )
    .await;
    let ended = format!("select status = 'completed' from df.instances where id = '{completed}'");
    db.until(&ended, "t").await;
    Gate { _session: gate }
}

/// What happens while no relay runs: a start, signals, a pause, an event that somebody parked.
pub async fn late(db: &TestDb, alice: &Role) {
    start(alice, "pending", "<pending a> ~> <pending b>").await;
    let signal = format!(
        "select df.signal('{}', 'go', '\"told late\"')",
        id(db, "signal").await
    );
    alice.text(&signal).await.unwrap();
    let pause = format!("select df.pause('{}')", id(db, "paused").await);
    alice.text(&pause).await.unwrap();
    let parked = id(db, "parked event").await;
    let park = format!(
        "set local role {};
         select df.signal('{parked}', 'parked');
         reset role;
         update df.outbox set parked_at = now(), attempts = 10, last_error = 'broken'
          where instance_id = '{parked}' and kind = 'signal'",
        df_postgres::quote_identifier(&alice.name)
    );
    // In one transaction, so that a relay that runs meanwhile cannot deliver it before.
    db.client.batch_execute(&park).await.unwrap();
}

/// Lets everything end that is to end. A relay must run.
pub async fn finish(db: &TestDb, alice: &Role) {
    db.client
        .batch_execute("update app.switch set on_ = 1")
        .await
        .unwrap();
    for (label, call) in [
        ("race decided", "df.signal(@, 'on')"),
        ("join", "df.signal(@, 'join')"),
        ("timed", "df.signal(@, 'timed')"),
        ("failed", "df.retry(@)"),
        ("paused", "df.resume(@)"),
    ] {
        let id = format!("'{}'", id(db, label).await);
        let told = alice
            .text(&format!("select {}", call.replace('@', &id)))
            .await;
        assert!(told.is_some(), "{label}");
    }
    let release = "select df.release(event_id) from df.parked_events";
    assert_eq!(db.text(release).await.as_deref(), Some("OK"));
    // Every timer and every pause between attempts, of which two are left.
    for _ in 0..2 {
        db.pass("2 hours").await;
        let due =
            "select count(*) = 0 from df.node_runs r join df.instances i on i.id = r.instance_id
                    where r.status = 'waiting' and r.due_at <= df.clock() and i.ended_at is null";
        db.until(due, "t").await;
    }
    let open =
        "select coalesce(string_agg(label, ', '), '') from df.instances where ended_at is null";
    db.until(open, "").await;
}

/// What all instances came to, and every effect, as lines of text.
pub async fn outcome(db: &TestDb) -> Vec<String> {
    let sql = "select string_agg(line, E'\\n' order by line) from (
        select format('%s: %s %s %s %s', label, status, result, error_path, error) from df.instances
        union all
        select format('effect %s × %s', label, count(*)) from app.effects group by label) as l (line)";
    let lines = db.text(sql).await.unwrap();
    lines.lines().map(String::from).collect()
}
