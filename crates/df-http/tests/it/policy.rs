//! The policy as a pure function: addresses, hosts, schemes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use df_http::{HttpError, HttpPolicy, refusal_of};

/// Every block that must be refused, independent of the table in the code, with the word its
/// refusal must contain.
const REFUSED_BLOCKS: &[(&str, &str)] = &[
    ("0.0.0.0/8", "unspecified"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "carrier-grade"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link-local"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "protocol"),
    ("192.0.2.0/24", "documentation"),
    ("192.88.99.0/24", "6to4"),
    ("192.168.0.0/16", "private"),
    ("198.18.0.0/15", "benchmarking"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("169.254.169.254/32", "metadata"),
    ("100.100.100.200/32", "metadata"),
    ("192.0.0.192/32", "metadata"),
    ("168.63.129.16/32", "metadata"),
    ("255.255.255.255/32", "broadcast"),
    ("::/128", "unspecified"),
    ("::1/128", "loopback"),
    ("::2/127", "IPv4-compatible"),
    ("::7f00:0/104", "IPv4-compatible"),
    ("::ffff:0:0/96", "IPv4-mapped"),
    ("::ffff:0:0:0/96", "IPv4-translated"),
    ("64:ff9b::/96", "NAT64"),
    ("64:ff9b:1::/48", "NAT64"),
    ("100::/64", "discard"),
    ("2001::/32", "Teredo"),
    ("2001:2::/48", "benchmarking"),
    ("2001:10::/28", "protocol"),
    ("2001:20::/28", "protocol"),
    ("2001:db8::/32", "documentation"),
    ("2002::/16", "6to4"),
    ("3ffe::/16", "reserved"),
    ("3fff::/20", "documentation"),
    ("4000::/2", "reserved"),
    ("5f00::/16", "reserved"),
    ("8000::/2", "reserved"),
    ("fc00::/8", "unique local"),
    ("fd12:3456::/32", "unique local"),
    ("fd00:ec2::254/128", "metadata"),
    ("fd20:ce::254/128", "metadata"),
    ("fe80::/10", "link-local"),
    ("fec0::/10", "site-local"),
    ("ff00::/8", "multicast"),
];

/// First, last and two inner addresses of a block.
fn samples(block: &str) -> Vec<IpAddr> {
    let (base, prefix) = block.split_once('/').unwrap();
    let prefix: u32 = prefix.parse().unwrap();
    match base.parse().unwrap() {
        IpAddr::V4(v4) => {
            let hosts = u32::MAX.checked_shr(prefix).unwrap_or(0);
            let at = |offset: u32| IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() | offset));
            vec![at(0), at(hosts), at(hosts / 2), at(hosts / 3)]
        }
        IpAddr::V6(v6) => {
            let hosts = u128::MAX.checked_shr(prefix).unwrap_or(0);
            let at = |offset: u128| IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() | offset));
            vec![at(0), at(hosts), at(hosts / 2), at(hosts / 3)]
        }
    }
}

#[test]
fn addresses_off_the_public_internet_are_refused_by_kind() {
    for (block, word) in REFUSED_BLOCKS {
        for address in samples(block) {
            let what = refusal_of(address);
            // A narrower block may name the address better than the one it was drawn from.
            let is_metadata = what.is_some_and(|what| what.contains("metadata"));
            let named = what.is_some_and(|what| what.contains(word));
            assert!(named || is_metadata, "{address} of {block}: {what:?}");
        }
    }
    for address in samples("240.0.0.0/4")
        .into_iter()
        .take(1)
        .chain(samples("248.0.0.0/6"))
    {
        assert_eq!(refusal_of(address), Some("a reserved address"), "{address}");
    }
}

#[test]
fn public_addresses_pass_up_to_the_edges_of_every_refused_block() {
    for address in [
        "1.0.0.0",
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "168.63.129.15",
        "168.63.129.17",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "191.255.255.255",
        "192.0.1.0",
        "192.0.3.0",
        "192.88.98.255",
        "192.88.100.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "198.51.99.255",
        "198.51.101.0",
        "203.0.112.255",
        "203.0.114.0",
        "223.255.255.255",
        "2000::",
        "2001:200::",
        "2001:db7::1",
        "2001:db9::",
        "2001:4860:4860::8888",
        "2003::",
        "2606:4700:4700::1111",
        "2a00:1450::1",
        "3ffd:ffff::",
        "3fff:1000::",
    ] {
        assert_eq!(refusal_of(address.parse().unwrap()), None, "{address}");
    }
}

