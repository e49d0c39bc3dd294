//! Where the scans of the queue start. Behind dead rows, which some old transaction keeps or no VACUUM has removed yet,
//! a scan from the head takes long; then the relay starts at bounds that it takes anew now and again. They are only
//! ever a hint: what they pass by is found when they are taken anew, at once where the relay was told of it.

use std::time::Duration;

use df_postgres::{Error, Session};
use tokio::time::Instant;
use uuid::Uuid;

/// A call that takes longer is looked into.
const SLOW: Duration = Duration::from_millis(3);
/// Reading from the head costs so little that no bounds are needed.
const CHEAP: Duration = Duration::from_millis(1);
/// So much of it is told.
const NOTED: Duration = Duration::from_millis(5);
/// Bounds are taken anew after this, or after so many times what taking them cost.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_PER_COST: f64 = 20.0;
/// The same, where the relay was told of something that is not behind them.
const DOUBT_PER_COST: f64 = 4.0;

/// What `df.relay_bounds` told, while it matters.
#[derive(Default)]
pub(crate) struct Bounds {
    held: Option<String>,
    /// A scan was slow.
    suspect: bool,
    /// Something is not behind them.
    doubted: bool,
    /// When they were last taken, and what that cost.
    taken: Option<(Instant, Duration)>,
}

impl Bounds {
    /// What the scans are called with.
    pub fn held(&self) -> Option<&str> {
        self.held.as_deref()
    }

    /// Notes how long a scan took, what it found included.
    pub fn took(&mut self, time: Duration) {
        self.suspect |= time > SLOW;
    }

    /// Notes that nothing was found of what a caller has told of: it may have begun long before it committed. Answers
    /// whether the bounds are taken anew for that, which they are not each time another relay was faster.
    pub fn doubt(&mut self) -> bool {
        self.doubted = self.held.is_some() && self.is_older(|cost| cost.mul_f64(DOUBT_PER_COST));
        if self.doubted {
            tracing::debug!("nothing behind the bounds of what was told of; taking them anew");
        }
        self.doubted
    }

    /// Takes the bounds anew where it is time.
    pub async fn refresh(&mut self, session: &Session, incarnation: Uuid) -> Result<(), Error> {
        let now = Instant::now();
        let wanted = self.suspect || self.held.is_some();
        let is_due = self.doubted || self.is_older(|cost| PAUSE.max(cost.mul_f64(PAUSE_PER_COST)));
        if !wanted || !is_due {
            return Ok(());
        }
        let sql = "select bounds, cost from df.relay_bounds($1)";
        let rows = session.insist(sql, &[&incarnation]).await?;
        let cost = Duration::from_secs_f64(rows[0].get::<_, f64>(1).max(0.0));
        let was_noted = self.taken.is_some_and(|(_, cost)| cost > NOTED);
        if (cost > NOTED) != was_noted {
            let cost_ms = cost.as_millis() as u64;
            if was_noted {
                tracing::info!(cost_ms, "no more dead rows at the head of the queue");
            } else {
                tracing::info!(
                    cost_ms,
                    "dead rows at the head of the queue; df-relay doctor names what keeps them, if something does"
                );
            }
        }
        *self = Bounds {
            held: (cost > CHEAP).then(|| rows[0].get(0)),
            taken: Some((now, cost)),
            ..Bounds::default()
        };
        Ok(())
    }

    /// Whether they were taken as long ago as follows from what that cost.
    fn is_older(&self, age: impl Fn(Duration) -> Duration) -> bool {
        self.taken
            .is_none_or(|(at, cost)| at.elapsed() >= age(cost))
    }
}
