//! A server of a test's own with a granted role, for tests that stop it, or need settings of its own.

use df_local::Cluster;
use df_postgres::ConnectOptions;
use tokio_postgres::Client;

use super::relay::{Process, spawn};
use super::server::own_server_with;

/// The schema is in its database `postgres`, where alice may use it and make tables.
pub struct OwnServer {
    pub cluster: Cluster,
}

impl OwnServer {
    pub async fn start() -> OwnServer {
        Self::start_with(&[]).await
    }

    /// With settings besides those of every test's server.
    pub async fn start_with(settings: &[(&str, &str)]) -> OwnServer {
        let cluster = own_server_with(settings);
        let own = OwnServer { cluster };
        let make = "create role alice login password 'pw'; select df.grant_usage('alice');
                    grant create on schema public to alice";
        own.superuser().await.batch_execute(make).await.unwrap();
        own
    }

    pub async fn superuser(&self) -> Client {
        connect(&self.cluster.superuser_url("postgres")).await
    }

    pub async fn alice(&self) -> Client {
        connect(&self.cluster.url("alice", "pw", "postgres")).await
    }

    pub fn relay(&self) -> Process {
        let url = self.cluster.url("df_relay", "relay", "postgres");
        spawn(&["run"], &[("DF_DATABASE_URL", &url)])
    }
}

async fn connect(url: &str) -> Client {
    ConnectOptions::parse(url).unwrap().connect().await.unwrap()
}
