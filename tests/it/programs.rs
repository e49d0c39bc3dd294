//! Generated programs on a real relay: starts them, waits for them, and reads what they left behind.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use df_reference::{
    Effect, PRELUDE, Program, Run, SIGNALS_PER_LEAF, Seen, differences, signals, sql, start_sql,
};
use tokio_postgres::SimpleQueryMessage;

use crate::support::{Role, TestDb};

/// How many programs are started in one transaction.
const STARTS_PER_TRANSACTION: usize = 25;
/// How many disagreements a failure prints.
const MAX_PRINTED: usize = 12;
/// How long nothing may end before the rest is taken to be stuck.
const PATIENCE: Duration = Duration::from_secs(30);

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

    /// Starts programs, their signals sent with them; the ids are in the same order.
    pub async fn start(&self, programs: &[Program]) -> Vec<String> {
        self.start_as(programs, sql).await
    }

    /// Starts programs without their signals.
    pub async fn start_unsignalled(&self, programs: &[Program]) -> Vec<String> {
        self.start_as(programs, start_sql).await
    }

    async fn start_as(
        &self,
        programs: &[Program],
        render: fn(&Program, &str) -> String,
    ) -> Vec<String> {
        let mut ids = Vec::new();
        for (batch, some) in programs.chunks(STARTS_PER_TRANSACTION).enumerate() {
            let mut text = "begin;".to_owned();
            for (index, program) in some.iter().enumerate() {
                let label = format!("program {}", batch * STARTS_PER_TRANSACTION + index);
                text.push_str(&render(program, &label));
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

    /// Sends every signal that the programs wait for, all of them in no particular order.
    pub async fn send_signals(&self, programs: &[Program], ids: &[String]) {
        let mut to: Vec<&str> = Vec::new();
        let (mut names, mut datas) = (Vec::new(), Vec::new());
        for (program, id) in programs.iter().zip(ids) {
            for (name, data) in signals(program) {
                to.push(id);
                names.push(name);
                datas.push(data);
            }
        }
        let send = format!(
            "select count(df.signal(s.id, s.name, s.data))
               from (select * from unnest($1::text[], $2::text[], $3::text[]) as u(id, name, data),
                                   generate_series(1, {SIGNALS_PER_LEAF})
                      order by random()) s"
        );
        self.role
            .client
            .query(&send, &[&to, &names, &datas])
            .await
            .unwrap();
    }

    /// How many instances have not ended.
    pub async fn unended(&self) -> i64 {
        let left = "select count(*) from df.instances where ended_at is null";
        self.db.client.query_one(left, &[]).await.unwrap().get(0)
    }

    /// Waits until at most `left` instances have not ended, or nothing has happened for `patience`.
    pub async fn settle(&self, left: i64, patience: Duration) {
        let (mut last, mut since) = (None, Instant::now());
        loop {
            let unended = self.unended().await;
            let effects = self.db.text("select max(n) from trace").await;
            let now = Some((unended, effects));
            if now != last {
                (last, since) = (now, Instant::now());
            }
            if unended <= left || since.elapsed() > patience {
                return;
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// What these instances left behind, by id.
    pub async fn seen(&self, ids: &[String]) -> HashMap<String, Seen> {
        let mut all: HashMap<String, Seen> = HashMap::new();
        let client = &self.db.client;
        let instances = "select id, status, result::text, error, error_path from df.instances
                          where id = any ($1)";
        for row in client.query(instances, &[&ids]).await.unwrap() {
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
        let runs = "select instance_id, run_path, status, turn from df.node_runs
                     where instance_id = any ($1)";
        for row in client.query(runs, &[&ids]).await.unwrap() {
            let run = Run {
                path: row.get(1),
                status: row.get(2),
                turn: row.get(3),
            };
            if let Some(seen) = all.get_mut(row.get::<_, &str>(0)) {
                seen.runs.push(run);
            }
        }
        let effects = "select instance, leaf, seen from trace where instance = any ($1) order by n";
        for row in client.query(effects, &[&ids]).await.unwrap() {
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

    /// The invariants that instances violate, by id.
    async fn violations(&self, ids: &[String]) -> HashMap<String, String> {
        let asked =
            "select i.id, string_agg(concat_ws(' ', v.invariant, v.node_id, v.detail), e'\n-- ')
                       from unnest($1::text[]) as i(id),
                            df.assert_structural_invariants(i.id) v group by i.id";
        let rows = self.role.client.query(asked, &[&ids]).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    /// Every disagreement with the rules, with the program as SQL: one entry per program, empty
    /// where it agrees.
    pub async fn disagreements(&self, programs: &[Program], ids: &[String]) -> Vec<String> {
        let all = self.seen(ids).await;
        let violations = self.violations(ids).await;
        let judge = |(program, id): (&Program, &String)| {
            let seen = &all[id];
            let mut wrong = differences(program, seen);
            wrong.extend(violations.get(id).cloned());
            if wrong.is_empty() {
                return String::new();
            }
            let (sql, trace) = (sql(program, "failing"), df_reference::trace(seen));
            format!("{sql}\n-- {id}: {}\n{trace}", wrong.join("\n-- "))
        };
        programs.iter().zip(ids).map(judge).collect()
    }

    /// Waits for the programs and panics with every disagreement.
    pub async fn verify(&self, programs: &[Program], ids: &[String]) {
        self.settle(0, PATIENCE).await;
        let mut found = self.disagreements(programs, ids).await;
        found.retain(|one| !one.is_empty());
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
