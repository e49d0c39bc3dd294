//! A failover to a replica that has not seen the last commits: relays rebuild what they hold from the
//! survivor, where everything that was lost happens again, and nothing else does.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use df_local::{Cluster, ClusterConfig, StopMode};
use df_postgres::ConnectOptions;
use tempfile::TempDir;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::support::effects::{TABLES, VIOLATIONS, trace};
use crate::support::proxy::Proxy;
use crate::support::{Process, TestDb, own_server, spawn};

const PATIENCE: Duration = Duration::from_secs(60);
const WORKFLOWS: usize = 40;

/// A primary, its streaming replica, and an address at which a relay finds whichever is the primary.
struct Pair {
    primary: Cluster,
    replica: Cluster,
    address: Proxy,
    _folder: TempDir,
}

impl Pair {
    async fn start() -> Pair {
        let primary = own_server();
        let url = primary.superuser_url("postgres");
        let make = format!(
            "create role worker login password 'pw'; select df.grant_usage('worker');
             grant create on schema public to worker; set role worker; {TABLES};
             create table numbers (n bigint); create table uses (n bigint, m bigint)"
        );
        connect(&url).await.batch_execute(&make).await.unwrap();
        let (replica, _folder) = replica_of(&primary);
        let address = Proxy::start(primary.port()).await;
        Pair {
            primary,
            replica,
            address,
            _folder,
        }
    }

    /// One relay that follows the address, and one that is told both servers, the replica first.
    fn relays(&self) -> [Process; 2] {
        let replica_first = format!("{},127.0.0.1:{}", self.replica.port(), self.primary.port());
        [self.address.port.to_string(), replica_first].map(|ports| self.relay(&ports))
    }

    fn relay(&self, ports: &str) -> Process {
        let url = self.primary.url("df_relay", "relay", "postgres");
        let there = self.primary.port();
        let url = url.replace(&format!(":{there}/"), &format!(":{ports}/"));
        let relay = spawn(&["run"], &[("DF_DATABASE_URL", &url)]);
        relay.wait_for_log("relay ready");
        relay
    }
}

/// pg_basebackup, beside the server or wherever PATH has it.
fn program(primary: &Cluster) -> PathBuf {
    let beside = primary.binaries().program("pg_basebackup");
    if beside.exists() {
        return beside;
    }
    PathBuf::from("pg_basebackup")
}

/// A replica that streams from the primary, made by pg_basebackup under the primary's account.
fn replica_of(primary: &Cluster) -> (Cluster, TempDir) {
    let folder = tempfile::Builder::new()
        .prefix("df-")
        .tempdir_in("/tmp")
        .unwrap();
    let owner = fs::metadata(primary.folder().join("pgdata")).unwrap();
    let at = |name: &str| folder.path().join(name);
    chown(folder.path(), Some(owner.uid()), Some(owner.gid())).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
    let mut copy = Command::new(program(primary));
    copy.arg("--dbname").arg(primary.superuser_url("postgres"));
    copy.arg("--pgdata").arg(at("pgdata"));
    copy.current_dir("/");
    copy.args([
        "--checkpoint=fast",
        "--wal-method=stream",
        "--write-recovery-conf",
    ]);
    if df_local::is_root() {
        copy.uid(owner.uid()).gid(owner.gid());
    }
    let copied = copy.output().unwrap();
    assert!(copied.status.success(), "{copied:?}");
    let password = primary.folder().join("superuser.password");
    fs::copy(password, at("superuser.password")).unwrap();
    let config = ClusterConfig {
        data_dir: Some(folder.path().to_owned()),
        ..ClusterConfig::for_tests()
    };
    let mut replica = Cluster::create_or_open(config).unwrap();
    replica.start().unwrap();
    (replica, folder)
}

async fn connect(url: &str) -> Client {
    ConnectOptions::parse(url).unwrap().connect().await.unwrap()
}

async fn text(client: &Client, sql: &str) -> Option<String> {
    let messages = client.simple_query(sql).await.unwrap();
    messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    })
}

