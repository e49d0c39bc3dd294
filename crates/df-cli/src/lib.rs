//! Wires the parts into the `df-relay` binary: command line, configuration, logs, exit codes.
//!
//! The only crate that uses anyhow. Commands hold no logic of their own beyond what they print.

mod bench;
mod command_line;
pub mod config;
mod dev;
mod doctor;
mod exit;
mod install;
mod listener;
mod logging;
mod metrics;
mod output;
mod recovery;
mod run;
mod schema_check;
pub mod service;
mod signals;
mod status;
#[cfg(feature = "otel")]
mod telemetry;
mod tuning;
mod wiring;

use std::process::ExitCode;

use clap::CommandFactory as _;
pub use command_line::CommandLine;
use command_line::{Command, CompletionsOptions};
use config::Config;

/// The stack of each worker. A walk polls one future per level of its graph, and a graph has up to
/// 257 levels; the pages that no graph needs are never touched.
const STACK_BYTES: usize = 64 << 20;

/// Runs one command to its end and turns its outcome into an exit code.
pub fn run(command_line: CommandLine) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build();
    let runtime = runtime.expect("the async runtime starts");
    // On a worker, where what it waits for is read as well: from a thread of its own every answer would
    // have to wake another one.
    let dispatched = runtime.block_on(runtime.spawn(dispatch(command_line)));
    match dispatched.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::report(&error),
    }
}

async fn dispatch(command_line: CommandLine) -> anyhow::Result<()> {
    if let Command::Completions(options) = &command_line.command {
        return Ok(completions(options)?);
    }
    let config = Config::load(&command_line)?;
    if command_line.common.print_config {
        return Ok(output::print(config.to_toml())?);
    }
    #[cfg(feature = "otel")]
    let _exporting = match &command_line.command {
        Command::Run(_) | Command::Dev(_) => logging::start_exporting(&config)?,
        _ => {
            logging::start(&config)?;
            None
        }
    };
    #[cfg(not(feature = "otel"))]
    logging::start(&config)?;
    match command_line.command {
        Command::Dev(options) => dev::dev(&options, &config).await,
        Command::Install(options) => install::install(&options, &config).await,
        Command::Uninstall(options) => install::uninstall(&options, &config).await,
        Command::Run(_) => run::run(&config).await,
        Command::Status(options) => status::status(&options, &config).await,
        Command::Doctor(options) => doctor::doctor(&options.report, &config).await,
        Command::Completions(_) => Ok(()),
        Command::Bench(options) => bench::bench(&options, &config).await,
        Command::Replay(options) => recovery::replay(&options, &config).await,
        Command::Adopt(_) => recovery::adopt(&config).await,
    }
}

fn completions(options: &CompletionsOptions) -> std::io::Result<()> {
    let mut command = CommandLine::command();
    let name = command.get_name().to_owned();
    // Into memory first: the generator panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut command, name, &mut script);
    output::print(String::from_utf8_lossy(&script))
}
