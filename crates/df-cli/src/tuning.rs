//! The service's tuning options: flags of `run` and `dev`, variables, or the file's `[relay]` table.

use std::time::Duration;

use anyhow::bail;
use clap::Args;
use clap::builder::BoolishValueParser;
use df_engine::EngineConfig;
use df_relay::RelayConfig;
use serde::{Deserialize, Serialize};

use crate::wiring::{ExecutorLimits, RESERVE_SHARE};

/// Step connections kept open for each step that may run: changing between roles then seldom needs
/// a login.
const OPEN_PER_STEP: usize = 2;

/// What may be tuned; whatever is absent keeps its default.
#[derive(Debug, Clone, Default, Args, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[command(next_help_heading = "Tuning")]
pub struct Tuning {
    /// Seconds that ownership lasts without a heartbeat [default: 15]
    #[arg(long, env = "DF_LEASE_SECONDS", value_name = "SECONDS")]
    pub lease_seconds: Option<u64>,
    /// How often to look for work when nothing wakes the relay [default: 1000]
    #[arg(long, env = "DF_POLL_INTERVAL_MS", value_name = "MS")]
    pub poll_interval_ms: Option<u64>,
    /// For a transaction pooler in between: find all work by polling, keep nothing in a session
    /// [default: false]
    #[arg(long, env = "DF_POLL_ONLY", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true",
          value_parser = BoolishValueParser::new())]
    pub poll_only: Option<bool>,
    /// The most instances in memory at a time [default: 1000]
    #[arg(long, env = "DF_MAX_INSTANCES", value_name = "N")]
    pub max_instances: Option<usize>,
    /// The most steps that run at a time, each on a connection of its own [default: 16]
    #[arg(long, env = "DF_STEP_CONNECTIONS", value_name = "N")]
    pub step_connections: Option<usize>,
    /// The most step connections that are open at a time, those kept for their role's next step
    /// among them; at least a quarter more than step_connections [default: twice step_connections]
    #[arg(long, env = "DF_STEP_CONNECTIONS_OPEN", value_name = "N")]
    pub step_connections_open: Option<usize>,
    /// The most steps that one role may run at a time, up to step_connections; the setting
    /// max_steps_per_role holds as well [default: step_connections]
    #[arg(long, env = "DF_STEP_CONNECTIONS_PER_ROLE", value_name = "N")]
    pub step_connections_per_role: Option<usize>,
    /// How long an instance that only waits stays in memory [default: 1000]
    #[arg(long, env = "DF_LINGER_MS", value_name = "MS")]
    pub linger_ms: Option<u64>,
}

impl Tuning {
    /// These options, and the file's where these are absent.
    pub fn or(self, file: Tuning) -> Tuning {
        Tuning {
            lease_seconds: self.lease_seconds.or(file.lease_seconds),
            poll_interval_ms: self.poll_interval_ms.or(file.poll_interval_ms),
            poll_only: self.poll_only.or(file.poll_only),
            max_instances: self.max_instances.or(file.max_instances),
            step_connections: self.step_connections.or(file.step_connections),
            step_connections_open: self.step_connections_open.or(file.step_connections_open),
            step_connections_per_role: self
                .step_connections_per_role
                .or(file.step_connections_per_role),
            linger_ms: self.linger_ms.or(file.linger_ms),
        }
    }

    /// Errors: a value that is out of its range, which it names.
    pub fn check(&self) -> anyhow::Result<()> {
        let steps = self.executor().step_connections as u64;
        let wide = |count: Option<usize>| count.map(|count| count as u64);
        let ranges = [
            ("lease_seconds", self.lease_seconds, 1, 86_400),
            ("poll_interval_ms", self.poll_interval_ms, 1, 3_600_000),
            ("max_instances", wide(self.max_instances), 1, u64::MAX),
            ("step_connections", wide(self.step_connections), 1, 10_000),
            (
                "step_connections_open",
                wide(self.step_connections_open),
                steps + steps.div_ceil(RESERVE_SHARE as u64),
                u64::MAX,
            ),
            (
                "step_connections_per_role",
                wide(self.step_connections_per_role),
                1,
                steps,
            ),
        ];
        for (name, given, least, most) in ranges {
            check_range(name, given, least, most)?;
        }
        Ok(())
    }

    /// The same options with every default filled in.
    pub fn whole(&self) -> Tuning {
        let (relay, engine, executor) = (self.relay(), self.engine(), self.executor());
        let millis = |pause: Duration| u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        Tuning {
            lease_seconds: Some(relay.lease.as_secs()),
            poll_interval_ms: Some(millis(relay.poll_interval)),
            poll_only: Some(self.is_poll_only()),
            max_instances: Some(relay.max_instances),
            step_connections: Some(executor.step_connections),
            step_connections_open: Some(executor.step_connections_open),
            step_connections_per_role: Some(executor.step_connections_per_role),
            linger_ms: Some(millis(engine.linger)),
        }
    }

    /// Whether a transaction pooler may be in between.
    pub fn is_poll_only(&self) -> bool {
        self.poll_only.unwrap_or(false)
    }

    pub fn relay(&self) -> RelayConfig {
        let default = RelayConfig::default();
        let millis = |given: Option<u64>, or: Duration| given.map_or(or, Duration::from_millis);
        RelayConfig {
            lease: self
                .lease_seconds
                .map_or(default.lease, Duration::from_secs),
            poll_interval: millis(self.poll_interval_ms, default.poll_interval),
            listen: !self.is_poll_only(),
            max_instances: self.max_instances.unwrap_or(default.max_instances),
            ..default
        }
    }

    pub fn engine(&self) -> EngineConfig {
        let default = EngineConfig::default();
        EngineConfig {
            linger: self.linger_ms.map_or(default.linger, Duration::from_millis),
            ..default
        }
    }

    pub fn executor(&self) -> ExecutorLimits {
        let steps = self.step_connections.unwrap_or(16);
        ExecutorLimits {
            step_connections: steps,
            step_connections_open: self.step_connections_open.unwrap_or(OPEN_PER_STEP * steps),
            step_connections_per_role: self.step_connections_per_role.unwrap_or(steps),
        }
    }
}

/// Refuses a value, where one is given, that lies outside of its range.
pub fn check_range(name: &str, given: Option<u64>, least: u64, most: u64) -> anyhow::Result<()> {
    match given {
        Some(value) if value < least => bail!("{name} is {value}; it must be at least {least}"),
        Some(value) if value > most => bail!("{name} is {value}; it must be at most {most}"),
        _ => Ok(()),
    }
}