async fn until(client: &Client, question: &str) {
    let deadline = Instant::now() + PATIENCE;
    while text(client, question).await.as_deref() != Some("t") {
        assert!(Instant::now() < deadline, "still not: {question}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Workflows whose later steps name what earlier ones recorded, so that a memory of lost commits would
/// show: a number that was lost must be drawn again before it is used.
async fn start_workflows(client: &Client) {
    let [a, b] = ["a", "b"].map(trace);
    let drawn =
        "df.as($$insert into numbers values ((random() * 1e15)::bigint) returning n$$, 'x')";
    let used = "$$insert into uses values ($x, $x)$$";
    let looped = "df.loop('select pg_sleep(0.02)', $$select count(*) < 15 from generate_series(1, 15) where random() < 0.95$$)";
    let graph = format!(
        "df.seq({drawn}, df.seq({looped}, df.seq({a}, df.seq({looped}, df.seq({used}, df.join({b}, df.race(df.sleep(1), df.wait_for_signal('never'))))))))"
    );
    let start = format!(
        "set role worker; select count(df.start({graph})) from generate_series(1, {WORKFLOWS}); reset role"
    );
    client.batch_execute(&start).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_replica_that_lacks_the_last_commits_is_rebuilt_from() {
    let mut pair = Pair::start().await;
    let relays = pair.relays();
    let primary = connect(&pair.primary.superuser_url("postgres")).await;
    let replica = connect(&pair.replica.superuser_url("postgres")).await;
    start_workflows(&primary).await;
    until(&replica, "select count(*) >= 10 from effects").await;
    // The stream ends here; the primary goes on, with more workflows that the replica never hears of.
    let deaf = "alter system set primary_conninfo = ''";
    replica.batch_execute(deaf).await.unwrap();
    text(&replica, "select pg_reload_conf()").await;
    until(
        &replica,
        "select not exists (select from pg_stat_wal_receiver)",
    )
    .await;
    let seen = text(&replica, "select count(*) from effects")
        .await
        .unwrap();
    let seen: usize = seen.parse().unwrap();
    start_workflows(&primary).await;
    until(
        &primary,
        &format!("select count(*) >= {} from effects", seen + 20),
    )
    .await;
    // Of the two servers that it is told, the one that takes writes.
    let second = relays[1].log();
    assert!(!second.contains("waits for the database"), "{second}");
    let incarnations =
        "select string_agg(incarnation::text, ',' order by incarnation) from df.relays";
    let before = text(&primary, incarnations).await;
    let lost = text(&primary, "select count(*) from effects")
        .await
        .unwrap();
    pair.primary.stop(StopMode::Immediate).unwrap();
    text(&replica, "select pg_promote(true, 60)").await;
    let found = text(&replica, "select count(*) from effects")
        .await
        .unwrap();
    assert!(found.parse::<usize>().unwrap() < lost.parse::<usize>().unwrap());
    pair.address.lead_to(pair.replica.port());

    until(
        &replica,
        "select not exists (select from df.instances where ended_at is null or owner is not null)",
    )
    .await;
    let log = || relays.each_ref().map(Process::log).join("\n---\n");
    let all = format!("select string_agg(v, e'\\n') from ({VIOLATIONS}) as all_of_them(v)");
    assert_eq!(text(&replica, &all).await, None, "{}", log());
    let sums = "select count(*) filter (where status = 'completed') || ' ' ||
                       (select count(*) from effects) || ' ' || (select count(*) from numbers) || ' ' ||
                       (select count(*) from uses u join numbers n using (n)) || ' ' || (select count(*) from uses)
                  from df.instances";
    let n = WORKFLOWS;
    let expected = format!("{n} {} {n} {n} {n}", 2 * n);
    assert_eq!(text(&replica, sums).await, Some(expected), "{}", log());
    let broken = "select count(*) from df.instances i, df.assert_structural_invariants(i.id)";
    assert_eq!(text(&replica, broken).await.as_deref(), Some("0"));
    let after = text(&replica, incarnations).await.unwrap();
    let before = before.unwrap();
    assert!(
        after.split(',').all(|one| !before.contains(one)),
        "{after} {before}"
    );
}

/// A survivor that lacks the last commits, or a backup that was restored in place, gives the ids of lost graphs to others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_graph_is_run_for_another_that_has_its_number_now() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    let relay = db.start_relay();
    let lost = alice.text("select df.start('select 1 as lost')").await;
    assert_eq!(db.ended(&lost.unwrap()).await, "completed");
    let gone = "truncate df.instances, df.node_runs, df.outbox, df.signals, df.graphs;
                alter table df.graphs alter id restart; delete from df.relays";
    db.client.batch_execute(gone).await.unwrap();
    relay.wait_for_log("starting over");
    let id = alice
        .text("select df.start('select 2 as kept')")
        .await
        .unwrap();
    assert_eq!(db.ended(&id).await, "completed");
    let result = alice
        .text(&format!("select df.result('{id}')"))
        .await
        .unwrap();
    assert!(result.contains(r#""kept":2"#), "{result}");
}
