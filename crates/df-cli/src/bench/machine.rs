//! The facts that a figure means nothing without: the machine, the server, and who else was busy.

use std::fs;
use std::thread::available_parallelism;

use anyhow::Context as _;
use serde::Serialize;
use tokio_postgres::Client;

/// The settings that decide what a commit costs.
const SETTINGS: [&str; 10] = [
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_level",
    "wal_sync_method",
    "commit_delay",
    "shared_buffers",
    "max_wal_size",
    "max_connections",
    "synchronous_standby_names",
];

/// Where a run took place.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Machine {
    pub cores: usize,
    pub server_version: String,
    pub settings: Vec<(String, String)>,
    /// Load averages over one, five and fifteen minutes before the run; empty where unknown.
    pub load_before: Vec<f64>,
    /// The share of the processors that others used during a second before the run, 0 to 1.
    pub busy_before: Option<f64>,
    pub busy_after: Option<f64>,
    /// What ran the plain transactions of the yardsticks.
    pub driver: String,
    pub database: String,
    pub profile: String,
}

impl Machine {
    /// Looks at this machine and the server; call it before anything else runs.
    pub async fn look(client: &Client) -> anyhow::Result<Machine> {
        let version = client.query_one("select version()", &[]).await;
        let settings = "select name, setting || coalesce(' ' || unit, '') from pg_settings
                         where name = any ($1) order by name";
        let names: Vec<&str> = SETTINGS.to_vec();
        let rows = client.query(settings, &[&names]).await;
        let rows = rows.context("reading the server's settings")?;
        Ok(Machine {
            cores: cores(),
            server_version: version.context("reading the server's version")?.get(0),
            settings: rows.iter().map(|row| (row.get(0), row.get(1))).collect(),
            load_before: load_averages(),
            busy_before: busy_share().await,
            profile: if cfg!(debug_assertions) {
                "debug"
            } else {
                "release"
            }
            .to_owned(),
            ..Machine::default()
        })
    }

    /// What a reader has to know before believing any figure.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let shares = [self.busy_before, self.busy_after].into_iter().flatten();
        let busiest = shares.fold(0.0, f64::max);
        let load = self.load_before.first().copied().unwrap_or_default();
        if busiest > 0.1 || load > 0.5 * self.cores as f64 {
            warnings.push(format!(
                "the machine was loaded by others: load average {load:.1} on {} cores, {:.0} % of the \
                 processors busy while this command slept; figures and yardsticks both suffer",
                self.cores,
                100.0 * busiest
            ));
        }
        if self.profile == "debug" {
            warnings.push("this is a debug build; only a release build's figures count".to_owned());
        }
        let weak = self.settings.iter().filter(|(name, value)| {
            let durable = ["fsync", "full_page_writes", "synchronous_commit"];
            durable.contains(&name.as_str()) && value == "off"
        });
        for (name, _) in weak {
            warnings.push(format!(
                "{name} is off: this server does not keep what it commits"
            ));
        }
        let delay = self
            .settings
            .iter()
            .find(|(name, _)| name == "commit_delay");
        if let Some((_, delay)) = delay.filter(|(_, delay)| delay != "0") {
            warnings.push(format!(
                "commit_delay is {delay}: each flush of the log takes so many microseconds more"
            ));
        }
        warnings
    }

    pub fn to_text(&self) -> String {
        let settings: Vec<String> = self
            .settings
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut text = format!(
            "{}\n{} cores, {} build, {}, yardsticks by {}\n{}\n",
            self.server_version,
            self.cores,
            self.profile,
            self.database,
            self.driver,
            settings.join(" ")
        );
        for warning in self.warnings() {
            text.push_str(&format!("NOTE: {warning}.\n"));
        }
        text
    }
}

fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

fn load_averages() -> Vec<f64> {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let numbers = text.split_whitespace().take(3);
    numbers.filter_map(|word| word.parse().ok()).collect()
}

/// The share of the processors in use over one second in which this command sleeps; None where
/// /proc does not tell.
pub async fn busy_share() -> Option<f64> {
    let (busy, all) = cpu_ticks()?;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let (busy_then, all_then) = cpu_ticks()?;
    Some((busy_then - busy) as f64 / (all_then - all).max(1) as f64)
}

/// Ticks in use and ticks in all, over all processors, since boot.
fn cpu_ticks() -> Option<(u64, u64)> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = line
        .split_whitespace()
        .map_while(|word| word.parse().ok())
        .collect();
    let all: u64 = ticks.iter().take(8).sum();
    let unused = ticks.get(3)? + ticks.get(4)?;
    Some((all - unused, all))
}

/// Seconds of processor time that a process of this machine has used; None for a process that is
/// not there or not named so.
pub fn cpu_seconds(pid: i32, name: &str) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (head, tail) = stat.rsplit_once(") ")?;
    if !head.ends_with(name) {
        return None;
    }
    let fields: Vec<&str> = tail.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    // Fields 14 and 15 of proc(5), in hundredths of a second on every Linux.
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

/// Megabytes that this process has in memory; None where /proc does not tell.
pub fn resident_megabytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loaded_machine_and_a_server_that_forgets_are_told() {
        let quiet = Machine {
            cores: 2,
            load_before: vec![0.1],
            busy_before: Some(0.01),
            settings: vec![("fsync".to_owned(), "on".to_owned())],
            profile: "release".to_owned(),
            ..Machine::default()
        };
        assert_eq!(quiet.warnings(), Vec::<String>::new());
        let load_before = vec![6.0];
        let loaded = Machine {
            load_before,
            ..quiet.clone()
        };
        assert!(loaded.to_text().contains("loaded by others"));
        let settings = vec![("fsync".to_owned(), "off".to_owned())];
        let forgetful = Machine {
            settings,
            ..quiet.clone()
        };
        assert!(forgetful.to_text().contains("fsync is off"));
        let settings = vec![("commit_delay".to_owned(), "200".to_owned())];
        let slowed = Machine { settings, ..quiet };
        assert!(slowed.to_text().contains("commit_delay is 200"));
    }
}
