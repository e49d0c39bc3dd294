//! The configs that nodes carry: HTTP requests, signals, retry policies and the rest.
//!
//! Every function takes JSON that anybody may have written by hand and says what is wrong with it.
//! Whether a host may be reached is not decided here: only the request's shape is.

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

/// Seconds an HTTP request may take when its node does not say.
pub const DEFAULT_HTTP_TIMEOUT_SECONDS: f64 = 30.0;
/// The most attempts a retry policy may ask for.
pub const MAX_RETRY_ATTEMPTS: u32 = 1_000_000;

/// One HTTP request; url, body and header values may hold references.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpConfig {
    pub url: String,
    pub method: HttpMethod,
    pub body: Option<String>,
    /// In the order they were written.
    pub headers: Vec<(String, String)>,
    pub timeout_seconds: f64,
}

/// One multipart/form-data request.
#[derive(Debug, Clone, PartialEq)]
pub struct MultipartConfig {
    pub url: String,
    /// POST, PUT or PATCH.
    pub method: HttpMethod,
    /// At least one.
    pub parts: Vec<Part>,
    pub headers: Vec<(String, String)>,
    pub timeout_seconds: f64,
}

/// One part of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub name: String,
    /// Base64, or one whole reference to it.
    pub data_b64: String,
    pub filename: Option<String>,
    pub content_type: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpMethod {
    Get,
    Post,
    Put,
    Delete,
    Patch,
}

impl HttpMethod {
    pub fn as_str(self) -> &'static str {
        match self {
            HttpMethod::Get => "GET",
            HttpMethod::Post => "POST",
            HttpMethod::Put => "PUT",
            HttpMethod::Delete => "DELETE",
            HttpMethod::Patch => "PATCH",
        }
    }

    fn parse(text: &str, allowed: &[HttpMethod]) -> Option<Self> {
        allowed
            .iter()
            .copied()
            .find(|method| text.eq_ignore_ascii_case(method.as_str()))
    }
}

/// When a failed node is tried again.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    /// The first attempt included; 1 means no retry.
    pub max_attempts: u32,
    pub initial_seconds: f64,
    pub factor: f64,
    pub max_seconds: f64,
    /// The SQLSTATEs that are retried; `None` means all.
    pub on_sqlstate: Option<Vec<String>>,
}

impl RetryPolicy {
    /// Seconds to wait after failed attempt number `attempt`, counted from 1.
    pub fn delay_seconds(&self, attempt: u32) -> f64 {
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let delay = self.initial_seconds * self.factor.powi(exponent);
        // Zero times infinity is not a number; nothing to wait for is nothing to wait for.
        if delay.is_nan() {
            0.0
        } else {
            delay.min(self.max_seconds)
        }
    }

    /// Whether a failure with this SQLSTATE (`None` for failures without one) is retried.
    pub fn retries(&self, sqlstate: Option<&str>) -> bool {
        match (&self.on_sqlstate, sqlstate) {
            (None, _) => true,
            (Some(listed), Some(sqlstate)) => listed.iter().any(|entry| entry == sqlstate),
            (Some(_), None) => false,
        }
    }
}

/// Decodes base64 text, line breaks and other whitespace ignored, padding optional.
pub fn decode_base64(text: &str) -> Result<Vec<u8>, base64::DecodeError> {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    GeneralPurpose::new(&base64::alphabet::STANDARD, config).decode(compact)
}

/// The config object that the `query` text of a node holds.
pub(crate) fn object(query: Option<&str>, node_type: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(query.unwrap_or_default()) {
        Ok(Value::Object(map)) => Ok(map),
        _ => Err(format!("query in {node_type} must be valid JSON config")),
    }
}

pub(crate) fn sleep_seconds(query: Option<&str>) -> Result<f64, String> {
    let text = query.unwrap_or_default().trim();
    // Rust also reads `inf` and `nan`, which no duration is.
    let plain = text
        .bytes()
        .all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    match text.parse::<f64>() {
        Ok(seconds) if plain && seconds.is_finite() && seconds >= 0.0 => Ok(seconds),
        Ok(seconds) if plain && seconds < 0.0 => {
            Err("seconds in SLEEP must not be negative".into())
        }
        _ => Err("query in SLEEP must be a number of seconds".into()),
    }
}

