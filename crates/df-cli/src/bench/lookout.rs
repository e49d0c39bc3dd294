//! Looks for the end of one workflow, closely enough to time it, from a thread with a connection of
//! its own. It must not share the relay's threads, nor take a core: what is timed runs on both.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};
use df_postgres::ConnectOptions;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_postgres::{Client, Statement};

use super::workload::PATIENCE;

/// The pause between looks, short against what is timed.
const CLOSE_LOOK_INTERVAL: Duration = Duration::from_micros(100);

/// The end of one workflow.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// When the look returned that saw it.
    pub at: Instant,
    /// The time since the look before returned, which did not see it; zero for a first look.
    pub gap: Duration,
}

struct Wanted {
    instance: String,
    seen: oneshot::Sender<anyhow::Result<Seen>>,
}

/// The thread's end of it; the thread ends with this.
pub struct Lookout {
    wanted: mpsc::Sender<Wanted>,
}

impl Lookout {
    /// Returns once the thread is connected.
    pub async fn start(database: ConnectOptions) -> anyhow::Result<Lookout> {
        let (wanted, instances) = mpsc::channel();
        let (ready, is_ready) = oneshot::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            match runtime {
                Ok(runtime) => runtime.block_on(look_for_each(&database, ready, &instances)),
                Err(error) => drop(ready.send(Err(error.into()))),
            }
        });
        is_ready.await.context("the lookout did not start")??;
        Ok(Lookout { wanted })
    }

    /// Waits until an instance has ended.
    pub async fn until_ended(&self, instance: &str) -> anyhow::Result<Seen> {
        let (seen, end) = oneshot::channel();
        let instance = instance.to_owned();
        // Where the thread is gone the request is dropped, and with it `seen`.
        let _ = self.wanted.send(Wanted { instance, seen });
        end.await.context("the lookout ended early")?
    }
}

async fn look_for_each(
    database: &ConnectOptions,
    ready: oneshot::Sender<anyhow::Result<()>>,
    instances: &mpsc::Receiver<Wanted>,
) {
    match connect(database).await {
        Ok((client, has_ended)) => {
            let _ = ready.send(Ok(()));
            while let Ok(Wanted { instance, seen }) = instances.recv() {
                let _ = seen.send(look_for(&client, &has_ended, &instance).await);
            }
        }
        Err(error) => drop(ready.send(Err(error))),
    }
}

/// The question is prepared once, so that asking is all that is timed.
async fn connect(database: &ConnectOptions) -> anyhow::Result<(Client, Statement)> {
    let client = database.connect().await?;
    let sql = "select i.ended_at is not null from df.instances i where i.id = $1";
    let has_ended = client.prepare(sql).await?;
    Ok((client, has_ended))
}

async fn look_for(client: &Client, has_ended: &Statement, instance: &str) -> anyhow::Result<Seen> {
    let deadline = Instant::now() + PATIENCE;
    let mut before = None;
    loop {
        let row = client.query_one(has_ended, &[&instance]).await?;
        let at = Instant::now();
        if row.get(0) {
            let gap = at - before.unwrap_or(at);
            return Ok(Seen { at, gap });
        }
        if at > deadline {
            bail!("instance {instance} did not end within {PATIENCE:?}");
        }
        before = Some(at);
        // The runtime's timer counts in milliseconds and rounds up; this thread may simply sleep.
        thread::sleep(CLOSE_LOOK_INTERVAL);
    }
}
