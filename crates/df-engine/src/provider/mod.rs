//! The in-process store of the engine: duroxide's `Provider` over maps and a timer index.
//!
//! It keeps nothing on disk and must never be taken for a record of anything: `df.*` is the truth,
//! and an instance that is lost here is rebuilt from there. It knows no graphs, no SQL and no
//! outbox.
//!
//! Beyond duroxide's contract it tells which instance trees have come to rest (`on_quiet`), which
//! roots have ended (`on_terminal`) and which running activities are no longer wanted
//! (`on_dropped`), and it drops a whole tree at once (`remove_tree`). A *tree* is every instance
//! whose id has the same part before its first `/`.
//!
//! One mutex guards all state. Under it nothing awaits, nothing runs user code, and neither a whole
//! history is cloned nor a removed tree freed; every operation costs O(log n) in what is stored,
//! plus the size of what it moves.

mod activities;
mod admin;
mod clock;
mod history;
mod instance;
mod kv;
mod options;
mod orchestrations;
mod service;
mod state;
mod tokens;
mod trees;

use std::time::Duration;

use duroxide::providers::ScheduledActivityIdentifier;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

pub use activities::{Class, ClassOf, Lane};
pub use options::runtime_options;
pub use trees::{Terminal, TerminalStatus};

use clock::{Clock, Tick};
use state::State;

/// What the provider keeps beyond what replay needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProviderConfig {
    /// How many executions (continue-as-new generations) of an instance keep their history, the
    /// current one included; at least 1. Older ones are dropped as the next one begins, so that an
    /// endless loop takes bounded memory.
    pub kept_executions: usize,
    /// Whether `Provider::read` returns the whole history. duroxide reads it once per activity,
    /// only to learn the orchestration's name; with `false` it gets the events that begin and end
    /// the execution, which are all that `Client::get_orchestration_status` looks at too. The
    /// execution-wise reads return everything either way.
    pub whole_reads: bool,
    /// How many times as long as asked an activity's lock holds; at least 1. duroxide tells an
    /// activity that it is cancelled when it renews its lock, so the locks asked for are short; but
    /// a process that is held up for that long must not lose every activity it runs.
    pub work_lock_factor: u32,
}

impl ProviderConfig {
    /// Keeps and returns everything, as duroxide's contract and validation suite ask.
    pub fn complete() -> Self {
        Self {
            kept_executions: usize::MAX,
            whole_reads: true,
            work_lock_factor: 1,
        }
    }
}

impl Default for ProviderConfig {
    /// Keeps what replay needs and no more.
    fn default() -> Self {
        Self {
            kept_executions: 1,
            whole_reads: false,
            work_lock_factor: 60,
        }
    }
}

/// An in-process duroxide provider. Share it in an `Arc` between one runtime and its clients.
pub struct MemoryProvider {
    state: Mutex<State>,
    clock: Clock,
    config: ProviderConfig,
    /// Orchestration fetchers park here. They also watch the clock for everybody.
    turns: Notify,
    /// Worker fetchers park here.
    work: Notify,
}

impl Default for MemoryProvider {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryProvider {
    /// An empty provider with the default configuration.
    pub fn new() -> Self {
        Self::with_config(ProviderConfig::default())
    }

    /// An empty provider.
    pub fn with_config(config: ProviderConfig) -> Self {
        Self {
            state: Mutex::new(State::new(config.kept_executions.max(1))),
            clock: Clock::new(),
            config,
            turns: Notify::new(),
            work: Notify::new(),
        }
    }

    /// Sends the root id each time a live tree comes to rest: nothing queued, delayed or locked in
    /// the root or any child, and the root not terminal. Replaces an earlier sender; sent in the
    /// order in which it happened. A tree may stir again before the message is read: check with
    /// `is_quiet`, or act through `remove_tree_if_quiet`.
    pub fn on_quiet(&self, sender: UnboundedSender<String>) {
        self.state.lock().hooks.quiet = Some(sender);
    }

    /// Sends one [`Terminal`] when a root orchestration completes or fails. Replaces an earlier
    /// sender.
    pub fn on_terminal(&self, sender: UnboundedSender<Terminal>) {
        self.state.lock().hooks.terminal = Some(sender);
    }

    /// Sends the id of each child orchestration that has ended. Replaces an earlier sender.
    pub fn on_child_ended(&self, sender: UnboundedSender<String>) {
        self.state.lock().hooks.child_ended = Some(sender);
    }

    /// Sends each activity that is dropped while a worker runs it: a race's loser, one left when
    /// its execution ended, or one of a removed tree. Its result no longer counts. duroxide itself
    /// tells the activity only when it next renews its lock. Replaces an earlier sender.
    pub fn on_dropped(&self, sender: UnboundedSender<ScheduledActivityIdentifier>) {
        self.state.lock().hooks.dropped = Some(sender);
    }

