//! The `df-relay` binary: reads the command line and leaves the rest to the library.

use std::process::ExitCode;

// Half of a turn's time is allocation: duroxide clones its history.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    df_cli::run(df_cli::CommandLine::read())
}
