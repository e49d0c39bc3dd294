//! Substitution outside SQL: HTTP requests, break values, form data.

use serde_json::Value;

use super::reference::{Found, Resolved, Rules, find, plain_text, rows_text};
use super::{Bindings, SubstituteError, append};

/// Which part of a request a text is; it decides what a nullable reference to nothing becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Nothing becomes empty. In `…/$id?key=value` the first question mark begins the query.
    Url,
    /// A header value or a part's name; nothing becomes empty.
    Header,
    /// Nothing becomes `null`, as JSON writes it.
    Body,
}

/// Replaces references by their bare text: no quotes, no escapes.
///
/// # Errors
/// A strict reference to no rows or NULL, an unknown column, `$name.*` of no row set.
pub fn substitute_plain(
    text: &str,
    place: Place,
    bindings: &dyn Bindings,
) -> Result<String, SubstituteError> {
    let query_mark = if place == Place::Url {
        query_mark(text)
    } else {
        None
    };
    let rules = Rules {
        strict_columns: true,
        query_mark,
    };
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(offset) = text[at..].find(['$', '{']) {
        let start = at + offset;
        out.push_str(&text[at..start]);
        at = start + 1;
        match find(text, start, text.len(), bindings, rules)? {
            None => out.push_str(&text[start..at]),
            Some(Found {
                end,
                value: Resolved::Null,
                ..
            }) => {
                out.push_str(if place == Place::Body { "null" } else { "" });
                at = end;
            }
            Some(Found {
                end,
                value,
                written,
            }) => {
                append(&mut out, &bare(&value), written)?;
                at = end;
            }
        }
    }
    out.push_str(&text[at..]);
    Ok(out)
}

/// Replaces references in a break value, which may be JSON or any text.
///
/// Where the text is JSON but for its references, a value is escaped inside a JSON string and
/// written as JSON elsewhere; otherwise it is inserted bare.
pub fn substitute_json_text(
    text: &str,
    bindings: &dyn Bindings,
) -> Result<String, SubstituteError> {
    if text.trim_start().starts_with(['{', '[', '"']) {
        let json = substitute_in_json(text, bindings)?;
        if serde_json::from_str::<Value>(&json).is_ok() {
            return Ok(json);
        }
    }
    substitute_plain(text, Place::Body, bindings)
}

/// Replaces the one reference that a part's `data_b64` may be; a text without any is kept.
///
/// # Errors
/// A reference with anything around it, `$name.*` included, and those of [`substitute_plain`].
pub fn whole_value(text: &str, bindings: &dyn Bindings) -> Result<String, SubstituteError> {
    let rules = Rules {
        strict_columns: true,
        query_mark: None,
    };
    let trimmed = text.trim();
    for (at, _) in trimmed.match_indices(['$', '{']) {
        let Some(found) = find(trimmed, at, trimmed.len(), bindings, rules)? else {
            continue;
        };
        return match found.value {
            _ if at > 0 || found.end < trimmed.len() => Err(not_whole(text)),
            Resolved::Rows { .. } => Err(not_whole(text)),
            Resolved::Null => Ok(String::new()),
            value => Ok(bare(&value)),
        };
    }
    Ok(text.to_string())
}

fn not_whole(text: &str) -> SubstituteError {
    SubstituteError::NotWhole {
        text: text.chars().take(100).collect(),
    }
}

fn substitute_in_json(text: &str, bindings: &dyn Bindings) -> Result<String, SubstituteError> {
    let rules = Rules {
        strict_columns: true,
        query_mark: None,
    };
    let mut out = String::with_capacity(text.len());
    let mut in_string = false;
    let mut at = 0;
    while let Some(offset) = text[at..].find(['$', '{', '"', '\\']) {
        let start = at + offset;
        out.push_str(&text[at..start]);
        at = start + 1;
        match text.as_bytes()[start] {
            b'"' => {
                in_string = !in_string;
                out.push('"');
            }
            b'\\' => {
                out.push('\\');
                // The escaped character is no quote and no reference.
                if let Some(escaped) = text[at..].chars().next() {
                    out.push(escaped);
                    at += escaped.len_utf8();
                }
            }
            _ => match find(text, start, text.len(), bindings, rules)? {
                None => out.push_str(&text[start..=start]),
                Some(Found {
                    end,
                    value,
                    written,
                }) => {
                    append(&mut out, &in_json(&value, in_string), written)?;
                    at = end;
                }
            },
        }
    }
    out.push_str(&text[at..]);
    Ok(out)
}

fn in_json(value: &Resolved<'_>, in_string: bool) -> String {
    match value {
        Resolved::Null => "null".into(),
        value if in_string => {
            let quoted = Value::from(bare(value)).to_string();
            quoted[1..quoted.len() - 1].to_string()
        }
        Resolved::Value(value) => value.to_string(),
        value => bare(value),
    }
}

fn bare(value: &Resolved<'_>) -> String {
    match value {
        Resolved::Value(value) => plain_text(value),
        Resolved::Null => String::new(),
        Resolved::Rows { rows, .. } => rows_text(rows),
        Resolved::Text(text) => (*text).to_string(),
    }
}

/// The first question mark of a URL, if a `key=` follows it: `/users/$id?full=1` has a query, it
/// does not ask for a nullable `$id`.
fn query_mark(url: &str) -> Option<usize> {
    let mark = url.find('?')?;
    let rest = &url[mark + 1..];
    let key = rest
        .bytes()
        .take_while(|b| b.is_ascii_alphanumeric() || b"_-.[]%".contains(b));
    let length = key.count();
    (length > 0 && rest.as_bytes().get(length) == Some(&b'=')).then_some(mark)
}
