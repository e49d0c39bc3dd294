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
    let mut many = vec![true; 70];
    many.push(false);
    let body = || Program::Join(vec![mark().named("x"), mark().named("y")]);
    add(
        "names past a checkpoint",
        mark()
            .named("z")
            .then(body().repeat(ask(&many)))
            .then(mark()),
    );
    // What is inside an iteration is forgotten with it, races and loops too.
    let many = || ask(&many);
    let endless = || Program::from(Leaf::Endless);
    let race = || mark().named("x").race(endless()).then(mark().named("y"));
    let inner = || mark().named("x").repeat(ask(&[true, false]));
    for body in [
        race(),
        inner(),
        race().then(Leaf::Sleep.into()),
        inner().race(endless()),
    ] {
        let long = || body.clone().repeat(many());
        add("constructs past a checkpoint", long().then(mark()));
        add(
            "checkpoints in branches",
            Program::Join(vec![long(), mark(), long()]).then(mark()),
        );
        add("checkpoints in a race", endless().race(long()).then(mark()));
        add(
            "a break past a checkpoint",
            body.clone()
                .then(many().choose(mark(), Leaf::Break(Some("out")).into()))
                .forever()
                .then(mark()),
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
