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

use super::call::Call;
use super::keyring::Keyring;
use super::problem::{Code, Problem};
use super::rates::{Buckets, Rates, whole_seconds};
use super::{Edge, address};
use crate::domain::{Digest, Holder, Number, Rate, Scope, Secret};
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
    /// Whose key was shown; none of the operator and where the door is open.
    pub(super) holder: Option<Holder>,
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
            admin: digest(&terms.admin_key),
            keyring: Keyring::default(),
            rates: Rates::new(terms.application_rate, terms.chat_rate),
            failures: Failures { rate: terms.failure_rate, by_address: Buckets::default() },
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
        let shown = closed.identify(edge, request, request_id).await?;
        match (shown, scope) {
            (Shown::Admin, _) if admin => {
                closed.record_admin(request, call, names, request_id);
                Ok(Pass::default())
            }
            (Shown::Admin, _) => Err(Problem::new(Code::Forbidden, "This takes a key of the application")),
            (Shown::Key(_), None) => Err(Problem::new(Code::Forbidden, "This takes the operator's key")),
            (Shown::Key(holder), Some(scope)) => closed.admit_holder(holder, scope, names),
        }
    }
}

/// Whose key a request shows.
enum Shown {
    Admin,
    Key(Holder),
}

impl Closed {
    async fn identify(&self, edge: &Edge, request: &HttpRequest, request_id: &str) -> Result<Shown, Problem> {
        let Some(given) = bearer(request) else {
            return Err(unauthenticated("This takes a key: Authorization: Bearer …", None));
        };
        let address = self.client(request);
        let subscriber = address::subscriber(address);
        let secret = Secret::parse(given).map(|secret| secret.digest());
        let is_known = secret.as_ref().is_some_and(|digest| self.keyring.knows(digest));
        if let Some(wait_seconds) = self.failures.held_off(subscriber).filter(|_wait| !is_known) {
            let detail = "Too many wrong keys from this address";
            return Err(Problem::too_many(detail.to_owned(), wait_seconds));
        }
        if bool::from(digest(given).0.ct_eq(&self.admin.0)) {
            return Ok(Shown::Admin);
        }
        let holder = match secret {
            Some(digest) => {
                let ask = || async move { edge.limits.read(edge.store.holder(&digest)).await };
                self.keyring.holder(digest, ask).await?
            }
            None => None,
        };
        holder.map(Shown::Key).ok_or_else(|| {
            if self.failures.count(subscriber) {
                tracing::warn!(%address, request_id, "a wrong key was shown");
            }
            unauthenticated("This key opens nothing", Some("invalid_token"))
        })
    }

    fn admit_holder(&self, holder: Holder, scope: Scope, names: [&str; 3]) -> Result<Pass, Problem> {
        let [token, chat, _message] = names;
        if holder.tenant.token.as_str() != token {
            return Err(Missing::Application.into());
        }
        let standing = self.rates.take(&holder, Number::parse(chat))?;
        if !holder.scopes.allow(scope) {
            let detail = format!("This takes a key that is good for {}", scope.name());
            let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{}\"", scope.name());
            return Err(Problem::new(Code::Forbidden, detail).with(challenge_of(&challenge)));
        }
        Ok(Pass { headers: standing.headers(), holder: Some(holder) })
    }

    /// Every one of them, since they are few.
    fn record_admin(&self, request: &HttpRequest, call: Call, names: [&str; 3], request_id: &str) {
        let [token, ..] = names;
        let is_token = crate::domain::Token::parse(token).is_some();
        let application = if is_token { token } else { "" };
        let address = self.client(request);
        tracing::info!(%address, request_id, ?call, application, "the operator's key was used");
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

/// Equally long whatever is compared, so that comparing tells nothing (see [`subtle`]).
fn digest(key: &str) -> Digest {
    Digest::of(&[key])
}

fn unauthenticated(detail: &'static str, error: Option<&str>) -> Problem {
    let error = error.map_or_else(String::new, |error| format!(", error=\"{error}\""));
    let challenge = format!("Bearer realm=\"chat-system\"{error}");
    Problem::new(Code::Unauthenticated, detail).with(challenge_of(&challenge))
}

fn challenge_of(challenge: &str) -> Vec<(HeaderName, HeaderValue)> {
    HeaderValue::try_from(challenge).into_iter().map(|value| (WWW_AUTHENTICATE, value)).collect()
}

/// Wrong keys, counted by the address that shows them.
struct Failures {
    rate: Option<Rate>,
    by_address: Buckets<IpAddr>,
}

impl Failures {
    /// How many seconds this address has to wait, if it failed too often.
    fn held_off(&self, address: IpAddr) -> Option<u64> {
        self.by_address.wait(&address).map(whole_seconds)
    }

    /// Counts one; whether it was within the rate, so that it may have its line in the log.
    fn count(&self, address: IpAddr) -> bool {
        self.rate.as_ref().is_none_or(|rate| self.by_address.take(address, rate).is_ok())
    }
}
