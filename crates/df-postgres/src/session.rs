//! A control connection that comes back: calls wait out outages, and statements are prepared once
//! per connection, or never where a pooler lends its sessions. For the relay's own functions only; a step never runs here.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio_postgres::{Client, Row, SimpleQueryMessage, Statement};
use tokio_util::sync::CancellationToken;

use crate::class::ends_session;
use crate::retry::{Delays, RetryPolicy};
use crate::{ConnectOptions, Error, Parameter, class, connect_when_up, describe, query_unnamed};

/// What the relay's calls rely on, whatever the database or the role says by default: that they see what was committed
/// before each statement, and run until they are done. The first is there to be asked for.
const PINNED: &str = "-c df_relay.session=own \
                      -c default_transaction_isolation=read\\ committed -c statement_timeout=0 -c lock_timeout=0 \
                      -c idle_in_transaction_session_timeout=0 -c idle_session_timeout=0";

/// The same for a session that a pooler lends, which keeps nothing that is set: each of its transactions is told.
const BEGIN_PINNED: &str = "begin isolation level read committed; set local statement_timeout = 0; \
                            set local lock_timeout = 0; set local idle_in_transaction_session_timeout = 0";

/// One connection at a time, opened when first needed and again whenever it broke.
pub struct Session {
    options: ConnectOptions,
    policy: RetryPolicy,
    shutdown: CancellationToken,
    current: Mutex<Option<Arc<Connected>>>,
    connections: AtomicU64,
}

struct Connected {
    client: Client,
    /// Whether a pooler may give the next transaction another session.
    is_lent: bool,
    statements: parking_lot::Mutex<HashMap<&'static str, Statement>>,
}

impl Session {
    /// A session that is not connected yet. `shutdown` ends every wait.
    pub fn new(options: ConnectOptions, shutdown: CancellationToken) -> Self {
        Session {
            options: options.with_defaults(PINNED),
            policy: RetryPolicy::default(),
            shutdown,
            current: Mutex::new(None),
            connections: AtomicU64::new(0),
        }
    }

    /// How many connections it has opened so far. Another number than before means that an answer
    /// may have been lost.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Runs one statement until it succeeds: outages are waited out, with growing pauses.
    ///
    /// # Errors
    /// [`Error::Cancelled`] once shut down; what the server says when it refuses for good.
    pub async fn query(
        &self,
        sql: &'static str,
        parameters: &[&dyn Parameter],
    ) -> Result<Vec<Row>, Error> {
        let mut delays = self.policy.delays();
        loop {
            let connected = self.connected().await?;
            let error = match connected.query(sql, parameters).await {
                Ok(rows) => return Ok(rows),
                Err(error) => error,
            };
            let broken = connected.client.is_closed() || ends_session(&error);
            if broken {
                self.forget(&connected).await;
            } else if !class(&error).is_retryable() {
                return Err(Error::Database {
                    doing: sql.to_owned(),
                    source: error,
                });
            }
            tracing::warn!(error = %describe(&error), "a call to df failed; trying again");
            self.pause(&mut delays).await?;
        }
    }

    /// Like [`Session::query`], waiting out refusals as well: for loops that must go on.
    pub async fn insist(
        &self,
        sql: &'static str,
        parameters: &[&dyn Parameter],
    ) -> Result<Vec<Row>, Error> {
        let mut delays = self.policy.delays();
        loop {
            match self.query(sql, parameters).await {
                Err(Error::Database { source, .. }) => {
                    tracing::error!(error = %describe(&source), call = sql, "postgres refuses a call to df");
                    self.pause(&mut delays).await?;
                }
                other => return other,
            }
        }
    }

    /// Like [`Session::insist`], in a transaction that its caller ends: its rows are known while nobody else sees what
    /// it wrote. Nothing else may be asked of the session before [`Open::commit`].
    pub async fn insist_open(
        &self,
        sql: &'static str,
        parameters: &[&dyn Parameter],
    ) -> Result<(Vec<Row>, Open<'_>), Error> {
        let mut delays = self.policy.delays();
        loop {
            let connected = self.connected().await?;
            let (begun, answer) = tokio::join!(connected.begin(), connected.ask(sql, parameters));
            let error = match begun.and(answer) {
                Ok(rows) => {
                    let session = self;
                    return Ok((rows, Open { session, connected }));
                }
                Err(error) => error,
            };
            // With the connection goes whatever had begun.
            self.forget(&connected).await;
            if ends_session(&error) || class(&error).is_retryable() {
                tracing::warn!(error = %describe(&error), "a call to df failed; trying again");
            } else {
                tracing::error!(error = %describe(&error), call = sql, "postgres refuses a call to df");
            }
            self.pause(&mut delays).await?;
        }
    }

