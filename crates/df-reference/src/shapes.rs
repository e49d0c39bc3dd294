//! Every nesting shape up to depth three, without repetition and without chance.
//!
//! A shape of depth two is one node over leaves; depth three puts every one of those into every
//! place of every node. What a break does needs a loop around it, so each program that breaks free
//! appears once more inside one.

use crate::program::{Answer, Leaf, NAMES, NEVER, Program};

/// A program and the family it belongs to.
#[derive(Debug, Clone)]
pub struct Shape {
    pub family: &'static str,
    pub program: Program,
}

/// All shapes, in a fixed order: some thousands.
pub fn shapes() -> Vec<Shape> {
    let mut all: Vec<Shape> = Vec::new();
    let mut add = |family, programs: Vec<Program>| {
        all.extend(
            programs
                .into_iter()
                .map(|program| Shape { family, program }),
        );
    };
    let two = depth_two();
    let three: Vec<Program> = two.iter().flat_map(depth_three).collect();
    let free: Vec<Program> = three
        .iter()
        .filter(|program| program.breaks_free())
        .cloned()
        .collect();
    let named = two
        .iter()
        .flat_map(around_mark)
        .map(|program| name_leaves(program).then(mark()));
    add("leaves", kinds().to_vec());
    add(
        "names",
        named.filter(|program| !program.breaks_free()).collect(),
    );
    add("depth two", two);
    add("depth three", three);
    add(
        "breaks in a loop",
        free.iter().cloned().map(looped).collect(),
    );
    let named = free
        .into_iter()
        .map(|program| looped(name_leaves(program)).then(mark()));
    add("names out of a loop that broke", named.step_by(3).collect());
    let acting = acting();
    add("leaves that act otherwise", acting.clone());
    let placed = || acting.iter().flat_map(depth_three);
    add("leaves that act otherwise, placed", placed().collect());
    add("leaves that act otherwise, paired", pairs(&acting));
    let named = acting.iter().flat_map(around_mark);
    let named = named.map(|program| name_leaves(program).then(mark()));
    add("leaves that act otherwise, named", named.collect());
    add("waits for one name", shared_waits());
    add("choices on rows", choices_on_rows());
    all
}

/// The leaves that are tried again, act outside the record's transaction, or wait by the clock.
pub(crate) fn acting() -> Vec<Program> {
    let flaky = |fails, attempts| Program::from(Leaf::Flaky { fails, attempts });
    let http = |answer| Program::from(Leaf::Http(answer));
    vec![
        flaky(1, 2),
        flaky(2, 4),
        flaky(NEVER, 2),
        Leaf::Unlisted { outside: false }.into(),
        Leaf::Unlisted { outside: true }.into(),
        Leaf::Outside.into(),
        http(Answer::Echo),
        http(Answer::Form),
        http(Answer::NotFound),
        http(Answer::Unavailable),
        http(Answer::Recovers),
        Leaf::Schedule.into(),
        Leaf::Nap.into(),
        Leaf::Silence.into(),
        Leaf::Shared.into(),
    ]
}

fn pairs(leaves: &[Program]) -> Vec<Program> {
    let mut all = Vec::new();
    for a in leaves {
        for b in leaves {
            all.push(a.clone().then(b.clone()).then(mark()));
            all.push(looped(Program::Join(vec![a.clone(), b.clone()])));
            all.push(a.clone().race(b.clone()).then(mark()));
        }
    }
    all
}

/// S6: waits for one name before, after, beside and inside each other.
fn shared_waits() -> Vec<Program> {
    let wait = || Program::from(Leaf::Shared);
    let inner = [
        wait(),
        wait().then(wait()),
        Program::Join(vec![wait(), wait()]),
        Program::Join(vec![wait(), Program::from(Leaf::Nap).then(wait()), wait()]),
        wait().race(wait()),
        wait().race(mark()),
        mark().race(wait()),
        wait().race(Leaf::Endless.into()),
        looped(wait()),
        mark().repeat(wait().then(ask(&[true, false]))),
        wait().then(Leaf::Break(None).into()).forever(),
        wait().timed(86_400),
    ];
    let mut all = Vec::new();
    for one in &inner {
        for other in &inner {
            all.push(one.clone().then(other.clone()));
            all.push(Program::Join(vec![one.clone(), other.clone()]).then(wait()));
            all.push(one.clone().race(other.clone()).then(wait()));
        }
        all.push(looped(one.clone()).then(wait()));
        all.push(one.clone().choose(wait(), mark()));
    }
    all
}

