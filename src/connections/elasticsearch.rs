//! A server of Elasticsearch, or the cluster behind one address: one client for whatever in this process talks to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use elasticsearch::auth::Credentials;
use elasticsearch::cert::{Certificate, CertificateValidation};
use elasticsearch::http::headers::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use elasticsearch::http::transport::{SingleNodeConnectionPool, Transport, TransportBuilder};
pub use elasticsearch::http::{Method, Url};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{CallError, Circuit, NoAnswer, Shared, on_engines};
use crate::Source;

/// What is said of an error that the server describes at length.
const REASON_LIMIT_CHARACTERS: usize = 300;

static SERVERS: Shared<Elasticsearch> = Shared::new();

pub struct Elasticsearch {
    transport: Transport,
    circuit: Circuit,
    timeout: Duration,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("the certificates in {} cannot be used", file.display())]
    Certificates { file: PathBuf, source: Source },
    #[error("a client of Elasticsearch cannot be made")]
    Client(#[source] Source),
}

/// One request.
pub struct Asked {
    pub method: Method,
    /// Without a slash in front.
    pub path: String,
    pub query: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Asked {
    #[must_use]
    pub fn new(method: Method, path: String) -> Self {
        Self { method, path, query: Vec::new(), body: Vec::new() }
    }

    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    #[must_use]
    pub fn json(mut self, body: &Value) -> Self {
        self.body = body.to_string().into_bytes();
        self
    }
}

/// Why a request has no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error(transparent)]
    Gone(#[from] CallError<elasticsearch::Error>),
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    #[error("it answered {status}: {reason}")]
    Refused { status: u16, reason: String },
    #[error("its answer is of another shape")]
    Garbled(#[source] serde_json::Error),
}

/// What a server answered, errors of its own among it.
#[derive(Debug)]
pub struct Answer {
    status: u16,
    text: String,
}

impl Elasticsearch {
    /// The server of this URL, user and password in it. It is not asked for anything yet.
    ///
    /// # Errors
    /// When the certificates cannot be read.
    pub fn of(url: &Url, timeout: Duration, tls_ca: Option<&Path>) -> Result<Arc<Self>, ClientError> {
        let key = format!("{url} {timeout:?} {tls_ca:?}");
        SERVERS.get(&key, || {
            let transport = transport(url, tls_ca)?;
            Ok(Self { transport, circuit: Circuit::new("elasticsearch", timeout), timeout })
        })
    }

    /// How long any answer is waited for.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Sends one request, and waits for its answer within the time-out.
    ///
    /// # Errors
    /// When none comes; at once where the server has been gone for a while.
    pub async fn ask(self: &Arc<Self>, asked: Asked) -> Result<Answer, AskError> {
        let server = Arc::clone(self);
        let call = async move {
            let exchange = async {
                let body = (!asked.body.is_empty()).then_some(asked.body);
                let headers = HeaderMap::new();
                let sent =
                    server.transport.send(asked.method, &asked.path, headers, Some(&asked.query), body, None);
                let response = sent.await?;
                let status = response.status_code().as_u16();
                Ok(Answer { status, text: response.text().await? })
            };
            server.circuit.call(exchange, |_error| true).await
        };
        Ok(on_engines(call).await??)
    }
}

impl Answer {
    /// The answer of a request that succeeded.
    ///
    /// # Errors
    /// When it did not.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, AskError> {
        if (200..300).contains(&self.status) { self.parse() } else { Err(self.refusal()) }
    }

    /// The answer, also where some or all of what was asked for is not there.
    ///
    /// # Errors
    /// When the request failed otherwise.
    pub fn read_what_is_there<T: DeserializeOwned>(&self) -> Result<T, AskError> {
        if self.status == 404 { self.parse() } else { self.read() }
    }

    fn parse<T: DeserializeOwned>(&self) -> Result<T, AskError> {
        serde_json::from_str(&self.text).map_err(AskError::Garbled)
    }

    fn refusal(&self) -> AskError {
        let told: Value = serde_json::from_str(&self.text).unwrap_or_default();
        let part = |name: &str| told.pointer(name).and_then(Value::as_str);
        let reason = match (part("/error/type"), part("/error/reason")) {
            (Some(kind), Some(reason)) => format!("{kind}: {reason}"),
            _ => part("/error").unwrap_or(&self.text).to_owned(),
        };
        AskError::Refused {
            status: self.status,
            reason: reason.chars().take(REASON_LIMIT_CHARACTERS).collect(),
        }
    }
}

fn transport(url: &Url, tls_ca: Option<&Path>) -> Result<Transport, ClientError> {
    let mut place = url.clone();
    let client = |source| ClientError::Client(Source::from(source));
    let nobody = "a URL of this kind has no user";
    place.set_username("").map_err(|()| client(nobody))?;
    place.set_password(None).map_err(|()| client(nobody))?;
    // A proxy of the environment is for the world outside. Answers have tens of kilobytes at most: to compress them would take
    // the server longer than to send them.
    let mut builder = TransportBuilder::new(SingleNodeConnectionPool::new(place))
        .disable_proxy()
        .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if !url.username().is_empty() {
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let password = decoded(url.password().unwrap_or_default());
        builder = builder.auth(Credentials::Basic(decoded(url.username()), password));
    }
    if let Some(file) = tls_ca {
        let unusable = |source| ClientError::Certificates { file: file.to_owned(), source };
        let pem = std::fs::read(file).map_err(|error| unusable(error.into()))?;
        let certificates = Certificate::from_pem(&pem).map_err(|error| unusable(error.into()))?;
        builder = builder.cert_validation(CertificateValidation::Full(certificates));
    }
    builder.build().map_err(|error| ClientError::Client(error.into()))
}
