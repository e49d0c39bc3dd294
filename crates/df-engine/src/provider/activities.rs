//! The worker queue: activities, their locks, tags and sessions.
//!
//! Items without tag and session, which is all the relay schedules, are taken in O(log n) of their
//! lane: the one with the fewest activities running comes first, and none runs more than its limit. Of
//! these a quarter is kept for activities that are not slow.
//! Within a lane each tree has one activity in each round, as many as it may have ready: a thousand
//! branches of one keep no other of the same lane waiting (start-time fair queueing), and the steps of
//! one seldom hold its row at the same time.
//! A fetch looks through the ready items that have a tag or session until one fits.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use duroxide::providers::{
    ProviderError, ScheduledActivityIdentifier, SessionFetchConfig, TagFilter, WorkItem,
};
use foldhash::HashMap;

use super::clock::{Tick, ticks};
use super::instance::Key;
use super::state::{Due, Lease, State};
use super::tokens::{self, Lock};

pub(super) type WorkId = u64;

/// Whose share of the workers an activity takes.
pub type Lane = u32;

/// Numbers the rounds of a lane; none goes back.
type Round = u64;

/// How an activity is told apart from others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Class {
    pub lane: Lane,
    /// Whether nobody here bounds how long it takes.
    pub slow: bool,
}

/// Says which class an activity has, by its instance's id, its name and its input.
pub type ClassOf = dyn Fn(&str, &str, &str) -> Class + Send + Sync;

pub(super) struct Work {
    item: WorkItem,
    instance: Key,
    class: Class,
    round: Round,
    attempts: u32,
    lock: Option<Lock>,
    /// Its place in `State::due` while it is invisible after a delayed abandon.
    delayed: Option<(Tick, u64)>,
}

/// Worker affinity of activities that name a session.
struct Session {
    owner: String,
    locked_until: Tick,
    last_activity: Tick,
}

/// The ready items of a lane, in order of their rounds and of arrival.
#[derive(Default)]
struct Ready {
    quick: BTreeSet<(Round, WorkId)>,
    slow: BTreeSet<(Round, WorkId)>,
}

impl Ready {
    fn of(&mut self, slow: bool) -> &mut BTreeSet<(Round, WorkId)> {
        if slow {
            &mut self.slow
        } else {
            &mut self.quick
        }
    }

    fn is_empty(&self) -> bool {
        self.quick.is_empty() && self.slow.is_empty()
    }
}

/// How many activities of a lane are locked, and how many of these are slow.
#[derive(Clone, Copy, Default)]
struct Running {
    all: usize,
    slow: usize,
}

/// How classes are told apart, and the most activities that one lane may have locked.
struct Division {
    class_of: Box<ClassOf>,
    limit: usize,
}

impl Division {
    /// Of one lane.
    fn slow_limit(&self) -> usize {
        self.limit - self.limit / 4
    }
}

#[derive(Default)]
pub(super) struct WorkQueue {
    items: HashMap<WorkId, Work>,
    /// Ready items without tag and session, by lane. No lane is empty.
    plain: BTreeMap<Lane, Ready>,
    /// The round that each lane has come to.
    rounds: HashMap<Lane, Round>,
    /// No count is zero.
    running: HashMap<Lane, Running>,
    division: Option<Division>,
    /// Ready items with either.
    special: BTreeSet<WorkId>,
    /// Every item by instance, execution and activity.
    by_activity: BTreeSet<(Key, u64, u64, WorkId)>,
    sessions: HashMap<String, Session>,
    /// How many items, ready or not, name a session.
    session_items: HashMap<String, usize>,
    /// Set once a fetcher refused plain items: waking one fetcher is then not enough.
    choosy: bool,
}

impl WorkQueue {
    pub(super) fn concerns(&self, instance: Key) -> bool {
        self.by_activity
            .range((instance, 0, 0, 0)..)
            .next()
            .is_some_and(|first| first.0 == instance)
    }

