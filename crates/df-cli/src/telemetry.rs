//! OpenTelemetry: one span per attempt at a SQL or HTTP node, sent as OTLP over HTTP.
//!
//! Set up by the standard OTEL_* variables alone, which the SDK reads; nothing is sent unless one of
//! them names an endpoint. It must carry no payload: the spans hold what the engine puts into their
//! fields, and events stay in the log.

use std::env;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use bytes::Bytes;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tokio::runtime::Handle;
use tracing::{Metadata, Subscriber};
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

const ENDPOINTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];
/// In milliseconds, as the specification has them.
const TIMEOUTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
];
const DEFAULT_TIMEOUT_MS: u64 = 10_000;

/// What is still queued has this long to be sent when the process ends.
const LAST_SEND: Duration = Duration::from_secs(5);

/// Sends spans until it is dropped, which sends what is queued.
pub(crate) struct Export {
    provider: SdkTracerProvider,
}

impl Export {
    /// `None` where the variables ask for no export. Needs a runtime of several threads.
    pub(crate) fn start() -> anyhow::Result<Option<Export>> {
        if !is_asked_for(|name| env::var(name).ok()) {
            return Ok(None);
        }
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client::new()?)
            .build()
            .context("setting up the OpenTelemetry export")?;
        let mut resource = Resource::builder();
        if env::var_os("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name("df-relay");
        }
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.build())
            .build();
        Ok(Some(Export { provider }))
    }

    /// The layer that turns the engine's step spans into OpenTelemetry's.
    pub(crate) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let layer: OpenTelemetryLayer<S, SdkTracer> = tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer(env!("CARGO_PKG_NAME")))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false);
        layer.with_filter(filter_fn(is_step))
    }
}

impl Drop for Export {
    fn drop(&mut self) {
        if let Err(error) = self.provider.shutdown_with_timeout(LAST_SEND) {
            tracing::warn!(%error, "the last spans could not be sent");
        }
    }
}

fn is_step(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.name() == df_engine::STEP_SPAN
}

fn is_asked_for(variable: impl Fn(&str) -> Option<String>) -> bool {
    let is = |name: &str, value: &str| variable(name).is_some_and(|found| found.trim() == value);
    let given = |name: &&str| variable(name).is_some_and(|found| !found.trim().is_empty());
    !is("OTEL_SDK_DISABLED", "true")
        && !is("OTEL_TRACES_EXPORTER", "none")
        && (is("OTEL_TRACES_EXPORTER", "otlp") || ENDPOINTS.iter().any(given))
}

/// The SDK sends from a thread of its own; requests run on the process's runtime.
#[derive(Debug)]
struct Client {
    http: reqwest::Client,
    runtime: Handle,
}

impl Client {
    fn new() -> anyhow::Result<Client> {
        let given = TIMEOUTS
            .iter()
            .find_map(|name| env::var(name).ok()?.parse().ok());
        let timeout = Duration::from_millis(given.unwrap_or(DEFAULT_TIMEOUT_MS));
        let http = reqwest::Client::builder().timeout(timeout).build();
        Ok(Client {
            http: http.context("setting up the OpenTelemetry export")?,
            runtime: Handle::current(),
        })
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, HttpError> {
        let request = reqwest::Request::try_from(request)?;
        let http = self.http.clone();
        let sending = self.runtime.spawn(async move {
            let mut answer = http.execute(request).await?;
            let mut response = http::Response::builder().status(answer.status());
            if let Some(headers) = response.headers_mut() {
                *headers = std::mem::take(answer.headers_mut());
            }
            Ok::<_, HttpError>(response.body(answer.bytes().await?)?)
        });
        sending.await?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_sent_unless_a_variable_asks_for_it() {
        let check = |given: &[(&str, &str)], expected: bool| {
            let variable = |name: &str| {
                let found = given.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| value.to_string())
            };
            assert_eq!(is_asked_for(variable), expected, "{given:?}");
        };
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
        check(&[], false);
        check(&[endpoint], true);
        check(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")], false);
        check(
            &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c/x")],
            true,
        );
        check(&[("OTEL_TRACES_EXPORTER", "otlp")], true);
        check(&[endpoint, ("OTEL_TRACES_EXPORTER", "none")], false);
        check(&[endpoint, ("OTEL_SDK_DISABLED", "true")], false);
    }
}
