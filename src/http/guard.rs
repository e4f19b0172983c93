//! Who may make which call. Open: everybody all, for a developer on one machine. Closed: applications are listed, made
//! and deleted with the operator's key, and what is below one takes one of its own.
//!
//! The token in a path names an application and opens nothing: a good key of another one finds the same nothing as under
//! a token that nobody has, in the same time, since the store is not asked for the token at all.

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use ipnet::IpNet;
use subtle::ConstantTimeEq as _;
use tokio::sync::OwnedSemaphorePermit;

use super::call::Call;
use super::failures::Failures;
use super::keyring::Keyring;
use super::problem::{Code, Problem};
use super::rates::Rates;
use super::{Edge, address};
use crate::actors::EngineState;
use crate::actors::vitals::STORE;
use crate::domain::{Digest, Holder, Number, Rate, Scope, Secret, Tenant, Token};
use crate::store::Missing;

/// What a call takes where the door is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    /// Nothing.
    Anybody,
    /// To be on the listener that is the operator's.
    Operator,
    /// The operator's key.
    Admin,
    /// A key of the application in the path that is good for this.
    Of(Scope),
    /// Either of the two.
    AdminOr(Scope),
}

/// Who may come in.
pub enum Guard {
    Open,
    Closed(Box<Closed>),
}

/// What is told to whoever closes the door.
pub struct Terms {
    /// The operator's.
    pub admin_key: String,
    /// Of requests: of an application that has no rate of its own, and of a chat.
    pub application_rate: Option<Rate>,
    pub chat_rate: Option<Rate>,
    /// Of wrong keys from one address, after which only keys seen lately are looked at.
    pub failure_rate: Option<Rate>,
    pub trusted_proxies: Vec<IpNet>,
}

pub struct Closed {
    admin: Digest,
    keyring: Keyring,
    rates: Rates,
    failures: Failures,
    trusted_proxies: Vec<IpNet>,
}

/// Whoever was let in.
#[derive(Default)]
pub(super) struct Pass {
    /// Whose key was shown, and its digest; none of the operator and where the door is open.
    pub(super) shown: Option<(Digest, Tenant)>,
    /// A place among its application's reads.
    pub(super) reading: Option<OwnedSemaphorePermit>,
    /// What the answer says of limits.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Pass {
    /// On the operator's own listener nothing else is to be had.
    pub(super) fn of_operator(call: Call) -> Result<Self, Problem> {
        match call {
            Call::Live | Call::Ready | Call::Measure => Ok(Self::default()),
            _ => Err(Problem::no_such_path()),
        }
    }
}

impl Guard {
    #[must_use]
    pub fn closed(terms: Terms) -> Self {
        Self::Closed(Box::new(Closed {
            admin: Secret::digest_of(&terms.admin_key),
            keyring: Keyring::default(),
            rates: Rates::new(terms.application_rate, terms.chat_rate),
            failures: Failures::new(terms.failure_rate),
            trusted_proxies: terms.trusted_proxies,
        }))
    }

    pub(super) const fn is_open(&self) -> bool {
        matches!(self, Self::Open)
    }

    /// Lets a call in, or says why not. `names` are those of its path.
    pub(super) async fn admit(
        &self,
        edge: &Edge,
        call: Call,
        request: &HttpRequest,
        names: [&str; 3],
        request_id: &str,
    ) -> Result<Pass, Problem> {
        let Self::Closed(closed) = self else { return Ok(Pass::default()) };
        let (admin, scope) = match call.right() {
            Right::Anybody => return Ok(Pass::default()),
            Right::Operator => return Err(Problem::no_such_path()),
            Right::Admin => (true, None),
            Right::Of(scope) => (false, Some(scope)),
            Right::AdminOr(scope) => (true, Some(scope)),
        };
        let caller = Caller { address: closed.client(request), request_id, names };
        match (closed.identify(edge, request, &caller).await?, scope) {
            (Shown::Admin, _) => {
                // Every one of them, since they are few.
                let (address, application) = (caller.address, caller.application());
                tracing::info!(%address, request_id, ?call, application, "the operator's key was shown");
                let refused = || Problem::new(Code::Forbidden, "This takes a key of the application");
                if admin { Ok(Pass::default()) } else { Err(refused()) }
            }
            (Shown::Key(..), None) => Err(Problem::new(Code::Forbidden, "This takes the operator's key")),
            (Shown::Key(digest, holder), Some(scope)) => {
                let mut pass = closed.admit_holder(digest, holder, scope, &caller)?;
                if scope == Scope::Read
                    && let Some((_digest, tenant)) = &pass.shown
                {
                    pass.reading = Some(edge.limits.reading(tenant.id).await?);
                }
                Ok(pass)
            }
        }
    }

