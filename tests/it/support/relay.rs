//! The real binary as a child process: its log, its signals, its end.

use std::io::{BufRead, BufReader};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::binary::df_relay;

const PATIENCE: Duration = Duration::from_secs(60);

/// Ends the child when this process ends without having done so: its stdin is a pipe from us.
const WATCHER: &str = r#"read -r _line; kill -s KILL "$1" 2>/dev/null"#;

/// A running df-relay. Dropping it kills it.
pub struct Process {
    child: Child,
    watcher: Child,
    output: Arc<Output>,
}

/// What the child has written so far, line by line.
#[derive(Default)]
struct Output {
    lines: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Default)]
struct Lines {
    stdout: Vec<String>,
    stderr: Vec<String>,
    open_streams: u32,
}

/// A process that ends the other when this one is gone, in whatever way.
pub fn watch(child: &Child) -> Child {
    Command::new("/bin/sh")
        .args(["-c", WATCHER, "watcher", &child.id().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("the watcher starts")
}

/// Starts df-relay with arguments and variables; its other `DF_*` variables are removed.
pub fn spawn(args: &[&str], variables: &[(&str, &str)]) -> Process {
    spawn_by(Command::new(df_relay()), args, variables)
}

/// The same through a command that becomes it, such as `nohup`.
pub fn spawn_through(by: &[&str], args: &[&str], variables: &[(&str, &str)]) -> Process {
    let mut command = Command::new(by[0]);
    command.args(&by[1..]).arg(df_relay());
    spawn_by(command, args, variables)
}

fn spawn_by(mut command: Command, args: &[&str], variables: &[(&str, &str)]) -> Process {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DF_") {
            command.env_remove(name);
        }
    }
    command.args(args).envs(variables.iter().copied());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("df-relay starts");
    let watcher = watch(&child);
    let output = Arc::new(Output::default());
    output.lines.lock().unwrap().open_streams = 2;
    let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    follow(BufReader::new(stdout), Arc::clone(&output), |lines| {
        &mut lines.stdout
    });
    follow(BufReader::new(stderr), Arc::clone(&output), |lines| {
        &mut lines.stderr
    });
    Process {
        child,
        watcher,
        output,
    }
}

fn follow(
    stream: impl BufRead + Send + 'static,
    output: Arc<Output>,
    pick: fn(&mut Lines) -> &mut Vec<String>,
) {
    std::thread::spawn(move || {
        for line in stream.lines().map_while(Result::ok) {
            pick(&mut output.lines.lock().unwrap()).push(line);
            output.changed.notify_all();
        }
        output.lines.lock().unwrap().open_streams -= 1;
        output.changed.notify_all();
    });
}

impl Process {
    /// The first line of the log that holds `fragment`, now or later.
    pub fn wait_for_log(&self, fragment: &str) -> String {
        self.wait_for(fragment, |lines| &lines.stderr)
    }

    /// The same for stdout.
    pub fn wait_for_stdout(&self, fragment: &str) -> String {
        self.wait_for(fragment, |lines| &lines.stdout)
    }

    fn wait_for(&self, fragment: &str, pick: fn(&Lines) -> &Vec<String>) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut lines = self.output.lines.lock().unwrap();
        loop {
            if let Some(line) = pick(&lines).iter().find(|line| line.contains(fragment)) {
                return line.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || lines.open_streams == 0 {
                let log = lines.stderr.join("\n");
                drop(lines);
                panic!("df-relay never said {fragment:?}; its log:\n{log}");
            }
            lines = self.output.changed.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// Memory that the process holds now, in KiB.
    pub fn memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("df-relay runs, on Linux");
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number.expect("it has a size").parse().expect("a number")
    }

    /// Whether the child has closed its output, which it does when it ends.
    pub fn has_ended(&self) -> bool {
        self.output.lines.lock().unwrap().open_streams == 0
    }

    /// All of stdout; complete once the child has ended.
    pub fn stdout(&self) -> Vec<String> {
        self.output.lines.lock().unwrap().stdout.clone()
    }

    /// All of the log; complete once the child has ended.
    pub fn log(&self) -> String {
        self.output.lines.lock().unwrap().stderr.join("\n")
    }

    /// Processor time that the child has taken, in seconds.
    pub fn cpu_seconds(&self) -> f64 {
        // Clock ticks are hundredths of a second wherever Linux tells them to user space.
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let after_name = stat.rsplit_once(')').expect("a name in parentheses").1;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let ticks = |field: usize| fields[field].parse::<f64>().unwrap();
        (ticks(11) + ticks(12)) / 100.0
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a pid fits"));
        kill(pid, signal).expect("df-relay runs");
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) {
        self.child.kill().expect("df-relay can be killed");
        let status = self.wait();
        assert_eq!(status.signal(), Some(Signal::SIGKILL as i32));
    }

    /// SIGTERM, and waits for the end; returns the exit code.
    pub fn stop(&mut self) -> i32 {
        self.signal(Signal::SIGTERM);
        self.wait().code().expect("df-relay ends by itself")
    }

    /// Waits for the end, and for the rest of the output.
    pub fn wait(&mut self) -> ExitStatus {
        self.wait_within(PATIENCE)
    }

    /// The same for what takes longer.
    pub fn wait_within(&mut self, patience: Duration) -> ExitStatus {
        let deadline = Instant::now() + patience;
        let mut lines = self.output.lines.lock().unwrap();
        while lines.open_streams > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "df-relay does not end");
            lines = self.output.changed.wait_timeout(lines, left).unwrap().0;
        }
        drop(lines);
        self.child.wait().expect("df-relay is a child")
    }
}

impl Drop for Process {
    /// The watcher first: it must not signal a pid that has ended.
    fn drop(&mut self) {
        let _ = self.watcher.kill();
        let _ = self.watcher.wait();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
