//! `df-relay replay` and `df-relay adopt`: what they print.

use anyhow::Context as _;
use df_postgres::Session;
use df_relay::adopt;
use tokio_util::sync::CancellationToken;

use crate::command_line::ReplayOptions;
use crate::config::Config;

pub(crate) async fn replay(options: &ReplayOptions, config: &Config) -> anyhow::Result<()> {
    let session = Session::new(
        config.relay_database()?.with_pooler(true),
        CancellationToken::new(),
    );
    let (mut events, mut changed, mut busy) = (0u64, 0u64, 0u64);
    let replayed = df_relay::replay(&session, &options.instances, |event| {
        events += 1;
        changed += u64::from(event.changed);
        busy += u64::from(event.outcome.starts_with("busy"));
        if options.json {
            let line = serde_json::json!({
                "event_id": event.event_id, "kind": event.kind,
                "outcome": event.outcome, "changed": event.changed,
            });
            println!("{line}");
        } else {
            println!("{}: {}", event.event_id, event.outcome);
        }
    });
    replayed.await.context("replaying the outbox")?;
    if !options.json {
        println!("{events} events compared, {changed} delivered, {busy} locked by somebody");
    }
    Ok(())
}

pub(crate) async fn adopt(config: &Config) -> anyhow::Result<()> {
    let database = config.relay_database()?;
    let identity = adopt::identify(&database).await?;
    if identity.is_ours {
        println!("relays have run here before; nothing to adopt");
        return Ok(());
    }
    let here = adopt::adopt(&database).await?;
    println!(
        "adopted: relays may run at {here}; before, they ran at {}",
        identity.first_run_at
    );
    Ok(())
}
