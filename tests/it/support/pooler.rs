//! A PgBouncer in transaction mode in front of a test's server, set up word for word as
//! docs/operating.md says.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use df_local::Cluster;
use tempfile::TempDir;
use tokio_postgres::Client;

use super::relay::watch;

const PATIENCE: Duration = Duration::from_secs(20);

/// A running PgBouncer. Dropping it ends it, and so does the end of this process.
pub struct Pooler {
    pub port: u16,
    child: Child,
    watcher: Child,
    folder: TempDir,
}

/// The blocks of one language in the page's section, in order.
fn blocks(language: &str) -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operating.md");
    let page = fs::read_to_string(page).unwrap();
    let section = page.split("\n## Behind a transaction pooler\n").nth(1);
    let section = section.expect("the page has the section");
    let section = section.split("\n## ").next().unwrap();
    let fence = format!("```{language}\n");
    let parts = section.split(&fence).skip(1);
    parts
        .map(|part| part.split("```").next().unwrap().to_owned())
        .collect()
}

fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder| folder.join("pgbouncer"))
        .find(|program| program.exists())
        .expect("pgbouncer is not installed, and this test needs it: run .ci/setup (apt-get install pgbouncer)")
}

impl Pooler {
    /// What an administrator does: the role once per server, the look-up in the client's database,
    /// which may have come with the template.
    pub async fn set_up(superuser: &Client) {
        let done = "select to_regnamespace('pgbouncer') is not null";
        if superuser.query_one(done, &[]).await.unwrap().get(0) {
            return;
        }
        let [once, each]: [String; 2] = blocks("sql").try_into().unwrap();
        let once = once.trim().trim_end_matches(';');
        let once = format!(
            "do $do$ begin {once}; exception when duplicate_object or unique_violation then null; end $do$"
        );
        superuser.batch_execute(&once).await.unwrap();
        superuser.batch_execute(&each).await.unwrap();
    }

    /// Starts one with this many sessions for each role and database.
    pub fn start(cluster: &Cluster, sessions: u32) -> Pooler {
        Pooler::start_with(cluster, sessions, "")
    }

    /// With lines more in its file.
    pub fn start_with(cluster: &Cluster, sessions: u32, lines: &str) -> Pooler {
        let program = program();
        let [ini]: [String; 1] = blocks("ini").try_into().unwrap();
        let owner = fs::metadata(cluster.folder().join("pgdata")).unwrap();
        let folder = tempfile::Builder::new()
            .prefix("df-")
            .tempdir_in("/tmp")
            .unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|free| free.local_addr())
            .unwrap()
            .port();
        let mut text = ini.clone();
        for (ours, theirs) in [
            ("port=5432", format!("port={}", cluster.port())),
            ("6432", port.to_string()),
            ("/etc/pgbouncer/userlist.txt", path("userlist.txt")),
            (
                "default_pool_size = 20",
                format!("default_pool_size = {sessions}"),
            ),
            (
                "query_wait_timeout = 30",
                "query_wait_timeout = 3".to_owned(),
            ),
        ] {
            assert!(text.contains(ours), "{ours} in {ini}");
            text = text.replace(ours, &theirs);
        }
        // A place for its files, and no long wait after a killed server.
        text += &format!(
            "unix_socket_dir =\nlogfile = {}\npidfile = {}\nserver_login_retry = 1\n{lines}\n",
            path("log"),
            path("pid")
        );
        fs::write(path("pgbouncer.ini"), text).unwrap();
        fs::write(path("userlist.txt"), "\"pgbouncer\" \"secret\"\n").unwrap();
        for file in ["", "pgbouncer.ini", "userlist.txt"] {
            chown(path(file), Some(owner.uid()), Some(owner.gid())).unwrap();
        }
        let mut command = Command::new(program);
        command.arg("--quiet").arg(path("pgbouncer.ini"));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if df_local::is_root() {
            command.uid(owner.uid()).gid(owner.gid());
        }
        let child = command.process_group(0).spawn().expect("pgbouncer starts");
        let watcher = watch(&child);
        let mut pooler = Pooler {
            port,
            child,
            watcher,
            folder,
        };
        pooler.until_it_listens();
        pooler
    }

    fn until_it_listens(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "pgbouncer does not listen ({ended:?}):\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// A connection string to the server, led through here.
    pub fn through(&self, url: &str, server_port: u16) -> String {
        let (direct, here) = (format!(":{server_port}/"), format!(":{}/", self.port));
        assert!(
            url.contains(&direct),
            "no port {server_port} in a test's URL"
        );
        url.replace(&direct, &here)
    }
}

impl Drop for Pooler {
    /// The watcher first: it must not signal a pid that has ended.
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("pgbouncer's log:\n{}", self.log());
        }
        let _ = self.watcher.kill();
        let _ = self.watcher.wait();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
