//! What goes out: method, headers, bodies, and what cannot be smuggled into them.

use df_http::{Body, HttpError, HttpRequest, Part, decode_base64_lenient};

use crate::support::{Seen, Server, get, permissive, post, send, with_headers};

async fn seen(make: impl FnOnce(String) -> HttpRequest) -> Seen {
    let mut server = Server::answering("200 OK", b"").await;
    send(&permissive(), make(server.url("/p"))).await.unwrap();
    server.next_request().await
}

async fn refused(request: HttpRequest, part: &str) {
    let why = send(&permissive(), request).await.unwrap_err();
    assert!(matches!(why, HttpError::Invalid(_)), "{why:?}");
    assert!(why.to_string().contains(part), "{why}, expected {part}");
    assert!(!format!("{why} {why:?}").contains("hunter2"), "{why:?}");
}

#[tokio::test]
async fn the_five_methods_are_sent_and_no_other() {
    for method in ["GET", "post", "Put", "DELETE", "PATCH"] {
        let sent = seen(|url| HttpRequest {
            method: method.into(),
            ..get(url)
        })
        .await;
        let line = format!("{} /p HTTP/1.1", method.to_uppercase());
        assert_eq!(sent.head.lines().next(), Some(line.as_str()));
    }
    for method in [
        "",
        "HEAD",
        "CONNECT",
        "TRACE",
        "OPTIONS",
        "GET /hunter2",
        "GET\r\n",
        "ſ",
    ] {
        let request = HttpRequest {
            method: method.into(),
            ..get("http://x.test/")
        };
        refused(request, "the method of a HTTP request must be").await;
    }
}

#[tokio::test]
async fn a_text_body_arrives_byte_for_byte_without_a_guessed_type() {
    let sent = seen(|url| post(url, "{\"ä\": 1}")).await;
    assert_eq!(sent.body, "{\"ä\": 1}".as_bytes());
    assert_eq!(sent.header("content-length"), ["9"]);
    assert!(sent.header("content-type").is_empty());
    assert!(sent.header("transfer-encoding").is_empty());
    let sent = seen(|url| HttpRequest {
        method: "POST".into(),
        ..get(url)
    })
    .await;
    assert!(sent.body.is_empty());
    assert_eq!(sent.header("content-length"), ["0"]);
}

#[tokio::test]
async fn every_request_carries_the_idempotency_key_unless_it_brings_its_own() {
    let sent = seen(get).await;
    assert_eq!(sent.header("idempotency-key"), ["3f0c/abcd1234/root.left"]);
    assert!(sent.header("user-agent")[0].starts_with("df-relay/"));
    assert!(sent.header("accept-encoding").is_empty());
    let own = [("IDEMPOTENCY-key", "mine"), ("User-Agent", "me/1")];
    let sent = seen(|url| with_headers(get(url), &own)).await;
    assert_eq!(sent.header("idempotency-key"), ["mine"]);
    assert_eq!(sent.header("user-agent"), ["me/1"]);
    let bad = HttpRequest {
        idempotency_key: "a\nb".into(),
        ..get("http://x.test/")
    };
    refused(bad, "idempotency key").await;
}

#[tokio::test]
async fn headers_arrive_in_order_and_may_repeat() {
    let given = [
        ("X-A", "1"),
        ("x-b", "h\u{e9} \t,\"x\""),
        ("x-a", "2"),
        ("X-Empty", ""),
    ];
    let sent = seen(|url| with_headers(post(url, "x"), &given)).await;
    assert_eq!(sent.header("x-a"), ["1", "2"]);
    assert_eq!(sent.header("x-b"), ["h\u{e9} \t,\"x\""]);
    let sent = seen(|url| with_headers(post(url, "{}"), &[("Content-Type", "a/b")])).await;
    assert_eq!(sent.header("content-type"), ["a/b"]);
}

#[tokio::test]
async fn headers_cannot_be_injected() {
    let with = |name: &str, value: &str| with_headers(get("http://x.test/"), &[(name, value)]);
    for end in ["\r\n", "\n", "\r", "\0", "\x0b", "\x7f"] {
        refused(
            with("x-a", &format!("hunter2{end}x-b: 1")),
            "the header 'x-a' holds a",
        )
        .await;
        refused(
            with("x-a", &format!("hunter2{end}")),
            "the header 'x-a' holds a",
        )
        .await;
        refused(
            with(&format!("x-a{end}"), "1"),
            "header 1 has an invalid name",
        )
        .await;
    }
    for name in [
        "",
        " ",
        "x a",
        "x-a:",
        "Authorization: hunter2",
        ":authority",
        "é",
        "x\u{2028}",
    ] {
        refused(with(name, "1"), "header 1 has an invalid name").await;
    }
    for name in [
        "Host",
        "CONTENT-LENGTH",
        "Transfer-Encoding",
        "connection",
        "TE",
        "Upgrade",
        "Trailer",
        "Keep-Alive",
        "Proxy-Authorization",
        "proxy-connection",
        "HTTP2-Settings",
    ] {
        refused(with(name, "hunter2"), "cannot be set by a workflow").await;
    }
    let many = vec![("x".to_owned(), "1".to_owned()); 257];
    refused(
        HttpRequest {
            headers: many,
            ..get("http://x.test/")
        },
        "more than 256 headers",
    )
    .await;
}

fn part(name: &str, data: &[u8], filename: Option<&str>, content_type: Option<&str>) -> Part {
    Part {
        name: name.into(),
        data: data.into(),
        filename: filename.map(str::to_owned),
        content_type: content_type.map(str::to_owned),
    }
}