/// S13: every kind of result asked for its rows, and names of every origin.
fn choices_on_rows() -> Vec<Program> {
    let nothing = || Program::from(Leaf::Nothing);
    let endless = || Program::from(Leaf::Endless);
    let bound = [
        mark().named("x"),
        nothing().named("x"),
        Program::from(Leaf::Sleep).named("x"),
        Program::from(Leaf::Shared).named("x"),
        Program::from(Leaf::Http(Answer::Echo)).named("x"),
        Program::from(Leaf::Outside).named("x"),
        Program::Join(vec![nothing(), nothing()]).named("x"),
        Program::Join(vec![mark().named("x"), nothing().named("x")]),
        nothing().named("x").race(endless()),
        mark().named("x").then(endless()).race(mark()),
        looped(nothing().named("x")),
        mark().repeat(nothing().named("x").then(ask(&[true, false]))),
        nothing().named("x").then(mark().named("x")),
        Program::from(Leaf::Break(Some("[0]"))).forever().named("x"),
        Program::from(Leaf::Break(Some("{\"rows\":[]}")))
            .forever()
            .named("x"),
        nothing().named("x").choose(mark(), mark()),
    ];
    let mut all = Vec::new();
    for first in &bound {
        let choice = || Program::IfRows("x", mark().into(), Program::from(Leaf::Sleep).into());
        all.push(first.clone().then(choice()));
        all.push(looped(first.clone().then(choice())));
        all.push(first.clone().then(Program::Join(vec![choice(), mark()])));
        all.push(first.clone().then(choice().race(endless())));
        all.push(first.clone().then(choice().named("y")).then(mark()));
        all.push(first.clone().then(choice()).choose(mark(), nothing()));
        all.push(Program::Join(vec![first.clone(), choice()]));
        all.push(first.clone().race(choice()));
        for leaf in kinds() {
            let arms = Program::IfRows("x", leaf.clone().into(), leaf.into());
            all.push(looped(first.clone().then(arms)));
        }
    }
    all
}

fn mark() -> Program {
    Leaf::Mark.into()
}

fn ask(truths: &[bool]) -> Program {
    Leaf::Ask(truths.to_vec()).into()
}

/// A second iteration, unless something ends the loop before.
fn looped(body: Program) -> Program {
    body.repeat(ask(&[true, false]))
}

/// The leaves that end differently.
fn kinds() -> [Program; 5] {
    [
        mark(),
        Leaf::Fail.into(),
        Leaf::Break(Some("{\"left\":[1]}")).into(),
        Leaf::Sleep.into(),
        Leaf::Signal.into(),
    ]
}

/// One node over leaves.
fn depth_two() -> Vec<Program> {
    let mut all = Vec::new();
    for a in kinds() {
        for b in kinds() {
            all.push(a.clone().then(b.clone()));
            all.push(Program::Join(vec![a.clone(), b.clone()]));
            all.push(a.clone().race(b));
        }
        all.push(ask(&[true]).choose(a.clone(), mark()));
        all.push(ask(&[false]).choose(mark(), a.clone()));
        all.push(a.clone().choose(mark(), mark()));
        all.push(looped(a.clone()));
        all.push(a.clone().named("x"));
        all.push(a.clone().race(Leaf::Endless.into()));
        all.push(Program::from(Leaf::Endless).race(a));
    }
    all.push(Program::from(Leaf::Nothing).choose(mark(), mark()));
    all.push(mark().repeat(Leaf::Nothing.into()));
    all.push(mark().repeat(Leaf::Fail.into()));
    all.push(mark().repeat(Leaf::Break(Some("stop")).into()));
    all.push(Program::from(Leaf::Break(None)).forever());
    all.push(Program::from(Leaf::Endless).timed(1));
    all.push(mark().then(Leaf::Endless.into()).timed(1));
    all.push(Program::Join(vec![
        mark(),
        Leaf::Break(None).into(),
        Leaf::Fail.into(),
    ]));
    all.push(Program::Join(vec![
        Leaf::Signal.into(),
        mark(),
        Leaf::Sleep.into(),
    ]));
    all.push(Program::IfRows("x", mark().into(), mark().into()));
    all
}

