//! What is measured: a figure beside its yardstick and its target, and the verdict computed from
//! them. Pure; it must not know how anything is measured.

use serde::Serialize;

/// What a figure is held to, in the figure's own unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    AtLeast(f64),
    AtMost(f64),
    /// A figure that is told, not judged.
    None,
}

/// Whether a figure meets its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Met,
    Missed,
    Told,
}

/// One row of the table.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// The name in the JSON file.
    pub key: String,
    pub what: String,
    pub value: f64,
    pub unit: &'static str,
    /// The yardstick's name and its value in the same run.
    pub yardstick: Option<(String, f64)>,
    /// How the target follows from the yardstick, as the table shows it.
    pub rule: String,
    pub target: Target,
    pub verdict: Verdict,
    /// What the reader should know about this measurement.
    pub notes: Vec<String>,
}

impl Figure {
    /// A figure that is told and not judged.
    pub fn told(key: &str, what: &str, value: f64, unit: &'static str) -> Figure {
        Figure {
            key: key.to_owned(),
            what: what.to_owned(),
            value,
            unit,
            yardstick: None,
            rule: String::new(),
            target: Target::None,
            verdict: Verdict::Told,
            notes: Vec::new(),
        }
    }

    /// Held to a part of a yardstick: at least `factor` of it.
    pub fn at_least(mut self, factor: f64, yardstick: &str, measured: f64) -> Figure {
        self.rule = format!("≥ {factor:.2} × {yardstick}");
        self.yardstick = Some((yardstick.to_owned(), measured));
        self.judged(Target::AtLeast(factor * measured))
    }

    /// Held to a multiple of a yardstick: at most `factor` of it.
    pub fn at_most(mut self, factor: f64, yardstick: &str, measured: f64) -> Figure {
        self.rule = format!("≤ {factor} × {yardstick}");
        self.yardstick = Some((yardstick.to_owned(), measured));
        self.judged(Target::AtMost(factor * measured))
    }

    /// Held to a plain number.
    pub fn judged(mut self, target: Target) -> Figure {
        self.target = target;
        self.verdict = verdict(self.value, target);
        self
    }

    pub fn note(mut self, note: impl Into<String>) -> Figure {
        self.notes.push(note.into());
        self
    }
}

/// A figure that is no number meets no target.
pub fn verdict(value: f64, target: Target) -> Verdict {
    let met = match target {
        Target::None => return Verdict::Told,
        Target::AtLeast(least) => value >= least,
        Target::AtMost(most) => value <= most,
    };
    if met { Verdict::Met } else { Verdict::Missed }
}

/// The nearest-rank percentile of samples in any order; NaN without samples. `percent` is 0 to 100.
pub fn percentile(samples: &[f64], percent: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or(f64::NAN)
}

/// The mean; NaN without samples.
pub fn mean(samples: &[f64]) -> f64 {
    samples.iter().sum::<f64>() / samples.len() as f64
}

/// The median, between the two in the middle where there are two; NaN without samples.
pub fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 0 => mean(&sorted[middle - 1..=middle]),
        _ => sorted[middle],
    }
}

/// From one moment to another, in seconds by one clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    pub from: f64,
    pub to: f64,
}

impl Window {
    /// What ended in it, a second; NaN for a window that is none.
    pub fn rate(&self, ends: &[f64]) -> f64 {
        let within = |end: &&f64| self.from < **end && **end <= self.to;
        ends.iter().filter(within).count() as f64 / (self.to - self.from)
    }
}

/// When the first tenth and the last tenth ran. `ends` are the seconds at which each lap or workflow
/// ended, ascending, of which the first ten only begin the count; no window for less than 40.
pub fn tenths(ends: &[f64]) -> [Window; 2] {
    let counted = ends.get(9..).unwrap_or_default();
    // As many intervals as there are ends, but for the one that only begins.
    let tenth = counted.len().saturating_sub(1) / 10;
    if tenth < 3 {
        let (from, to) = (f64::NAN, f64::NAN);
        return [Window { from, to }; 2];
    }
    let window = |part: &[f64]| Window {
        from: part[0],
        to: part[tenth],
    };
    let last = counted.len() - 1 - tenth;
    [window(&counted[..=tenth]), window(&counted[last..])]
}

