//! The comparison sees what it is there to see: each case plants one thing that no rule allows.

use df_reference::{Answer, Effect, Leaf, Program, Request, Run, Seen, differences};
use serde_json::json;

fn mark() -> Program {
    Leaf::Mark.into()
}

fn run(path: &str, status: &str) -> Run {
    Run {
        path: path.into(),
        status: status.into(),
        ..Run::default()
    }
}

fn decided(path: &str, turn: i32) -> Run {
    Run {
        path: path.into(),
        status: "decided".into(),
        turn: Some(turn),
        ..Run::default()
    }
}

fn effect(leaf: u32) -> Effect {
    Effect {
        leaf,
        seen: Some("$x?,$y?,$z?,".into()),
    }
}

fn completed(v: u32, runs: Vec<Run>, effects: Vec<Effect>) -> Seen {
    let result = Some(json!({"rows": [{"v": v}], "row_count": 1}));
    Seen {
        status: "completed".into(),
        result,
        runs,
        effects,
        ..Seen::default()
    }
}

/// `planted` is a part of the only difference; empty where there is none.
fn check(program: &Program, seen: &Seen, planted: &str) {
    let found = differences(program, seen);
    match planted {
        "" => assert_eq!(found, Vec::<String>::new()),
        _ => assert!(
            found.iter().any(|one| one.contains(planted)),
            "{planted}: {found:?}"
        ),
    }
}

#[test]
fn a_sequence_is_checked_for_effects_order_and_result() {
    let program = mark().then(mark());
    let both = || {
        vec![
            run("root.left", "completed"),
            run("root.right", "completed"),
        ]
    };
    check(
        &program,
        &completed(2, both(), vec![effect(1), effect(2)]),
        "",
    );
    check(
        &program,
        &completed(1, both(), vec![effect(1), effect(2)]),
        "it ended as",
    );
    check(
        &program,
        &completed(2, both(), vec![effect(2), effect(1)]),
        "which it follows",
    );
    check(
        &program,
        &completed(2, both(), vec![effect(1)]),
        "root.right took no effect",
    );
    let twice = vec![effect(1), effect(1), effect(2)];
    check(
        &program,
        &completed(2, both(), twice),
        "leaf 1 took effect 2 times",
    );
    let half = vec![run("root.right", "completed")];
    check(
        &program,
        &completed(2, half, vec![effect(2)]),
        "root.left should have run",
    );
    let more = [both(), vec![run("root.body[0]", "completed")]].concat();
    check(
        &program,
        &completed(2, more, vec![effect(1), effect(2)]),
        "should not have",
    );
}

#[test]
fn a_race_is_checked_against_its_record() {
    let program = mark().race(Leaf::Endless.into());
    let won = |turn| vec![run("root.left", "completed"), decided("root", turn)];
    check(&program, &completed(1, won(0), vec![effect(1)]), "");
    check(
        &program,
        &completed(1, won(1), vec![effect(1)]),
        "cannot have ended",
    );
    let undecided = vec![run("root.left", "completed")];
    check(
        &program,
        &completed(1, undecided, vec![effect(1)]),
        "it ended as",
    );
}

#[test]
fn a_loser_may_have_come_any_part_of_the_way_in_order() {
    let program = mark().race(mark().then(mark()));
    let of = |paths: &[&str], effects: &[u32]| {
        let runs = paths.iter().map(|path| run(path, "completed"));
        let runs = runs.chain([decided("root", 0)]).collect();
        completed(1, runs, effects.iter().map(|leaf| effect(*leaf)).collect())
    };
    check(&program, &of(&["root.left"], &[1]), "");
    check(
        &program,
        &of(&["root.left", "root.right.left"], &[2, 1]),
        "",
    );
    check(
        &program,
        &of(&["root.left", "root.right.right"], &[1, 3]),
        "should not have",
    );
    check(
        &program,
        &of(&["root.left"], &[1, 2]),
        "leaf 2 took effect 1 times",
    );
}

#[test]
fn names_are_checked_where_they_are_seen() {
    let program = mark().named("x").then(mark());
    let runs = || {
        vec![
            run("root.left", "completed"),
            run("root.right", "completed"),
        ]
    };
    let seeing = |text: &str| Effect {
        leaf: 2,
        seen: Some(text.into()),
    };
    check(
        &program,
        &completed(2, runs(), vec![effect(1), seeing("1,$y?,$z?,")]),
        "",
    );
    check(
        &program,
        &completed(2, runs(), vec![effect(1), effect(2)]),
        "saw the names",
    );
}

