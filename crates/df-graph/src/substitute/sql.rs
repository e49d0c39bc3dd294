//! Substitution in SQL: every value becomes a constant that cannot be read as anything else.

use serde_json::Value;

use super::reference::{Found, Resolved, Rules, find, plain_text, rows_text};
use super::{Bindings, SubstituteError, append};
use crate::lexer::{Lexer, Style, Token, TokenKind};

/// Dollar quotes nested deeper than this are copied as they stand.
const MAX_DOLLAR_NESTING: usize = 16;
const RULES: Rules = Rules {
    strict_columns: false,
    query_mark: None,
};

/// Replaces references in one SQL text.
///
/// Outside quotes a value is a constant: text quoted, numbers and booleans bare. Inside a string
/// constant it is its text, escaped for that constant. A dollar-quoted body is SQL like the rest.
/// Comments and quoted identifiers are left alone, and so are unknown names and columns.
///
/// # Errors
/// A strict reference to no rows or NULL, a `$name.*` that is no row set or too large, and a text
/// with a NUL character.
pub fn substitute_sql(text: &str, bindings: &dyn Bindings) -> Result<String, SubstituteError> {
    if !text.contains(['$', '{']) {
        return Ok(text.to_owned());
    }
    let mut writer = Writer {
        text,
        bindings,
        out: String::with_capacity(text.len()),
        bodies: Vec::new(),
    };
    let mut lexer = Lexer::new(text);
    loop {
        let Some(token) = lexer.next() else {
            let Some(body) = writer.bodies.pop() else {
                return Ok(writer.out);
            };
            lexer.jump(lexer.at + body.tag.len(), body.outer_end);
            writer.close(&body);
            continue;
        };
        let source = &text[token.start..token.end];
        match token.kind {
            TokenKind::Literal { style, open } => writer.literal(token, style, open)?,
            TokenKind::Dollar { tag } if writer.bodies.len() < MAX_DOLLAR_NESTING => {
                writer.open(&source[..tag], lexer.end);
                lexer.jump(token.start + tag, token.end - tag);
            }
            TokenKind::Symbol if source == "$" || source == "{" => {
                match find(text, token.start, lexer.end, bindings, RULES)? {
                    None => writer.out.push_str(source),
                    Some(found) => {
                        lexer.jump(found.end, lexer.end);
                        writer.constant(&found, lexer.end)?;
                    }
                }
            }
            _ => writer.out.push_str(source),
        }
    }
}

/// A dollar-quoted body that is being written.
struct Body<'a> {
    tag: &'a str,
    /// Where the text that surrounds it ends.
    outer_end: usize,
    /// Where its opening delimiter stands in the output.
    start: usize,
    /// Whether anything was inserted into it, so that it might hold its own delimiter: two dollar signs of the text's
    /// own around an inserted word are one, too.
    changed: bool,
}

struct Writer<'a> {
    text: &'a str,
    bindings: &'a dyn Bindings,
    out: String,
    bodies: Vec<Body<'a>>,
}

impl<'a> Writer<'a> {
    fn open(&mut self, tag: &'a str, outer_end: usize) {
        self.bodies.push(Body {
            tag,
            outer_end,
            start: self.out.len(),
            changed: false,
        });
        self.out.push_str(tag);
    }

    /// Ends a body, under another delimiter if an inserted value holds the one it had.
    fn close(&mut self, body: &Body<'_>) {
        self.out.push_str(body.tag);
        if !body.changed {
            return;
        }
        if let Some(outer) = self.bodies.last_mut() {
            outer.changed = true;
        }
        let content = body.start + body.tag.len();
        let close = self.out.len() - body.tag.len();
        if self.out[content..].find(body.tag) == Some(close - content) {
            return;
        }
        let run = self.out[content..close]
            .split(|c| c != '_')
            .map(str::len)
            .max()
            .unwrap_or(0);
        let tag = format!("$df{}$", "_".repeat(run + 1));
        self.out.replace_range(close.., &tag);
        self.out.replace_range(body.start..content, &tag);
    }

