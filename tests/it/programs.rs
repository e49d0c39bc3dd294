//! Generated programs on a real relay: starts them, waits for them, and reads what they left behind.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use df_reference::{Effect, PRELUDE, Program, Run, Seen, differences, sql};
use tokio_postgres::SimpleQueryMessage;

use crate::support::{Role, TestDb};

/// How many programs are started in one transaction.
const STARTS_PER_TRANSACTION: usize = 25;
/// How many disagreements a failure prints.
const MAX_PRINTED: usize = 12;

/// A database with the prelude, and a role that starts programs.
pub struct Stage {
    pub db: TestDb,
    pub role: Role,
}

impl Stage {
    pub async fn new() -> Stage {
        let db = TestDb::new().await;
        let role = db.role("author").await;
        role.client.batch_execute(PRELUDE).await.unwrap();
        Stage { db, role }
    }

    /// Starts programs; the ids are in the same order.
    pub async fn start(&self, programs: &[Program]) -> Vec<String> {
        let mut ids = Vec::new();
        for (batch, some) in programs.chunks(STARTS_PER_TRANSACTION).enumerate() {
            let mut text = "begin;".to_owned();
            for (index, program) in some.iter().enumerate() {
                let label = format!("program {}", batch * STARTS_PER_TRANSACTION + index);
                text.push_str(&sql(program, &label));
                text.push_str(";\n");
            }
            text.push_str("commit");
            let answers = self.role.client.simple_query(&text).await;
            let answers =
                answers.unwrap_or_else(|e| panic!("{}\n{text}", df_postgres::describe(&e)));
            ids.extend(answers.iter().filter_map(|answer| match answer {
                SimpleQueryMessage::Row(row) => row.get(0).map(String::from),
                _ => None,
            }));
        }
        assert_eq!(ids.len(), programs.len(), "every start answers with one id");
        ids
    }

    /// Waits until every instance has ended, or none has for `patience`.
    pub async fn settle(&self, patience: Duration) {
        let left = "select count(*) from df.instances where ended_at is null";
        let (mut last, mut since) = (i64::MAX, Instant::now());
        loop {
            let now: i64 = self.db.client.query_one(left, &[]).await.unwrap().get(0);
            if now != last {
                (last, since) = (now, Instant::now());
            }
            if now == 0 || since.elapsed() > patience {
                eprintln!("{now} instances have not ended");
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What every instance left behind, by id.
    pub async fn seen(&self) -> HashMap<String, Seen> {
        let mut all: HashMap<String, Seen> = HashMap::new();
        let instances = "select id, status, result::text, error, error_path from df.instances";
        for row in self.db.client.query(instances, &[]).await.unwrap() {
            let result: Option<&str> = row.get(2);
            let seen = Seen {
                status: row.get(1),
                result: result.map(|text| serde_json::from_str(text).expect("results are JSON")),
                error: row.get(3),
                error_path: row.get(4),
                ..Seen::default()
            };
            all.insert(row.get(0), seen);
        }
        let runs = "select instance_id, run_path, status, turn from df.node_runs";
        for row in self.db.client.query(runs, &[]).await.unwrap() {
            let run = Run {
                path: row.get(1),
                status: row.get(2),
                turn: row.get(3),
            };
            if let Some(seen) = all.get_mut(row.get::<_, &str>(0)) {
                seen.runs.push(run);
            }
        }
        let effects = "select instance, leaf, seen from trace order by n";
        for row in self.db.client.query(effects, &[]).await.unwrap() {
            let effect = Effect {
                leaf: row.get::<_, i32>(1) as u32,
                seen: row.get(2),
            };
            if let Some(seen) = all.get_mut(row.get::<_, &str>(0)) {
                seen.effects.push(effect);
            }
        }
        all
    }

    /// Invariants that an instance violates, as `df.assert_structural_invariants` names them.
    async fn violations(&self, ids: &[String]) -> HashMap<String, String> {
        let exists =
            "select to_regprocedure('df.assert_structural_invariants(text,text[])') is null";
        if self.db.text(exists).await.as_deref() == Some("t") {
            return HashMap::new();
        }
        let asked = "do $$ begin create function pg_temp.violations(p_id text) returns text
                     language plpgsql as $f$ begin
                         perform df.assert_structural_invariants(p_id);
                         return null;
                     exception when others then return sqlerrm; end $f$; end $$";
        self.role.client.batch_execute(asked).await.unwrap();
        let rows = "select id, pg_temp.violations(id) from unnest($1::text[]) as id";
        let rows = self.role.client.query(rows, &[&ids]).await.unwrap();
        rows.iter()
            .filter_map(|row| Some((row.get(0), row.get::<_, Option<String>>(1)?)))
            .collect()
    }

    /// Every disagreement with the rules, with the program as SQL.
    pub async fn disagreements(&self, programs: &[Program], ids: &[String]) -> Vec<String> {
        let all = self.seen().await;
        let violations = self.violations(ids).await;
        let mut found = Vec::new();
        for (program, id) in programs.iter().zip(ids) {
            let seen = &all[id];
            let mut wrong = differences(program, seen);
            wrong.extend(violations.get(id).cloned());
            if !wrong.is_empty() {
                found.push(format!(
                    "{}\n-- {}\n{}",
                    sql(program, "failing"),
                    wrong.join("\n-- "),
                    df_reference::trace(seen)
                ));
            }
        }
        found
    }

    /// Waits for the programs and panics with every disagreement.
    pub async fn verify(&self, programs: &[Program], ids: &[String]) {
        self.settle(Duration::from_secs(20)).await;
        let found = self.disagreements(programs, ids).await;
        let shown = found
            .iter()
            .take(MAX_PRINTED)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n");
        assert!(
            found.is_empty(),
            "{} of {} disagree:\n{shown}",
            found.len(),
            programs.len()
        );
    }
}