/// The name and the timeout of a SIGNAL.
pub(crate) fn signal(map: &Map<String, Value>) -> Result<(String, Option<f64>), String> {
    let name = required_text(map, "signal_name", "SIGNAL")?;
    if name.is_empty() {
        return Err("signal_name in SIGNAL must not be empty".into());
    }
    let timeout = match optional_number(map, "timeout_seconds", "SIGNAL")? {
        Some(seconds) if seconds < 0.0 => {
            return Err("timeout_seconds in SIGNAL must not be negative".into());
        }
        timeout => timeout,
    };
    Ok((name, timeout))
}

/// The value of a BREAK; no config at all is no value.
pub(crate) fn break_value(query: Option<&str>) -> Result<Option<String>, String> {
    let Some(query) = query else { return Ok(None) };
    match object(Some(query), "BREAK")?.remove("break_value") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Ok(Some(other.to_string())),
    }
}

pub(crate) fn http(map: &Map<String, Value>) -> Result<HttpConfig, String> {
    use HttpMethod::{Delete, Get, Patch, Post, Put};
    Ok(HttpConfig {
        url: url(map, "HTTP")?,
        method: method(map, "HTTP", &[Get, Post, Put, Delete, Patch])?,
        body: optional_text(map, "body", "HTTP")?,
        headers: headers(map, "HTTP")?,
        timeout_seconds: http_timeout(map, "HTTP")?,
    })
}

pub(crate) fn multipart(map: &Map<String, Value>) -> Result<MultipartConfig, String> {
    let parts = match map.get("parts") {
        Some(Value::Array(parts)) if !parts.is_empty() => parts
            .iter()
            .enumerate()
            .map(|(index, part)| self::part(part, index))
            .collect(),
        _ => Err("parts in HTTP_MULTIPART must be an array of at least one part".into()),
    };
    Ok(MultipartConfig {
        url: url(map, "HTTP_MULTIPART")?,
        method: method(
            map,
            "HTTP_MULTIPART",
            &[HttpMethod::Post, HttpMethod::Put, HttpMethod::Patch],
        )?,
        parts: parts?,
        headers: headers(map, "HTTP_MULTIPART")?,
        timeout_seconds: http_timeout(map, "HTTP_MULTIPART")?,
    })
}

pub(crate) fn retry(value: &Value) -> Result<RetryPolicy, String> {
    let Value::Object(map) = value else {
        return Err("retry must be a JSON object".into());
    };
    let number = |key: &str, default: f64, low: f64| -> Result<f64, String> {
        match optional_number(map, key, "retry")?.unwrap_or(default) {
            number if number >= low => Ok(number),
            _ => Err(format!("{key} in retry must be at least {low}")),
        }
    };
    let attempts = map.get("max_attempts").and_then(Value::as_u64);
    let max_attempts = match attempts.map(u32::try_from) {
        Some(Ok(attempts @ 1..=MAX_RETRY_ATTEMPTS)) => attempts,
        _ => {
            return Err(format!(
                "max_attempts in retry must be an integer between 1 and {MAX_RETRY_ATTEMPTS}"
            ));
        }
    };
    Ok(RetryPolicy {
        max_attempts,
        initial_seconds: number("initial_seconds", 1.0, 0.0)?,
        factor: number("factor", 2.0, 1.0)?,
        max_seconds: number("max_seconds", 300.0, 0.0)?,
        on_sqlstate: sqlstates(map.get("on_sqlstate"))?,
    })
}

fn sqlstates(value: Option<&Value>) -> Result<Option<Vec<String>>, String> {
    let fail = || "on_sqlstate in retry must be an array of five-character SQLSTATEs".to_string();
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(entries)) => entries
            .iter()
            .map(|entry| match entry {
                Value::String(state)
                    if state.len() == 5
                        && state
                            .bytes()
                            .all(|b| b.is_ascii_digit() || b.is_ascii_uppercase()) =>
                {
                    Ok(state.clone())
                }
                _ => Err(fail()),
            })
            .collect::<Result<_, _>>()
            .map(Some),
        _ => Err(fail()),
    }
}

