//! The interpreter: one recursive pass over a program, rule by rule.
//!
//! Who wins a race is the one thing that the rules leave open, and so is how far a loser came. Both
//! are read from what was recorded; everything else is worked out, and whatever was recorded that
//! could not have been stays unvisited, which the comparison reports.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use serde_json::Value;

use crate::program::{Leaf, Program};

/// What was recorded of one instance, by run path.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    /// Leaves that are completed or failed, and the attempt that ended them.
    pub leaves: BTreeMap<String, u32>,
    /// The signal that ended each wait of the shared name, by the number in its data.
    pub signals: BTreeMap<String, u64>,
    /// Whether something was killed, cut off or cancelled meanwhile.
    pub disturbed: bool,
    /// The winner of each decided race.
    pub winners: BTreeMap<String, usize>,
    /// Each loop that has forgotten iterations, and the first that it has not.
    pub checkpoints: BTreeMap<String, usize>,
}

impl Recorded {
    /// S33: whether a loop's checkpoint has passed this run, so that its row may be gone.
    pub fn forgotten(&self, path: &str) -> bool {
        self.checkpoints.iter().any(|(at, turn)| {
            let Some(below) = path.strip_prefix(at.as_str()) else {
                return false;
            };
            let Some((_, counter)) = below.split_once('[') else {
                return false;
            };
            let inside = below.starts_with(".body[") || below.starts_with(".condition_node[");
            let iteration = counter
                .split(']')
                .next()
                .and_then(|n| n.parse::<usize>().ok());
            inside && iteration.is_some_and(|iteration| iteration < *turn)
        })
    }
}

/// How a node ends.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    Done(Value),
    Failed {
        message: String,
        path: String,
    },
    Break(Value),
    /// It does not end.
    Pending,
}

/// The order of leaves' ends.
#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    /// One run of a leaf.
    Run(String),
    /// One after the other.
    Seq(Vec<Order>),
    /// In any order.
    Par(Vec<Order>),
}

/// What an instance must come to.
#[derive(Debug, Clone)]
pub struct Expected {
    pub end: End,
    /// Every leaf run that is recorded, with its leaf's number.
    pub runs: BTreeMap<String, u32>,
    /// Leaf runs that may have begun, in a branch that lost or an instance that was cancelled, and
    /// are not recorded.
    pub begun: BTreeSet<String>,
    /// The attempts that each recorded run may have taken.
    pub attempts: BTreeMap<String, RangeInclusive<u32>>,
    /// What each run of a mark or a request saw of the names.
    pub seen: BTreeMap<String, String>,
    pub order: Order,
    /// What the record says and no rule allows.
    pub impossible: Vec<String>,
}

pub(crate) type Names = BTreeMap<&'static str, Value>;
pub(crate) type Bound = Vec<(&'static str, Value)>;

/// How a node ended, and what it bound.
pub(crate) struct Outcome {
    pub end: End,
    pub bound: Bound,
    pub order: Order,
}

/// Whether a run must happen, or may have happened before its branch was cancelled.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Mood {
    Must,
    May,
}

pub(crate) struct Interpreter<'a> {
    pub recorded: &'a Recorded,
    pub runs: BTreeMap<String, u32>,
    pub begun: BTreeSet<String>,
    pub attempts: BTreeMap<String, RangeInclusive<u32>>,
    pub seen: BTreeMap<String, String>,
    /// How often each ASK has been asked.
    pub asked: BTreeMap<u32, usize>,
    /// How many tries of each FLAKY have failed.
    pub failed_tries: BTreeMap<u32, u32>,
    /// Whether nothing but a retry policy can bring about or cost an attempt.
    pub steady: bool,
    pub impossible: Vec<String>,
}

/// Where a node stands.
#[derive(Clone)]
pub(crate) struct At {
    pub path: String,
    /// The number of its first leaf.
    pub number: u32,
    pub in_loop: bool,
    pub mood: Mood,
}

/// Works out what a program comes to, given who won its races and how far losers came. One that was
/// cancelled may have come any part of the way.
pub fn expected(program: &Program, recorded: &Recorded, cancelled: bool) -> Expected {
    let mut interpreter = Interpreter {
        recorded,
        runs: BTreeMap::new(),
        begun: BTreeSet::new(),
        attempts: BTreeMap::new(),
        seen: BTreeMap::new(),
        asked: BTreeMap::new(),
        failed_tries: BTreeMap::new(),
        steady: !recorded.disturbed && !cancelled && !program.is_contested(),
        impossible: Vec::new(),
    };
    let mood = if cancelled { Mood::May } else { Mood::Must };
    let at = At {
        path: "root".into(),
        number: 1,
        in_loop: false,
        mood,
    };
    // S27: the root has no names.
    let outcome = interpreter.node(program, at, &Names::new());
    let Interpreter {
        runs,
        begun,
        attempts,
        seen,
        impossible,
        ..
    } = interpreter;
    Expected {
        end: outcome.end,
        runs,
        begun,
        attempts,
        seen,
        order: outcome.order,
        impossible,
    }
}

