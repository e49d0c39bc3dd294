//! Where the scans of the queue start. Behind dead rows that some old transaction keeps, a scan from
//! the head takes long; then the relay starts at bounds that it takes anew now and again. They are only
//! ever a hint: what they pass by is found when they are taken anew.

use std::time::Duration;

use df_postgres::{Error, Session};
use tokio::time::Instant;
use uuid::Uuid;

/// A call that takes longer is looked into.
const SLOW: Duration = Duration::from_millis(20);
/// Reading from the head costs so little that no bounds are needed.
const CHEAP: Duration = Duration::from_millis(5);
/// Bounds are taken anew after this, or after so many times what taking them cost.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_PER_COST: f64 = 20.0;

/// What `df.relay_bounds` told, while it matters.
#[derive(Default)]
pub(crate) struct Bounds {
    held: Option<String>,
    suspect: bool,
    next: Option<Instant>,
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

    /// Takes the bounds anew where it is time.
    pub async fn refresh(&mut self, session: &Session, incarnation: Uuid) -> Result<(), Error> {
        let now = Instant::now();
        let wanted = self.suspect || self.held.is_some();
        if !wanted || self.next.is_some_and(|next| now < next) {
            return Ok(());
        }
        let sql = "select bounds, cost from df.relay_bounds($1)";
        let rows = session.insist(sql, &[&incarnation]).await?;
        let cost = Duration::from_secs_f64(rows[0].get::<_, f64>(1).max(0.0));
        let held = (cost > CHEAP).then(|| rows[0].get(0));
        if held.is_some() != self.held.is_some() {
            let cost_ms = cost.as_millis() as u64;
            if held.is_some() {
                tracing::info!(
                    cost_ms,
                    "dead rows at the head of the queue; df-relay doctor names what keeps them, if something does"
                );
            } else {
                tracing::info!(cost_ms, "no more dead rows at the head of the queue");
            }
        }
        self.held = held;
        self.suspect = false;
        self.next = Some(now + PAUSE.max(cost.mul_f64(PAUSE_PER_COST)));
        Ok(())
    }
}