#[test]
fn a_cancelled_instance_did_nothing_out_of_turn() {
    let program = mark().then(mark());
    let of = |path: &str, leaf: u32| Seen {
        status: "cancelled".into(),
        runs: vec![run(path, "completed")],
        effects: vec![effect(leaf)],
        ..Seen::default()
    };
    check(&program, &of("root.left", 1), "");
    check(&program, &of("root.right", 2), "should not have");
}

fn attempted(path: &str, status: &str, attempt: u32) -> Run {
    Run {
        attempt: Some(attempt),
        ..run(path, status)
    }
}

/// S8.
#[test]
fn attempts_are_counted() {
    let flaky = |attempts| Program::from(Leaf::Flaky { fails: 1, attempts });
    let of = |attempt| {
        completed(
            1,
            vec![attempted("root", "completed", attempt)],
            vec![effect(1)],
        )
    };
    check(&flaky(3), &of(2), "");
    check(&flaky(3), &of(1), "ended with attempt 1, expected 2..=2");
    check(&flaky(3), &of(3), "ended with attempt 3");
    // Whoever died in the first attempt has left no record of it.
    let disturbed = |attempt| Seen {
        disturbed: true,
        ..of(attempt)
    };
    check(&flaky(3), &disturbed(1), "");
    check(&flaky(3), &disturbed(3), "ended with attempt 3");
    let failed = |attempt| Seen {
        status: "failed".into(),
        error: Some("leaf 1 fails".into()),
        error_path: Some("root".into()),
        runs: vec![attempted("root", "failed", attempt)],
        ..Seen::default()
    };
    check(&flaky(1), &failed(1), "");
    check(&flaky(1), &failed(2), "ended with attempt 2");
    check(
        &Leaf::Unlisted { outside: false }.into(),
        &failed(2),
        "ended with attempt 2",
    );
}

fn taking(path: &str, n: u32) -> Run {
    Run {
        signal: Some("shared".into()),
        result: Some(json!({"data": {"n": n}})),
        ..run(path, "completed")
    }
}

/// S6.
#[test]
fn signals_of_one_name_are_taken_in_order() {
    let wait = || Program::from(Leaf::Shared);
    let of = |program: &Program, taken: &[(&str, u32)], planted: &str| {
        let data = |n: u32| json!({"signal_name": "shared", "timed_out": false, "data": {"n": n}});
        let result = match program {
            Program::Join(_) => taken.iter().map(|(_, n)| data(*n)).collect(),
            _ => data(taken[taken.len() - 1].1),
        };
        let seen = Seen {
            status: "completed".into(),
            result: Some(result),
            runs: taken.iter().map(|(path, n)| taking(path, *n)).collect(),
            ..Seen::default()
        };
        check(program, &seen, planted);
    };
    let sequence = wait().then(wait());
    of(&sequence, &[("root.left", 1), ("root.right", 2)], "");
    of(
        &sequence,
        &[("root.left", 2), ("root.right", 1)],
        "signal 1 came before signal 2",
    );
    of(
        &sequence,
        &[("root.left", 1), ("root.right", 1)],
        "which it follows",
    );
    of(
        &sequence,
        &[("root.left", 1), ("root.right", 3)],
        "passed over",
    );
    let join = Program::Join(vec![wait(), wait()]);
    of(&join, &[("root.left", 1), ("root.right", 1)], "");
    of(&join, &[("root.left", 2), ("root.right", 1)], "");
    of(&join, &[("root.left", 2), ("root.right", 2)], "passed over");
}

/// S31.
#[test]
fn requests_are_compared_by_their_run() {
    let program = Program::from(Leaf::Http(Answer::NotFound));
    let request = |path: &str, names: &str| Request {
        path: path.into(),
        seen: Some(format!("{names},")),
    };
    let of = |requests: Vec<Request>, disturbed| Seen {
        status: "completed".into(),
        disturbed,
        result: Some(json!({
            "status": 404, "body": "leaf 1", "encoding": "text",
            "headers": {"content-type": "text/plain", "content-length": "6"},
            "ok": false, "duration_ms": 0,
        })),
        runs: vec![run("root", "completed")],
        requests,
        ..Seen::default()
    };
    let one = || request("root", "$x?,$y?,$z?");
    check(&program, &of(vec![one()], false), "");
    check(&program, &of(vec![], true), "sent 0 requests");
    check(&program, &of(vec![one(), one()], false), "sent 2 requests");
    check(&program, &of(vec![one(), one()], true), "");
    let elsewhere = vec![one(), request("root.left", "$x?,$y?,$z?")];
    check(&program, &of(elsewhere, true), "should not have");
    check(
        &program,
        &of(vec![request("root", "1,$y?,$z?")], true),
        "saw the names",
    );
}
