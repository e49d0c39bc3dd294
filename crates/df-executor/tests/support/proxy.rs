//! A TCP proxy that can cut a connection at a moment of the test's choosing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Forwards to a server; once armed, the next client batch that holds the marker is still passed
/// on, but its answer never is: the connection is cut when the server has answered.
pub struct Proxy {
    pub port: u16,
    armed: Arc<AtomicBool>,
}

impl Proxy {
    pub async fn start(server: u16, marker: &'static [u8]) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let armed = Arc::new(AtomicBool::new(false));
        let arm = armed.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, server, arm.clone(), marker));
            }
        });
        Proxy { port, armed }
    }

    pub fn arm(&self) {
        self.armed.store(true, Ordering::SeqCst);
    }

    pub fn has_cut(&self) -> bool {
        !self.armed.load(Ordering::SeqCst)
    }
}

async fn forward(mut client: TcpStream, port: u16, armed: Arc<AtomicBool>, marker: &[u8]) {
    let mut server = TcpStream::connect(("127.0.0.1", port))
        .await
        .expect("the server answers");
    let (mut up, mut down) = (vec![0; 65536], vec![0; 65536]);
    let mut cut = false;
    loop {
        tokio::select! {
            n = client.read(&mut up) => {
                let Ok(n @ 1..) = n else { return };
                let seen = up[..n].windows(marker.len()).any(|part| part == marker);
                cut = cut || (seen && armed.swap(false, Ordering::SeqCst));
                if server.write_all(&up[..n]).await.is_err() { return }
            }
            n = server.read(&mut down) => {
                let Ok(n @ 1..) = n else { return };
                if cut || client.write_all(&down[..n]).await.is_err() { return }
            }
        }
    }
}