/// The rate in the second window over that in the first.
pub fn kept([first, last]: [Window; 2], ends: &[f64]) -> f64 {
    last.rate(ends) / first.rate(ends)
}

/// The order in which a round of `count` measurements takes them: forwards, and backwards in every
/// second round, so that each has the same place on average.
pub fn places(round: usize, count: usize) -> Vec<usize> {
    match round % 2 {
        0 => (0..count).collect(),
        _ => (0..count).rev().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_sample_of_nearest_rank() {
        let hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        let cases: [(&[f64], f64, f64); 6] = [
            (&hundred, 50.0, 50.0),
            (&hundred, 99.0, 99.0),
            (&hundred, 100.0, 100.0),
            (&hundred, 0.0, 1.0),
            (&[7.0], 99.0, 7.0),
            (&[3.0, 1.0, 2.0], 50.0, 2.0),
        ];
        for (samples, percent, expected) in cases {
            assert_eq!(percentile(samples, percent), expected, "{percent}");
        }
        assert!(percentile(&[], 50.0).is_nan());
    }

    #[test]
    fn the_verdict_follows_from_the_numbers_alone() {
        let cases = [
            (400.0, Target::AtLeast(400.0), Verdict::Met),
            (399.9, Target::AtLeast(400.0), Verdict::Missed),
            (2.2, Target::AtMost(2.2), Verdict::Met),
            (2.3, Target::AtMost(2.2), Verdict::Missed),
            (f64::NAN, Target::AtMost(2.2), Verdict::Missed),
            (f64::NAN, Target::AtLeast(2.2), Verdict::Missed),
            (1.0, Target::AtLeast(f64::NAN), Verdict::Missed),
            (0.0, Target::None, Verdict::Told),
        ];
        for (value, target, expected) in cases {
            assert_eq!(verdict(value, target), expected, "{value} {target:?}");
        }
    }

    #[test]
    fn a_target_is_the_factor_times_the_yardstick() {
        let figure = Figure::told("x", "x", 39.0, "/s").at_least(0.4, "Y1", 100.0);
        assert_eq!(figure.target, Target::AtLeast(40.0));
        assert_eq!(figure.verdict, Verdict::Missed);
        assert_eq!(figure.rule, "≥ 0.40 × Y1");
    }

    #[test]
    fn a_loop_that_slows_down_is_not_flat() {
        let flatness = |ends: &[f64]| kept(tenths(ends), ends);
        let steady: Vec<f64> = (0..1000).map(f64::from).collect();
        assert!((flatness(&steady) - 1.0).abs() < 1e-9);
        assert!((tenths(&steady)[0].rate(&steady) - 1.0).abs() < 1e-9);
        let slowing: Vec<f64> = (0..1000).map(|lap| f64::from(lap).powi(2)).collect();
        assert!(flatness(&slowing) < 0.2);
        assert!(flatness(&steady[..39]).is_nan());
        assert!(!flatness(&steady[..40]).is_nan());
    }

    #[test]
    fn the_median_of_two_lies_between_them() {
        assert_eq!(median(&[3.0, 1.0]), 2.0);
        assert_eq!(median(&[3.0, 1.0, 9.0]), 3.0);
        assert!(median(&[]).is_nan());
    }

    /// INSERT 8, start 8, INSERT 64, start 64: what is reckoned from them on a machine that drifts
    /// evenly is what it would be on a steady one.
    #[test]
    fn an_even_drift_does_not_move_the_ratio_of_the_ratios() {
        let steady: [f64; 4] = [1000.0, 400.0, 2000.0, 600.0];
        let mut drifted: f64 = 1.0;
        let mut means = [0.0; 4];
        for round in 0..2 {
            let mut taken = [0.0; 4];
            for place in places(round, 4) {
                taken[place] = steady[place] * drifted;
                means[place] += drifted;
                drifted -= 0.05;
            }
            let ratio = (taken[3] / taken[2]) / (taken[1] / taken[0]);
            assert!((ratio - 0.75).abs() < 0.01, "{ratio}");
        }
        // And after both rounds all four have seen the same machine.
        for mean in means {
            assert!((mean - means[0]).abs() < 1e-9, "{means:?}");
        }
    }
}
