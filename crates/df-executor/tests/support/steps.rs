//! A database with the stand-in functions, and an executor on it.

use super::cluster::Cluster;
use super::database::{Catalog, Database, LIMIT};
use df_executor::sql_step::{
    Fence, Login, LoginError, LoginSource, PoolLimits, RetryOn, RetrySchedule, Sessions, SqlSteps,
    SqlStepsConfig, Step, StepFailure, StepFunctions, StepLimits, StepOutcome,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub const INCARNATION: Uuid = Uuid::from_u128(1);

/// A cluster of its own, since roles are the cluster's.
pub struct Bench {
    pub database: Database,
    pub steps: SqlSteps,
    pub fence: Fence,
    logins: Arc<Logins>,
}

struct Logins {
    database: Database,
    /// How often somebody asked.
    asked: AtomicU64,
}

#[async_trait::async_trait]
impl LoginSource for Logins {
    async fn login(&self, role_oid: u32, database: Option<&str>) -> Result<Login, LoginError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if role_oid == 0 {
            return Err(LoginError::RoleGone(0));
        }
        Ok(Login {
            user: "df_step_alice".into(),
            password: None,
            role_name: "alice".into(),
            database: database.unwrap_or(&self.database.name).to_owned(),
            settings: vec![("search_path".into(), "app, public".into())],
            functions: functions(&self.database),
        })
    }
}

/// All of them where the stand-ins are, as in the directory of a relay.
fn functions(database: &Database) -> Option<StepFunctions> {
    let answer = database.psql(
        "select to_regproc('df.step_begin')::oid, to_regproc('pg_catalog.pg_current_xact_id')::oid,
                to_regproc('df.step_record')::oid, to_regproc('df.step_clean')::oid",
    );
    let oids: Vec<_> = answer.split('|').map(|oid| oid.parse().ok()).collect();
    StepFunctions::new(oids.try_into().expect("a value for each column"))
}

impl Bench {
    pub async fn start() -> Bench {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut SqlStepsConfig)) -> Bench {
        let cluster = Arc::new(Cluster::start(&["max_prepared_transactions=5"]));
        let database = Database {
            cluster,
            name: "postgres".into(),
        };
        database.psql(include_str!("steps.sql"));
        database.psql(include_str!("../../../../sql/functions/42_step_clean.sql"));
        database.psql("revoke all on function df.step_clean from public; grant execute on function df.step_clean to alice");
        Self::on(database, change)
    }

    /// The same database, reached through a proxy.
    pub fn behind(self, port: u16) -> Bench {
        let server = format!("host=127.0.0.1 port={port}");
        Self::on(self.database, |config| {
            config.server.server = server.parse().unwrap()
        })
    }

    fn on(database: Database, change: impl FnOnce(&mut SqlStepsConfig)) -> Bench {
        let mut config = SqlStepsConfig {
            server: database.config(""),
            sessions: Sessions::Own,
            pool: PoolLimits::default(),
            retry: RetrySchedule {
                first: Duration::from_millis(5),
                longest: Duration::from_millis(100),
                interrupted_attempts: None,
            },
            stopping: CancellationToken::new(),
            limits: StepLimits {
                per_role: PoolLimits::default().per_role,
                transient_attempts: 3,
                max_result_bytes: LIMIT,
                fence_lock_timeout: Duration::from_millis(200),
            },
        };
        change(&mut config);
        let logins = Arc::new(Logins {
            database: database.clone(),
            asked: AtomicU64::new(0),
        });
        let steps = SqlSteps::new(config, logins.clone(), Arc::new(Catalog(database.clone())));
        Bench {
            database,
            steps,
            fence: Fence::default(),
            logins,
        }
    }

    pub fn step<'a>(&'a self, run_path: &'a str, sql: &'a str) -> Step<'a> {
        Step {
            instance: "i",
            epoch: 1,
            incarnation: INCARNATION,
            role_oid: 1,
            database: None,
            run_path,
            sql,
            attempt: 1,
            fence: &self.fence,
            statement_timeout: None,
            retry_on: None,
            cancel: CancellationToken::new(),
        }
    }

    pub async fn run(&self, run_path: &str, sql: &str) -> StepOutcome {
        self.steps.run(&self.step(run_path, sql)).await.expect(sql)
    }

    /// Runs a step that must fail, and be recorded as failed.
    pub async fn failure(&self, run_path: &str, sql: &str) -> StepFailure {
        let StepOutcome::Failed(failure) = self.run(run_path, sql).await else {
            panic!("{sql} must fail")
        };
        let recorded = self.recorded(run_path, "status || ' ' || sqlstate");
        assert_eq!(recorded, format!("failed {}", failure.sqlstate), "{sql}");
        failure
    }

    /// Ends every session of steps, at work or kept for the next.
    pub fn end_sessions(&self) {
        self.database.psql(
            "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'df_step_alice'",
        );
    }

    /// An expression over the recorded row; empty without one.
    pub fn recorded(&self, run_path: &str, expression: &str) -> String {
        let sql = format!("select {expression} from df.recorded where run_path = '{run_path}'");
        self.database.psql(&sql)
    }

    pub fn effects(&self) -> String {
        self.database.psql("select count(*) from app.effects")
    }

    pub fn round_trips(&self) -> u64 {
        self.steps.statistics().round_trips.load(Ordering::Relaxed)
    }

    pub fn connections(&self) -> u64 {
        self.steps
            .statistics()
            .connections_opened
            .load(Ordering::Relaxed)
    }

    /// How often a login was asked for.
    pub fn logins_asked(&self) -> u64 {
        self.logins.asked.load(Ordering::Relaxed)
    }

    /// Waits until a query on the server answers `t`.
    pub async fn until(&self, condition: &str) {
        loop {
            let (database, sql) = (self.database.clone(), format!("select {condition}"));
            if tokio::task::spawn_blocking(move || database.psql(&sql))
                .await
                .unwrap()
                == "t"
            {
                return;
            }
        }
    }

    pub async fn until_running(&self, part: &str) {
        self.until(&format!(
            "exists (select from pg_stat_activity where usename = 'df_step_alice'
               and state = 'active' and query like '%{part}%')"
        ))
        .await;
    }
}

pub fn any_failure_again() -> Option<RetryOn<'static>> {
    Some(RetryOn::Any)
}
