//! A scratch Postgres cluster for tests: a private data directory and socket, stopped when dropped.
//!
//! Shared by all tests that run at the same time; each takes a database of its own from it.

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, User};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

/// Stops the server and removes its folder when the test process closes its end of stdin, by
/// dropping the cluster or by dying in whatever way. A background job ignores SIGINT and SIGQUIT
/// only if the shell made it so, and the server sets its own handlers.
const KEEPER: &str = r#"folder=$1; shift; "$@" </dev/null & server=$!
cat >/dev/null; kill -QUIT $server; wait $server; rm -rf "$folder""#;

const READY_LIMIT: Duration = Duration::from_secs(60);

pub struct Cluster {
    server: Child,
    folder: tempfile::TempDir,
    pub port: u16,
}

impl Cluster {
    /// The cluster of the tests now running, started by the first of them.
    pub fn shared() -> Arc<Cluster> {
        static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
        let mut shared = SHARED
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        shared.upgrade().unwrap_or_else(|| {
            let cluster = Arc::new(Cluster::start(&[]));
            *shared = Arc::downgrade(&cluster);
            cluster
        })
    }

    /// Starts a cluster with further settings, `name=value` each.
    pub fn start(settings: &[&str]) -> Cluster {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let owner = unprivileged();
        if let Some(user) = &owner {
            std::os::unix::fs::chown(
                folder.path(),
                Some(user.uid.as_raw()),
                Some(user.gid.as_raw()),
            )
            .expect("chown");
        }
        let data = folder.path().join("data");
        let port = free_port();
        let mut initdb = tool("initdb", &owner);
        initdb.args([
            "--auth=trust",
            "--username=postgres",
            "--encoding=UTF8",
            "--no-sync",
        ]);
        initdb
            .args(["--locale=C", "-D"])
            .arg(&data)
            .stdout(Stdio::null());
        assert!(
            initdb.status().expect("initdb runs").success(),
            "initdb failed"
        );
        let mut server = tool("sh", &owner);
        server.args(["-c", KEEPER, "keeper"]).arg(folder.path());
        server.arg(binaries().join("postgres")).arg("-D").arg(&data);
        server
            .args(["-p", &port.to_string(), "-k"])
            .arg(folder.path());
        let fixed = [
            "listen_addresses=127.0.0.1",
            "fsync=off",
            "max_connections=200",
        ];
        // A runaway statement of a test must not fill the disk.
        for setting in fixed
            .iter()
            .chain(&["temp_file_limit=64MB"])
            .chain(settings)
        {
            server.args(["-c", setting]);
        }
        let log = std::fs::File::create(folder.path().join("log")).expect("a log file");
        server
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log);
        let server = server.spawn().expect("postgres starts");
        let cluster = Cluster {
            server,
            folder,
            port,
        };
        cluster.wait_until_ready();
        cluster
    }

    /// The directory of the Unix socket.
    pub fn socket(&self) -> &Path {
        self.folder.path()
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Runs a script as the superuser, through psql; panics on the first error.
    pub fn psql(&self, database: &str, script: &str) -> String {
        let mut psql = tool("psql", &None);
        psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-h"])
            .arg(self.socket());
        psql.args(["-p", &self.port.to_string(), "-d", database, "-c", script]);
        let output = psql.output().expect("psql runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "psql: {errors}\n{script}");
        String::from_utf8(output.stdout)
            .expect("UTF-8")
            .trim_end()
            .to_owned()
    }

    /// Signals the postmaster.
    pub fn signal(&self, signal: Signal) {
        let file = std::fs::read_to_string(self.data().join("postmaster.pid")).expect("a pid file");
        let pid = file
            .lines()
            .next()
            .and_then(|line| line.parse().ok())
            .expect("a pid");
        kill(Pid::from_raw(pid), signal).expect("the server runs");
    }

    fn wait_until_ready(&self) {
        let started = Instant::now();
        loop {
            let mut ready = tool("pg_isready", &None);
            ready
                .arg("-q")
                .arg("-h")
                .arg(self.socket())
                .args(["-p", &self.port.to_string()]);
            if ready.status().expect("pg_isready runs").success() {
                return;
            }
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(
                started.elapsed() < READY_LIMIT,
                "Postgres does not start:\n{log}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.server.stdin.take());
        let _ = self.server.wait();
    }
}

/// Postgres refuses to run as root; its own user, or nobody, takes root's place.
fn unprivileged() -> Option<User> {
    if !Uid::effective().is_root() {
        return None;
    }
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| User::from_name(name).ok().flatten())
}

fn tool(name: &str, owner: &Option<User>) -> Command {
    // Packages of a server alone have no clients; those of the search path speak to it as well.
    let program = Some(binaries().join(name)).filter(|beside| beside.exists());
    let program = program.unwrap_or_else(|| PathBuf::from(name));
    let mut command = Command::new(program);
    if let Some(user) = owner {
        command
            .uid(user.uid.as_raw())
            .gid(user.gid.as_raw())
            .current_dir("/");
    }
    command
}

/// `PG_BIN`, else where Debian keeps them, newest first, else the search path.
fn binaries() -> PathBuf {
    if let Some(folder) = std::env::var_os("PG_BIN") {
        return folder.into();
    }
    let versions = (14..=18)
        .rev()
        .map(|n| PathBuf::from(format!("/usr/lib/postgresql/{n}/bin")));
    versions
        .into_iter()
        .find(|folder| folder.join("initdb").exists())
        .unwrap_or_default()
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}
