//! Installing, upgrading and removing the schema.
//!
//! An install is one transaction: read what is there, plan statements (pure), run them. It may be
//! run again and from many places at once: whoever loses a race starts over and finds the work
//! done. A dry run plans the same statements and prints them.

mod plan;
mod privileges;
mod uninstall;

use std::sync::Mutex;
use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, IsolationLevel, Transaction};
use tokio_util::sync::CancellationToken;

use crate::options::ConnectOptions;
use crate::retry::{self, Attempt, RetryPolicy};
use crate::schema::{self, Found, Meta, SchemaFiles};
use crate::{Error, OWNER_ROLE, RELAY_ROLE, quote_identifier, quote_literal};
use plan::{Change, Statement};
use privileges::Privileges;

pub use uninstall::{UninstallReport, uninstall};

/// An advisory lock lines installs of one database up. It guarantees nothing, since any role can
/// take the key; so an install waits for it this long and then goes on without it.
const ADVISORY_KEY: i64 = 0x64665f72656c6179;
const ADVISORY_WAIT: Duration = Duration::from_secs(5);
const ADVISORY_POLL: Duration = Duration::from_millis(20);

/// Lost races, and tables that somebody holds, are tried again for this long unless told otherwise.
pub const DEFAULT_WAIT_LIMIT_SECONDS: u64 = 120;

pub const DEFAULT_OPERATOR_SCHEMA: &str = "public";

#[derive(Debug, Clone)]
pub struct InstallOptions {
    /// `None`: where the operators are, or `public`.
    pub operator_schema: Option<String>,
    /// How long to go on trying while others hold the tables.
    pub wait_limit_seconds: u64,
    /// The password that df_relay is to have; `None` leaves it as it is. Sent as a SCRAM verifier.
    pub relay_password: Option<RelayPassword>,
}

impl Default for InstallOptions {
    fn default() -> Self {
        InstallOptions {
            operator_schema: None,
            wait_limit_seconds: DEFAULT_WAIT_LIMIT_SECONDS,
            relay_password: None,
        }
    }
}

/// A password that `Debug` does not show.
#[derive(Clone)]
pub struct RelayPassword(pub String);

impl std::fmt::Debug for RelayPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RelayPassword(hidden)")
    }
}

/// What an install did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallReport {
    pub outcome: Outcome,
    /// What an administrator should still do, as sentences with the statement to run.
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Installed {
        version: u32,
    },
    Upgraded {
        from: u32,
        to: u32,
    },
    /// The same tables; the functions were replaced.
    FunctionsReplaced {
        version: u32,
    },
    AlreadyUpToDate {
        version: u32,
    },
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Outcome::Installed { version } => write!(f, "installed schema version {version}"),
            Outcome::Upgraded { from, to } => {
                write!(f, "upgraded the schema from version {from} to {to}")
            }
            Outcome::FunctionsReplaced { version } => {
                write!(f, "replaced the functions of schema version {version}")
            }
            Outcome::AlreadyUpToDate { version } => {
                write!(f, "already up to date (schema version {version})")
            }
        }
    }
}

/// Installs or upgrades the schema in the database that `target` names.
pub async fn install(
    target: &ConnectOptions,
    files: &SchemaFiles,
    options: &InstallOptions,
    cancel: &CancellationToken,
) -> Result<InstallReport, Error> {
    let policy = RetryPolicy {
        initial_delay_ms: 20,
        max_delay_ms: 1_000,
        ..RetryPolicy::default().with_max_elapsed_ms(options.wait_limit_seconds * 1_000)
    };
    let committed = Mutex::new(None);
    let attempt = || async {
        install_once(target, files, options, &committed)
            .await
            .map_err(|failure| match failure {
                Failure::LostRace(error) => Attempt::Again(error),
                Failure::Final(error) => Attempt::Fatal(error),
            })
    };
    let on_retry = |error: &Error, _: Duration| {
        tracing::debug!(%error, "others were at work; starting over");
    };
    match retry::run(&policy, cancel, attempt, on_retry).await {
        Ok(report) => Ok(report),
        Err(retry::Error::Cancelled) => Err(Error::Cancelled),
        Err(retry::Error::Failed(error)) if is_locked_out(&error) => Err(Error::TablesInUse {
            seconds: options.wait_limit_seconds,
            holders: holders(target).await?,
        }),
        Err(retry::Error::Failed(error)) => Err(error),
    }
}

