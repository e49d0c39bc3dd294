//! A private cluster through its life, with the system's real binaries.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use df_local::{Cluster, ClusterConfig, Error, Listen, StopMode};
use tokio_postgres::NoTls;

const CHILD_MARK: &str = "DF_LOCAL_TEST_CHILD";

#[test]
fn data_survives_stop_kill_and_reopening() {
    let folder = tempfile::Builder::new()
        .prefix("df-test-")
        .tempdir_in("/tmp")
        .unwrap();
    let data_dir = folder.path().join("kept");
    allow_passing(folder.path());
    let config = ClusterConfig {
        data_dir: Some(data_dir),
        ..ClusterConfig::for_tests()
    };

    let mut cluster = Cluster::create_or_open(config.clone()).unwrap();
    cluster.start().unwrap();
    let port = cluster.port();
    query(
        &cluster,
        "create table kept (n int); insert into kept values (1)",
    )
    .unwrap();
    cluster.stop(StopMode::Fast).unwrap();
    assert!(cluster.pid().is_none());
    assert!(query(&cluster, "select 1").is_err());

    cluster.restart().unwrap();
    assert_eq!(query(&cluster, "select n from kept").unwrap(), "1");

    let killed = cluster.pid().unwrap();
    cluster.kill().unwrap();
    cluster.start().unwrap();
    assert_ne!(cluster.pid().unwrap(), killed);
    assert_eq!(query(&cluster, "select n from kept").unwrap(), "1");

    cluster.stop(StopMode::Immediate).unwrap();
    drop(cluster);
    let mut reopened = Cluster::create_or_open(config).unwrap();
    reopened.start().unwrap();
    assert_eq!(reopened.port(), port);
    assert_eq!(query(&reopened, "select n from kept").unwrap(), "1");
}

#[test]
fn a_second_process_cannot_open_the_same_folder() {
    let folder = tempfile::Builder::new()
        .prefix("df-test-")
        .tempdir_in("/tmp")
        .unwrap();
    allow_passing(folder.path());
    let data_dir = Some(folder.path().join("kept"));
    let config = ClusterConfig {
        data_dir,
        ..ClusterConfig::for_tests()
    };
    let _first = Cluster::create_or_open(config.clone()).unwrap();
    assert!(matches!(
        Cluster::create_or_open(config),
        Err(Error::InUse(_))
    ));
}

#[test]
fn a_stale_pid_file_does_not_stop_a_start() {
    let mut cluster = Cluster::create_or_open(ClusterConfig::for_tests()).unwrap();
    let mut ended = Command::new("true").spawn().unwrap();
    ended.wait().unwrap();
    for pid in [ended.id(), std::process::id()] {
        let pid_file = cluster.folder().join("pgdata/postmaster.pid");
        let pgdata = cluster.folder().join("pgdata");
        std::fs::write(
            &pid_file,
            format!("{pid}\n{}\n0\n0\n\n\n", pgdata.display()),
        )
        .unwrap();
        cluster.start().unwrap();
        assert_eq!(query(&cluster, "select 1").unwrap(), "1");
        cluster.stop(StopMode::Fast).unwrap();
    }
}

#[test]
fn a_temporary_cluster_leaves_nothing_behind() {
    let config = ClusterConfig {
        listen: Listen::SocketOnly,
        ..ClusterConfig::for_tests()
    };
    let mut cluster = Cluster::create_or_open(config).unwrap();
    cluster.start().unwrap();
    assert_eq!(query(&cluster, "select 1").unwrap(), "1");
    let (folder, pid) = (cluster.folder().to_path_buf(), cluster.pid().unwrap());
    drop(cluster);
    assert!(!folder.exists());
    assert!(!is_alive(pid));
}

#[test]
fn a_wrong_password_is_refused_on_tcp_and_on_the_socket() {
    for listen in [Listen::Loopback, Listen::SocketOnly] {
        let config = ClusterConfig {
            listen,
            ..ClusterConfig::for_tests()
        };
        let mut cluster = Cluster::create_or_open(config).unwrap();
        cluster.start().unwrap();
        let error = query_url(&cluster.url("postgres", "guess", "postgres"), "select 1");
        assert!(
            error
                .unwrap_err()
                .contains("password authentication failed")
        );
    }
}

#[test]
fn a_taken_port_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let config = ClusterConfig {
        port: Some(port),
        ..ClusterConfig::for_tests()
    };
    let mut cluster = Cluster::create_or_open(config).unwrap();
    let error = cluster.start().unwrap_err();
    assert!(
        matches!(error, Error::PortTaken(taken) if taken == port),
        "{error}"
    );
}

/// The test binary runs itself as a child, which starts a cluster and is killed.
#[test]
fn a_killed_parent_takes_its_server_along() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_is_killed", "--nocapture"])
        .env(CHILD_MARK, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = child.stdout.take().unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(output));
    let line = lines
        .map(Result::unwrap)
        .find(|line| line.contains("cluster "))
        .unwrap();
    let mut words = line
        .split_whitespace()
        .skip_while(|word| *word != "cluster")
        .skip(1);
    let pid: u32 = words.next().unwrap().parse().unwrap();
    let folder = words.next().unwrap().to_string();
    assert!(is_alive(pid));
    child.kill().unwrap();
    child.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while is_alive(pid) || Path::new(&folder).exists() {
        assert!(
            Instant::now() < deadline,
            "the server {pid} or {folder} outlived its parent"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Does something only as the child of `a_killed_parent_takes_its_server_along`.
#[test]
fn child_that_is_killed() {
    if std::env::var_os(CHILD_MARK).is_none() {
        return;
    }
    let mut cluster = Cluster::create_or_open(ClusterConfig::for_tests()).unwrap();
    cluster.start().unwrap();
    println!(
        "\ncluster {} {}",
        cluster.pid().unwrap(),
        cluster.folder().display()
    );
    loop {
        std::thread::park();
    }
}

/// Runs as root too: the account that is lent the server must pass through the folder.
fn allow_passing(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o711)).unwrap();
}

fn is_alive(pid: u32) -> bool {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.cast_signed()), None).is_ok()
}

fn query(cluster: &Cluster, sql: &str) -> Result<String, String> {
    query_url(&cluster.superuser_url("postgres"), sql)
}

/// The first column of the first row, or the error as text.
fn query_url(url: &str, sql: &str) -> Result<String, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let connected = tokio_postgres::connect(url, NoTls).await;
        let (client, connection) = connected.map_err(|error| format!("{error:?}"))?;
        tokio::spawn(connection);
        let messages = client
            .simple_query(sql)
            .await
            .map_err(|error| format!("{error:?}"))?;
        let row = messages.iter().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        Ok(row.unwrap_or_default().to_string())
    })
}
