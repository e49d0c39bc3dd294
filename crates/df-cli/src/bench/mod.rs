//! `df-relay bench`: measures what the project promises, on a database of the run's own, each figure
//! beside its yardstick from the same run.
//!
//! The verdicts are computed. It must not weaken the server's durability, nor measure anything but
//! the real path: callers, relays and steps are those of production.

mod by_hand;
mod costs;
mod figures;
mod flood;
mod latency;
mod load;
mod lookout;
mod machine;
mod picture;
mod place;
mod report;
mod throughput;
mod workload;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};

use crate::command_line::BenchOptions;
use crate::config::Config;
use crate::signals::{Interrupts, shutdown_token};
use figures::{Figure, Target};
use load::Driver;
use machine::Machine;
use picture::Chart;
use place::Place;
use report::{Report, number};

/// Figures that may move by so much where a million instances lie around.
const CROWDED_TOLERANCE: f64 = 0.15;

/// How long each measurement takes, and how many samples it has.
struct Scale {
    yardstick_seconds: f64,
    /// Sessions plan their first calls: these seconds of `df.start` are not counted.
    warm_up_seconds: f64,
    /// How often INSERTs and starts are measured in turn, and how long each time.
    start_rounds: usize,
    insert_slice_seconds: f64,
    start_slice_seconds: f64,
    /// Workflows that are there before any of them runs, many times what a relay keeps in memory.
    flood: usize,
    one_step: usize,
    /// How often each kind of workflow is drained, its yardstick in between.
    drain_rounds: usize,
    /// Workflows at once; the targets say 200.
    at_once: usize,
    counted: usize,
    /// How many lots of how many workflows, each vacuumed, tell the bytes at rest. A relation that several write to
    /// grows by megabytes at a time, so that few workflows tell nothing.
    vacuumed_rounds: usize,
    vacuumed: usize,
    per_role: usize,
    /// The loop ends at whichever comes first.
    loop_laps: i64,
    loop_seconds: f64,
    /// How long a fresh loop then runs beside it.
    beside_seconds: f64,
    load_seconds: f64,
    latency_samples: usize,
    /// INSERTs after a pause, before and after those samples each.
    paused_commits: usize,
}

/// To see that everything runs; the figures mean nothing.
const SMOKE: Scale = Scale {
    yardstick_seconds: 0.05,
    warm_up_seconds: 0.0,
    start_rounds: 1,
    insert_slice_seconds: 0.05,
    start_slice_seconds: 0.1,
    flood: 40,
    one_step: 20,
    drain_rounds: 1,
    at_once: 5,
    counted: 5,
    vacuumed_rounds: 1,
    vacuumed: 5,
    per_role: 2,
    loop_laps: 40,
    loop_seconds: 5.0,
    beside_seconds: 0.5,
    load_seconds: 0.2,
    latency_samples: 2,
    paused_commits: 1,
};

const QUICK: Scale = Scale {
    yardstick_seconds: 1.0,
    warm_up_seconds: 2.0,
    start_rounds: 2,
    insert_slice_seconds: 1.0,
    start_slice_seconds: 1.0,
    flood: 20_000,
    one_step: 4_000,
    drain_rounds: 5,
    at_once: 200,
    counted: 100,
    vacuumed_rounds: 6,
    vacuumed: 400,
    per_role: 400,
    loop_laps: 100_000,
    loop_seconds: 6.0,
    beside_seconds: 3.0,
    load_seconds: 2.0,
    latency_samples: 30,
    paused_commits: 6,
};

const FULL: Scale = Scale {
    yardstick_seconds: 3.0,
    warm_up_seconds: 2.0,
    start_rounds: 3,
    insert_slice_seconds: 2.0,
    start_slice_seconds: 3.0,
    flood: 100_000,
    one_step: 10_000,
    drain_rounds: 8,
    at_once: 200,
    counted: 500,
    vacuumed_rounds: 6,
    vacuumed: 1_000,
    per_role: 1_000,
    loop_laps: 100_000,
    loop_seconds: 180.0,
    beside_seconds: 10.0,
    load_seconds: 5.0,
    latency_samples: 150,
    paused_commits: 20,
};

/// One run.
struct Bench {
    place: Place,
    driver: Driver,
    config: Config,
    scale: Scale,
}

pub(crate) async fn bench(options: &BenchOptions, config: &Config) -> anyhow::Result<()> {
    let shutdown = shutdown_token(Interrupts::Stop)?;
    let given = match config.has_database() {
        true => Some(config.admin_database()?),
        false => None,
    };
    // A path that cannot be written is told of now, and not after the run.
    for path in [&options.json, &options.svg].into_iter().flatten() {
        let opened = fs::File::options().append(true).create(true).open(path);
        opened.with_context(|| format!("cannot write {}", path.display()))?;
    }
    eprintln!("making a database for this run");
    let place = Place::create(given, options.commit_delay).await?;
    let machine = Machine::look(&place.client).await?;
    // pgbench counts in seconds, which a smoke test has none of.
    let driver = match options.smoke {
        true => Driver::Own,
        false => Driver::choose(place.programs(), &place.caller(0), place.password()).await,
    };
    let mut bench = Bench {
        place,
        driver,
        config: config.clone(),
        scale: match (options.smoke, options.quick) {
            (true, _) => SMOKE,
            (false, true) => QUICK,
            (false, false) => FULL,
        },
    };
    let measured = shutdown
        .run_until_cancelled(bench.measure(machine, options.large, options.by_hand))
        .await;
    let removed = bench.place.remove().await;
    let Some(report) = measured else {
        bail!("stopped before the end; nothing was measured");
    };
    publish(&report?, options)?;
    removed.context("removing what the run made on the server")
}

