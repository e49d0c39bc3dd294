//! The operator's settings as a relay reads them, whatever stands in their table.

use crate::support::TestDb;

#[tokio::test]
async fn no_value_in_the_table_stops_a_relay() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    for value in [
        "9999999",
        "1e300",
        "1e30",
        "-1",
        "0",
        "NaN",
        "Infinity",
        "99999999999999999999",
    ] {
        let put = format!(
            "update df.setting_values set value = '{value}'
              where name like 'http\\_max\\_%' or name in ('reconcile_interval_seconds', 'step_timeout_seconds',
                    'fence_lock_timeout_seconds', 'step_transient_attempts')"
        );
        db.client.batch_execute(&put).await.unwrap();
        let mut relay = db.start_relay();
        let id = alice.text("select df.start('select 1')").await.unwrap();
        assert_eq!(db.ended(&id).await, "completed", "{value}");
        assert_eq!(relay.stop(), 0, "{value}");
        let log = relay.log();
        assert!(!log.contains("panicked"), "{value}: {log}");
    }
}

#[tokio::test]
async fn a_step_that_waits_for_its_set_up_takes_the_settings_as_they_are_then() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    let relay = db.start_relay();
    let login = db.step_login(&alice).await;
    let may = async |what: &str| {
        let sql = format!("alter role {login} {what}");
        db.client.batch_execute(&sql).await.unwrap();
    };
    may("nologin").await;
    let id = alice
        .text("select df.start('select pg_sleep(20)')")
        .await
        .unwrap();
    relay.wait_for_log("step waits for its set-up to be mended");
    db.text("select df.configure('step_timeout_seconds', '0.2')")
        .await;
    may("login").await;
    assert_eq!(db.ended(&id).await, "failed");
    let error = format!("select error_sqlstate from df.instances where id = '{id}'");
    assert_eq!(db.text(&error).await.as_deref(), Some("57014"));
}