impl At {
    /// S1: the child behind an edge, whose leaves begin after those of `before`.
    fn below(&self, segment: &str, before: &[&Program]) -> At {
        let skipped: u32 = before.iter().map(|program| program.leaves()).sum();
        At {
            path: format!("{}.{segment}", self.path),
            number: self.number + skipped,
            ..self.clone()
        }
    }
}

impl Interpreter<'_> {
    fn node(&mut self, program: &Program, at: At, names: &Names) -> Outcome {
        match program {
            Program::Leaf(leaf) => self.leaf(leaf, at, names),
            Program::Then(left, right) => self.then(left, right, at, names),
            Program::If(condition, then, or) => {
                let asked = self.node(condition, at.below("condition_node", &[]), names);
                let End::Done(value) = &asked.end else {
                    return asked;
                };
                // S11.
                let arm = if is_true(value) {
                    (then, at.below("left", &[condition]))
                } else {
                    (or, at.below("right", &[condition, then]))
                };
                let taken = self.node(arm.0, arm.1, &with(names, &asked.bound));
                after(asked, taken)
            }
            Program::IfRows(name, then, or) => self.if_rows(name, [then, or], at, names),
            Program::Join(branches) => self.join(branches, at, names),
            Program::Race(left, right) => self.race([left, right], at, names),
            Program::Loop(body, condition) => self.repeat(body, condition.as_deref(), at, names),
            Program::Timed(inner, seconds) => self.timed(inner, *seconds, at, names),
            Program::Named(inner, name) => {
                let mut outcome = self.node(inner, at, names);
                // S28.
                if let End::Done(value) = &outcome.end {
                    outcome.bound.push((name, value.clone()));
                }
                outcome
            }
        }
    }

    fn then(&mut self, left: &Program, right: &Program, at: At, names: &Names) -> Outcome {
        let first = self.node(left, at.below("left", &[]), names);
        // S10.
        if !matches!(first.end, End::Done(_)) {
            return first;
        }
        // S9.
        let second = self.node(
            right,
            at.below("right", &[left]),
            &with(names, &first.bound),
        );
        after(first, second)
    }

    fn if_rows(&mut self, name: &str, arms: [&Program; 2], at: At, names: &Names) -> Outcome {
        // S13.
        let Some(value) = names.get(name) else {
            let message = format!("no result is named {name} where the IF asks for its rows");
            if at.mood == Mood::May && !self.recorded.leaves.contains_key(&at.path) {
                return ended(End::Pending);
            }
            self.runs.insert(at.path.clone(), 0);
            return ended(End::Failed {
                message,
                path: at.path,
            });
        };
        let items = rows_of(value).unwrap_or(value).as_array();
        if items.is_some_and(|items| !items.is_empty()) {
            self.node(arms[0], at.below("left", &[]), names)
        } else {
            self.node(arms[1], at.below("right", &[arms[0]]), names)
        }
    }

    fn join(&mut self, branches: &[Program], at: At, names: &Names) -> Outcome {
        let mut before = Vec::new();
        let (mut results, mut bound, mut orders) = (Vec::new(), Bound::new(), Vec::new());
        let (mut verdict, mut pending) = (None, false);
        for (index, branch) in branches.iter().enumerate() {
            let segment = match index {
                0 => "left".to_owned(),
                1 => "right".to_owned(),
                _ => format!("extra_nodes[{}]", index - 2),
            };
            // S21: every branch starts from the names at the fork.
            let outcome = self.node(branch, at.below(&segment, &before), names);
            before.push(branch);
            // S23: in branch order.
            bound.extend(outcome.bound);
            orders.push(outcome.order);
            match outcome.end {
                End::Done(value) => results.push(value),
                End::Pending => pending = true,
                // S22: the first in branch order.
                end => verdict = verdict.or(Some(end)),
            }
        }
        let end = match verdict {
            _ if pending => End::Pending,
            Some(end) => end,
            None => End::Done(Value::Array(results)),
        };
        Outcome {
            end,
            bound,
            order: Order::Par(orders),
        }
    }

    fn race(&mut self, branches: [&Program; 2], at: At, names: &Names) -> Outcome {
        let endless = |index: usize| *branches[index] == Program::Leaf(Leaf::Endless);
        let only = || match (endless(0), endless(1)) {
            (false, true) => Some(0),
            (true, false) => Some(1),
            _ => None,
        };
        // Of a forgotten race nothing is left; one against an endless sleep needs no record.
        let forgotten = self.recorded.forgotten(&at.path);
        let recorded = self.recorded.winners.get(&at.path).copied();
        let winner = recorded.or_else(|| if forgotten { only() } else { None });
        let places = [at.below("left", &[]), at.below("right", &branches[..1])];
        let mut outcomes: Vec<Outcome> = Vec::new();
        for (index, place) in places.into_iter().enumerate() {
            // S24, S25: the winner's runs are all there, the loser's as far as it came.
            let mood = if winner == Some(index) {
                at.mood
            } else {
                Mood::May
            };
            outcomes.push(self.node(branches[index], At { mood, ..place }, names));
        }
        let orders: Vec<Order> = outcomes.iter().map(|one| one.order.clone()).collect();
        let Some(winner) = winner else {
            return Outcome {
                end: End::Pending,
                bound: Bound::new(),
                order: Order::Par(orders),
            };
        };
        let won = outcomes.swap_remove(winner);
        if won.end == End::Pending {
            self.impossible.push(format!(
                "{}: branch {winner} won and cannot have ended",
                at.path
            ));
        }
        // What follows is after the winner's runs; the loser's are before its decision too, but
        // nothing orders them among the winner's.
        Outcome {
            order: Order::Par(orders),
            ..won
        }
    }

    /// S34.
    fn timed(&mut self, inner: &Program, seconds: u32, at: At, names: &Names) -> Outcome {
        let path = at.path.clone();
        if self.recorded.winners.get(&format!("{path}.timeout")) != Some(&1) {
            return self.node(inner, at, names);
        }
        let bounded_alone = |leaf: &Leaf| !leaf.waits();
        if seconds > 60 || matches!(inner.bare(), Program::Leaf(leaf) if bounded_alone(leaf)) {
            self.impossible.push(format!("{path}: it timed out"));
        }
        let Outcome { order, .. } = self.node(
            inner,
            At {
                mood: Mood::May,
                ..at
            },
            names,
        );
        // A node that times out is recorded as failed itself.
        self.runs.insert(path.clone(), 0);
        let message = format!("node timed out after {seconds} s");
        Outcome {
            end: End::Failed { message, path },
            bound: Bound::new(),
            order,
        }
    }

    fn repeat(
        &mut self,
        body: &Program,
        condition: Option<&Program>,
        at: At,
        names: &Names,
    ) -> Outcome {
        let inside = At {
            in_loop: true,
            ..at
        };
        let (mut bound, mut orders) = (Bound::new(), Vec::new());
        for turn in 0.. {
            // S18.
            let place = inside.below(&format!("body[{turn}]"), &[]);
            let round = self.node(body, place, &with(names, &bound));
            bound.extend(round.bound);
            orders.push(round.order);
            let last = match round.end {
                End::Done(value) => value,
                // S16.
                End::Break(value) => return looped(End::Done(value), bound, orders),
                end => return looped(end, bound, orders),
            };
            let Some(condition) = condition else { continue };
            let place = inside.below(&format!("condition_node[{turn}]"), &[body]);
            let asked = self.node(condition, place, &with(names, &bound));
            bound.extend(asked.bound);
            orders.push(asked.order);
            match asked.end {
                // S14.
                End::Done(value) if is_true(&value) => {}
                End::Done(_) => return looped(End::Done(last), bound, orders),
                // S17.
                End::Break(value) => return looped(End::Done(value), bound, orders),
                end => return looped(end, bound, orders),
            }
        }
        unreachable!("a loop without an end is no program")
    }
}

