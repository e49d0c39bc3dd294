//! Logs go to stderr, as text or as one JSON object a line; stdout belongs to the commands.

use std::io::{IsTerminal as _, stderr};

use anyhow::{Context as _, anyhow};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::config::{Config, LogFormat};
use crate::exit::WrongUsage;

/// Installs the subscriber for this process.
pub(crate) fn start(config: &Config) -> anyhow::Result<()> {
    let (filter, lines) = (filter(config)?, lines(config));
    tracing_subscriber::registry()
        .with(lines.and_then(filter))
        .init();
    Ok(())
}

/// The same, with the export of spans where the environment asks for it. It lasts as long as what is
/// returned.
#[cfg(feature = "otel")]
pub(crate) fn start_exporting(config: &Config) -> anyhow::Result<Option<crate::telemetry::Export>> {
    let Some(export) = crate::telemetry::Export::start()? else {
        start(config)?;
        return Ok(None);
    };
    // The log's level does not decide which spans are sent.
    let lines = lines(config).with_filter(filter(config)?);
    tracing_subscriber::registry()
        .with(lines)
        .with(export.layer())
        .init();
    Ok(Some(export))
}

fn filter(config: &Config) -> anyhow::Result<EnvFilter> {
    // What is quiet unless it is asked for by name. duroxide warns of every activity that lost a race; what matters of it
    // reaches us as an event. tokio-postgres tells the parameters of each call, results and the relay's incarnation
    // among them, from debug on.
    let mut level = config.log_level.clone();
    let mut quiet = |module: &str, at: &str| {
        if !config.log_level.contains(module) {
            level.push_str(&format!(",{module}={at}"));
        }
    };
    quiet("duroxide", "error");
    let words = config.log_level.split(',').map(str::trim);
    let most = words
        .filter_map(|word| word.parse::<LevelFilter>().ok())
        .max();
    if most > Some(LevelFilter::INFO) {
        quiet("tokio_postgres", "info");
    }
    // A bare word that is no level would be taken for a module, and the lines of all others left out.
    let bare = |directive: &&str| !directive.contains(['=', '[']);
    for word in config.log_level.split(',').map(str::trim).filter(bare) {
        if word.parse::<LevelFilter>().is_err() {
            let why = format!(
                "{word:?} is no log level: error, warn, info, debug, trace or off, or <module>=<level>"
            );
            return Err(anyhow!(why).context(WrongUsage));
        }
    }
    EnvFilter::try_new(level)
        .with_context(|| format!("the log level {:?} cannot be read", config.log_level))
        .context(WrongUsage)
}

fn lines(config: &Config) -> Box<dyn Layer<Registry> + Send + Sync> {
    let lines = fmt::layer().with_writer(stderr);
    match config.log_format {
        LogFormat::Text => lines
            .with_ansi(stderr().is_terminal())
            .with_target(false)
            .boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    }
}
