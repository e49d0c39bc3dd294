//! Connections that serve nobody at the moment, of all roles.
//!
//! Which of them goes when there are too many is decided here: a role that has several gives one up
//! before a role that has one, so that roles with much to do keep as many each.

use super::Login;
use super::pool::Key;
use crate::wire::Connection;
use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::HashMap;
/// One connection at rest, and the login it was opened with.
pub(super) struct Kept {
    pub connection: Connection,
    pub login: Arc<Login>,
    key: Key,
    since: Instant,
}

/// Idle connections, numbered in the order in which they were last used.
#[derive(Default)]
pub(super) struct Idle {
    next: u64,
    all: BTreeMap<u64, Kept>,
    /// Where in `all` those of one key are, ascending; no list is empty.
    by_key: HashMap<Key, VecDeque<u64>>,
}

impl Idle {
    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn push(&mut self, key: Key, connection: Connection, login: Arc<Login>) {
        let number = self.next;
        self.next += 1;
        self.by_key
            .entry(key.clone())
            .or_default()
            .push_back(number);
        let since = Instant::now();
        let kept = Kept {
            connection,
            login,
            key,
            since,
        };
        self.all.insert(number, kept);
    }

    /// The most recently used of a key: its caches are the warmest.
    pub fn take(&mut self, key: &Key) -> Option<Kept> {
        let numbers = self.by_key.get_mut(key)?;
        let number = numbers.pop_back()?;
        if numbers.is_empty() {
            self.by_key.remove(key);
        }
        self.all.remove(&number)
    }

    pub fn take_all(&mut self, key: &Key) -> Vec<Kept> {
        std::iter::from_fn(|| self.take(key)).collect()
    }

    /// So many that no more than `left` stay: of the key that has the most, the least recently used.
    pub fn take_beyond(&mut self, left: usize) -> Vec<Kept> {
        let excess = self.len().saturating_sub(left);
        (0..excess).filter_map(|_| self.take_spare()).collect()
    }

    pub fn take_older_than(&mut self, limit: Duration) -> Vec<Kept> {
        let mut old = Vec::new();
        while let Some((_, first)) = self.all.first_key_value()
            && first.since.elapsed() >= limit
        {
            let key = first.key.clone();
            old.extend(self.take_oldest_of(&key));
        }
        old
    }

    fn take_spare(&mut self) -> Option<Kept> {
        let most = |numbers: &VecDeque<u64>| (numbers.len(), Reverse(numbers.front().copied()));
        let (key, _) = self
            .by_key
            .iter()
            .max_by_key(|(_, numbers)| most(numbers))?;
        let key = key.clone();
        self.take_oldest_of(&key)
    }

    fn take_oldest_of(&mut self, key: &Key) -> Option<Kept> {
        let numbers = self.by_key.get_mut(key)?;
        let number = numbers.pop_front()?;
        if numbers.is_empty() {
            self.by_key.remove(key);
        }
        self.all.remove(&number)
    }
}
