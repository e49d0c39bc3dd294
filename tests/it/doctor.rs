//! `df-relay status`, `doctor` and `completions`, as a tired person reads them.

use crate::support::{Process, TestDb, spawn};

fn run(db: &TestDb, args: &[&str]) -> (i32, String) {
    let mut process: Process = spawn(args, &[("DF_DATABASE_URL", &db.superuser_url())]);
    let code = process.wait().code().expect("it ends by itself");
    (code, process.stdout().join("\n") + &process.log())
}

/// The mending statements of the doctor's findings on a topic, as the relay's role sees them.
async fn mends(db: &TestDb, topic: &str) -> Vec<String> {
    let sql =
        "select mend from df.relay_doctor() where topic = $1 and not well and mend is not null";
    let rows = db.client.query(sql, &[&topic]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_finds_a_broken_step_login_and_its_statement_mends_it() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    let login = db.step_login(&alice).await;
    for fault in ["nologin", "inherit", "valid until '2001-01-01'"] {
        db.client
            .batch_execute(&format!("alter role {login} {fault}"))
            .await
            .unwrap();
        let found = mends(&db, "step logins").await;
        assert_eq!(found.len(), 1, "{fault}: {found:?}");
        db.client.batch_execute(&found[0]).await.unwrap();
        assert_eq!(
            mends(&db, "step logins").await,
            Vec::<String>::new(),
            "{fault}"
        );
    }
    let _relay = db.start_relay();
    let id = alice.text("select df.start('select 1')").await.unwrap();
    assert_eq!(db.ended(&id).await, "completed");
}

/// What the catalog cannot tell: pg_hba.conf, a pooler, a password.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_logs_in_as_steps_do() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    let login = db.step_login(&alice).await;
    let found = || {
        let mut doctor = spawn(&["doctor"], &[("DF_DATABASE_URL", &db.relay_url())]);
        doctor.wait();
        doctor.stdout().join("\n")
    };
    assert!(found().contains("tried and let in: 1"), "{}", found());
    db.text(&format!("alter role {login} password 'other'"))
        .await;
    let text = found();
    assert!(
        text.contains(&format!("no step of role {} can log in", alice.name)),
        "{text}"
    );
    assert!(text.contains("28P01"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_names_allowed_hosts_that_match_nothing() {
    let db = TestDb::new().await;
    for (list, finding) in [
        ("", "ok     http hosts        every entry"),
        (
            "api.example.com, .example.org, 192.0.2.1",
            "ok     http hosts        every entry",
        ),
        (
            "https://api.example.com, api.example.com, *.example.org",
            "WRONG  http hosts        no host matches https://api.example.com, *.example.org of",
        ),
    ] {
        db.text(&format!(
            "select df.configure('http_allowed_hosts', '{list}')"
        ))
        .await;
        let (_, text) = run(&db, &["doctor"]);
        assert!(text.contains(finding), "{list}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_knows_a_copy_that_nobody_has_adopted() {
    let db = TestDb::new().await;
    let elsewhere =
        "insert into df.meta values ('place', '1/2') on conflict (key) do update set value = '1/2'";
    db.text(elsewhere).await;
    let (code, text) = run(&db, &["doctor"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("Run df-relay adopt"), "{text}");
    assert_eq!(run(&db, &["adopt"]).0, 0);
    let (_, text) = run(&db, &["doctor"]);
    assert!(text.contains("relays run on this database"), "{text}");
    let empty = TestDb::empty().await;
    let (code, text) = run(&empty, &["adopt"]);
    assert_eq!(code, 4, "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copied_database_asks_for_step_logins_of_its_own() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    let id = alice.text("select df.start('select 1')").await.unwrap();
    // As `createdb --template` leaves it: the login is named after the original's oid.
    let copied = "update df.granted_roles set login = 'df_step_1_' || role_oid";
    db.client.batch_execute(copied).await.unwrap();
    let relay = db.start_relay();
    relay.wait_for_log(
        "has no step login in this database; an administrator runs: SELECT df.grant_usage(",
    );
    let found = mends(&db, "step logins").await;
    assert_eq!(found, [format!("SELECT df.grant_usage('{}');", alice.name)]);
    db.client.batch_execute(&found[0]).await.unwrap();
    assert_eq!(mends(&db, "step logins").await, Vec::<String>::new());
    assert_eq!(db.ended(&id).await, "completed");
}

/// A dump names roles, and df.granted_roles numbers them as they were where it was made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_in_another_cluster_asks_for_step_logins_of_its_own_roles() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    let bystander = db.login("bystander", "pw").await;
    // As pg_restore leaves it: one number is nobody's here, and one is somebody else's.
    let copied = format!(
        "update df.granted_roles set role_oid = 4294967001, login = 'df_step_1_4294967001';
         insert into df.granted_roles (role_oid, login, password)
         values ('{0}'::regrole, 'df_step_1_' || '{0}'::regrole::oid, 'x')",
        bystander.name
    );
    db.client.batch_execute(&copied).await.unwrap();
    let found = mends(&db, "step logins").await;
    assert_eq!(found, [format!("SELECT df.grant_usage('{}');", alice.name)]);
    db.client.batch_execute(&found[0]).await.unwrap();
    assert_eq!(mends(&db, "step logins").await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_is_satisfied_once_a_dropped_roles_login_is_dropped() {
    let db = TestDb::new().await;
    let carl = db.role("carl").await;
    let login = db.step_login(&carl).await;
    let drop = format!("drop owned by {0}; drop role {0}", carl.name);
    db.client.batch_execute(&drop).await.unwrap();
    let found = mends(&db, "step logins").await;
    assert_eq!(found, [format!("DROP ROLE IF EXISTS {login};")]);
    db.client.batch_execute(&found[0]).await.unwrap();
    assert_eq!(mends(&db, "step logins").await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_names_the_grants_that_a_database_without_public_connect_lacks() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    let login = db.step_login(&alice).await;
    let revoke = format!("revoke connect on database {} from public", db.name);
    db.client.batch_execute(&revoke).await.unwrap();
    let grant = |role: &str| format!("GRANT CONNECT ON DATABASE {} TO {role};", db.name);
    assert_eq!(mends(&db, "roles").await, [grant("df_relay")]);
    let (_, text) = run(&db, &["doctor"]);
    let of_steps = format!("GRANT CONNECT ON DATABASE \"{}\" TO {login};", db.name);
    assert!(text.contains(&of_steps), "{text}");
    let both = format!("{} {}", grant("df_relay"), grant(&login));
    db.client.batch_execute(&both).await.unwrap();
    assert_eq!(mends(&db, "roles").await, Vec::<String>::new());
    let (_, text) = run(&db, &["doctor"]);
    assert!(text.contains("tried and let in: 1"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_names_the_grant_that_another_database_lacks() {
    let db = TestDb::new().await;
    let other = TestDb::empty().await;
    let alice = db.role("alice").await;
    let revoke = format!("revoke connect on database {} from public", other.name);
    db.client.batch_execute(&revoke).await.unwrap();
    let start = format!("select df.start('select 1', database => '{}')", other.name);
    alice.text(&start).await.unwrap();
    let found = mends(&db, "other databases").await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("GRANT CONNECT ON DATABASE"),
        "{found:?}"
    );
    db.client.batch_execute(&found[0]).await.unwrap();
    assert_eq!(mends(&db, "other databases").await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parked_event_is_shown_with_its_release_and_ends_the_doctor_with_one() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    let id = alice
        .text("select df.start(df.wait_for_signal('go'))")
        .await
        .unwrap();
    alice
        .text(&format!("select df.signal('{id}', 'go')"))
        .await
        .unwrap();
    let park =
        "update df.outbox set parked_at = now(), last_error = 'it broke' where kind = 'signal'";
    db.client.batch_execute(park).await.unwrap();
    let _relay = db.start_relay();
    let (code, text) = run(&db, &["doctor"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("it broke"), "{text}");
    assert!(
        text.contains(&format!("SELECT df.release('{id}/signal/")),
        "{text}"
    );
    let (code, text) = run(&db, &["status"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("1 live, 0 gone"), "{text}");
    assert!(text.contains("it broke"), "{text}");
    let (code, text) = run(&db, &["status", "--json"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains(r#""parked": 1"#), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_relay_status_and_doctor_say_so() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    alice
        .text("select count(df.start('select 1')) from generate_series(1, 25)")
        .await;
    let long_ago = "update df.instances set wake_at = now() - interval '2 minutes'";
    db.client.batch_execute(long_ago).await.unwrap();
    let (code, text) = run(&db, &["status"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(
        text.matches("no relay has claimed it").count(),
        20,
        "{text}"
    );
    assert!(text.contains("and 5 more"), "{text}");
    assert!(text.contains("start one with df-relay run"), "{text}");
    let (code, text) = run(&db, &["doctor", "--json"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("none has a lease that holds"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_relays_own_role_may_ask_both() {
    let db = TestDb::new().await;
    let _relay = db.start_relay();
    for command in ["status", "doctor"] {
        let mut process = spawn(&[command], &[("DF_DATABASE_URL", &db.relay_url())]);
        process.wait();
        let text = process.stdout().join("\n") + &process.log();
        assert!(!text.contains("permission denied"), "{text}");
    }
}

/// Somebody on call who is no superuser; and somebody who only starts workflows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_may_ask_both_and_anybody_else_is_told_who_may() {
    let db = TestDb::new().await;
    let _relay = db.start_relay();
    let night = db.login("night", "pw").await;
    let member = format!("grant df_admin to {}", night.name);
    db.client.batch_execute(&member).await.unwrap();
    let alice = db.role("alice").await;
    for command in ["status", "doctor"] {
        let mut process = spawn(&[command], &[("DF_DATABASE_URL", night.url())]);
        process.wait();
        let text = process.stdout().join("\n") + &process.log();
        assert!(!text.contains("permission denied"), "{text}");
        assert!(process.stdout().len() > 4, "{text}");
        let mut process = spawn(&[command], &[("DF_DATABASE_URL", alice.url())]);
        assert_eq!(process.wait().code(), Some(1));
        let text = process.log();
        assert!(
            text.contains("connect as df_relay, a member of df_admin or a superuser"),
            "{text}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_without_the_schema_is_exit_code_four() {
    let db = TestDb::empty().await;
    for command in ["status", "doctor"] {
        let (code, text) = run(&db, &[command]);
        assert_eq!(code, 4, "{text}");
    }
}

#[test]
fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let mut process = spawn(&["completions", shell], &[]);
        assert!(process.wait().success(), "{}", process.log());
        assert!(process.stdout().join("\n").contains("doctor"), "{shell}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_lost_its_grants_is_found_and_an_install_mends_it() {
    let db = TestDb::new().await;
    let (code, text) = run(&db, &["install"]);
    assert!(code == 0 && text.contains("already up to date"), "{text}");
    let revoke = "revoke usage on schema df from df_relay";
    db.client.batch_execute(revoke).await.unwrap();
    let (code, text) = run(&db, &["doctor"]);
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("df_relay may not use the schema df\n       Run df-relay install again."),
        "{text}"
    );
    let mut relay = spawn(&["run"], &[("DF_DATABASE_URL", &db.relay_url())]);
    assert!(!relay.wait().success());
    assert!(
        relay
            .log()
            .contains("run df-relay install, which gives it its grants back"),
        "{}",
        relay.log()
    );
    let (code, text) = run(&db, &["install"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("replaced the functions"), "{text}");
    assert!(mends(&db, "roles").await.is_empty());
    let _relay = db.start_relay();
}