    /// Divides the workers fairly: a free one takes the activity of the lane with the fewest running,
    /// and no lane has more than `limit` running, three quarters of them slow ones. `class_of` is asked under
    /// the provider's lock, so it must not call back.
    pub fn divide(&self, class_of: Box<ClassOf>, limit: usize) {
        self.state.lock().divide(class_of, limit);
    }

    /// Holds back the completion of an activity whose result may wait, as long as any other activity of its
    /// orchestration is still to end: it is delivered with the next message, in one turn for all. `may_wait` is
    /// asked under the provider's lock.
    pub fn hold_back(&self, may_wait: fn(&str) -> bool) {
        self.state.lock().may_wait = Some(may_wait);
    }

    /// Ends a tree with the activity whose result says so, where nothing else of the tree is under way: it is removed and
    /// told of as one that has completed with this result, without the turn that would only find that. `is_end` is asked
    /// under the provider's lock.
    pub fn end_with(&self, is_end: fn(&str) -> bool) {
        self.state.lock().is_end = Some(is_end);
    }

    /// Whether the tree of `root` is known and has no pending work, terminal or not.
    pub fn is_quiet(&self, root: &str) -> bool {
        self.with(|state, _| state.is_quiet(root))
    }

    /// Drops `root` and its children: histories, messages, timers, worker items, locks. Answers
    /// whether there was anything to drop. A turn or an activity still running finds its token
    /// unknown and its ack refused for good; the id can be started afresh at once. O(size of the
    /// tree).
    ///
    /// A child's id is refused (`false`): a tree goes as a whole.
    pub fn remove_tree(&self, root: &str) -> bool {
        self.with(|state, _| state.remove_tree(root))
    }

    /// `remove_tree`, but only if `is_quiet`, as one step; for live and terminal roots alike.
    pub fn remove_tree_if_quiet(&self, root: &str) -> bool {
        self.with(|state, _| state.is_quiet(root) && state.remove_tree(root))
    }

    /// Drops one child that has ended, so that a tree whose root lives on does not grow. Its parent
    /// keeps its outcome; its id must not be used again while the parent's execution lasts. Answers
    /// whether it was there and had ended.
    pub fn remove_ended_child(&self, child: &str) -> bool {
        self.with(|state, _| state.remove_ended_child(child))
    }

    /// How many orchestrations, roots and children, are stored.
    pub fn stored_count(&self) -> usize {
        self.with(|state, _| state.instances.len())
    }

    /// The ids of all roots that have started, or have a start queued, and are not terminal. In no
    /// order; O(number of instances), for the periodic comparison with `df.*`.
    pub fn live_roots(&self) -> Vec<String> {
        self.with(|state, _| state.live_roots())
    }

    /// Makes the stored history of `instance` read as undecodable. Only the validation suite calls
    /// this: a store without a serialized form has no other way to fail so.
    #[doc(hidden)]
    pub fn corrupt_history_for_test(&self, instance: &str) {
        self.with(|state, _| state.corrupt_history(instance));
    }

    /// The highest delivery attempt among the queued messages of `instance`, for the validation
    /// suite.
    #[doc(hidden)]
    pub fn max_attempts_for_test(&self, instance: &str) -> u32 {
        self.with(|state, _| state.max_attempts(instance))
    }

    /// Runs one operation: takes the lock, lets what is due become visible, acts, then frees
    /// removed data and wakes fetchers outside the lock.
    fn with<R>(&self, operation: impl FnOnce(&mut State, Tick) -> R) -> R {
        let mut state = self.state.lock();
        let now = self.clock.now();
        state.advance(now);
        let result = operation(&mut state, now);
        let wakes = std::mem::take(&mut state.wakes);
        let removed = std::mem::take(&mut state.removed);
        drop(state);
        wakes.deliver(&self.turns, &self.work);
        drop(removed);
        result
    }

    /// Tries `attempt` until it finds something or `timeout` has passed, parked on `bell` in
    /// between. `watch` says until when to park at most; only orchestration fetchers watch the
    /// timers.
    async fn poll<T>(
        &self,
        bell: &Notify,
        timeout: Duration,
        watch: impl Fn(&State) -> Option<Tick>,
        mut attempt: impl FnMut(&mut State, Tick) -> Option<T>,
    ) -> Option<T> {
        if let Some(found) = self.with(&mut attempt) {
            return Some(found);
        }
        if timeout.is_zero() {
            return None;
        }
        let deadline = self.clock.now() + clock::ticks(timeout);
        loop {
            // Registered before looking, so that work arriving between the look and the wait rings.
            let mut rung = std::pin::pin!(bell.notified());
            rung.as_mut().enable();
            let mut due = None;
            let found = self.with(|state, now| {
                let found = attempt(state, now);
                due = watch(state);
                found
            });
            if found.is_some() {
                return found;
            }
            if self.clock.now() >= deadline {
                return None;
            }
            let until = due.map_or(deadline, |due| due.min(deadline));
            let _ = tokio::time::timeout_at(self.clock.instant(until), rung).await;
        }
    }
}
