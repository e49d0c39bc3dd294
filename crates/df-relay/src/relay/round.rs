//! What a relay does in a round: deliver, claim, load, give back, take over, compare. One path
//! serves start, restart, takeover and the loss of the engine: an instance is claimed, loaded with
//! what is recorded of it, and walked from there.

use std::collections::BTreeMap;

use df_failpoints::reached;
use df_postgres::{Error as PostgresError, Parameter, Session};
use foldhash::{HashMap, HashSet};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_postgres::Row;
use uuid::Uuid;

use super::Relay;
use crate::turns::by_turns;
use crate::{Claim, Event, RecordedRun};

/// A row per event, which has a kind, then a row per instance, which has none. The server appends in the order that
/// is written, and each function sees what those before it did.
const DELIVER_AND_CLAIM: &str = "
    select d.kind, d.instance_id, d.woken, null::bigint as epoch, null::bigint as graph_id, null::oid as submitted_by,
           null::text as database, null::text as label, null::text as vars, null::boolean as fresh
      from df.relay_deliver($1, $2, $4::text::json) d
    union all
    select null, c.instance_id, null, c.epoch, c.graph_id, c.submitted_by, c.database, c.label, c.vars, c.fresh
      from df.relay_claim($1, $3, $4::text::json) c";

impl Relay {
    /// One round: a transaction that delivers and then claims, so that what a signal has woken is claimed at once,
    /// with the same commit. Returns how many of each.
    ///
    /// What nobody has walked before begins while the claim commits: whatever it records stands behind the fence, which
    /// waits for the commit, and refuses it where there was none. What is recorded of the others is read after the commit.
    pub(super) async fn deliver_and_claim(
        &mut self,
        incarnation: Uuid,
        room: usize,
    ) -> Result<(usize, usize), PostgresError> {
        reached("deliver.sending");
        reached("claim.sending");
        self.ended = 0;
        let (batch, room) = (self.config.batch as i32, room as i32);
        let bounds = self.bounds.held();
        let parameters: [&dyn Parameter; 4] = [&incarnation, &batch, &room, &bounds];
        let began = Instant::now();
        let session = self.session.clone();
        let (rows, open) = session.insist_open(DELIVER_AND_CLAIM, &parameters).await?;
        self.bounds.took(began.elapsed());
        let (delivered, claimed): (Vec<Row>, Vec<Row>) = rows
            .into_iter()
            .partition(|row| row.get::<_, Option<&str>>("kind").is_some());
        let counts = (delivered.len(), claimed.len());
        let (fresh, seen): (Vec<Row>, Vec<Row>) =
            claimed.into_iter().partition(|row| row.get("fresh"));
        let (tell, committed) = watch::channel(false);
        let (is_committed, recorded, loaded) = tokio::join!(
            async {
                let is_committed = open.commit().await;
                tell.send_replace(is_committed);
                is_committed
            },
            recorded(&session, incarnation, &seen),
            self.load_all(incarnation, &fresh, HashMap::default(), &committed)
        );
        loaded?;
        if !is_committed {
            return Ok((0, 0));
        }
        if counts.0 > 0 {
            reached("deliver.committed");
        }
        if counts.1 > 0 {
            reached("claim.committed");
        }
        self.tell_engine(&delivered).await;
        self.load_all(incarnation, &seen, recorded?, &committed)
            .await?;
        Ok(counts)
    }

    async fn load_all(
        &mut self,
        incarnation: Uuid,
        rows: &[Row],
        mut recorded: HashMap<String, Vec<RecordedRun>>,
        committed: &watch::Receiver<bool>,
    ) -> Result<(), PostgresError> {
        for row in by_turns(rows, |row| row.get("submitted_by")) {
            let instance: String = row.get("instance_id");
            let runs = recorded.remove(&instance).unwrap_or_default();
            self.load(incarnation, row, runs, committed).await?;
        }
        Ok(())
    }

    async fn load(
        &mut self,
        incarnation: Uuid,
        row: &Row,
        recorded: Vec<RecordedRun>,
        committed: &watch::Receiver<bool>,
    ) -> Result<(), PostgresError> {
        let instance: String = row.get("instance_id");
        let epoch: i64 = row.get("epoch");
        let role: u32 = row.get("submitted_by");
        let graph = self
            .graphs
            .get(&self.session, row.get("graph_id"), role)
            .await?;
        let vars: Option<String> = row.get("vars");
        let vars = vars.map_or(Ok(BTreeMap::new()), |text| {
            serde_json::from_str(&text)
                .map_err(|error| format!("its variables are no object of texts: {error}"))
        });
        let refused = match (graph, vars) {
            (Ok(graph), Ok(vars)) => {
                let claim = Claim {
                    instance: instance.clone(),
                    epoch,
                    incarnation,
                    role,
                    database: row.get("database"),
                    label: row.get("label"),
                    vars,
                    graph,
                    committed: committed.clone(),
                };
                let loaded = self.engine.load(claim, recorded).await;
                reached("engine.loaded");
                if let Err(why) = loaded {
                    self.note(Event::Broken {
                        instance,
                        epoch,
                        why,
                    });
                }
                return Ok(());
            }
            (Err(why), _) | (_, Err(why)) => why,
        };
        tracing::warn!(
            instance,
            epoch,
            why = refused,
            "instance can never run; failing it"
        );
        let rows = self
            .session
            .insist(
                "select df.relay_fail($1, $2, $3, $4, $5)",
                &[&incarnation, &instance, &epoch, &refused, &"22023"],
            )
            .await?;
        if rows[0].get::<_, Option<bool>>(0).is_none() {
            // Somebody has it locked. It is given back, and fails at another claim.
            self.note(Event::Broken {
                instance,
                epoch,
                why: refused,
            });
        }
        Ok(())
    }

