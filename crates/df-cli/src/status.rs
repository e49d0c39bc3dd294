//! `df-relay status`: what is running and what is stuck, on one screen or as JSON.

use anyhow::Context as _;
use df_postgres::query_unnamed;
use serde_json::Value;

use crate::command_line::ReportOptions;
use crate::config::Config;
use crate::output;
use crate::schema_check::client_of_known_schema;

pub(crate) async fn status(options: &ReportOptions, config: &Config) -> anyhow::Result<()> {
    let client = client_of_known_schema(config).await?;
    let rows = query_unnamed(&client, "select df.relay_status()::text", &[])
        .await
        .context("asking for the status; df_relay, a member of df_admin or a superuser may")?;
    let text: String = rows[0].get(0);
    let status: Value = serde_json::from_str(&text).context("reading the status")?;
    if options.json {
        output::line(serde_json::to_string_pretty(&status)?)?;
    } else {
        output::print(screen(&status))?;
    }
    Ok(())
}

/// The status for a person.
fn screen(status: &Value) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    };
    // Seconds are enough for a person: 2026-01-02T03:04:05.678901+00:00 loses its fraction.
    let time = |value: &Value| match value.as_str().and_then(|text| text.split_once('.')) {
        Some((seconds, rest)) => {
            let zone = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            format!("{}{zone}", seconds.replacen('T', " ", 1))
        }
        None => text(value),
    };
    let list = |key: &str| status[key].as_array().cloned().unwrap_or_default();
    let mut lines = vec![format!(
        "database   {} at {}",
        text(&status["database"]),
        time(&status["time"])
    )];
    let relays = list("relays");
    let live = relays.iter().filter(|relay| relay["live"] == true).count();
    lines.push(format!(
        "relays     {live} live, {} gone",
        relays.len() - live
    ));
    for relay in &relays {
        lines.push(format!(
            "  {}  {} since {}, last heartbeat {}, owns {} instances{}",
            text(&relay["incarnation"]),
            text(&relay["version"]),
            time(&relay["started_at"]),
            time(&relay["heartbeat_at"]),
            relay["instances"],
            if relay["live"] == true {
                ""
            } else {
                "; its lease ran out"
            },
        ));
    }
    let counts = |key: &str| {
        let counts = status[key].as_object().into_iter().flatten();
        let counts = counts.map(|(name, count)| format!("{count} {name}"));
        counts.collect::<Vec<_>>().join(", ")
    };
    lines.push(format!("instances  {}", counts("instances")));
    lines.push(format!("last day   {}", counts("ended_last_day")));
    let oldest = match status["undelivered"].as_u64() {
        Some(0) => String::new(),
        _ => format!(
            ", the oldest for {} s",
            status["oldest_undelivered_seconds"]
        ),
    };
    lines.push(format!(
        "outbox     {} undelivered{oldest}; {} parked",
        status["undelivered"], status["parked"]
    ));
    for event in list("parked_events") {
        let id = text(&event["event_id"]);
        let quoted = df_postgres::quote_literal(&id);
        lines.push(format!("  {id}: {}", text(&event["error"])));
        lines.push(format!("    SELECT df.release({quoted});"));
    }
    for stuck in list("stuck") {
        let id = text(&stuck["id"]);
        lines.push(format!(
            "stuck      {id} ({}) since {}: {}",
            text(&stuck["label"]),
            time(&stuck["since"]),
            text(&stuck["why"])
        ));
        lines.push(format!(
            "    SELECT * FROM df.why({});",
            df_postgres::quote_literal(&id)
        ));
    }
    let shown = list("stuck").len() as u64;
    let among = status["stuck_count"].as_u64().unwrap_or(shown);
    if among > shown {
        lines.push(format!("stuck      and {} more", among - shown));
    }
    if live == 0 {
        lines.push("No relay is running: start one with df-relay run.".to_owned());
    }
    lines.join("\n") + "\n"
}
