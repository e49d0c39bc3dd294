//! What each leaf comes to (S4 to S8, S19, S20, S31): the interpreter's other half.

use std::ops::RangeInclusive;

use serde_json::{Value, json};

use crate::interpret::{At, Bound, End, Interpreter, Mood, Names, Order, Outcome, ended, rows_of};
use crate::program::{Answer, Leaf, NAMES, SHARED};

impl Leaf {
    /// Whether it waits for something other than a statement or an answer.
    pub fn waits(&self) -> bool {
        matches!(
            self,
            Leaf::Sleep
                | Leaf::Schedule
                | Leaf::Nap
                | Leaf::Signal
                | Leaf::Shared
                | Leaf::Silence
                | Leaf::Endless
        )
    }

    /// Whether it leaves a row in the trace table when it has ended.
    pub fn leaves_a_trace(&self) -> bool {
        match self {
            Leaf::Mark | Leaf::Odd(..) | Leaf::Ask(_) | Leaf::Nothing => true,
            Leaf::Flaky { fails, attempts } => fails < attempts,
            _ => false,
        }
    }
}

impl Interpreter<'_> {
    pub(crate) fn leaf(&mut self, leaf: &Leaf, at: At, names: &Names) -> Outcome {
        let attempt = self.recorded.leaves.get(&at.path).copied();
        let came = at.mood == Mood::Must || attempt.is_some() || self.recorded.forgotten(&at.path);
        if *leaf == Leaf::Endless || !came {
            self.begun.insert(at.path);
            return ended(End::Pending);
        }
        self.runs.insert(at.path.clone(), at.number);
        let attempts = self.attempts_of(leaf, at.number, attempt);
        self.attempts.insert(at.path.clone(), attempts);
        // S7.
        if matches!(
            leaf,
            Leaf::Mark | Leaf::Odd(..) | Leaf::Nothing | Leaf::Flaky { .. } | Leaf::Http(_)
        ) {
            let seen = NAMES.map(|name| seen(name, names)).join(",");
            self.seen.insert(at.path.clone(), seen);
        }
        Outcome {
            end: self.end_of(leaf, &at),
            bound: Bound::new(),
            order: Order::Run(at.path),
        }
    }

    fn end_of(&mut self, leaf: &Leaf, at: &At) -> End {
        let number = at.number;
        // S4: nothing is left of what failed.
        let failed = |message: String| End::Failed {
            message,
            path: at.path.clone(),
        };
        match leaf {
            Leaf::Mark => rows(vec![number.into()]),
            // Its worth stands for it.
            Leaf::Odd(_, truth) => rows(vec![(*truth).into()]),
            Leaf::Nothing | Leaf::Outside => rows(Vec::new()),
            Leaf::Ask(truths) => {
                let asked = self.asked.entry(number).or_default();
                *asked += 1;
                rows(vec![truths[(*asked - 1) % truths.len()].into()])
            }
            // S8: it fails with its last attempt.
            Leaf::Flaky { fails, attempts } if fails < attempts => rows(vec![number.into()]),
            Leaf::Unlisted { outside: true } => {
                failed("relation \"nowhere\" does not exist".into())
            }
            Leaf::Fail | Leaf::Unlisted { .. } | Leaf::Flaky { .. } => {
                failed(format!("leaf {number} fails"))
            }
            Leaf::Http(Answer::Unavailable) => {
                failed("HTTP 503 Service Unavailable from http://web/status/503".into())
            }
            Leaf::Http(answer) => End::Done(answered(*answer, number)),
            Leaf::Sleep => End::Done(json!({"slept": true, "seconds": 0})),
            Leaf::Schedule => End::Done(json!({"scheduled": true})),
            Leaf::Nap => End::Done(json!({"slept": true, "seconds": 0.02})),
            // S5.
            Leaf::Silence => End::Done(json!({
                "signal_name": "silence", "timed_out": true, "data": null,
            })),
            // S6.
            Leaf::Signal => End::Done(json!({
                "signal_name": format!("s{number}"), "timed_out": false, "data": {"leaf": number},
            })),
            // S6: which one it took is read from the record, and judged with the others'.
            Leaf::Shared => End::Done(json!({
                "signal_name": SHARED, "timed_out": false,
                "data": {"n": self.recorded.signals.get(&at.path)},
            })),
            // S20.
            Leaf::Break(_) if !at.in_loop => failed("BREAK outside of a LOOP".into()),
            // S19.
            Leaf::Break(value) => End::Break(value.map_or(Value::Null, |text| {
                serde_json::from_str(text).unwrap_or_else(|_| text.into())
            })),
            Leaf::Endless => End::Pending,
        }
    }

    /// S8: how many attempts a run may have taken. Whoever dies in the middle of one leaves no record
    /// of it, so that what counts its tries elsewhere may need fewer attempts afterwards.
    fn attempts_of(&mut self, leaf: &Leaf, number: u32, taken: Option<u32>) -> RangeInclusive<u32> {
        match leaf {
            Leaf::Flaky { fails, attempts } if fails < attempts => {
                let failed = self.failed_tries.entry(number).or_default();
                let most = fails.saturating_sub(*failed) + 1;
                *failed += taken.unwrap_or(1) - 1;
                if self.steady { most..=most } else { 1..=most }
            }
            Leaf::Flaky { attempts, .. } => *attempts..=*attempts,
            Leaf::Http(Answer::Recovers) => u32::from(self.steady) + 1..=2,
            _ => 1..=1,
        }
    }
}

fn rows(values: Vec<Value>) -> End {
    let rows: Vec<Value> = values.into_iter().map(|v| json!({"v": v})).collect();
    let count = rows.len();
    End::Done(json!({"rows": rows, "row_count": count}))
}

/// What an answer is as a result. How long it took is taken out before results are compared.
fn answered(answer: Answer, number: u32) -> Value {
    let status = if answer == Answer::NotFound { 404 } else { 200 };
    let body = match answer {
        Answer::Form => "form".to_owned(),
        _ => format!("leaf {number}"),
    };
    json!({
        "status": status,
        "body": body,
        "encoding": "text",
        "headers": {"content-type": "text/plain", "content-length": body.len().to_string()},
        "ok": status == 200,
        "duration_ms": 0,
    })
}

/// What `'$name?'` reads as.
fn seen(name: &str, names: &Names) -> String {
    let Some(value) = names.get(name) else {
        return format!("${name}?");
    };
    match rows_of(value).map_or(value, |rows| &rows[0]["v"]) {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