    /// Inserts a reference that stands outside quotes.
    fn constant(&mut self, found: &Found<'_>, end: usize) -> Result<(), SubstituteError> {
        let constant = match &found.value {
            // A variable may be any piece of SQL, even half a word, so nothing is added to it.
            Resolved::Text(text) => return self.insert(text, found.written),
            Resolved::Null => "NULL".into(),
            Resolved::Value(value) => constant(value),
            Resolved::Rows { name, rows } => relation(name, rows),
        };
        // Two constants side by side would otherwise read as one: `'a''b'`.
        let touches = |c: char| c.is_alphanumeric() || c == '_' || c == '\'' || c == '"';
        if self.out.ends_with(touches) {
            self.out.push(' ');
        }
        self.insert(&constant, found.written)?;
        if self.text[found.end..end].starts_with(touches) {
            self.out.push(' ');
        }
        Ok(())
    }

    /// Writes a string constant, the references in it replaced by their escaped text.
    fn literal(&mut self, token: Token, style: Style, open: usize) -> Result<(), SubstituteError> {
        let text = self.text;
        let end = token.end - 1;
        let mut at = token.start + open;
        self.out.push_str(&text[token.start..at]);
        while let Some(offset) = text[at..end].find(['$', '{', '\\']) {
            let start = at + offset;
            self.out.push_str(&text[at..start]);
            at = start + 1;
            if text.as_bytes()[start] == b'\\' {
                self.out.push('\\');
                // In E'…' a backslash takes the next character with it, a dollar sign too.
                if let Some(escaped) = text[at..end]
                    .chars()
                    .next()
                    .filter(|_| style == Style::Escape)
                {
                    self.out.push(escaped);
                    at += escaped.len_utf8();
                }
                continue;
            }
            match find(text, start, end, self.bindings, RULES)? {
                None => self.out.push_str(&text[start..=start]),
                Some(found) => {
                    let value = match &found.value {
                        Resolved::Text(text) => escape(text, style),
                        Resolved::Null => String::new(),
                        Resolved::Value(value) => escape(&plain_text(value), style),
                        Resolved::Rows { rows, .. } => escape(&rows_text(rows), style),
                    };
                    self.insert(&value, found.written)?;
                    at = found.end;
                }
            }
        }
        self.out.push_str(&text[at..token.end]);
        Ok(())
    }

    fn insert(&mut self, text: &str, written: &str) -> Result<(), SubstituteError> {
        if text.contains('\0') {
            return Err(SubstituteError::Nul {
                reference: written.to_string(),
            });
        }
        if let Some(body) = self.bodies.last_mut() {
            body.changed = true;
        }
        append(&mut self.out, text, written)
    }
}

/// A value as an SQL constant.
fn constant(value: &Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => {
            let number = number.to_string();
            // `x -$n` must not become a comment, nor `-5::text` the negation of a text.
            if number.starts_with('-') {
                format!("({number})")
            } else {
                number
            }
        }
        Value::String(text) => quote(text),
        other => quote(&other.to_string()),
    }
}

/// A string constant; one with a backslash is safe whatever `standard_conforming_strings` says.
fn quote(text: &str) -> String {
    if text.contains('\\') {
        format!("E'{}'", escape(text, Style::Escape))
    } else {
        format!("'{}'", escape(text, Style::Plain))
    }
}

fn escape(text: &str, style: Style) -> String {
    let special = match style {
        Style::Plain => '\'',
        Style::Escape => '\\',
        Style::Unicode(escape) => escape,
    };
    let mut out = String::with_capacity(text.len() + 2);
    for c in text.chars() {
        if c == '\'' || c == special {
            out.push(c);
        }
        out.push(c);
    }
    out
}

fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// All rows as a relation. Of no rows nothing tells the columns, so the relation has none.
fn relation(name: &str, rows: &[Value]) -> String {
    let name = quote_identifier(name);
    let Some(first) = rows.first() else {
        return format!("(SELECT WHERE false) AS {name}");
    };
    let columns: Vec<&String> = first
        .as_object()
        .into_iter()
        .flat_map(|row| row.keys())
        .collect();
    if columns.is_empty() {
        return format!(
            "(SELECT FROM pg_catalog.generate_series(1, {})) AS {name}",
            rows.len()
        );
    }
    let mut out = String::from("(VALUES ");
    for (index, row) in rows.iter().enumerate() {
        out.push_str(if index == 0 { "(" } else { ", (" });
        for (index, column) in columns.iter().enumerate() {
            if index > 0 {
                out.push_str(", ");
            }
            out.push_str(&constant(row.get(column.as_str()).unwrap_or(&Value::Null)));
        }
        out.push(')');
    }
    let columns: Vec<String> = columns
        .into_iter()
        .map(|name| quote_identifier(name))
        .collect();
    out.push_str(&format!(") AS {name}({})", columns.join(",")));
    out
}
