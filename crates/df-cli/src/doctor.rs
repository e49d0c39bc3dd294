//! `df-relay doctor`: what in the set-up is wrong, each with the statement or command that mends it.

use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use df_http::HttpPolicy;
use df_postgres::schema::Fit;
use df_postgres::{Error, query_unnamed};
use serde::Serialize;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::command_line::ReportOptions;
use crate::config::Config;
use crate::output;
use crate::schema_check::installed;

/// Clocks further apart than this are worth a word: logs of both sides would not line up.
const CLOCK_SKEW_SECONDS: f64 = 1.0;
/// Pairs of transactions that are looked at, to find a transaction pooler.
const POOLER_LOOKS: usize = 8;
const POOLER_PATIENCE: Duration = Duration::from_secs(5);

/// One check: well, or what is wrong and what mends it.
#[derive(Debug, Serialize)]
struct Check {
    topic: String,
    well: bool,
    finding: String,
    mend: Option<String>,
}

pub(crate) async fn doctor(options: &ReportOptions, config: &Config) -> anyhow::Result<()> {
    let client = config.relay_database()?.connect().await?;
    let mut checks = vec![schema(&client, config).await?];
    checks.push(clock(&client).await?);
    checks.push(pooler(&client, config).await?);
    checks.extend(step_connections(&client, config).await);
    checks.extend(allowed_hosts(&client).await);
    for function in ["relay_doctor", "relay_vacuum_horizon"] {
        let sql = format!("select topic, well, finding, mend from df.{function}()");
        match query_unnamed(&client, &sql, &[]).await {
            Ok(rows) => checks.extend(rows.iter().map(|row| Check {
                topic: row.get(0),
                well: row.get::<_, Option<bool>>(1).unwrap_or(false),
                finding: row.get(2),
                mend: row.get(3),
            })),
            Err(error) => checks.push(Check {
                topic: "privileges".to_owned(),
                well: false,
                finding: df_postgres::describe(&error),
                mend: Some(
                    "Run the doctor as df_relay, a member of df_admin or a superuser; after an \
                     upgrade of this binary, df-relay install."
                        .to_owned(),
                ),
            }),
        }
    }
    let wrong = checks.iter().filter(|check| !check.well).count();
    if options.json {
        output::line(serde_json::to_string_pretty(&checks)?)?;
    } else {
        output::print(screen(&checks))?;
    }
    if wrong > 0 {
        bail!("{wrong} of {} checks found something", checks.len());
    }
    Ok(())
}

fn screen(checks: &[Check]) -> String {
    let mut lines = Vec::new();
    for check in checks {
        let mark = if check.well { "ok   " } else { "WRONG" };
        lines.push(format!("{mark}  {:<16}  {}", check.topic, check.finding));
        if let Some(mend) = check.mend.as_ref().filter(|_| !check.well) {
            lines.push(format!("       {mend}"));
        }
    }
    lines.join("\n") + "\n"
}

async fn schema(client: &Client, config: &Config) -> anyhow::Result<Check> {
    let (meta, fit) = installed(client, config).await?;
    let (finding, mend) = match fit {
        Fit::Same => ("is the one of this binary".to_owned(), None),
        Fit::OtherFunctions => (
            format!(
                "was installed by {}, another build of the same version",
                meta.installed_by
            ),
            Some("Run df-relay install with the newest binary in use.".to_owned()),
        ),
        Fit::Older => (
            format!("version {} is older than this binary", meta.version),
            Some("Run df-relay install with this binary.".to_owned()),
        ),
        Fit::Newer => (
            format!("version {} is newer than this binary", meta.version),
            Some(format!("Use df-relay {} or newer.", meta.installed_by)),
        ),
    };
    Ok(Check {
        topic: "schema".to_owned(),
        well: fit == Fit::Same,
        finding,
        mend,
    })
}

/// Entries that can match no host: what they were to allow is refused. Nothing where the setting cannot be read, which the
/// checks of privileges tell.
async fn allowed_hosts(client: &Client) -> Option<Check> {
    let sql = "select coalesce(df.setting('http_allowed_hosts'), '')";
    let rows = query_unnamed(client, sql, &[]).await.ok()?;
    let list: String = rows[0].get(0);
    let policy = HttpPolicy::default().with_allowed_hosts(&list);
    let unusable = policy.unusable_allowed_hosts();
    let well = unusable.is_empty();
    Some(Check {
        topic: "http hosts".to_owned(),
        well,
        finding: match well {
            true => "every entry of http_allowed_hosts can match".to_owned(),
            false => format!(
                "no host matches {} of http_allowed_hosts",
                unusable.join(", ")
            ),
        },
        mend: (!well).then(|| {
            "Name hosts without scheme, port or *: SELECT df.configure('http_allowed_hosts', \
             'api.example.com, .example.org');"
                .to_owned()
        }),
    })
}

