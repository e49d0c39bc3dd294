//! A connection to a database whose schema this binary knows, for the commands that only read.

use anyhow::Context as _;
use df_postgres::Error;
use df_postgres::schema::{Fit, Installed, Meta, SchemaFiles, inspect};
use tokio_postgres::Client;

use crate::config::Config;

/// Connects as the relay does. Errors: no schema, somebody else's, or a newer one.
pub(crate) async fn client_of_known_schema(config: &Config) -> anyhow::Result<Client> {
    let database = config.relay_database()?;
    let client = database.connect().await?;
    let (meta, fit) = installed(&client, config).await?;
    if fit == Fit::Newer {
        return Err(Error::NewerSchema {
            found: meta.version,
            known: SchemaFiles::embedded()?.version(),
            installed_by: meta.installed_by,
        }
        .into());
    }
    Ok(client)
}

/// What is installed, and how it suits this binary. Errors: no schema, or somebody else's.
pub(crate) async fn installed(client: &Client, config: &Config) -> anyhow::Result<(Meta, Fit)> {
    let files = SchemaFiles::embedded()?;
    let database = config.relay_database()?.to_string();
    match inspect(client).await.context("looking at the schema")? {
        Installed::Missing => Err(Error::MissingSchema(database).into()),
        Installed::Foreign { whose } => Err(Error::ForeignSchema { database, whose }.into()),
        Installed::Ours(meta) => {
            let fit = meta.fit(&files);
            Ok((meta, fit))
        }
    }
}
