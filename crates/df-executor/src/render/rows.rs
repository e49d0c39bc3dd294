//! The result object: rows in order, keys in column order, a count.

use super::json::Json;
use super::shape::{Shape, Shapes};
use super::value::{Fault, write_string, write_value};
use super::{RenderError, TypeCache};
use crate::wire::{Column, Reply};
use std::collections::HashSet;
use std::fmt::Write;

/// Renders a reply as `{"rows":[{…}],"row_count":n}`, at most `limit` bytes of it. A statement
/// without rows counts what it affected.
pub async fn render(reply: &Reply, types: &TypeCache, limit: usize) -> Result<String, RenderError> {
    let Some(columns) = &reply.columns else {
        return Ok(format!(
            "{{\"rows\":[],\"row_count\":{}}}",
            reply.affected()
        ));
    };
    match attempt(reply, columns, types, limit, false).await {
        // Types that are remembered from different times may even seem to hold each other.
        Err(RenderError::StaleType { .. } | RenderError::TooDeep { .. }) => {
            attempt(reply, columns, types, limit, true).await
        }
        other => other,
    }
}

async fn attempt(
    reply: &Reply,
    columns: &[Column],
    types: &TypeCache,
    limit: usize,
    fresh: bool,
) -> Result<String, RenderError> {
    let known = types
        .closure(columns.iter().map(|column| column.type_oid), fresh)
        .await?;
    let mut shapes = Shapes::new(&known);
    let shapes = columns
        .iter()
        .map(|column| shapes.of(&column.name, column.type_oid))
        .collect::<Result<Vec<_>, _>>()?;
    write_rows(reply, columns, &shapes, limit)
}

fn write_rows(
    reply: &Reply,
    columns: &[Column],
    shapes: &[Shape],
    limit: usize,
) -> Result<String, RenderError> {
    let keys = keys(columns);
    let mut out = Json::new(limit);
    out.push_str("{\"rows\":[");
    for (index, row) in reply.rows.iter().enumerate() {
        out.push_str(if index == 0 { "{" } else { ",{" });
        for (position, value) in row.enumerate() {
            let (Some(key), Some(shape)) = (keys.get(position), shapes.get(position)) else {
                break;
            };
            out.push_str(key);
            match value {
                Some(bytes) => write_bytes(shape, bytes, &mut out)
                    .map_err(|fault| fault.in_column(&columns[position].name))?,
                None => out.push_str("null"),
            }
        }
        out.push('}');
        if out.is_full() {
            break;
        }
    }
    write!(out, "],\"row_count\":{}}}", reply.rows.len()).expect("writing to memory");
    out.finish().ok_or(RenderError::TooLarge { limit })
}

fn write_bytes(shape: &Shape, bytes: &[u8], out: &mut Json) -> Result<(), Fault> {
    let text = std::str::from_utf8(bytes).map_err(|_| Fault::Unreadable("UTF-8 text"))?;
    write_value(shape, text, out)
}

/// The keys as they stand in the text: separator, quoted name, colon. A repeated name gets the
/// first free of `_2`, `_3`, …, where a name that a column has by itself is not free.
fn keys(columns: &[Column]) -> Vec<String> {
    let own: HashSet<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let mut used = HashSet::new();
    let mut keys = Vec::with_capacity(columns.len());
    for column in columns {
        let mut name = column.name.clone();
        let mut number = 2;
        while used.contains(&name) || (number > 2 && own.contains(name.as_str())) {
            name = format!("{}_{number}", column.name);
            number += 1;
        }
        used.insert(name.clone());
        let mut key = Json::new(usize::MAX);
        key.push_str(if keys.is_empty() { "" } else { "," });
        write_string(&name, &mut key);
        key.push(':');
        keys.extend(key.finish());
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(names: &[&str], expected: &[&str]) {
        let columns: Vec<_> = names
            .iter()
            .map(|name| Column {
                name: (*name).into(),
                type_oid: 25,
                type_modifier: -1,
            })
            .collect();
        let keys = keys(&columns);
        let bare: Vec<_> = keys
            .iter()
            .map(|k| k.trim_matches([',', ':', '"']))
            .collect();
        assert_eq!(bare, expected, "{names:?}");
    }

    #[test]
    fn repeated_names_are_numbered_around_names_that_exist() {
        check(&["a", "b"], &["a", "b"]);
        check(&["a", "a", "a"], &["a", "a_2", "a_3"]);
        check(&["a", "a", "a_2"], &["a", "a_3", "a_2"]);
        check(&["a_2", "a", "a", "a_2"], &["a_2", "a", "a_3", "a_2_2"]);
    }
}
