use std::sync::mpsc;
use std::thread::JoinHandle;

use chat_system::app::{App, Engines};
use chat_system::config::{Cli, Config};
use clap::Parser;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::Client;

/// The program in this process, so that a test can put its own engines behind the ports.
pub struct InProcess {
    pub client: Client,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), String>>>,
    _folder: TempDir,
}

impl InProcess {
    /// Starts on the embedded engines after `change` had its way with them. Must be called outside an actix system.
    pub fn start(arguments: &[&str], change: impl FnOnce(Engines) -> Engines + Send + 'static) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = config(folder.path().to_str().expect("a path of text"), arguments);
        let (started, address) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            actix::System::new().block_on(async move {
                let engines = change(Engines::open(&config).expect("engines"));
                let app = App::start(engines, &config).await.expect("an app");
                started.send(app.address()).expect("someone waits");
                // Dropping the sender stops it too.
                let _ = stopped.await;
                app.drain().await.map_err(|error| error.to_string())
            })
        });
        let address = address.recv().expect("an address");
        let client = Client::new(&format!("http://{address}"));
        Self { client, stop: Some(stop), thread: Some(thread), _folder: folder }
    }

    /// Drains; says whether everything was finished within the deadline.
    pub fn stop(mut self) -> Result<(), String> {
        self.end()
    }

    fn end(&mut self) -> Result<(), String> {
        drop(self.stop.take());
        self.thread.take().map_or(Ok(()), |thread| thread.join().expect("no panic"))
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        let end = self.end();
        if !std::thread::panicking() {
            assert_eq!(end, Ok(()), "work was left when the test ended");
        }
    }
}

/// The configuration that these arguments give, in this folder, on a free port.
pub fn config(folder: &str, arguments: &[&str]) -> Config {
    let line = ["chat-system", "--listen", "127.0.0.1:0", "--data-dir", folder];
    Cli::parse_from(line.iter().chain(arguments)).config
}
