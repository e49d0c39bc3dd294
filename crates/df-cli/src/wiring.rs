//! Puts the parts together: the engine behind the relay's trait, the executor behind the engine's.

use std::sync::Arc;

use anyhow::Context as _;
use df_engine::{Assignment, Failure, Run, Runs};
use df_executor::sql_step::{
    PoolLimits, RetrySchedule, STEP_APPLICATION, Sessions, SqlSteps, SqlStepsConfig,
};
use df_executor::wire::ConnectConfig;
use df_executor::{Directory, Executor, Recorder};
use df_postgres::{ConnectOptions, Session};
use df_relay::{Claim, Event, RecordedRun};
use foldhash::HashMap;
use parking_lot::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

/// Connections over which records are written at a time.
const RECORDING_LANES: usize = 2;
/// One connection more for each of so many, kept for roles that have few steps running.
pub(crate) const RESERVE_SHARE: usize = 4;

/// How the executor is sized, from the service's options.
#[derive(Debug, Clone)]
pub struct ExecutorLimits {
    /// Steps that run at a time.
    pub step_connections: usize,
    /// Connections open at a time, those kept for their role's next step among them.
    pub step_connections_open: usize,
    pub step_connections_per_role: usize,
}

/// Builds the executor over one database. `parts` ends its sessions; `shutdown` only what waits.
pub async fn executor(
    database: &ConnectOptions,
    limits: &ExecutorLimits,
    parts: &CancellationToken,
    shutdown: &CancellationToken,
) -> anyhow::Result<Executor> {
    let session = |name: &str| {
        let options = database.clone().with_application_name(name);
        Arc::new(Session::new(options, parts.clone()))
    };
    let reads = session("df-relay read");
    let name = database
        .database()
        .context("the connection string names no database")?;
    let directory = Arc::new(Directory::new(reads.clone(), name.to_owned()));
    let step_limits = directory.step_limits().await?;
    let rows = reads
        .insist("select value from df.meta where key = 'installation'", &[])
        .await?;
    let installation: String = rows
        .first()
        .context("df.meta names no installation")?
        .get(0);
    let config = SqlStepsConfig {
        server: server(database),
        sessions: if database.is_pooled() {
            Sessions::Lent
        } else {
            Sessions::Own
        },
        pool: PoolLimits {
            per_role: limits.step_connections_per_role,
            in_use: limits.step_connections,
            reserve: limits.step_connections.div_ceil(RESERVE_SHARE),
            open: limits.step_connections_open,
            ..PoolLimits::default()
        },
        stopping: shutdown.clone(),
        retry: RetrySchedule::default(),
        limits: step_limits,
    };
    let steps = SqlSteps::new(config, directory.clone(), directory.clone());
    let lanes = (0..RECORDING_LANES)
        .map(|_| session("df-relay record"))
        .collect();
    let http = df_http::HttpClient::new();
    Ok(Executor::new(
        steps,
        http,
        Recorder::start(lanes),
        directory,
        reads,
        installation,
    ))
}

/// Step connections go to the servers that the relay's own go to.
pub(crate) fn server(database: &ConnectOptions) -> ConnectConfig {
    ConnectConfig {
        application_name: STEP_APPLICATION.to_owned(),
        ..ConnectConfig::new(database.clone())
    }
}

/// The engine as a relay sees it. A relay names instances; the engine wants their epochs, too.
pub struct EngineOfRelay {
    engine: df_engine::Engine,
    epochs: Arc<Mutex<HashMap<String, i64>>>,
}

impl EngineOfRelay {
    /// The engine, and its events in the relay's words.
    pub fn new(
        engine: df_engine::Engine,
        events: UnboundedReceiver<df_engine::Event>,
    ) -> (Arc<Self>, UnboundedReceiver<Event>) {
        let (sender, translated) = unbounded_channel();
        let epochs: Arc<Mutex<HashMap<String, i64>>> = Arc::default();
        tokio::spawn(translate(events, sender, epochs.clone()));
        (Arc::new(EngineOfRelay { engine, epochs }), translated)
    }

