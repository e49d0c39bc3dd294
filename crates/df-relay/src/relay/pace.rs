//! When a relay looks again, and whether callers notify it: of each thing while little comes, by the clock while
//! much does. Pure.

use std::time::Duration;

use tokio::time::Instant;

use crate::RelayConfig;

/// What a relay does by turns, decided after each round.
#[derive(Debug)]
pub(super) struct Pace {
    config: RelayConfig,
    /// Callers notify it.
    idle: bool,
    /// It was told of something that no round has looked for yet.
    told: bool,
    /// The last round took what there was.
    rests: bool,
    /// The last claim took as much as there was room for.
    backlog: bool,
    busy_until: Instant,
    /// How soon it looks again while busy.
    look: Duration,
    rush: Rush,
    calm: Calm,
}

/// What a round found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Round {
    /// For how many instances there was room, and whether there is room for a batch again.
    pub room: usize,
    pub has_room: bool,
    pub delivered: usize,
    pub claimed: usize,
    pub ended: Instant,
    pub took: Duration,
}

/// What wakes a relay before its time, besides a notification.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct WakeAt {
    /// There is room for a batch.
    pub room: bool,
    /// So many instances have ended since the last claim.
    pub ended: Option<usize>,
}

/// What follows a round.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Next {
    /// What callers are to be told first: that the relay is idle, and they notify it, or no longer.
    pub idle: Option<bool>,
    /// How long it sleeps, and what ends that; `None` goes on at once.
    pub sleep: Option<(Duration, WakeAt)>,
}

impl Pace {
    /// Begins busy: whatever there is, nobody has notified it.
    pub fn new(config: &RelayConfig, now: Instant) -> Self {
        Pace {
            config: config.clone(),
            idle: false,
            told: false,
            rests: false,
            backlog: true,
            busy_until: now + config.grace,
            look: config.grace_interval,
            rush: Rush::default(),
            calm: Calm::default(),
        }
    }

    /// Whether a look for work comes before the next round, which is dearer.
    pub fn looks_first(&self) -> bool {
        self.idle && !self.told
    }

    /// How long to sleep before that look: after a round what it took comes first; and what is due and was not
    /// to be had is locked, and no reason to spin.
    pub fn rest(&self) -> Option<Duration> {
        self.rests.then_some(self.config.grace_interval)
    }

    /// A pause in which nothing is due, cut short while what comes comes untold.
    pub fn nap(&self, pause: Duration, now: Instant) -> Duration {
        if now < self.busy_until {
            pause.min(self.config.grace_interval)
        } else {
            pause
        }
    }

    /// Notes that an idle relay has slept, and whether a notification ended that.
    pub fn slept(&mut self, told: bool) {
        self.told = told;
        self.rests = false;
    }

    /// Decides what follows a round. `doubt` says whether what it was told of may lie before where it looked; asked
    /// where it found nothing.
    pub fn after(&mut self, round: &Round, doubt: impl FnOnce() -> bool) -> Next {
        let now = round.ended;
        let found = round.claimed + round.delivered;
        let fruitful = found > 0;
        let was_told = std::mem::take(&mut self.told);
        if round.room > 0 {
            self.backlog = round.claimed >= round.room;
        }
        self.told = was_told && !fruitful && doubt();
        self.rests = true;
        self.look = if fruitful {
            self.config.busy_interval
        } else {
            (self.look * 2).min(self.config.grace_interval)
        };
        if fruitful && (!self.idle || !was_told) {
            self.busy_until = now + self.config.grace;
        }
        // What comes now and then is best told of each time, a rush is best polled for.
        let wakes =
            self.idle && (self.backlog || (fruitful && self.rush.has_come(now, round.took)));
        if wakes {
            self.idle = false;
            self.busy_until = now + self.config.grace;
            self.calm = Calm::default();
        }
        let idle = wakes.then_some(false);
        if self.idle || (self.backlog && round.has_room) {
            return Next { idle, sleep: None };
        }
        let pause = if self.backlog {
            self.config.poll_interval
        } else if now < self.busy_until && !self.calm.has_come(now, round.took, found) {
            self.look
        } else {
            // One more look follows: a caller that read the flag before it was set did not notify.
            self.idle = true;
            self.rests = false;
            return Next {
                idle: Some(true),
                sleep: None,
            };
        };
        let wake = WakeAt {
            room: self.backlog,
            // A full relay took a role's share: the next is due once half of it is done.
            ended: (round.room == 0 && round.claimed > 0).then(|| round.claimed.div_ceil(2)),
        };
        Next {
            idle,
            sleep: Some((pause, wake)),
        }
    }
}

