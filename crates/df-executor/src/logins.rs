//! Who steps log in as, read from `df`, and the operator's settings, read again every few seconds.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use df_postgres::Session;
use parking_lot::Mutex;

use crate::render::{CatalogError, TYPE_QUERY, TypeCatalog, TypeInfo, TypeRow};
use crate::sql_step::{Login, LoginError, LoginSource, StepFunctions, StepLimits};

/// How old a setting may be.
const SETTINGS_LIFE: Duration = Duration::from_secs(2);

/// The operator's settings, by name. Whoever owns their table may have put anything there: what cannot be read counts
/// as its default.
#[derive(Default)]
pub(crate) struct Settings(HashMap<String, String>);

impl Settings {
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub fn number<T: FromStr>(&self, name: &str, default: T) -> T {
        self.text(name)
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    }

    /// A number of seconds that is not negative.
    pub fn seconds(&self, name: &str, default: Duration) -> Duration {
        self.text(name)
            .and_then(|text| text.parse().ok())
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .unwrap_or(default)
    }

    pub fn step_limits(&self) -> StepLimits {
        StepLimits {
            per_role: self.number("max_steps_per_role", 16),
            transient_attempts: self.number("step_transient_attempts", 20),
            max_result_bytes: self.number("max_result_bytes", 16_777_216),
            fence_lock_timeout: self.seconds("fence_lock_timeout_seconds", Duration::from_secs(5)),
        }
    }
}

/// The relay's own view of `df`: logins, types and settings, on a connection that runs no user SQL.
pub struct Directory {
    session: Arc<Session>,
    /// The database that holds the schema.
    database: String,
    settings: Mutex<Option<(Instant, Arc<Settings>)>>,
}

impl Directory {
    pub fn new(session: Arc<Session>, database: String) -> Self {
        Directory {
            session,
            database,
            settings: Mutex::default(),
        }
    }

    /// What the settings say of steps.
    pub async fn step_limits(&self) -> Result<StepLimits, df_postgres::Error> {
        Ok(self.settings().await?.step_limits())
    }

    /// Every setting as it held a moment ago.
    pub(crate) async fn settings(&self) -> Result<Arc<Settings>, df_postgres::Error> {
        if let Some((read, settings)) = &*self.settings.lock()
            && read.elapsed() < SETTINGS_LIFE
        {
            return Ok(settings.clone());
        }
        let rows = self
            .session
            .insist("select name, value from df.relay_settings()", &[])
            .await?;
        let settings = rows.iter().map(|row| (row.get(0), row.get(1)));
        let settings = Arc::new(Settings(settings.collect()));
        *self.settings.lock() = Some((Instant::now(), settings.clone()));
        Ok(settings)
    }

    /// Whether a role may make HTTP requests now.
    pub async fn may_http(&self, role: u32, multipart: bool) -> Result<bool, df_postgres::Error> {
        let rows = self
            .session
            .insist("select df.relay_may_http($1, $2)", &[&role, &multipart])
            .await?;
        Ok(rows[0].get(0))
    }
}

#[async_trait::async_trait]
impl LoginSource for Directory {
    async fn login(&self, role_oid: u32, database: Option<&str>) -> Result<Login, LoginError> {
        let unavailable = |error: df_postgres::Error| LoginError::Unavailable(error.to_string());
        let rows = self
            .session
            .query(
                "select to_regproc('df.step_begin')::oid, to_regproc('pg_catalog.pg_current_xact_id')::oid,
                        to_regproc('df.step_record')::oid, to_regproc('df.step_clean')::oid,
                        role_name::text, login::text, password, settings, database_exists
                   from df.relay_login($1, $2)",
                &[&role_oid, &database],
            )
            .await
            .map_err(unavailable)?;
        let Some(row) = rows.first() else {
            return Err(LoginError::RoleGone(role_oid));
        };
        if !row.get::<_, bool>("database_exists") {
            return Err(LoginError::DatabaseGone(
                database.unwrap_or(&self.database).to_owned(),
            ));
        }
        let role_name: String = row.get("role_name");
        let Some(user) = row.get("login") else {
            return Err(LoginError::NotSetUp(format!(
                "role {role_name} has no step login in this database; an administrator runs: SELECT df.grant_usage({});",
                df_postgres::quote_literal(&role_name)
            )));
        };
        let settings: Vec<String> = row.get("settings");
        Ok(Login {
            user,
            password: row.get("password"),
            role_name,
            database: database.unwrap_or(&self.database).to_owned(),
            settings: settings
                .iter()
                .filter_map(|setting| setting.split_once('='))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            functions: StepFunctions::new([0, 1, 2, 3].map(|at| row.get(at))),
        })
    }
}

#[async_trait::async_trait]
impl TypeCatalog for Directory {
    async fn lookup(&self, oids: &[u32]) -> Result<Vec<TypeInfo>, CatalogError> {
        let rows = self
            .session
            .query(TYPE_QUERY, &[&oids])
            .await
            .map_err(|error| CatalogError(Box::new(error)))?;
        Ok(TypeInfo::from_rows(rows.iter().map(|row| TypeRow {
            oid: row.get::<_, i64>(0) as u32,
            name: row.get(1),
            kind: row.get(2),
            related: row.get::<_, i64>(3) as u32,
            delimiter: row.get(4),
            field_name: row.get(5),
            field_type: row.get::<_, Option<i64>>(6).map(|oid| oid as u32),
        })))
    }
}
