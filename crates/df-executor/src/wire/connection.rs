//! One session: statements go out in one write, replies come back in order.

use super::frames::{Fields, Frames, invalid};
use super::startup::{self, ConnectError};
use super::statement::{Column, Form, Param, PipelineError, Reply, Statement};
use super::{CancelHandle, ConnectConfig, DbError, Severity};
use bytes::BufMut;
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// How much of an oversized result or a COPY is read to its end before it is cancelled instead.
const DISCARD_BYTES: usize = 4 * 1024 * 1024;
const CANCEL_LIMIT: Duration = Duration::from_secs(5);

/// Where the session stands between messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionStatus {
    Idle,
    InTransaction,
    /// In a transaction that can only be rolled back.
    Failed,
    /// The session has ended, or its stream is out of step.
    Lost,
}

/// A session with a Postgres server. Not usable after an I/O or protocol error, after a dropped
/// future, or after a cancel request: see [`Connection::is_reusable`].
pub struct Connection {
    frames: Frames,
    status: TransactionStatus,
    /// A batch was sent whose replies are not all read. A dropped future leaves it set.
    in_flight: bool,
    /// How many that were sent behind a pipeline are still to be read, each up to its ReadyForQuery.
    trailing: usize,
    cancel_sent: bool,
    encoding_is_utf8: bool,
    cancel: CancelHandle,
}

impl Connection {
    /// Connects and authenticates, on each server within the configuration's limit.
    pub async fn connect(config: Arc<ConnectConfig>) -> Result<Self, ConnectError> {
        let (frames, greeting, endpoint) = startup::start(&config).await?;
        let cancel = CancelHandle {
            config,
            endpoint: Arc::new(endpoint),
            process_id: greeting.process_id,
            secret_key: greeting.secret_key,
        };
        Ok(Connection {
            frames,
            status: TransactionStatus::Idle,
            in_flight: false,
            trailing: 0,
            cancel_sent: false,
            encoding_is_utf8: true,
            cancel,
        })
    }

    /// The transaction status after the last batch.
    pub fn status(&self) -> TransactionStatus {
        if self.in_flight {
            TransactionStatus::Lost
        } else {
            self.status
        }
    }

    /// Whether further statements may be sent.
    pub fn is_reusable(&self) -> bool {
        self.status() != TransactionStatus::Lost && !self.cancel_sent
    }

    /// Whether the session still speaks UTF-8; a statement may change that for itself.
    pub fn encoding_is_utf8(&self) -> bool {
        self.encoding_is_utf8
    }

    /// The server process behind the session.
    pub fn process_id(&self) -> i32 {
        self.cancel.process_id
    }

    /// How often something was sent since connecting: each is at most one round trip.
    pub fn flushes(&self) -> u64 {
        self.frames.flushes
    }

    pub fn cancel_handle(&self) -> CancelHandle {
        self.cancel.clone()
    }

    /// Notes that somebody used the handle: a late signal may hit whatever comes next.
    pub fn mark_cancel_sent(&mut self) {
        self.cancel_sent = true;
    }

    /// Ends the session in good order, waiting for nothing.
    pub async fn close(self) {
        self.frames.terminate().await;
    }