    /// How many items no worker holds.
    pub(super) fn unlocked(&self) -> usize {
        self.items
            .values()
            .filter(|work| work.lock.is_none())
            .count()
    }

    /// The first ready item that a fetcher may take.
    fn pick(
        &self,
        now: Tick,
        session: Option<&SessionFetchConfig>,
        tags: &TagFilter,
    ) -> Option<WorkId> {
        let plain = self.fairest().filter(|_| tags.matches(None));
        let fits = |id: &&WorkId| {
            let (owned, tag) = routing(&self.items[*id].item);
            tags.matches(tag) && owned.is_none_or(|name| self.may_claim(now, name, session))
        };
        let special = self.special.iter().find(fits).copied();
        [plain, special].into_iter().flatten().min()
    }

    /// The first ready item of the lane that has the fewest activities running.
    fn fairest(&self) -> Option<WorkId> {
        let first = |(lane, ready): (&Lane, &Ready)| {
            let running = self.running.get(lane).copied().unwrap_or_default();
            let [has_room, has_room_for_slow] = self.room(running);
            let slow = ready.slow.first().filter(|_| has_room_for_slow);
            let first = [ready.quick.first(), slow].into_iter().flatten().min()?;
            has_room.then_some((running.all, first.1))
        };
        self.plain.iter().filter_map(first).min().map(|(_, id)| id)
    }

    /// Whether a lane may run another activity, and another slow one.
    fn room(&self, running: Running) -> [bool; 2] {
        let all = |division: &Division| running.all < division.limit;
        let slow = |division: &Division| running.slow < division.slow_limit();
        let division = self.division.as_ref();
        [division.is_none_or(all), division.is_none_or(slow)]
    }

    fn hide_plain(&mut self, class: Class, round: Round, id: WorkId) {
        if let Some(ready) = self.plain.get_mut(&class.lane) {
            ready.of(class.slow).remove(&(round, id));
            if ready.is_empty() {
                self.plain.remove(&class.lane);
            }
        }
    }

    fn started(&mut self, class: Class, round: Round) {
        let running = self.running.entry(class.lane).or_default();
        running.all += 1;
        running.slow += usize::from(class.slow);
        let reached = self.rounds.entry(class.lane).or_default();
        *reached = round.max(*reached);
    }

    /// Answers whether the lane had no room and has more to run: a parked fetcher may take it.
    fn stopped(&mut self, class: Class) -> bool {
        let Some(&before) = self.running.get(&class.lane) else {
            return false;
        };
        let after = Running {
            all: before.all - 1,
            slow: before.slow - usize::from(class.slow),
        };
        if after.all == 0 {
            self.running.remove(&class.lane);
        } else {
            self.running.insert(class.lane, after);
        }
        self.room(before).contains(&false) && self.plain.contains_key(&class.lane)
    }

    fn may_claim(&self, now: Tick, name: &str, claimant: Option<&SessionFetchConfig>) -> bool {
        claimant.is_some_and(|claimant| {
            self.sessions.get(name).is_none_or(|session| {
                session.locked_until <= now || session.owner == claimant.owner_id
            })
        })
    }

    fn touch_session(&mut self, now: Tick, name: Option<&str>) {
        if let Some(session) = name.and_then(|name| self.sessions.get_mut(name))
            && session.locked_until > now
        {
            session.last_activity = now;
        }
    }

    fn count_session(&mut self, name: &str, joins: bool) {
        let count = self.session_items.entry(name.to_owned()).or_default();
        *count = if joins { *count + 1 } else { *count - 1 };
        if *count == 0 {
            self.session_items.remove(name);
        }
    }
}

/// Session and tag of a worker item.
fn routing(item: &WorkItem) -> (Option<&str>, Option<&str>) {
    match item {
        WorkItem::ActivityExecute {
            session_id, tag, ..
        } => (session_id.as_deref(), tag.as_deref()),
        _ => (None, None),
    }
}

