//! Logs go to stderr, as text or as one JSON object a line; stdout belongs to the commands.

use std::io::{IsTerminal as _, stderr};

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat};
use crate::exit::WrongUsage;

/// Installs the subscriber for this process.
pub(crate) fn start(config: &Config) -> anyhow::Result<()> {
    // duroxide warns of every activity that lost a race; what matters of it reaches us as an event.
    let level = match config.log_level.contains("duroxide") {
        true => config.log_level.clone(),
        false => format!("{},duroxide=error", config.log_level),
    };
    let filter = EnvFilter::try_new(level)
        .with_context(|| format!("the log level {:?} cannot be read", config.log_level))
        .context(WrongUsage)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr);
    match config.log_format {
        LogFormat::Text => builder
            .with_ansi(stderr().is_terminal())
            .with_target(false)
            .init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
}
