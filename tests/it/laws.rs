//! Laws that hold between programs, whatever they are made of: each pair runs on one relay and must
//! come to the same. The reference is not asked, so a mistake shared with it shows here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use df_reference::{Leaf, Program, Seen, shapes, spellings, sql};
use serde_json::Value;

use crate::programs::Stage;

/// Every how many shapes each law is tried on, unless DF_MATRIX_STRIDE says otherwise.
const STRIDE: usize = 24;
/// A law takes two programs, and there are ten of them.
const SHARE: usize = 8;

/// Two programs that must come to the same.
struct Pair {
    law: &'static str,
    one: Program,
    other: Program,
    alike: Alike,
}

/// How much of it is the same.
#[derive(Clone, Copy, PartialEq)]
enum Alike {
    /// Results too.
    Wholly,
    /// The end, and how often each leaf took effect, in the order in which they are written.
    InEffects,
    /// The end, and how often leaves took effect, in any order.
    InSomeOrder,
}

/// What of an instance a law compares.
#[derive(Debug, PartialEq)]
struct Gist {
    status: String,
    failed: bool,
    result: Option<Value>,
    effects: Vec<usize>,
    /// Runs that sent a request.
    requests: usize,
}

fn gist(seen: &Seen, alike: Alike) -> Gist {
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    seen.effects
        .iter()
        .for_each(|effect| *counts.entry(effect.leaf).or_default() += 1);
    let mut effects: Vec<usize> = counts.into_values().collect();
    if alike == Alike::InSomeOrder {
        effects.sort_unstable();
    }
    Gist {
        status: seen.status.clone(),
        failed: seen.error.is_some(),
        result: seen.result.clone().filter(|_| alike == Alike::Wholly),
        effects,
        requests: seen
            .requests
            .iter()
            .map(|request| &request.path)
            .collect::<BTreeSet<_>>()
            .len(),
    }
}

/// Shapes whose outcome no schedule changes.
fn subjects() -> Vec<Program> {
    fn depends_on_time(program: &Program) -> bool {
        let endless = |side: &Program| matches!(side, Program::Leaf(Leaf::Endless));
        let here = match program {
            Program::Race(a, b) => !endless(a) && !endless(b),
            Program::Timed(..) | Program::Leaf(Leaf::Shared) => true,
            _ => false,
        };
        here || program.children().into_iter().any(depends_on_time)
    }
    let steady = shapes()
        .into_iter()
        .map(|shape| shape.program)
        .filter(|p| !depends_on_time(p));
    steady.step_by(stride() * SHARE).collect()
}

fn stride() -> usize {
    let given = std::env::var("DF_MATRIX_STRIDE").ok();
    given.map_or(STRIDE, |text| {
        text.parse().expect("DF_MATRIX_STRIDE is a number")
    })
}