    /// Runs the statements in order: after the first error the server skips the rest, but for an error of one
    /// that is alone ([`Statement::simple`], [`Statement::function`]).
    pub async fn pipeline(
        &mut self,
        statements: &[Statement<'_>],
    ) -> Result<Vec<Reply>, PipelineError> {
        self.pipeline_then(statements, None).await
    }

    /// As `pipeline`, with a simple query or a function call sent in the same write, behind all of it. Its
    /// replies are left to [`Connection::settle`]; it runs whether the pipeline succeeds or not.
    pub async fn pipeline_then(
        &mut self,
        statements: &[Statement<'_>],
        trailing: Option<Statement<'_>>,
    ) -> Result<Vec<Reply>, PipelineError> {
        self.settle().await?;
        let synced = takes_sync(statements, trailing.is_some());
        encode(
            statements,
            synced,
            trailing.as_ref(),
            &mut self.frames.outbound,
        )
        .inspect_err(|_| {
            self.in_flight = true;
        })?;
        self.in_flight = true;
        self.trailing = usize::from(trailing.is_some());
        self.frames.flush().await?;
        let replies = self.read_batch(statements, synced).await;
        match &replies {
            Err(PipelineError::Io(_) | PipelineError::Protocol(_)) => {}
            Err(PipelineError::Server {
                status: TransactionStatus::Lost,
                ..
            }) => {}
            _ => self.in_flight = false,
        }
        replies
    }

    /// Sends simple queries and function calls alone, each run whatever became of those before it, leaving
    /// their replies to `settle`.
    pub async fn send_trailing(
        &mut self,
        statements: &[Statement<'_>],
    ) -> Result<(), PipelineError> {
        self.settle().await?;
        for statement in statements {
            encode_alone(statement, &mut self.frames.outbound)?;
        }
        self.in_flight = true;
        self.frames.flush().await?;
        self.in_flight = false;
        self.trailing = statements.len();
        Ok(())
    }

    /// Reads what was answered to all that trails, if anything is outstanding.
    ///
    /// Errors: `Server` when a part of it failed; the transaction status is then as the last one left it.
    pub async fn settle(&mut self) -> Result<(), PipelineError> {
        if self.in_flight {
            return Err(PipelineError::Io(io::ErrorKind::NotConnected.into()));
        }
        let mut failed = None;
        while self.trailing > 0 {
            self.in_flight = true;
            let (tag, length) = self.frames.header().await?;
            match tag {
                b'E' => {
                    let error = DbError::parse(&self.frames.head(length).await?);
                    if error.severity != Severity::Error {
                        return Err(lost(0, error));
                    }
                    failed.get_or_insert(error);
                }
                b'Z' => {
                    self.ready(length).await?;
                    self.trailing -= 1;
                }
                b'S' => self.parameter(length).await?,
                _ => self.frames.skip(length).await?,
            }
        }
        self.in_flight = false;
        match failed {
            Some(error) => Err(PipelineError::Server {
                statement: 0,
                error: Box::new(error),
                status: self.status,
            }),
            None => Ok(()),
        }
    }

    /// `synced` says whether a Sync was sent behind the statements.
    async fn read_batch(
        &mut self,
        statements: &[Statement<'_>],
        mut synced: bool,
    ) -> Result<Vec<Reply>, PipelineError> {
        let mut batch = Batch::default();
        loop {
            let (tag, length) = match (self.frames.header().await, batch.error.take()) {
                (Ok(header), error) => {
                    batch.error = error;
                    header
                }
                // A session that is being ended says why before it closes the stream.
                (Err(_), Some(error)) => return Err(lost(batch.replies.len(), error)),
                (Err(error), None) => return Err(error.into()),
            };
            let index = batch.replies.len();
            let limit = statements.get(index).map_or(0, |one| one.max_result_bytes);
            let alone = statements.get(index).is_some_and(Statement::is_alone);
            match tag {
                b'D' => self.row(&mut batch, length, limit).await?,
                b'T' => {
                    // Of several results, which rules can give a simple query, the last one counts.
                    batch.reply.rows = Default::default();
                    batch.reply.columns = Some(columns(&self.frames.body(length).await?)?);
                }
                b'C' => {
                    batch.reply.tag = Fields(&self.frames.body(length).await?).text()?;
                    if !alone {
                        batch.finish_statement();
                    }
                }
                b'I' if !alone => batch.finish_statement(),
                b'V' => {
                    let value = self.frames.body(length).await?;
                    batch.reply.rows.push_value(&value);
                }
                b'E' => {
                    let error = DbError::parse(&self.frames.head(length).await?);
                    if error.severity != Severity::Error {
                        return Err(lost(index, error));
                    }
                    // The server goes on after what is alone, or skips what is left, so that the next ReadyForQuery is
                    // the Sync's.
                    if batch.error.is_none() {
                        batch.failed = index;
                        batch.error = Some(error);
                    }
                    if !alone && !synced {
                        synced = true;
                        frontend::sync(&mut self.frames.outbound);
                        self.frames.flush().await?;
                    }
                }
                b'G' => {
                    batch.copy = true;
                    frontend::copy_fail("no client", &mut self.frames.outbound)?;
                    if !alone {
                        // The server ignores the Sync already sent while it waits for COPY data.
                        synced = true;
                        frontend::sync(&mut self.frames.outbound);
                    }
                    self.frames.skip(length).await?;
                    self.frames.flush().await?;
                }
                b'H' => {
                    batch.copy = true;
                    self.frames.skip(length).await?;
                }
                b'd' => self.discard(&mut batch, length).await?,
                b'S' => self.parameter(length).await?,
                b'1' | b'2' | b'3' | b'n' | b't' | b'c' | b'N' | b'A' | b'I' => {
                    self.frames.skip(length).await?;
                }
                b'Z' => {
                    self.ready(length).await?;
                    if !alone {
                        return batch.outcome(statements, self.status);
                    }
                    batch.finish_statement();
                    if batch.replies.len() == statements.len() && !synced {
                        return batch.outcome(statements, self.status);
                    }
                }
                other => {
                    let why = format!("unexpected message {:?}", other as char);
                    return Err(PipelineError::Protocol(why));
                }
            }
        }
    }

    async fn row(&mut self, batch: &mut Batch, length: usize, limit: usize) -> io::Result<()> {
        if batch.too_large || batch.reply.rows.bytes() + length > limit {
            batch.too_large = true;
            batch.reply.rows = Default::default();
            return self.discard(batch, length).await;
        }
        batch.reply.rows.push(self.frames.peek(length).await?);
        self.frames.consume(length);
        Ok(())
    }

    /// Reads past what nobody wants; a server that goes on and on is told to stop.
    async fn discard(&mut self, batch: &mut Batch, length: usize) -> io::Result<()> {
        self.frames.skip(length).await?;
        batch.discarded += length;
        if batch.discarded > DISCARD_BYTES && !self.cancel_sent {
            self.cancel_sent = true;
            self.cancel.cancel(CANCEL_LIMIT).await?;
        }
        Ok(())
    }

    async fn ready(&mut self, length: usize) -> io::Result<()> {
        self.status = match self.frames.body(length).await?.first() {
            Some(b'I') => TransactionStatus::Idle,
            Some(b'T') => TransactionStatus::InTransaction,
            Some(b'E') => TransactionStatus::Failed,
            _ => return Err(invalid("unknown transaction status")),
        };
        Ok(())
    }

    async fn parameter(&mut self, length: usize) -> io::Result<()> {
        let body = self.frames.head(length).await?;
        let mut fields = Fields(&body);
        // A value may be of any length and so be cut; the encoding's never is.
        if let (Ok(name), Ok(value)) = (fields.text(), fields.text())
            && name == "client_encoding"
        {
            self.encoding_is_utf8 = value == "UTF8";
        }
        Ok(())
    }
}

/// What is read so far of one pipeline.
#[derive(Default)]
struct Batch {
    replies: Vec<Reply>,
    reply: Reply,
    error: Option<DbError>,
    /// The statement of the error.
    failed: usize,
    copy: bool,
    too_large: bool,
    discarded: usize,
    /// The statement that asked for COPY or answered too much, if it came to its end.
    spoiled: Option<usize>,
}

impl Batch {
    fn finish_statement(&mut self) {
        if self.copy || self.too_large {
            self.spoiled.get_or_insert(self.replies.len());
        }
        self.replies.push(std::mem::take(&mut self.reply));
    }

    fn outcome(
        self,
        statements: &[Statement<'_>],
        status: TransactionStatus,
    ) -> Result<Vec<Reply>, PipelineError> {
        let statement = self.spoiled.unwrap_or(self.replies.len());
        if self.copy {
            return Err(PipelineError::Copy { statement });
        }
        if self.too_large {
            let limit = statements[statement].max_result_bytes;
            return Err(PipelineError::ResultTooLarge { statement, limit });
        }
        if let Some(error) = self.error {
            return Err(PipelineError::Server {
                statement: self.failed,
                error: Box::new(error),
                status,
            });
        }
        if self.replies.len() != statements.len() {
            return Err(PipelineError::Protocol(
                "fewer replies than statements".into(),
            ));
        }
        Ok(self.replies)
    }
}

fn lost(statement: usize, error: DbError) -> PipelineError {
    let status = TransactionStatus::Lost;
    PipelineError::Server {
        statement,
        error: Box::new(error),
        status,
    }
}

/// Everything uses the unnamed statement: a named one could be replaced by SQL of the same session.
fn encode(
    statements: &[Statement<'_>],
    synced: bool,
    trailing: Option<&Statement<'_>>,
    out: &mut bytes::BytesMut,
) -> io::Result<()> {
    for statement in statements {
        if statement.is_alone() {
            encode_alone(statement, out)?;
            continue;
        }
        let types = statement.params.iter().map(|one| one.type_oid);
        frontend::parse("", statement.sql, types, out)?;
        let put = |param: &Param<'_>, out: &mut bytes::BytesMut| match param.value {
            Some(value) => {
                out.extend_from_slice(value.as_bytes());
                Ok(IsNull::No)
            }
            None => Ok(IsNull::Yes),
        };
        frontend::bind("", "", [0i16], statement.params, put, [0i16], out).map_err(|error| {
            match error {
                frontend::BindError::Serialization(error) => error,
                frontend::BindError::Conversion(error) => io::Error::other(error),
            }
        })?;
        if statement.describe {
            frontend::describe(b'P', "", out)?;
        }
        frontend::execute("", 0, out)?;
    }
    if synced {
        frontend::sync(out);
    }
    trailing.map_or(Ok(()), |one| encode_alone(one, out))
}

/// Whether a Sync ends the batch: each that is alone has its own ReadyForQuery, so that where one ends the batch a
/// Sync is sent only once something has failed. What trails is no part of what that failure skips.
fn takes_sync(statements: &[Statement<'_>], has_trailing: bool) -> bool {
    let ends_alone = if has_trailing {
        statements.iter().all(Statement::is_alone)
    } else {
        statements.last().is_some_and(Statement::is_alone)
    };
    statements.is_empty() || !ends_alone
}

/// A function call, or else a simple query, without parameters. Each has a ReadyForQuery of its own.
fn encode_alone(statement: &Statement<'_>, out: &mut bytes::BytesMut) -> io::Result<()> {
    match statement.form {
        Form::Function(oid) => function_call(oid, statement.params, out),
        Form::Simple | Form::Extended => frontend::query(statement.sql, out),
    }
}

/// A FunctionCall: parameters and result in text.
fn function_call(oid: u32, params: &[Param<'_>], out: &mut bytes::BytesMut) -> io::Result<()> {
    let too_long = |_| invalid("a function call is too long");
    out.put_u8(b'F');
    let length_at = out.len();
    out.put_i32(0);
    out.put_u32(oid);
    out.put_i16(1);
    out.put_i16(0);
    out.put_i16(i16::try_from(params.len()).map_err(too_long)?);
    for param in params {
        match param.value {
            Some(value) => {
                out.put_i32(i32::try_from(value.len()).map_err(too_long)?);
                out.put_slice(value.as_bytes());
            }
            None => out.put_i32(-1),
        }
    }
    out.put_i16(0);
    let length = i32::try_from(out.len() - length_at).map_err(too_long)?;
    out[length_at..length_at + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

/// The body of a RowDescription.
fn columns(body: &[u8]) -> io::Result<Vec<Column>> {
    let mut fields = Fields(body);
    let count = fields.i16()?;
    (0..count)
        .map(|_| {
            let name = fields.text()?;
            let (_table, _attribute) = (fields.u32()?, fields.i16()?);
            let type_oid = fields.u32()?;
            let _size = fields.i16()?;
            let type_modifier = fields.i32()?;
            let _format = fields.i16()?;
            Ok(Column {
                name,
                type_oid,
                type_modifier,
            })
        })
        .collect()
}
