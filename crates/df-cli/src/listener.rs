//! The optional HTTP listener: `/metrics`, `/healthz` (the process serves) and `/readyz` (it holds a
//! lease, so workflows run). It reads, and changes nothing; it is for a private network.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::{Health, Sources, health};

/// How long a scrape may wait for the database.
const PATIENCE: Duration = Duration::from_secs(3);
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Binds at once, so that a bad address is an error at the start, and serves until `shutdown`.
pub async fn start(
    address: SocketAddr,
    sources: Sources,
    shutdown: CancellationToken,
) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))?;
    let bound = listener.local_addr()?;
    tracing::info!(address = %bound, "listening for /metrics, /healthz and /readyz");
    tokio::spawn(async move {
        while let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await {
            let Ok((stream, _)) = accepted else {
                // Out of descriptors, most likely; others need the moment to end.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let (sources, shutdown) = (sources.clone(), shutdown.clone());
            tokio::spawn(async move {
                let answer = service_fn(move |request| {
                    let sources = sources.clone();
                    async move { Ok::<_, Infallible>(answer(&request, &sources).await) }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), answer);
                let _ = shutdown.run_until_cancelled(connection).await;
            });
        }
    });
    Ok(bound)
}

async fn answer(request: &Request<Incoming>, sources: &Sources) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "GET only\n");
    }
    match request.uri().path() {
        "/healthz" => plain(StatusCode::OK, "ok\n"),
        "/readyz" => match ready(sources).await {
            Ok(()) => plain(StatusCode::OK, "ready\n"),
            Err(why) => plain(
                StatusCode::SERVICE_UNAVAILABLE,
                &format!("not ready: {why}\n"),
            ),
        },
        "/metrics" => {
            let running = sources.running.read().clone();
            let loaded = running.map_or(0, |running| running.engine.loaded_count());
            let text = {
                let health = look(sources).await;
                sources.metrics.text(health, loaded, Instant::now())
            };
            let mut response = plain(StatusCode::OK, &text);
            let headers = response.headers_mut();
            headers.insert(
                "content-type",
                METRICS_TYPE.parse().expect("a header value"),
            );
            response
        }
        _ => plain(
            StatusCode::NOT_FOUND,
            "there are /metrics, /healthz and /readyz\n",
        ),
    }
}

async fn ready(sources: &Sources) -> Result<(), &'static str> {
    if sources.running.read().is_none() {
        return Err("the relay waits for Postgres or for the schema");
    }
    match look(sources).await {
        None => Err("the database does not answer"),
        Some(health) if health.lease_left_seconds > 0.0 => Ok(()),
        Some(_) => Err("the relay holds no lease"),
    }
}

async fn look(sources: &Sources) -> Option<Health> {
    let running = sources.running.read().clone()?;
    let incarnation = *running.incarnation.read();
    let asked = health(&sources.session, incarnation);
    tokio::time::timeout(PATIENCE, asked).await.ok()?.ok()
}

fn plain(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(text.as_bytes())));
    *response.status_mut() = status;
    response
}