/// Compares the server's clock with ours, the round trip halved.
async fn clock(client: &Client) -> anyhow::Result<Check> {
    let sent = SystemTime::now();
    let sql = "select extract(epoch from clock_timestamp())::float8";
    let rows = query_unnamed(client, sql, &[])
        .await
        .context("asking for the server's clock")?;
    let there: f64 = rows[0].get(0);
    let half = sent.elapsed().unwrap_or(Duration::ZERO).as_secs_f64() / 2.0;
    let here = sent
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
        + half;
    let skew = (there - here).abs();
    let well = skew <= CLOCK_SKEW_SECONDS;
    Ok(Check {
        topic: "clock".to_owned(),
        well,
        finding: format!("the server's is {skew:.3} s from this machine's"),
        mend: (!well).then(|| "Let both follow the same NTP servers; leases and timers use the server's clock alone.".to_owned()),
    })
}

/// Logs in as steps do, over the same options, where this role may know the logins' passwords.
async fn step_connections(client: &Client, config: &Config) -> Vec<Check> {
    let sql = include_str!("doctor/step_logins.sql");
    let (Ok(rows), Ok(database)) = (
        query_unnamed(client, sql, &[]).await,
        config.relay_database(),
    ) else {
        return Vec::new();
    };
    let mut refused = Vec::new();
    for row in &rows {
        let (role, login): (String, String) = (row.get(0), row.get(1));
        let mut as_step = database.clone().with_user(&login);
        if let Some(password) = row.get(2) {
            as_step = as_step.with_password(password);
        }
        if let Err(error) = as_step.connect().await {
            let mend = if may_not_connect(&error) {
                format!(
                    "GRANT CONNECT ON DATABASE {} TO {login};",
                    df_postgres::quote_identifier(as_step.database().unwrap_or_default())
                )
            } else {
                format!(
                    "Let {login} in from where relays run as df_relay is let in (pg_hba.conf, the pooler); \
                     if its password is wrong: SELECT df.grant_usage({});",
                    df_postgres::quote_literal(&role)
                )
            };
            refused.push(Check {
                topic: "step connections".to_owned(),
                well: false,
                finding: format!("no step of role {role} can log in: {error}"),
                mend: Some(mend),
            });
        }
    }
    if refused.is_empty() && !rows.is_empty() {
        refused.push(Check {
            topic: "step connections".to_owned(),
            well: true,
            finding: format!("step logins tried and let in: {}", rows.len()),
            mend: None,
        });
    }
    refused
}

/// Whether CONNECT was taken from PUBLIC.
fn may_not_connect(error: &Error) -> bool {
    matches!(error, Error::Connect { source, .. }
        if source.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE))
}

/// Two connections that meet one and the same session, or one that meets several, give a transaction
/// pooler away. While one holds a transaction, a pooler without another session keeps the other waiting.
async fn pooler(client: &Client, config: &Config) -> anyhow::Result<Check> {
    let other = config.relay_database()?.connect().await?;
    let looks = async {
        let mut seen = [HashSet::new(), HashSet::new()];
        for _ in 0..POOLER_LOOKS {
            seen[0].insert(backend(client).await?);
            other.batch_execute("begin").await?;
            seen[1].insert(backend(&other).await?);
            seen[0].insert(backend(client).await?);
            other.batch_execute("commit").await?;
        }
        Ok::<_, tokio_postgres::Error>(
            seen.iter().any(|one| one.len() > 1) || !seen[0].is_disjoint(&seen[1]),
        )
    };
    let pooled = match tokio::time::timeout(POOLER_PATIENCE, looks).await {
        Ok(looked) => looked.context("looking for a pooler")?,
        Err(_) => true,
    };
    let (well, finding, mend) = match (pooled, config.tuning.is_poll_only()) {
        (false, _) => (true, "sessions last; no transaction pooler was seen", None),
        (true, true) => (
            true,
            "a transaction pooler is in between, and relays run with poll_only",
            None,
        ),
        (true, false) => (
            false,
            "sessions do not last: a pooler in transaction mode is in between",
            Some(
                "Connect the relay to Postgres itself, or run it with --poll-only (and tell the \
                 doctor so: DF_POLL_ONLY=true, or poll_only in the file).",
            ),
        ),
    };
    Ok(Check {
        topic: "pooler".to_owned(),
        well,
        finding: finding.to_owned(),
        mend: mend.map(str::to_owned),
    })
}

/// The process of the session that serves the connection now.
async fn backend(client: &Client) -> Result<i32, tokio_postgres::Error> {
    let rows = query_unnamed(client, "select pg_backend_pid()", &[]).await?;
    Ok(rows[0].get(0))
}
