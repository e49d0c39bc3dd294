//! HTTP nodes: from their config and the bound names to a request.

use std::time::Duration;

use df_graph::{Bindings, HttpConfig, MultipartConfig, Place, substitute_plain, whole_value};

use crate::backend::{HttpBody, HttpLeaf, HttpPart};

/// Every text of an HTTP node that may hold references.
pub fn texts_of(config: &HttpConfig) -> Vec<&str> {
    let mut texts = vec![config.url.as_str()];
    texts.extend(config.body.as_deref());
    texts.extend(config.headers.iter().map(|(_, value)| value.as_str()));
    texts
}

/// Every text of a multipart node that may hold references.
pub fn texts_of_multipart(config: &MultipartConfig) -> Vec<&str> {
    let mut texts = vec![config.url.as_str()];
    texts.extend(config.headers.iter().map(|(_, value)| value.as_str()));
    for part in &config.parts {
        texts.extend([part.name.as_str(), part.data_b64.as_str()]);
        texts.extend(part.filename.as_deref());
        texts.extend(part.content_type.as_deref());
    }
    texts
}

/// The request of an HTTP node, or why there is none.
pub fn build(config: &HttpConfig, bound: &dyn Bindings) -> Result<HttpLeaf, String> {
    let body = match &config.body {
        None => HttpBody::None,
        Some(body) => HttpBody::Text(
            substitute_plain(body, Place::Body, bound).map_err(|error| error.to_string())?,
        ),
    };
    head(
        &config.url,
        config.method.as_str(),
        &config.headers,
        config.timeout_seconds,
        body,
        bound,
    )
}

/// The request of a multipart node, its parts decoded, or why there is none.
pub fn build_multipart(config: &MultipartConfig, bound: &dyn Bindings) -> Result<HttpLeaf, String> {
    let text = |text: &str| {
        substitute_plain(text, Place::Header, bound).map_err(|error| error.to_string())
    };
    let mut parts = Vec::with_capacity(config.parts.len());
    for part in &config.parts {
        let data = whole_value(&part.data_b64, bound).map_err(|error| error.to_string())?;
        parts.push(HttpPart {
            name: text(&part.name)?,
            data: df_graph::decode_base64(&data)
                .map_err(|error| format!("data_b64 of part {}: {error}", part.name))?,
            filename: part.filename.as_deref().map(text).transpose()?,
            content_type: part.content_type.as_deref().map(text).transpose()?,
        });
    }
    let body = HttpBody::Multipart(parts);
    head(
        &config.url,
        config.method.as_str(),
        &config.headers,
        config.timeout_seconds,
        body,
        bound,
    )
}

fn head(
    url: &str,
    method: &str,
    headers: &[(String, String)],
    timeout_seconds: f64,
    body: HttpBody,
    bound: &dyn Bindings,
) -> Result<HttpLeaf, String> {
    let mut filled = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        let value = substitute_plain(value, Place::Header, bound).map_err(|e| e.to_string())?;
        filled.push((name.clone(), value));
    }
    Ok(HttpLeaf {
        method: method.to_owned(),
        url: substitute_plain(url, Place::Url, bound).map_err(|error| error.to_string())?,
        headers: filled,
        body,
        timeout: Duration::from_secs_f64(timeout_seconds.clamp(0.001, 86_400.0)),
    })
}