/// Writes what was asked for; the table always.
fn publish(report: &Report, options: &BenchOptions) -> anyhow::Result<()> {
    crate::output::print(report.to_text())?;
    let write = |path: &Path, text: String| {
        fs::write(path, text).with_context(|| format!("writing {}", path.display()))
    };
    if let Some(path) = &options.json {
        write(path, format!("{:#}\n", report.to_json()))?;
    }
    if let Some(path) = &options.svg {
        let charts = [
            Chart {
                title: "Throughput against clients",
                x_label: "clients",
                y_label: "transactions a second",
                lines: &report.throughput,
            },
            Chart {
                title: "Latency of a one-step workflow against load",
                x_label: "workflows started a second",
                y_label: "milliseconds from start to end",
                lines: &report.latency,
            },
        ];
        write(path, picture::svg(&charts))?;
    }
    Ok(())
}

impl Bench {
    /// Says on stderr what is measured next.
    fn say(&self, what: &str) {
        eprintln!("measuring: {what}");
    }

    async fn measure(
        &mut self,
        mut machine: Machine,
        large: Option<u64>,
        by_hand: bool,
    ) -> anyhow::Result<Report> {
        machine.driver = self.driver.name().to_owned();
        machine.database = if self.place.is_private {
            "a private server at default durability".to_owned()
        } else {
            "a database of its own on the given server".to_owned()
        };
        let flood = self.flood_rows().await?;
        let mut figures = self.core_rows().await?;
        figures.extend(self.cost_rows().await?);
        figures.extend(self.relay_rows().await?);
        figures.extend(flood);
        if by_hand {
            figures.extend(self.by_hand_rows().await?);
        }
        let throughput = self.throughput_lines().await?;
        let capacity = figures.iter().find(|figure| figure.key == "one_step");
        let capacity = capacity.map_or(100.0, |figure| figure.value);
        let latency = self.latency_lines(capacity).await?;
        let profile = self.profile().await?;
        if let Some(count) = large {
            figures.extend(self.crowded_rows(count, &figures).await?);
        }
        machine.busy_after = machine::busy_share().await;
        Ok(Report {
            machine,
            figures,
            throughput,
            latency,
            profile,
        })
    }

    /// What must hold in an empty system and in a full one alike.
    async fn core_rows(&mut self) -> anyhow::Result<Vec<Figure>> {
        let mut figures = self.start_rows().await?;
        figures.extend(self.drain_rows().await?);
        figures.extend(self.loop_rows().await?);
        figures.extend(self.idle_rows().await?);
        Ok(figures)
    }

    /// The core figures again, with `count` finished and `count` waiting instances present, each
    /// held to what it was in the empty system.
    async fn crowded_rows(&mut self, count: u64, empty: &[Figure]) -> anyhow::Result<Vec<Figure>> {
        self.say(&format!(
            "the same with {count} finished and {count} waiting instances"
        ));
        self.place.fill(count).await?;
        let again = self.core_rows().await?;
        let rows = again.into_iter().filter_map(|figure| {
            let before = empty.iter().find(|other| other.key == figure.key)?;
            Some(crowded(&figure, before, count))
        });
        Ok(rows.collect())
    }
}

/// A figure of the full system beside that of the empty one. Rates count against their yardsticks,
/// since the machine may have changed meanwhile.
fn crowded(figure: &Figure, empty: &Figure, count: u64) -> Figure {
    let relative = |figure: &Figure| match &figure.yardstick {
        Some((_, yardstick)) => figure.value / yardstick,
        None => figure.value,
    };
    let what = format!("{}, {count} + {count} present", figure.what);
    let ratio = relative(figure) / relative(empty);
    let target = match (empty.target, &empty.yardstick) {
        (Target::AtMost(_), _) => Target::AtMost(1.0 + CROWDED_TOLERANCE),
        // It tells about another figure, or about the machine.
        (Target::None, None) => Target::None,
        _ => Target::AtLeast(1.0 - CROWDED_TOLERANCE),
    };
    Figure::told(&format!("{}_crowded", figure.key), &what, ratio, "× empty")
        .judged(target)
        .note(format!("{} {}", number(figure.value), figure.unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_system_is_held_to_the_empty_one() {
        let rate = |value, yardstick| {
            Figure::told("loop", "loop", value, "/s").at_least(0.4, "Y1", yardstick)
        };
        // Half the rate under half the yardstick is the machine's doing.
        let same = crowded(&rate(50.0, 100.0), &rate(100.0, 200.0), 9);
        assert_eq!(same.verdict, figures::Verdict::Met);
        let slower = crowded(&rate(80.0, 200.0), &rate(100.0, 200.0), 9);
        assert_eq!(slower.verdict, figures::Verdict::Missed);
        let latency = |value| Figure::told("p50", "p50", value, "ms").at_most(10.0, "commit", 1.0);
        let longer = crowded(&latency(12.0), &latency(10.0), 9);
        assert_eq!(longer.verdict, figures::Verdict::Missed);
        // What a commit costs here after a pause is nothing that instances could be held to.
        let told = |value| Figure::told("commit", "commit", value, "ms");
        let same = crowded(&told(0.1), &told(0.9), 9);
        assert_eq!(same.verdict, figures::Verdict::Told);
    }
}
