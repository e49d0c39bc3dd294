//! Name resolution whose answers are checked before anything connects to them.
//!
//! The connector receives exactly the addresses that passed and never asks again, so a name that
//! changes its answer between check and connection gains nothing.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;

use crate::policy::check_addresses;

/// Where addresses come from. The operator's resolver in service, a table in tests.
pub trait Lookup: Send + Sync + 'static {
    /// Every address of `host`, a lower-case ASCII name.
    fn lookup(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// getaddrinfo, as the system is configured.
///
/// It blocks a thread that no deadline can take back, on the pool that the rest of the process uses
/// too. So a workflow whose names resolve slowly may hold only this many threads at once.
pub struct SystemLookup {
    threads: Arc<Semaphore>,
}

const MAX_LOOKUP_THREADS: usize = 64;

impl Default for SystemLookup {
    fn default() -> Self {
        Self {
            threads: Arc::new(Semaphore::new(MAX_LOOKUP_THREADS)),
        }
    }
}

impl Lookup for SystemLookup {
    fn lookup(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let threads = Arc::clone(&self.threads);
        Box::pin(async move {
            let permit = threads.acquire_owned().await.map_err(io::Error::other)?;
            // A task of its own keeps the permit until the thread is free, even when the request
            // that asked is long gone.
            let lookup = tokio::spawn(async move {
                let _permit = permit;
                let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
                Ok(found.map(|address| address.ip()).collect())
            });
            lookup.await.map_err(io::Error::other)?
        })
    }
}

/// What reqwest asks. Its clients are kept apart by `allow_private`, so one resolver has one
/// answer.
pub(crate) struct CheckedResolver {
    pub lookup: Arc<dyn Lookup>,
    pub allow_private: bool,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let allow_private = self.allow_private;
        let looked_up = self.lookup.lookup(host.clone());
        Box::pin(async move {
            let addresses = looked_up.await.map_err(LookupFailed)?;
            if addresses.is_empty() {
                return Err(LookupFailed(io::Error::other("the name has no address")).into());
            }
            check_addresses(allow_private, &host, &addresses)?;
            // Port 0 stands for the port of the URL.
            let pinned = addresses
                .into_iter()
                .map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(pinned) as Addrs)
        })
    }
}

/// Marks a DNS failure inside the chain of causes that reqwest returns.
#[derive(Debug, thiserror::Error)]
#[error("the host name cannot be resolved")]
pub(crate) struct LookupFailed(#[source] io::Error);
