//! Where a run takes place: a database of its own, with roles of its own, made and dropped by the
//! run. It must not touch another database, nor the password of a role that was there before.

use anyhow::{Context as _, bail};
use df_local::{Cluster, ClusterConfig, StopMode};
use df_postgres::install::{InstallOptions, install, uninstall};
use df_postgres::schema::SchemaFiles;
use df_postgres::{ConnectOptions, RELAY_ROLE, quote_identifier, quote_literal};
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

/// What every run's database and roles are named after; eight random hex digits follow.
const PREFIX: &str = "df_bench_";
/// Roles that start workflows when several do.
pub const CROWD: usize = 16;

/// A database of this run's own.
pub struct Place {
    pub client: Client,
    pub name: String,
    pub is_private: bool,
    server: ConnectOptions,
    database: ConnectOptions,
    password: String,
    /// Whether the df roles were there before, and have to stay.
    had_roles: bool,
    cluster: Option<Cluster>,
    /// Whether instances were put there to lie around.
    is_crowded: bool,
}

impl Place {
    /// Makes the database on the server that `given` names, or on a private one, with the schema,
    /// the tables that steps write to, the queue by hand, and the roles. Each flush of the log waits for `commit_delay`
    /// microseconds.
    pub async fn create(
        given: Option<ConnectOptions>,
        commit_delay: Option<u32>,
    ) -> anyhow::Result<Place> {
        let (server, cluster) = match given {
            Some(server) => (server, None),
            None => {
                let cluster = tokio::task::spawn_blocking(private_cluster).await??;
                let url = cluster.superuser_url("postgres");
                (ConnectOptions::parse(&url)?, Some(cluster))
            }
        };
        let admin = server.connect().await?;
        let random =
            "select left(replace(gen_random_uuid()::text, '-', ''), 8), gen_random_uuid()::text,
                             exists (select from pg_roles where rolname = $1)";
        let row = admin.query_one(random, &[&RELAY_ROLE]).await?;
        let name = format!("{PREFIX}{}", row.get::<_, &str>(0));
        let create = format!("create database {}", quote_identifier(&name));
        // Fails where a database of that name is there, so nobody else's is ever used.
        admin
            .batch_execute(&create)
            .await
            .context("making the database of the run")?;
        if let Some(microseconds) = commit_delay {
            // For every session of the run, and without waiting for others to commit too.
            let database = quote_identifier(&name);
            let settings = format!(
                "alter database {database} set commit_siblings = 0;
                 alter database {database} set commit_delay = {microseconds}"
            );
            if let Err(error) = admin.batch_execute(&settings).await {
                let drop = format!("drop database {database}");
                admin.batch_execute(&drop).await?;
                return Err(error).context("setting commit_delay, which takes a superuser");
            }
        }
        let database = server.clone().with_database(&name);
        let place = Place {
            client: database.connect().await?,
            is_private: cluster.is_some(),
            password: row.get(1),
            had_roles: row.get(2),
            name,
            server,
            database,
            cluster,
            is_crowded: false,
        };
        match place.prepare().await {
            Ok(()) => Ok(place),
            Err(error) => {
                place.remove().await?;
                Err(error)
            }
        }
    }

    async fn prepare(&self) -> anyhow::Result<()> {
        let files = SchemaFiles::embedded()?;
        let options = InstallOptions::default();
        install(&self.database, &files, &options, &CancellationToken::new()).await?;
        let relay = self.relay_role();
        let mut sql = String::new();
        for role in self.roles() {
            let (role, password) = (quote_identifier(&role), quote_literal(&self.password));
            sql.push_str(&format!("create role {role} login password {password};"));
        }
        sql.push_str(&format!(
            "grant {RELAY_ROLE} to {};",
            quote_identifier(&relay)
        ));
        sql.push_str(include_str!("sql/tables.sql"));
        sql.push_str(include_str!("sql/by_hand.sql"));
        self.client
            .batch_execute(&sql)
            .await
            .context("making the roles of the run")?;
        for role in self.roles().iter().filter(|role| **role != relay) {
            let grant = "select df.grant_usage($1)";
            self.client.query(grant, &[role]).await?;
        }
        Ok(())
    }

    fn relay_role(&self) -> String {
        format!("{}_relay", self.name)
    }

