//! Sends a checked request and reads the answer, within the policy's bytes and time.
//!
//! Connections are not reused. A reused one may have been authenticated by another role's request
//! (some schemes bind to the connection), may lead to an address checked under older settings, and
//! may be closed by the server just as a request that must not be repeated goes out.

use std::error::Error as StdError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use reqwest::{Certificate, Client, Response, redirect};
use tokio_util::sync::CancellationToken;

use crate::error::{HttpError, TooLarge};
use crate::policy::{CheckedUrl, HttpPolicy};
use crate::request::{self, HttpRequest, Prepared, header_bytes, too_large};
use crate::resolve::{CheckedResolver, Lookup, LookupFailed, SystemLookup};
use crate::response;

/// Makes requests. One per process; cheap to share behind a reference.
pub struct HttpClient {
    lookup: Arc<dyn Lookup>,
    /// One client per set of settings that a client is built with, newest last. Written by `send`
    /// alone; more than one entry lives only around a change of settings.
    clients: Mutex<Vec<(Settings, Client)>>,
}

/// The settings that are built into a client rather than applied per request.
#[derive(PartialEq, Eq)]
struct Settings {
    allow_private: bool,
    max_header_bytes: u64,
    extra_root_certificates: String,
}

const MAX_CLIENTS: usize = 4;
/// One attempt to connect, so that a dead address leaves time for the next one.
const CONNECT_TIMEOUT_SECONDS: u64 = 15;

impl Default for HttpClient {
    fn default() -> Self {
        Self::new()
    }
}

impl HttpClient {
    /// A client that resolves names as the system does.
    pub fn new() -> Self {
        Self::with_lookup(Arc::new(SystemLookup::default()))
    }

    /// A client that resolves names through `lookup`; its answers are checked all the same.
    pub fn with_lookup(lookup: Arc<dyn Lookup>) -> Self {
        Self {
            lookup,
            clients: Mutex::new(Vec::new()),
        }
    }

    /// Makes one request, once, and returns the node's result as JSON text:
    /// `{"status","body","encoding":"text"|"base64","headers","ok","duration_ms"}`.
    ///
    /// Every answer but 5xx is a result, redirects included. Dropping the future, or cancelling
    /// `cancel`, closes the connection; the server may have seen the request.
    pub async fn send(
        &self,
        policy: &HttpPolicy,
        request: HttpRequest,
        cancel: CancellationToken,
    ) -> Result<String, HttpError> {
        let started = Instant::now();
        let limit = policy.time_limit(request.timeout)?;
        let prepared = request::prepare(policy, request)?;
        let client = self.client_for(policy)?;
        let url = prepared.url.clone();
        let answered = AtomicBool::new(false);
        let exchange = exchange(client, policy, prepared, &answered, started);
        let outcome = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(HttpError::Cancelled),
            done = tokio::time::timeout(limit, exchange) => done.unwrap_or_else(|_| {
                Err(timed_out(&url, limit, answered.load(Ordering::Relaxed)))
            }),
        };
        log(&url, &outcome, started);
        outcome
    }

    fn client_for(&self, policy: &HttpPolicy) -> Result<Client, HttpError> {
        let settings = Settings {
            allow_private: policy.allow_private,
            max_header_bytes: policy.max_header_bytes,
            extra_root_certificates: policy.extra_root_certificates.clone(),
        };
        let mut clients = self.clients.lock();
        if let Some((_, client)) = clients.iter().find(|(known, _)| *known == settings) {
            return Ok(client.clone());
        }
        let client = build_client(&settings, Arc::clone(&self.lookup))?;
        if clients.len() >= MAX_CLIENTS {
            clients.remove(0);
        }
        clients.push((settings, client.clone()));
        Ok(client)
    }
}

fn build_client(settings: &Settings, lookup: Arc<dyn Lookup>) -> Result<Client, HttpError> {
    let resolver = CheckedResolver {
        lookup,
        allow_private: settings.allow_private,
    };
    let mut builder = Client::builder()
        .use_rustls_tls()
        // The operator's own authorities are in the system's store.
        .tls_built_in_webpki_certs(true)
        .tls_built_in_native_certs(true)
        .no_proxy()
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        // Off by default, but any crate of the build could switch the feature on for all.
        .no_gzip()
        .no_brotli()
        .no_deflate()
        .no_zstd()
        .dns_resolver(Arc::new(resolver))
        .pool_max_idle_per_host(0)
        .connect_timeout(Duration::from_secs(CONNECT_TIMEOUT_SECONDS))
        .http2_max_header_list_size(u32::try_from(settings.max_header_bytes).unwrap_or(u32::MAX));
    if !settings.extra_root_certificates.trim().is_empty() {
        let bundle = settings.extra_root_certificates.as_bytes();
        let certificates = Certificate::from_pem_bundle(bundle)
            .ok()
            .filter(|certificates| !certificates.is_empty())
            .ok_or_else(|| misconfigured("the extra root certificates are not PEM"))?;
        for certificate in certificates {
            builder = builder.add_root_certificate(certificate);
        }
    }
    builder
        .build()
        .map_err(|why| misconfigured(&format!("the client cannot be built: {}", root_cause(&why))))
}

