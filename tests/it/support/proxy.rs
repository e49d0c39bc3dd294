//! A TCP proxy that cuts connections at bad moments.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;

/// Forwards to a server, whose port stays the same when it restarts.
pub struct Proxy {
    pub port: u16,
    server: Arc<AtomicU16>,
    cut: broadcast::Sender<()>,
    cut_a_commit: Arc<AtomicBool>,
}

impl Proxy {
    pub async fn start(server: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let cut = broadcast::Sender::new(1);
        let cut_a_commit = Arc::new(AtomicBool::new(false));
        let server = Arc::new(AtomicU16::new(server));
        let (cuts, commits, now) = (cut.clone(), cut_a_commit.clone(), server.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = now.load(Ordering::SeqCst);
                tokio::spawn(forward(client, server, cuts.subscribe(), commits.clone()));
            }
        });
        Proxy {
            port,
            server,
            cut,
            cut_a_commit,
        }
    }

    /// Another server answers at this address from now on.
    pub fn lead_to(&self, server: u16) {
        self.server.store(server, Ordering::SeqCst);
        self.cut_all();
    }

    /// Cuts every connection, whatever it is doing.
    pub fn cut_all(&self) {
        let _ = self.cut.send(());
    }

    /// Cuts the next connection that sends a COMMIT, after the server got it and before its answer.
    pub fn cut_a_commit(&self) {
        self.cut_a_commit.store(true, Ordering::SeqCst);
    }
}

async fn forward(
    mut client: TcpStream,
    port: u16,
    mut cut: broadcast::Receiver<()>,
    cut_a_commit: Arc<AtomicBool>,
) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await else {
        return;
    };
    let (mut up, mut down) = (vec![0; 65536], vec![0; 65536]);
    let mut answers = true;
    loop {
        tokio::select! {
            _ = cut.recv() => return,
            n = client.read(&mut up) => {
                let Ok(n @ 1..) = n else { return };
                let commits = up[..n].windows(6).any(|part| part.eq_ignore_ascii_case(b"commit"));
                answers = answers && !(commits && cut_a_commit.swap(false, Ordering::SeqCst));
                if server.write_all(&up[..n]).await.is_err() { return }
            }
            n = server.read(&mut down) => {
                let Ok(n @ 1..) = n else { return };
                if !answers || client.write_all(&down[..n]).await.is_err() { return }
            }
        }
    }
}
