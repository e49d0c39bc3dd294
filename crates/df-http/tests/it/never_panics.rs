//! Random requests: nothing panics, nothing unlisted is reached, nothing secret is repeated.

use std::time::Duration;

use df_http::{Body, HttpClient, HttpPolicy, HttpRequest, Part, decode_base64_lenient};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

use crate::support::Table;

fn urls() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "http",
        "https",
        "ftp",
        ":",
        "/",
        "//",
        "\\",
        "@",
        "?",
        "#",
        "%",
        "%00",
        "[",
        "]",
        ".",
        "127",
        "0x7f",
        "::1",
        "ffff",
        "localhost",
        "a.test",
        "é",
        "xn--",
        ":80",
        " ",
        "\r\n",
        "\0",
    ]);
    prop_oneof![
        any::<String>(),
        any::<String>().prop_map(|rest| format!("http://{rest}")),
        vec(pieces.clone(), 0..12).prop_map(|list| list.concat()),
        vec(pieces, 0..12).prop_map(|list| format!("http://{}", list.concat())),
    ]
}

fn bodies() -> impl Strategy<Value = Body> {
    let text = || option::of(any::<String>());
    let part = (any::<String>(), vec(any::<u8>(), 0..20), text(), text()).prop_map(
        |(name, data, filename, content_type)| Part {
            name,
            data,
            filename,
            content_type,
        },
    );
    prop_oneof![
        Just(Body::None),
        any::<String>().prop_map(Body::Text),
        vec(part, 0..3).prop_map(Body::Multipart),
    ]
}

proptest! {
    #[test]
    fn any_request_ends_in_an_error_that_keeps_its_secrets(
        url in urls(),
        method in prop_oneof![Just("POST".to_owned()), any::<String>()],
        names in vec(prop_oneof!["[a-z-]{1,8}", any::<String>()], 0..4),
        junk in any::<String>(),
        body in bodies(),
        key in prop_oneof![Just("key".to_owned()), any::<String>()],
        nanos in any::<u64>(),
    ) {
        let value = |name| (name, format!("s3cr3t-value{junk}"));
        let request = HttpRequest {
            method,
            url,
            headers: names.into_iter().map(value).collect(),
            body,
            timeout: Duration::from_nanos(nanos),
            idempotency_key: key,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // No name resolves and no literal passes, so nothing is ever reached.
        let client = HttpClient::with_lookup(Table::of(&[]));
        let policy = HttpPolicy::default();
        let sending = client.send(&policy, request, CancellationToken::new());
        let why = runtime.block_on(sending).unwrap_err();
        prop_assert!(!format!("{why} {why:?}").contains("s3cr3t"), "{why:?}");
    }

    #[test]
    fn every_ipv4_literal_is_a_bare_ip_in_every_notation(bits in any::<u32>()) {
        let [a, b, c, d] = bits.to_be_bytes();
        for host in [
            format!("{a}.{b}.{c}.{d}"),
            format!("{bits}"),
            format!("{bits:#x}"),
            format!("0{bits:o}"),
            format!("{a:#x}.{b}.0{c:o}.{d}"),
            format!("{a}.{}", bits & 0x00ff_ffff),
            format!("[::ffff:{a}.{b}.{c}.{d}]"),
        ] {
            let why = HttpPolicy::default().check_url(&format!("http://{host}/")).unwrap_err();
            prop_assert!(why.to_string().contains("bare IP"), "{host}: {why}");
        }
    }

    #[test]
    fn a_checked_url_shows_no_query_and_stays_short(url in urls(), query in "[a-z0-9]{8}") {
        let url = format!("{url}?s3cr3t{query}");
        let policy = HttpPolicy { allow_private: true, ..HttpPolicy::default() };
        if let Ok(checked) = policy.check_url(&url) {
            let shown = checked.shown();
            prop_assert!(!shown.contains("s3cr3t") && shown.len() <= 203, "{shown}");
        }
    }

    #[test]
    fn any_text_may_be_offered_as_base64(text in any::<String>()) {
        let _ = decode_base64_lenient(&text);
    }

    #[test]
    fn any_entry_may_stand_in_the_allowed_hosts(entry in any::<String>(), url in urls()) {
        let allowed_hosts = vec![entry];
        let policy = HttpPolicy { allowed_hosts, ..HttpPolicy::default() };
        let _ = policy.unusable_allowed_hosts();
        let _ = policy.check_url(&url);
    }
}
