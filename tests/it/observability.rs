//! What a running relay shows: metrics, health, and a span per step in the log.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::support::{Process, TestDb};

/// Status line and body of a GET.
fn get(address: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
    (
        head.lines().next().unwrap_or_default().to_owned(),
        body.to_owned(),
    )
}

/// The address that the relay says it listens on.
fn address_of(relay: &Process) -> String {
    let line = relay.wait_for_log("listening for /metrics");
    let (_, rest) = line.split_once(r#""address":""#).expect("an address");
    rest.split('"').next().unwrap().to_owned()
}

fn value(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find(|line| line.starts_with(name));
    let line = line.unwrap_or_else(|| panic!("no {name} in\n{metrics}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_shows_its_steps_and_the_queue() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    let relay = db.spawn_relay(&["--listen", "127.0.0.1:0", "--log-level", "debug"]);
    relay.wait_for_log("relay ready");
    let address = address_of(&relay);
    assert_eq!(get(&address, "/healthz").0, "HTTP/1.1 200 OK");
    assert_eq!(get(&address, "/readyz").0, "HTTP/1.1 200 OK");
    assert_eq!(get(&address, "/other").0, "HTTP/1.1 404 Not Found");
    alice
        .client
        .batch_execute("create sequence public.tries")
        .await
        .unwrap();
    let node = "df.retry_policy('select 1 / (nextval(''tries'') - 1)', 3, 0) ~> df.sleep(0)";
    let id = alice
        .text(&format!("select df.start({node})"))
        .await
        .unwrap();
    assert_eq!(db.ended(&id).await, "completed");
    let id = alice.text("select df.start('select 1/0')").await.unwrap();
    assert_eq!(db.ended(&id).await, "failed");
    let metrics = get(&address, "/metrics").1;
    let step = |end: &str| {
        let name = format!(r#"df_relay_steps_total{{node_type="SQL",end="{end}"}}"#);
        value(&metrics, &name)
    };
    assert_eq!(step("retried"), 1.0);
    assert_eq!(step("completed"), 1.0);
    assert_eq!(step("failed"), 1.0);
    assert_eq!(
        value(&metrics, r#"df_relay_step_seconds_count{node_type="SQL"}"#),
        3.0
    );
    assert_eq!(value(&metrics, "df_relay_outbox_undelivered"), 0.0);
    assert_eq!(value(&metrics, "df_relay_relays"), 1.0);
    assert!(value(&metrics, "df_relay_lease_left_seconds") > 0.0);
    assert_eq!(value(&metrics, "df_relay_instances_due"), 0.0);
    // A wait that was over a minute ago, of an instance that this relay cannot run.
    let waits = alice
        .text("select df.start(df.wait_for_signal('go'))")
        .await
        .unwrap();
    let let_go =
        format!("select owner is null and epoch > 0 from df.instances where id = '{waits}'");
    db.eventually(&let_go).await;
    let due = format!(
        "update df.instances set wake_at = now() - interval '1 minute', min_version = 1000 where id = '{waits}'"
    );
    db.client.batch_execute(&due).await.unwrap();
    let metrics = get(&address, "/metrics").1;
    assert_eq!(value(&metrics, "df_relay_instances_due"), 1.0);
    assert!(value(&metrics, "df_relay_instances_oldest_due_seconds") >= 60.0);
    assert_eq!(value(&metrics, "df_relay_outbox_undelivered"), 0.0);
    let span = relay.wait_for_log("step ended");
    for part in [r#""instance":"#, r#""epoch":"#, r#""run_path":"root.left""#] {
        assert!(span.contains(part), "{part} is not in {span}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_without_a_schema_is_alive_and_not_ready() {
    let db = TestDb::empty().await;
    let relay = db.spawn_relay(&["--listen", "127.0.0.1:0"]);
    let address = address_of(&relay);
    assert_eq!(get(&address, "/healthz").0, "HTTP/1.1 200 OK");
    let (status, body) = get(&address, "/readyz");
    assert_eq!(status, "HTTP/1.1 503 Service Unavailable");
    assert!(
        body.contains("waits for Postgres or for the schema"),
        "{body}"
    );
    assert_eq!(
        value(&get(&address, "/metrics").1, "df_relay_database_reachable"),
        0.0
    );
}

#[test]
fn an_address_that_cannot_be_had_is_an_error_at_the_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut relay = crate::support::spawn(
        &["run", "--listen", &address],
        &[("DF_DATABASE_URL", "postgres://127.0.0.1:1/none")],
    );
    assert_eq!(relay.wait().code(), Some(1), "{}", relay.log());
    assert!(relay.log().contains("cannot listen on"), "{}", relay.log());
}
