//! Reads JSON of any shape without recursion.
//!
//! serde_json stops at 128 levels, which a legal graph passes, and without that limit it would
//! recurse as deep as a hostile text asks for. This reader keeps its own stack and stops at a depth
//! chosen by the caller. Strings, numbers and words are left to serde_json.

use serde_json::{Map, Value};

/// Why a text could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ReadError {
    /// More than the allowed number of nested objects and arrays.
    TooDeep,
    /// Not JSON; holds what was wrong and at which byte.
    Malformed(String),
}

enum Open {
    Object(Map<String, Value>, String),
    Array(Vec<Value>),
}

/// Reads one JSON value of at most `max_depth` nested containers. A repeated key's last value wins.
pub(crate) fn read(text: &str, max_depth: usize) -> Result<Value, ReadError> {
    let mut reader = Reader { text, at: 0 };
    let mut open: Vec<Open> = Vec::new();
    loop {
        let mut value = match reader.peek() {
            Some(b'{' | b'[') if open.len() >= max_depth => return Err(ReadError::TooDeep),
            Some(b'{') => {
                reader.at += 1;
                if !reader.take(b'}') {
                    let key = reader.key()?;
                    open.push(Open::Object(Map::new(), key));
                    continue;
                }
                Value::Object(Map::new())
            }
            Some(b'[') => {
                reader.at += 1;
                if !reader.take(b']') {
                    open.push(Open::Array(Vec::new()));
                    continue;
                }
                Value::Array(Vec::new())
            }
            Some(b'"') => Value::String(reader.string()?),
            _ => reader.word()?,
        };
        // The finished value goes into the innermost open container, which may finish that too.
        loop {
            match open.pop() {
                None => return reader.end().map(|()| value),
                Some(Open::Array(mut items)) => {
                    items.push(value);
                    if reader.take(b',') {
                        open.push(Open::Array(items));
                        break;
                    }
                    reader.expect(b']')?;
                    value = Value::Array(items);
                }
                Some(Open::Object(mut map, key)) => {
                    map.insert(key, value);
                    if reader.take(b',') {
                        let key = reader.key()?;
                        open.push(Open::Object(map, key));
                        break;
                    }
                    reader.expect(b'}')?;
                    value = Value::Object(map);
                }
            }
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), ReadError> {
        if self.take(byte) {
            Ok(())
        } else {
            Err(self.malformed("unexpected character"))
        }
    }

    fn end(&mut self) -> Result<(), ReadError> {
        if self.peek().is_none() {
            Ok(())
        } else {
            Err(self.malformed("trailing characters"))
        }
    }

    fn key(&mut self) -> Result<String, ReadError> {
        if self.peek() != Some(b'"') {
            return Err(self.malformed("expected a key"));
        }
        let key = self.string()?;
        self.expect(b':')?;
        Ok(key)
    }

    fn string(&mut self) -> Result<String, ReadError> {
        let bytes = self.text.as_bytes();
        let mut end = self.at + 1;
        while let Some(byte) = bytes.get(end) {
            match byte {
                b'"' => {
                    let quoted = &self.text[self.at..=end];
                    let decoded = serde_json::from_str(quoted)
                        .map_err(|_| self.malformed("invalid string"))?;
                    self.at = end + 1;
                    return Ok(decoded);
                }
                b'\\' => end += 2,
                _ => end += 1,
            }
        }
        Err(self.malformed("unterminated string"))
    }

    fn word(&mut self) -> Result<Value, ReadError> {
        let rest = &self.text[self.at..];
        let length = rest
            .find(|c: char| matches!(c, ',' | ']' | '}' | ':' | '"') || c.is_ascii_whitespace())
            .unwrap_or(rest.len());
        let value = serde_json::from_str(&rest[..length])
            .map_err(|_| self.malformed("expected a value"))?;
        self.at += length;
        Ok(value)
    }

    fn malformed(&self, what: &str) -> ReadError {
        ReadError::Malformed(format!("{what} at byte {}", self.at))
    }
}

#[cfg(test)]
mod tests {
    use super::{ReadError, read};

    #[test]
    fn the_reader_agrees_with_serde_json() {
        let cases = [
            "",
            " ",
            "null",
            " true ",
            "1",
            "-1.5e3",
            "01",
            "1 2",
            "\"a\"",
            "\"a\\\"b\"",
            "\"a",
            "\"\\",
            "\"\\u00e9\\ud83d\\ude00\"",
            "\"\\ud83d\"",
            "[]",
            "[ ]",
            "[1]",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{}",
            "{ }",
            "{\"a\":1}",
            "{\"a\":1,}",
            "{\"a\" : [ {\"b\":null} , 2 ] }",
            "{a:1}",
            "{\"a\"}",
            "{\"a\":}",
            "[[[]]]",
            "[[[]]",
            "[]]",
            "}",
            "]",
            "{\"a\":1,\"a\":2}",
            "nul",
            "[\"é\",\"😀\"]",
            "[1:2]",
            "\u{feff}1",
            "[tru\"e\"]",
            "\"\n\"",
            "[{\"a\":[],\"b\":{}},[]]",
        ];
        for case in cases {
            let expected = serde_json::from_str::<serde_json::Value>(case).ok();
            assert_eq!(read(case, 100).ok(), expected, "{case}");
        }
    }

    #[test]
    fn depth_is_refused_where_the_caller_says() {
        assert!(read(&format!("{}{}", "[".repeat(10), "]".repeat(10)), 10).is_ok());
        assert_eq!(read(&"[".repeat(11), 10), Err(ReadError::TooDeep));
        assert_eq!(
            read(&"{\"a\":".repeat(1_000_000), 600),
            Err(ReadError::TooDeep)
        );
    }
}