fn url(map: &Map<String, Value>, node_type: &str) -> Result<String, String> {
    let url = required_text(map, "url", node_type)?;
    if url.trim().is_empty() {
        return Err(format!("url in {node_type} must not be empty"));
    }
    let lower: String = url
        .trim_start()
        .chars()
        .take(8)
        .collect::<String>()
        .to_ascii_lowercase();
    let known = lower.starts_with("http://") || lower == "https://";
    // A placeholder may yet become the scheme, so such a URL is judged when the node runs.
    if !known && !holds_placeholder(&url) {
        let shown: String = url.chars().take(100).collect();
        return Err(format!(
            "unsupported URL scheme in '{shown}' (only http and https)"
        ));
    }
    Ok(url)
}

/// Whether the text holds anything that looks like `$name` or `{name}`.
pub(crate) fn holds_placeholder(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.windows(2).any(|pair| {
        (pair[0] == b'$' || pair[0] == b'{') && (pair[1].is_ascii_alphabetic() || pair[1] == b'_')
    })
}

fn method(
    map: &Map<String, Value>,
    node_type: &str,
    allowed: &[HttpMethod],
) -> Result<HttpMethod, String> {
    let text = optional_text(map, "method", node_type)?.unwrap_or_else(|| "POST".into());
    HttpMethod::parse(&text, allowed).ok_or_else(|| {
        let names: Vec<&str> = allowed.iter().map(|method| method.as_str()).collect();
        let shown: String = text.chars().take(20).collect();
        format!(
            "unsupported HTTP method '{shown}' in {node_type} (one of {})",
            names.join(", ")
        )
    })
}

fn headers(map: &Map<String, Value>, node_type: &str) -> Result<Vec<(String, String)>, String> {
    let headers = match map.get("headers") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(headers)) => headers,
        _ => return Err(format!("headers in {node_type} must be a JSON object")),
    };
    let mut list = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        match value {
            Value::Null => {}
            Value::String(text) => list.push((name.clone(), text.clone())),
            Value::Number(_) | Value::Bool(_) => list.push((name.clone(), value.to_string())),
            _ => return Err(format!("headers in {node_type} must have text values")),
        }
    }
    Ok(list)
}

fn http_timeout(map: &Map<String, Value>, node_type: &str) -> Result<f64, String> {
    let timeout = optional_number(map, "timeout_seconds", node_type)?;
    match timeout.unwrap_or(DEFAULT_HTTP_TIMEOUT_SECONDS) {
        seconds if seconds > 0.0 => Ok(seconds),
        _ => Err(format!("timeout_seconds in {node_type} must be positive")),
    }
}

fn part(value: &Value, index: usize) -> Result<Part, String> {
    let place = format!("parts[{index}] in HTTP_MULTIPART");
    let Value::Object(map) = value else {
        return Err(format!("{place} must be a JSON object"));
    };
    let name = required_text(map, "name", &place)?;
    if name.is_empty() {
        return Err(format!("name in {place} must not be empty"));
    }
    let data_b64 = required_text(map, "data_b64", &place)?;
    if !holds_placeholder(&data_b64) && decode_base64(&data_b64).is_err() {
        return Err(format!("data_b64 in {place} must be valid base64"));
    }
    Ok(Part {
        name,
        data_b64,
        filename: optional_text(map, "filename", &place)?,
        content_type: optional_text(map, "content_type", &place)?,
    })
}

pub(crate) fn required_text(
    map: &Map<String, Value>,
    key: &str,
    place: &str,
) -> Result<String, String> {
    optional_text(map, key, place)?.ok_or_else(|| format!("{key} in {place} is required"))
}

fn optional_text(
    map: &Map<String, Value>,
    key: &str,
    place: &str,
) -> Result<Option<String>, String> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("{key} in {place} must be a string")),
    }
}

/// A finite number, or nothing.
fn optional_number(
    map: &Map<String, Value>,
    key: &str,
    place: &str,
) -> Result<Option<f64>, String> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_f64() {
            Some(number) if number.is_finite() => Ok(Some(number)),
            _ => Err(format!("{key} in {place} must be a number")),
        },
    }
}