pub(crate) fn ended(end: End) -> Outcome {
    Outcome {
        end,
        bound: Bound::new(),
        order: Order::Seq(Vec::new()),
    }
}

fn looped(end: End, bound: Bound, orders: Vec<Order>) -> Outcome {
    Outcome {
        end,
        bound,
        order: Order::Seq(orders),
    }
}

/// The second's end, and what both did.
fn after(first: Outcome, second: Outcome) -> Outcome {
    let mut bound = first.bound;
    bound.extend(second.bound);
    Outcome {
        end: second.end,
        bound,
        order: Order::Seq(vec![first.order, second.order]),
    }
}

fn with(names: &Names, bound: &[(&'static str, Value)]) -> Names {
    let mut all = names.clone();
    all.extend(bound.iter().cloned());
    all
}

/// The rows of what a SQL leaf yields; no other value has any, whatever its keys.
pub(crate) fn rows_of(value: &Value) -> Option<&Value> {
    let rows = value.get("rows").filter(|rows| rows.is_array())?;
    value.get("row_count").map(|_| rows)
}

/// Truth of the values that programs can yield.
fn is_true(value: &Value) -> bool {
    if let Some(rows) = rows_of(value) {
        return rows.get(0).is_some_and(|row| is_true(&row["v"]));
    }
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !["", "f", "false", "no", "0"].contains(&text.trim()),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}
