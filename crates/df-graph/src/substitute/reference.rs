//! Finds one reference in a text and the value it stands for, whatever becomes of it there.

use serde_json::{Map, Value};

use super::{Bindings, MAX_EXPANDED_ROWS, SubstituteError};
use crate::results::rows;

/// The most bytes between the braces of a variable: those of the longest name that `df.setvar` takes.
const MAX_VARIABLE_BYTES: usize = 1024;

/// A reference and its value.
pub(super) struct Found<'a> {
    /// The first byte behind the reference.
    pub end: usize,
    /// The reference as it was written, for messages.
    pub written: &'a str,
    pub value: Resolved<'a>,
}

pub(super) enum Resolved<'a> {
    /// A value that is not null.
    Value(&'a Value),
    /// A nullable reference to nothing.
    Null,
    /// `$name.*`.
    Rows { name: &'a str, rows: &'a [Value] },
    /// A variable or a system value, which is inserted as it is.
    Text(&'a str),
}

/// What is particular to the text that holds the reference.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    /// An unknown column is an error instead of being left alone.
    pub strict_columns: bool,
    /// The place of a question mark that separates a URL's query and so is no suffix.
    pub query_mark: Option<usize>,
}

/// The reference that begins at `at` with `$` or `{` and ends before `end`; `None` where there is
/// none that is bound.
pub(super) fn find<'a>(
    text: &'a str,
    at: usize,
    end: usize,
    bindings: &'a dyn Bindings,
    rules: Rules,
) -> Result<Option<Found<'a>>, SubstituteError> {
    let text = &text[..end];
    match text.as_bytes().get(at) {
        Some(b'{') => Ok(variable(text, at, bindings)),
        Some(b'$') => result(text, at, bindings, rules),
        _ => Ok(None),
    }
}

/// The longest `[A-Za-z_][A-Za-z0-9_]*` that the text begins with; empty if there is none.
pub(super) fn identifier(text: &str) -> &str {
    if text.as_bytes().first().is_none_or(u8::is_ascii_digit) {
        return "";
    }
    let length = text
        .bytes()
        .take_while(|b| b.is_ascii_alphanumeric() || *b == b'_')
        .count();
    &text[..length]
}

fn variable<'a>(text: &'a str, at: usize, bindings: &'a dyn Bindings) -> Option<Found<'a>> {
    let bytes = &text.as_bytes()[at + 1..];
    let length = bytes
        .iter()
        .take(MAX_VARIABLE_BYTES + 1)
        .position(|byte| matches!(byte, b'{' | b'}'))
        .filter(|length| bytes[*length] == b'}')?;
    let name = &text[at + 1..at + 1 + length];
    let value = match name {
        "sys_instance_id" => bindings.instance_id(),
        "sys_label" => bindings.label().unwrap_or_default(),
        name => bindings.var(name)?,
    };
    let end = at + length + 2;
    Some(Found {
        end,
        written: &text[at..end],
        value: Resolved::Text(value),
    })
}

fn result<'a>(
    text: &'a str,
    at: usize,
    bindings: &'a dyn Bindings,
    rules: Rules,
) -> Result<Option<Found<'a>>, SubstituteError> {
    let name = identifier(&text[at + 1..]);
    if let Some(why) = bindings.unreadable(name) {
        return Err(SubstituteError::Unreadable {
            reference: format!("${name}"),
            why: why.to_string(),
        });
    }
    let Some(bound) = Some(name)
        .filter(|n| !n.is_empty())
        .and_then(|n| bindings.result(n))
    else {
        return Ok(None);
    };
    let name_end = at + 1 + name.len();
    let rest = &text[name_end..];
    if rest.starts_with(".*") {
        let end = name_end + 2;
        let written = &text[at..end];
        let rows = expandable(bound, written)?;
        return Ok(Some(Found {
            end,
            written,
            value: Resolved::Rows { name, rows },
        }));
    }
    let (end, lookup) = match rest
        .strip_prefix('.')
        .map(|rest| (rest, column_names(rest)))
    {
        Some((_, [longest, shorter])) if !longest.is_empty() => {
            match (column(bound, longest), column(bound, shorter)) {
                (Lookup::Unknown, Lookup::Found(found)) if !shorter.is_empty() => {
                    (name_end + 1 + shorter.len(), Lookup::Found(found))
                }
                (found, _) => (name_end + 1 + longest.len(), found),
            }
        }
        _ => (name_end, whole(bound)),
    };
    let nullable = text[end..].starts_with('?') && rules.query_mark != Some(end);
    let written = &text[at..end];
    let reference = || written.to_string();
    let value = match lookup {
        Lookup::Unknown if rules.strict_columns => {
            return Err(SubstituteError::UnknownColumn {
                reference: reference(),
            });
        }
        Lookup::Unknown => return Ok(None),
        Lookup::Found(value) if !value.is_null() => Resolved::Value(value),
        _ if nullable => Resolved::Null,
        Lookup::Found(_) => {
            return Err(SubstituteError::Null {
                reference: reference(),
            });
        }
        Lookup::NoRows => {
            return Err(SubstituteError::NoRows {
                reference: reference(),
            });
        }
    };
    Ok(Some(Found {
        end: end + usize::from(nullable),
        written,
        value,
    }))
}

enum Lookup<'a> {
    Found(&'a Value),
    NoRows,
    Unknown,
}

/// `$name`: the first column of the first row, or the whole of a result that is no row set.
fn whole(bound: &Value) -> Lookup<'_> {
    match rows(bound) {
        None => Lookup::Found(bound),
        Some([]) => Lookup::NoRows,
        // A row without columns has nothing in it, like a NULL.
        Some([first, ..]) => {
            let value = first.as_object().and_then(|row| row.values().next());
            Lookup::Found(value.unwrap_or(&Value::Null))
        }
    }
}

/// `$name.column`: a column of the first row, or a field of a result that is no row set.
fn column<'a>(bound: &'a Value, column: &str) -> Lookup<'a> {
    let holder = match rows(bound) {
        Some([]) => return Lookup::NoRows,
        Some([first, ..]) => first,
        None if bound.is_null() => return Lookup::Found(bound),
        None => bound,
    };
    holder.get(column).map_or(Lookup::Unknown, Lookup::Found)
}

/// The column names that a text can begin with: in any script, and in ASCII alone, since the text
/// of a message may go on without a space.
fn column_names(text: &str) -> [&str; 2] {
    let ascii = identifier(text);
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return ["", ""];
    }
    let length = text
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    [&text[..length], ascii]
}

fn expandable<'a>(bound: &'a Value, written: &str) -> Result<&'a [Value], SubstituteError> {
    let reference = || written.to_string();
    let rows = rows(bound).ok_or_else(|| SubstituteError::NotRows {
        reference: reference(),
    })?;
    // All rows of a statement have the same columns; others were made by hand, and one wide row
    // among ten thousand narrow ones would expand far beyond the size of the result.
    let width = |row: &Value| row.as_object().map(Map::len);
    if rows.iter().any(|row| width(row) != width(&rows[0])) {
        return Err(SubstituteError::NotRows {
            reference: reference(),
        });
    }
    if rows.len() > MAX_EXPANDED_ROWS {
        return Err(SubstituteError::TooManyRows {
            reference: reference(),
            rows: rows.len(),
        });
    }
    Ok(rows)
}

/// The bare text of a value, as a message or a request would show it.
pub(super) fn plain_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Rows as a JSON array of objects.
pub(super) fn rows_text(rows: &[Value]) -> String {
    // A JSON value always has a text; the default cannot be reached.
    serde_json::to_string(rows).unwrap_or_default()
}
