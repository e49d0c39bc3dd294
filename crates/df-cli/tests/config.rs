//! Flag over variable over file over default; no secret is ever shown.

use std::fs;
use std::process::{Command, Output};

/// Runs the binary with nothing of the caller's configuration.
fn df_relay(args: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_df-relay"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DF_") || name == "PGPASSWORD" {
            command.env_remove(name);
        }
    }
    command
        .args(args)
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_flag_wins_over_a_variable_over_the_file_over_the_default() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("df.toml");
    fs::write(&file, "shutdown_grace_seconds = 3\nlog_level = \"warn\"\n").unwrap();
    let file = file.to_str().unwrap();
    let variable = ("DF_SHUTDOWN_GRACE_SECONDS", "2");
    for (args, variables, expected) in [
        (
            &["run", "--print-config"][..],
            &[][..],
            "shutdown_grace_seconds = 30\n",
        ),
        (
            &["run", "--print-config", "--config", file],
            &[],
            "shutdown_grace_seconds = 3\n",
        ),
        (
            &["run", "--print-config", "--config", file],
            &[variable],
            "shutdown_grace_seconds = 2\n",
        ),
        (
            &[
                "run",
                "--print-config",
                "--config",
                file,
                "--shutdown-grace-seconds",
                "1",
            ],
            &[variable],
            "shutdown_grace_seconds = 1\n",
        ),
        (
            &["run", "--print-config"],
            &[("DF_CONFIG", file)],
            "log_level = \"warn\"\n",
        ),
    ] {
        let output = df_relay(args, variables);
        assert!(stdout(&output).contains(expected), "{args:?}: {output:?}");
    }
}

/// What is refused as wrong usage, and what the refusal must say.
#[test]
fn a_wrong_value_is_refused_in_words_that_say_what_is_wanted() {
    for (args, variables, said) in [
        (
            &["run"][..],
            &[("DF_LOG_LEVEL", "verbose")][..],
            "\"verbose\" is no log level",
        ),
        (
            &["run", "--log-level", "info,loud"],
            &[],
            "\"loud\" is no log level",
        ),
        (
            &["run"],
            &[("DF_LEASE_SECONDS", "abc")],
            "the variable DF_LEASE_SECONDS",
        ),
        (
            &["run", "--lease-seconds", "0"],
            &[],
            "lease_seconds is 0; it must be at least 1",
        ),
        (
            &["run", "--step-connections-open", "19"],
            &[],
            "step_connections_open is 19; it must be at least 20",
        ),
        (
            &["run", "--step-connections-per-role", "17"],
            &[],
            "step_connections_per_role is 17; it must be at most 16",
        ),
        (
            &["run", "--shutdown-grace-seconds", "18446744073709551615"],
            &[],
            "it must be at most 31536000",
        ),
        (&["run", "--listen", "9187"], &[], "as in 127.0.0.1:9187"),
        (&["run"], &[("DF_DATABASE_URL", "")], "no database given"),
    ] {
        let url = [("DF_DATABASE_URL", "postgres://u:p@localhost:1/d")];
        let output = df_relay(args, &[&url, variables].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}: {output:?}");
        assert!(stderr(&output).contains(said), "{args:?}: {output:?}");
    }
    let lenient = df_relay(&["run", "--print-config"], &[("DF_POLL_ONLY", "1")]);
    assert!(stdout(&lenient).contains("poll_only = true"), "{lenient:?}");
}

#[test]
fn the_relays_password_is_its_own_before_it_is_anybodys() {
    // Nothing listens there: the password that would be sent shows in none of it, its absence does.
    let url = ("DF_DATABASE_URL", "postgres://localhost:1/d");
    let passwords = [
        ("DF_RELAY_PASSWORD", "of-relay"),
        ("PGPASSWORD", "of-admin"),
    ];
    let both = df_relay(&["status"], &[&[url][..], &passwords].concat());
    assert_eq!(both.status.code(), Some(3), "{both:?}");
    assert!(!stderr(&both).contains("of-"), "{both:?}");
}

#[test]
fn the_long_help_says_what_a_command_needs() {
    for (command, said) in [
        ("run", "DF_RELAY_PASSWORD"),
        ("install", "PGPASSWORD"),
        ("adopt", "HTTP requests again"),
        ("bench", "drops it"),
    ] {
        let output = df_relay(&[command, "--help"], &[]);
        assert!(stdout(&output).contains(said), "{command}: {output:?}");
    }
}

#[test]
fn no_output_shows_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("df.toml");
    for (args, url, text) in [
        (
            &["run", "--print-config"][..],
            "postgres://u:s3cret@h/d",
            "",
        ),
        (
            &["install", "--print-config"],
            "host=h user=u password=s3cret",
            "",
        ),
        (&["install"], "postgres://u:s3cret@127.0.0.1:1/d", ""),
        (
            &["install"],
            "postgres://u:s3cret@127.0.0.1:1/d?sslmode=s3cret",
            "",
        ),
        (&["run", "--help"], "postgres://u:s3cret@h/d", ""),
        (
            &["run", "--print-config"],
            "",
            "database_url = \"postgres://u:s3cret@h/d\"",
        ),
        (&["run"], "", "database_url = \"postgres://u:s3cret@h/d"),
        (&["run"], "", "relay_password = [\"s3cret\"]"),
    ] {
        fs::write(&file, text).unwrap();
        let variables = [
            ("DF_DATABASE_URL", url),
            ("DF_CONFIG", file.to_str().unwrap()),
            ("DF_RELAY_PASSWORD", "s3cret"),
        ];
        let from = usize::from(url.is_empty());
        let output = df_relay(args, &variables[from..]);
        let shown = format!("{}{}", stdout(&output), stderr(&output));
        assert!(!shown.contains("s3cret"), "{args:?}: {shown}");
        assert!(!shown.is_empty(), "{args:?}");
    }
}

#[test]
fn exit_codes_tell_usage_from_an_unreachable_server() {
    for (args, code) in [
        (&["run"][..], 2),
        (&["replay", "--database-url", "postgres://127.0.0.1:1/d"], 3),
        (&["adopt", "--database-url", "postgres://127.0.0.1:1/d"], 3),
        (&["install", "--database-url", "nonsense"], 2),
        (&["run", "--config", "/nonexistent.toml"], 2),
        (
            &[
                "run",
                "--log-level",
                "info=what=ever",
                "--database-url",
                "postgres://h/d",
            ],
            2,
        ),
        (
            &["install", "--database-url", "postgres://u:p@127.0.0.1:1/d"],
            3,
        ),
        (
            &[
                "uninstall",
                "--database-url",
                "postgres://u:p@127.0.0.1:1/d",
            ],
            2,
        ),
        (&["--version"], 0),
    ] {
        let output = df_relay(args, &[]);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
    }
}

#[test]
fn a_reader_that_stops_early_is_no_failure() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_df-relay"));
    command.args(["completions", "zsh"]);
    command.stdout(std::process::Stdio::piped());
    command.stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
}

#[test]
fn an_empty_relay_password_is_none() {
    let output = df_relay(&["install", "--print-config"], &[("DF_RELAY_PASSWORD", "")]);
    assert!(!stdout(&output).contains("relay_password"), "{output:?}");
    let output = df_relay(
        &["install", "--print-config"],
        &[("DF_RELAY_PASSWORD", "x")],
    );
    assert!(stdout(&output).contains("relay_password"), "{output:?}");
}
