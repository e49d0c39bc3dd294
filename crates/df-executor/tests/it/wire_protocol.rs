//! The client's own promises: what a pipeline answers, and what it survives.

use crate::support::cluster::Cluster;
use crate::support::database::{Database, LIMIT, query, scalar};
use df_executor::wire::{
    ConnectConfig, ConnectError, Connection, Param, PipelineError, Statement, TransactionStatus,
    oid,
};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_pipeline_is_one_flush_and_stops_at_the_first_error() {
    let database = Database::create();
    let mut connection = database.connect("postgres").await;
    let before = connection.flushes();
    let params = [
        Param {
            type_oid: oid::INT4,
            value: Some("7"),
        },
        Param {
            type_oid: oid::TEXT,
            value: None,
        },
    ];
    let replies = connection
        .pipeline(&[
            Statement::command("begin"),
            Statement::call("select $1 + 1, $2", &params),
            Statement::query("select 'x' as a", LIMIT),
        ])
        .await
        .unwrap();
    assert_eq!(connection.flushes(), before + 1);
    assert_eq!(connection.status(), TransactionStatus::InTransaction);
    let values: Vec<_> = replies[1].rows.iter().next().unwrap().collect();
    assert_eq!(values, [Some(&b"8"[..]), None]);
    assert_eq!(replies[2].columns.as_ref().unwrap()[0].name, "a");

    let failing = [
        Statement::command("select 1"),
        Statement::command("select 1/0"),
        Statement::command("commit"),
    ];
    let error = connection.pipeline(&failing).await.unwrap_err();
    let PipelineError::Server {
        statement: 1,
        error,
        status,
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!(
        (error.sqlstate.as_str(), status),
        ("22012", TransactionStatus::Failed)
    );
    connection
        .pipeline(&[Statement::command("rollback")])
        .await
        .unwrap();
    assert!(connection.is_reusable());
}

/// A call by oid answers with a ReadyForQuery of its own, within a batch that ends with another.
#[tokio::test]
async fn a_function_is_called_by_its_oid_wherever_it_stands_in_a_pipeline() {
    let database = Database::create();
    let function = |name: &str| -> u32 {
        let sql = format!("select '{name}'::regprocedure::oid");
        database.psql(&sql).parse().unwrap()
    };
    let (concat, divide) = (function("textcat(text,text)"), function("int4div(int,int)"));
    let text = |value| Param {
        type_oid: oid::TEXT,
        value,
    };
    let (words, none) = (
        [text(Some("a")), text(Some("ß"))],
        [text(Some("a")), text(None)],
    );
    let by_zero = [text(Some("1")), text(Some("0"))];
    let mut connection = database.connect("postgres").await;
    let replies = connection
        .pipeline_then(
            &[
                Statement::command("begin"),
                Statement::function(concat, &words),
                Statement::function(concat, &none),
                Statement::query("select 'x'", LIMIT),
                Statement::function(concat, &words),
            ],
            Some(Statement::command("select 1")),
        )
        .await
        .unwrap();
    assert_eq!(replies[1].rows.first_value(), Some("aß".as_bytes()));
    assert_eq!(replies[2].rows.first_value(), None);
    assert_eq!(replies[3].rows.first_value(), Some(&b"x"[..]));
    assert_eq!(replies[4].rows.first_value(), Some("aß".as_bytes()));
    assert_eq!(connection.status(), TransactionStatus::InTransaction);

    // What follows a call that failed runs into its transaction; what follows another failure does not run.
    for (statements, failed, sqlstate, status) in [
        (
            vec![
                Statement::function(divide, &by_zero),
                Statement::command("select 1"),
                Statement::command("commit"),
            ],
            0,
            "22012",
            TransactionStatus::Failed,
        ),
        (
            vec![
                Statement::function(divide, &by_zero),
                Statement::command("commit"),
            ],
            0,
            "25P02",
            TransactionStatus::Idle,
        ),
        (
            vec![
                Statement::command("begin"),
                Statement::command("select 1/0"),
                Statement::function(concat, &words),
                Statement::command("commit"),
            ],
            1,
            "22012",
            TransactionStatus::Failed,
        ),
    ] {
        let error = connection.pipeline(&statements).await.unwrap_err();
        let PipelineError::Server {
            statement, error, ..
        } = error
        else {
            panic!("{error}")
        };
        assert_eq!((statement, error.sqlstate.as_str()), (failed, sqlstate));
        assert_eq!(connection.status(), status);
    }
    connection
        .pipeline(&[Statement::command("rollback")])
        .await
        .unwrap();
    let replies = connection
        .pipeline(&[Statement::function(concat, &words)])
        .await
        .unwrap();
    assert_eq!(replies[0].rows.first_value(), Some("aß".as_bytes()));
    assert!(connection.is_reusable());
}

/// Several commands in one are answered once, and after an error of theirs the rest runs into what it left.
#[tokio::test]
async fn a_simple_query_stands_alone_in_a_pipeline() {
    let database = Database::create();
    database.psql("create table t (a int unique deferrable initially deferred)");
    let lengths = "select 'length(text)'::regprocedure::oid";
    let length: u32 = database.psql(lengths).parse().unwrap();
    let word = [Param {
        type_oid: oid::TEXT,
        value: Some("word"),
    }];
    let settle = Statement::simple("set constraints all immediate; set local work_mem = '1MB'");
    let closing = [
        settle,
        Statement::function(length, &word),
        Statement::simple("commit"),
    ];
    let mut connection = database.connect("postgres").await;
    for (values, sqlstate) in [("(1)", None), ("(2), (2)", Some("23505"))] {
        let insert = format!("insert into t values {values}");
        let opening = [
            Statement::simple("begin"),
            Statement::query(&insert, LIMIT),
            Statement::command("select 1"),
        ];
        connection.pipeline(&opening).await.unwrap();
        assert_eq!(connection.status(), TransactionStatus::InTransaction);
        let clean = Statement::function(length, &word);
        let answer = connection.pipeline_then(&closing, Some(clean)).await;
        match (sqlstate, answer) {
            (None, Ok(replies)) => {
                let tags: Vec<_> = replies.iter().map(|reply| &*reply.tag).collect();
                assert_eq!(tags, ["SET", "", "COMMIT"]);
                assert_eq!(replies[1].rows.first_value(), Some(&b"4"[..]));
            }
            (
                Some(expected),
                Err(PipelineError::Server {
                    statement: 0,
                    error,
                    ..
                }),
            ) => assert_eq!(error.sqlstate, expected),
            (_, answer) => panic!("{answer:?}"),
        }
        assert_eq!(connection.status(), TransactionStatus::Idle);
        connection.settle().await.unwrap();
    }
    // What an extended statement's error skips goes up to the Sync, whatever stands there.
    let skipped = [
        Statement::command("select 1/0"),
        Statement::simple("select 1"),
    ];
    let error = connection.pipeline(&skipped).await.unwrap_err();
    assert!(matches!(error, PipelineError::Server { statement: 0, .. }));
    // One statement is no two, whichever message it goes out by; nor does it run where the BEGIN before it fails.
    let two = [Statement::single("select 1; select 2", LIMIT)];
    match connection.pipeline(&two).await.unwrap_err() {
        PipelineError::Server { error, .. } => assert_eq!(error.sqlstate, "42601"),
        other => panic!("{other}"),
    }
    for begin in ["begin isolation level chaos", "select 1/0"] {
        let opening = [
            Statement::command(begin),
            Statement::function(length, &word),
            Statement::single("insert into t values (2)", LIMIT),
        ];
        match connection.pipeline(&opening).await.unwrap_err() {
            PipelineError::Server { statement, .. } => assert_eq!(statement, 0),
            other => panic!("{other}"),
        }
        assert_eq!(connection.status(), TransactionStatus::Idle);
    }
    // Of the results that rules add to a statement without one of its own, the last one counts.
    database.psql(
        "create table seen (a int); create table told (b int, c int); insert into told values (7, 8);
         create rule also_first as on insert to seen do also select b as x, b as y, c as z from told;
         create rule also_last as on insert to seen do also select b, c from told",
    );
    for (sql, expected) in [
        ("insert into seen values (1)", vec!["b", "c"]),
        ("insert into seen values (1) returning a", vec!["a"]),
    ] {
        let one = [Statement::single(sql, LIMIT)];
        let replies = connection.pipeline(&one).await.unwrap();
        let names = replies[0].columns.iter().flatten().map(|one| &*one.name);
        assert_eq!(names.collect::<Vec<_>>(), expected, "{sql}");
        assert_eq!(replies[0].rows.len(), 1, "{sql}");
        assert_eq!(replies[0].tag, "INSERT 0 1", "{sql}");
    }
    // Commands that are none are answered, too.
    let empty = [Statement::simple(""), Statement::simple("select 1")];
    assert_eq!(connection.pipeline(&empty).await.unwrap().len(), 2);
    assert!(connection.pipeline(&[]).await.unwrap().is_empty());
    assert_eq!(database.psql("select count(*) from t"), "1");
    assert!(connection.is_reusable());
}

#[tokio::test]
async fn copy_is_an_error_and_never_a_hang() {
    let database = Database::create();
    database.psql("create table t (a int)");
    let mut connection = database.connect("postgres").await;
    for sql in [
        "copy t from stdin",
        "copy t to stdout",
        "copy (select generate_series(1,1000)) to stdout",
    ] {
        for statement in [Statement::query(sql, LIMIT), Statement::single(sql, LIMIT)] {
            let error = connection.pipeline(&[statement]).await.unwrap_err();
            assert!(
                matches!(error, PipelineError::Copy { statement: 0 }),
                "{statement:?}: {error}"
            );
            assert!(connection.is_reusable(), "{statement:?}");
            assert_eq!(scalar(&mut connection, "select 5").await, "5", "{sql}");
        }
    }
    let sql = "copy (select repeat('x', 1000), generate_series(1,1000000000)) to stdout";
    let error = connection
        .pipeline(&[Statement::query(sql, LIMIT)])
        .await
        .unwrap_err();
    assert!(matches!(error, PipelineError::Copy { .. }), "{error}");
    assert!(
        !connection.is_reusable(),
        "an endless COPY is cancelled, and the connection given up"
    );
}

#[tokio::test]
async fn a_result_past_its_limit_is_dropped_and_an_endless_one_cancelled() {
    let database = Database::create();
    let mut connection = database.connect("postgres").await;
    let small = "select repeat('x', 100) from generate_series(1, 100)";
    for small in [
        Statement::query(small, 5_000),
        Statement::single(small, 5_000),
    ] {
        let error = connection
            .pipeline(&[Statement::command("select 1"), small])
            .await
            .unwrap_err();
        assert!(
            matches!(
                error,
                PipelineError::ResultTooLarge {
                    statement: 1,
                    limit: 5_000
                }
            ),
            "{error}"
        );
        assert!(connection.is_reusable());
    }
    let wide = Statement::query("select repeat('x', 3000000)", 5_000);
    let error = connection.pipeline(&[wide]).await.unwrap_err();
    assert!(
        matches!(error, PipelineError::ResultTooLarge { .. }),
        "{error}"
    );

    let endless = "select repeat('x', 1000), generate_series(1, 1000000000000)";
    let error = connection
        .pipeline(&[Statement::query(endless, 5_000)])
        .await
        .unwrap_err();
    assert!(
        matches!(error, PipelineError::ResultTooLarge { .. }),
        "{error}"
    );
    assert!(!connection.is_reusable());
}

#[tokio::test]
async fn notices_notifications_and_parameters_in_between_are_read_past() {
    let database = Database::create();
    let mut connection = database.connect("postgres").await;
    query(&mut connection, "listen here").await;
    query(&mut connection, "notify here, 'hello'").await;
    query(
        &mut connection,
        "do $$ begin raise notice '%', repeat('x', 3000000); end $$",
    )
    .await;
    query(&mut connection, "set timezone = 'UTC'").await;
    assert!(connection.encoding_is_utf8());
    query(&mut connection, "set client_encoding = 'LATIN1'").await;
    assert!(!connection.encoding_is_utf8());
    let sql = "do $$ begin raise exception '%', repeat('x', 3000000); end $$";
    let error = connection
        .pipeline(&[Statement::command(sql)])
        .await
        .unwrap_err();
    let PipelineError::Server { error, .. } = error else {
        panic!("{error}")
    };
    assert!(error.message.len() < 100_000);
    assert_eq!(scalar(&mut connection, "select 1").await, "1");
}

#[tokio::test]
async fn a_trailing_query_is_read_before_the_next_use() {
    let database = Database::create();
    let mut connection = database.connect("postgres").await;
    let before = connection.flushes();
    let first = [Statement::command("select 1")];
    connection
        .pipeline_then(
            &first,
            Some(Statement::command("set work_mem = '7MB'; select 2")),
        )
        .await
        .unwrap();
    assert_eq!(connection.flushes(), before + 1);
    assert_eq!(scalar(&mut connection, "show work_mem").await, "7MB");
    connection
        .pipeline_then(&first, Some(Statement::command("select 1/0")))
        .await
        .unwrap();
    assert!(matches!(
        connection.settle().await,
        Err(PipelineError::Server { .. })
    ));
    assert!(connection.is_reusable());
    let after = connection.flushes();
    let both = [
        Statement::command("select 1/0"),
        Statement::command("set work_mem = '8MB'"),
    ];
    connection.send_trailing(&both).await.unwrap();
    assert_eq!(connection.flushes(), after + 1);
    assert!(matches!(
        connection.settle().await,
        Err(PipelineError::Server { .. })
    ));
    assert_eq!(scalar(&mut connection, "show work_mem").await, "8MB");
}

#[tokio::test]
async fn a_cancel_request_ends_the_statement_promptly() {
    let database = Database::create();
    let mut connection = database.connect("postgres").await;
    let handle = connection.cancel_handle();
    let watcher = database.clone();
    let cancel = tokio::task::spawn_blocking(move || {
        while watcher
            .psql("select count(*) from pg_stat_activity where query = 'select pg_sleep(60)'")
            != "1"
        {}
    });
    let started = Instant::now();
    let canceller = async {
        cancel.await.unwrap();
        handle.cancel(Duration::from_secs(5)).await.unwrap();
    };
    let sleep = [Statement::command("select pg_sleep(60)")];
    let (answer, ()) = tokio::join!(connection.pipeline(&sleep), canceller);
    let error = answer.unwrap_err();
    let PipelineError::Server { error, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(error.sqlstate, "57014");
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_terminated_session_says_why_and_is_lost() {
    let database = Database::create();
    let mut connection = database.connect("postgres").await;
    let suicide = [Statement::command(
        "select pg_terminate_backend(pg_backend_pid())",
    )];
    let error = connection.pipeline(&suicide).await.unwrap_err();
    let PipelineError::Server { error, status, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(
        (error.sqlstate.as_str(), status),
        ("57P01", TransactionStatus::Lost)
    );
    assert!(!connection.is_reusable());
}

#[tokio::test]
async fn a_dropped_pipeline_leaves_the_connection_unusable() {
    let database = Database::create();
    let mut connection = database.connect("postgres").await;
    let sleep = [Statement::command("select pg_sleep(5)")];
    let limited = tokio::time::timeout(Duration::from_millis(50), connection.pipeline(&sleep));
    assert!(limited.await.is_err());
    assert!(!connection.is_reusable());
    assert!(
        connection
            .pipeline(&[Statement::command("select 1")])
            .await
            .is_err()
    );
}

/// A cluster that asks for passwords and offers TLS with a certificate for `localhost`.
fn guarded_cluster() -> Cluster {
    let cluster = Cluster::start(&[]);
    let data = cluster.data();
    let path = |name: &str| data.join(name).to_str().unwrap().to_owned();
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ])
        .args([
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
        ])
        .args(["-keyout", &path("server.key"), "-out", &path("server.crt")])
        .output()
        .expect("openssl runs");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    // The key belongs to root or to the server's user, and is closed to others.
    let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(&data).unwrap());
    std::os::unix::fs::chown(path("server.key"), Some(owner), None).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(path("server.key"), mode).unwrap();
    cluster.psql(
        "postgres",
        "set password_encryption = 'md5'; create role by_md5 login password 'm';
         set password_encryption = 'scram-sha-256'; create role by_scram login password 's';
         create role in_clear login password 'c'; create role tls_only login password 't';",
    );
    let rules = "local all postgres trust
        hostssl all tls_only all scram-sha-256
        hostnossl all tls_only all reject
        host all by_md5 all md5
        host all by_scram all scram-sha-256
        host all in_clear all password\n";
    std::fs::write(path("pg_hba.conf"), rules).unwrap();
    cluster.psql("postgres", "alter system set ssl = on");
    cluster.psql("postgres", "select pg_reload_conf()");
    cluster
}

#[tokio::test]
async fn passwords_and_certificates_are_checked_as_libpq_means_them() {
    let cluster = guarded_cluster();
    let roots = cluster.data().join("server.crt");
    let file = format!("sslrootcert={}", roots.display());
    let open = |user: &str, password: &str, host: &str, mode: &str, roots: &str| {
        let server = format!("host={host} port={} sslmode={mode} {roots}", cluster.port);
        Connection::connect(Arc::new(ConnectConfig {
            user: user.into(),
            password: Some(password.into()),
            database: "postgres".into(),
            ..ConnectConfig::new(server.parse().unwrap())
        }))
    };
    let file = file.as_str();
    // (user, password, host, mode, roots, whether it connects, whether over TLS)
    for (user, password, host, mode, roots, expected) in [
        ("by_scram", "s", "127.0.0.1", "disable", "", Ok("f")),
        ("by_scram", "s", "127.0.0.1", "prefer", "", Ok("t")),
        ("by_scram", "s", "localhost", "verify-full", file, Ok("t")),
        ("by_md5", "m", "127.0.0.1", "disable", "", Ok("f")),
        ("by_md5", "wrong", "127.0.0.1", "disable", "", Err("28P01")),
        (
            "by_scram",
            "wrong",
            "127.0.0.1",
            "require",
            "",
            Err("28P01"),
        ),
        ("in_clear", "c", "127.0.0.1", "disable", "", Err("clear")),
        ("in_clear", "c", "127.0.0.1", "require", "", Ok("t")),
        ("tls_only", "t", "127.0.0.1", "require", "", Ok("t")),
        ("tls_only", "t", "127.0.0.1", "disable", "", Err("28000")),
        ("tls_only", "t", "127.0.0.1", "verify-ca", file, Ok("t")),
        (
            "tls_only",
            "t",
            "127.0.0.1",
            "verify-full",
            file,
            Err("certificate"),
        ),
        (
            "tls_only",
            "t",
            "localhost",
            "verify-full",
            "",
            Err("certificate"),
        ),
        (
            "tls_only",
            "t",
            "localhost",
            "verify-ca",
            "",
            Err("certificate"),
        ),
    ] {
        let label = format!("{user} {host} {mode} {roots}");
        match (open(user, password, host, mode, roots).await, expected) {
            (Ok(mut connection), Ok(tls)) => {
                let sql = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
                assert_eq!(scalar(&mut connection, sql).await, tls, "{label}");
                connection
                    .cancel_handle()
                    .cancel(Duration::from_secs(5))
                    .await
                    .expect(&label);
            }
            (Err(ConnectError::Refused(error)), Err(state)) => {
                assert_eq!(error.sqlstate, state, "{label}: {error}");
            }
            (Err(error), Err(part)) => {
                let text = error.to_string();
                assert!(text.contains(part), "{label}: {text}");
            }
            (Ok(_), Err(_)) => panic!("{label} must not connect"),
            (Err(error), Ok(_)) => panic!("{label}: {error}"),
        }
    }
}

#[tokio::test]
async fn a_unix_socket_needs_no_tls() {
    let database = Database::create();
    let mut config = database.config("postgres");
    let (socket, port) = (database.cluster.socket(), database.cluster.port);
    let server = format!("host={} port={port} sslmode=verify-full", socket.display());
    config.server = server.parse().unwrap();
    config.settings = vec![
        ("search_path".into(), "a, b".into()),
        ("work_mem".into(), "9MB".into()),
    ];
    let mut connection = Connection::connect(Arc::new(config)).await.unwrap();
    assert_eq!(scalar(&mut connection, "show search_path").await, "a, b");
    query(&mut connection, "set work_mem = '1MB'").await;
    query(&mut connection, "reset all").await;
    assert_eq!(scalar(&mut connection, "show work_mem").await, "9MB");
}
