//! Trees of any depth and mix, for proptest to draw and to shrink.

use proptest::prelude::*;

use crate::program::{Answer, Leaf, NAMES, NEVER, ODD, Program};

/// How likely each choice is, relative to the others of its kind.
#[derive(Debug, Clone)]
pub struct Weights {
    pub fail: u32,
    pub breaks: u32,
    pub waits: u32,
    pub marks: u32,
    /// Leaves that are tried again, or act outside the transaction of their record.
    pub acts: u32,
    /// Levels below the root at most.
    pub depth: u32,
    /// About how many nodes a tree has at most.
    pub nodes: u32,
}

impl Default for Weights {
    fn default() -> Self {
        Weights {
            fail: 1,
            breaks: 2,
            waits: 3,
            marks: 8,
            acts: 3,
            depth: 6,
            nodes: 24,
        }
    }
}

/// Programs that end under every schedule.
pub fn programs(weights: &Weights) -> BoxedStrategy<Program> {
    let value = prop_oneof![Just(None), Just(Some("7")), Just(Some("left"))];
    let flaky = |fails, attempts| Leaf::Flaky { fails, attempts };
    let waits = prop::sample::select(vec![
        Leaf::Sleep,
        Leaf::Nap,
        Leaf::Schedule,
        Leaf::Signal,
        Leaf::Signal,
        Leaf::Shared,
        Leaf::Shared,
        Leaf::Silence,
    ]);
    let acts = prop::sample::select(vec![
        flaky(1, 2),
        flaky(2, 4),
        Leaf::Outside,
        Leaf::Http(Answer::Echo),
        Leaf::Http(Answer::Form),
        Leaf::Http(Answer::NotFound),
        Leaf::Http(Answer::Recovers),
    ]);
    let fails = prop::sample::select(vec![
        Leaf::Fail,
        flaky(NEVER, 2),
        Leaf::Unlisted { outside: false },
        Leaf::Unlisted { outside: true },
        Leaf::Http(Answer::Unavailable),
    ]);
    let leaf = prop_oneof![
        weights.marks => Just(Leaf::Mark),
        weights.marks => Just(Leaf::Nothing),
        2 * weights.waits => waits,
        weights.acts => acts,
        weights.breaks => value.prop_map(Leaf::Break),
        weights.fail => fails,
    ];
    leaf.prop_map(Program::from)
        .prop_recursive(weights.depth, weights.nodes, 4, node)
        .boxed()
}

fn node(inner: BoxedStrategy<Program>) -> BoxedStrategy<Program> {
    let one = move || inner.clone();
    let name = prop::sample::select(&NAMES[..]);
    let odd = prop::sample::select(&ODD[..]);
    let truths = prop_oneof![Just(vec![false]), Just(vec![true, false])];
    prop_oneof![
        4 => (one(), one()).prop_map(|(a, b)| a.then(b)),
        3 => prop::collection::vec(one(), 2..5).prop_map(Program::Join),
        2 => (one(), one()).prop_map(|(a, b)| a.race(b)),
        1 => (one(), any::<bool>()).prop_map(|(a, first)| {
            let endless = Program::from(Leaf::Endless);
            if first { endless.race(a) } else { a.race(endless) }
        }),
        2 => (one(), one(), one()).prop_map(|(a, b, c)| a.choose(b, c)),
        1 => (odd, one(), one()).prop_map(|((json, truth), a, b)| {
            Program::from(Leaf::Odd(json, truth)).choose(a, b)
        }),
        1 => (name.clone(), one(), one())
            .prop_map(|(x, a, b)| Program::IfRows(x, a.into(), b.into())),
        2 => (one(), one(), truths).prop_map(|(body, asked, truths)| {
            // The last word on another iteration is always a no, in the end.
            body.repeat(asked.then(Leaf::Ask(truths).into()))
        }),
        1 => one().prop_map(|body| body.then(Leaf::Break(None).into()).forever()),
        1 => one().prop_map(|a| if a.is_adorned() { a } else { a.timed(86_400) }),
        1 => one().prop_map(|a| a.then(Leaf::Endless.into()).timed(1)),
        3 => (one(), name).prop_map(|(a, x)| if a.is_adorned() { a } else { a.named(x) }),
    ]
    .boxed()
}
