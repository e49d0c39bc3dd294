//! The gate of one loaded instance: every activity passes it, unless the instance is paused.
//!
//! Written by the engine (pause, resume) and by the activities, which are counted while inside.

use parking_lot::Mutex;
use tokio::sync::Notify;

#[derive(Debug, Default)]
pub struct Gate {
    state: Mutex<State>,
    opened: Notify,
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    inside: usize,
}

/// An activity inside. Dropping it is leaving.
#[derive(Debug)]
pub struct Inside<'a>(&'a Gate);

impl Gate {
    /// Waits for the gate to be open, and passes.
    pub async fn pass(&self) -> Inside<'_> {
        loop {
            let opened = self.opened.notified();
            tokio::pin!(opened);
            opened.as_mut().enable();
            if let Some(inside) = self.try_pass() {
                return inside;
            }
            opened.await;
        }
    }

    fn try_pass(&self) -> Option<Inside<'_>> {
        let mut state = self.state.lock();
        if state.closed {
            return None;
        }
        state.inside += 1;
        Some(Inside(self))
    }

    pub fn close(&self) {
        self.state.lock().closed = true;
    }

    pub fn open(&self) {
        self.state.lock().closed = false;
        self.opened.notify_waiters();
    }

    /// Whether nothing is inside and nothing may enter.
    pub fn is_at_rest(&self) -> bool {
        let state = self.state.lock();
        state.closed && state.inside == 0
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.state.lock().inside -= 1;
    }
}