    fn epoch(&self, instance: &str) -> Option<i64> {
        self.epochs.lock().get(instance).copied()
    }
}

async fn translate(
    mut events: UnboundedReceiver<df_engine::Event>,
    sender: UnboundedSender<Event>,
    epochs: Arc<Mutex<HashMap<String, i64>>>,
) {
    while let Some(event) = events.recv().await {
        let event = match event {
            df_engine::Event::Ended {
                instance,
                epoch,
                stopped,
            } => Event::Ended {
                instance,
                epoch,
                stopped,
            },
            df_engine::Event::Idle {
                instance,
                epoch,
                waits,
            } => Event::Idle {
                instance,
                epoch,
                waits,
            },
            df_engine::Event::Broken {
                instance,
                epoch,
                why,
            } => Event::Broken {
                instance,
                epoch,
                why,
            },
        };
        let (Event::Ended {
            instance, epoch, ..
        }
        | Event::Idle {
            instance, epoch, ..
        }
        | Event::Broken {
            instance, epoch, ..
        }) = &event;
        {
            let mut epochs = epochs.lock();
            if epochs.get(instance) == Some(epoch) {
                epochs.remove(instance);
            }
        }
        if sender.send(event).is_err() {
            return;
        }
    }
}

#[async_trait::async_trait]
impl df_relay::Engine for EngineOfRelay {
    async fn load(&self, claim: Claim, recorded: Vec<RecordedRun>) -> Result<(), String> {
        let runs = recorded.into_iter().filter_map(run).collect::<Runs>();
        self.epochs
            .lock()
            .insert(claim.instance.clone(), claim.epoch);
        let assignment = Assignment {
            instance: claim.instance,
            epoch: claim.epoch,
            incarnation: claim.incarnation,
            role: claim.role,
            database: claim.database,
            label: claim.label,
            vars: claim.vars,
            committed: claim.committed,
        };
        self.engine
            .load(assignment, claim.graph, runs)
            .await
            .map_err(|error| error.to_string())
    }

    async fn nudge(&self, instance: &str, run_paths: &[String]) {
        if let Some(epoch) = self.epoch(instance) {
            self.engine.nudge(instance, epoch, run_paths).await;
        }
    }

    async fn pause(&self, instance: &str) {
        if let Some(epoch) = self.epoch(instance) {
            self.engine.pause(instance, epoch).await;
        }
    }

    async fn resume(&self, instance: &str) {
        if let Some(epoch) = self.epoch(instance) {
            self.engine.resume(instance, epoch);
        }
    }

    async fn stop(&self, instance: &str, epoch: Option<i64>) {
        let current = {
            let mut epochs = self.epochs.lock();
            let current = epochs.get(instance).copied();
            if epoch.is_none() || epoch == current {
                epochs.remove(instance);
            }
            current
        };
        if let Some(epoch) = epoch.or(current) {
            self.engine.stop(instance, epoch).await;
        }
    }

    async fn stop_all(&self) {
        self.epochs.lock().clear();
        self.engine.stop_all().await;
    }

    fn loaded(&self) -> Vec<(String, i64)> {
        self.engine.loaded()
    }

    fn loaded_count(&self) -> usize {
        self.engine.loaded_count()
    }
}

/// One recorded row as the walk reads it.
fn run(recorded: RecordedRun) -> Option<(String, Run)> {
    let RecordedRun {
        run_path,
        status,
        turn,
        attempt,
        truth,
        error,
        sqlstate,
        detail,
    } = recorded;
    let run = match status.as_str() {
        "completed" => Run::Completed { truth },
        "failed" => Run::Failed(Failure {
            message: error.unwrap_or_default(),
            sqlstate,
            path: run_path.clone(),
        }),
        "decided" => Run::Decided(turn?),
        "checkpoint" => Run::Checkpoint {
            turn: turn?,
            names: detail
                .and_then(|text| serde_json::from_str(&text).ok())
                .unwrap_or_default(),
        },
        "waiting" => Run::Waiting { attempt },
        _ => Run::Begun { attempt },
    };
    Some((run_path, run))
}