/// Every law on one program.
fn laws(subject: &Program) -> Vec<Pair> {
    let p = || subject.clone();
    let mark = || Program::from(Leaf::Mark);
    let endless = || Program::from(Leaf::Endless);
    let ask = |truth| Program::from(Leaf::Ask(vec![truth]));
    let mut all = Vec::new();
    let mut law = |law, one, other, alike| {
        all.push(Pair {
            law,
            one,
            other,
            alike,
        })
    };
    // S9, S10.
    let (left, right) = (p().then(mark()).then(p()), p().then(mark().then(p())));
    law("seq is associative", left, right, Alike::Wholly);
    // S11.
    let (chosen, plain) = (ask(true).choose(p(), mark()), ask(true).then(p()));
    law("an if on true is its then", chosen, plain, Alike::Wholly);
    let (chosen, plain) = (ask(false).choose(mark(), p()), ask(false).then(p()));
    law(
        "an if on false is its else",
        chosen,
        plain,
        Alike::InEffects,
    );
    // S14, S19.
    if !subject.breaks_free() {
        law(
            "one turn is the body",
            p().repeat(ask(false)),
            p().then(ask(false)),
            Alike::InEffects,
        );
        let broken = p().then(Leaf::Break(None).into()).forever();
        law(
            "a loop that breaks runs once",
            broken,
            p(),
            Alike::InEffects,
        );
    }
    // S21.
    let (one, other) = (
        Program::Join(vec![p(), mark()]),
        Program::Join(vec![mark(), p()]),
    );
    law(
        "the effects of a join commute",
        one,
        other,
        Alike::InSomeOrder,
    );
    // S24, S25.
    law(
        "a race against an endless sleep",
        p().race(endless()),
        p(),
        Alike::Wholly,
    );
    law(
        "an endless sleep against a race",
        endless().race(p()),
        p(),
        Alike::InEffects,
    );
    // S28, S34.
    if !subject.is_adorned() {
        law(
            "a name changes nothing else",
            p().named("z"),
            p(),
            Alike::Wholly,
        );
        law(
            "a timeout that never comes",
            p().timed(86_400),
            p(),
            Alike::Wholly,
        );
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn laws_hold_of_every_shape() {
    let stage = Stage::new().await;
    let _relay = stage.relay(&[]);
    let pairs: Vec<Pair> = subjects().iter().flat_map(laws).collect();
    let ones: Vec<Program> = pairs.iter().map(|pair| pair.one.clone()).collect();
    let others: Vec<Program> = pairs.iter().map(|pair| pair.other.clone()).collect();
    let (ones, others) = (stage.start(&ones).await, stage.start(&others).await);
    stage.settle(0, Duration::from_secs(30)).await;
    let seen = stage.seen(&[ones.clone(), others.clone()].concat()).await;
    for (pair, (one, other)) in pairs.iter().zip(ones.iter().zip(&others)) {
        let (one, other) = (gist(&seen[one], pair.alike), gist(&seen[other], pair.alike));
        let texts = [sql(&pair.one, "one"), sql(&pair.other, "other")].join("\n");
        assert_eq!(one, other, "{}:\n{texts}", pair.law);
    }
}

/// How a relay's work is disturbed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Disturbance {
    None,
    Replay,
    Death,
    SecondRelay,
}

/// What the programs come to on a stage of their own.
async fn under(disturbance: Disturbance, programs: &[Program]) -> Vec<Gist> {
    let stage = Stage::new().await;
    let start_relay = || stage.relay(&["--lease-seconds", "2"]);
    let mut relays = vec![start_relay()];
    if disturbance == Disturbance::SecondRelay {
        relays.push(start_relay());
    }
    let ids = stage.start(programs).await;
    for share in (1..=4).rev() {
        let left = programs.len() as i64 * share / 5;
        stage.settle(left, Duration::from_secs(3)).await;
        match disturbance {
            Disturbance::Replay => stage.replay().await,
            Disturbance::Death => {
                relays[0].kill();
                relays[0] = start_relay();
            }
            Disturbance::None | Disturbance::SecondRelay => {}
        }
    }
    stage.settle(0, Duration::from_secs(30)).await;
    let seen = stage.seen(&ids).await;
    ids.iter()
        .map(|id| gist(&seen[id], Alike::Wholly))
        .collect()
}

/// S30, S32: a replay of the outbox in the middle is none, a SIGKILL is none, two relays are one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disturbances_change_nothing() {
    let programs = subjects();
    let expected = under(Disturbance::None, &programs).await;
    for disturbance in [
        Disturbance::Replay,
        Disturbance::Death,
        Disturbance::SecondRelay,
    ] {
        let found = under(disturbance, &programs).await;
        for ((program, expected), found) in programs.iter().zip(&expected).zip(&found) {
            let text = sql(program, "disturbed");
            assert_eq!(expected, found, "{disturbance:?}:\n{text}");
        }
    }
}

/// The same statement with and without `df.sql`, by operator and by function, is one graph.
#[tokio::test]
async fn spelling_changes_no_graph() {
    let stage = Stage::new().await;
    let spellings = [
        (
            "'select 1' ~> 'select 2'",
            "df.seq(df.sql('select 1'), df.sql('select 2'))",
        ),
        (
            "('select 1' & 'select 2') |=> 'x'",
            "df.as(df.join('select 1', 'select 2'), 'x')",
        ),
        (
            "'select 1' | df.sleep(1)",
            "df.race(df.sql('select 1'), df.sleep(1))",
        ),
        (
            "'select true' ?> 'select 1' !> 'select 2'",
            "df.if('select true', 'select 1', 'select 2')",
        ),
        (
            "@> ('select 1' ~> df.break())",
            "df.loop(df.seq('select 1', df.break()))",
        ),
    ];
    for (one, other) in spellings {
        assert_same(&stage, one, other).await;
    }
}

/// The same for every shape's SQL steps.
#[tokio::test]
async fn wrapping_sql_changes_no_graph() {
    let stage = Stage::new().await;
    for shape in shapes().into_iter().step_by(stride()) {
        // Inside another node: alone, a mere text is still no node.
        let inside = |text: String| format!("df.seq({text}, 'select 1')");
        let [short, wrapped] = spellings(&shape.program).map(inside);
        assert_same(&stage, &short, &wrapped).await;
    }
}

async fn assert_same(stage: &Stage, one: &str, other: &str) {
    let asked = format!("select ({one}) = ({other})");
    let row = stage.authors[0].query_one(&asked, &[]).await.unwrap();
    assert!(row.get::<_, bool>(0), "{one} is not {other}");
}