fn is_locked_out(error: &Error) -> bool {
    let (Error::SchemaFile { source, .. } | Error::Database { source, .. }) = error else {
        return false;
    };
    source.code() == Some(&SqlState::LOCK_NOT_AVAILABLE)
}

/// The sessions that hold tables of df, the oldest transaction first, as a person reads them.
async fn holders(target: &ConnectOptions) -> Result<Vec<String>, Error> {
    let sql = "select format('session %s of %s, in its transaction since %s', a.pid, a.usename,
                             date_trunc('second', a.xact_start))
                 from pg_stat_activity a
                where a.pid <> pg_backend_pid() and a.xact_start is not null
                  and exists (select from pg_locks l join pg_class c on c.oid = l.relation
                               where l.pid = a.pid and l.granted and c.relkind = 'r'
                                 and l.database = (select d.oid from pg_database d
                                                    where d.datname = current_database())
                                 and c.relnamespace = 'df'::regnamespace)
                order by a.xact_start";
    let client = target.connect().await?;
    let rows = client.query(sql, &[]).await;
    let rows = rows.map_err(Error::doing("asking who holds the tables of df"))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The statements that [`install`] would run now, as a script for psql. Changes nothing.
pub async fn dry_run(
    target: &ConnectOptions,
    files: &SchemaFiles,
    options: &InstallOptions,
) -> Result<String, Error> {
    let mut client = target.connect().await?;
    let transaction = client.build_transaction().read_only(true).start().await;
    let transaction = transaction.map_err(Error::doing("opening a transaction"))?;
    refuse_other_encodings(&transaction).await?;
    let found = own_schema(&transaction).await?;
    let privileges = Privileges::read(&transaction, &asked_operator_schema(options)).await?;
    let meta = match found {
        Found::Ours if privileges.may_set_owner => {
            let sql = format!("set local role {}", quote_identifier(OWNER_ROLE));
            transaction
                .batch_execute(&sql)
                .await
                .map_err(Error::doing("setting the role"))?;
            schema::read_meta(&transaction).await?
        }
        _ => None,
    };
    let operator_schema = operator_schema(options, meta.as_ref())?;
    let change = plan::change(meta.as_ref(), files, &privileges)?;
    let mut statements = plan::roles(&privileges)?;
    statements.extend(plan::schema(&privileges, &found)?);
    statements.extend(plan::grants(&privileges, &operator_schema)?);
    statements.extend(plan::files(change.as_ref(), files, &operator_schema)?);
    let mut script = format!("begin;\n{}\n", plan::SETTINGS);
    for statement in &statements {
        script.push_str(&format!(
            "\n-- {}\n{}\n",
            statement.name,
            statement.sql.trim_end()
        ));
    }
    script.push_str("\ncommit;\n");
    if options.relay_password.is_some() {
        script.push_str(&format!("alter role {RELAY_ROLE} password '(hidden)';\n"));
    }
    Ok(script)
}

enum Failure {
    /// Another session did the same at the same time, and the next attempt sees its work; or it was
    /// at work on the tables.
    LostRace(Error),
    Final(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Final(error)
    }
}

