//! A connection to a database whose schema this binary knows, for the commands that only read.

use df_postgres::Error;
use df_postgres::schema::{Fit, Installed, Meta, SchemaFiles, inspect};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

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

/// What is there, or why this role cannot know.
pub(crate) async fn look(client: &Client) -> anyhow::Result<Installed> {
    inspect(client).await.map_err(|error| {
        let forbidden = matches!(&error, Error::Database { source, .. }
            if source.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE));
        anyhow::Error::new(error).context(match forbidden {
            true => {
                "this role may not; connect as df_relay, a member of df_admin or a superuser, \
                 or, where it is one, run df-relay install, which gives it its grants back"
            }
            false => "looking at the schema",
        })
    })
}

/// What is installed, and how it suits this binary. Errors: no schema, or somebody else's.
pub(crate) async fn installed(client: &Client, config: &Config) -> anyhow::Result<(Meta, Fit)> {
    let files = SchemaFiles::embedded()?;
    let database = config.relay_database()?.to_string();
    match look(client).await? {
        Installed::Missing => Err(Error::MissingSchema(database).into()),
        Installed::Foreign { whose } => Err(Error::ForeignSchema { database, whose }.into()),
        Installed::Ours(meta) => {
            let fit = meta.fit(&files);
            Ok((meta, fit))
        }
    }
}
