//! Whether this node lives, whether it can create durably, and what it measures.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Edge, Side};
use crate::actors::EngineState;
use crate::actors::vitals::{INTAKE, SEARCH, STORE};
use crate::metrics::{CONTENT_TYPE, METRICS};

#[derive(Serialize, ToSchema)]
pub(super) struct Life {
    #[schema(pattern = "^live$")]
    status: &'static str,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Readiness {
    #[schema(pattern = "^(ready|not ready)$")]
    status: &'static str,
    /// Where the door is closed, on the operator's listener only; so are the warnings.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    engines: Option<Engines>,
    /// What makes this node less durable than it can be.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    warnings: Option<Vec<String>>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Engines {
    intake: Engine,
    store: Engine,
    /// Does not count: creating goes on without it.
    search: Engine,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Engine {
    engine: &'static str,
    #[schema(pattern = "^(up|away|rebuilding)$")]
    state: &'static str,
}

/// Lives: a gateway may route here, reads go on when creates cannot.
#[utoipa::path(get, path = "/health/live", operation_id = "live", tag = "health",
    responses((status = 200, description = "It lives", body = Life)))]
pub(super) fn live() -> HttpResponse {
    HttpResponse::Ok().json(Life { status: "live" })
}

/// What this node measures, in the OpenMetrics text format (Prometheus).
#[utoipa::path(get, path = "/metrics", operation_id = "metrics", tag = "health",
    responses(
        (status = 200, description = "Metrics", content_type = CONTENT_TYPE, body = String),
        (status = 404, description = "They are on the operator's listener, where the service is closed")))]
pub(super) fn metrics() -> HttpResponse {
    HttpResponse::Ok().content_type(CONTENT_TYPE).body(METRICS.text())
}

/// Ready to create durably.
#[utoipa::path(get, path = "/health/ready", operation_id = "ready", tag = "health",
    responses(
        (status = 200, description = "It can create durably", body = Readiness),
        (status = 503, description = "The intake or the store is away", body = Readiness,
            headers(("Retry-After" = u32, description = "Seconds")))))]
pub(super) fn ready(edge: &Edge, side: Side) -> HttpResponse {
    let state = |port| edge.vitals.get(port);
    let ready = state(INTAKE) == EngineState::Up && state(STORE) == EngineState::Up;
    let engines = || Engines {
        intake: Engine { engine: edge.engines.intake, state: state(INTAKE).name() },
        store: Engine { engine: edge.engines.store, state: state(STORE).name() },
        search: Engine { engine: edge.engines.search, state: state(SEARCH).name() },
    };
    let tells_all = side == Side::Operator || edge.is_open();
    let readiness = Readiness {
        status: if ready { "ready" } else { "not ready" },
        engines: tells_all.then(engines),
        warnings: tells_all.then(|| edge.vitals.warnings()),
    };
    let mut response = HttpResponse::Ok();
    if !ready {
        response.status(StatusCode::SERVICE_UNAVAILABLE);
        response.insert_header((RETRY_AFTER, HeaderValue::from_static("1")));
    }
    response.json(readiness)
}
