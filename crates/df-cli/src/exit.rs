//! Exit codes, as `--help` documents them, and the last words on stderr.

use std::fmt;
use std::process::ExitCode;

use df_postgres::{Error, ErrorClass, describe};

const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;
const UNREACHABLE: u8 = 3;
const WRONG_SCHEMA: u8 = 4;

/// Marks an error as the caller's: a wrong option, or an answer that was not yes.
#[derive(Debug)]
pub(crate) struct WrongUsage;

impl fmt::Display for WrongUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wrong usage")
    }
}

/// Says what went wrong and returns the code for it.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    eprintln!("df-relay: {}", message(error));
    ExitCode::from(code_of(error))
}

/// The chain of causes up to the first error whose text holds its own causes already.
fn message(error: &anyhow::Error) -> String {
    let mut parts = Vec::new();
    for cause in error.chain() {
        if let Some(postgres) = cause.downcast_ref::<tokio_postgres::Error>() {
            parts.push(describe(postgres));
            break;
        }
        let mut text = cause.to_string();
        if text.ends_with("password missing") {
            text.push_str(
                "; give it in the URL, in DF_RELAY_PASSWORD (of df_relay) or in PGPASSWORD",
            );
        }
        if text != WrongUsage.to_string() {
            parts.push(text);
        }
        if cause.is::<Error>() || cause.is::<df_local::Error>() {
            break;
        }
    }
    parts.join(": ")
}

fn code_of(error: &anyhow::Error) -> u8 {
    if error.downcast_ref::<WrongUsage>().is_some() {
        return WRONG_USAGE;
    }
    match error
        .chain()
        .find_map(|cause| cause.downcast_ref::<Error>())
    {
        Some(Error::Connect { .. } | Error::Tls(_) | Error::Certificate { .. }) => UNREACHABLE,
        Some(Error::ForeignSchema { .. } | Error::MissingSchema(_) | Error::NewerSchema { .. }) => {
            WRONG_SCHEMA
        }
        Some(Error::Options(_)) => WRONG_USAGE,
        Some(error) if error.class() == Some(ErrorClass::Outage) => UNREACHABLE,
        _ => FAILED,
    }
}
