//! Workflows through the real path: a database, a relay, a granted role, and what its instances came
//! to. It must not know any topic.

use std::time::Duration;

use serde_json::Value;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::database::{Role, TestDb};
use super::relay::Process;

/// How long an instance may take to end; long, since the machine may be loaded.
const PATIENCE_SECONDS: u32 = 60;

/// A database of its own with a relay that runs and one granted role.
pub struct Workflows {
    pub db: TestDb,
    pub alice: Role,
    pub relay: Process,
}

/// What an instance came to.
#[derive(Debug)]
pub struct Ended {
    pub id: String,
    pub status: String,
    pub result: Value,
    pub error: Option<String>,
    pub sqlstate: Option<String>,
    pub path: Option<String>,
}

/// An error that Postgres raised.
#[derive(Debug)]
pub struct Raised {
    pub sqlstate: String,
    pub message: String,
}

impl Workflows {
    pub async fn new() -> Workflows {
        Self::prepared("").await
    }

    /// The same, after the superuser ran `sql`: a running relay may keep settings for a while.
    pub async fn prepared(sql: &str) -> Workflows {
        Self::with_relay(sql, &[]).await
    }

    /// The same, with more arguments of the relay.
    pub async fn with_relay(sql: &str, args: &[&str]) -> Workflows {
        let db = TestDb::new().await;
        db.client.batch_execute(sql).await.unwrap();
        let alice = db.role("alice").await;
        let relay = db.spawn_relay(args);
        relay.wait_for_log("relay ready");
        Workflows { db, alice, relay }
    }

    /// Starts what a DSL expression makes, in a transaction of its own; returns the instance's id.
    pub async fn start(&self, expression: &str) -> String {
        let started = self
            .alice
            .text(&format!("select df.start({expression})"))
            .await;
        started.expect("df.start returns an id")
    }

    /// Waits until the instance has ended, and holds it to the structural invariants.
    pub async fn ended(&self, id: &str) -> Ended {
        self.ended_of(&self.alice, id).await
    }

    /// The same for an instance of another role.
    pub async fn ended_of(&self, role: &Role, id: &str) -> Ended {
        let wait = format!("select df.await_instance('{id}', {PATIENCE_SECONDS})");
        role.text(&wait).await.expect("a status");
        self.read(id).await
    }

    /// Starts an expression and waits for its end.
    pub async fn run(&self, expression: &str) -> Ended {
        let id = self.start(expression).await;
        self.ended(&id).await
    }

    /// Runs an expression that must complete; returns its result.
    pub async fn result(&self, expression: &str) -> Value {
        let ended = self.run(expression).await;
        assert_eq!(ended.status, "completed", "{expression}: {ended:?}");
        ended.result
    }

    /// Runs an expression that must fail; returns the error.
    pub async fn failure(&self, expression: &str) -> Ended {
        let ended = self.run(expression).await;
        assert_eq!(ended.status, "failed", "{expression}: {ended:?}");
        ended
    }

    /// What an instance that has ended came to.
    pub async fn read(&self, id: &str) -> Ended {
        let sql = "select status, result::text, error, error_sqlstate, error_path
                     from df.instances where id = $1";
        let row = self.db.client.query_one(sql, &[&id]).await.unwrap();
        let result: Option<String> = row.get(1);
        let ended = Ended {
            id: id.to_string(),
            status: row.get(0),
            result: result.map_or(Value::Null, |text| parsed(&text)),
            error: row.get(2),
            sqlstate: row.get(3),
            path: row.get(4),
        };
        self.db.assert_sound(id).await;
        ended
    }
}

impl TestDb {
    /// Holds an instance to the structural invariants, where the schema can tell them.
    pub async fn assert_sound(&self, id: &str) {
        let told = "select to_regprocedure('df.assert_structural_invariants(text,text[])')::text";
        if self.text(told).await.is_none() {
            return;
        }
        let sql = format!(
            "select string_agg(v::text, '; ') from df.assert_structural_invariants('{id}') v"
        );
        let violations = self.text(&sql).await;
        assert_eq!(violations, None, "instance {id}");
    }

    /// Waits until a query of the superuser's answers true.
    pub async fn eventually(&self, query: &str) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(PATIENCE_SECONDS.into());
        while self.text(query).await.as_deref() != Some("t") {
            assert!(
                tokio::time::Instant::now() < deadline,
                "never true: {query}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until a query of the superuser's finds the given number of waits begun by an instance.
    pub async fn waits_begun(&self, id: &str, count: u32) {
        let waiting = format!(
            "select count(*) = {count} from df.node_runs
              where instance_id = '{id}' and status = 'waiting'"
        );
        self.eventually(&waiting).await;
    }
}

/// A result as JSON; the text of one that nests deeper than is read here.
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_string()))
}

/// Runs SQL that must be refused; returns the error.
pub async fn refused(client: &Client, sql: &str) -> Raised {
    match client.simple_query(sql).await {
        Ok(messages) => {
            let rows = messages.iter().filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0).map(String::from),
                _ => None,
            });
            panic!("{sql} was not refused: {:?}", rows.collect::<Vec<_>>());
        }
        Err(error) => {
            let error = error.as_db_error().expect("an error of the server's");
            Raised {
                sqlstate: error.code().code().to_string(),
                message: error.message().to_string(),
            }
        }
    }
}

/// A string as a SQL literal.
pub fn literal(text: &str) -> String {
    df_postgres::quote_literal(text)
}
