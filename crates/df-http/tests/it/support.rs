//! A server that speaks just enough HTTP/1.1, a lookup that is a table, and requests to start from.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use df_http::{Body, HttpClient, HttpError, HttpPolicy, HttpRequest, Lookup};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// What the server does once it has read a request.
#[derive(Clone)]
pub enum Reply {
    Bytes(Vec<u8>),
    /// Writes this and then nothing, leaving the connection open.
    ThenSilence(Vec<u8>),
    /// Writes a head without a length and then body bytes for as long as anybody reads.
    Endless,
}

/// A request as it arrived.
pub struct Seen {
    /// Request line and header lines, without the blank line.
    pub head: String,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn header(&self, name: &str) -> Vec<&str> {
        let lines = self
            .head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "));
        lines
            .filter(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .collect()
    }
}

/// Serves every connection one reply and records what it was sent.
pub struct Server {
    pub port: u16,
    requests: mpsc::UnboundedReceiver<Seen>,
    closed: mpsc::UnboundedReceiver<()>,
    pub body_bytes_written: Arc<AtomicU64>,
}

impl Server {
    pub async fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (seen, requests) = mpsc::unbounded_channel();
        let (gone, closed) = mpsc::unbounded_channel();
        let body_bytes_written = Arc::new(AtomicU64::new(0));
        let written = Arc::clone(&body_bytes_written);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (reply, seen, gone) = (reply.clone(), seen.clone(), gone.clone());
                let written = Arc::clone(&written);
                tokio::spawn(async move {
                    let _ = serve(stream, reply, &seen, &written).await;
                    let _ = gone.send(());
                });
            }
        });
        Self {
            port,
            requests,
            closed,
            body_bytes_written,
        }
    }

    pub async fn answering(head: &str, body: &[u8]) -> Self {
        Self::start(Reply::Bytes(answer(head, body))).await
    }

    /// The next request.
    pub async fn next_request(&mut self) -> Seen {
        soon(self.requests.recv()).await
    }

    /// Waits until a connection has ended on either side.
    pub async fn connection_closed(&mut self) {
        soon(self.closed.recv()).await;
    }

    pub fn no_more_requests(&mut self) -> bool {
        self.requests.try_recv().is_err()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

/// What arrives, or a failed test when nothing does: far less than a client keeps an idle connection.
async fn soon<T>(arriving: impl Future<Output = Option<T>>) -> T {
    tokio::time::timeout(Duration::from_secs(20), arriving)
        .await
        .unwrap()
        .unwrap()
}

/// `head` is the status and header lines, each with `\r\n` between; the length is added.
pub fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    reply: Reply,
    seen: &mpsc::UnboundedSender<Seen>,
    written: &AtomicU64,
) -> io::Result<()> {
    let request = read_request(&mut stream).await?;
    let _ = seen.send(request);
    match reply {
        Reply::Bytes(bytes) => {
            stream.write_all(&bytes).await?;
            stream.shutdown().await
        }
        Reply::ThenSilence(bytes) => {
            stream.write_all(&bytes).await?;
            stream.flush().await?;
            stream.read(&mut [0]).await.map(|_| ())
        }
        Reply::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
            loop {
                stream.write_all(&[b'x'; 1024]).await?;
                written.fetch_add(1024, Ordering::Relaxed);
            }
        }
    }
}

async fn read_request<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Seen> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let mut seen = Seen {
        head,
        body: bytes.split_off(head_end + 4),
    };
    let length = seen
        .header("content-length")
        .first()
        .map_or(0, |n| n.parse().unwrap());
    while seen.body.len() < length {
        if stream.read_buf(&mut seen.body).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(seen)
}

/// Answers from a table and counts the questions.
#[derive(Default)]
pub struct Table {
    names: HashMap<String, Vec<IpAddr>>,
    pub questions: AtomicU64,
}

impl Table {
    pub fn of(names: &[(&str, &[&str])]) -> Arc<Self> {
        let addresses = |list: &[&str]| list.iter().map(|ip| ip.parse().unwrap()).collect();
        let names = names
            .iter()
            .map(|(name, list)| ((*name).to_owned(), addresses(list)));
        Arc::new(Self {
            names: names.collect(),
            questions: AtomicU64::new(0),
        })
    }
}

impl Lookup for Table {
    fn lookup(
        &self,
        host: String,
    ) -> futures_util::future::BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        self.questions.fetch_add(1, Ordering::Relaxed);
        let found = self.names.get(&host).cloned();
        Box::pin(async move { found.ok_or_else(|| io::Error::other("no such name")) })
    }
}

/// A policy that lets tests reach their own servers.
pub fn permissive() -> HttpPolicy {
    HttpPolicy {
        allow_private: true,
        ..HttpPolicy::default()
    }
}

pub fn get(url: impl Into<String>) -> HttpRequest {
    HttpRequest {
        method: "GET".into(),
        url: url.into(),
        headers: Vec::new(),
        body: Body::None,
        timeout: Duration::from_secs(30),
        idempotency_key: "3f0c/abcd1234/root.left".into(),
    }
}

pub fn post(url: impl Into<String>, body: &str) -> HttpRequest {
    HttpRequest {
        method: "POST".into(),
        body: Body::Text(body.into()),
        ..get(url)
    }
}

pub fn with_headers(request: HttpRequest, headers: &[(&str, &str)]) -> HttpRequest {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    HttpRequest {
        headers: headers.iter().map(own).collect(),
        ..request
    }
}

/// Sends through a fresh client that knows no names.
pub async fn send(policy: &HttpPolicy, request: HttpRequest) -> Result<String, HttpError> {
    let client = HttpClient::with_lookup(Table::of(&[]));
    client.send(policy, request, CancellationToken::new()).await
}
