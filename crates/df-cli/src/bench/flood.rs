//! A flood: far more starts at once than a relay keeps in memory. It is to be drained at full speed
//! to its end, by a relay whose memory does not grow with it.

use super::Bench;
use super::figures::{Figure, Target, kept, mean, tenths};
use super::machine::resident_megabytes;
use super::report::number;
use super::throughput::{Plain, spread, tenths_note};
use super::workload::{self, Relays, Watch, graph, rate_at_once, sequence};

/// Workflows before the flood, so that the relay has its connections and these their plans.
const WARM_UP: usize = 1000;
/// How much of the first tenth's rate the last one must reach.
const FULL_SPEED: f64 = 0.85;
/// What memory may grow by after the first tenth: a quarter, and what an allocator keeps at hand.
const GROWTH: f64 = 1.25;
const SPARE_MEGABYTES: f64 = 8.0;

/// What this process had in memory while it drained, in megabytes.
#[derive(Debug, Clone, Copy, Default)]
struct Memory {
    idle: f64,
    /// When a tenth of the flood had ended.
    at_a_tenth: f64,
    /// The most from then on.
    peak: f64,
}

impl Bench {
    /// One-step workflows, started in one transaction under a running relay. To be measured before
    /// anything else: the relay runs in this process, and memory that an earlier measurement has
    /// used and let go would hide what the flood takes.
    pub async fn flood_rows(&mut self) -> anyhow::Result<Vec<Figure>> {
        let count = self.scale.flood;
        self.say(&format!("a flood of {count} workflows"));
        self.place.reset().await?;
        let client = &self.place.client;
        let relays = Relays::start(&self.place, &self.config, 1).await?;
        let caller = self.place.caller(0).connect().await?;
        let text = graph(&caller, &sequence(1)).await?;
        let warm_up = WARM_UP.min(count);
        rate_at_once(&self.place, &caller, &text, warm_up).await?;
        let since = workload::now(client).await?;
        caller.batch_execute("begin").await?;
        workload::submit(&caller, &text, count).await?;
        // No relay sees any of it yet, so that the yardstick is measured right before the first end.
        let before = self.plain(Plain::TwoInserts, 16).await?;
        let idle = resident_megabytes();
        caller.batch_execute("commit").await?;
        let memory = watch_memory(Watch::since(client, since).await?, count, idle).await?;
        let after = self.plain(Plain::TwoInserts, 16).await?;
        let seconds = workload::drain_seconds(client, since).await?;
        let ends = workload::ends(client, since).await?;
        relays.stop().await?;
        let what = format!("a flood of {count} one-step workflows, submitted beforehand");
        let rate = Figure::told("flood", &what, count as f64 / seconds, "/s");
        let mut rate = spread(rate, &[before, after]);
        rate.yardstick = Some(("Y16".to_owned(), mean(&[before, after])));
        Ok(vec![
            rate,
            speed_row(&ends, before, after),
            memory_row(memory),
        ])
    }
}

/// The last tenth over the first, by the clock. A flood keeps all of the machine busy, so that a
/// yardstick cannot be had at the same time; those before and after tell whether the machine moved.
fn speed_row(ends: &[f64], before: f64, after: f64) -> Figure {
    let windows = tenths(ends);
    let what = "the flood's last tenth over its first";
    Figure::told("flood_flatness", what, kept(windows, ends), "×")
        .judged(Target::AtLeast(FULL_SPEED))
        .note(tenths_note(windows, ends, "Y16", before, after))
}

/// Looks at this process's memory until the flood has ended; None where the system does not tell.
async fn watch_memory(
    mut watch: Watch<'_>,
    count: usize,
    idle: Option<f64>,
) -> anyhow::Result<Option<Memory>> {
    let mut memory = Memory {
        idle: idle.unwrap_or_default(),
        ..Memory::default()
    };
    loop {
        let ended = watch.ended().await?;
        let now = resident_megabytes().unwrap_or_default();
        if ended * 10 >= count {
            if memory.at_a_tenth == 0.0 {
                memory.at_a_tenth = now;
            }
            memory.peak = memory.peak.max(now);
        }
        if ended >= count {
            return Ok((memory.at_a_tenth > 0.0).then_some(memory));
        }
    }
}

fn memory_row(memory: Option<Memory>) -> Figure {
    let what = "the relay's memory while a flood drains: the most after its first tenth";
    let Some(memory) = memory else {
        let figure = Figure::told("flood_memory", what, f64::NAN, "MB");
        return figure.note("this system does not tell what a process has in memory");
    };
    let mut figure = Figure::told("flood_memory", what, memory.peak, "MB");
    figure.rule = format!("≤ {GROWTH} × at a tenth + {SPARE_MEGABYTES} MB");
    figure.yardstick = Some(("at a tenth, MB".to_owned(), memory.at_a_tenth));
    let most = GROWTH * memory.at_a_tenth + SPARE_MEGABYTES;
    figure.judged(Target::AtMost(most)).note(format!(
        "resident memory of this process, which holds relay and bench, by looks some 20 ms apart; {} MB \
         before the relay saw the first of it",
        number(memory.idle)
    ))
}

#[cfg(test)]
mod tests {
    use super::super::figures::Verdict;
    use super::*;

    #[test]
    fn a_flood_that_slows_down_is_missed() {
        let steady: Vec<f64> = (0..1000).map(f64::from).collect();
        let slowing: Vec<f64> = (0..1000).map(|end| f64::from(end).powf(1.1)).collect();
        assert_eq!(speed_row(&steady, 9.0, 9.0).verdict, Verdict::Met);
        assert_eq!(speed_row(&slowing, 9.0, 9.0).verdict, Verdict::Missed);
    }

    #[test]
    fn memory_that_grows_with_the_flood_is_missed() {
        let drained = |peak| {
            memory_row(Some(Memory {
                idle: 30.0,
                at_a_tenth: 40.0,
                peak,
            }))
        };
        assert_eq!(drained(58.0).verdict, Verdict::Met);
        assert_eq!(drained(58.1).verdict, Verdict::Missed);
        assert_eq!(memory_row(None).verdict, Verdict::Told);
    }
}