    async fn pause(&self, delays: &mut Delays) -> Result<(), Error> {
        let pause = delays.next_delay().unwrap_or(Duration::from_secs(5));
        self.shutdown
            .run_until_cancelled(tokio::time::sleep(pause))
            .await
            .ok_or(Error::Cancelled)
    }

    async fn connected(&self) -> Result<Arc<Connected>, Error> {
        let mut current = self.current.lock().await;
        if let Some(connected) = &*current
            && !connected.client.is_closed()
        {
            return Ok(connected.clone());
        }
        // Boxed, since it is large and rare: every future that calls the session would hold it.
        let client = Box::pin(self.connect()).await?;
        self.connections.fetch_add(1, Ordering::Relaxed);
        let connected = Arc::new(Connected {
            client,
            is_lent: self.options.is_pooled(),
            statements: Default::default(),
        });
        *current = Some(connected.clone());
        Ok(connected)
    }

    /// A connection that is told what the calls rely on, or is known to be lent. A pooler that leaves the settings out
    /// lends sessions as well: a statement prepared in one would be another one, or none, in the next.
    async fn connect(&self) -> Result<Client, Error> {
        let mut delays = self.policy.delays();
        loop {
            let client = connect_when_up(&self.options, &self.policy, &self.shutdown).await?;
            if self.options.is_pooled() || !is_untold(&client).await {
                return Ok(client);
            }
            tracing::error!(
                "a pooler keeps the session's settings from Postgres; connect to Postgres itself, or run with --poll-only"
            );
            self.pause(&mut delays).await?;
        }
    }

    async fn forget(&self, broken: &Arc<Connected>) {
        let mut current = self.current.lock().await;
        if current
            .as_ref()
            .is_some_and(|connected| Arc::ptr_eq(connected, broken))
        {
            *current = None;
        }
    }
}

/// Whether the server answers that it knows nothing of [`PINNED`].
async fn is_untold(client: &Client) -> bool {
    let asked = client.simple_query("select current_setting('df_relay.session', true)");
    let own = |message: &SimpleQueryMessage| matches!(message, SimpleQueryMessage::Row(row) if row.get(0) == Some("own"));
    asked.await.is_ok_and(|answer| !answer.iter().any(own))
}

/// A transaction whose one statement has run.
#[must_use = "its locks are held until it is committed"]
pub struct Open<'a> {
    session: &'a Session,
    connected: Arc<Connected>,
}

impl Open<'_> {
    /// Sends COMMIT when first polled, so that what is asked of the session after that comes behind it. Returns whether
    /// it is known to have committed; where not, the session goes on with another connection.
    pub async fn commit(self) -> bool {
        let committed = self.connected.client.batch_execute("commit").await;
        if let Err(error) = &committed {
            tracing::warn!(error = %describe(error), "whether a transaction committed is not known");
            self.session.forget(&self.connected).await;
        }
        committed.is_ok()
    }
}

impl Connected {
    async fn begin(&self) -> Result<(), tokio_postgres::Error> {
        let begin = if self.is_lent { BEGIN_PINNED } else { "begin" };
        self.client.batch_execute(begin).await
    }

    /// One statement in a transaction of its own.
    async fn query(
        &self,
        sql: &'static str,
        parameters: &[&dyn Parameter],
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        if !self.is_lent {
            return self.ask(sql, parameters).await;
        }
        // In one write: each is sent when it is first polled. A COMMIT behind a failure rolls back.
        let (begun, answer, ended) = tokio::join!(
            self.begin(),
            self.ask(sql, parameters),
            self.client.batch_execute("commit")
        );
        begun?;
        let rows = answer?;
        ended?;
        Ok(rows)
    }

    /// One statement in whatever transaction there is.
    async fn ask(
        &self,
        sql: &'static str,
        parameters: &[&dyn Parameter],
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        if self.is_lent {
            return query_unnamed(&self.client, sql, parameters).await;
        }
        let prepared = self.statements.lock().get(sql).cloned();
        let statement = match prepared {
            Some(statement) => statement,
            None => {
                let statement = self.client.prepare(sql).await?;
                self.statements.lock().insert(sql, statement.clone());
                statement
            }
        };
        let values: Vec<_> = parameters.iter().map(|one| one.value()).collect();
        let answer = self.client.query(&statement, &values).await;
        if answer.is_err() {
            // An upgrade may have changed the function; it is prepared afresh next time.
            self.statements.lock().remove(sql);
        }
        answer
    }
}