impl State {
    /// Divides the workers by lanes from here on.
    pub(super) fn divide(&mut self, class_of: Box<ClassOf>, limit: usize) {
        self.work.division = Some(Division {
            class_of,
            limit: limit.max(1),
        });
    }

    /// Queues an activity.
    pub(super) fn enqueue_work(&mut self, item: WorkItem) -> Result<(), ProviderError> {
        let WorkItem::ActivityExecute {
            instance,
            execution_id,
            id,
            name,
            input,
            ..
        } = &item
        else {
            return Err(ProviderError::permanent(
                "enqueue_for_worker",
                "not an activity",
            ));
        };
        let (execution_id, activity_id) = (*execution_id, *id);
        let class = match &self.work.division {
            Some(division) => (division.class_of)(instance, name, input),
            None => Class::default(),
        };
        let instance = self.intern(instance);
        self.add_pending(instance);
        let round = self.next_round(instance, class.lane);
        let id = self.serial();
        if let (Some(session), _) = routing(&item) {
            self.work.count_session(session, true);
        }
        self.work
            .by_activity
            .insert((instance, execution_id, activity_id, id));
        let work = Work {
            item,
            instance,
            class,
            round,
            attempts: 0,
            lock: None,
            delayed: None,
        };
        self.work.items.insert(id, work);
        self.show_work(id);
        Ok(())
    }

    /// The round for one more activity of an instance: the lane's, or the first in which its tree has none yet.
    fn next_round(&mut self, instance: Key, lane: Lane) -> Round {
        let reached = self.work.rounds.get(&lane).copied().unwrap_or_default();
        let root = self.instance(instance).root;
        let next = &mut self.instance(root).next_round;
        let round = reached.max(*next);
        *next = round + 1;
        round
    }

    /// Makes an item available again: it has no lock and no delay any more.
    pub(super) fn show_work(&mut self, id: WorkId) {
        let work = self
            .work
            .items
            .get_mut(&id)
            .expect("the clock refers to items it holds");
        let (class, round, lapsed) = (work.class, work.round, work.lock.take().is_some());
        work.delayed = None;
        let plain = routing(&work.item) == (None, None);
        if lapsed {
            self.work.stopped(class);
        }
        if plain {
            let ready = self.work.plain.entry(class.lane).or_default();
            ready.of(class.slow).insert((round, id));
            self.wakes.work += 1;
            self.wakes.all_work |= self.work.choosy;
        } else {
            self.work.special.insert(id);
            self.wakes.all_work = true;
        }
    }

    /// Locks the next item that fits the fetcher: the item, its token, its delivery attempt.
    pub(super) fn fetch_work(
        &mut self,
        now: Tick,
        lock_for: Duration,
        session: Option<&SessionFetchConfig>,
        tags: &TagFilter,
    ) -> Option<(WorkItem, String, u32)> {
        if !tags.matches(None) && !self.work.choosy {
            self.work.choosy = true;
            self.wakes.all_work = true;
        }
        let id = self.work.pick(now, session, tags)?;
        let (class, round) = (self.work.items[&id].class, self.work.items[&id].round);
        self.work.hide_plain(class, round, id);
        self.work.special.remove(&id);
        self.work.started(class, round);
        let lock = Lock {
            serial: self.serial(),
            until: now + ticks(lock_for),
        };
        self.leases.insert((lock.until, Lease::Work(id)));
        let work = self.work.items.get_mut(&id).expect("ready items are held");
        work.attempts += 1;
        work.lock = Some(lock);
        let fetched = (
            work.item.clone(),
            tokens::format(id, lock.serial),
            work.attempts,
        );
        if let (Some(name), Some(claimant)) = (routing(&fetched.0).0, session) {
            let session = Session {
                owner: claimant.owner_id.clone(),
                locked_until: now + ticks(claimant.lock_timeout),
                last_activity: now,
            };
            self.work.sessions.insert(name.to_owned(), session);
        }
        Some(fetched)
    }