async fn install_once(
    target: &ConnectOptions,
    files: &SchemaFiles,
    options: &InstallOptions,
    committed: &Mutex<Option<Outcome>>,
) -> Result<InstallReport, Failure> {
    let mut client = target.connect().await?;
    let transaction = begin(&mut client).await?;
    line_up(&transaction).await?;
    refuse_other_encodings(&transaction).await?;
    let found = own_schema(&transaction).await?;
    let before = Privileges::read(&transaction, &asked_operator_schema(options)).await?;
    run(&transaction, &plan::roles(&before)?).await?;
    run(&transaction, &plan::schema(&before, &found)?).await?;
    let meta = match found {
        Found::Ours => Some(lock_meta(&transaction, &before).await?),
        _ => None,
    };
    let operator_schema = operator_schema(options, meta.as_ref())?;
    let privileges = Privileges::read(&transaction, &operator_schema).await?;
    run(&transaction, &plan::grants(&privileges, &operator_schema)?).await?;

    let change = plan::change(meta.as_ref(), files, &privileges)?;
    run(
        &transaction,
        &plan::files(change.as_ref(), files, &operator_schema)?,
    )
    .await?;
    transaction
        .commit()
        .await
        .map_err(|error| failure("commit", true, error))?;

    let version = files.version();
    let changed = change.map(|change| match change {
        Change::Fresh => Outcome::Installed { version },
        Change::Functions => Outcome::FunctionsReplaced { version },
        Change::Upgrade { from } => Outcome::Upgraded { from, to: version },
    });
    // The password may yet have to be tried again, by an attempt that finds nothing else to do.
    let done = {
        let mut committed = committed.lock().expect("no panic under this lock");
        *committed = committed.take().or(changed);
        committed.clone()
    };
    let mut notes = privileges.notes();
    notes.extend(set_password(&client, options, !before.relay_role_exists).await?);
    let outcome = done.unwrap_or(Outcome::AlreadyUpToDate { version });
    Ok(InstallReport { outcome, notes })
}

/// A transaction whose settings do not depend on the role or the database.
async fn begin(client: &mut Client) -> Result<Transaction<'_>, Error> {
    let transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::ReadCommitted)
        .read_only(false)
        .start()
        .await
        .map_err(Error::doing("opening a transaction"))?;
    transaction
        .batch_execute(plan::SETTINGS)
        .await
        .map_err(Error::doing("setting up the session"))?;
    Ok(transaction)
}

/// Waits for the advisory lock, within bounds; see [`ADVISORY_KEY`].
async fn line_up(transaction: &Transaction<'_>) -> Result<(), Error> {
    let deadline = tokio::time::Instant::now() + ADVISORY_WAIT;
    loop {
        let sql = "select pg_try_advisory_xact_lock($1)";
        let row = transaction.query_one(sql, &[&ADVISORY_KEY]).await;
        let locked: bool = row
            .map_err(Error::doing("waiting for other installs"))?
            .get(0);
        if locked || tokio::time::Instant::now() > deadline {
            return Ok(());
        }
        tokio::time::sleep(ADVISORY_POLL).await;
    }
}

/// Other encodings lack characters of the schema's own. SQL_ASCII takes any byte: what is no UTF-8 would fail every
/// claim that comes upon it, and so stop the workflows of all roles.
async fn refuse_other_encodings(transaction: &Transaction<'_>) -> Result<(), Error> {
    let sql = "select current_database()::text, current_setting('server_encoding')";
    let row = transaction.query_one(sql, &[]).await;
    let row = row.map_err(Error::doing("reading the database's encoding"))?;
    let (database, encoding): (String, String) = (row.get(0), row.get(1));
    if encoding == "UTF8" {
        return Ok(());
    }
    Err(Error::OtherEncoding { database, encoding })
}

/// What `df` is here; somebody else's is refused.
async fn own_schema(transaction: &Transaction<'_>) -> Result<Found, Error> {
    match schema::look(transaction).await? {
        Found::Foreign { whose } => {
            let row = transaction
                .query_one("select current_database()::text", &[])
                .await;
            let database = row
                .map_err(Error::doing("reading the database's name"))?
                .get(0);
            Err(Error::ForeignSchema { database, whose })
        }
        found => Ok(found),
    }
}