    /// Looks again whether a key that was let in is good: its request took its time.
    pub(super) async fn is_still_good(&self, edge: &Edge, digest: Digest) -> Result<(), Problem> {
        match self {
            Self::Open => Ok(()),
            Self::Closed(closed) => closed.holder(edge, digest).await?.map(|_holder| ()).ok_or_else(revoked),
        }
    }
}

/// Who asks, as the log tells it.
struct Caller<'r> {
    address: IpAddr,
    request_id: &'r str,
    names: [&'r str; 3],
}

impl Caller<'_> {
    /// The application that the path names, if it can be one.
    fn application(&self) -> &str {
        let [token, ..] = self.names;
        if Token::parse(token).is_some() { token } else { "" }
    }
}

/// Whose key a request shows.
enum Shown {
    Admin,
    Key(Digest, Holder),
}

impl Closed {
    async fn identify(
        &self,
        edge: &Edge,
        request: &HttpRequest,
        caller: &Caller<'_>,
    ) -> Result<Shown, Problem> {
        let Some(given) = bearer(request) else {
            return Err(unauthenticated("This takes a key: Authorization: Bearer …", None));
        };
        let subscriber = address::subscriber(caller.address);
        let (digest, is_secret) = (Secret::digest_of(given), Secret::parse(given).is_some());
        // Equally long whatever is compared, so that comparing tells nothing.
        let is_operator = bool::from(digest.0.ct_eq(&self.admin.0));
        let is_known = match is_secret {
            true => self.keyring.knows(&digest),
            false => is_operator && self.failures.knows_operator(subscriber),
        };
        if let Some(wait_seconds) = self.failures.held_off(subscriber).filter(|_wait| !is_known) {
            let detail = "Too many wrong keys from this address";
            return Err(Problem::too_many(detail.to_owned(), wait_seconds));
        }
        if is_operator {
            self.failures.remember_operator(subscriber);
            return Ok(Shown::Admin);
        }
        if is_secret && let Some(holder) = self.holder(edge, digest).await? {
            return Ok(Shown::Key(digest, holder));
        }
        if self.failures.count(subscriber) {
            let Caller { address, request_id, .. } = caller;
            let application = caller.application();
            tracing::warn!(%address, request_id, application, "a wrong key was shown");
        }
        Err(revoked())
    }

    async fn holder(&self, edge: &Edge, digest: Digest) -> Result<Option<Holder>, Problem> {
        let ask = || edge.limits.look_up(edge.store.holder(&digest));
        self.keyring.holder(digest, ask, || edge.vitals.get(STORE) == EngineState::Away).await
    }

    fn admit_holder(
        &self,
        digest: Digest,
        holder: Holder,
        scope: Scope,
        caller: &Caller<'_>,
    ) -> Result<Pass, Problem> {
        let [token, chat, _message] = caller.names;
        let is_its_own = holder.tenant.token.as_str() == token;
        let chat = Number::parse(chat).filter(|_chat| is_its_own);
        let headers = self.rates.take(&holder, chat)?.headers();
        if !is_its_own {
            // As wrong as a wrong key, and told as seldom.
            if self.failures.count(address::subscriber(caller.address)) {
                let Caller { address, request_id, .. } = caller;
                let (application, of) = (caller.application(), holder.tenant.token.as_str());
                tracing::warn!(%address, request_id, application, of, "a key of another application was shown");
            }
            return Err(Problem::from(Missing::Application).with(headers));
        }
        if !holder.scopes.allow(scope) {
            let detail = format!("This takes a key that is good for {}", scope.name());
            let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{}\"", scope.name());
            let problem = Problem::new(Code::Forbidden, detail).with(challenge_of(&challenge));
            return Err(problem.with(headers));
        }
        Ok(Pass { shown: Some((digest, holder.tenant)), reading: None, headers })
    }

    fn client(&self, request: &HttpRequest) -> IpAddr {
        address::client(request, &self.trusted_proxies)
    }
}

/// The one key that is shown (RFC 6750).
fn bearer(request: &HttpRequest) -> Option<&str> {
    let mut lines = request.headers().get_all(AUTHORIZATION);
    let line = lines.next().filter(|_line| lines.next().is_none())?.to_str().ok()?;
    let (scheme, key) = line.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim_start_matches(' '))
}

fn revoked() -> Problem {
    unauthenticated("This key opens nothing", Some("invalid_token"))
}

fn unauthenticated(detail: &'static str, error: Option<&str>) -> Problem {
    let error = error.map_or_else(String::new, |error| format!(", error=\"{error}\""));
    let challenge = format!("Bearer realm=\"chat-system\"{error}");
    Problem::new(Code::Unauthenticated, detail).with(challenge_of(&challenge))
}

fn challenge_of(challenge: &str) -> Vec<(HeaderName, HeaderValue)> {
    HeaderValue::try_from(challenge).into_iter().map(|value| (WWW_AUTHENTICATE, value)).collect()
}
