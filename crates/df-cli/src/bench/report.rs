//! The run as a table for people and as JSON for programs. It must not measure or judge anything.

use serde::Serialize;
use serde_json::json;

use super::figures::{Figure, Target, Verdict};
use super::machine::Machine;
use super::picture::Point;

/// Everything that one run found.
#[derive(Debug, Serialize)]
pub struct Report {
    pub machine: Machine,
    pub figures: Vec<Figure>,
    /// Transactions a second by number of clients: (series, points).
    pub throughput: Vec<(String, Vec<Point>)>,
    /// Seconds from start to completion by workflows offered a second: (series, points).
    pub latency: Vec<(String, Vec<Point>)>,
    /// SQL functions by their own time while ten-step workflows ran, the dearest first.
    pub profile: Vec<FunctionCost>,
}

/// What one SQL function cost while the profile was taken.
#[derive(Debug, Clone, Serialize)]
pub struct FunctionCost {
    pub function: String,
    pub calls: i64,
    /// Milliseconds a call, what it called apart.
    pub self_ms: f64,
    /// Milliseconds a call, what it called included.
    pub total_ms: f64,
}

impl Report {
    pub fn missed(&self) -> usize {
        let missed = |figure: &&Figure| figure.verdict == Verdict::Missed;
        self.figures.iter().filter(missed).count()
    }

    pub fn to_json(&self) -> serde_json::Value {
        json!({ "format": 1, "df_relay": env!("CARGO_PKG_VERSION"), "run": self })
    }

    /// The table, its notes below it.
    pub fn to_text(&self) -> String {
        let mut text = self.machine.to_text();
        let header = ["measured", "figure", "yardstick", "target", "verdict"].map(String::from);
        let rows = self.figures.iter().map(row);
        text.push('\n');
        text.push_str(&table(std::iter::once(header).chain(rows).collect()));
        for figure in &self.figures {
            for note in &figure.notes {
                text.push_str(&format!("\n{}: {note}", figure.what));
            }
        }
        if !self.profile.is_empty() {
            text.push_str("\n\nSQL functions while ten-step workflows ran, dearest first:\n");
            let header = ["function", "calls", "own ms a call", "with callees"].map(String::from);
            let rows = self.profile.iter().map(|cost| {
                let [own, total] = [cost.self_ms, cost.total_ms].map(|ms| format!("{ms:.3}"));
                [cost.function.clone(), cost.calls.to_string(), own, total]
            });
            text.push_str(&table(std::iter::once(header).chain(rows).collect()));
        }
        let judged = self.figures.iter().filter(|f| f.verdict != Verdict::Told);
        let (missed, judged) = (self.missed(), judged.count());
        text.push_str(&format!(
            "\n{} of {judged} targets met, {missed} missed.\n",
            judged - missed
        ));
        text
    }
}

fn row(figure: &Figure) -> [String; 5] {
    let target = match figure.target {
        Target::AtLeast(least) => format!("≥ {}", number(least)),
        Target::AtMost(most) => format!("≤ {}", number(most)),
        Target::None => String::new(),
    };
    let target = match figure.rule.as_str() {
        "" => target,
        rule => format!("{rule} = {}", target.trim_start_matches(['≥', '≤', ' '])),
    };
    let yardstick = match &figure.yardstick {
        Some((name, value)) => format!("{name} = {}", number(*value)),
        None => String::new(),
    };
    let verdict = match figure.verdict {
        Verdict::Met => "met",
        Verdict::Missed => "MISSED",
        Verdict::Told => "",
    };
    [
        figure.what.clone(),
        format!("{} {}", number(figure.value), figure.unit),
        yardstick,
        target,
        verdict.to_owned(),
    ]
}

/// A number with as many digits as it deserves.
pub fn number(value: f64) -> String {
    match value.abs() {
        size if !size.is_finite() => "not measured".to_owned(),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Columns as wide as their widest cell; the first row is the header.
fn table<const N: usize>(rows: Vec<[String; N]>) -> String {
    let wide = |text: &String| text.chars().count();
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(wide(cell));
        }
    }
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(width - wide(cell) + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
        if index == 0 {
            let total: usize = widths.iter().sum::<usize>() + 2 * (N - 1);
            text.push_str(&"─".repeat(total));
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let slow = Figure::told("start", "df.start, 8 clients", 300.0, "/s");
        let lean = Figure::told("commits", "commits", 2.1, "").judged(Target::AtMost(2.2));
        Report {
            machine: Machine::default(),
            figures: vec![slow.at_least(0.4, "S8", 1000.0).note("no relay ran"), lean],
            throughput: Vec::new(),
            latency: Vec::new(),
            profile: Vec::new(),
        }
    }

    #[test]
    fn a_missed_target_says_so_beside_its_yardstick() {
        let text = report().to_text();
        let row = text.lines().find(|line| line.starts_with("df.start"));
        let words: Vec<&str> = row.unwrap().split("  ").filter(|w| !w.is_empty()).collect();
        let expected = [
            "df.start, 8 clients",
            "300 /s",
            "S8 = 1000",
            "≥ 0.40 × S8 = 400",
            "MISSED",
        ];
        assert_eq!(words.map_trimmed(), expected);
        assert!(text.contains("df.start, 8 clients: no relay ran"), "{text}");
        assert!(text.ends_with("1 of 2 targets met, 1 missed.\n"), "{text}");
    }

    #[test]
    fn the_json_holds_verdicts_and_targets() {
        let json = report().to_json();
        let figure = &json["run"]["figures"][0];
        assert_eq!(figure["verdict"], "missed");
        assert_eq!(figure["target"]["at_least"], 400.0);
        assert_eq!(figure["yardstick"][0], "S8");
    }

    #[test]
    fn numbers_keep_the_digits_that_matter() {
        let cases = [
            (12345.6, "12346"),
            (12.34, "12.3"),
            (2.204, "2.20"),
            (f64::NAN, "not measured"),
        ];
        for (value, expected) in cases {
            assert_eq!(number(value), expected);
        }
    }

    trait Trimmed {
        fn map_trimmed(self) -> Vec<String>;
    }

    impl Trimmed for Vec<&str> {
        fn map_trimmed(self) -> Vec<String> {
            self.into_iter()
                .map(|word| word.trim().to_owned())
                .collect()
        }
    }
}
