//! Arrays and composites: their text forms taken apart, each part rendered by its own shape.
//!
//! The formats are those of array_out and record_out ("Array Input and Output Syntax" and
//! "Composite Type Input and Output Syntax" in the Postgres manual).

use super::json::Json;
use super::shape::Shape;
use super::value::{Fault, write_string, write_value};

const ARRAY: Fault = Fault::Unreadable("an array");
const COMPOSITE: Fault = Fault::Unreadable("a composite");

/// Appends a JSON array, nested as deep as the value has dimensions.
pub(super) fn write_array(
    element: &Shape,
    delimiter: u8,
    text: &str,
    out: &mut Json,
) -> Result<(), Fault> {
    // Bounds that do not start at one come first: `[0:1]={…}`.
    let text = if text.starts_with('[') {
        text.find("={").map(|at| &text[at + 1..]).ok_or(ARRAY)?
    } else {
        text
    };
    let bytes = text.as_bytes();
    let mut part = String::new();
    let mut at = 0;
    let mut depth = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'{' => {
                depth += 1;
                out.push('[');
                at += 1;
            }
            b'}' => {
                depth -= 1;
                out.push(']');
                at += 1;
            }
            byte if byte == delimiter => {
                out.push(',');
                at += 1;
            }
            b'"' => {
                at = unquote(text, at, &mut part).ok_or(ARRAY)?;
                write_value(element, &part, out)?;
            }
            _ => {
                let rest = &bytes[at..];
                let end = rest
                    .iter()
                    .position(|&b| b == delimiter || b == b'}')
                    .ok_or(ARRAY)?;
                match &text[at..at + end] {
                    "NULL" => out.push_str("null"),
                    bare => write_value(element, bare, out)?,
                }
                at += end;
            }
        }
    }
    if depth == 0 && text.starts_with('{') {
        Ok(())
    } else {
        Err(ARRAY)
    }
}

/// Appends a JSON object of the named fields.
pub(super) fn write_composite(
    fields: &[(String, Shape)],
    text: &str,
    out: &mut Json,
) -> Result<(), Fault> {
    let mut count = 0;
    out.push('{');
    each_field(text, |index, value| {
        let (name, shape) = fields.get(index).ok_or(Fault::Stale)?;
        count += 1;
        write_field(index, name, shape, value, out)
    })?;
    out.push('}');
    // `()` is a composite without fields, or with one that is NULL.
    if count == fields.len() {
        return Ok(());
    }
    if fields.is_empty() && text == "()" {
        Ok(())
    } else {
        Err(Fault::Stale)
    }
}

/// Appends an anonymous record as `{"f1":…}`, every value a string, as to_json names the fields.
pub(super) fn write_record(text: &str, out: &mut Json) -> Result<(), Fault> {
    out.push('{');
    each_field(text, |index, value| {
        write_field(index, &format!("f{}", index + 1), &Shape::Text, value, out)
    })?;
    out.push('}');
    Ok(())
}

fn write_field(
    index: usize,
    name: &str,
    shape: &Shape,
    value: Option<&str>,
    out: &mut Json,
) -> Result<(), Fault> {
    if index > 0 {
        out.push(',');
    }
    write_string(name, out);
    out.push(':');
    match value {
        Some(value) => write_value(shape, value, out),
        None => {
            out.push_str("null");
            Ok(())
        }
    }
}

