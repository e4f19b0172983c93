//! A Redis of the benchmarks' own, with its log on.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

/// Dropping it ends the process.
pub struct Redis {
    process: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Redis {
    /// None where it is not installed.
    pub fn start() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
        let line = format!("--port {port} --bind 127.0.0.1 --appendonly yes --appendfsync everysec --save");
        let process = Command::new("redis-server")
            .args(line.split_whitespace().chain([""]))
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .inspect_err(|error| eprintln!("SKIPPED: redis-server: {error}; tests/engines installs it"))
            .ok()?;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::yield_now();
        }
        Some(Self { process, port, _folder: folder })
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("ended");
    }
}
