//! A small HTTP server: answers by path and keeps what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One request, as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// The same, where it is no text.
    pub bytes: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// A server on a port of its own; its threads end with the process.
///
/// `/status/<n>` answers that status, `/recovers` 503 to the first request with an Idempotency-Key
/// and 200 to others, `/slow` never answers, `/form` answers with that word, any other path echoes
/// the body. A path `/turns/<a>,<b>,…` answers its first request as `<a>`, the next as `<b>`, and those
/// that come after the last as the last: each is a status, `slow`, or `cut`, which closes the
/// connection instead.
pub struct Web {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

/// A port that refuses connections until a server is started on it. Nobody else can take it.
pub struct ClosedPort {
    socket: tokio::net::TcpSocket,
    address: SocketAddr,
}

impl ClosedPort {
    pub fn new() -> ClosedPort {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket
            .bind(([127, 0, 0, 1], 0).into())
            .expect("a free port");
        let address = socket.local_addr().unwrap();
        ClosedPort { socket, address }
    }

    /// The address of a path, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn open(self) -> Web {
        let listener = self.socket.listen(16).unwrap().into_std().unwrap();
        listener.set_nonblocking(false).unwrap();
        Web::on(listener)
    }
}

impl Web {
    pub fn start() -> Web {
        Self::on(TcpListener::bind("127.0.0.1:0").expect("a free port"))
    }

    fn on(listener: TcpListener) -> Web {
        let address = listener.local_addr().unwrap();
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let kept = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || serve(stream, &kept));
            }
        });
        Web { address, requests }
    }

    /// The address of a path, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What it was asked so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, kept: &Mutex<Vec<Request>>) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        let (before, is_known) = {
            let mut kept = kept.lock().unwrap();
            let key = |request: &Request| request.header("idempotency-key").map(str::to_owned);
            let same = || kept.iter().filter(|other| other.target == request.target);
            let is_known = same().any(|other| key(other) == key(&request));
            let before = same().count();
            kept.push(request.clone());
            (before, is_known)
        };
        let status = match planned(&request.target, before) {
            "slow" => loop {
                std::thread::sleep(Duration::from_secs(600));
            },
            "cut" => return,
            _ if request.target == "/recovers" && !is_known => "503",
            status => status,
        };
        let body = match request.target.as_str() {
            "/form" => "form",
            _ => &request.body,
        };
        let answer = format!(
            "HTTP/1.1 {status} told\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        if reader.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// What a target answers that was asked `before` times.
fn planned(target: &str, before: usize) -> &str {
    if target.starts_with("/slow") {
        return "slow";
    }
    if let Some(turns) = target.strip_prefix("/turns/") {
        let turns: Vec<&str> = turns.split(',').collect();
        return turns[before.min(turns.len() - 1)];
    }
    target.strip_prefix("/status/").unwrap_or("200")
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_string(), words.next()?.to_string());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_string()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request {
        method,
        target,
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
        bytes: body,
    })
}
