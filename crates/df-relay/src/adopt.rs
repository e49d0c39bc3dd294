//! Whether this database is where relays have run before. A restored copy is not run until an
//! operator adopts it: it would repeat requests that the original sends, too.

use df_postgres::{ConnectOptions, Error, query_unnamed};

/// Where a database is, and where relays first ran on it: system identifier and database OID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub is_ours: bool,
    pub first_run_at: String,
    pub here: String,
}

/// Notes where the database is, at the first call ever, and tells whether it is still there.
///
/// # Errors
/// What the server says, or why it cannot be reached.
pub async fn identify(options: &ConnectOptions) -> Result<Identity, Error> {
    let client = options.connect().await?;
    let sql = "select ours, first_run_at, here from df.relay_identify()";
    let rows = query_unnamed(&client, sql, &[]).await;
    let rows = rows.map_err(|source| failed("look where the database is", source))?;
    let row = &rows[0];
    Ok(Identity {
        is_ours: row.get(0),
        first_run_at: row.get(1),
        here: row.get(2),
    })
}

/// Declares this copy the one to run; returns where it is.
///
/// # Errors
/// As [`identify`].
pub async fn adopt(options: &ConnectOptions) -> Result<String, Error> {
    let client = options.connect().await?;
    let rows = query_unnamed(&client, "select df.relay_adopt()", &[]).await;
    Ok(rows.map_err(|source| failed("adopt the database", source))?[0].get(0))
}

fn failed(doing: &str, source: tokio_postgres::Error) -> Error {
    Error::Database {
        doing: doing.to_owned(),
        source,
    }
}
