//! Delivers the outbox again from its start: every event is compared with what `df.*` holds, and on
//! a system where nothing was lost nothing changes. Safe beside any number of relays.

use df_postgres::{Error, Session};

/// The most events compared in one transaction.
const BATCH: i32 = 500;

/// One event, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    pub event_id: String,
    pub kind: String,
    pub outcome: String,
    /// Whether something was still to do, and was done.
    pub changed: bool,
}

/// Replays every event, or those of some instances, in the order of their ids.
///
/// # Errors
/// What the server refuses for good; outages are waited out.
pub async fn replay(
    session: &Session,
    instances: &[String],
    mut tell: impl FnMut(Replayed),
) -> Result<(), Error> {
    let only = (!instances.is_empty()).then_some(instances);
    let mut after = String::new();
    loop {
        let sql = "select event_id, kind, outcome, changed from df.relay_replay($1, $2, $3)";
        let rows = session.query(sql, &[&only, &after, &BATCH]).await?;
        for row in &rows {
            tell(Replayed {
                event_id: row.get(0),
                kind: row.get(1),
                outcome: row.get(2),
                changed: row.get(3),
            });
        }
        match rows.last() {
            Some(last) if rows.len() == BATCH as usize => after = last.get(0),
            _ => return Ok(()),
        }
    }
}
