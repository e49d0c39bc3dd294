//! What was seen of one instance against what the rules expect of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::Value;

use crate::interpret::{End, Expected, Order, Recorded, expected};
use crate::program::{Answer, Leaf, Program, SHARED};

/// One row of what is recorded by run path.
#[derive(Debug, Clone, Default)]
pub struct Run {
    pub path: String,
    pub status: String,
    pub turn: Option<i32>,
    pub attempt: Option<u32>,
    /// The name that a wait waits for, and what it was ended with.
    pub signal: Option<String>,
    pub result: Option<Value>,
}

/// One row of the trace table.
#[derive(Debug, Clone)]
pub struct Effect {
    pub leaf: u32,
    pub seen: Option<String>,
}

/// One request, as the server got it.
#[derive(Debug, Clone)]
pub struct Request {
    /// The run path that its Idempotency-Key tells.
    pub path: String,
    pub seen: Option<String>,
}

/// Everything that an instance left behind.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub status: String,
    pub label: String,
    /// Whether something was killed, cut off or replayed while it ran.
    pub disturbed: bool,
    pub result: Option<Value>,
    pub error: Option<String>,
    pub error_path: Option<String>,
    pub runs: Vec<Run>,
    /// In the order in which they were written.
    pub effects: Vec<Effect>,
    pub requests: Vec<Request>,
}

/// Every way in which what was seen is not what the rules expect; empty if there is none.
pub fn differences(program: &Program, seen: &Seen) -> Vec<String> {
    let recorded = recorded(seen);
    let expected = expected(program, &recorded, seen.status == "cancelled");
    let mut found = expected.impossible.clone();
    compare_end(&expected, seen, &mut found);
    compare_runs(&expected, &recorded, seen, &mut found);
    compare_effects(program, &expected, seen, &mut found);
    compare_signals(&expected, &recorded, &mut found);
    compare_requests(program, &expected, seen, &mut found);
    found
}

fn recorded(seen: &Seen) -> Recorded {
    let mut recorded = Recorded {
        disturbed: seen.disturbed,
        ..Recorded::default()
    };
    for run in &seen.runs {
        match (run.status.as_str(), run.turn) {
            _ if is_timer(&run.path) => {}
            ("completed" | "failed", _) => {
                let attempt = run.attempt.unwrap_or(1);
                recorded.leaves.insert(run.path.clone(), attempt);
                let data = run.result.as_ref().map(|result| &result["data"]["n"]);
                if let (Some(SHARED), Some(n)) =
                    (run.signal.as_deref(), data.and_then(Value::as_u64))
                {
                    recorded.signals.insert(run.path.clone(), n);
                }
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
    for (path, allowed) in &expected.attempts {
        match recorded.leaves.get(path) {
            Some(attempt) if !allowed.contains(attempt) => found.push(format!(
                "{path} ended with attempt {attempt}, expected {allowed:?}"
            )),
            _ => {}
        }
    }
}

/// S6: waits that follow each other take later signals, and none is passed over.
fn compare_signals(expected: &Expected, recorded: &Recorded, found: &mut Vec<String>) {
    let taken: BTreeMap<&str, usize> = recorded
        .signals
        .iter()
        .filter_map(|(path, n)| Some((path.as_str(), usize::try_from(*n).ok()?)))
        .collect();
    span("signal", &expected.order, &taken, found);
    let numbers: BTreeSet<usize> = taken.values().copied().collect();
    if recorded.checkpoints.is_empty() && !numbers.iter().copied().eq(1..=numbers.len()) {
        found.push(format!("signals were passed over: {numbers:?} were taken"));
    }
}

/// S31: a request is sent at least once for each run that has ended, and for no other but one that
/// has begun; where nothing was disturbed, exactly as often as it has attempts.
fn compare_requests(program: &Program, expected: &Expected, seen: &Seen, found: &mut Vec<String>) {
    let leaves: BTreeMap<u32, &Leaf> = program.numbered().into_iter().collect();
    let mut sent: BTreeMap<&str, u32> = BTreeMap::new();
    for request in &seen.requests {
        *sent.entry(&request.path).or_default() += 1;
        let known = expected.runs.contains_key(&request.path);
        if !known && !expected.begun.contains(&request.path) {
            found.push(format!(
                "{} sent a request and should not have",
                request.path
            ));
        }
        if let (Some(told), Some(should)) = (&request.seen, expected.seen.get(&request.path)) {
            compare_seen(&request.path, told, should, seen, found);
        }
    }
    for (path, number) in &expected.runs {
        let Some(Leaf::Http(answer)) = leaves.get(number) else {
            continue;
        };
        let times = sent.get(path.as_str()).copied().unwrap_or(0);
        let least = if *answer == Answer::Recovers { 2 } else { 1 };
        if times < least || (times > least && !seen.disturbed) {
            found.push(format!("{path} sent {times} requests, expected {least}"));
        }
    }
}

fn compare_seen(path: &str, told: &str, should: &str, seen: &Seen, found: &mut Vec<String>) {
    let should = format!("{should},{}", seen.label);
    if *told != should {
        found.push(format!(
            "{path} saw the names {told:?}, expected {should:?}"
        ));
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
        if leaves
            .get(&number)
            .is_some_and(|leaf| leaf.leaves_a_trace())
        {
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
        if let (Some(told), Some(should)) = (&effect.seen, expected.seen.get(*path)) {
            compare_seen(path, told, should, seen, found);
        }
    }
    let silent = runs_of
        .values()
        .flatten()
        .filter(|path| !places.contains_key(*path));
    found.extend(silent.map(|path| format!("{path} took no effect")));
    span("effect", &expected.order, &places, found);
}

fn flatten<'a>(order: &'a Order, out: &mut Vec<&'a str>) {
    match order {
        Order::Run(path) => out.push(path),
        Order::Seq(all) | Order::Par(all) => all.iter().for_each(|one| flatten(one, out)),
    }
}

/// The first and last place of what is below, having checked every sequence.
fn span(
    what: &str,
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
        let Some((first, last)) = span(what, one, places, found) else {
            continue;
        };
        if let Some((_, before)) = whole
            && sequence
            && first <= before
        {
            found.push(format!(
                "{what} {first} came before {what} {before}, which it follows"
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
            Some(names) => {
                let names = names.strip_suffix(&seen.label).unwrap_or(names);
                let names = names.trim_end_matches(',');
                format!("  effect of leaf {} seeing {names}", effect.leaf)
            }
            None => format!("  effect of leaf {}", effect.leaf),
        })
        .collect();
    effects.sort();
    effects.iter().for_each(|line| _ = writeln!(out, "{line}"));
    out
}