    fn crowd_role(&self, number: usize) -> String {
        format!("{}_r{number:02}", self.name)
    }

    fn roles(&self) -> Vec<String> {
        let crowd = (0..CROWD).map(|number| self.crowd_role(number));
        crowd.chain([self.relay_role()]).collect()
    }

    /// The database as the run itself sees it.
    pub fn own(&self) -> ConnectOptions {
        self.database.clone()
    }

    /// The database as the relay's login.
    pub fn relay(&self) -> ConnectOptions {
        self.as_role(&self.relay_role())
    }

    /// The database as one of the roles that start workflows, 0 to `CROWD - 1`.
    pub fn caller(&self, number: usize) -> ConnectOptions {
        self.as_role(&self.crowd_role(number))
    }

    pub fn password(&self) -> &str {
        &self.password
    }

    fn as_role(&self, role: &str) -> ConnectOptions {
        self.database
            .clone()
            .with_user(role)
            .with_password(&self.password)
            .with_application_name("df-relay bench")
    }

    /// The folder of the private server's programs.
    pub fn programs(&self) -> Option<&std::path::Path> {
        Some(self.cluster.as_ref()?.binaries().folder())
    }

    /// Empties df and the run's own tables, so that one measurement does not burden the next.
    pub async fn reset(&self) -> anyhow::Result<()> {
        let empty = match self.is_crowded {
            true => include_str!("sql/reset_crowded.sql"),
            false => include_str!("sql/reset.sql"),
        };
        self.client
            .batch_execute(empty)
            .await
            .context("emptying the tables")?;
        if self.is_crowded {
            // Where all is emptied no dead row is left either. Outside the batch, since it cannot run in a transaction.
            let tables = "vacuum df.instances, df.outbox, df.node_runs, df.signals";
            self.client.batch_execute(tables).await?;
        }
        // Only a superuser may, and only the full-page images of the next writes depend on it.
        let _ = self.client.batch_execute("checkpoint").await;
        Ok(())
    }

    /// Puts `count` finished and `count` waiting instances there, to stay until the end.
    pub async fn fill(&mut self, count: u64) -> anyhow::Result<()> {
        self.reset().await?;
        let role = quote_identifier(&self.crowd_role(0));
        let sql = include_str!("sql/fill.sql")
            .replace("@role@", &role)
            .replace("@n@", &count.to_string());
        self.client
            .batch_execute(&sql)
            .await
            .context("making the instances that lie around")?;
        // Outside the batch, since it cannot run in a transaction.
        self.client.batch_execute("vacuum analyze").await?;
        self.is_crowded = true;
        Ok(())
    }

    /// Drops everything that this run made on the server.
    pub async fn remove(self) -> anyhow::Result<()> {
        if let Some(mut cluster) = self.cluster {
            drop(self.client);
            let stop = move || cluster.stop(StopMode::Immediate);
            return Ok(tokio::task::spawn_blocking(stop).await??);
        }
        if !self.name.starts_with(PREFIX) {
            bail!("{} is no database of a run", self.name);
        }
        if self.had_roles {
            for role in (0..CROWD).map(|number| self.crowd_role(number)) {
                // Its step login goes; a role that was never granted has none.
                let _ = self
                    .client
                    .query("select df.revoke_usage($1)", &[&role])
                    .await;
            }
        } else {
            let _ = uninstall(&self.database).await;
        }
        let roles = self.roles();
        drop(self.client);
        let admin = self.server.connect().await?;
        let drop_database = format!(
            "drop database if exists {} with (force)",
            quote_identifier(&self.name)
        );
        admin
            .batch_execute(&drop_database)
            .await
            .context("dropping the run's database")?;
        for role in roles {
            let drop_role = format!("drop role if exists {}", quote_identifier(&role));
            admin.batch_execute(&drop_role).await?;
        }
        Ok(())
    }
}

/// A server of this run's own at default durability; only the number of connections is raised.
fn private_cluster() -> Result<Cluster, df_local::Error> {
    let settings = vec![("max_connections".to_owned(), "250".to_owned())];
    let mut cluster = Cluster::create_or_open(ClusterConfig {
        settings,
        ..ClusterConfig::default()
    })?;
    cluster.start()?;
    Ok(cluster)
}