/// Whether work comes faster than callers should notify of it: commits that notify wait for each other's flush
/// of the log. A round flushes too, so how long it takes says how long theirs do.
#[derive(Debug, Default)]
struct Rush {
    since: Option<Instant>,
    rounds: u32,
    spent: Duration,
}

impl Rush {
    const ROUNDS: u32 = 4;
    const WITHIN: Duration = Duration::from_millis(40);

    /// Counts one more round that found something, and how long it took. True when such rounds took half of
    /// the time.
    fn has_come(&mut self, now: Instant, took: Duration) -> bool {
        let Some(since) = self.since else {
            self.since = Some(now);
            return false;
        };
        let passed = now - since;
        self.rounds += 1;
        self.spent += took;
        if passed < Self::WITHIN || self.rounds < Self::ROUNDS {
            return false;
        }
        std::mem::take(self).spent * 2 >= passed
    }
}

/// Whether so little comes again that callers may notify of each: a round for each would take well below the
/// time that makes a rush.
#[derive(Debug, Default)]
struct Calm {
    since: Option<Instant>,
    found: u32,
    rounds: u32,
    spent: Duration,
}

impl Calm {
    const WITHIN: Duration = Duration::from_millis(200);

    /// Counts what one more round found, and how long it took. True when that was little for long enough.
    fn has_come(&mut self, now: Instant, took: Duration, found: usize) -> bool {
        let passed = now - *self.since.get_or_insert(now);
        self.found += found as u32;
        self.rounds += 1;
        self.spent += took;
        if passed < Self::WITHIN {
            return false;
        }
        let Calm {
            found,
            rounds,
            spent,
            ..
        } = std::mem::take(self);
        spent / rounds * found * 3 < passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND: Duration = Duration::from_millis(2);

    /// After how many rounds of `took`, each `every` after the one before, a rush has come.
    fn rush_after(every: Duration, took: Duration) -> Option<u32> {
        let begin = Instant::now();
        let mut rush = Rush::default();
        (1..1000).find(|n| rush.has_come(begin + every * *n, took))
    }

    #[test]
    fn rounds_that_take_half_of_the_time_are_a_rush_whatever_one_takes() {
        assert_eq!(rush_after(ROUND * 3, ROUND), None);
        assert_eq!(rush_after(ROUND * 20, ROUND * 9), None);
        assert_eq!(rush_after(ROUND * 2, ROUND), Some(11));
        assert_eq!(rush_after(ROUND * 20, ROUND * 20), Some(5));
        // One long round is none, nor a few after a long rest.
        assert_eq!(rush_after(Duration::from_secs(10), ROUND * 100), None);
    }

    /// After how many rounds, 10 ms apart, that find so many each, a calm has come.
    fn calm_after(found: usize, took: Duration) -> Option<u32> {
        let begin = Instant::now();
        let mut calm = Calm::default();
        (0..100).find(|n| calm.has_come(begin + Duration::from_millis(10) * *n, took, found))
    }

    #[test]
    fn only_what_takes_a_third_of_the_time_a_round_each_is_a_calm() {
        assert_eq!(calm_after(4, ROUND), None);
        assert_eq!(calm_after(1, ROUND), Some(20));
        assert_eq!(calm_after(1, ROUND * 2), None);
        assert_eq!(calm_after(2, ROUND / 2), Some(20));
    }

    /// A pace, and how it goes on after rounds that each begin when the one before asked for it.
    struct Paced {
        pace: Pace,
        now: Instant,
    }

    impl Paced {
        fn new() -> Self {
            let now = Instant::now();
            let pace = Pace::new(&RelayConfig::default(), now);
            Paced { pace, now }
        }

        /// An idle one: what there was is done.
        fn idle() -> Self {
            let mut paced = Paced::new();
            while paced.round(200, 0).idle != Some(true) {}
            paced
        }

        fn round(&mut self, room: usize, claimed: usize) -> Next {
            self.round_in_doubt(room, claimed, false)
        }

        fn round_in_doubt(&mut self, room: usize, claimed: usize, doubt: bool) -> Next {
            self.now += ROUND;
            let round = Round {
                room,
                has_room: room > 0,
                delivered: 0,
                claimed,
                ended: self.now,
                took: ROUND,
            };
            let next = self.pace.after(&round, || doubt);
            self.now += next.sleep.map_or(Duration::ZERO, |(pause, _)| pause);
            next
        }
    }

    #[test]
    fn a_relay_that_finds_nothing_for_its_grace_has_callers_notify_it_and_looks_once_more() {
        let mut paced = Paced::new();
        let begun = paced.now;
        while paced.round(200, 0).idle.is_none() {
            assert!(!paced.pace.looks_first());
        }
        let passed = paced.now - begun;
        assert!(passed >= Duration::from_millis(100), "{passed:?}");
        assert!(passed < Duration::from_millis(120), "{passed:?}");
        assert!(paced.pace.looks_first());
        assert_eq!(paced.pace.rest(), None);
        // Behind a round that found nothing it waits before it looks.
        paced.round(200, 0);
        assert_eq!(paced.pace.rest(), Some(Duration::from_millis(10)));
    }

    #[test]
    fn what_comes_now_and_then_leaves_it_idle_and_a_rush_does_not() {
        let mut paced = Paced::idle();
        for _ in 0..20 {
            paced.pace.slept(true);
            assert!(!paced.pace.looks_first());
            let next = paced.round(200, 1);
            assert_eq!((next.idle, next.sleep), (None, None));
            paced.now += Duration::from_millis(200);
        }
        let rounds = (1..100).find(|_| {
            paced.pace.slept(true);
            paced.round(200, 1).idle == Some(false)
        });
        assert!(rounds.is_some_and(|rounds| rounds > 4), "{rounds:?}");
        // Now it looks by the clock: soon after what it found, and later after each look in vain.
        let pauses: Vec<_> = [1, 0, 0, 0, 0]
            .map(|claimed| paced.round(200, claimed).sleep.unwrap().0.as_millis())
            .into();
        assert_eq!(pauses, [2, 4, 8, 10, 10]);
    }

    #[test]
    fn a_backlog_is_claimed_at_once_while_there_is_room_and_then_as_room_comes() {
        let mut paced = Paced::idle();
        paced.pace.slept(true);
        let next = paced.round(200, 200);
        assert_eq!((next.idle, next.sleep), (Some(false), None));
        let full = paced.round(0, 0);
        let wake = WakeAt {
            room: true,
            ended: None,
        };
        assert_eq!(full.sleep, Some((Duration::from_secs(1), wake)));
        // A role's share beside a full relay's work: once half of it is done.
        let share = paced.round(0, 5).sleep.unwrap().1;
        assert_eq!(share.ended, Some(3));
    }

    #[test]
    fn what_it_was_told_of_and_did_not_find_is_looked_for_again_where_it_may_lie_before() {
        let mut paced = Paced::idle();
        for doubts in [true, false] {
            paced.pace.slept(true);
            paced.round_in_doubt(200, 0, doubts);
            assert_eq!(paced.pace.looks_first(), !doubts);
        }
    }
}
