//! The shapes under faults of the server and of the network: Postgres killed, connections cut, also
//! between a COMMIT and its answer, in both ways to be woken up.

use std::time::Duration;

use df_reference::Program;

use crate::matrix::{chosen, slower_stride};
use crate::programs::Stage;
use crate::support::proxy::Proxy;

/// How often something breaks while the programs run.
const FAULTS: i64 = 5;
/// How long nothing may happen before the next fault comes.
const PAUSE: Duration = Duration::from_secs(3);

/// How many programs are left when the n-th fault comes.
fn left(programs: &[Program], fault: i64) -> i64 {
    let count = i64::try_from(programs.len()).expect("a small count");
    count * (FAULTS - fault) / (FAULTS + 1)
}

/// S30, S32: nothing in flight is told to anybody, and every row that was committed is there.
async fn survives_crashes(first: usize, args: &[&str]) {
    let mut stage = Stage::on_its_own_server().await.disturbed();
    let relay = stage.relay(args);
    let programs = chosen(first, slower_stride());
    let ids = stage.start(&programs).await;
    for fault in 0..FAULTS {
        stage.settle(left(&programs, fault), PAUSE).await;
        stage.crash().await;
    }
    stage.verify(&programs, &ids).await;
    assert!(!relay.has_ended(), "{}", relay.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_shape_survives_a_crash_of_postgres() {
    survives_crashes(7, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_shape_survives_a_crash_of_postgres_without_notifications() {
    survives_crashes(8, &["--poll-only", "true", "--poll-interval-ms", "100"]).await;
}

/// S3, S30: what was committed without an answer is found, what was not is done again.
async fn survives_cuts(first: usize, args: &[&str]) {
    let stage = Stage::new().await.disturbed();
    let proxy = Proxy::start(stage.port()).await;
    let relay = stage.relay_through(proxy.port, args);
    let programs = chosen(first, slower_stride());
    let ids = stage.start(&programs).await;
    for fault in 0..4 * FAULTS {
        stage.settle(left(&programs, fault / 4), PAUSE / 10).await;
        match fault % 4 {
            3 => proxy.cut_all(),
            _ => proxy.cut_a_commit(),
        }
    }
    stage.verify(&programs, &ids).await;
    assert!(!relay.has_ended(), "{}", relay.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_shape_survives_cut_connections() {
    survives_cuts(9, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_shape_survives_cut_connections_without_notifications() {
    survives_cuts(10, &["--poll-only", "true", "--poll-interval-ms", "100"]).await;
}
