//! An error as the server reports it.

use std::fmt;

/// A field longer than this is cut: user code may raise a message of any size.
const MAX_FIELD_BYTES: usize = 16 * 1024;

/// How much the server lost with the error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Severity {
    /// The statement failed, the session lives.
    #[default]
    Error,
    /// The session ends.
    Fatal,
    /// Every session ends.
    Panic,
}

/// The fields of an ErrorResponse.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DbError {
    pub severity: Severity,
    /// Five characters.
    pub sqlstate: String,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
    /// The context, one line per call.
    pub context: Option<String>,
    pub schema: Option<String>,
    pub table: Option<String>,
    pub column: Option<String>,
    pub constraint: Option<String>,
    /// One-based, in characters of the statement's text.
    pub position: Option<u32>,
}

impl DbError {
    /// Reads the body of an ErrorResponse, which may have been cut short.
    pub(super) fn parse(mut body: &[u8]) -> Self {
        let mut error = DbError::default();
        while let Some((&field, rest)) = body.split_first() {
            if field == 0 {
                break;
            }
            let end = rest.iter().position(|&b| b == 0).unwrap_or(rest.len());
            error.set(field, &rest[..end]);
            body = rest.get(end + 1..).unwrap_or_default();
        }
        error
    }

    fn set(&mut self, field: u8, value: &[u8]) {
        let value = || decode(value);
        match field {
            b'V' => {
                self.severity = match value().as_str() {
                    "FATAL" => Severity::Fatal,
                    "PANIC" => Severity::Panic,
                    _ => Severity::Error,
                }
            }
            b'C' => self.sqlstate = value(),
            b'M' => self.message = value(),
            b'D' => self.detail = Some(value()),
            b'H' => self.hint = Some(value()),
            b'W' => self.context = Some(value()),
            b's' => self.schema = Some(value()),
            b't' => self.table = Some(value()),
            b'c' => self.column = Some(value()),
            b'n' => self.constraint = Some(value()),
            b'P' => self.position = value().parse().ok(),
            _ => {}
        }
    }

    /// The first two characters of the SQLSTATE.
    pub fn class(&self) -> &str {
        self.sqlstate.get(..2).unwrap_or_default()
    }
}

/// The text may be in another encoding when the error comes before the session has one.
fn decode(value: &[u8]) -> String {
    String::from_utf8_lossy(&value[..value.len().min(MAX_FIELD_BYTES)]).into_owned()
}

impl fmt::Display for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.message, self.sqlstate)
    }
}

impl std::error::Error for DbError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_cut_short_keeps_what_arrived() {
        let error = DbError::parse(b"SERROR\0VFATAL\0C57P01\0Mterminating conn");
        assert_eq!(error.severity, Severity::Fatal);
        assert_eq!(error.sqlstate, "57P01");
        assert_eq!(error.message, "terminating conn");
    }
}
