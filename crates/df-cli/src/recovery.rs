//! `df-relay replay` and `df-relay adopt`: what they print.

use std::collections::BTreeMap;

use anyhow::Context as _;
use df_postgres::Session;
use df_relay::adopt;
use tokio_util::sync::CancellationToken;

use crate::command_line::ReplayOptions;
use crate::config::Config;
use crate::output;
use crate::schema_check::client_of_known_schema;

pub(crate) async fn replay(options: &ReplayOptions, config: &Config) -> anyhow::Result<()> {
    // The session waits for a server that is away; a person at a prompt should be told instead.
    drop(client_of_known_schema(config).await?);
    let session = Session::new(
        config.relay_database()?.with_pooler(true),
        CancellationToken::new(),
    );
    let (mut events, mut changed, mut busy) = (0u64, 0u64, 0u64);
    // A million events that were as they should be are told as a number.
    let mut found_so = BTreeMap::<String, u64>::new();
    let all = !options.instances.is_empty();
    // A full disk at the other end of stdout must not end the replay half-way.
    let mut shown = Ok(());
    let replayed = df_relay::replay(&session, &options.instances, |event| {
        events += 1;
        changed += u64::from(event.changed);
        let is_busy = event.outcome.starts_with("busy");
        busy += u64::from(is_busy);
        let mut show = |printed: std::io::Result<()>| {
            if shown.is_ok() {
                shown = printed;
            }
        };
        if options.json {
            let line = serde_json::json!({
                "event_id": event.event_id, "kind": event.kind,
                "outcome": event.outcome, "changed": event.changed,
            });
            show(output::line(line));
        } else if all || event.changed || is_busy {
            show(output::line(format_args!(
                "{}: {}",
                event.event_id, event.outcome
            )));
        } else {
            // Without the place, of which there may be as many as events.
            let found = event.outcome.split(" at ").next().unwrap_or_default();
            *found_so
                .entry(format!("{}: {found}", event.kind))
                .or_default() += 1;
        }
    });
    replayed.await.context("replaying the outbox")?;
    shown.context("writing to stdout")?;
    if !options.json {
        for (found, count) in found_so {
            output::line(format_args!("{count} × {found}"))?;
        }
        output::line(format_args!(
            "{events} events compared, {changed} delivered, {busy} locked by somebody"
        ))?;
        if busy > 0 {
            output::line("run it again for what was locked")?;
        }
        if events == 0 && !options.instances.is_empty() {
            output::line("no such instance, or retention has removed it")?;
        }
    }
    Ok(())
}

pub(crate) async fn adopt(config: &Config) -> anyhow::Result<()> {
    drop(client_of_known_schema(config).await?);
    let database = config.relay_database()?;
    let identity = adopt::identify(&database).await?;
    if identity.is_ours {
        output::line("this database is the one that relays run on; nothing to adopt")?;
        return Ok(());
    }
    let here = adopt::adopt(&database).await?;
    output::line(format_args!(
        "adopted: relays may run at {here}; before, they ran at {}",
        identity.first_run_at
    ))?;
    output::line(
        "the granted roles may need step logins of this place: `df-relay doctor` lists the statements",
    )?;
    Ok(())
}
