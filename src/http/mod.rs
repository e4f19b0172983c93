//! The edge: every path and method, and the handler that answers it. Handlers only parse, ask and answer.

// One request from its head to its answer.
mod access;
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
pub use limit::{Calls, Limits, REQUEST_LIMIT_BYTES};
use route::{Route, Verb};

/// All that the handlers ask.
pub struct Edge {
    store: Arc<dyn Store>,
    search: Arc<dyn Search>,
    door: Door,
    vitals: Arc<Vitals>,
    engines: EngineNames,
    limits: Limits,
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

impl Edge {
    #[must_use]
    pub fn new(behind: Behind, engines: EngineNames, limits: Limits) -> Self {
        let Behind { store, search, door, vitals } = behind;
        let (tenants, closing) = (tenants::Tenants::default(), closing::Closing::default());
        Self { store, search, door, vitals, engines, limits, tenants, closing }
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
) -> App<
    impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse, Error = Error, InitError = ()>,
> {
    App::new().default_service(web::to(move |request, payload| {
        let edge = edge.clone();
        async move { edge.closing.serve(access::serve(edge.clone(), request, payload)).await }
    }))
}

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    ListApplications,
    CreateApplication,
    ReadApplication,
    RenameApplication,
    DeleteApplication,
    ListChats,
    CreateChat,
    ReadChat,
    DeleteChat,
    ListMessages,
    CreateMessage,
    ReadMessage,
    EditMessage,
    DeleteMessage,
    Search,
    SearchByQueryString,
    Live,
    Ready,
    Measure,
    Describe,
}

/// The paths of the document. `message` is taken for `messages`, and one trailing slash is the same path.
static ROUTES: [Route; 11] = [
    Route::new(
        "/api/v1/applications/{token}/chats/{chat_number}/messages",
        &[(Verb::Get, Call::ListMessages), (Verb::Post, Call::CreateMessage)],
    ),
    Route::new(
        "/api/v1/applications/{token}/chats/{chat_number}/messages/search",
        &[(Verb::Get, Call::SearchByQueryString), (Verb::Post, Call::Search)],
    ),
    Route::new(
        "/api/v1/applications/{token}/chats/{chat_number}/messages/{message_number}",
        &[
            (Verb::Get, Call::ReadMessage),
            (Verb::Put, Call::EditMessage),
            (Verb::Patch, Call::EditMessage),
            (Verb::Delete, Call::DeleteMessage),
        ],
    ),
    Route::new(
        "/api/v1/applications/{token}/chats",
        &[(Verb::Get, Call::ListChats), (Verb::Post, Call::CreateChat)],
    ),
    Route::new(
        "/api/v1/applications/{token}/chats/{chat_number}",
        &[(Verb::Get, Call::ReadChat), (Verb::Delete, Call::DeleteChat)],
    ),
    Route::new(
        "/api/v1/applications",
        &[(Verb::Get, Call::ListApplications), (Verb::Post, Call::CreateApplication)],
    ),
    Route::new(
        "/api/v1/applications/{token}",
        &[
            (Verb::Get, Call::ReadApplication),
            (Verb::Put, Call::RenameApplication),
            (Verb::Patch, Call::RenameApplication),
            (Verb::Delete, Call::DeleteApplication),
        ],
    ),
    Route::new("/api/v1/openapi.json", &[(Verb::Get, Call::Describe)]),
    Route::new("/metrics", &[(Verb::Get, Call::Measure)]),
    Route::new("/health/live", &[(Verb::Get, Call::Live)]),
    Route::new("/health/ready", &[(Verb::Get, Call::Ready)]),
];

async fn dispatch(call: Call, ask: Ask<'_>) -> Answer {
    match call {
        Call::ListApplications => applications::list(ask).await,
        Call::CreateApplication => applications::create(ask).await,
        Call::ReadApplication => applications::read(ask).await,
        Call::RenameApplication => applications::rename(ask).await,
        Call::DeleteApplication => applications::delete(ask).await,
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
        Call::Ready => Ok(health::ready(ask.edge)),
        Call::Measure => Ok(health::metrics()),
        Call::Describe => Ok(openapi::describe()),
    }
}
