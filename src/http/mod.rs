//! The edge: every call, and the handler that answers it. Handlers only parse, ask and answer.

// One request from its head to its answer.
mod access;
// Who may make which call.
mod guard;
// Keys seen lately.
mod keyring;
// Wrong keys.
mod failures;
// How fast applications and chats may be used.
mod rates;
// Where a request comes from.
mod address;
// Pages of other origins.
mod cors;
// What can be asked for, under which path, and by whom.
mod call;
// From a path and a method to a call.
mod route;
// The id of a request, in and out.
mod request_id;
// One request, as the handlers see it.
mod ask;
// Tenants seen lately.
mod tenants;
// Size and time of a request, and patience with engines.
mod limit;
// `Content-Type`.
mod media_type;
// JSON objects and forms.
mod body;
// Chunked bodies without end.
mod unread;
// Which part of a list is asked for.
mod page;
// `ETag`, `If-Match`, `If-None-Match`.
mod condition;
// `Idempotency-Key` and `Prefer`.
mod idempotency;
// Sending a draft through the door.
mod creation;
// How the door closes.
mod closing;

mod applications;
mod keys;
/// How fast an application may be used, and how much it may hold.
mod allowance;
mod chats;
mod messages;
mod search;
mod health;
// The description of all this.
mod openapi;

// What answers look like.
mod shape;
// The one map from errors to status codes.
pub mod problem;

use std::sync::Arc;

use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::web::{self, Data};
use actix_web::{App, Error};

use crate::actors::{Door, Vitals};
use crate::domain::{Number, Order, Parent};
use crate::search::Search;
use crate::store::Store;

use ask::{Answer, Ask};
use call::Call;
pub use cors::Origins;
pub use guard::{Guard, Terms};
pub use limit::{Calls, Limits, REQUEST_LIMIT_BYTES};

/// All that the handlers ask.
pub struct Edge {
    store: Arc<dyn Store>,
    search: Arc<dyn Search>,
    door: Door,
    vitals: Arc<Vitals>,
    engines: EngineNames,
    limits: Limits,
    guard: Guard,
    origins: Origins,
    tenants: tenants::Tenants,
    closing: closing::Closing,
}

/// The engines as readiness names them.
#[derive(Debug, Clone, Copy)]
pub struct EngineNames {
    pub intake: &'static str,
    pub store: &'static str,
    pub search: &'static str,
}

/// The engines and actors behind the edge.
pub struct Behind {
    pub store: Arc<dyn Store>,
    pub search: Arc<dyn Search>,
    pub door: Door,
    pub vitals: Arc<Vitals>,
}

/// Who is let in.
pub struct Front {
    pub guard: Guard,
    pub origins: Origins,
}

/// Who comes in by a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Clients. Where the door is open, the operator too.
    Clients,
    /// The operator: health in detail, and what is measured.
    Operator,
}

impl Edge {
    #[must_use]
    pub fn new(behind: Behind, engines: EngineNames, limits: Limits, front: Front) -> Self {
        let Behind { store, search, door, vitals } = behind;
        let Front { guard, origins } = front;
        let (tenants, closing) = (tenants::Tenants::default(), closing::Closing::default());
        Self { store, search, door, vitals, engines, limits, guard, origins, tenants, closing }
    }

    /// Whether everybody may do everything.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.guard.is_open()
    }

    /// A page that goes on behind its cursor met a number without a row: it may be on its way, or a hole.
    fn look_for_a_hole(&self, parent: Parent, order: Order, cursor: Option<u64>, last: Option<Number>) {
        let cursor = cursor.unwrap_or(0);
        if let (Order::Ascending, Some(last), Some(hole)) = (order, last, Number::new(cursor + 1))
            && hole < last
        {
            self.door.suspect(parent, hole);
        }
    }

    /// Answers what clients have sent, and ends each connection with its answer. Nobody may come in any more.
    pub async fn close(&self) {
        self.closing.close().await;
    }
}

/// The whole interface, ready to be served: every path, method and error is answered here.
pub fn service(
    edge: Data<Edge>,
    side: Side,
) -> App<
    impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse, Error = Error, InitError = ()>,
> {
    App::new()
        .default_service(web::to(move |request, payload| access::serve(edge.clone(), side, request, payload)))
}

async fn dispatch(call: Call, side: Side, ask: Ask<'_>) -> Answer {
    match call {
        Call::ListApplications => applications::list(ask).await,
        Call::CreateApplication => applications::create(ask).await,
        Call::ReadApplication => applications::read(ask).await,
        Call::RenameApplication => applications::rename(ask).await,
        Call::DeleteApplication => applications::delete(ask).await,
        Call::ListKeys => keys::list(ask).await,
        Call::CreateKey => keys::create(ask).await,
        Call::RevokeKey => keys::revoke(ask).await,
        Call::ReadLimits => allowance::read(ask).await,
        Call::SetLimits => allowance::set(ask).await,
        Call::ListChats => chats::list(ask).await,
        Call::CreateChat => chats::create(ask).await,
        Call::ReadChat => chats::read(ask).await,
        Call::DeleteChat => chats::delete(ask).await,
        Call::ListMessages => messages::list(ask).await,
        Call::CreateMessage => messages::create(ask).await,
        Call::ReadMessage => messages::read(ask).await,
        Call::EditMessage => messages::edit(ask).await,
        Call::DeleteMessage => messages::delete(ask).await,
        Call::Search => search::by_body(ask).await,
        Call::SearchByQueryString => search::by_query_string(ask).await,
        Call::Live => Ok(health::live()),
        Call::Ready => Ok(health::ready(ask.edge, side)),
        Call::Measure => Ok(health::metrics()),
        Call::Describe => Ok(openapi::describe()),
    }
}
