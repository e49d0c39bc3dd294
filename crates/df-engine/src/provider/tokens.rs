//! Lock tokens: `<holder>.<serial>`, the holder being an instance key or a work id.
//!
//! A token finds its holder without an index, and a serial is never given twice, so a token of a
//! removed holder or of an earlier lock matches nothing.

use super::clock::Tick;

/// A lock on an instance or a work item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lock {
    pub(super) serial: u64,
    pub(super) until: Tick,
}

pub(super) fn format(holder: u64, serial: u64) -> String {
    format!("{holder}.{serial}")
}

/// The holder and serial of a token, or `None` for anything this provider never gave out.
pub(super) fn parse(token: &str) -> Option<(u64, u64)> {
    let (holder, serial) = token.split_once('.')?;
    Some((holder.parse().ok()?, serial.parse().ok()?))
}
