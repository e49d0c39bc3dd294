//! Records what is not a SQL step, in batches over many instances: waits, requests, breaks,
//! decisions, ends. While one batch commits, the next one gathers.
//!
//! It must not decide anything: an entry is recorded as it came, or answered with the refusal.

use std::sync::Arc;
use std::time::Duration;

use df_engine::{Entry, Recorded};
use df_postgres::{Error, Session};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// The most entries recorded in one transaction.
const MAX_BATCH: usize = 256;
/// The most bytes that a batch is gathered up to; an entry that alone has more is a batch by itself. The
/// server takes no message of a gigabyte: it ends the connection, and the same batch would be sent for ever.
const MAX_BATCH_BYTES: usize = 64 << 20;
/// The most entries that wait for their batch; beyond it callers wait to hand theirs over.
const MAX_QUEUED: usize = 4096;
/// How long an entry whose instance is locked waits before it is sent again.
const BUSY_PAUSE: Duration = Duration::from_millis(5);

struct Job {
    entry: Entry,
    reply: oneshot::Sender<Recorded>,
}

/// A handle to the recording lanes. Cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    lanes: Arc<[Sender<Job>]>,
}

impl Recorder {
    /// Starts one lane per session. An instance's entries all take the same lane.
    pub fn start(sessions: Vec<Arc<Session>>) -> Self {
        let lanes = sessions
            .into_iter()
            .map(|session| {
                let (sender, jobs) = channel(MAX_QUEUED);
                tokio::spawn(lane(session, jobs, sender.downgrade()));
                sender
            })
            .collect();
        Recorder { lanes }
    }

    /// Records one entry; `None` once cancelled or shut down.
    pub async fn record(&self, entry: Entry, cancel: &CancellationToken) -> Option<Recorded> {
        let lane = lane_of(&entry.instance, self.lanes.len());
        let (reply, answer) = oneshot::channel();
        let recorded = async {
            self.lanes[lane].send(Job { entry, reply }).await.ok()?;
            answer.await.ok()
        };
        cancel.run_until_cancelled(recorded).await.flatten()
    }
}

fn lane_of(instance: &str, lanes: usize) -> usize {
    let sum = instance
        .bytes()
        .fold(0usize, |sum, byte| sum.wrapping_mul(31) + usize::from(byte));
    sum % lanes
}

async fn lane(
    session: Arc<Session>,
    mut jobs: Receiver<Job>,
    again: tokio::sync::mpsc::WeakSender<Job>,
) {
    let mut waiting = Vec::with_capacity(MAX_BATCH);
    while !waiting.is_empty() || jobs.recv_many(&mut waiting, MAX_BATCH).await > 0 {
        let fitting = fitting(waiting.iter().map(|job: &Job| &job.entry));
        let mut batch: Vec<Job> = waiting.drain(..fitting).collect();
        let answers = match send(&session, batch.iter().map(|job| &job.entry)).await {
            Ok(answers) => answers,
            Err(Error::Cancelled) => return,
            Err(error) if batch.len() == 1 => vec![refuse(&session, &batch[0].entry, &error).await],
            Err(_) => {
                // One entry spoils the batch: each goes alone, and the one gets the blame.
                let mut answers = Vec::with_capacity(batch.len());
                for job in &batch {
                    answers.push(match send(&session, std::iter::once(&job.entry)).await {
                        Ok(mut alone) => alone.pop().unwrap_or_default(),
                        Err(Error::Cancelled) => return,
                        Err(error) => refuse(&session, &job.entry, &error).await,
                    });
                }
                answers
            }
        };
        let mut busy = Vec::new();
        for (job, answer) in batch.drain(..).zip(answers) {
            if answer.outcome == "busy" {
                busy.push(job);
            } else {
                // Nobody waits any more where the instance was stopped.
                let _ = job.reply.send(answer);
            }
        }
        if !busy.is_empty()
            && let Some(again) = again.upgrade()
        {
            tokio::spawn(async move {
                tokio::time::sleep(BUSY_PAUSE).await;
                for job in busy {
                    if !job.reply.is_closed() && again.send(job).await.is_err() {
                        return;
                    }
                }
            });
        }
    }
}

/// How many of the entries, which are in order, make up the next batch.
fn fitting<'a>(entries: impl Iterator<Item = &'a Entry>) -> usize {
    let mut bytes = 0;
    let fit = entries.take_while(|entry| {
        let result = entry.result.as_ref().map_or(0, |result| result.get().len());
        bytes += result + entry.error.as_ref().map_or(0, String::len);
        bytes <= MAX_BATCH_BYTES
    });
    fit.count().max(1)
}

async fn send(
    session: &Session,
    entries: impl Iterator<Item = &Entry>,
) -> Result<Vec<Recorded>, Error> {
    let entries: Vec<&Entry> = entries.collect();
    let text = serde_json::to_string(&entries).expect("entries are always JSON");
    df_failpoints::reached("record.sending");
    let rows = session
        .query(
            "select idx, outcome, status, turn, remaining_seconds, result, error, sqlstate
               from df.relay_record($1::text::json) order by idx",
            &[&text],
        )
        .await?;
    df_failpoints::reached("record.committed");
    Ok(rows
        .iter()
        .map(|row| Recorded {
            outcome: row.get(1),
            status: row.get(2),
            turn: row.get(3),
            remaining_seconds: row.get(4),
            result: row.get(5),
            error: row.get(6),
            sqlstate: row.get(7),
        })
        .collect())
}

/// An entry that Postgres will never take ends its instance: the reason is where its owner looks.
async fn refuse(session: &Session, entry: &Entry, error: &Error) -> Recorded {
    let (message, sqlstate) = match error {
        Error::Database { source, .. } => (
            df_postgres::describe(source),
            source.code().map_or("XX000", |code| code.code()).to_owned(),
        ),
        other => (other.to_string(), "XX000".to_owned()),
    };
    tracing::error!(
        instance = entry.instance,
        run_path = entry.path,
        message,
        "cannot record"
    );
    let failed = session
        .insist(
            "select df.relay_fail($1, $2, $3, $4, $5)",
            &[
                &entry.incarnation,
                &entry.instance,
                &entry.epoch,
                &message,
                &sqlstate,
            ],
        )
        .await;
    let outcome = match failed {
        // Somebody has the instance locked; the entry is sent again, and refused again.
        Ok(rows) if rows[0].get::<_, Option<bool>>(0).is_none() => "busy",
        Ok(_) => "refused",
        Err(error) => {
            tracing::debug!(%error, "stopped before the instance could be failed");
            "refused"
        }
    };
    Recorded {
        outcome: outcome.to_owned(),
        ..Recorded::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;

    fn check(sizes: &[usize], expected: usize) {
        let entry = |bytes: &usize| Entry {
            result: Some(RawValue::from_string(format!("\"{}\"", "x".repeat(bytes - 2))).unwrap()),
            ..Entry::default()
        };
        let entries: Vec<Entry> = sizes.iter().map(entry).collect();
        assert_eq!(fitting(entries.iter()), expected, "{sizes:?}");
    }

    #[test]
    fn a_batch_is_no_larger_than_a_message_may_be() {
        check(&[2; MAX_BATCH], MAX_BATCH);
        check(&[MAX_BATCH_BYTES / 4; 6], 4);
        check(&[MAX_BATCH_BYTES, 2], 1);
        check(&[MAX_BATCH_BYTES + 1, 2], 1);
        check(&[2, MAX_BATCH_BYTES, 2], 1);
    }
}
