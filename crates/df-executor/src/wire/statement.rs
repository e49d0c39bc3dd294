//! What goes into a pipeline and what comes out of it.

use super::{DbError, TransactionStatus};
use std::io;

/// One text-format parameter with its type, so that no cast has to be looked up by name.
#[derive(Clone, Copy, Debug)]
pub struct Param<'a> {
    pub type_oid: u32,
    /// `None` is SQL NULL.
    pub value: Option<&'a str>,
}

/// By which messages a statement goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Parsed and bound with its parameters; skipped after an error up to the Sync.
    Extended,
    /// See [`Statement::simple`].
    Simple,
    /// The function of this oid is called: nothing is parsed or planned, and nothing that the
    /// session holds can stand in for it. See [`Statement::function`].
    Function(u32),
}

/// One statement of a pipeline.
#[derive(Clone, Copy, Debug)]
pub struct Statement<'a> {
    pub sql: &'a str,
    pub form: Form,
    pub params: &'a [Param<'a>],
    /// Whether the row description is asked for.
    pub describe: bool,
    /// The rows of one reply, in bytes on the wire.
    pub max_result_bytes: usize,
}

impl<'a> Statement<'a> {
    /// The relay's own statement, whose result is a word or nothing.
    pub fn command(sql: &'a str) -> Self {
        Self::call(sql, &[])
    }

    /// The relay's own call with parameters.
    pub fn call(sql: &'a str, params: &'a [Param<'a>]) -> Self {
        Statement {
            sql,
            form: Form::Extended,
            params,
            describe: false,
            max_result_bytes: 64 * 1024,
        }
    }

    /// The relay's own commands, one or several, for which the server keeps neither statement nor plan: that is most
    /// of what a `COMMIT` takes besides its flush. Answered as one, by the last one's tag, and, as a function call
    /// is, by a ReadyForQuery of its own; so it must not stand where something may have failed to open the
    /// transaction that it belongs to.
    pub fn simple(sql: &'a str) -> Self {
        Statement {
            form: Form::Simple,
            ..Self::command(sql)
        }
    }

    /// A call of a function by its oid, with all of its parameters, by the protocol's own message.
    /// Its result is the one value of the one row of the reply, in text.
    ///
    /// The server answers each with ReadyForQuery, and goes on after an error of it: what follows
    /// runs into the failed transaction, and a COMMIT becomes a ROLLBACK.
    pub fn function(oid: u32, params: &'a [Param<'a>]) -> Self {
        Statement {
            form: Form::Function(oid),
            ..Self::call("", params)
        }
    }

    /// Whether the server answers it with a ReadyForQuery of its own, and goes on after an error of it.
    pub(super) fn is_alone(&self) -> bool {
        self.form != Form::Extended
    }

    /// A statement whose rows matter, with their description.
    pub fn query(sql: &'a str, max_result_bytes: usize) -> Self {
        Statement {
            describe: true,
            max_result_bytes,
            ..Self::command(sql)
        }
    }

    /// As `query`, of one statement and no more, by the cheapest message that is sure of that: a simple query runs
    /// whatever stands behind a semicolon, so a text that has one is parsed by itself, which refuses a second statement.
    pub fn single(sql: &'a str, max_result_bytes: usize) -> Self {
        if sql.contains(';') {
            return Self::query(sql, max_result_bytes);
        }
        Statement {
            max_result_bytes,
            ..Self::simple(sql)
        }
    }
}

/// A column of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub type_oid: u32,
    pub type_modifier: i32,
}

/// The rows of one reply, kept as they came: one buffer, no allocation per row.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    data: Vec<u8>,
    starts: Vec<usize>,
}

impl Rows {
    /// `body` is the body of a DataRow: a count, then length-prefixed values.
    pub(super) fn push(&mut self, body: &[u8]) {
        self.starts.push(self.data.len());
        self.data.extend_from_slice(body);
    }

    pub(super) fn bytes(&self) -> usize {
        self.data.len()
    }

    pub fn len(&self) -> usize {
        self.starts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// `body` is the body of a FunctionCallResponse: one length-prefixed value.
    pub(super) fn push_value(&mut self, body: &[u8]) {
        self.starts.push(self.data.len());
        self.data.extend_from_slice(&1i16.to_be_bytes());
        self.data.extend_from_slice(body);
    }

    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.len()).map(|index| self.row(index))
    }

    fn row(&self, index: usize) -> Row<'_> {
        let end = self
            .starts
            .get(index + 1)
            .copied()
            .unwrap_or(self.data.len());
        Row {
            rest: self.data[self.starts[index]..end]
                .get(2..)
                .unwrap_or_default(),
        }
    }

    /// The first value of the first row.
    pub fn first_value(&self) -> Option<&[u8]> {
        if self.is_empty() {
            None
        } else {
            self.row(0).next().flatten()
        }
    }
}

/// Iterates over the values of one row; `None` inside is SQL NULL.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Row<'a> {
    type Item = Option<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        let (length, rest) = self.rest.split_first_chunk::<4>()?;
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            self.rest = rest;
            return Some(None);
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        Some(Some(value))
    }
}

/// What one statement answered.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// `None` when the statement returns no rows, or was not described.
    pub columns: Option<Vec<Column>>,
    pub rows: Rows,
    /// The command tag, `INSERT 0 5`; empty for an empty query.
    pub tag: String,
}

impl Reply {
    /// The count at the end of the command tag, 0 where it has none.
    pub fn affected(&self) -> u64 {
        self.tag
            .rsplit(' ')
            .next()
            .and_then(|n| n.parse().ok())
            .unwrap_or(0)
    }
}

/// Why a pipeline did not answer every statement.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The server refused a statement and skipped those after it.
    #[error("statement {statement}: {error}")]
    Server {
        statement: usize,
        error: Box<DbError>,
        /// `Lost` when the session ended with the error.
        status: TransactionStatus,
    },
    /// The rows of a statement passed its limit; it may have run to its end.
    #[error("statement {statement}: the result is larger than {limit} bytes")]
    ResultTooLarge { statement: usize, limit: usize },
    /// The statement asked for COPY from or to the client, which no step can answer.
    #[error("statement {statement}: COPY from stdin or to stdout has no client here")]
    Copy { statement: usize },
    /// The connection failed; what the server did is unknown.
    #[error("connection lost: {0}")]
    Io(#[from] io::Error),
    /// The peer sent what the protocol does not allow; what the server did is unknown.
    #[error("protocol error: {0}")]
    Protocol(String),
}
