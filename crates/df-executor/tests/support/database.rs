//! A database of one's own for each test, and plain connections to it.

use super::cluster::Cluster;
use df_executor::render::{CatalogError, TYPE_QUERY, TypeCatalog, TypeInfo};
use df_executor::wire::{ConnectConfig, Connection, Param, Reply, Statement};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

pub const LIMIT: usize = 16 * 1024 * 1024;

#[derive(Clone)]
pub struct Database {
    pub cluster: Arc<Cluster>,
    pub name: String,
}

impl Database {
    pub fn create() -> Database {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let cluster = Cluster::shared();
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        cluster.psql("postgres", &format!("create database {name}"));
        Database { cluster, name }
    }

    pub fn psql(&self, script: &str) -> String {
        self.cluster.psql(&self.name, script)
    }

    pub fn config(&self, user: &str) -> ConnectConfig {
        let server = format!("host=127.0.0.1 port={}", self.cluster.port);
        ConnectConfig {
            user: user.into(),
            database: self.name.clone(),
            application_name: "test".into(),
            ..ConnectConfig::new(server.parse().expect("connection options"))
        }
    }

    pub async fn connect(&self, user: &str) -> Connection {
        Connection::connect(Arc::new(self.config(user)))
            .await
            .expect("connects")
    }
}

/// Runs one statement and returns its reply.
pub async fn query(connection: &mut Connection, sql: &str) -> Reply {
    let mut replies = connection
        .pipeline(&[Statement::query(sql, LIMIT)])
        .await
        .expect(sql);
    replies.pop().expect("one reply")
}

/// The first column of the first row, as text.
pub async fn scalar(connection: &mut Connection, sql: &str) -> String {
    let reply = query(connection, sql).await;
    String::from_utf8(reply.rows.first_value().expect("a value").to_vec()).expect("UTF-8")
}

/// The catalog as the relay's own connection sees it.
pub struct Catalog(pub Database);

#[async_trait::async_trait]
impl TypeCatalog for Catalog {
    async fn lookup(&self, oids: &[u32]) -> Result<Vec<TypeInfo>, CatalogError> {
        let mut connection = self.0.connect("postgres").await;
        let list: Vec<_> = oids.iter().map(u32::to_string).collect();
        let list = format!("{{{}}}", list.join(","));
        let params = [Param {
            type_oid: 1028,
            value: Some(&list),
        }];
        let call = Statement {
            params: &params,
            ..Statement::query(TYPE_QUERY, LIMIT)
        };
        let replies = connection
            .pipeline(&[call])
            .await
            .map_err(|e| CatalogError(Box::new(e)))?;
        Ok(TypeInfo::from_reply(&replies[0]))
    }
}