fn form(url: impl Into<String>, parts: Vec<Part>) -> HttpRequest {
    HttpRequest {
        method: "POST".into(),
        body: Body::Multipart(parts),
        ..get(url)
    }
}

#[tokio::test]
async fn a_form_arrives_with_its_parts_escaped() {
    let parts = vec![
        part("plain", b"v", None, None),
        part(
            "q\"\r\nX-Evil: 1",
            b"\0\xff\r\n--x",
            Some("a\"b\r\n.txt"),
            Some("text/csv; a=b"),
        ),
        part("é", b"", Some("é.bin"), None),
    ];
    let sent = seen(|url| form(url, parts.clone())).await;
    let [content_type] = sent.header("content-type")[..] else {
        panic!("{}", sent.head)
    };
    let boundary = content_type
        .strip_prefix("multipart/form-data; boundary=")
        .unwrap();
    let mut expected = Vec::new();
    for (head, data) in [
        ("Content-Disposition: form-data; name=\"plain\"", &b"v"[..]),
        (
            "Content-Disposition: form-data; name=\"q%22%0D%0AX-Evil: 1\"; \
             filename=\"a%22b%0D%0A.txt\"\r\nContent-Type: text/csv; a=b",
            b"\0\xff\r\n--x",
        ),
        (
            "Content-Disposition: form-data; name=\"é\"; filename=\"é.bin\"\r\n\
             Content-Type: application/octet-stream",
            b"",
        ),
    ] {
        expected.extend_from_slice(format!("--{boundary}\r\n{head}\r\n\r\n").as_bytes());
        expected.extend_from_slice(data);
        expected.extend_from_slice(b"\r\n");
    }
    expected.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    assert_eq!(
        String::from_utf8_lossy(&sent.body),
        String::from_utf8_lossy(&expected)
    );
    assert_eq!(sent.body, expected);
}

#[tokio::test]
async fn a_repeated_attempt_sends_the_same_bytes() {
    let make = |url| form(url, vec![part("a", b"1", None, None)]);
    let (first, second) = (seen(make).await, seen(make).await);
    assert_eq!(first.body, second.body);
    let other = |url| HttpRequest {
        idempotency_key: "other".into(),
        ..make(url)
    };
    assert_ne!(seen(other).await.body, first.body);
}

#[tokio::test]
async fn malformed_forms_are_refused() {
    let url = "http://x.test/";
    let good = || vec![part("a", b"1", None, None)];
    refused(form(url, Vec::new()), "at least one part").await;
    for method in ["GET", "DELETE"] {
        let request = HttpRequest {
            method: method.into(),
            ..form(url, good())
        };
        refused(request, "multipart request must be POST, PUT or PATCH").await;
    }
    for bad in ["hunter2\0", "hunter2\x1b", "hunter2\u{85}"] {
        refused(
            form(url, vec![part(bad, b"", None, None)]),
            "the name of part 1",
        )
        .await;
        let bad = part("a", b"", Some(bad), None);
        refused(
            form(url, vec![part("ok", b"", None, None), bad]),
            "the filename of part 2",
        )
        .await;
    }
    for bad in [
        "",
        "hunter2",
        "a/b\r\nX: hunter2",
        "a/b\0",
        "a/",
        "/b",
        "a b/c",
        "a/é",
    ] {
        let bad = part("a", b"", None, Some(bad));
        refused(
            form(url, vec![bad]),
            "content_type of part 1 is not a media type",
        )
        .await;
    }
    let typed = with_headers(form(url, good()), &[("content-type", "text/plain")]);
    refused(typed, "always sent as multipart/form-data").await;
}

#[tokio::test]
async fn the_boundary_replaces_a_form_type_without_one() {
    let given = [("Content-Type", "Multipart/Form-Data")];
    let parts = vec![part("a", b"1", None, None)];
    let sent = seen(|url| with_headers(form(url, parts), &given)).await;
    assert_eq!(sent.header("content-type").len(), 1);
    assert!(sent.header("content-type")[0].contains("; boundary=df-relay-"));
}

#[test]
fn base64_may_be_broken_into_lines_and_nothing_else() {
    for (text, expected) in [
        ("", Some(&b""[..])),
        ("aGVsbG8=", Some(b"hello")),
        ("aGVs\nbG8=", Some(b"hello")),
        (" aG\tVs\r\nbG8=\n", Some(b"hello")),
        ("+/8=", Some(b"\xfb\xff")),
        ("aGVsbG8", None),
        ("aGVsbG8==", None),
        ("aGVsbG9=", None),
        ("-_8=", None),
        ("aGV\0sbG8=", None),
        ("ä", None),
        ("=", None),
    ] {
        let decoded = decode_base64_lenient(text);
        assert_eq!(decoded.as_deref().ok(), expected, "{text:?}");
    }
    let why = decode_base64_lenient("hunter2!").unwrap_err().to_string();
    assert!(
        why.contains("data_b64") && !why.contains("hunter2"),
        "{why}"
    );
}

#[test]
fn debug_output_shows_no_secret() {
    let request = with_headers(
        post("http://x.test/?hunter2", "hunter2"),
        &[("a", "hunter2")],
    );
    assert!(!format!("{request:?}").contains("hunter2"));
    let request = form(
        "http://x.test/",
        vec![part("hunter2", b"hunter2", Some("hunter2"), None)],
    );
    assert!(!format!("{request:?}").contains("hunter2"));
}
