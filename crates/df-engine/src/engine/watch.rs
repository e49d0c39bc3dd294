//! What the engine does by itself: lets go of what only waits, forgets ended branches, reports ends.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

use super::{Event, Shared, root_of};
use crate::backend::Assignment;
use crate::provider::{Terminal, TerminalStatus};

/// Unloads instances that have only waited for a while.
pub(super) async fn watch_quiet(shared: Arc<Shared>, mut quiets: UnboundedReceiver<String>) {
    let mut later: std::collections::BTreeMap<(Instant, String), ()> = Default::default();
    loop {
        let next = later.keys().next().map(|(at, _)| *at);
        tokio::select! {
            _ = shared.closed.cancelled() => return,
            root = quiets.recv() => match root {
                Some(root) => { later.insert((Instant::now() + shared.linger, root), ()); }
                None => return,
            },
            _ = tokio::time::sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                while let Some(entry) = later.first_entry() {
                    if entry.key().0 > Instant::now() {
                        break;
                    }
                    let ((_, root), ()) = entry.remove_entry();
                    if let Some(again) = unload_if_idle(&shared, &root).await {
                        later.insert((again, root), ());
                    }
                }
            }
        }
    }
}

/// Unloads an instance that only waits; answers when to look again, if its wait is short.
async fn unload_if_idle(shared: &Arc<Shared>, root: &str) -> Option<Instant> {
    let loaded = shared.get(root)?;
    let mut unloaded = loaded.unloaded.write().await;
    if *unloaded || !shared.provider.is_quiet(root) {
        return None;
    }
    let (waits, due) = loaded.pending_waits();
    if let Some(due) = due
        && due < Instant::now() + shared.linger
    {
        return Some(due + shared.linger);
    }
    if !shared.provider.remove_tree_if_quiet(root) {
        return None;
    }
    *unloaded = true;
    loaded.cancel.cancel();
    shared.loaded.lock().remove(root);
    let Assignment {
        instance, epoch, ..
    } = loaded.assignment.clone();
    shared.send(if waits.is_empty() {
        let why = "it came to rest without waiting for anything".to_owned();
        Event::Broken {
            instance,
            epoch,
            why,
        }
    } else {
        Event::Idle {
            instance,
            epoch,
            waits,
        }
    });
    None
}

/// Forgets branches that have ended: a loop around a JOIN of loops would collect them for ever.
pub(super) async fn watch_children(shared: Arc<Shared>, mut ended: UnboundedReceiver<String>) {
    while let Some(Some(child)) = shared.closed.run_until_cancelled(ended.recv()).await {
        shared.provider.remove_ended_child(&child);
        if let Some(loaded) = shared.get(root_of(&child)) {
            loaded.forget_walk(&child);
        }
    }
}

/// Reports walks that are over, and drops them.
pub(super) async fn watch_terminal(
    shared: Arc<Shared>,
    mut terminals: UnboundedReceiver<Terminal>,
) {
    loop {
        let terminal = tokio::select! {
            _ = shared.closed.cancelled() => return,
            terminal = terminals.recv() => match terminal {
                Some(terminal) => terminal,
                None => return,
            },
        };
        let Some(loaded) = shared.get(&terminal.root) else {
            continue;
        };
        shared.unload(&terminal.root, &loaded).await;
        let Assignment {
            instance, epoch, ..
        } = loaded.assignment.clone();
        shared.send(match terminal.status {
            TerminalStatus::Completed => Event::Ended {
                instance,
                epoch,
                stopped: terminal.output == "stopped",
            },
            TerminalStatus::Failed => Event::Broken {
                instance,
                epoch,
                why: terminal.output,
            },
        });
    }
}
