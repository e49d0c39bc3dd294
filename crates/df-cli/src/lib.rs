//! Wires the parts into the `df-relay` binary: command line, configuration, logs, exit codes.
//!
//! The only crate that uses anyhow. Commands hold no logic of their own beyond what they print.

mod command_line;
pub mod config;
mod dev;
mod exit;
mod install;
mod listener;
mod logging;
mod metrics;
mod recovery;
mod run;
pub mod service;
mod signals;
mod tuning;
mod wiring;

use std::process::ExitCode;

use command_line::Command;
pub use command_line::CommandLine;
use config::Config;

/// Runs one command to its end and turns its outcome into an exit code.
pub fn run(command_line: CommandLine) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("the async runtime starts");
    match runtime.block_on(dispatch(command_line)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::report(&error),
    }
}

async fn dispatch(command_line: CommandLine) -> anyhow::Result<()> {
    let config = Config::load(&command_line)?;
    if command_line.common.print_config {
        print!("{}", config.to_toml());
        return Ok(());
    }
    logging::start(&config)?;
    match command_line.command {
        Command::Dev(options) => dev::dev(&options, &config).await,
        Command::Install(options) => install::install(&options, &config).await,
        Command::Uninstall(options) => install::uninstall(&options, &config).await,
        Command::Run(_) => run::run(&config).await,
        Command::Replay(options) => recovery::replay(&options, &config).await,
        Command::Adopt(_) => recovery::adopt(&config).await,
    }
}
