//! A database of one test's own, cloned from the migrated template and dropped with the test.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use df_postgres::{ConnectOptions, Notifications, quote_identifier, quote_literal};
use tokio_postgres::{Client, SimpleQueryMessage};

use super::pooler::Pooler;
use super::relay::{Process, spawn};
use super::server::{Server, TEMPLATE, block_on};

/// How many instances of one test are held to the invariants: each takes some milliseconds.
const MOST_JUDGED: u32 = 200;

static NEXT: AtomicU32 = AtomicU32::new(1);
static DROPPER: OnceLock<Sender<String>> = OnceLock::new();

/// A cloned database. `client` is the superuser's.
pub struct TestDb {
    pub name: String,
    pub client: Client,
    server: &'static Server,
    /// Whether its instances are held to the structural invariants at the end.
    held: AtomicBool,
}

/// A granted role of one test, with a connection as itself.
pub struct Role {
    /// The name on the server, `<database>_<given name>`: roles belong to the whole server.
    pub name: String,
    pub client: Client,
    options: ConnectOptions,
    /// The connection string, password included.
    url: String,
}

/// A session that listens.
pub struct Listener {
    _client: Client,
    notifications: Notifications,
}

impl Listener {
    /// The payload of the next notification.
    pub async fn next(&mut self) -> String {
        let next = tokio::time::timeout(Duration::from_secs(30), self.notifications.recv()).await;
        let next = next
            .expect("a notification comes")
            .expect("the session lives");
        next.payload().to_string()
    }
}

impl TestDb {
    /// A fresh clone of the template.
    pub async fn new() -> TestDb {
        Self::cloned_from(TEMPLATE).await
    }

    /// A database without the schema.
    pub async fn empty() -> TestDb {
        Self::cloned_from("template0").await
    }

    async fn cloned_from(template: &str) -> TestDb {
        // Waits for the template in a thread that may block.
        let server = tokio::task::spawn_blocking(Server::shared).await.unwrap();
        let name = format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let admin = server.superuser("postgres").connect().await.unwrap();
        admin
            .batch_execute(&format!("create database {name} template {template}"))
            .await
            .unwrap();
        let client = server.superuser(&name).connect().await.unwrap();
        if template != TEMPLATE && server.has_pooler() {
            Pooler::set_up(&client).await;
        }
        TestDb {
            name,
            client,
            server,
            held: AtomicBool::new(template == TEMPLATE),
        }
    }

    /// Says that the test itself writes rows that no relay would, or breaks the schema.
    pub fn may_be_unsound(&self) {
        self.held.store(false, Ordering::Relaxed);
    }

    pub fn superuser_url(&self) -> String {
        self.server.cluster().superuser_url(&self.name)
    }

