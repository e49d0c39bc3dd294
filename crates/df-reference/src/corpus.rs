//! What went wrong once, as families: each stands for every program of its kind.

use crate::program::{Leaf, Program};
use crate::shapes::Shape;

/// Every program of every family.
pub fn corpus() -> Vec<Shape> {
    let mut all = Vec::new();
    let mut add = |family, program: Program| all.push(Shape { family, program });
    let mark = || Program::from(Leaf::Mark);
    let ask = |truths: &[bool]| Program::from(Leaf::Ask(truths.to_vec()));
    // A condition is told its truth from another orchestration than the one that asks.
    for truths in [[true, false], [false, true]] {
        let asked = mark().repeat(ask(&[true, true, false])).then(ask(&truths));
        add("loops in a condition", asked.clone().choose(mark(), mark()));
        add("loops in a condition", mark().repeat(asked.clone()));
        let race = asked.race(Leaf::Endless.into());
        add(
            "loops in a race in a condition",
            race.clone().choose(mark(), mark()),
        );
        add("loops in a race in a condition", mark().repeat(race));
    }
    // More iterations than lie between two checkpoints, with names that outlive them.
    let mut many = vec![true; 36];
    many.push(false);
    let body = || Program::Join(vec![mark().named("x"), mark().named("y")]);
    add(
        "names past a checkpoint",
        mark()
            .named("z")
            .then(body().repeat(ask(&many)))
            .then(mark()),
    );
    // So many that an execution begins at a checkpoint, and has its names from nowhere else.
    let mut far = vec![true; 80];
    far.push(false);
    add(
        "names from a checkpoint",
        body().repeat(ask(&far)).then(mark()),
    );
    // What is inside an iteration is forgotten with it, races and loops too.
    let many = || ask(&many);
    let endless = || Program::from(Leaf::Endless);
    let race = || mark().named("x").race(endless()).then(mark().named("y"));
    let inner = || mark().named("x").repeat(ask(&[true, false]));
    for body in [race(), inner(), inner().race(endless())] {
        let long = body.clone().repeat(many());
        add("constructs past a checkpoint", long.then(mark()));
    }
    let out = || many().choose(mark(), Leaf::Break(Some("out")).into());
    add(
        "a break past a checkpoint",
        race().then(out()).forever().then(mark()),
    );
    let long = || race().repeat(many());
    add(
        "checkpoints in branches",
        Program::Join(vec![long(), long()]).then(mark()),
    );
    add("checkpoints in a race", endless().race(long()).then(mark()));
    // What a later walk finds decided: it parks, or continues as new, after a timeout's decision.
    let waits = || Program::from(Leaf::Silence).then(Leaf::Silence.into());
    add(
        "timeouts that were decided before",
        Program::Join(vec![endless().timed(1), waits().then(mark())]),
    );
    let steps = (0..70).fold(mark(), |so_far, _| so_far.then(mark()));
    for inner in [mark().then(mark()), Leaf::Nap.into(), race()] {
        add(
            "timeouts that were decided before",
            inner.timed(86_400).named("z").then(steps.clone()),
        );
    }
    // More branches and steps than one orchestration walks.
    for branches in [49, 51, 120] {
        let wide = Program::Join((0..branches).map(|_| mark()).collect());
        add("wide joins", wide.clone().named("x").then(mark()));
        add(
            "wide joins in a race",
            wide.race(Leaf::Endless.into()).then(mark()),
        );
        let long = (0..branches).fold(mark(), |so_far, _| so_far.then(mark()));
        add("long sequences", long.clone());
        add(
            "long sequences in a branch",
            Program::Join(vec![long.clone(), mark(), long]),
        );
    }
    all
}
