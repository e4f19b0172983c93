use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// What becomes of a connection when it says a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// The server hears it, and its answer is swallowed; then both ends see the connection end.
    AnswerIsLost,
    /// The server does not hear it, and both ends see the connection end.
    Cut,
    /// Nothing goes through until it thaws, and nobody sees an end, as when the client is stopped.
    Frozen,
}

/// Between a store and its server.
pub(super) struct Proxy {
    pub(super) port: u16,
    trap: Arc<Trap>,
}

#[derive(Default)]
struct Trap {
    armed: Mutex<Option<(&'static str, Fate)>>,
    thaw: Notify,
}

impl Proxy {
    pub(super) async fn to(server: &str) -> Self {
        let upstream = server.rsplit_once('@').expect("a user").1.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let trap = Arc::new(Trap::default());
        let traps = Arc::clone(&trap);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&upstream).await.expect("the server");
                tokio::spawn(carry(client, server, Arc::clone(&traps)));
            }
        });
        Self { port, trap }
    }

    /// The next connection that says this word meets this fate; the others do not.
    pub(super) fn set(&self, word: &'static str, fate: Fate) {
        *self.trap.armed.lock().expect("a trap") = Some((word, fate));
    }

    /// Whether the trap has been sprung.
    pub(super) fn is_sprung(&self) -> bool {
        self.trap.armed.lock().expect("a trap").is_none()
    }

    /// What is frozen, or will be next, goes on.
    pub(super) fn thaw(&self) {
        self.trap.thaw.notify_one();
    }
}

async fn carry(client: TcpStream, server: TcpStream, trap: Arc<Trap>) {
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let (mut said, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            read = from_client.read(&mut said) => {
                let Ok(bytes @ 1..) = read else { return };
                let fate = caught(&trap.armed, &said[..bytes]);
                match fate {
                    Some(Fate::Cut) => return,
                    Some(Fate::Frozen) => trap.thaw.notified().await,
                    Some(Fate::AnswerIsLost) | None => {}
                }
                let _ = to_server.write_all(&said[..bytes]).await;
                if fate == Some(Fate::AnswerIsLost) {
                    let _ = from_server.read(&mut answered).await;
                    return;
                }
            }
            read = from_server.read(&mut answered) => {
                let Ok(bytes @ 1..) = read else { return };
                let _ = to_client.write_all(&answered[..bytes]).await;
            }
        }
    }
}

fn caught(trap: &Mutex<Option<(&'static str, Fate)>>, said: &[u8]) -> Option<Fate> {
    let mut trap = trap.lock().expect("a trap");
    let (word, fate) = (*trap)?;
    let heard = said.windows(word.len()).any(|window| window == word.as_bytes());
    heard.then(|| {
        *trap = None;
        fate
    })
}
