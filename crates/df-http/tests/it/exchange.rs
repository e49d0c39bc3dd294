//! One exchange: results, failures, caps, time, cancellation, and where the connection goes.

use std::sync::atomic::Ordering;
use std::time::Duration;

use df_http::{HttpClient, HttpError, HttpPolicy, HttpRequest, TooLarge};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::{Reply, Server, Table, answer, get, permissive, post, send};

async fn result_of(server: &Server) -> Value {
    let text = send(&permissive(), get(server.url("/x?token=hunter2")))
        .await
        .unwrap();
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn a_result_has_its_six_keys_in_order() {
    let server = Server::answering("200 OK\r\nX-A: 1", b"{\"a\":1}").await;
    let text = send(&permissive(), get(server.url("/"))).await.unwrap();
    let (before, after) = text.split_once("\"duration_ms\":").unwrap();
    assert_eq!(
        before,
        "{\"status\":200,\"body\":\"{\\\"a\\\":1}\",\"encoding\":\"text\",\
         \"headers\":{\"x-a\":\"1\",\"content-length\":\"7\"},\"ok\":true,"
    );
    assert!(
        after.trim_end_matches('}').parse::<u64>().is_ok(),
        "{after}"
    );
}

#[tokio::test]
async fn every_status_below_500_is_a_result() {
    for (status, ok) in [
        ("200 OK", true),
        ("201 Created", true),
        ("299 X", true),
        ("300 Multiple Choices", false),
        ("302 Found\r\nLocation: /y", false),
        ("400 Bad Request", false),
        ("401 X", false),
        ("404 Not Found", false),
        ("429 Too Many Requests", false),
        ("499 X", false),
    ] {
        let result = result_of(&Server::answering(status, b"why").await).await;
        assert_eq!(result["status"], status[..3].parse::<u16>().unwrap());
        assert_eq!(result["ok"], ok, "{status}");
        assert_eq!(result["body"], "why", "{status}");
    }
    let empty = Server::start(Reply::Bytes(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())).await;
    assert_eq!(result_of(&empty).await["body"], "");
}

#[tokio::test]
async fn a_5xx_fails_retryably_and_shows_no_query_or_body() {
    for (status, shown) in [
        ("500 X", "HTTP 500 Internal Server Error"),
        ("503 X", "HTTP 503 Service Unavailable"),
        ("599 X", "HTTP 599"),
    ] {
        let server = Server::answering(status, b"secret body").await;
        let why = send(&permissive(), get(server.url("/x?token=hunter2")))
            .await
            .unwrap_err();
        assert!(matches!(why, HttpError::Status { .. }), "{why:?}");
        assert!(why.is_retryable());
        assert_eq!(
            why.to_string(),
            format!("{shown} from {}", server.url("/x"))
        );
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let mut server = Server::answering("302 Found\r\nLocation: /elsewhere", b"").await;
    let result = result_of(&server).await;
    assert_eq!(result["headers"]["location"], "/elsewhere");
    assert!(
        server
            .next_request()
            .await
            .head
            .starts_with("GET /x?token=hunter2 ")
    );
    assert!(server.no_more_requests());
}

#[tokio::test]
async fn a_body_that_postgres_cannot_hold_as_text_is_base64() {
    for (body, encoding, shown) in [
        (&b"h\xc3\xa9"[..], "text", "h\u{e9}"),
        (b"", "text", ""),
        (b"\xff\xfe", "base64", "//4="),
        (b"a\0b", "base64", "YQBi"),
        (b"\x01\x7f\x1b", "text", "\x01\x7f\x1b"),
    ] {
        let result = result_of(&Server::answering("200 OK", body).await).await;
        assert_eq!(
            (&result["encoding"], &result["body"]),
            (&json!(encoding), &json!(shown))
        );
    }
}

#[tokio::test]
async fn response_headers_are_lower_case_and_joined() {
    let head = b"200 OK\r\nX-Multi: a\r\nx-multi: b\r\nSet-Cookie: a=1; Expires=Thu, 1 Jan\r\n\
                 Set-Cookie: b=2\r\nX-Utf: h\xc3\xa9\r\nX-Latin: h\xe9";
    let reply = [b"HTTP/1.1 ", &head[..], b"\r\nContent-Length: 0\r\n\r\n"].concat();
    let headers = result_of(&Server::start(Reply::Bytes(reply)).await).await["headers"].clone();
    assert_eq!(
        headers,
        json!({
            "x-multi": "a, b",
            "set-cookie": "a=1; Expires=Thu, 1 Jan\nb=2",
            "x-utf": "hé",
            "x-latin": "hé",
            "content-length": "0",
        })
    );
}

#[tokio::test]
async fn a_compressed_body_is_left_as_it_is() {
    let server = Server::answering("200 OK\r\nContent-Encoding: gzip", b"\x1f\x8b\x08").await;
    assert_eq!(result_of(&server).await["body"], "H4sI");
}

fn is_too_large(outcome: Result<String, HttpError>, expected: TooLarge) {
    match outcome {
        Err(why @ HttpError::TooLarge { what, .. }) => {
            assert_eq!(what, expected);
            assert!(!why.is_retryable());
            assert!(!why.to_string().contains("hunter2"), "{why}");
        }
        outcome => panic!("{outcome:?}"),
    }
}

#[tokio::test]
async fn a_response_past_the_cap_is_not_read_to_its_end() {
    let policy = HttpPolicy {
        max_response_bytes: 1000,
        ..permissive()
    };
    let mut endless = Server::start(Reply::Endless).await;
    let outcome = send(&policy, get(endless.url("/?hunter2"))).await;
    is_too_large(outcome, TooLarge::ResponseBody);
    // The server stops only because the connection is gone; what it wrote fits socket buffers.
    endless.connection_closed().await;
    assert!(endless.body_bytes_written.load(Ordering::Relaxed) < 64 << 20);

    let announced = b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n".to_vec();
    let announced = Server::start(Reply::ThenSilence(announced)).await;
    is_too_large(
        send(&policy, get(announced.url("/"))).await,
        TooLarge::ResponseBody,
    );

    let exact = Server::answering("200 OK", &[b'x'; 1000]).await;
    assert!(send(&policy, get(exact.url("/"))).await.is_ok());
}

#[tokio::test]
async fn headers_and_request_bodies_are_capped() {
    let policy = HttpPolicy {
        max_header_bytes: 400,
        max_request_bytes: 10,
        ..permissive()
    };
    let long = format!("200 OK\r\nX-Long: {}", "x".repeat(500));
    let mut server = Server::answering(&long, b"").await;
    is_too_large(
        send(&policy, get(server.url("/"))).await,
        TooLarge::ResponseHeaders,
    );
    assert!(server.next_request().await.head.starts_with("GET / "));

    is_too_large(
        send(&policy, post(server.url("/"), "12345678901")).await,
        TooLarge::RequestBody,
    );
    let url = server.url(&format!("/?hunter2{}", "x".repeat(400)));
    is_too_large(send(&policy, get(url)).await, TooLarge::RequestHeaders);
    let value = "x".repeat(400);
    let request = crate::support::with_headers(get(server.url("/")), &[("x-a", &value)]);
    is_too_large(send(&policy, request).await, TooLarge::RequestHeaders);
    assert!(server.no_more_requests());
}

#[tokio::test]
async fn a_silent_server_meets_the_total_deadline() {
    let half = answer("200 OK", b"0123456789");
    for (said, doing) in [
        (Vec::new(), "waiting for the response"),
        (half[..half.len() - 5].to_vec(), "reading the response body"),
    ] {
        let mut server = Server::start(Reply::ThenSilence(said)).await;
        let request = HttpRequest {
            timeout: Duration::from_millis(300),
            ..get(server.url("/slow?token=hunter2"))
        };
        let why = send(&permissive(), request).await.unwrap_err();
        assert!(matches!(why, HttpError::TimedOut { .. }), "{why:?}");
        assert!(why.is_retryable());
        let url = server.url("/slow");
        let expected = format!("HTTP request to {url} timed out after 0.3 s while {doing}");
        assert_eq!(why.to_string(), expected);
        server.connection_closed().await;
    }
}

#[tokio::test]
async fn the_policy_bounds_the_time_that_a_request_may_ask_for() {
    let server = Server::start(Reply::ThenSilence(Vec::new())).await;
    let policy = HttpPolicy {
        max_timeout_seconds: 1,
        ..permissive()
    };
    let request = HttpRequest {
        timeout: Duration::MAX,
        ..get(server.url("/"))
    };
    let why = send(&policy, request).await.unwrap_err().to_string();
    assert!(why.contains("timed out after 1 s"), "{why}");
    let request = HttpRequest {
        timeout: Duration::ZERO,
        ..get(server.url("/"))
    };
    assert!(matches!(
        send(&policy, request).await,
        Err(HttpError::Invalid(_))
    ));
}

#[tokio::test]
async fn cancelling_closes_the_connection() {
    let mut server = Server::start(Reply::ThenSilence(Vec::new())).await;
    let cancel = CancellationToken::new();
    let (url, token) = (server.url("/"), cancel.clone());
    let sending =
        tokio::spawn(async move { HttpClient::new().send(&permissive(), get(url), token).await });
    server.next_request().await;
    cancel.cancel();
    let why = sending.await.unwrap().unwrap_err();
    assert!(matches!(why, HttpError::Cancelled), "{why:?}");
    assert!(!why.is_retryable());
    server.connection_closed().await;
}

#[tokio::test]
async fn a_cancelled_request_is_never_sent() {
    let mut server = Server::answering("200 OK", b"").await;
    let cancel = CancellationToken::new();
    cancel.cancel();
    let outcome = HttpClient::new()
        .send(&permissive(), get(server.url("/")), cancel)
        .await;
    assert!(matches!(outcome, Err(HttpError::Cancelled)));
    assert!(server.no_more_requests());
}

#[tokio::test]
async fn network_failures_are_retryable_and_say_what_happened() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let garbage = Server::start(Reply::Bytes(b"SSH-2.0-OpenSSH\r\n\r\n".to_vec())).await;
    let half = answer("200 OK", b"0123456789");
    let half = Server::start(Reply::Bytes(half[..half.len() - 5].to_vec())).await;
    let mute = Server::start(Reply::Bytes(Vec::new())).await;
    for (url, part) in [
        (
            format!("http://127.0.0.1:{port}/p?hunter2"),
            "cannot connect",
        ),
        (
            "http://absent.test/p?hunter2".to_owned(),
            "cannot be resolved",
        ),
        (garbage.url("/p?hunter2"), "no usable response"),
        (mute.url("/p?hunter2"), "no usable response"),
        (half.url("/p?hunter2"), "broke off"),
    ] {
        let why = send(&permissive(), get(url)).await.unwrap_err();
        assert!(why.is_retryable(), "{why:?}");
        assert!(why.to_string().contains(part), "{why}");
        assert!(why.to_string().contains("/p failed: "), "{why}");
        assert!(!format!("{why} {why:?}").contains("hunter2"), "{why:?}");
    }
}

#[tokio::test]
async fn a_name_is_resolved_once_and_the_connection_pinned_to_the_answer() {
    // The server would gladly keep each connection for the next request.
    let mut server = Server::start(Reply::ThenSilence(answer("200 OK", b""))).await;
    let table = Table::of(&[("api.test", &["127.0.0.1"])]);
    let client = HttpClient::with_lookup(table.clone());
    for asked in 1..=3 {
        let url = format!("http://API.test:{}/", server.port);
        client
            .send(&permissive(), get(url), CancellationToken::new())
            .await
            .unwrap();
        server.connection_closed().await;
        // No connection is reused, so each request is checked anew.
        assert_eq!(table.questions.load(Ordering::Relaxed), asked);
        let seen = server.next_request().await;
        assert_eq!(seen.header("host"), [format!("api.test:{}", server.port)]);
    }
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_before_any_connection() {
    let mut server = Server::answering("200 OK", b"").await;
    let table = Table::of(&[
        ("inside.test", &["127.0.0.1"]),
        ("mixed.test", &["1.1.1.1", "127.0.0.1"]),
        ("mapped.test", &["::ffff:127.0.0.1"]),
        ("metadata.test", &["169.254.169.254"]),
        ("nothing.test", &[]),
    ]);
    let client = HttpClient::with_lookup(table);
    let names = ["inside.test", "mixed.test", "mapped.test", "metadata.test"];
    let listed = names.map(str::to_owned).to_vec();
    for allowed_hosts in [Vec::new(), listed] {
        let policy = HttpPolicy {
            allowed_hosts,
            ..HttpPolicy::default()
        };
        for name in names {
            let request = get(format!("http://{name}:{}/?hunter2", server.port));
            let why = client
                .send(&policy, request, CancellationToken::new())
                .await
                .unwrap_err();
            assert!(matches!(why, HttpError::Refused(_)), "{why:?}");
            assert!(
                why.to_string().contains(&format!("host '{name}' leads to")),
                "{why}"
            );
        }
    }
    let request = get(format!("http://nothing.test:{}/", server.port));
    let outcome = client
        .send(&HttpPolicy::default(), request, CancellationToken::new())
        .await;
    assert!(
        matches!(outcome, Err(HttpError::Network { .. })),
        "{outcome:?}"
    );
    assert!(server.no_more_requests());
}

#[tokio::test]
async fn a_setting_that_is_taken_back_holds_from_the_next_request() {
    let server = Server::answering("200 OK", b"").await;
    let client = HttpClient::with_lookup(Table::of(&[("api.test", &["127.0.0.1"])]));
    let url = format!("http://api.test:{}/", server.port);
    for policy in [permissive(), HttpPolicy::default(), permissive()] {
        let outcome = client
            .send(&policy, get(url.clone()), CancellationToken::new())
            .await;
        assert_eq!(outcome.is_ok(), policy.allow_private, "{outcome:?}");
    }
}

#[tokio::test]
async fn the_system_resolver_finds_localhost_when_the_operator_allows_it() {
    let server = Server::answering("200 OK", b"").await;
    let url = format!("http://localhost:{}/", server.port);
    let client = HttpClient::new();
    let allowed = client
        .send(&permissive(), get(url.clone()), CancellationToken::new())
        .await;
    assert!(allowed.is_ok(), "{allowed:?}");
    let refused = client
        .send(&HttpPolicy::default(), get(url), CancellationToken::new())
        .await;
    assert!(matches!(refused, Err(HttpError::Refused(_))), "{refused:?}");
}

#[test]
fn proxies_in_the_environment_are_ignored() {
    // The environment of a running process is not changed safely, so another process tries it.
    // Every proxy it is told of refuses connections.
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "exchange::a_redirect_is_not_followed"]);
    for name in [
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ] {
        command.env(name, "http://127.0.0.1:1");
    }
    let output = command
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
}
