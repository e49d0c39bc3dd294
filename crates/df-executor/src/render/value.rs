//! One value's text to JSON.

use super::RenderError;
use super::json::Json;
use super::nested;
use super::shape::Shape;
use super::time;
use std::fmt::Write;

/// What is wrong with a value; the column is known to the caller.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Unreadable(&'static str),
    Stale,
}

impl Fault {
    pub fn in_column(self, column: &str) -> RenderError {
        let column = column.to_owned();
        match self {
            Fault::Unreadable(expected) => RenderError::Unreadable { column, expected },
            Fault::Stale => RenderError::StaleType { column },
        }
    }
}

/// Appends the JSON of a value that is not NULL.
pub(super) fn write_value(shape: &Shape, text: &str, out: &mut Json) -> Result<(), Fault> {
    match shape {
        Shape::Nothing => out.push_str("null"),
        Shape::Bool => out.push_str(match text {
            "t" => "true",
            "f" => "false",
            _ => return Err(Fault::Unreadable("a boolean")),
        }),
        Shape::Integer | Shape::Json => out.push_str(text),
        Shape::Float => match text {
            "NaN" | "Infinity" | "-Infinity" => out.push_str("null"),
            number => out.push_str(number),
        },
        Shape::Timestamp => write_string(&time::timestamp(text)?, out),
        Shape::TimestampTz => write_string(&time::timestamptz(text)?, out),
        Shape::Text => write_string(text, out),
        Shape::Array { element, delimiter } => nested::write_array(element, *delimiter, text, out)?,
        Shape::Composite(fields) => nested::write_composite(fields, text, out)?,
        Shape::Record => nested::write_record(text, out)?,
    }
    Ok(())
}

/// Appends a JSON string.
pub(super) fn write_string(text: &str, out: &mut Json) {
    out.reserve(text.len() + 2);
    out.push('"');
    let mut start = 0;
    for (index, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..=0x1f => "",
            _ => continue,
        };
        out.push_str(&text[start..index]);
        if escape.is_empty() {
            write!(out, "\\u{byte:04x}").expect("writing to memory");
        } else {
            out.push_str(escape);
        }
        start = index + 1;
    }
    out.push_str(&text[start..]);
    out.push('"');
}
