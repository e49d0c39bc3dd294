//! `df-relay install` and `df-relay uninstall`: what they ask and print.

use std::io::{BufRead as _, IsTerminal as _, Write as _, stderr, stdin};

use anyhow::{Context as _, anyhow};
use df_postgres::install as installer;
use df_postgres::schema::SchemaFiles;
use tokio_util::sync::CancellationToken;

use crate::command_line::{InstallOptions, UninstallOptions};
use crate::config::{Config, Secret};
use crate::exit::WrongUsage;
use crate::output;

pub(crate) async fn install(options: &InstallOptions, config: &Config) -> anyhow::Result<()> {
    let database = config.admin_database()?;
    let files = SchemaFiles::embedded()?;
    let chosen = installer::InstallOptions {
        operator_schema: config.operator_schema.clone(),
        relay_password: config
            .relay_password
            .clone()
            .map(|Secret(password)| installer::RelayPassword(password)),
        ..installer::InstallOptions::default()
    };
    if options.dry_run {
        output::print(installer::dry_run(&database, &files, &chosen).await?)?;
        return Ok(());
    }
    let report = installer::install(&database, &files, &chosen, &CancellationToken::new()).await?;
    output::line(&report.outcome)?;
    for note in &report.notes {
        output::line(note)?;
    }
    Ok(())
}

pub(crate) async fn uninstall(options: &UninstallOptions, config: &Config) -> anyhow::Result<()> {
    let database = config.admin_database()?;
    if !options.yes {
        ask(&format!(
            "Remove the schema df and every workflow from {database}?"
        ))?;
    }
    let report = installer::uninstall(&database).await?;
    output::line("removed the schema df")?;
    for role in &report.dropped_roles {
        output::line(format_args!("dropped the role {role}"))?;
    }
    for (role, why) in &report.kept_roles {
        output::line(format_args!("kept the role {role}: {why}"))?;
    }
    Ok(())
}

/// Goes on only after a `yes` typed by a person.
fn ask(question: &str) -> anyhow::Result<()> {
    if !stdin().is_terminal() {
        return Err(anyhow!("{question} Not without an answer; give --yes").context(WrongUsage));
    }
    eprint!("{question} Type yes: ");
    stderr().flush().context("asking")?;
    let mut answer = String::new();
    stdin()
        .lock()
        .read_line(&mut answer)
        .context("reading the answer")?;
    if answer.trim() == "yes" {
        return Ok(());
    }
    Err(anyhow!("nothing was changed").context(WrongUsage))
}
