//! HTTP nodes: from their config and the bound names to a request.

use std::time::Duration;

use df_graph::{
    Bindings, HttpConfig, MultipartConfig, Place, SubstituteError, substitute_plain, whole_value,
};

use crate::backend::{HttpBody, HttpLeaf, HttpPart, Limits};

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

/// Why there is no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    #[error(transparent)]
    Text(#[from] SubstituteError),
    #[error("data_b64 of part {part}: {why}")]
    Base64 { part: String, why: String },
    #[error(
        "the body of the HTTP request exceeds the limit of {limit_bytes} bytes (http_max_request_bytes)"
    )]
    BodyTooLarge { limit_bytes: usize },
    #[error("the URL and headers of the HTTP request exceed the limit of {limit_bytes} bytes")]
    HeadTooLarge { limit_bytes: usize },
}

impl RequestError {
    pub fn sqlstate(&self) -> &'static str {
        match self {
            RequestError::Text(_) | RequestError::Base64 { .. } => "22023",
            RequestError::BodyTooLarge { .. } | RequestError::HeadTooLarge { .. } => "54000",
        }
    }
}

/// The request of an HTTP node, or why there is none.
pub fn build(
    config: &HttpConfig,
    bound: &dyn Bindings,
    limits: &Limits,
) -> Result<HttpLeaf, RequestError> {
    let body = match &config.body {
        None => HttpBody::None,
        Some(body) => HttpBody::Text(Room::body(limits).text(body, Place::Body, bound)?),
    };
    let (url, headers) = head(&config.url, &config.headers, bound, limits)?;
    Ok(HttpLeaf {
        method: config.method.as_str().to_owned(),
        url,
        headers,
        body,
        timeout: timeout(config.timeout_seconds),
    })
}

/// The request of a multipart node, its parts decoded, or why there is none.
pub fn build_multipart(
    config: &MultipartConfig,
    bound: &dyn Bindings,
    limits: &Limits,
) -> Result<HttpLeaf, RequestError> {
    let mut room = Room::body(limits);
    let mut parts = Vec::with_capacity(config.parts.len());
    for part in &config.parts {
        let data = whole_value(&part.data_b64, bound)?;
        let data = df_graph::decode_base64(&data).map_err(|why| RequestError::Base64 {
            part: part.name.clone(),
            why: why.to_string(),
        })?;
        room.take(data.len())?;
        let mut text = |text: &String| room.text(text, Place::Header, bound);
        parts.push(HttpPart {
            name: text(&part.name)?,
            filename: part.filename.as_ref().map(&mut text).transpose()?,
            content_type: part.content_type.as_ref().map(&mut text).transpose()?,
            data,
        });
    }
    let (url, headers) = head(&config.url, &config.headers, bound, limits)?;
    Ok(HttpLeaf {
        method: config.method.as_str().to_owned(),
        url,
        headers,
        body: HttpBody::Multipart(parts),
        timeout: timeout(config.timeout_seconds),
    })
}

/// The URL and the headers.
fn head(
    url: &str,
    headers: &[(String, String)],
    bound: &dyn Bindings,
    limits: &Limits,
) -> Result<(String, Vec<(String, String)>), RequestError> {
    let mut room = Room::head(limits);
    let url = room.text(url, Place::Url, bound)?;
    let mut filled = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        room.take(name.len())?;
        filled.push((name.clone(), room.text(value, Place::Header, bound)?));
    }
    Ok((url, filled))
}

fn timeout(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds.clamp(0.001, 86_400.0))
}

/// What is left for a part of a request, counted text by text: each may hold a large result, and
/// there may be more of them than memory has room for.
struct Room {
    left_bytes: usize,
    none_left: RequestError,
}

impl Room {
    fn body(limits: &Limits) -> Self {
        let limit_bytes = limits.request_body_bytes;
        Room {
            left_bytes: limit_bytes,
            none_left: RequestError::BodyTooLarge { limit_bytes },
        }
    }