    /// The item behind a token that is still good.
    fn locked_work(&self, operation: &str, token: &str) -> Result<WorkId, ProviderError> {
        tokens::parse(token)
            .filter(|(id, serial)| {
                let lock = self.work.items.get(id).and_then(|work| work.lock);
                lock.is_some_and(|lock| lock.serial == *serial)
            })
            .map(|(id, _)| id)
            .ok_or_else(|| {
                let message =
                    "invalid lock token: the activity was cancelled or removed, or its lock lapsed";
                ProviderError::permanent(operation, message)
            })
    }

    pub(super) fn ack_work(
        &mut self,
        now: Tick,
        token: &str,
        completion: Option<WorkItem>,
    ) -> Result<(), ProviderError> {
        let id = self.locked_work("ack_work_item", token)?;
        let is_completion = |item: &WorkItem| {
            matches!(
                item,
                WorkItem::ActivityCompleted { .. } | WorkItem::ActivityFailed { .. }
            )
        };
        if completion.as_ref().is_some_and(|item| !is_completion(item)) {
            return Err(ProviderError::permanent(
                "ack_work_item",
                "not a completion of an activity",
            ));
        }
        let work = self.take_work(id);
        self.work.touch_session(now, routing(&work.item).0);
        let key = work.instance;
        if let Some(WorkItem::ActivityCompleted { result, .. }) = &completion
            && self.is_end(key, result)
        {
            self.end_tree(key, result);
            return Ok(());
        }
        match completion {
            Some(completion) if self.may_wait(key, &completion) => self.hold(key, completion),
            Some(completion) => self.enqueue(now, completion, None)?,
            None => self.release(key),
        }
        self.settle(key, 1);
        Ok(())
    }

    /// Whether an activity that has this result, and is still counted, is the last of its tree.
    fn is_end(&self, key: Key, result: &str) -> bool {
        let root = self.instances[&key].root;
        self.is_end.is_some_and(|is_end| is_end(result)) && self.instances[&root].pending == 1
    }

    /// Whether another activity of the orchestration is still to end, which this completion may wait for.
    fn may_wait(&self, instance: Key, completion: &WorkItem) -> bool {
        match (self.may_wait, completion) {
            (Some(may_wait), WorkItem::ActivityCompleted { result, .. }) => {
                may_wait(result) && self.work.concerns(instance)
            }
            _ => false,
        }
    }

    pub(super) fn renew_work(
        &mut self,
        now: Tick,
        token: &str,
        extend_for: Duration,
    ) -> Result<(), ProviderError> {
        let id = self.locked_work("renew_work_item_lock", token)?;
        let work = self
            .work
            .items
            .get_mut(&id)
            .expect("its token was found good");
        let lock = work.lock.as_mut().expect("its token was found good");
        self.leases.remove(&(lock.until, Lease::Work(id)));
        lock.until = now + ticks(extend_for);
        self.leases.insert((lock.until, Lease::Work(id)));
        let session = routing(&work.item).0.map(str::to_owned);
        self.work.touch_session(now, session.as_deref());
        Ok(())
    }

    pub(super) fn abandon_work(
        &mut self,
        now: Tick,
        token: &str,
        delay: Option<Duration>,
        ignore_attempt: bool,
    ) -> Result<(), ProviderError> {
        let id = self.locked_work("abandon_work_item", token)?;
        let work = self
            .work
            .items
            .get_mut(&id)
            .expect("its token was found good");
        let lock = work.lock.take().expect("its token was found good");
        if ignore_attempt {
            work.attempts = work.attempts.saturating_sub(1);
        }
        let class = work.class;
        self.work.stopped(class);
        self.leases.remove(&(lock.until, Lease::Work(id)));
        match delay.filter(|delay| !delay.is_zero()) {
            Some(delay) => {
                let place = self.schedule(now + ticks(delay), Due::Work(id));
                let work = self.work.items.get_mut(&id).expect("it was just abandoned");
                work.delayed = Some(place);
            }
            None => self.show_work(id),
        }
        Ok(())
    }

