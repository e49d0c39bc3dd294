//! Places to run in, shared fairly among roles; it knows roles by oid and nothing else of them.
//!
//! A free place goes to the waiting role that has the fewest, and among equals to the one that was
//! served longest ago. A role that gives a place back and has more to run keeps it for one turn,
//! unless another has fewer: where roles are more than places, what it costs to change from role
//! to role (a login, a new session with empty caches) is then paid once a turn and not once a step.

use foldhash::HashMap;
use parking_lot::Mutex;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How many places there are, and how they are shared.
#[derive(Clone, Debug)]
pub struct PlaceLimits {
    /// Places of all roles together, the reserve included.
    pub total: usize,
    /// Of these, the last ones to be free go only to a role that has fewer places than are free:
    /// whoever holds all the rest for hours keeps nobody else out.
    pub reserve: usize,
    pub per_role: usize,
    /// How long a role may go on keeping a place while others wait that have as many.
    pub turn: Duration,
}

/// The places of all roles. Written by whoever takes or gives back a place.
pub struct Places {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
}

struct State {
    limits: PlaceLimits,
    taken: usize,
    /// Roles that have a place or wait for one.
    roles: HashMap<u32, Role>,
    /// Roles that wait: places taken, when last served, oid. The first is the next.
    waiting: BTreeSet<(usize, u64, u32)>,
    /// Counts what is served, to tell who was served longest ago.
    served: u64,
}

struct Role {
    taken: usize,
    /// Its place in the order of service: given when it comes, and anew when its turn is over.
    served: u64,
    /// When it was first served since; `None` until then.
    turn_began: Option<Instant>,
    waiters: VecDeque<oneshot::Sender<Place>>,
}

/// One place of one role, free again when dropped.
pub struct Place {
    inner: Arc<Inner>,
    role: u32,
}

impl Places {
    pub fn new(limits: PlaceLimits) -> Self {
        let state = State {
            limits: PlaceLimits {
                per_role: limits.per_role.max(1),
                ..limits
            },
            taken: 0,
            roles: HashMap::default(),
            waiting: BTreeSet::new(),
            served: 0,
        };
        Places {
            inner: Arc::new(Inner {
                state: Mutex::new(state),
            }),
        }
    }

    /// Changes how many places each role may have; those taken beyond it are not taken away.
    pub fn set_per_role(&self, limit: usize) {
        self.inner
            .change(|state| state.limits.per_role = limit.max(1));
    }

    /// How many places are taken.
    pub fn taken(&self) -> usize {
        self.inner.state.lock().taken
    }

    /// How many places one role has taken.
    pub fn taken_by(&self, role: u32) -> usize {
        let state = self.inner.state.lock();
        state.roles.get(&role).map_or(0, |role| role.taken)
    }

    /// Waits for a place of the role. Its future may be dropped at any time.
    pub async fn take(&self, role: u32) -> Place {
        let (waiter, place) = oneshot::channel();
        self.inner.change(|state| state.wait(role, waiter));
        place
            .await
            .expect("a waiter is answered while there are places")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.inner.change(|state| state.give_back(self.role));
    }
}

impl Inner {
    /// Changes something, then hands out what is free.
    fn change(self: &Arc<Self>, change: impl FnOnce(&mut State)) {
        // Places that nobody took are dropped once the lock is free: dropping takes it.
        let mut unclaimed = Vec::new();
        let mut state = self.state.lock();
        change(&mut state);
        while let Some((role, waiter)) = state.next() {
            let place = Place {
                inner: self.clone(),
                role,
            };
            unclaimed.extend(waiter.send(place).err());
        }
        drop(state);
    }
}

impl State {
    fn wait(&mut self, role: u32, waiter: oneshot::Sender<Place>) {
        let served = self.served;
        let entry = self.roles.entry(role).or_insert_with(|| {
            // Behind all that wait already: coming and going is no way to the front.
            self.served += 1;
            Role {
                taken: 0,
                served,
                turn_began: None,
                waiters: VecDeque::new(),
            }
        });
        while entry.waiters.front().is_some_and(|first| first.is_closed()) {
            entry.waiters.pop_front();
        }
        entry.waiters.push_back(waiter);
        self.waiting.insert((entry.taken, entry.served, role));
    }

    fn give_back(&mut self, role: u32) {
        self.taken -= 1;
        let entry = self.roles.get_mut(&role).expect("it has a place");
        let waits = self.waiting.remove(&(entry.taken, entry.served, role));
        entry.taken -= 1;
        if !waits {
            if entry.taken == 0 {
                self.roles.remove(&role);
            }
            return;
        }
        // Within its turn it stands where it stood; afterwards behind those that have as many.
        let turn = self.limits.turn;
        if entry.turn_began.is_none_or(|began| began.elapsed() >= turn) {
            entry.served = self.served;
            self.served += 1;
            entry.turn_began = None;
        }
        self.waiting.insert((entry.taken, entry.served, role));
    }

