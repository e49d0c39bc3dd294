//! What was seen of one instance against what the rules expect of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::Value;

use crate::interpret::{End, Expected, Order, Recorded, expected};
use crate::program::{Leaf, Program};

/// One row of what is recorded by run path.
#[derive(Debug, Clone)]
pub struct Run {
    pub path: String,
    pub status: String,
    pub turn: Option<i32>,
}

/// One row of the trace table.
#[derive(Debug, Clone)]
pub struct Effect {
    pub leaf: u32,
    pub seen: Option<String>,
}

/// Everything that an instance left behind.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub status: String,
    pub result: Option<Value>,
    pub error: Option<String>,
    pub error_path: Option<String>,
    pub runs: Vec<Run>,
    /// In the order in which they were written.
    pub effects: Vec<Effect>,
}

/// Every way in which what was seen is not what the rules expect; empty if there is none.
pub fn differences(program: &Program, seen: &Seen) -> Vec<String> {
    let recorded = recorded(seen);
    let expected = expected(program, &recorded, seen.status == "cancelled");
    let mut found = expected.impossible.clone();
    compare_end(&expected, seen, &mut found);
    compare_runs(&expected, &recorded, seen, &mut found);
    compare_effects(program, &expected, seen, &mut found);
    found
}

fn recorded(seen: &Seen) -> Recorded {
    let mut recorded = Recorded::default();
    for run in &seen.runs {
        match (run.status.as_str(), run.turn) {
            _ if is_timer(&run.path) => {}
            ("completed" | "failed", _) => {
                recorded.leaves.insert(run.path.clone());
            }
            ("decided", Some(turn)) => {
                recorded
                    .winners
                    .insert(run.path.clone(), usize::from(turn != 0));
            }
            ("checkpoint", Some(turn)) => {
                recorded
                    .checkpoints
                    .insert(run.path.clone(), usize::try_from(turn).unwrap_or(0));
            }
            _ => {}
        }
    }
    recorded
}

/// A timeout's timer is recorded beside its node; its decision says all of it.
fn is_timer(path: &str) -> bool {
    path.ends_with(".timeout.due")
}

fn compare_end(expected: &Expected, seen: &Seen, found: &mut Vec<String>) {
    let told = match seen.status.as_str() {
        "completed" => End::Done(seen.result.clone().unwrap_or(Value::Null)),
        "failed" => End::Failed {
            message: seen.error.clone().unwrap_or_default(),
            path: seen.error_path.clone().unwrap_or_default(),
        },
        "cancelled" => return,
        _ => End::Pending,
    };
    if told != expected.end {
        found.push(format!("it ended as {told:?}, expected {:?}", expected.end));
    }
}

fn compare_runs(expected: &Expected, recorded: &Recorded, seen: &Seen, found: &mut Vec<String>) {
    let ended: BTreeSet<&str> = seen
        .runs
        .iter()
        .filter(|run| matches!(run.status.as_str(), "completed" | "failed") && !is_timer(&run.path))
        .map(|run| run.path.as_str())
        .collect();
    for path in &ended {
        if !expected.runs.contains_key(*path) {
            found.push(format!("{path} ran and should not have"));
        }
    }
    for path in expected.runs.keys() {
        if !ended.contains(path.as_str()) && !recorded.forgotten(path) {
            found.push(format!("{path} should have run and did not"));
        }
    }
}

fn compare_effects(program: &Program, expected: &Expected, seen: &Seen, found: &mut Vec<String>) {
    let leaves: BTreeMap<u32, &Leaf> = program.numbered().into_iter().collect();
    // The n-th effect of a leaf is that of its n-th run: one leaf's runs are never in parallel.
    let mut runs_of: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
    let mut in_order = Vec::new();
    flatten(&expected.order, &mut in_order);
    for path in in_order {
        let number = expected.runs.get(path).copied().unwrap_or_default();
        if let Some(Leaf::Mark | Leaf::Ask(_) | Leaf::Nothing) = leaves.get(&number) {
            runs_of.entry(number).or_default().push(path);
        }
    }
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut count: BTreeMap<u32, usize> = BTreeMap::new();
    for (place, effect) in seen.effects.iter().enumerate() {
        let nth = count.entry(effect.leaf).or_default();
        let path = runs_of.get(&effect.leaf).and_then(|runs| runs.get(*nth));
        *nth += 1;
        let Some(path) = path else {
            found.push(format!("leaf {} took effect {} times", effect.leaf, *nth));
            continue;
        };
        places.insert(path, place);
        if let (Some(told), Some(should)) = (&effect.seen, expected.seen.get(*path))
            && told != should
        {
            found.push(format!(
                "{path} saw the names {told:?}, expected {should:?}"
            ));
        }
    }
    let silent = runs_of
        .values()
        .flatten()
        .filter(|path| !places.contains_key(*path));
    found.extend(silent.map(|path| format!("{path} took no effect")));
    span(&expected.order, &places, found);
}

fn flatten<'a>(order: &'a Order, out: &mut Vec<&'a str>) {
    match order {
        Order::Run(path) => out.push(path),
        Order::Seq(all) | Order::Par(all) => all.iter().for_each(|one| flatten(one, out)),
    }
}

/// The first and last place of the effects below, having checked every sequence.
fn span(
    order: &Order,
    places: &BTreeMap<&str, usize>,
    found: &mut Vec<String>,
) -> Option<(usize, usize)> {
    let (all, sequence) = match order {
        Order::Run(path) => return places.get(path.as_str()).map(|place| (*place, *place)),
        Order::Seq(all) => (all, true),
        Order::Par(all) => (all, false),
    };
    let mut whole: Option<(usize, usize)> = None;
    for one in all {
        let Some((first, last)) = span(one, places, found) else {
            continue;
        };
        if let Some((_, before)) = whole
            && sequence
            && first < before
        {
            found.push(format!(
                "effect {first} came before effect {before}, which it follows"
            ));
        }
        whole = Some(whole.map_or((first, last), |(a, b)| (a.min(first), b.max(last))));
    }
    whole
}

/// What a program came to, for people to read and for golden files: nothing in it depends on time,
/// as long as the program's races do not.
pub fn trace(seen: &Seen) -> String {
    let mut out = String::new();
    let _ = write!(out, "{}", seen.status);
    match (&seen.result, &seen.error) {
        (Some(result), _) => _ = writeln!(out, " {result}"),
        (_, Some(error)) => {
            let path = seen.error_path.as_deref().unwrap_or_default();
            _ = writeln!(out, " {error} at {path}");
        }
        _ => out.push('\n'),
    }
    // A loser's wait may or may not have begun.
    let mut runs: Vec<&Run> = seen
        .runs
        .iter()
        .filter(|run| run.status != "waiting")
        .collect();
    runs.sort_by(|a, b| a.path.cmp(&b.path));
    for run in runs {
        let turn = run.turn.map(|turn| format!(" {turn}")).unwrap_or_default();
        let _ = writeln!(out, "  {} {}{turn}", run.path, run.status);
    }
    let mut effects: Vec<String> = seen
        .effects
        .iter()
        .map(|effect| match &effect.seen {
            Some(seen) => format!("  effect of leaf {} seeing {seen}", effect.leaf),
            None => format!("  effect of leaf {}", effect.leaf),
        })
        .collect();
    effects.sort();
    effects.iter().for_each(|line| _ = writeln!(out, "{line}"));
    out
}
