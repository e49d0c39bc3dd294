//! A guard stops the server when its parent dies without stopping it, by SIGKILL for example.
//!
//! It is a small shell process that reads a pipe whose only writing end is ours: the end of this
//! process, however it comes, is the end of that pipe. It reads the server's pid at that moment
//! from `postmaster.pid`, so it needs no news of restarts, and signals nothing when there is none.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::StopMode;

/// $1 the data directory, $2 a folder to remove, or nothing, $3 the signal.
const SCRIPT: &str = r#"
read -r _line
pid=$(head -n 1 "$1/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ]; then
    kill -s "$3" "$pid" 2>/dev/null
    tries=0
    while kill -0 "$pid" 2>/dev/null && [ "$tries" -lt 300 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
fi
if [ -n "$2" ]; then
    rm -rf -- "$2"
fi
"#;

#[derive(Debug)]
pub(crate) struct Guard {
    child: Child,
}

impl Guard {
    /// Guards the server on `pgdata`; `remove` goes away after it has ended.
    pub(crate) fn spawn(pgdata: &Path, mode: StopMode, remove: Option<&Path>) -> io::Result<Guard> {
        let signal = match mode {
            StopMode::Fast => "INT",
            StopMode::Immediate => "QUIT",
        };
        let child = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "df-local-guard"])
            .arg(pgdata)
            .arg(remove.unwrap_or(Path::new("")))
            .arg(signal)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            .process_group(0)
            .spawn()?;
        Ok(Guard { child })
    }
}

impl Drop for Guard {
    /// Closing the pipe wakes the guard; it finds no server left and ends.
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
