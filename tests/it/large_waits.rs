//! Very many instances that only wait: a relay's memory, its start, and how promptly one of them is
//! served. `WAITS` says how many; the tests take few, `make large-waits` takes a million.

use std::time::{Duration, Instant};

use crate::support::effects::{role_with_traces, until};
use crate::support::{Role, TestDb};

const PATIENCE: Duration = Duration::from_secs(120);
/// How much more memory a relay may have beside very many than beside ten.
const MOST_MORE_MEMORY_KIB: u64 = 16 * 1024;
const MOST_START: Duration = Duration::from_secs(30);

/// How many of each kind are served, one after the other; the middle one counts.
const SERVED: u32 = 5;
/// How much longer one may take among very many than among ten, on a loaded machine.
const MOST_LATER: Duration = Duration::from_millis(700);

#[tokio::test]
async fn thousands_of_waiting_instances_cost_a_relay_next_to_nothing() {
    serve(5_000).await;
}

#[tokio::test]
#[ignore = "large; make large-waits runs it"]
async fn a_million_waiting_instances_cost_a_relay_next_to_nothing() {
    let waits = std::env::var("WAITS")
        .ok()
        .and_then(|text| text.trim().parse().ok());
    serve(waits.unwrap_or(1_000_000)).await;
}

/// What one relay beside many waits does.
#[derive(Debug)]
struct Figures {
    ready: Duration,
    signal: Duration,
    timer: Duration,
    memory_kib: u64,
}

async fn serve(waits: u32) {
    let ten = measure(10).await;
    let many = measure(waits).await;
    println!("10 waits: {ten:?}");
    println!("{waits} waits: {many:?}");
    assert!(
        many.memory_kib < ten.memory_kib + MOST_MORE_MEMORY_KIB,
        "{ten:?} {many:?}"
    );
    assert!(many.ready < MOST_START, "{many:?}");
    assert!(many.signal < ten.signal + MOST_LATER, "{ten:?} {many:?}");
    assert!(many.timer < ten.timer + MOST_LATER, "{ten:?} {many:?}");
}

/// Copies of two instances that were started and parked for real, half waiting for a timer and half
/// for a signal.
const COPY: &str = "
    create temp table originals as
        select i.*, row_number() over (order by r.signal_name nulls first) as kind
          from df.instances i join df.node_runs r on r.instance_id = i.id;
    create temp table copies as
        select 'w' || lpad(to_hex(n), 7, '0') as copy, o.*
          from generate_series(1, $1) as n join originals o on o.kind = 1 + n % 2;
    insert into df.instances (id, submitted_by, status, graph_id, epoch, wake_at)
        select copy, submitted_by, status, graph_id, epoch, wake_at from copies;
    update df.outbox set delivered_at = now() where delivered_at is null;
    insert into df.node_runs (instance_id, run_path, status, attempt, epoch, due_at, signal_name, detail)
        select c.copy, r.run_path, r.status, r.attempt, r.epoch, r.due_at, r.signal_name, r.detail
          from copies c join df.node_runs r on r.instance_id = c.id;
    analyze df.instances; analyze df.node_runs; analyze df.outbox";

async fn measure(waits: u32) -> Figures {
    let db = TestDb::new().await;
    let role = role_with_traces(&db).await;
    let args = ["--linger-ms", "50"];
    let mut first = db.relay_with(&args, &[]);
    role.text("select df.start(df.sleep(86400))").await;
    role.text("select df.start(df.wait_for_signal('go'))").await;
    until(
        &db,
        "select bool_and(owner is null and status = 'running') from df.instances",
        PATIENCE,
    )
    .await;
    first.kill();
    db.client
        .batch_execute(&COPY.replace("$1", &waits.to_string()))
        .await
        .unwrap();

    let began = Instant::now();
    let relay = db.relay_with(&args, &[]);
    let fresh = role.text("select df.start('select 1')").await.unwrap();
    until(&db, &ended(&fresh), PATIENCE).await;
    let ready = began.elapsed();

    let (mut signals, mut timers) = (Vec::new(), Vec::new());
    for n in 1..=SERVED {
        // Waits for a signal have odd numbers, timers even ones; these stand in the middle of them.
        let at = (waits - 2 * SERVED) / 4 * 2 + 2 * n;
        signals.push(signal(&db, &role, &format!("w{:07x}", at - 1)).await);
        timers.push(timer(&db, &format!("w{at:07x}")).await);
    }
    println!("{waits} waits, one after the other: signals {signals:?}, timers {timers:?}");
    signals.sort();
    timers.sort();
    Figures {
        ready,
        signal: signals[signals.len() / 2],
        timer: timers[timers.len() / 2],
        memory_kib: relay.memory_kib(),
    }
}

/// From sending a signal to the end of its instance.
async fn signal(db: &TestDb, role: &Role, id: &str) -> Duration {
    let began = Instant::now();
    role.text(&format!("select df.signal('{id}', 'go')")).await;
    until(db, &ended(id), PATIENCE).await;
    began.elapsed()
}

/// From when a timer is due to the end of its instance.
async fn timer(db: &TestDb, id: &str) -> Duration {
    let soon = format!(
        "update df.node_runs set due_at = clock_timestamp() + interval '1 s' where instance_id = '{id}';
         update df.instances set wake_at = clock_timestamp() + interval '1 s' where id = '{id}'"
    );
    db.client.batch_execute(&soon).await.unwrap();
    let began = Instant::now();
    until(db, &ended(id), PATIENCE).await;
    began.elapsed().saturating_sub(Duration::from_secs(1))
}

fn ended(id: &str) -> String {
    format!("select ended_at is not null from df.instances where id = '{id}'")
}
