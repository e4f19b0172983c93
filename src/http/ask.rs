//! One request, as the handlers see it.

use actix_web::http::header::HeaderMap;
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};

use super::Edge;
use super::body::Sent;
use super::page::Given;
use super::problem::Problem;
use crate::domain::{ChatPlace, Digest, Number, Tenant, Token};
use crate::store::Missing;

/// What a handler answers.
pub(super) type Answer = Result<HttpResponse, Problem>;

pub(super) struct Ask<'r> {
    pub(super) edge: &'r Edge,
    pub(super) request: &'r HttpRequest,
    payload: &'r mut Payload,
    names: [&'r str; 3],
    /// The digest of the key that was shown, and the tenant whose it is, which is that of the path.
    shown: Option<(Digest, Tenant)>,
}

impl<'r> Ask<'r> {
    pub(super) fn new(
        edge: &'r Edge,
        request: &'r HttpRequest,
        payload: &'r mut Payload,
        names: [&'r str; 3],
        shown: Option<(Digest, Tenant)>,
    ) -> Self {
        Self { edge, request, payload, names, shown }
    }

    /// The application of the path. It may have been deleted since it was looked up; the store looks again.
    pub(super) async fn tenant(&self) -> Result<Tenant, Problem> {
        if let Some((_digest, tenant)) = &self.shown {
            return Ok(tenant.clone());
        }
        let [token, _, _] = self.names;
        if let Some(tenant) = self.edge.tenants.get(token) {
            return Ok(tenant);
        }
        let token = Token::parse(token).ok_or(Missing::Application)?;
        let tenant =
            self.edge.limits.read(self.edge.store.tenant(&token)).await?.ok_or(Missing::Application)?;
        self.edge.tenants.remember(tenant.clone());
        Ok(tenant)
    }

    /// The chat of the path, which need not be there.
    pub(super) fn chat(&self) -> Result<Number, Problem> {
        let [_, chat, _] = self.names;
        Ok(Number::parse(chat).ok_or(Missing::Chat)?)
    }

    pub(super) fn chat_of(&self, tenant: &Tenant) -> Result<ChatPlace, Problem> {
        Ok(ChatPlace { application: tenant.id, chat: self.chat()? })
    }

    /// The message of the path, which need not be there.
    pub(super) fn message(&self) -> Result<Number, Problem> {
        let [_, _, message] = self.names;
        Ok(Number::parse(message).ok_or(Missing::Message)?)
    }

    /// The key of the path, which need not be there.
    pub(super) fn key(&self) -> Result<Number, Problem> {
        let [_, key, _] = self.names;
        Ok(Number::parse(key).ok_or(Missing::Key)?)
    }

    pub(super) fn headers(&self) -> &'r HeaderMap {
        self.request.headers()
    }

    pub(super) fn query(&self) -> Result<Given<'r>, Problem> {
        Given::parse(self.request.query_string())
    }

    /// The body, once it has arrived. A second call finds it empty. A key that was revoked while it came opens nothing.
    pub(super) async fn body(&mut self) -> Result<Sent, Problem> {
        let bytes = self.edge.limits.collect(self.request, self.payload).await?;
        if let Some((digest, _tenant)) = &self.shown {
            self.edge.guard.is_still_good(self.edge, *digest).await?;
        }
        Sent::new(self.headers(), bytes)
    }
}
