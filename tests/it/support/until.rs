//! Waiting for what another process brings about.

use std::time::{Duration, Instant};

use super::TestDb;

const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

impl TestDb {
    /// Returns once the query's first value, as text, is `expected`.
    pub async fn until(&self, sql: &str, expected: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.text(sql).await;
            if found.as_deref() == Some(expected) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{sql} is {found:?}, not {expected:?}"
            );
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Returns the status of an instance once it has ended, and holds it to the structural invariants.
    pub async fn ended(&self, id: &str) -> String {
        self.until(
            &format!("select ended_at is not null from df.instances where id = '{id}'"),
            "t",
        )
        .await;
        self.assert_sound(id).await;
        let status = format!("select status from df.instances where id = '{id}'");
        self.text(&status).await.expect("an instance has a status")
    }

    /// Returns once nobody owns the instance, since it only waits.
    pub async fn parked(&self, id: &str) {
        let sql = format!(
            "select owner is null and status = 'running' and wake_at > df.clock()
               from df.instances where id = '{id}'"
        );
        self.until(&sql, "t").await;
    }

    /// Returns once every instance has ended, or nothing has happened for long: how long many take
    /// together says more of the machine than of any of them.
    pub async fn settled(&self) {
        let progress = "select (select count(*) filter (where ended_at is null) from df.instances) || ' '
                            || (select count(*) || ' ' || max(greatest(created_at, ended_at)) from df.node_runs)";
        let all_ended = "select not exists (select from df.instances where ended_at is null)";
        let (mut last, mut since) = (None, Instant::now());
        while self.text(all_ended).await.as_deref() != Some("t") && since.elapsed() < PATIENCE {
            let now = self.text(progress).await;
            if now != last {
                (last, since) = (now, Instant::now());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Moves the clock of workflows forward.
    pub async fn pass(&self, interval: &str) {
        let sql = format!(
            "insert into df.clock_override (shift) values (interval '{interval}')
             on conflict (singleton) do update set shift = df.clock_override.shift + excluded.shift"
        );
        self.client.batch_execute(&sql).await.unwrap();
    }
}
