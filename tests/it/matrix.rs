//! Every nesting shape up to depth three against the reference, under every way to run a relay.
//! `make matrix` runs all of them, `make test` a share; DF_MATRIX_STRIDE says how large. A rule of
//! docs/semantics.md is cited where the shapes exercise it.

use std::time::{Duration, Instant};

use df_reference::{Leaf, Program, shapes};

use crate::programs::Stage;

/// Every how many shapes one is run, unless DF_MATRIX_STRIDE says otherwise.
const STRIDE: usize = 24;
/// How many times as many for the ways to run that take longer, unless DF_MATRIX_SLOWER says so.
const SLOWER: usize = 7;

fn stride() -> usize {
    let given = std::env::var("DF_MATRIX_STRIDE").ok();
    given.map_or(STRIDE, |text| {
        text.parse().expect("DF_MATRIX_STRIDE is a number")
    })
}

/// Every how many shapes the slower ways run one.
pub fn slower_stride() -> usize {
    let given = std::env::var("DF_MATRIX_SLOWER").ok();
    let times = given.map_or(SLOWER, |text| {
        text.parse().expect("DF_MATRIX_SLOWER is a number")
    });
    stride() * times
}

/// Every n-th shape, beginning with another one for each test.
pub fn chosen(first: usize, stride: usize) -> Vec<Program> {
    shapes()
        .into_iter()
        .skip(first % stride)
        .step_by(stride)
        .map(|shape| shape.program)
        .collect()
}

/// S1 to S4, S6, S7, S9 to S28 and S34: whatever nests in whatever, sequence in loops, breaks through
/// joins, names out of races.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_shape_does_what_the_rules_say() {
    let stage = Stage::new().await;
    let _relay = stage.relay(&[]);
    let (programs, begun) = (chosen(0, stride()), Instant::now());
    let ids = stage.start(&programs).await;
    stage.verify(&programs, &ids).await;
    eprintln!("{} programs in {:.1?}", programs.len(), begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_shape_does_the_same_without_notifications() {
    let stage = Stage::new().await;
    let _relay = stage.relay(&["--poll-only", "true", "--poll-interval-ms", "100"]);
    let programs = chosen(1, slower_stride());
    let ids = stage.start(&programs).await;
    stage.verify(&programs, &ids).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_shape_does_the_same_on_two_relays() {
    let stage = Stage::new().await;
    let _relays = [stage.relay(&[]), stage.relay(&[])];
    let programs = chosen(2, slower_stride());
    let ids = stage.start(&programs).await;
    stage.verify(&programs, &ids).await;
}

/// S31: steps that act in another database than the record's. A loser's may have acted unrecorded there,
/// and tries are counted at home, so that neither is among these.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_shape_does_the_same_in_another_database() {
    let stage = Stage::with_another_database().await;
    let _relay = stage.relay(&[]);
    let counts = |program: &Program| {
        let leaves = program.numbered().into_iter();
        leaves
            .map(|(_, leaf)| leaf)
            .any(|leaf| matches!(leaf, Leaf::Flaky { .. }))
    };
    let mut programs = chosen(13, slower_stride().div_ceil(2));
    programs.retain(|program| !program.is_contested() && !counts(program));
    let ids = stage.start(&programs).await;
    stage.verify(&programs, &ids).await;
    let at_home = "select count(*) from trace";
    let at_home: i64 = stage.admin.query_one(at_home, &[]).await.unwrap().get(0);
    assert_eq!(at_home, 0, "they acted in the other database");
}

/// S30 and S32: a SIGKILL of the only relay, several times while programs run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_shape_survives_the_death_of_its_relay() {
    let stage = Stage::new().await.disturbed();
    let programs = chosen(3, slower_stride());
    let ids = stage.start(&programs).await;
    for share in (1..=4).rev() {
        let mut relay = stage.relay(&["--lease-seconds", "2"]);
        stage
            .settle(programs.len() as i64 * share / 5, Duration::from_secs(5))
            .await;
        relay.kill();
    }
    let _relay = stage.relay(&["--lease-seconds", "2"]);
    stage.verify(&programs, &ids).await;
}

/// Sends the signals of programs to a relay that keeps what only waits for so long.
async fn takes_late_signals(first: usize, linger_ms: &str) {
    let stage = Stage::new().await;
    let _relay = stage.relay(&["--linger-ms", linger_ms]);
    let waits = |program: &Program| {
        program
            .numbered()
            .into_iter()
            .any(|(_, leaf)| matches!(leaf, Leaf::Signal | Leaf::Shared))
    };
    let programs = chosen(first, slower_stride().div_ceil(2));
    let programs: Vec<Program> = programs.into_iter().filter(waits).collect();
    let ids = stage.start_unsignalled(&programs).await;
    stage.settle_at_waits(Duration::from_secs(3)).await;
    stage.send_signals(&programs, &ids).await;
    stage.verify(&programs, &ids).await;
}

/// S6: signals that come while the instance waits in nobody's memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_shape_takes_late_signals() {
    takes_late_signals(4, "50").await;
}

/// S6: signals that come while the instance runs or waits in its relay's memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_shape_takes_late_signals_where_it_waits() {
    takes_late_signals(11, "60000").await;
}

/// S30: an operator's pause in the middle, and what comes after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_shape_goes_on_after_a_pause() {
    let stage = Stage::new().await;
    let _relay = stage.relay(&[]);
    let programs = chosen(12, slower_stride());
    let ids = stage.start(&programs).await;
    let patience = Duration::from_secs(5);
    stage.settle(programs.len() as i64 / 2, patience).await;
    for (tell, patience) in [
        ("pause", Duration::from_millis(500)),
        ("resume", Duration::ZERO),
    ] {
        let all = format!("select count(df.{tell}(id)) from unnest($1::text[]) as id");
        stage.authors[0].query(&all, &[&ids]).await.unwrap();
        stage.settle(0, patience).await;
    }
    stage.verify(&programs, &ids).await;
}

/// S29: what a cancelled instance did is what it would have done, up to some moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_shape_stops_at_a_cancel() {
    let stage = Stage::new().await;
    let _relay = stage.relay(&[]);
    let programs = chosen(5, slower_stride());
    let ids = stage.start(&programs).await;
    let cancel = "select count(df.cancel(id)) from unnest($1::text[]) as id";
    for some in ids.chunks(8) {
        stage.authors[0].query(cancel, &[&some]).await.unwrap();
    }
    stage.verify(&programs, &ids).await;
}

/// S30: the outbox delivered again, on a live system.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_shape_ignores_a_replay_of_the_outbox() {
    let stage = Stage::new().await;
    let _relay = stage.relay(&[]);
    let programs = chosen(6, slower_stride());
    let ids = stage.start(&programs).await;
    for share in (1..=4).rev() {
        stage
            .settle(programs.len() as i64 * share / 5, Duration::from_secs(5))
            .await;
        stage.replay().await;
    }
    stage.verify(&programs, &ids).await;
}
