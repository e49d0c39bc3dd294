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
