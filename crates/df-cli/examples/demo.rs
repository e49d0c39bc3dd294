//! `make demo`: twenty orders go through a private Postgres; the relay is killed with SIGKILL twice
//! on the way. At the end every SQL effect is counted: exactly once each.
//!
//! Everything shown is read back from the database or from the shop's payment server.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use df_local::{Cluster, ClusterConfig, StopMode};
use df_postgres::install::{InstallOptions, RelayPassword, install};
use df_postgres::schema::SchemaFiles;
use df_postgres::{ConnectOptions, RELAY_ROLE};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

const ORDERS: i64 = 20;
const PATIENCE: Duration = Duration::from_secs(60);

/// The workflow of one order. `{order}` is a variable that the session sets before it starts.
const WORKFLOW: &str = "
SELECT df.start(
     'UPDATE stock SET held = held + 1 WHERE sku = 7'
  ~> (df.http('http://127.0.0.1:{port}/charge', 'POST', '{\"order\": {order}}') |=> 'charge')
  ~> (df.wait_for_signal('paid', 600) |=> 'paid')
  ~> df.if('SELECT NOT $paid.timed_out',
           ('INSERT INTO shop_log VALUES ({order}, ''packed'')'
            & 'INSERT INTO shop_log VALUES ({order}, ''invoiced'')')
           ~> df.loop('INSERT INTO shop_log VALUES ({order}, ''scanned'')'
                      ~> df.if('SELECT count(*) >= 3 FROM shop_log WHERE order_id = {order} AND what = ''scanned''',
                               df.break('\"shipped\"'),
                               df.sleep(1))),
           'UPDATE stock SET held = held - 1 WHERE sku = 7'),
  'order ' || $1)";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let began = Instant::now();
    println!("1. A private Postgres, the schema, a role that may start workflows");
    let mut shop = Shop::open().await?;
    let mut relay = shop.start_relay()?;

    println!(
        "2. {ORDERS} orders: reserve stock, charge over HTTP, wait for 'paid', then pack and invoice\n   in parallel, and scan the parcel in a loop until it has been seen three times"
    );
    let orders = shop.start_orders().await?;
    let first = orders[0].clone();
    shop.until("every order waits to be paid", || shop.waiting())
        .await?;
    shop.explain(&first).await?;

    println!("3. kill -9 of the relay; the customers pay while none is running");
    relay.kill().context("killing the relay")?;
    relay.wait()?;
    shop.pay(&orders).await?;
    println!(
        "   {} signals are in the outbox",
        shop.count("df.outbox where kind = 'signal'").await?
    );

    println!("4. A new relay; once some parcels have been scanned it is killed, too");
    relay = shop.start_relay()?;
    shop.until("half the first scans are done", || shop.scanned())
        .await?;
    relay.kill().context("killing the relay")?;
    relay.wait()?;
    shop.explain(&first).await?;

    println!("5. A third relay finishes");
    relay = shop.start_relay()?;
    shop.until("every order has completed", || shop.completed())
        .await?;
    shop.explain(&first).await?;
    let outcome = shop.check().await;
    relay.kill().context("killing the relay")?;
    relay.wait()?;
    shop.cluster.stop(StopMode::Fast)?;
    outcome?;
    println!(
        "\nDone in {:.0} s. Try it yourself: make dev",
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

/// The private server, a session of the shop's role, and the payment server's memory.
struct Shop {
    cluster: Cluster,
    relay_url: String,
    client: Client,
    port: u16,
    charges: Arc<Mutex<HashMap<String, usize>>>,
}

impl Shop {
    async fn open() -> anyhow::Result<Shop> {
        let mut cluster = Cluster::create_or_open(ClusterConfig::default())?;
        cluster.start()?;
        let relay_password = cluster.password_of(RELAY_ROLE)?;
        let database = ConnectOptions::parse(&cluster.superuser_url("postgres"))?;
        let options = InstallOptions {
            relay_password: Some(RelayPassword(relay_password.clone())),
            ..InstallOptions::default()
        };
        let files = SchemaFiles::embedded()?;
        install(&database, &files, &options, &CancellationToken::new()).await?;
        let admin = database.connect().await?;
        let password = cluster.password_of("shop")?;
        admin
            .batch_execute(&format!(
                "create role shop login password '{password}';
                 grant create, usage on schema public to shop;
                 select df.grant_usage('shop', include_http => true);
                 select df.configure('http_allow_private', 'true');"
            ))
            .await?;
        let url = cluster.url("shop", &password, "postgres");
        let client = ConnectOptions::parse(&url)?.connect().await?;
        client
            .batch_execute(
                "create table stock (sku int primary key, held int not null);
                 insert into stock values (7, 0);
                 create table shop_log (order_id int, what text);",
            )
            .await?;
        let charges = Arc::<Mutex<HashMap<String, usize>>>::default();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        tokio::spawn(payment_server(listener, charges.clone()));
        let relay_url = cluster.url(RELAY_ROLE, &relay_password, "postgres");
        Ok(Shop {
            cluster,
            relay_url,
            client,
            port,
            charges,
        })
    }

    /// A relay as a process of its own. Its short lease makes takeover quick to watch.
    fn start_relay(&self) -> anyhow::Result<Child> {
        let relay = Command::new(df_relay()?)
            .args(["run", "--lease-seconds", "2"])
            .env("DF_DATABASE_URL", &self.relay_url)
            .env("DF_LOG_LEVEL", "error")
            .stdin(Stdio::null())
            .spawn()
            .context("starting df-relay run")?;
        println!("   relay running, pid {}", relay.id());
        Ok(relay)
    }

    async fn start_orders(&self) -> anyhow::Result<Vec<String>> {
        let workflow = WORKFLOW.replace("{port}", &self.port.to_string());
        let mut orders = Vec::new();
        for order in 1..=ORDERS {
            let order = order.to_string();
            self.client
                .query("select df.setvar('order', $1)", &[&order])
                .await?;
            orders.push(self.client.query_one(&workflow, &[&order]).await?.get(0));
        }
        Ok(orders)
    }

    async fn pay(&self, orders: &[String]) -> anyhow::Result<()> {
        self.client
            .query(
                "select df.signal(id, 'paid', '{\"by\": \"card\"}') from unnest($1::text[]) as id",
                &[&orders],
            )
            .await?;
        Ok(())
    }

    async fn count(&self, of: &str) -> anyhow::Result<i64> {
        Ok(self
            .client
            .query_one(&format!("select count(*) from {of}"), &[])
            .await?
            .get(0))
    }

    async fn waiting(&self) -> anyhow::Result<bool> {
        let failed = self.count("df.instances where status = 'failed'").await?;
        ensure!(failed == 0, "an order failed: {}", self.failure().await?);
        Ok(self.count("df.node_runs where status = 'waiting'").await? == ORDERS)
    }

    async fn scanned(&self) -> anyhow::Result<bool> {
        Ok(self.count("shop_log where what = 'scanned'").await? >= ORDERS / 2)
    }

    async fn completed(&self) -> anyhow::Result<bool> {
        let failed = self.count("df.instances where status = 'failed'").await?;
        ensure!(failed == 0, "an order failed: {}", self.failure().await?);
        Ok(self
            .count("df.instances where status = 'completed'")
            .await?
            == ORDERS)
    }

    async fn failure(&self) -> anyhow::Result<String> {
        let sql = "select error from df.instances where status = 'failed' limit 1";
        Ok(self.client.query_one(sql, &[]).await?.get(0))
    }

    async fn until<F>(&self, what: &str, holds: impl Fn() -> F) -> anyhow::Result<()>
    where
        F: Future<Output = anyhow::Result<bool>>,
    {
        let since = Instant::now();
        while !holds().await? {
            if since.elapsed() > PATIENCE {
                bail!("waited {PATIENCE:?} in vain until {what}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        println!("   {what} ({:.1} s)", since.elapsed().as_secs_f64());
        Ok(())
    }

    async fn explain(&self, instance: &str) -> anyhow::Result<()> {
        let drawn: String = self
            .client
            .query_one("select df.explain($1)", &[&instance])
            .await?
            .get(0);
        println!(
            "\n{}\n",
            drawn
                .lines()
                .map(|line| format!("      {line}\n"))
                .collect::<String>()
                .trim_end()
        );
        Ok(())
    }

    /// Counts every effect. The shop's tables have no unique key: nothing but df-relay keeps a step
    /// from happening twice.
    async fn check(&self) -> anyhow::Result<()> {
        println!("   effects, of {ORDERS} orders:");
        let held: i32 = self
            .client
            .query_one("select held from stock", &[])
            .await?
            .get(0);
        let mut right = report("stock held", i64::from(held), ORDERS);
        for (what, each) in [("packed", 1), ("invoiced", 1), ("scanned", 3)] {
            let count = self
                .count(&format!("shop_log where what = '{what}'"))
                .await?;
            right &= report(what, count, ORDERS * each);
        }
        let (keys, requests) = {
            let charges = self.charges.lock().expect("no panic under this lock");
            (charges.len() as i64, charges.values().sum::<usize>())
        };
        right &= report("charges by Idempotency-Key", keys, ORDERS);
        println!(
            "   ({requests} requests were sent: HTTP is at least once, and its key says which is which)"
        );
        ensure!(right, "an effect is missing or happened twice");
        Ok(())
    }
}

fn report(what: &str, count: i64, expected: i64) -> bool {
    let verdict = if count == expected {
        "exactly once each"
    } else {
        "WRONG"
    };
    println!("     {what:<28}{count:>4}   {verdict}");
    count == expected
}

/// Answers every request with 200, and counts requests by their Idempotency-Key.
async fn payment_server(listener: TcpListener, charges: Arc<Mutex<HashMap<String, usize>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let charges = charges.clone();
        tokio::spawn(async move {
            // A request cut off by the kill is not counted: it never arrived.
            let _ = charge(stream, &charges).await;
        });
    }
}

async fn charge(
    mut stream: TcpStream,
    charges: &Mutex<HashMap<String, usize>>,
) -> anyhow::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|window| window == b"\r\n\r\n") {
        ensure!(stream.read_buf(&mut request).await? > 0, "cut off");
    }
    let head = String::from_utf8_lossy(&request).to_lowercase();
    let key = head
        .lines()
        .find_map(|line| line.strip_prefix("idempotency-key:"))
        .context("no Idempotency-Key")?;
    *charges
        .lock()
        .expect("no panic under this lock")
        .entry(key.trim().to_owned())
        .or_default() += 1;
    let body = r#"{"charged":true}"#;
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    Ok(())
}

/// The binary beside this example: `<target>/<profile>/df-relay`.
fn df_relay() -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe()?;
    let binary = this
        .ancestors()
        .nth(2)
        .context("an example is in <profile>/examples")?
        .join("df-relay");
    ensure!(
        binary.exists(),
        "{} is missing: run make demo, which builds it",
        binary.display()
    );
    Ok(binary)
}