    /// Takes a place for whoever is next, if there is one for it.
    fn next(&mut self) -> Option<(u32, oneshot::Sender<Place>)> {
        loop {
            let &(taken, served, role) = self.waiting.first()?;
            let free = self.limits.total.saturating_sub(self.taken);
            if taken >= self.limits.per_role || !(free > self.limits.reserve || taken < free) {
                return None;
            }
            self.waiting.pop_first();
            let entry = self.roles.get_mut(&role).expect("it waits");
            let mut open = std::iter::from_fn(|| entry.waiters.pop_front());
            let waiter = open.find(|waiter| !waiter.is_closed());
            if waiter.is_some() {
                entry.taken += 1;
                self.taken += 1;
                entry.turn_began.get_or_insert_with(Instant::now);
            }
            if !entry.waiters.is_empty() {
                self.waiting.insert((entry.taken, served, role));
            } else if entry.taken == 0 {
                self.roles.remove(&role);
            }
            if let Some(waiter) = waiter {
                return Some((role, waiter));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(total: usize, reserve: usize, per_role: usize, turn: Duration) -> Places {
        Places::new(PlaceLimits {
            total,
            reserve,
            per_role,
            turn,
        })
    }

    /// Whether a place is not to be had yet; it is waited for from then on.
    async fn waits(place: std::pin::Pin<&mut impl Future<Output = Place>>) -> bool {
        tokio::select! {
            biased;
            _ = place => false,
            () = std::future::ready(()) => true,
        }
    }

    /// The place, where there is one at once.
    async fn now(places: &Places, role: u32) -> Option<Place> {
        let taken = tokio::time::timeout(Duration::from_millis(20), places.take(role));
        taken.await.ok()
    }

    #[tokio::test]
    async fn a_role_has_its_limit_and_no_more_whatever_others_hold() {
        let places = places(100, 0, 2, Duration::ZERO);
        let (first, second) = (places.take(1).await, places.take(1).await);
        assert!(now(&places, 1).await.is_none());
        assert!(now(&places, 2).await.is_some());
        drop(first);
        assert!(now(&places, 1).await.is_some());
        places.set_per_role(1);
        assert!(now(&places, 1).await.is_none());
        drop(second);
        assert!(now(&places, 1).await.is_some());
        assert_eq!(places.taken(), 0);
        let state = places.inner.state.lock();
        assert!(state.roles.is_empty() && state.waiting.is_empty());
    }

    #[tokio::test]
    async fn a_role_that_holds_all_the_rest_leaves_the_reserve_to_several_others() {
        let places = places(8, 3, 8, Duration::ZERO);
        let mut held = Vec::new();
        while let Some(place) = now(&places, 1).await {
            held.push(place);
        }
        assert_eq!(held.len(), 5);
        for role in [2, 3, 4] {
            held.push(now(&places, role).await.expect("one for each"));
        }
        assert_eq!(places.taken(), 8);
    }

    /// Serves each role until it has had `steps` places in a row; the roles in order of service.
    async fn order(places: &Places, roles: &[u32], steps: usize) -> Vec<u32> {
        let held = places.take(u32::MAX).await;
        let (sender, mut served) = tokio::sync::mpsc::unbounded_channel();
        for role in roles.iter().cycle().take(roles.len() * steps) {
            let taken = places.inner.clone();
            let (role, sender) = (*role, sender.clone());
            tokio::spawn(async move {
                let place = Places { inner: taken }.take(role).await;
                sender.send(role).expect("somebody reads");
                drop(place);
            });
        }
        // All wait before the first is served.
        while places
            .inner
            .state
            .lock()
            .roles
            .values()
            .map(|r| r.waiters.len())
            .sum::<usize>()
            < roles.len() * steps
        {
            tokio::task::yield_now().await;
        }
        drop((held, sender));
        let mut order = Vec::new();
        while let Some(role) = served.recv().await {
            order.push(role);
        }
        order
    }

    #[tokio::test]
    async fn roles_that_wait_are_served_in_turn_and_keep_their_place_for_it() {
        let short = places(1, 0, 1, Duration::ZERO);
        assert_eq!(order(&short, &[1, 2, 3], 2).await, [1, 2, 3, 1, 2, 3]);
        let long = places(1, 0, 1, Duration::from_secs(3600));
        assert_eq!(order(&long, &[1, 2, 3], 2).await, [1, 1, 2, 2, 3, 3]);
    }

    #[tokio::test]
    async fn a_turn_keeps_no_place_from_a_role_that_has_fewer() {
        let places = places(2, 0, 2, Duration::from_secs(3600));
        let (one, two) = (places.take(1).await, places.take(1).await);
        let more = places.take(1);
        let other = places.take(2);
        tokio::pin!(more, other);
        assert!(waits(more.as_mut()).await);
        assert!(waits(other.as_mut()).await);
        drop(one);
        assert!(waits(more.as_mut()).await);
        let _other = other.await;
        drop(two);
        more.await;
    }

    #[tokio::test]
    async fn who_comes_again_and_again_does_not_pass_those_that_wait() {
        let places = places(1, 0, 1, Duration::ZERO);
        let held = places.take(1).await;
        let patient = places.take(2);
        tokio::pin!(patient);
        assert!(waits(patient.as_mut()).await);
        let again = places.take(1);
        tokio::pin!(again);
        assert!(waits(again.as_mut()).await);
        drop(held);
        assert!(waits(again.as_mut()).await);
        let _patient = patient.await;
    }

    #[tokio::test]
    async fn a_place_that_nobody_waits_for_any_more_goes_to_the_next() {
        let places = places(1, 0, 1, Duration::ZERO);
        let held = places.take(1).await;
        {
            let given_up = places.take(2);
            tokio::pin!(given_up);
            assert!(waits(given_up.as_mut()).await);
        }
        let next = places.take(3);
        tokio::pin!(next);
        assert!(waits(next.as_mut()).await);
        drop(held);
        next.await;
        assert_eq!(places.taken(), 0);
        assert!(places.inner.state.lock().roles.is_empty());
    }
}
