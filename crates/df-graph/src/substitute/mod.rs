//! Substitution: references to results and variables become their values
//! (docs/sql-api.md, Using earlier results).
//!
//! Names are whole identifiers, so `$total` never matches inside `$total_amount`, whichever of the
//! two is bound. Inserted text is never looked at again.

mod plain;
mod reference;
mod sql;

use serde_json::Value;

pub use plain::{Place, substitute_json_text, substitute_plain, whole_value};
pub use sql::substitute_sql;

/// The most rows that `$name.*` may expand to.
pub const MAX_EXPANDED_ROWS: usize = 10_000;
/// The most bytes that a text may grow to; a short text can name a large result many times.
pub const MAX_SUBSTITUTED_BYTES: usize = 64 << 20;

/// What the names of a text stand for. A name that is not bound is left as it stands.
pub trait Bindings {
    /// The result kept as `$name`, in one of the shapes of docs/sql-api.md, Results.
    fn result(&self, name: &str) -> Option<&Value>;
    /// Why the result kept as `$name` cannot be read, where that is so.
    fn unreadable(&self, _name: &str) -> Option<&str> {
        None
    }
    /// The variable `{name}`, as captured when the instance started.
    fn var(&self, name: &str) -> Option<&str>;
    /// `{sys_instance_id}`.
    fn instance_id(&self) -> &str;
    /// `{sys_label}`; an instance without a label has the empty text.
    fn label(&self) -> Option<&str>;
}

/// Why a text could not be completed. It is the failure of the node, and never retryable by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubstituteError {
    #[error("{reference} refers to a result with no rows; write {reference}? to have NULL instead")]
    NoRows { reference: String },
    #[error("{reference} is NULL; write {reference}? to accept that")]
    Null { reference: String },
    #[error("{reference} names a column that the result does not have")]
    UnknownColumn { reference: String },
    #[error("the result that {reference} refers to cannot be read: {why}")]
    Unreadable { reference: String, why: String },
    #[error("{reference} needs a result that is a set of rows")]
    NotRows { reference: String },
    #[error("{reference} has {rows} rows, more than the maximum of {MAX_EXPANDED_ROWS}")]
    TooManyRows { reference: String, rows: usize },
    #[error("{reference} makes the text larger than the maximum of {MAX_SUBSTITUTED_BYTES} bytes")]
    TooLong { reference: String },
    #[error("{reference} holds a NUL character, which no SQL text can hold")]
    Nul { reference: String },
    #[error("data_b64 takes only one whole-value reference, nothing around it: {text}")]
    NotWhole { text: String },
}

/// Appends an inserted value, unless that makes the text too long.
fn append(out: &mut String, value: &str, written: &str) -> Result<(), SubstituteError> {
    if out.len() + value.len() > MAX_SUBSTITUTED_BYTES {
        return Err(SubstituteError::TooLong {
            reference: written.to_string(),
        });
    }
    out.push_str(value);
    Ok(())
}

/// The bound results that a text may refer to, in order of appearance, each once.
///
/// It may name one that only stands in a comment; loading that is harmless.
pub fn names_in(text: &str, known: impl Fn(&str) -> bool) -> Vec<String> {
    let mut names = indexmap::IndexSet::new();
    for (at, _) in text.match_indices('$') {
        let name = reference::identifier(&text[at + 1..]);
        if !name.is_empty() && !names.contains(name) && known(name) {
            names.insert(name.to_string());
        }
    }
    names.into_iter().collect()
}
