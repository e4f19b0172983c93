use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// No answer may take longer than this.
const DEADLINE: Duration = Duration::from_secs(10);

/// One connection on which anything can be said, HTTP or not.
pub struct Raw {
    stream: TcpStream,
    /// Received, and not yet part of a reply.
    received: Vec<u8>,
}

/// An answer as it came over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawReply {
    pub status: u16,
    /// Names in lower case, in the order in which they came.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl RawReply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

impl Raw {
    /// Connects to `http://ADDRESS`.
    pub async fn connect(url: &str) -> Self {
        let address = url.strip_prefix("http://").expect("a plain URL");
        let stream = TcpStream::connect(address).await.expect("a connection");
        Self { stream, received: Vec::new() }
    }

    /// Sends all of it, or as much as the other side takes before it closes.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        let sent = timeout(DEADLINE, self.stream.write_all(bytes)).await.expect("no hang while sending");
        sent.is_ok()
    }

    /// Says that nothing more will come.
    pub async fn finish(&mut self) {
        // The other side may have closed already.
        let _ = self.stream.shutdown().await;
    }

    /// The next answer; `None` where the connection ends before a whole one came.
    pub async fn reply(&mut self, method: &str) -> Option<RawReply> {
        timeout(DEADLINE, self.next(method)).await.expect("no hang")
    }

    /// Whether the other side closes without a further byte.
    pub async fn is_closed(&mut self) -> bool {
        self.received.is_empty() && !timeout(DEADLINE, self.more()).await.expect("no hang")
    }

    async fn next(&mut self, method: &str) -> Option<RawReply> {
        let end = loop {
            match self.received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                Some(end) => break end,
                None if self.more().await => {}
                None => return None,
            }
        };
        let head = String::from_utf8(self.received.drain(..end + 4).collect()).expect("a head of text");
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status");
        let status = status.parse().expect("a status");
        let headers: Vec<_> = lines
            .map(|line| line.split_once(':').expect("a header"))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut reply = RawReply { status, headers, body: Vec::new() };
        if method != "HEAD" && status >= 200 && status != 204 && status != 304 {
            let length: usize = reply.header("content-length").expect("a length").parse().expect("a length");
            while self.received.len() < length {
                if !self.more().await {
                    return None;
                }
            }
            reply.body = self.received.drain(..length).collect();
        }
        Some(reply)
    }

    async fn more(&mut self) -> bool {
        // A reset is an end too.
        self.stream.read_buf(&mut self.received).await.unwrap_or(0) > 0
    }
}