#[test]
fn whatever_the_standard_library_calls_special_is_refused() {
    // A walk with an odd stride meets every /12 many times and every host part now and then.
    for bits in (0..=u32::MAX).step_by(65_521) {
        let v4 = Ipv4Addr::from_bits(bits);
        let special = v4.is_private()
            || v4.is_loopback()
            || v4.is_link_local()
            || v4.is_multicast()
            || v4.is_broadcast()
            || v4.is_documentation()
            || v4.is_unspecified();
        assert!(!special || refusal_of(v4.into()).is_some(), "{v4}");
        // No IPv4 address becomes reachable by dressing it up as IPv6.
        let [a, b, c, d] = v4.octets();
        let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        for dressed in [
            v4.to_ipv6_mapped(),
            v4.to_ipv6_compatible(),
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
        ] {
            assert!(refusal_of(dressed.into()).is_some(), "{dressed}");
        }
    }
}

fn policy(allow_private: bool, allowed_hosts: &[&str]) -> HttpPolicy {
    let allowed_hosts = allowed_hosts
        .iter()
        .map(|host| (*host).to_owned())
        .collect();
    HttpPolicy {
        allow_private,
        allowed_hosts,
        ..HttpPolicy::default()
    }
}

/// `expected` is the URL as it will be shown, or a part of the refusal.
fn check(policy: &HttpPolicy, url: &str, expected: Result<&str, &str>) {
    match (policy.check_url(url), expected) {
        (Ok(checked), Ok(shown)) => assert_eq!(checked.shown(), shown, "{url}"),
        (Err(why), Err(part)) => {
            assert!(why.to_string().contains(part), "{url}: {why}");
            assert!(!why.is_retryable(), "{url}: {why}");
        }
        (outcome, expected) => panic!("{url}: {outcome:?}, expected {expected:?}"),
    }
}

#[test]
fn only_http_and_https_are_possible() {
    for url in [
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "data:text/plain,x",
        "javascript:alert(1)",
        "ws://example.com/",
        "unix:/run/x.sock",
        "example.com/x",
        "/x",
        "",
        "//example.com/x",
        "httpx://example.com/",
        "jar:http://example.com/",
        "example.com:80/x",
    ] {
        check(&policy(true, &[]), url, Err("unsupported URL scheme"));
    }
    check(
        &policy(false, &[]),
        "HTTP://EXAMPLE.com",
        Ok("http://example.com/"),
    );
    check(
        &policy(false, &[]),
        " https://example.com:443/a?b#c ",
        Ok("https://example.com/a"),
    );
}

#[test]
fn malformed_urls_and_credentials_are_refused_without_repeating_them() {
    let open = policy(true, &[]);
    for (url, part) in [
        ("http://user:hunter2@example.com/", "credentials"),
        ("http://hunter2@example.com/", "credentials"),
        ("http://:hunter2@example.com/", "credentials"),
        ("http://exa\nmple.com/hunter2", "control character"),
        ("http://example.com/\r\nHost: hunter2", "control character"),
        ("http://example.com/\0hunter2", "control character"),
        ("http://example.com/\thunter2", "control character"),
        ("http://example.com:99999/hunter2", "cannot be parsed"),
        ("http://[hunter2]/", "cannot be parsed"),
        ("http:///", "cannot be parsed"),
        ("http://exa mple.com/hunter2", "cannot be parsed"),
        ("http://a..b/hunter2", "no valid host name"),
        ("http://example.com../hunter2", "no valid host name"),
        ("http://*.example.com/hunter2", "no valid host name"),
        ("http://a,b/hunter2", "no valid host name"),
        ("http://256.256.256.256/hunter2", "cannot be parsed"),
        ("http://1.2.3.4.5/hunter2", "cannot be parsed"),
    ] {
        check(&open, url, Err(part));
        let why = open.check_url(url).unwrap_err().to_string();
        assert!(!why.contains("hunter2"), "{why}");
    }
}