    /// Whether its relays have to be told of a pooler, as their variable says it.
    fn poll_only(&self) -> &'static str {
        if self.server.has_pooler() {
            "true"
        } else {
            "false"
        }
    }

    pub fn relay_url(&self) -> String {
        self.server.relay_url(&self.name)
    }

    /// A granted role, made at the first call, and a new session of it.
    pub async fn role(&self, name: &str) -> Role {
        let role = self.login(name, "pw").await;
        let grant = "select df.grant_usage($1, include_http => true)";
        self.client.query(grant, &[&role.name]).await.unwrap();
        role
    }

    /// A role that may log in and was granted nothing, and a new session of it. It may keep tables
    /// in `public`.
    pub async fn login(&self, name: &str, password: &str) -> Role {
        let name = format!("{}_{name}", self.name);
        let exists = "select exists (select from pg_roles where rolname = $1)";
        if !self
            .client
            .query_one(exists, &[&name])
            .await
            .unwrap()
            .get::<_, bool>(0)
        {
            let (role, password) = (quote_identifier(&name), quote_literal(password));
            let make = format!(
                "create role {role} login password {password};
                 grant usage, create on schema public to {role}"
            );
            self.client.batch_execute(&make).await.unwrap();
        }
        let url = self.server.cluster().url(&name, password, &self.name);
        let options = ConnectOptions::parse(&url).unwrap();
        let client = options.connect().await.unwrap();
        Role {
            name,
            client,
            options,
            url,
        }
    }

    /// The step login of a granted role.
    pub async fn step_login(&self, role: &Role) -> String {
        let name = quote_literal(&quote_identifier(&role.name));
        let login =
            format!("select login::text from df.granted_roles where role_oid = {name}::regrole");
        self.text(&login).await.expect("a step login")
    }

    /// A relay of this database as a child process, once it says that it is ready.
    pub fn start_relay(&self) -> Process {
        let relay = self.spawn_relay(&[]);
        relay.wait_for_log("relay ready");
        relay
    }

    /// A relay with more arguments; it may not be ready yet.
    pub fn spawn_relay(&self, args: &[&str]) -> Process {
        let mut all = vec!["run"];
        all.extend(args);
        spawn(
            &all,
            &[
                ("DF_DATABASE_URL", &self.relay_url()),
                ("DF_LOG_FORMAT", "json"),
                ("DF_POLL_ONLY", self.poll_only()),
            ],
        )
    }

    /// A relay with more arguments and variables, once it owns a lease.
    pub fn relay_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Process {
        let url = self.relay_url();
        let mut all = vec![
            ("DF_DATABASE_URL", url.as_str()),
            ("DF_LOG_FORMAT", "json"),
            ("DF_POLL_ONLY", self.poll_only()),
        ];
        all.extend(variables);
        let relay = spawn(&[&["run"], args].concat(), &all);
        relay.wait_for_log("relay ready");
        relay
    }

    /// What is notified on a channel from now on.
    pub async fn listen(&self, channel: &str) -> Listener {
        let superuser = self.server.superuser(&self.name);
        let (client, notifications) = superuser.connect_listening().await.unwrap();
        client
            .batch_execute(&format!("listen {channel}"))
            .await
            .unwrap();
        Listener {
            _client: client,
            notifications,
        }
    }

    /// The first column of the first row as text; panics with the server's own message.
    pub async fn text(&self, sql: &str) -> Option<String> {
        text(&self.client, sql).await
    }
}

impl Role {
    /// A connection string for other programs.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Another session of this role.
    pub async fn session(&self) -> Client {
        self.options.connect().await.unwrap()
    }

    /// As [`TestDb::text`], as this role.
    pub async fn text(&self, sql: &str) -> Option<String> {
        text(&self.client, sql).await
    }
}

/// Runs simple-protocol SQL, so that any type comes as its text.
async fn text(client: &Client, sql: &str) -> Option<String> {
    let messages = client.simple_query(sql).await;
    let messages = messages.unwrap_or_else(|e| panic!("{sql}: {}", df_postgres::describe(&e)));
    messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(String::from),
        _ => None,
    })
}

impl Drop for TestDb {
    /// Holds every instance to the structural invariants, the end of every end-to-end test.
    ///
    /// Hundreds of databases would fill a small disk. Nobody waits for it: dropping a database
    /// waits for every backend to react, one that authenticates a client of this thread included.
    fn drop(&mut self) {
        if self.held.load(Ordering::Relaxed) && !std::thread::panicking() {
            let (server, name) = (self.server, self.name.as_str());
            let judged = std::thread::scope(|scope| {
                scope.spawn(|| block_on(violations(server, name))).join()
            });
            let found = judged.expect("the invariants can be asked for");
            assert_eq!(found, None, "an instance of {name} is unsound");
        }
        let dropper = DROPPER.get_or_init(|| start_dropper(self.server));
        let _ = dropper.send(self.name.clone());
    }
}

/// What the instances of a database violate, the latest of many.
async fn violations(server: &Server, database: &str) -> Option<String> {
    let client = server.superuser(database).connect().await.unwrap();
    let sql = format!(
        "select string_agg(concat_ws(' ', i.id, i.status, v.invariant, v.node_id, v.detail), e'\n')
           from (select * from df.instances order by created_at desc limit {MOST_JUDGED}) i,
                df.assert_structural_invariants(i.id) v"
    );
    text(&client, &sql).await
}

/// One thread drops the databases that tests have done with, one after the other.
fn start_dropper(server: &'static Server) -> Sender<String> {
    let (sender, names) = std::sync::mpsc::channel::<String>();
    std::thread::spawn(move || {
        for name in names {
            block_on(async {
                // A failure here is no test's failure.
                if let Ok(client) = server.superuser("postgres").connect().await {
                    let sql = format!("drop database if exists {name} with (force)");
                    let _ = client.batch_execute(&sql).await;
                }
            });
        }
    });
    sender
}
