//! Whether this database is where relays have run before. A restored copy is not run until an
//! operator adopts it: it would repeat requests that the original sends, too.

use df_postgres::{ConnectOptions, Error};

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
    let row = client.query_one(sql, &[]).await;
    let row = row.map_err(|source| failed("look where the database is", source))?;
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
    let row = client.query_one("select df.relay_adopt()", &[]).await;
    Ok(row
        .map_err(|source| failed("adopt the database", source))?
        .get(0))
}

fn failed(doing: &str, source: tokio_postgres::Error) -> Error {
    Error::Database {
        doing: doing.to_owned(),
        source,
    }
}
