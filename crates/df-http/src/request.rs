//! Checks one request and lays it out as it will be sent. No I/O.
//!
//! Everything a workflow can put on the wire passes here: method, headers, body and their sizes.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::{
    CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT,
};

use crate::error::{HttpError, TooLarge};
use crate::multipart::{self, Part};
use crate::policy::{CheckedUrl, HttpPolicy};

/// One request, placeholders already substituted.
///
/// `Debug` shows sizes only: headers, URL and body may hold secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// GET, POST, PUT, DELETE or PATCH, in any case; a multipart body takes POST, PUT or PATCH.
    pub method: String,
    pub url: String,
    /// In order; a name may repeat. No Content-Type is guessed for a text body.
    pub headers: Vec<(String, String)>,
    pub body: Body,
    /// For the whole exchange: DNS, connection, TLS, request and response body.
    pub timeout: Duration,
    /// Sent as `Idempotency-Key` unless `headers` has one.
    pub idempotency_key: String,
}

/// What the request carries.
#[derive(Clone, PartialEq, Eq)]
pub enum Body {
    None,
    Text(String),
    Multipart(Vec<Part>),
}

impl std::fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpRequest")
            .field("url_bytes", &self.url.len())
            .field("headers", &self.headers.len())
            .field("body", &self.body)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Multipart(parts) => f.debug_tuple("Multipart").field(parts).finish(),
        }
    }
}

/// A request that passed every check, ready for the wire.
pub(crate) struct Prepared {
    pub method: Method,
    pub url: CheckedUrl,
    pub headers: HeaderMap,
    pub body: Option<Vec<u8>>,
}

/// A named limit beside the bytes: the header map itself cannot hold more than some thousands.
const MAX_REQUEST_HEADERS: usize = 256;

/// What frames or routes the message belongs to the connection, never to a workflow.
const FORBIDDEN_HEADERS: &[&str] = &[
    "connection",
    "content-length",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const DEFAULT_USER_AGENT: &str = concat!("df-relay/", env!("CARGO_PKG_VERSION"));

/// Checks `request` against `policy`. The URL is judged first, so that a refused target is always
/// reported as such.
pub(crate) fn prepare(policy: &HttpPolicy, request: HttpRequest) -> Result<Prepared, HttpError> {
    let url = policy.check_url(&request.url)?;
    let method = method_of(&request.method, &request.body)?;
    let mut headers = headers_of(&request.headers)?;
    if !headers.contains_key(IDEMPOTENCY_KEY) {
        let key = HeaderValue::from_str(&request.idempotency_key)
            .map_err(|_| HttpError::Invalid("the idempotency key is no header value".into()))?;
        headers.insert(IDEMPOTENCY_KEY, key);
    }
    if !headers.contains_key(USER_AGENT) {
        headers.insert(USER_AGENT, HeaderValue::from_static(DEFAULT_USER_AGENT));
    }
    let body = body_of(
        policy,
        &url,
        request.body,
        &request.idempotency_key,
        &mut headers,
    )?;
    // Servers may insist on a length (411) where the method means a body; hyper leaves out a zero.
    if body.as_ref().is_none_or(Vec::is_empty) && !matches!(method, Method::GET | Method::DELETE) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    let head_bytes = header_bytes(&headers) + url.url().as_str().len() as u64;
    if head_bytes > policy.max_header_bytes {
        return Err(too_large(
            TooLarge::RequestHeaders,
            &url,
            policy.max_header_bytes,
        ));
    }
    Ok(Prepared {
        method,
        url,
        headers,
        body,
    })
}

/// Bytes of names, values and the four of `: ` and the line end.
pub(crate) fn header_bytes(headers: &HeaderMap) -> u64 {
    headers
        .iter()
        .map(|(name, value)| (name.as_str().len() + value.len() + 4) as u64)
        .sum()
}

pub(crate) fn too_large(what: TooLarge, url: &CheckedUrl, limit_bytes: u64) -> HttpError {
    HttpError::TooLarge {
        what,
        target: url.shown(),
        limit_bytes,
    }
}

fn method_of(name: &str, body: &Body) -> Result<Method, HttpError> {
    let multipart = matches!(body, Body::Multipart(_));
    let method = match name.to_ascii_uppercase().as_str() {
        "POST" => Method::POST,
        "PUT" => Method::PUT,
        "PATCH" => Method::PATCH,
        "GET" if !multipart => Method::GET,
        "DELETE" if !multipart => Method::DELETE,
        _ => {
            let (kind, methods) = match multipart {
                true => ("multipart", "POST, PUT or PATCH"),
                false => ("HTTP", "GET, POST, PUT, DELETE or PATCH"),
            };
            return invalid(format!("the method of a {kind} request must be {methods}"));
        }
    };
    Ok(method)
}

fn headers_of(given: &[(String, String)]) -> Result<HeaderMap, HttpError> {
    if given.len() > MAX_REQUEST_HEADERS {
        return invalid(format!("more than {MAX_REQUEST_HEADERS} headers"));
    }
    let mut headers = HeaderMap::with_capacity(given.len() + 3);
    for (index, (name, value)) in given.iter().enumerate() {
        // A bad name may well be a whole header line with its secret, so it is not repeated.
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
            return invalid(format!("header {} has an invalid name", index + 1));
        };
        if FORBIDDEN_HEADERS.contains(&name.as_str()) || name.as_str().starts_with("proxy-") {
            return invalid(format!("the header '{name}' cannot be set by a workflow"));
        }
        // This refuses every control character but the tab, so CR, LF and NUL among them.
        let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) else {
            return invalid(format!(
                "the value of the header '{name}' holds a control character"
            ));
        };
        headers.append(name, value);
    }
    Ok(headers)
}

fn body_of(
    policy: &HttpPolicy,
    url: &CheckedUrl,
    body: Body,
    seed: &str,
    headers: &mut HeaderMap,
) -> Result<Option<Vec<u8>>, HttpError> {
    let within = |bytes: usize| match bytes as u64 > policy.max_request_bytes {
        true => Err(too_large(
            TooLarge::RequestBody,
            url,
            policy.max_request_bytes,
        )),
        false => Ok(()),
    };
    match body {
        Body::None => Ok(None),
        Body::Text(text) => {
            within(text.len())?;
            Ok(Some(text.into_bytes()))
        }
        Body::Multipart(parts) => {
            within(multipart::encoded_bytes_at_least(&parts))?;
            // The boundary is ours to choose, so the workflow's own type can only say the same.
            if !headers.get_all(CONTENT_TYPE).iter().all(is_form_data) {
                return invalid("a multipart request is always sent as multipart/form-data");
            }
            let form = multipart::encode(&parts, seed)?;
            within(form.bytes.len())?;
            let content_type = HeaderValue::from_str(&form.content_type)
                .map_err(|_| HttpError::Invalid("the boundary is no header value".into()))?;
            headers.insert(CONTENT_TYPE, content_type);
            Ok(Some(form.bytes))
        }
    }
}

fn is_form_data(value: &HeaderValue) -> bool {
    let text = value.to_str().unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("multipart/form-data")
}

fn invalid<T>(why: impl Into<String>) -> Result<T, HttpError> {
    Err(HttpError::Invalid(why.into()))
}