/// Reads df.meta under a lock that only installs take, so that the advisory lock need not hold.
async fn lock_meta(transaction: &Transaction<'_>, before: &Privileges) -> Result<Meta, Error> {
    let lock = format!(
        "set local role {}; lock table df.meta in exclusive mode",
        quote_identifier(OWNER_ROLE)
    );
    transaction
        .batch_execute(&lock)
        .await
        .map_err(Error::doing("locking df.meta"))?;
    let meta = schema::read_meta(transaction).await?;
    transaction
        .batch_execute("reset role")
        .await
        .map_err(Error::doing("resetting the role"))?;
    meta.ok_or_else(|| Error::ForeignSchema {
        database: before.database.clone(),
        whose: "its df.meta names no version".to_string(),
    })
}

async fn run(transaction: &Transaction<'_>, statements: &[Statement]) -> Result<(), Failure> {
    for statement in statements {
        transaction
            .batch_execute(&statement.sql)
            .await
            .map_err(|error| failure(&statement.place_of(&error), statement.may_be_raced, error))?;
    }
    Ok(())
}

/// Tells a lost race from a real error. "tuple concurrently updated" has no SQLSTATE of its own.
fn failure(place: &str, may_be_raced: bool, source: tokio_postgres::Error) -> Failure {
    let code = source.code().map_or("", |code| code.code());
    let concurrently = source.as_db_error().is_some_and(|db| {
        db.code().code() == "XX000" && db.message().starts_with("tuple concurrently")
    });
    // 55P03: somebody is at work on a table, and we must not make everybody wait behind us.
    let lost = matches!(code, "40001" | "40P01" | "55P03")
        || concurrently
        || (may_be_raced && matches!(code, "23505" | "42710" | "42P06"));
    let error = Error::SchemaFile {
        place: place.to_string(),
        source,
    };
    if lost {
        Failure::LostRace(error)
    } else {
        Failure::Final(error)
    }
}

fn asked_operator_schema(options: &InstallOptions) -> String {
    options
        .operator_schema
        .clone()
        .unwrap_or_else(|| DEFAULT_OPERATOR_SCHEMA.to_string())
}

/// Where the operators go: where they are, if they are anywhere.
fn operator_schema(options: &InstallOptions, meta: Option<&Meta>) -> Result<String, Error> {
    let Some(meta) = meta else {
        return Ok(asked_operator_schema(options));
    };
    match &options.operator_schema {
        Some(asked) if *asked != meta.operator_schema => Err(Error::OperatorSchemaDiffers {
            installed: meta.operator_schema.clone(),
            asked: asked.clone(),
        }),
        _ => Ok(meta.operator_schema.clone()),
    }
}

/// Gives df_relay its password, in a transaction of its own: whoever may not do that has installed
/// the schema all the same. Returns what is left to do.
async fn set_password(
    client: &Client,
    options: &InstallOptions,
    made_relay_role: bool,
) -> Result<Option<String>, Failure> {
    let by_hand = format!("ALTER ROLE {RELAY_ROLE} PASSWORD '…';");
    let Some(RelayPassword(password)) = &options.relay_password else {
        let note = format!("{RELAY_ROLE} has no password yet; give it one: {by_hand}");
        return Ok(made_relay_role.then_some(note));
    };
    let verifier = postgres_protocol::password::scram_sha_256(password.as_bytes());
    let sql = format!(
        "alter role {} password {}",
        quote_identifier(RELAY_ROLE),
        quote_literal(&verifier)
    );
    match client.batch_execute(&sql).await {
        Ok(()) => Ok(None),
        Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            let why = format!("the password of {RELAY_ROLE} was left as it is");
            Ok(Some(format!(
                "{why}: it takes an administrator of that role: {by_hand}"
            )))
        }
        Err(error) => Err(failure("the password of df_relay", true, error)),
    }
}