fn misconfigured(why: &str) -> HttpError {
    HttpError::Misconfigured(why.to_owned())
}

/// `answered` turns true once the response headers are in; it only words the timeout.
async fn exchange(
    client: Client,
    policy: &HttpPolicy,
    prepared: Prepared,
    answered: &AtomicBool,
    started: Instant,
) -> Result<String, HttpError> {
    let Prepared {
        method,
        url,
        headers,
        body,
    } = prepared;
    let mut request = client.request(method, url.url().clone()).headers(headers);
    if let Some(body) = body {
        request = request.body(body);
    }
    let mut response = request.send().await.map_err(|why| network(&url, why))?;
    answered.store(true, Ordering::Relaxed);

    let status = response.status();
    if status.is_server_error() {
        let reason = status.canonical_reason().map(|reason| format!(" {reason}"));
        return Err(HttpError::Status {
            status: status.as_u16(),
            reason: reason.unwrap_or_default(),
            target: url.shown(),
        });
    }
    if header_bytes(response.headers()) > policy.max_header_bytes {
        return Err(too_large(
            TooLarge::ResponseHeaders,
            &url,
            policy.max_header_bytes,
        ));
    }
    let body = read_body(policy, &url, &mut response).await?;
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    response::render(status.as_u16(), response.headers(), body, duration_ms).map_err(|why| {
        HttpError::Network {
            target: url.shown(),
            detail: "the response cannot be written as JSON".to_owned(),
            source: why.into(),
        }
    })
}

/// Reads the body chunk by chunk and stops at the first byte past the cap, whatever length the
/// server announced. Nothing is decompressed, so the cap holds for what is stored too.
async fn read_body(
    policy: &HttpPolicy,
    url: &CheckedUrl,
    response: &mut Response,
) -> Result<Vec<u8>, HttpError> {
    let limit = policy.max_response_bytes;
    let too_long = || too_large(TooLarge::ResponseBody, url, limit);
    if response
        .content_length()
        .is_some_and(|announced| announced > limit)
    {
        return Err(too_long());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|why| network(url, why))? {
        if (body.len() + chunk.len()) as u64 > limit {
            return Err(too_long());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn timed_out(url: &CheckedUrl, limit: Duration, answered: bool) -> HttpError {
    HttpError::TimedOut {
        target: url.shown(),
        seconds: limit.as_secs_f64(),
        doing: match answered {
            true => "reading the response body",
            false => "waiting for the response",
        },
    }
}

/// Words a failure of the exchange; the URL with its query is taken out of the kept source.
fn network(url: &CheckedUrl, why: reqwest::Error) -> HttpError {
    let why = why.without_url();
    let refusal = causes(&why).find_map(|cause| match cause.downcast_ref::<HttpError>() {
        Some(HttpError::Refused(why)) => Some(why.clone()),
        _ => None,
    });
    if let Some(refusal) = refusal {
        return HttpError::Refused(refusal);
    }
    let unresolved = causes(&why).any(|cause| cause.is::<LookupFailed>());
    let doing = match () {
        () if unresolved => "the host name cannot be resolved",
        () if why.is_connect() && why.is_timeout() => "the connection was not established in time",
        () if why.is_connect() => "cannot connect",
        () if why.is_body() || why.is_decode() => "the response broke off",
        () => "no usable response",
    };
    let detail = format!("{doing} ({})", root_cause(&why));
    HttpError::Network {
        target: url.shown(),
        detail,
        source: Box::new(why),
    }
}

const MAX_CAUSE_CHARS: usize = 200;

type Cause = dyn StdError + 'static;

/// `why` and what caused it, outermost first.
fn causes(why: &Cause) -> impl Iterator<Item = &Cause> {
    std::iter::successors(Some(why), |cause: &&Cause| (*cause).source())
}

/// The innermost cause, which says what happened rather than who noticed, fit for one line: cut to
/// a length, and without control characters, as a certificate's names are the server's to choose.
fn root_cause(why: &Cause) -> String {
    let innermost = causes(why)
        .last()
        .map(ToString::to_string)
        .unwrap_or_default();
    let printable = innermost.chars().filter(|c| !c.is_control());
    printable.take(MAX_CAUSE_CHARS).collect()
}

fn log(url: &CheckedUrl, outcome: &Result<String, HttpError>, started: Instant) {
    let url = url.shown();
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    match outcome {
        Ok(_) => tracing::debug!(url, duration_ms, "http request answered"),
        Err(why) => tracing::debug!(url, duration_ms, error = %why, "http request failed"),
    }
}
