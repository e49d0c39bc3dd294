//! What an HTTP node may reach, tried through the relay: with the default settings a role gets to
//! nothing behind the operator's network, whatever it writes and whenever it writes it.

use std::time::Duration;

use crate::support::{Web, Workflows, literal};

/// Every target is refused as 42501 before anything is sent, or is no request at all (22023).
#[tokio::test]
async fn no_target_behind_the_relay_is_reached() {
    let (workflows, web) = (Workflows::new().await, Web::start());
    let port = web
        .url("")
        .rsplit(':')
        .next()
        .unwrap()
        .trim_end_matches('/')
        .to_owned();
    let mut reached = Vec::new();
    for url in [
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://LOCALHOST.:{port}/",
        "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://[::ffff:7f00:1]:{port}/",
        "http://0.0.0.0:{port}/",
        "http://2130706433:{port}/",
        "http://0x7f000001:{port}/",
        "http://0177.0.0.1:{port}/",
        "http://127.1:{port}/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/",
        "http://10.0.0.1/",
        "http://192.168.0.1/",
        "http://172.16.0.1/",
        "http://100.64.0.1/",
        "http://224.0.0.1/",
        "http://[fe80::1]/",
        "http://8.8.8.8/",
        "http://user:password@localhost:{port}/",
        "http://example.com@127.0.0.1:{port}/",
        "http://localhost:{port}\\@example.com/",
    ] {
        let url = url.replace("{port}", &port);
        // A placeholder puts off what the builder refuses until the node runs.
        let node = format!(
            "df.seq(df.as({}, 'u'), df.http('$u', 'GET'))",
            literal(&format!("select {} as url", literal(&url)))
        );
        let failed = workflows.failure(&node).await;
        let state = failed.sqlstate.clone().unwrap_or_default();
        if !["42501", "22023"].contains(&state.as_str()) {
            reached.push(format!("{url}: {failed:?}"));
        }
    }
    for scheme in [
        "file:///etc/passwd",
        "gopher://localhost/",
        "ftp://localhost/",
        "unix:/tmp/x",
    ] {
        let node = format!(
            "df.seq(df.as({}, 'u'), df.http('$u', 'GET'))",
            literal(&format!("select {} as url", literal(scheme)))
        );
        let failed = workflows.failure(&node).await;
        if !["42501", "22023"].contains(&failed.sqlstate.as_deref().unwrap_or_default()) {
            reached.push(format!("{scheme}: {failed:?}"));
        }
    }
    assert!(reached.is_empty(), "{}", reached.join("\n"));
    assert!(
        web.requests().is_empty(),
        "{} requests came through",
        web.requests().len()
    );
}

#[tokio::test]
async fn a_header_carries_no_second_header_and_not_the_relays_own() {
    let web = Web::start();
    let workflows = Workflows::prepared("select df.configure('http_allow_private', 'true')").await;
    let url = literal(&web.url("/echo"));
    for headers in [
        r#"{"X-A": "1\r\nX-Evil: 1"}"#,
        r#"{"X-A\r\nX-Evil": "1"}"#,
        r#"{"X-A": "1\nX-Evil: 1"}"#,
        r#"{"": "1"}"#,
        r#"{"Host": "evil.example"}"#,
        r#"{"Transfer-Encoding": "chunked"}"#,
        r#"{"Content-Length": "0"}"#,
    ] {
        let node = format!("df.http({url}, 'POST', 'x', {})", literal(headers));
        // Refused by the builder, or when the node runs, or harmless.
        let start = format!("select df.start({node})");
        if let Ok(row) = workflows.alice.client.query_one(&start, &[]).await {
            workflows.ended(row.get(0)).await;
        }
    }
    for request in web.requests() {
        assert_eq!(request.header("x-evil"), None);
        assert_ne!(request.header("host"), Some("evil.example"));
        assert_eq!(request.body, "x");
    }
}

#[tokio::test]
async fn only_listed_hosts_are_reached_once_hosts_are_listed() {
    let web = Web::start();
    let workflows = Workflows::prepared(
        "select df.configure('http_allowed_hosts', 'example.com, .internal.test')",
    )
    .await;
    for url in [
        web.url("/"),
        web.url("/").replace("127.0.0.1", "localhost"),
        "http://notexample.com/".to_owned(),
        "http://example.com.evil.test/".to_owned(),
    ] {
        let failed = workflows
            .failure(&format!("df.http({}, 'GET')", literal(&url)))
            .await;
        assert_eq!(
            failed.sqlstate.as_deref(),
            Some("42501"),
            "{url}: {failed:?}"
        );
    }
    assert!(web.requests().is_empty());
}

#[tokio::test]
async fn an_allowed_host_that_matches_nothing_is_told_to_the_operator() {
    let setting = "select df.configure('http_allowed_hosts', '*.example.com, example.com, https://example.com')";
    let workflows = Workflows::prepared(setting).await;
    let refused = async || {
        let failed = workflows
            .failure("df.http('http://www.example.com/')")
            .await;
        assert_eq!(failed.sqlstate.as_deref(), Some("42501"), "{failed:?}");
    };
    refused().await;
    // The settings are read again after two seconds, and the same is not said again.
    tokio::time::sleep(Duration::from_secs(3)).await;
    refused().await;
    let log = workflows.relay.log();
    let told: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("http_allowed_hosts"))
        .collect();
    assert_eq!(told.len(), 1, "{log}");
    assert!(told[0].contains("*.example.com, https://example.com"));
}