    /// Drops an activity that a turn no longer wants; its worker's next ack or renewal fails.
    pub(super) fn cancel_work(&mut self, activity: &ScheduledActivityIdentifier) {
        let Some(&instance) = self.names.get(activity.instance.as_str()) else {
            return;
        };
        let range = (instance, activity.execution_id, activity.activity_id);
        let ids: Vec<WorkId> = self
            .work
            .by_activity
            .range((range.0, range.1, range.2, 0)..=(range.0, range.1, range.2, WorkId::MAX))
            .map(|entry| entry.3)
            .collect();
        for id in &ids {
            self.drop_work(*id);
        }
        self.settle(instance, ids.len());
    }

    /// Drops every item of an instance and answers how many there were; the caller settles the
    /// count.
    pub(super) fn remove_work_of(&mut self, instance: Key) -> usize {
        let range = (instance, 0, 0, 0)..=(instance, u64::MAX, u64::MAX, WorkId::MAX);
        let ids: Vec<WorkId> = self
            .work
            .by_activity
            .range(range)
            .map(|entry| entry.3)
            .collect();
        for id in &ids {
            self.drop_work(*id);
        }
        ids.len()
    }

    /// Drops an item nobody wants any more, and tells if a worker runs it.
    fn drop_work(&mut self, id: WorkId) {
        let work = self.take_work(id);
        if let (Some(hook), Some(_)) = (&self.hooks.dropped, work.lock)
            && let WorkItem::ActivityExecute {
                instance,
                execution_id,
                id,
                ..
            } = &work.item
        {
            let activity = ScheduledActivityIdentifier {
                instance: instance.clone(),
                execution_id: *execution_id,
                activity_id: *id,
            };
            if hook.send(activity).is_err() {
                self.hooks.dropped = None;
            }
        }
        self.removed.work.push(work);
    }

    /// Takes an item out of the queue and all indexes.
    fn take_work(&mut self, id: WorkId) -> Work {
        let work = self
            .work
            .items
            .remove(&id)
            .expect("callers name items that are held");
        self.work.hide_plain(work.class, work.round, id);
        self.work.special.remove(&id);
        if let Some(lock) = work.lock {
            self.leases.remove(&(lock.until, Lease::Work(id)));
            self.wakes.work += usize::from(self.work.stopped(work.class));
        }
        if let Some(place) = work.delayed {
            self.due.remove(&place);
        }
        if let WorkItem::ActivityExecute {
            execution_id,
            id: activity_id,
            session_id,
            ..
        } = &work.item
        {
            self.work
                .by_activity
                .remove(&(work.instance, *execution_id, *activity_id, id));
            if let Some(session) = session_id {
                self.work.count_session(session, false);
            }
        }
        work
    }

    /// Extends the locks of sessions that `owners` hold and use; answers how many.
    pub(super) fn renew_sessions(
        &mut self,
        now: Tick,
        owners: &[&str],
        extend_for: Duration,
        idle: Duration,
    ) -> usize {
        let until = now + ticks(extend_for);
        let in_use = |session: &&mut Session| {
            session.locked_until > now
                && session.last_activity + ticks(idle) > now
                && owners.contains(&session.owner.as_str())
        };
        let renewed = self.work.sessions.values_mut().filter(in_use);
        renewed.map(|session| session.locked_until = until).count()
    }

    /// Drops sessions that nobody holds and no item names; answers how many.
    pub(super) fn drop_sessions(&mut self, now: Tick) -> usize {
        let before = self.work.sessions.len();
        let items = &self.work.session_items;
        let kept = |name: &String, session: &mut Session| {
            session.locked_until >= now || items.contains_key(name)
        };
        self.work.sessions.retain(kept);
        before - self.work.sessions.len()
    }
}
