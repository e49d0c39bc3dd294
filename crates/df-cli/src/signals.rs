//! SIGTERM and Ctrl-C ask for a clean stop; a second one does not wait for it.

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// 128 + SIGINT, as shells report it.
const EXIT_CODE_OF_A_SECOND_SIGNAL: i32 = 130;

/// Who gets a Ctrl-C in the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interrupts {
    Stop,
    /// A program in the foreground, psql, does its own with them.
    LeftToChild,
}

/// A token that is cancelled when this process is asked to stop.
pub(crate) fn shutdown_token(interrupts: Interrupts) -> anyhow::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let token = CancellationToken::new();
    let shutdown = token.clone();
    tokio::spawn(async move {
        loop {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            if name == "SIGINT" && interrupts == Interrupts::LeftToChild {
                continue;
            }
            if shutdown.is_cancelled() {
                tracing::warn!("asked to stop a second time; stopping at once");
                std::process::exit(EXIT_CODE_OF_A_SECOND_SIGNAL);
            }
            tracing::info!(signal = name, "stopping");
            shutdown.cancel();
        }
    });
    Ok(token)
}
