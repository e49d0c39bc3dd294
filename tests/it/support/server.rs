//! The server that all tests of this binary share. Started by the first test that needs it; statics
//! are never dropped, so the cluster's guard process stops it when this process ends, in any way.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use df_local::{Cluster, ClusterConfig};
use df_postgres::install::{InstallOptions, RelayPassword, install};
use df_postgres::schema::SchemaFiles;
use df_postgres::{ConnectOptions, RELAY_ROLE};
use tokio_util::sync::CancellationToken;

use super::pooler::Pooler;
use super::relay::spawn;

/// The database with the schema that every test's own is cloned from.
pub const TEMPLATE: &str = "df_template";
const RELAY_PASSWORD: &str = "relay";

/// A failure is kept too: every test then says the same at once.
static SHARED: OnceLock<Result<Server, String>> = OnceLock::new();

/// A running private server with the template database.
pub struct Server {
    cluster: Cluster,
    /// Where `DF_TEST_POOLER` asks for one: relays then reach the server through it alone.
    pooler: Option<Pooler>,
}

/// How many sessions the pooler lends for each role and database, if there is to be one.
fn pooler_sessions() -> Option<u32> {
    let asked = std::env::var("DF_TEST_POOLER").ok()?;
    Some(asked.parse().expect("DF_TEST_POOLER is a number"))
}

/// A server of a test's own, which it may stop or kill, with the schema in its database `postgres`.
pub fn own_server() -> Cluster {
    own_server_with(&[])
}

/// The same, with settings besides those of every test's server.
pub fn own_server_with(settings: &[(&str, &str)]) -> Cluster {
    let mut config = ClusterConfig::for_tests();
    let settings = settings
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()));
    config.settings.extend(settings);
    let mut cluster = Cluster::create_or_open(config).unwrap();
    cluster.start().unwrap();
    let url = cluster.superuser_url("postgres");
    let variables = [
        ("DF_DATABASE_URL", url.as_str()),
        ("DF_RELAY_PASSWORD", RELAY_PASSWORD),
    ];
    let mut install = spawn(&["install"], &variables);
    assert!(install.wait().success(), "{}", install.log());
    cluster
}

impl Server {
    /// The shared one.
    pub fn shared() -> &'static Server {
        let started = SHARED.get_or_init(|| {
            let cluster = Cluster::create_or_open(ClusterConfig::for_tests());
            let mut cluster = cluster.map_err(|error| error.to_string())?;
            cluster.start().map_err(|error| error.to_string())?;
            let pooler = pooler_sessions().map(|sessions| Pooler::start(&cluster, sessions));
            let server = Server { cluster, pooler };
            // The caller's runtime cannot be blocked on from inside itself.
            let made =
                std::thread::scope(|scope| scope.spawn(|| block_on(server.make_template())).join());
            let made = made.unwrap_or_else(|_| Err("making the template panicked".to_string()));
            made.map(|()| server)
        });
        started
            .as_ref()
            .unwrap_or_else(|error| panic!("no server for the tests: {error}"))
    }

    async fn make_template(&self) -> Result<(), String> {
        let client = self.superuser("postgres").connect().await.unwrap();
        client
            .batch_execute(&format!("create database {TEMPLATE}"))
            .await
            .unwrap();
        let files = SchemaFiles::read(&sql_folder()).map_err(|error| error.to_string())?;
        let options = InstallOptions {
            relay_password: Some(RelayPassword(RELAY_PASSWORD.to_string())),
            ..InstallOptions::default()
        };
        let template = self.superuser(TEMPLATE);
        let installed = install(&template, &files, &options, &CancellationToken::new()).await;
        if self.pooler.is_some() {
            Pooler::set_up(&template.connect().await.unwrap()).await;
        }
        installed
            .map(drop)
            .map_err(|error| format!("the schema does not install: {error}"))
    }

    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Options to connect as the superuser.
    pub fn superuser(&self, database: &str) -> ConnectOptions {
        ConnectOptions::parse(&self.cluster.superuser_url(database)).unwrap()
    }

    /// The connection string of a relay.
    pub fn relay_url(&self, database: &str) -> String {
        let url = self.cluster.url(RELAY_ROLE, RELAY_PASSWORD, database);
        match &self.pooler {
            Some(pooler) => pooler.through(&url, self.cluster.port()),
            None => url,
        }
    }

    /// Whether relays reach this server through a pooler.
    pub fn has_pooler(&self) -> bool {
        self.pooler.is_some()
    }
}

/// The `sql/` folder of this workspace.
pub fn sql_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../sql")
}

/// Runs a future on a runtime of its own, outside any other.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime starts").block_on(future)
}