    /// What was delivered, told to the engine; of an instance that it does not hold nothing is.
    async fn tell_engine(&self, rows: &[Row]) {
        for row in rows {
            let (kind, instance): (String, String) = (row.get(0), row.get(1));
            match kind.as_str() {
                "cancel" => {
                    self.engine.stop(&instance, None).await;
                    reached("engine.stopped");
                }
                "pause" => self.engine.pause(&instance).await,
                "resume" => self.engine.resume(&instance).await,
                _ => {
                    let woken: Option<Vec<String>> = row.get(2);
                    if let Some(woken) = woken.filter(|woken| !woken.is_empty()) {
                        self.engine.nudge(&instance, &woken).await;
                        reached("engine.nudged");
                    }
                }
            }
        }
    }

    pub(super) async fn park(&mut self, incarnation: Uuid) -> Result<(), PostgresError> {
        while let Ok(event) = self.events.try_recv() {
            self.note(event);
        }
        if self.parking.is_empty() {
            return Ok(());
        }
        reached("park.sending");
        let entries = serde_json::value::to_raw_value(&self.parking).expect("entries are JSON");
        let rows = self
            .session
            .insist(
                "select instance_id, busy from df.relay_park($1, $2::text::json)",
                &[&incarnation, &entries.get()],
            )
            .await?;
        reached("park.committed");
        let busy: HashSet<String> = rows
            .iter()
            .filter(|row| row.get(1))
            .map(|row| row.get(0))
            .collect();
        tracing::debug!(
            parked = rows.len() - busy.len(),
            busy = busy.len(),
            "gave back instances"
        );
        self.parking
            .retain(|parked| busy.contains(&parked.instance));
        Ok(())
    }

    pub(super) async fn take_over(&self) -> Result<(), PostgresError> {
        loop {
            let limit = self.config.batch as i32;
            let rows = self
                .session
                .insist("select df.relay_take_over($1)", &[&limit])
                .await?;
            let freed: i32 = rows[0].get(0);
            if freed > 0 {
                reached("take_over.committed");
                tracing::info!(freed, "took over instances of relays that are gone");
            }
            if freed < limit {
                return Ok(());
            }
        }
    }

    /// Compares what this relay owns with what the engine holds. What is missing twice in a row is
    /// rebuilt, and at once after a connection broke, since the answer to a claim may have been
    /// lost with it. What the engine holds and this relay does not own is dropped: no claim is
    /// made meanwhile.
    pub(super) async fn compare(
        &mut self,
        incarnation: Uuid,
        at_once: bool,
    ) -> Result<(), PostgresError> {
        let held: HashSet<(String, i64)> = self.engine.loaded().into_iter().collect();
        let rows = self
            .session
            .insist(
                "select instance_id, epoch from df.relay_owned($1)",
                &[&incarnation],
            )
            .await?;
        let owned: HashSet<(String, i64)> =
            rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        for (instance, epoch) in held.difference(&owned) {
            self.engine.stop(instance, Some(*epoch)).await;
        }
        let missing: HashSet<_> = owned.difference(&held).cloned().collect();
        for (instance, epoch) in &missing {
            let given_back = self.parking.iter().any(|p| p.instance == *instance);
            if !given_back && (at_once || self.missing.contains(&(instance.clone(), *epoch))) {
                tracing::info!(instance, epoch, "owned but not in the engine; rebuilding");
                self.rebuild(instance.clone(), *epoch);
            }
        }
        self.missing = missing;
        Ok(())
    }
}

/// What is recorded of claimed instances, by instance.
async fn recorded(
    session: &Session,
    incarnation: Uuid,
    claimed: &[Row],
) -> Result<HashMap<String, Vec<RecordedRun>>, PostgresError> {
    let mut recorded: HashMap<String, Vec<RecordedRun>> = HashMap::default();
    if claimed.is_empty() {
        return Ok(recorded);
    }
    let instances: Vec<String> = claimed.iter().map(|row| row.get("instance_id")).collect();
    let rows = session
        .insist(
            "select instance_id, run_path, status, turn, attempt, asks, result, error, sqlstate,
                    detail
               from df.relay_recorded($1, $2)",
            &[&incarnation, &instances],
        )
        .await?;
    for row in rows {
        let truth = truth(session, &row).await?;
        recorded
            .entry(row.get("instance_id"))
            .or_default()
            .push(RecordedRun {
                run_path: row.get("run_path"),
                status: row.get("status"),
                turn: row.get("turn"),
                attempt: row.get("attempt"),
                truth,
                error: row.get("error"),
                sqlstate: row.get("sqlstate"),
                detail: row.get("detail"),
            });
    }
    Ok(recorded)
}

/// What a recorded condition is worth, by the reading that took its arm when it came.
async fn truth(session: &Session, row: &Row) -> Result<Option<bool>, PostgresError> {
    if !row.get::<_, bool>("asks") {
        return Ok(None);
    }
    if let Some(result) = row.get::<_, Option<&str>>("result") {
        return Ok(Some(df_graph::truth(result)));
    }
    // Long results one at a time: together they might be more than memory holds.
    let instance: String = row.get("instance_id");
    let paths: Vec<String> = vec![row.get("run_path")];
    let found = session
        .insist(
            "select result from df.relay_results($1, $2)",
            &[&instance, &paths],
        )
        .await?;
    // A row that is gone was passed by a checkpoint, and nobody asks for it any more.
    let result = found
        .first()
        .and_then(|row| row.get::<_, Option<&str>>("result"));
    Ok(Some(df_graph::truth(result.unwrap_or("null"))))
}
