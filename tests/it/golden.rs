//! Golden traces of a few programs, to be read by people: tests/golden/<name>.txt holds the SQL and
//! what it came to. `make golden` writes them anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use df_reference::{Leaf, Program, differences, sql, trace};

use crate::programs::Stage;

fn programs() -> Vec<(&'static str, Program)> {
    let mark = || Program::from(Leaf::Mark);
    let ask = |truths: &[bool]| Program::from(Leaf::Ask(truths.to_vec()));
    let breaks = |value| Program::from(Leaf::Break(Some(value)));
    let endless = || Program::from(Leaf::Endless);
    let two_turns = || ask(&[true, false]);
    vec![
        // S22, S19: the failure in the second branch waits for the third, and the break is first.
        (
            "a_join_takes_the_first_break_or_failure_in_branch_order",
            Program::Join(vec![mark(), breaks("left"), Leaf::Fail.into()]).repeat(two_turns()),
        ),
        // S23.
        (
            "a_join_merges_names_in_branch_order",
            Program::Join(vec![
                mark().named("x"),
                mark().named("x").then(mark().named("y")),
            ])
            .then(mark()),
        ),
        // S25.
        (
            "a_losers_names_never_appear",
            endless()
                .then(mark().named("x"))
                .race(mark().named("y"))
                .then(mark().named("z"))
                .then(Program::IfRows("y", mark().into(), mark().into())),
        ),
        // S17.
        (
            "a_break_in_a_condition_ends_that_loop",
            mark().repeat(breaks("7")).repeat(two_turns()),
        ),
        // S18.
        (
            "an_iteration_sees_the_names_of_the_one_before",
            mark()
                .then(mark().named("x"))
                .repeat(two_turns())
                .then(mark()),
        ),
        // S20.
        (
            "a_break_outside_any_loop_fails_the_instance",
            mark().then(breaks("1")),
        ),
        // S34.
        (
            "a_timeout_fails_its_node",
            Program::Join(vec![endless().timed(1), mark()]),
        ),
    ]
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn golden_traces_are_as_they_were() {
    let stage = Stage::new().await;
    let _relay = stage.relay(&[]);
    let (names, programs): (Vec<_>, Vec<_>) = programs().into_iter().unzip();
    let ids = stage.start(&programs).await;
    stage.settle(0, Duration::from_secs(20)).await;
    let all = stage.seen(&ids).await;
    let rewrite = std::env::var_os("DF_GOLDEN_WRITE").is_some();
    let mut wrong = Vec::new();
    for ((name, program), id) in names.iter().zip(&programs).zip(&ids) {
        let seen = &all[id];
        assert_eq!(differences(program, seen), Vec::<String>::new(), "{name}");
        let text = format!("{};\n\n{}", sql(program, name), trace(seen));
        let file = folder().join(format!("{name}.txt"));
        if rewrite {
            fs::create_dir_all(folder()).unwrap();
            fs::write(&file, &text).unwrap();
        } else if fs::read_to_string(&file).ok().as_deref() != Some(&text) {
            wrong.push(format!("{}\n{text}", file.display()));
        }
    }
    assert!(
        wrong.is_empty(),
        "not as they were (`make golden` writes them):\n{}",
        wrong.join("\n")
    );
}
