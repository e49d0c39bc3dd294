//! A limit on what one role has running, the same for every role and adjustable at any time.
//!
//! It knows roles by oid and nothing else of them.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

/// The places of all roles.
pub struct Shares {
    inner: Arc<Inner>,
}

struct Inner {
    limit: AtomicUsize,
    roles: Mutex<HashMap<u32, Share>>,
}

#[derive(Default)]
struct Share {
    /// Places taken; the first of them is told apart while it lasts.
    taken: usize,
    first_taken: bool,
    waiting: usize,
    freed: Arc<Notify>,
}

/// One place of one role, free again when dropped.
pub struct Place {
    inner: Arc<Inner>,
    role: u32,
    first: bool,
}

impl Shares {
    pub fn new(limit: usize) -> Self {
        let limit = AtomicUsize::new(limit.max(1));
        Shares {
            inner: Arc::new(Inner {
                limit,
                roles: Mutex::default(),
            }),
        }
    }

    /// Changes how many places each role has; those taken beyond it are not taken away.
    pub fn set_limit(&self, limit: usize) {
        let limit = limit.max(1);
        if self.inner.limit.swap(limit, Ordering::Relaxed) < limit {
            for share in self.inner.roles.lock().values() {
                share.freed.notify_waiters();
            }
        }
    }

    /// Waits for a place of the role.
    pub async fn take(&self, role: u32) -> Place {
        let mut waits: Option<Waits> = None;
        loop {
            let freed = {
                let mut roles = self.inner.roles.lock();
                let share = roles.entry(role).or_default();
                if share.taken < self.inner.limit.load(Ordering::Relaxed) {
                    share.taken += 1;
                    let first = !std::mem::replace(&mut share.first_taken, true);
                    drop(roles);
                    return Place {
                        inner: self.inner.clone(),
                        role,
                        first,
                    };
                }
                if waits.is_none() {
                    share.waiting += 1;
                    waits = Some(Waits {
                        inner: self.inner.clone(),
                        role,
                    });
                }
                // Registered before the lock is released, so no place is freed unseen.
                let mut freed = Box::pin(share.freed.clone().notified_owned());
                freed.as_mut().enable();
                freed
            };
            freed.await;
        }
    }
}

/// Somebody who waits for a place; a share is kept for as long as anybody does.
struct Waits {
    inner: Arc<Inner>,
    role: u32,
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.inner.with(self.role, |share| share.waiting -= 1);
    }
}

impl Place {
    /// Whether the role had no place that is told apart as its first when this one was taken.
    pub fn is_first(&self) -> bool {
        self.first
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let first = self.first;
        self.inner.with(self.role, |share| {
            share.taken -= 1;
            share.first_taken &= !first;
            share.freed.notify_one();
        });
    }
}

impl Inner {
    fn with(&self, role: u32, change: impl FnOnce(&mut Share)) {
        let mut roles = self.roles.lock();
        let Some(share) = roles.get_mut(&role) else {
            return;
        };
        change(share);
        if share.taken == 0 && share.waiting == 0 {
            roles.remove(&role);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    async fn full(shares: &Shares, role: u32) -> bool {
        tokio::time::timeout(Duration::from_millis(20), shares.take(role))
            .await
            .is_err()
    }

    #[tokio::test]
    async fn a_role_has_its_limit_and_no_more_whatever_others_hold() {
        let shares = Shares::new(2);
        let (first, second) = (shares.take(1).await, shares.take(1).await);
        assert!(first.is_first() && !second.is_first());
        assert!(full(&shares, 1).await);
        assert!(!full(&shares, 2).await);
        drop(first);
        assert!(shares.take(1).await.is_first());
        shares.set_limit(1);
        assert!(full(&shares, 1).await);
        drop(second);
        assert!(!full(&shares, 1).await);
        assert!(shares.inner.roles.lock().is_empty());
    }
}