    fn head(limits: &Limits) -> Self {
        let limit_bytes = limits.request_head_bytes;
        Room {
            left_bytes: limit_bytes,
            none_left: RequestError::HeadTooLarge { limit_bytes },
        }
    }

    fn take(&mut self, bytes: usize) -> Result<(), RequestError> {
        let left = self.left_bytes.checked_sub(bytes);
        self.left_bytes = left.ok_or_else(|| self.none_left.clone())?;
        Ok(())
    }

    /// A text with its references replaced.
    fn text(
        &mut self,
        text: &str,
        place: Place,
        bound: &dyn Bindings,
    ) -> Result<String, RequestError> {
        let filled = substitute_plain(text, place, bound)?;
        self.take(filled.len())?;
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use df_graph::HttpMethod;
    use serde_json::{Value, json};

    /// One result of one text.
    struct One(Value);

    impl One {
        fn of(text: String) -> Self {
            One(json!({"rows": [{"v": text}], "row_count": 1}))
        }
    }

    impl Bindings for One {
        fn result(&self, name: &str) -> Option<&Value> {
            (name == "r").then_some(&self.0)
        }

        fn var(&self, _: &str) -> Option<&str> {
            None
        }

        fn instance_id(&self) -> &str {
            "abcd1234"
        }

        fn label(&self) -> Option<&str> {
            None
        }
    }

    const LIMITS: Limits = Limits {
        result_bytes: 1000,
        request_body_bytes: 1000,
        request_head_bytes: 100,
    };

    fn check(bytes: usize, url: &str, body: &str, headers: usize) -> Result<(), RequestError> {
        let config = HttpConfig {
            url: url.to_owned(),
            method: HttpMethod::Post,
            body: Some(body.to_owned()),
            headers: (0..headers)
                .map(|n| (format!("h{n}"), "$r".to_owned()))
                .collect(),
            timeout_seconds: 1.0,
        };
        build(&config, &One::of("x".repeat(bytes)), &LIMITS).map(drop)
    }

    #[test]
    fn url_and_headers_are_limited_together_and_the_body_by_itself() {
        let head = Err(RequestError::HeadTooLarge { limit_bytes: 100 });
        let body = Err(RequestError::BodyTooLarge { limit_bytes: 1000 });
        assert_eq!(check(45, "http://", "$r", 2), head);
        assert_eq!(check(44, "http://", "$r", 2), Ok(()));
        assert_eq!(check(93, "http://$r", "$r", 0), Ok(()));
        assert_eq!(check(94, "http://$r", "$r", 0), head);
        assert_eq!(check(500, "http://", "$r$r", 0), Ok(()));
        assert_eq!(check(501, "http://", "$r$r", 0), body);
        assert_eq!(body.map_err(|error| error.sqlstate()), Err("54000"));
        assert_eq!(head.map_err(|error| error.sqlstate()), Err("54000"));
    }

    #[test]
    fn the_parts_of_a_form_are_limited_together() {
        let check = |parts: usize, data: &str, filename: Option<&str>| {
            let part = df_graph::Part {
                name: "n".to_owned(),
                data_b64: data.to_owned(),
                filename: filename.map(str::to_owned),
                content_type: filename.map(str::to_owned),
            };
            let config = MultipartConfig {
                url: "http://".to_owned(),
                method: HttpMethod::Post,
                parts: vec![part; parts],
                headers: Vec::new(),
                timeout_seconds: 1.0,
            };
            // 132 characters of base64 are 99 bytes.
            build_multipart(&config, &One::of("A".repeat(132)), &LIMITS).map(drop)
        };
        let body = Err(RequestError::BodyTooLarge { limit_bytes: 1000 });
        assert_eq!(check(10, "$r", None), Ok(()));
        assert_eq!(check(11, "$r", None), body);
        assert_eq!(check(3, "AAAA", Some("$r")), Ok(()));
        assert_eq!(check(4, "AAAA", Some("$r")), body);
    }
}
