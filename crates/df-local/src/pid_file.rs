//! Reading `postmaster.pid`: who runs on a data directory, and whether it accepts connections.
//!
//! The layout is Postgres's own (src/include/utils/pidfile.h): line 1 the pid, line 2 the data
//! directory, line 8 the status. It never writes or removes the file; that is the server's.

use std::fs;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const STATUS_LINE: usize = 7;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PidFile {
    pub(crate) pid: u32,
    pub(crate) ready: bool,
}

impl PidFile {
    /// `None` while there is no file, or only part of one.
    pub(crate) fn read(pgdata: &Path) -> Option<PidFile> {
        parse(&fs::read_to_string(pgdata.join("postmaster.pid")).ok()?)
    }

    /// A server that still runs on this data directory although its parent is gone. The file may be
    /// stale and its pid another process by now, so the process must be a postgres of this folder.
    pub(crate) fn orphan(pgdata: &Path) -> Option<u32> {
        let file = PidFile::read(pgdata)?;
        let command_line = command_line(file.pid)?;
        let ours = command_line.contains("postgres")
            && command_line.contains(&pgdata.display().to_string());
        ours.then_some(file.pid)
    }
}

/// Whether a process of that id exists (as a zombie too).
pub(crate) fn is_alive(pid: u32) -> bool {
    send(pid, None)
}

/// Sends a signal, or only asks whether it could; false when there is no such process.
pub(crate) fn send(pid: u32, signal: impl Into<Option<Signal>>) -> bool {
    i32::try_from(pid).is_ok_and(|pid| kill(Pid::from_raw(pid), signal).is_ok())
}

fn parse(text: &str) -> Option<PidFile> {
    let lines: Vec<&str> = text.lines().collect();
    let pid = lines.first()?.trim().parse().ok()?;
    let ready = lines
        .get(STATUS_LINE)
        .is_some_and(|status| status.trim() == "ready");
    Some(PidFile { pid, ready })
}

/// Linux has /proc; elsewhere `ps` knows.
fn command_line(pid: u32) -> Option<String> {
    if let Ok(bytes) = fs::read(format!("/proc/{pid}/cmdline")) {
        return Some(String::from_utf8_lossy(&bytes).replace('\0', " "));
    }
    let output = Command::new("ps")
        .args(["-o", "command=", "-p", &pid.to_string()])
        .output();
    let text = String::from_utf8_lossy(&output.ok()?.stdout).into_owned();
    (!text.trim().is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_complete_file_with_status_ready_is_ready() {
        let head = "42\n/data\n1700000000\n5432\n/tmp\nlocalhost\n 123 456\n";
        for (text, expected) in [
            ("", None),
            ("42\n/data\n", Some(false)),
            (&format!("{head}starting\n"), Some(false)),
            (&format!("{head}ready   \n"), Some(true)),
            (&format!("{head}stopping\n"), Some(false)),
        ] {
            assert_eq!(parse(text).map(|file| file.ready), expected, "{text:?}");
        }
    }
}
