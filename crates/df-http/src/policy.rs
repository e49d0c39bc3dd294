//! What the operator lets workflows reach: pure decisions over a URL and over resolved addresses.
//!
//! No I/O happens here. The URL that is judged is the one that is sent: [`CheckedUrl`] can be made
//! only by [`HttpPolicy::check_url`], and nothing parses the text a second time.

use std::net::IpAddr;
use std::time::Duration;

use url::{Host, Url};

use crate::address::refusal_of;
use crate::error::HttpError;

/// The operator's limits. Built per request from settings; comparing and cloning are cheap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpPolicy {
    /// Lifts every check of addresses, and with it permits `localhost` and IP literals. It does not
    /// lift `allowed_hosts`.
    pub allow_private: bool,
    /// Exact host names, IP addresses, and `.suffix` for every name below a domain (not the domain
    /// itself). Empty (or blank entries only) permits every public host. An entry that is no host
    /// matches nothing. A name here does not lift the check of its addresses.
    pub allowed_hosts: Vec<String>,
    /// Cap on the request body, multipart framing included.
    pub max_request_bytes: u64,
    /// Cap on the response body before base64 or JSON escaping.
    pub max_response_bytes: u64,
    /// Cap on URL plus headers of the request, and on the headers of the response.
    pub max_header_bytes: u64,
    /// Cap on the time of one exchange. A request that asks for more gets this much.
    pub max_timeout_seconds: u64,
    /// Certificates (PEM, any number) trusted beside the built-in public roots and the system's; empty for none.
    pub extra_root_certificates: String,
}

impl Default for HttpPolicy {
    fn default() -> Self {
        Self {
            allow_private: false,
            allowed_hosts: Vec::new(),
            max_request_bytes: 16 << 20,
            max_response_bytes: 16 << 20,
            max_header_bytes: 64 << 10,
            max_timeout_seconds: 300,
            extra_root_certificates: String::new(),
        }
    }
}

/// A URL that the policy accepted by scheme and host. Its addresses are still to be checked after
/// resolution, unless the host is an IP literal, which was checked here.
#[derive(Clone, PartialEq, Eq)]
pub struct CheckedUrl(Url);

impl CheckedUrl {
    /// `scheme://host[:port]/path`, shortened; fit for messages and logs.
    pub fn shown(&self) -> String {
        let url = &self.0;
        let port = url
            .port()
            .map(|port| format!(":{port}"))
            .unwrap_or_default();
        let host = url.host_str().unwrap_or_default();
        let mut shown = format!("{}://{host}{port}{}", url.scheme(), url.path());
        if shown.len() > MAX_SHOWN_BYTES {
            // A serialised URL is ASCII, so any byte is a character boundary.
            shown.truncate(MAX_SHOWN_BYTES);
            shown.push('…');
        }
        shown
    }

    pub(crate) fn url(&self) -> &Url {
        &self.0
    }
}

impl std::fmt::Debug for CheckedUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CheckedUrl({})", self.shown())
    }
}

const MAX_SHOWN_BYTES: usize = 200;

impl HttpPolicy {
    /// The policy with these allowed hosts, separated by commas as the setting has them.
    pub fn with_allowed_hosts(mut self, list: &str) -> Self {
        self.allowed_hosts = list.split(',').map(str::to_owned).collect();
        self
    }