/// A shape in every place of every node, beside every leaf.
fn depth_three(inner: &Program) -> Vec<Program> {
    let one = || inner.clone();
    let mut all = Vec::new();
    for leaf in kinds() {
        all.push(one().then(leaf.clone()));
        all.push(leaf.clone().then(one()));
        all.push(Program::Join(vec![one(), leaf.clone()]));
        all.push(Program::Join(vec![leaf.clone(), one()]));
        all.push(one().race(leaf.clone()));
        all.push(leaf.race(one()));
    }
    all.push(Program::Join(vec![mark(), mark(), one()]));
    all.push(one().choose(mark(), mark()));
    all.push(ask(&[true]).choose(one(), mark()));
    all.push(ask(&[false]).choose(mark(), one()));
    all.push(looped(one()));
    all.push(mark().repeat(one().then(ask(&[true, false]))));
    all.push(one().then(Leaf::Break(None).into()).forever());
    all.push(mark().then(Leaf::Endless.into()).race(one()));
    all.push(one().race(Leaf::Endless.into()));
    all.push(
        Leaf::Nothing
            .into_named("x")
            .then(Program::IfRows("x", mark().into(), one().into())),
    );
    all.push(
        mark()
            .named("x")
            .then(Program::IfRows("x", one().into(), mark().into())),
    );
    if !inner.is_adorned() {
        all.push(one().timed(86_400));
        all.push(one().named("y").then(mark()));
        all.push(Program::Join(vec![one().named("x"), one().named("x")]).then(mark()));
    }
    all
}

impl Leaf {
    fn into_named(self, name: &'static str) -> Program {
        Program::from(self).named(name)
    }
}

/// A shape where names come from, go to, and pass by.
fn around_mark(inner: &Program) -> Vec<Program> {
    let one = || inner.clone();
    vec![
        one().then(mark()),
        mark().then(one()),
        Program::Join(vec![one(), mark()]),
        Program::Join(vec![mark(), one(), mark()]),
        one().race(Leaf::Endless.into()),
        mark().then(Leaf::Endless.into()).race(one()),
        one().choose(mark(), mark()),
        looped(one()),
        looped(mark().then(one())),
        mark().repeat(one().then(ask(&[true, true, false]))),
    ]
}

/// Names every leaf that is not named yet, in turn.
fn name_leaves(program: Program) -> Program {
    fn name(program: Program, next: &mut usize) -> Program {
        let mut go = |program: Box<Program>| Box::new(name(*program, next));
        match program {
            Program::Leaf(_) => {
                *next += 1;
                program.named(NAMES[(*next - 1) % NAMES.len()])
            }
            Program::Named(..) => program,
            Program::Timed(inner, seconds) => Program::Timed(go(inner), seconds),
            Program::Then(a, b) => Program::Then(go(a), go(b)),
            Program::Race(a, b) => Program::Race(go(a), go(b)),
            Program::If(a, b, c) => Program::If(go(a), go(b), go(c)),
            Program::IfRows(name, a, b) => Program::IfRows(name, go(a), go(b)),
            Program::Join(all) => Program::Join(all.into_iter().map(|p| *go(p.into())).collect()),
            Program::Loop(body, condition) => Program::Loop(go(body), condition.map(go)),
        }
    }
    name(program, &mut 0)
}