/// Calls `visit` with each field of `(a,"b c",)`; a field of no characters is NULL.
fn each_field(
    text: &str,
    mut visit: impl FnMut(usize, Option<&str>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let inner = text
        .strip_prefix('(')
        .and_then(|t| t.strip_suffix(')'))
        .ok_or(COMPOSITE)?;
    let bytes = inner.as_bytes();
    let mut part = String::new();
    let mut at = 0;
    for index in 0.. {
        if bytes.get(at) == Some(&b'"') {
            at = unquote(inner, at, &mut part).ok_or(COMPOSITE)?;
            visit(index, Some(&part))?;
        } else {
            let rest = &inner[at..];
            let bare = &rest[..rest.find(',').unwrap_or(rest.len())];
            at += bare.len();
            visit(index, (!bare.is_empty()).then_some(bare))?;
        }
        match bytes.get(at) {
            Some(b',') => at += 1,
            None => return Ok(()),
            Some(_) => return Err(COMPOSITE),
        }
    }
    unreachable!("the loop ends with the text")
}

/// Reads a quoted part that starts at `at` into `part`; returns where it ends. Backslashes escape,
/// and a doubled quote is one quote.
fn unquote(text: &str, at: usize, part: &mut String) -> Option<usize> {
    let bytes = text.as_bytes();
    part.clear();
    let mut at = at + 1;
    let mut start = at;
    loop {
        match bytes.get(at)? {
            b'\\' => {
                part.push_str(&text[start..at]);
                start = at + 1;
                at += 2;
            }
            b'"' if bytes.get(at + 1) == Some(&b'"') => {
                part.push_str(&text[start..at]);
                start = at + 1;
                at += 2;
            }
            b'"' => {
                part.push_str(&text[start..at]);
                return Some(at + 1);
            }
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn array_text_becomes_nested_json() {
        let check = |shape: Shape, delimiter, text: &str, expected: &str| {
            let mut out = Json::new(usize::MAX);
            write_array(&shape, delimiter, text, &mut out).unwrap();
            assert_eq!(out.finish().as_deref(), Some(expected), "{text}");
        };
        check(Shape::Integer, b',', "{}", "[]");
        check(Shape::Integer, b',', "{1,NULL,3}", "[1,null,3]");
        check(Shape::Integer, b',', "{{1,2},{3,4}}", "[[1,2],[3,4]]");
        check(Shape::Integer, b',', "[0:1][2:2]={{1},{2}}", "[[1],[2]]");
        check(
            Shape::Text,
            b',',
            r#"{a,"b c","NULL","q\"\\","ü,}"}"#,
            r#"["a","b c","NULL","q\"\\","ü,}"]"#,
        );
        check(
            Shape::Text,
            b';',
            "{(1,1),(0,0);(2,2),(0,0)}",
            r#"["(1,1),(0,0)","(2,2),(0,0)"]"#,
        );
        check(Shape::Json, b',', r#"{"{\"a\": 1}",2}"#, r#"[{"a": 1},2]"#);
        check(Shape::Bool, b',', "{t,f}", "[true,false]");
    }

    #[test]
    fn record_text_becomes_an_object() {
        let check = |text: &str, expected: &str| {
            let mut out = Json::new(usize::MAX);
            write_record(text, &mut out).unwrap();
            assert_eq!(out.finish().as_deref(), Some(expected), "{text}");
        };
        check("(1,a)", r#"{"f1":"1","f2":"a"}"#);
        check(
            r#"(,"","a ""b"" \\ c")"#,
            r#"{"f1":null,"f2":"","f3":"a \"b\" \\ c"}"#,
        );
        check("(\"(1,2)\",x)", r#"{"f1":"(1,2)","f2":"x"}"#);
    }

    #[test]
    fn a_composite_with_other_fields_is_stale() {
        let fields = [("a".to_owned(), Shape::Integer)];
        let mut out = Json::new(usize::MAX);
        assert_eq!(
            write_composite(&fields, "(1,2)", &mut out),
            Err(Fault::Stale)
        );
    }

    #[test]
    fn a_text_of_commas_does_not_outgrow_the_limit_by_the_names_of_its_fields() {
        let limit = 100_000;
        let fields: Arc<[_]> = (0..1600)
            .map(|n| (format!("{n:\u{1}>63}"), Shape::Text))
            .collect();
        let composite = format!("({})", ",".repeat(fields.len() - 1));
        let array = format!("{{{}}}", vec![format!("\"{composite}\""); 100].join(","));
        for (shape, text) in [
            (Shape::Composite(fields.clone()), composite),
            (
                Shape::Array {
                    element: Arc::new(Shape::Composite(fields)),
                    delimiter: b',',
                },
                array,
            ),
            (Shape::Record, format!("({})", ",".repeat(limit / 2))),
            (Shape::Text, "\u{1}".repeat(limit / 2)),
        ] {
            let mut out = Json::new(limit);
            write_value(&shape, &text, &mut out).unwrap();
            assert!(out.is_full(), "{shape:?}");
            assert!(out.written() <= limit, "{}", out.written());
        }
    }
}
