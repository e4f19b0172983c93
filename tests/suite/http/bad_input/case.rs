//! One row of the table: what is sent, and what has to come back.

use crate::support::{Raw, RawReply};

pub const MIB: usize = 1024 * 1024;

pub struct Case {
    pub name: String,
    pub sent: Sent,
    pub expected: Expected,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// A problem with this status and code.
    Refused(u16, &'static str),
    /// Not a problem.
    Taken(u16),
    /// An answer of the HTTP server below us, which then closes.
    Below(u16),
}

pub fn refused(status: u16, code: &'static str) -> Expected {
    Expected::Refused(status, code)
}

pub fn malformed() -> Expected {
    refused(400, "malformed_body")
}

pub fn not_found() -> Expected {
    refused(404, "not_found")
}

/// A request. `{app}` and `{chat}` in its target are those of the test.
#[derive(Debug, Clone)]
pub enum Sent {
    Request {
        method: &'static str,
        target: String,
        headers: Vec<(&'static str, Vec<u8>)>,
        body: Body,
    },
    /// Byte for byte.
    Bytes(Vec<u8>),
}

#[derive(Debug, Clone)]
pub enum Body {
    None,
    Whole(Vec<u8>),
    /// In chunks of this many bytes.
    Chunked(Vec<u8>, usize),
}

pub fn request(method: &'static str, target: impl Into<String>) -> Sent {
    Sent::Request { method, target: target.into(), headers: Vec::new(), body: Body::None }
}

pub fn get(target: impl Into<String>) -> Sent {
    request("GET", target)
}

/// A POST without a Content-Type.
pub fn post(target: impl Into<String>, body: impl Into<Vec<u8>>) -> Sent {
    request("POST", target).with(Body::Whole(body.into()))
}

pub fn form(target: impl Into<String>, body: impl Into<Vec<u8>>) -> Sent {
    post(target, body).header("Content-Type", "application/x-www-form-urlencoded")
}

impl Sent {
    pub fn header(mut self, name: &'static str, value: impl Into<Vec<u8>>) -> Self {
        if let Self::Request { headers, .. } = &mut self {
            headers.push((name, value.into()));
        }
        self
    }

    pub fn with(mut self, sent: Body) -> Self {
        if let Self::Request { body, .. } = &mut self {
            *body = sent;
        }
        self
    }

    pub fn is(self, name: impl Into<String>, expected: Expected) -> Case {
        Case { name: name.into(), sent: self, expected }
    }

    pub fn method(&self) -> &'static str {
        match self {
            Self::Request { method, .. } => method,
            Self::Bytes(_) => "?",
        }
    }

    pub fn bytes(&self, application: &str, chat: &str) -> Vec<u8> {
        let (method, target, headers, body) = match self {
            Self::Bytes(bytes) => return bytes.clone(),
            Self::Request { method, target, headers, body } => (method, target, headers, body),
        };
        let target = target.replace("{app}", application).replace("{chat}", chat);
        let mut bytes = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n").into_bytes();
        for (name, value) in headers {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        match body {
            Body::None => bytes.extend_from_slice(b"\r\n"),
            Body::Whole(whole) => {
                bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", whole.len()).as_bytes());
                bytes.extend_from_slice(whole);
            }
            Body::Chunked(whole, size) => {
                bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
                for chunk in whole.chunks(*size) {
                    bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    bytes.extend_from_slice(chunk);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\n\r\n");
            }
        }
        bytes
    }
}

impl Case {
    /// Sends it on a connection of its own. Says what is wrong with the answer.
    pub async fn run(&self, url: &str, application: &str, chat: &str) -> Result<RawReply, String> {
        let mut connection = Raw::connect(url).await;
        let bytes = self.sent.bytes(application, chat);
        let (head, body) = bytes.split_at(bytes.len().min(8 * 1024));
        connection.send(head).await;
        connection.send(body).await;
        let reply = connection.reply(self.sent.method()).await;
        let reply = reply.ok_or_else(|| format!("{}: closed without an answer", self.name))?;
        let verdict = self.judge(&reply).map_err(|why| format!("{}: {why}, in {}", self.name, shown(&reply)));
        if let (Ok(()), Expected::Below(_)) = (&verdict, &self.expected)
            && !connection.is_closed().await
        {
            return Err(format!("{}: was not closed", self.name));
        }
        verdict.map(|()| reply)
    }

    fn judge(&self, reply: &RawReply) -> Result<(), String> {
        let (Expected::Refused(status, _) | Expected::Taken(status) | Expected::Below(status)) =
            self.expected;
        if reply.status != status {
            return Err(format!("{status} was expected"));
        }
        if let Expected::Below(_) = self.expected {
            return Ok(());
        }
        if reply.header("x-request-id").is_none() {
            return Err("no X-Request-Id".to_owned());
        }
        let Expected::Refused(_, code) = self.expected else { return Ok(()) };
        if reply.header("content-type") != Some("application/problem+json") {
            return Err("not a problem".to_owned());
        }
        if self.sent.method() == "HEAD" {
            return Ok(());
        }
        let problem = reply.json();
        let same = problem["code"] == code
            && problem["status"] == status
            && problem["request_id"].as_str() == reply.header("x-request-id")
            && problem["message"] == problem["detail"]
            && problem["detail"].as_str().is_some_and(|detail| !detail.is_empty());
        if same { Ok(()) } else { Err(format!("{code} was expected")) }
    }
}

fn shown(reply: &RawReply) -> String {
    let text = String::from_utf8_lossy(&reply.body);
    format!("{} {:?} {}", reply.status, reply.headers, text.chars().take(300).collect::<String>())
}
