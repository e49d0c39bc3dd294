//! SIGTERM, Ctrl-C and a closed terminal ask for a clean stop; a second one does not wait for it.

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
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
    let mut hangup = match is_hangup_ignored() {
        true => None,
        false => Some(signal(SignalKind::hangup()).context("listening for SIGHUP")?),
    };
    let token = CancellationToken::new();
    let shutdown = token.clone();
    tokio::spawn(async move {
        loop {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
                () = received(hangup.as_mut()) => "SIGHUP",
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

async fn received(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => _ = signal.recv().await,
        None => std::future::pending().await,
    }
}

/// Whether nohup, or whoever else started this process, has it outlive its terminal: listening
/// would undo that. Where nothing says so, it does not.
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // SIGHUP is 1, and its bit the first.
    mask.is_some_and(|mask| mask & 1 == 1)
}
