//! Random programs of any depth and mix against the reference, shrunk to the smallest that disagrees.
//!
//! The seed is fixed unless DF_EXPLORE_SEED is given (`make explore` takes a fresh one and says
//! which); DF_EXPLORE_PROGRAMS is how many programs are drawn, DF_EXPLORE_DEPTH and
//! DF_EXPLORE_NODES how large they get.

use std::time::Duration;

use df_reference::{Program, Weights, corpus, programs};
use proptest::strategy::{Strategy as _, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::programs::Stage;

/// How many smaller programs are tried for one that disagrees.
const MAX_SHRINKS: usize = 80;
/// How many times each is run at once: what depends on time may agree once.
const TRIES: usize = 8;

fn setting(name: &str, default: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number"))
    })
}

fn seeded(seed: u64) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    TestRunner::new_with_rng(Config::default(), rng)
}

/// What is wrong with a program, if any of several runs of it goes wrong.
async fn fault(stage: &Stage, program: &Program) -> Option<String> {
    let same = vec![program.clone(); TRIES];
    let ids = stage.start(&same).await;
    stage.settle(0, Duration::from_secs(5)).await;
    let found = stage.disagreements(&same, &ids).await;
    found.into_iter().find(|one| !one.is_empty())
}

/// The smallest program on the way down that still disagrees, and how.
async fn shrink(
    stage: &Stage,
    tree: &mut dyn ValueTree<Value = Program>,
    mut found: String,
) -> String {
    for _ in 0..MAX_SHRINKS {
        if !tree.simplify() {
            break;
        }
        match fault(stage, &tree.current()).await {
            Some(smaller) => found = smaller,
            None if tree.complicate() => {}
            None => break,
        }
    }
    found
}

/// S33 by the families that outlive a checkpoint.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_programs_do_what_the_rules_say() {
    let stage = Stage::new().await;
    let _relay = stage.relay(&[]);
    let past: Vec<Program> = corpus().into_iter().map(|shape| shape.program).collect();
    let ids = stage.start(&past).await;
    stage.verify(&past, &ids).await;

    let seed = setting("DF_EXPLORE_SEED", 1);
    let weights = Weights {
        depth: setting("DF_EXPLORE_DEPTH", 6) as u32,
        nodes: setting("DF_EXPLORE_NODES", 24) as u32,
        ..Weights::default()
    };
    let (mut runner, strategy) = (seeded(seed), programs(&weights));
    let count = setting("DF_EXPLORE_PROGRAMS", 100);
    let mut trees: Vec<_> = (0..count)
        .map(|_| strategy.new_tree(&mut runner).expect("a program"))
        .collect();
    let drawn: Vec<Program> = trees.iter().map(|tree| tree.current()).collect();
    let ids = stage.start(&drawn).await;
    stage.settle(0, Duration::from_secs(20)).await;
    let found = stage.disagreements(&drawn, &ids).await;
    let wrong = found.iter().filter(|one| !one.is_empty()).count();
    let first = trees.iter_mut().zip(found).find(|(_, one)| !one.is_empty());
    if let Some((tree, one)) = first {
        let smallest = shrink(&stage, tree, one).await;
        panic!("seed {seed}: {wrong} of {count} disagree, for one:\n{smallest}");
    }
}

/// S30, S32: random programs whose relays are killed again and again, two at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_programs_survive_the_deaths_of_their_relays() {
    let stage = Stage::new().await.disturbed();
    let seed = setting("DF_EXPLORE_SEED", 1);
    let (mut runner, strategy) = (seeded(seed ^ 0xdead), programs(&Weights::default()));
    let count = setting("DF_EXPLORE_PROGRAMS", 100) / 2;
    let draw = |_| strategy.new_tree(&mut runner).expect("a program").current();
    let past = corpus().into_iter().map(|shape| shape.program);
    let drawn: Vec<Program> = (0..count).map(draw).chain(past).collect();
    let relay = || stage.relay(&["--lease-seconds", "2", "--linger-ms", "50"]);
    let (mut one, mut other) = (relay(), relay());
    let ids = stage.start(&drawn).await;
    for share in (1..=6).rev() {
        let left = i64::try_from(drawn.len() * share / 7).expect("a small count");
        stage.settle(left, Duration::from_secs(3)).await;
        one.kill();
        one = std::mem::replace(&mut other, relay());
    }
    stage.verify(&drawn, &ids).await;
}