    /// Judges scheme, credentials and host of `raw`, which may be any text.
    ///
    /// Errors: `Invalid` for text that is no URL or holds control characters; `Refused` with
    /// `unsupported URL scheme`, `credentials`, `bare IP`, `not in the allowed`, or the kind of
    /// address. No error repeats the text.
    pub fn check_url(&self, raw: &str) -> Result<CheckedUrl, HttpError> {
        let mut url = parse(raw)?;
        if !matches!(url.scheme(), "http" | "https") {
            return refused(format!(
                "unsupported URL scheme '{}': only http and https are possible",
                url.scheme().chars().take(20).collect::<String>()
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refused("the URL holds credentials; send an Authorization header instead");
        }
        match url.host() {
            Some(Host::Domain(name)) => self.check_name(name)?,
            Some(Host::Ipv4(v4)) => self.check_literal(IpAddr::V4(v4))?,
            Some(Host::Ipv6(v6)) => self.check_literal(IpAddr::V6(v6))?,
            None => return invalid("the URL has no host"),
        }
        url.set_fragment(None);
        Ok(CheckedUrl(url))
    }

    /// Judges every address that `host` resolved to. One bad address refuses all of them: a name
    /// with public and private answers is a mistake or an attack, and either way must not depend on
    /// which address happens to connect.
    pub fn check_addresses(&self, host: &str, addresses: &[IpAddr]) -> Result<(), HttpError> {
        check_addresses(self.allow_private, host, addresses)
    }

    /// The entries of `allowed_hosts` that can match nothing, for the operator to mend.
    pub fn unusable_allowed_hosts(&self) -> Vec<&str> {
        self.entries()
            .filter(|entry| Entry::parse(entry).is_none())
            .collect()
    }

    /// The time one exchange gets: what was asked for, within the policy.
    pub(crate) fn time_limit(&self, asked: Duration) -> Result<Duration, HttpError> {
        if asked.is_zero() {
            return invalid("the timeout must be above zero");
        }
        Ok(asked.min(Duration::from_secs(self.max_timeout_seconds)))
    }

    fn check_name(&self, name: &str) -> Result<(), HttpError> {
        let name = name.strip_suffix('.').unwrap_or(name);
        if !is_plain_name(name) {
            return invalid("the host of the URL is no valid host name");
        }
        let wanted = Host::Domain(name.to_owned());
        if !self.lists(&wanted) {
            return refused(format!(
                "host '{name}' is not in the allowed hosts (setting http_allowed_hosts)"
            ));
        }
        // Resolution would find out too; this says it without asking anybody.
        let local = name == "localhost" || name.ends_with(".localhost");
        if local && !self.allow_private {
            return refused(format!(
                "host '{name}' is a loopback name; {PRIVATE_SETTING}"
            ));
        }
        Ok(())
    }

    fn check_literal(&self, address: IpAddr) -> Result<(), HttpError> {
        let host = match address {
            IpAddr::V4(v4) => Host::Ipv4(v4),
            IpAddr::V6(v6) => Host::Ipv6(v6),
        };
        if !self.lists(&host) {
            return refused(format!(
                "the bare IP address {address} is not in the allowed hosts \
                 (setting http_allowed_hosts)"
            ));
        }
        if self.allow_private {
            return Ok(());
        }
        if self.entries().next().is_none() {
            let way = match refusal_of(address) {
                None => "use a name, or have the operator list the address in http_allowed_hosts",
                Some(_) => PRIVATE_SETTING,
            };
            return refused(format!("the host is a bare IP address ({address}); {way}"));
        }
        self.check_addresses(&address.to_string(), &[address])
    }

    /// Whether `allowed_hosts` lets `host` pass; an empty list lets every host pass.
    fn lists(&self, host: &Host<String>) -> bool {
        let mut entries = self.entries().peekable();
        entries.peek().is_none()
            || entries
                .filter_map(Entry::parse)
                .any(|entry| entry.matches(host))
    }

    fn entries(&self) -> impl Iterator<Item = &str> {
        self.allowed_hosts
            .iter()
            .map(|entry| entry.trim())
            .filter(|entry| !entry.is_empty())
    }
}

pub(crate) fn check_addresses(
    allow_private: bool,
    host: &str,
    addresses: &[IpAddr],
) -> Result<(), HttpError> {
    if allow_private {
        return Ok(());
    }
    match addresses
        .iter()
        .find_map(|address| Some((address, refusal_of(*address)?)))
    {
        Some((_, what)) => refused(format!("host '{host}' leads to {what}; {PRIVATE_SETTING}")),
        None => Ok(()),
    }
}

const PRIVATE_SETTING: &str = "only the setting http_allow_private permits that";

/// One usable entry of `allowed_hosts`, normalised as the URL parser normalises hosts.
enum Entry {
    Exact(Host<String>),
    /// With its leading dot.
    Suffix(String),
}

impl Entry {
    fn parse(text: &str) -> Option<Self> {
        if let Some(domain) = text.strip_prefix('.') {
            return match parse_host(domain)? {
                Host::Domain(name) => Some(Self::Suffix(format!(".{name}"))),
                // An address has no names below it.
                Host::Ipv4(_) | Host::Ipv6(_) => None,
            };
        }
        parse_host(text).map(Self::Exact)
    }

    fn matches(&self, host: &Host<String>) -> bool {
        match (self, host) {
            (Self::Exact(own), host) => own == host,
            (Self::Suffix(suffix), Host::Domain(name)) => {
                name.len() > suffix.len() && name.ends_with(suffix.as_str())
            }
            (Self::Suffix(_), _) => false,
        }
    }
}

fn parse_host(text: &str) -> Option<Host<String>> {
    if let Ok(v6) = text.parse() {
        return Some(Host::Ipv6(v6));
    }
    match Host::parse(text).ok()? {
        Host::Domain(name) => {
            let name = name.strip_suffix('.').unwrap_or(&name);
            is_plain_name(name).then(|| Host::Domain(name.to_owned()))
        }
        address => Some(address),
    }
}

/// Whether `name` (already lower-case ASCII) has no empty label and only letters that DNS names of
/// web servers have. Wildcards and stray punctuation must not read as a name.
fn is_plain_name(name: &str) -> bool {
    let letter = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
    name.len() <= 253
        && name
            .split('.')
            .all(|label| !label.is_empty() && label.len() <= 63 && label.bytes().all(letter))
}

fn parse(raw: &str) -> Result<Url, HttpError> {
    let raw = raw.trim_matches(' ');
    // The URL standard drops tabs and line breaks silently; a substituted value that holds one is a
    // mistake that should be seen.
    if raw.chars().any(char::is_control) {
        return invalid("the URL holds a control character");
    }
    Url::parse(raw).or_else(|why| match why {
        url::ParseError::RelativeUrlWithoutBase => {
            refused("unsupported URL scheme: the URL must begin with http:// or https://")
        }
        why => invalid(format!("the URL cannot be parsed: {why}")),
    })
}

fn refused<T>(why: impl Into<String>) -> Result<T, HttpError> {
    Err(HttpError::Refused(why.into()))
}

fn invalid<T>(why: impl Into<String>) -> Result<T, HttpError> {
    Err(HttpError::Invalid(why.into()))
}