/// Every spelling that the URL standard reads as an IP address.
const LITERALS: &[&str] = &[
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0x7f.0x0.0x0.0x1",
    "017700000001",
    "0177.0.0.1",
    "0177.0.0.01",
    "127.0.0.1.",
    "0",
    "0.0.0.0",
    "0x0",
    "00",
    "10.0.0.1",
    "10.1",
    "0xa.1",
    "012.0.0.1",
    "167772161",
    "169.254.169.254",
    "2852039166",
    "0xA9FEA9FE",
    "0251.0376.0251.0376",
    "169.254.43518",
    "192.168.1.1",
    "192.168.257",
    "3232235777",
    "1.1.1.1",
    "8.8.8.8",
    "134744072",
    "255.255.255.255",
    "4294967295",
    "0xffffffff",
    "%31%32%37.0.0.1",
    "127%2e0%2e0%2e1",
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
    "127.0.0.1",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[fe80::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[FEC0::1]",
    "[ff02::1]",
    "[2606:4700:4700::1111]",
    "[2001:DB8::1]",
];

#[test]
fn an_ip_literal_is_refused_in_every_spelling() {
    for literal in LITERALS {
        for url in [
            format!("http://{literal}/"),
            format!("https://{literal}:8443/x"),
            format!("http:\\\\{literal}\\x"),
            format!("http:{literal}"),
            format!("http://{literal}?@example.com/"),
            format!("http://{literal}#@example.com/"),
        ] {
            check(&policy(false, &[]), &url, Err("bare IP"));
            check(&policy(false, &["example.com"]), &url, Err("bare IP"));
            check(
                &policy(false, &["example.com"]),
                &url,
                Err("not in the allowed"),
            );
            check(
                &policy(true, &["example.com"]),
                &url,
                Err("not in the allowed"),
            );
            assert!(policy(true, &[]).check_url(&url).is_ok(), "{url}");
        }
    }
}

#[test]
fn a_listed_ip_literal_passes_only_when_it_is_public() {
    let listed = policy(false, &["8.8.8.8", "10.0.0.1", "2606:4700::1", "[::1]"]);
    check(&listed, "http://8.8.8.8/", Ok("http://8.8.8.8/"));
    check(&listed, "http://0x08080808/", Ok("http://8.8.8.8/"));
    check(
        &listed,
        "http://[2606:4700:0::1]/",
        Ok("http://[2606:4700::1]/"),
    );
    check(&listed, "http://8.8.4.4/", Err("not in the allowed"));
    check(&listed, "http://10.0.0.1/", Err("private"));
    check(&listed, "http://[::1]/", Err("loopback"));
    let listed = HttpPolicy {
        allow_private: true,
        ..listed
    };
    check(&listed, "http://10.0.0.1/", Ok("http://10.0.0.1/"));
    check(&listed, "http://10.0.0.2/", Err("not in the allowed"));
    // What is said of an unlisted one is what would let it pass.
    let none = policy(false, &[]);
    check(
        &none,
        "http://8.8.8.8/",
        Err("list the address in http_allowed_hosts"),
    );
    check(
        &none,
        "http://10.0.0.1/",
        Err("only the setting http_allow_private"),
    );
}

#[test]
fn localhost_needs_the_private_setting() {
    for host in [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "a.localhost",
        "%6cocalhost",
        "locⓐlhost",
    ] {
        let url = format!("http://{host}:8080/");
        check(&policy(false, &[]), &url, Err("loopback"));
        check(
            &policy(false, &["localhost", ".localhost"]),
            &url,
            Err("loopback"),
        );
        assert!(policy(true, &[]).check_url(&url).is_ok(), "{url}");
    }
}

#[test]
fn allowed_hosts_match_whole_names_and_dotted_suffixes() {
    let list = &[
        "api.example.com",
        ".Example.org",
        "Bücher.example",
        "tail.example.",
        " x.test ",
    ];
    let list = policy(false, list);
    for url in [
        "https://api.example.com/",
        "https://API.EXAMPLE.COM/",
        "https://api.example.com./",
        "https://a.example.org/",
        "https://a.b.example.org/",
        "https://bücher.example/",
        "https://xn--bcher-kva.example/",
        "https://tail.example/",
        "http://x.test:81/",
    ] {
        assert!(list.check_url(url).is_ok(), "{url}");
    }
    for url in [
        "https://example.com/",
        "https://xapi.example.com/",
        "https://b.api.example.com/",
        "https://api.example.com.evil.test/",
        "https://example.org/",
        "https://badexample.org/",
        "https://a.example.org.evil.test/",
        "https://evil.test/api.example.com",
        "https://evil.test/?api.example.com",
        "https://evil.test\\@api.example.com/",
        "https://evil.test#api.example.com",
        "https://localhost/",
    ] {
        check(&list, url, Err("not in the allowed"));
    }
}

#[test]
fn an_unusable_entry_closes_rather_than_opens() {
    let bad = [
        "*",
        "*.example.com",
        "http://example.com",
        "example.com:80",
        ".",
        "a b",
        ".1.2.3.4",
    ];
    let bad = policy(false, &bad);
    assert_eq!(bad.unusable_allowed_hosts().len(), 7);
    check(&bad, "https://example.com/", Err("not in the allowed"));
    let blank = policy(false, &["", "  "]);
    assert!(blank.unusable_allowed_hosts().is_empty());
    check(&blank, "https://example.com/", Ok("https://example.com/"));
}

#[test]
fn one_bad_answer_refuses_all_addresses() {
    let addresses = |list: &[&str]| -> Vec<IpAddr> {
        list.iter()
            .map(|address| address.parse().unwrap())
            .collect()
    };
    let closed = policy(false, &["x.test"]);
    assert!(
        closed
            .check_addresses("x.test", &addresses(&["1.1.1.1", "2606:4700::1"]))
            .is_ok()
    );
    for list in [
        &["1.1.1.1", "10.0.0.1"][..],
        &["10.0.0.1", "1.1.1.1"],
        &["1.1.1.1", "::1"],
        &["::ffff:1.1.1.1"],
        &["169.254.169.254"],
    ] {
        let refused = closed.check_addresses("x.test", &addresses(list));
        assert!(matches!(refused, Err(HttpError::Refused(_))), "{list:?}");
        assert!(
            policy(true, &[])
                .check_addresses("x.test", &addresses(list))
                .is_ok()
        );
    }
}
