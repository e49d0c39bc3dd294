//! The relay dies at each named place around its commits and engine calls; what comes out must be
//! what an undisturbed run gives. Needs the binary with its failpoints (`make test` builds it so).

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::effects::{
    assert_nothing_lost_or_repeated, drive, outcome, role_with_traces, start_all, until_all_ended,
};
use crate::support::{Process, TestDb};

const PATIENCE: Duration = Duration::from_secs(60);
const ARGS: &[&str] = &["--lease-seconds", "1", "--linger-ms", "300"];

/// Runs every workflow with a relay that dies at `place` on its n-th visit; returns the outcome.
async fn run(place: Option<&str>) -> String {
    let db = TestDb::new().await;
    let role = role_with_traces(&db).await;
    let every_second = "select df.configure('reconcile_interval_seconds', '1')";
    db.text(every_second).await;
    let name = place.map(|place| place.split(':').next().unwrap_or(place));
    if name == Some("take_over.committed") {
        // Somebody has to die first.
        let mut first = db.relay_with(ARGS, &[]);
        start_all(&role).await;
        crate::support::effects::until(&db, "select count(*) > 2 from effects", PATIENCE).await;
        first.kill();
    }
    let variables: Vec<_> = place.iter().map(|place| ("DF_FAILPOINT", *place)).collect();
    let mut relays: Vec<Process> = vec![db.relay_with(ARGS, &variables)];
    if name != Some("take_over.committed") {
        start_all(&role).await;
    }
    if name.is_some_and(|name| name.starts_with("release.")) {
        crate::support::effects::until(&db, "select count(*) > 2 from effects", PATIENCE).await;
        relays[0].signal(Signal::SIGTERM);
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        let died = relays[0].has_ended();
        if died && relays.len() == 1 {
            relays.push(db.relay_with(ARGS, &[]));
        }
        if drive(&role).await && (died || place.is_none()) {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "{place:?}: it never died, or callers never got done"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    if let Some(name) = name {
        relays[0].wait();
        assert!(
            relays[0].log().contains(&format!("died at {name}")),
            "{}",
            relays[0].log()
        );
    }
    until_all_ended(&db, PATIENCE).await;
    assert_nothing_lost_or_repeated(&db).await;
    outcome(&db).await
}

async fn check(places: &[&str]) {
    let undisturbed = run(None).await;
    for place in places {
        let disturbed = run(Some(place)).await;
        if disturbed != undisturbed {
            let only_in = |one: &str, other: &str| {
                let lines = one
                    .lines()
                    .filter(|line| !other.lines().any(|of| of == *line));
                lines.collect::<Vec<_>>().join("\n")
            };
            panic!(
                "dying at {place} changed the outcome\nmissing:\n{}\nunexpected:\n{}",
                only_in(&undisturbed, &disturbed),
                only_in(&disturbed, &undisturbed)
            );
        }
    }
}

#[tokio::test]
async fn dying_around_a_claim_changes_nothing() {
    check(&[
        "claim.sending:2",
        "claim.committed",
        "engine.loaded:3",
        "take_over.committed",
    ])
    .await;
}

#[tokio::test]
async fn dying_around_a_step_or_a_record_changes_nothing() {
    check(&[
        "step.ran",
        "step.ran:20",
        "step.committed",
        "step.committed:30",
        "record.sending:4",
        "record.committed",
        "record.committed:5",
    ])
    .await;
}

#[tokio::test]
async fn dying_around_a_delivery_changes_nothing() {
    check(&[
        "deliver.sending:5",
        "deliver.committed",
        "engine.nudged",
        "engine.stopped",
    ])
    .await;
}

#[tokio::test]
async fn dying_while_giving_back_changes_nothing() {
    check(&[
        "park.sending",
        "park.committed",
        "release.sending",
        "release.committed",
        "reconcile.committed",
    ])
    .await;
}
