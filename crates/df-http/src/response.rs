//! The result of an HTTP node, as JSON text that Postgres's `json` and `jsonb` both take.
//!
//! Keys, in this order: `status`, `body`, `encoding`, `headers`, `ok`, `duration_ms`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use serde::Serialize;
use serde_json::{Map, Value};

#[derive(Serialize)]
struct NodeResult {
    status: u16,
    body: String,
    encoding: &'static str,
    headers: Map<String, Value>,
    /// True for 2xx.
    ok: bool,
    duration_ms: u64,
}

/// Renders an answer. The body is text when it is UTF-8 without NUL (which Postgres cannot store),
/// else base64.
pub(crate) fn render(
    status: u16,
    headers: &HeaderMap,
    body: Vec<u8>,
    duration_ms: u64,
) -> Result<String, serde_json::Error> {
    let (body, encoding) = match String::from_utf8(body) {
        Ok(text) if !text.contains('\0') => (text, "text"),
        Ok(text) => (STANDARD.encode(text), "base64"),
        Err(not_text) => (STANDARD.encode(not_text.as_bytes()), "base64"),
    };
    let ok = (200..300).contains(&status);
    let headers = headers_object(headers);
    serde_json::to_string(&NodeResult {
        status,
        body,
        encoding,
        headers,
        ok,
        duration_ms,
    })
}

/// Lower-case names to strings. Repeated values are joined by `, `, but those of `set-cookie` by a
/// line feed: cookies hold commas of their own, and no header value can hold a line feed.
fn headers_object(headers: &HeaderMap) -> Map<String, Value> {
    let joined = |name: &HeaderName| {
        let separator = if name == SET_COOKIE { "\n" } else { ", " };
        let values: Vec<String> = headers.get_all(name).iter().map(text_of).collect();
        (
            name.as_str().to_owned(),
            Value::String(values.join(separator)),
        )
    };
    headers.keys().map(joined).collect()
}

/// A value as UTF-8 when it is, else as Latin-1, which every byte string is. The HTTP parser has
/// refused control characters, NUL among them; the filter only keeps that from being an assumption.
fn text_of(value: &HeaderValue) -> String {
    let bytes = value.as_bytes();
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    };
    text.replace('\0', "")
}
