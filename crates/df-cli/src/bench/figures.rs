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

/// How flat a loop ran: the rate of the last tenth of its laps over that of the first tenth, the
/// first ten laps apart. `ends` are the seconds at which the laps ended, ascending; NaN for less
/// than 39 laps.
pub fn flatness(ends: &[f64]) -> f64 {
    let laps = ends.get(9..).unwrap_or_default();
    // As many intervals as there are ends, but for the one that only begins.
    let tenth = laps.len().saturating_sub(1) / 10;
    if tenth < 3 {
        return f64::NAN;
    }
    let seconds = |part: &[f64]| part[part.len() - 1] - part[0];
    let first = seconds(&laps[..=tenth]);
    let last = seconds(&laps[laps.len() - 1 - tenth..]);
    first / last
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
        let steady: Vec<f64> = (0..1000).map(f64::from).collect();
        assert!((flatness(&steady) - 1.0).abs() < 1e-9);
        let slowing: Vec<f64> = (0..1000).map(|lap| f64::from(lap).powi(2)).collect();
        assert!(flatness(&slowing) < 0.2);
        assert!(flatness(&steady[..38]).is_nan());
    }
}
