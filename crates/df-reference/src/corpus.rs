//! What went wrong once, as families: each stands for every program of its kind.

use crate::program::{Leaf, ODD, Program};
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
    // The second walk reads what it is worth from the record, after a wait that leaves memory.
    for (json, truth) in ODD {
        let odd = || Program::from(Leaf::Odd(json, truth));
        let later = || Program::from(Leaf::Silence).then(mark());
        let chosen = |asked: Program| asked.choose(later(), later().then(mark()));
        add("conditions at the edge of JSON", chosen(odd()));
        let contended = odd().race(Leaf::Endless.into());
        add("conditions at the edge of JSON", chosen(contended));
        let asked = ask(&[true, false]).choose(odd(), Leaf::Nothing.into());
        let turns = mark().then(later()).repeat(asked);
        add("conditions at the edge of JSON", turns.then(later()));
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
    // An execution that begins in the middle of the iteration of a checkpoint, where the name comes
    // from nowhere else: four activities an iteration, 64 an execution, 32 iterations a checkpoint.
    let mut once = vec![false; 40];
    once[0] = true;
    let bound = ask(&once).choose(mark().named("x"), mark());
    let turns = mark().then(bound).repeat(ask(&many)).then(mark());
    for steps in [61, 62, 63, 64, 65] {
        let before = (1..steps).fold(mark(), |so_far, _| so_far.then(mark()));
        add("names from a checkpoint", before.then(turns.clone()));
    }
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
