//! The `df-relay` binary: reads the command line and leaves the rest to the library.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    df_cli::run(df_cli::CommandLine::parse())
}
