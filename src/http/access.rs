//! One request from its head to its answer: id, route, handler, line in the log.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Instant;

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::ask::{Answer, Ask};
use super::guard::Pass;
use super::problem::Problem;
use super::request_id::{RequestId, X_REQUEST_ID};
use super::route::Found;
use super::unread::close_after;
use super::{Edge, Side, dispatch, route};
use crate::metrics::{CallLabels, METRICS, RequestLabels};

/// Answers every request that could be read as one, unknown paths too. What cannot (no `Host`, headers without end) is
/// answered by the server itself, without a body.
pub(super) async fn serve(
    edge: Data<Edge>,
    side: Side,
    request: HttpRequest,
    mut payload: Payload,
) -> HttpResponse {
    let started = Instant::now();
    if side == Side::Clients {
        edge.closing.enter();
    }
    let request_id = RequestId::of(request.headers());
    let found = route::find(request.uri().path());
    let pattern = found.as_ref().map_or("", |found| found.route.pattern);

    let answer = match found {
        None => Err(Problem::no_such_path()),
        Some(found) => {
            let answer = answer(&edge, side, &request, &mut payload, &found, request_id.as_str());
            contained(pin!(answer)).await
        }
    };

    let mut response = answer.unwrap_or_else(|problem| problem.respond(request_id.as_str()));
    measure(request.method(), pattern, response.status(), started);
    record(&request, pattern, response.status(), started, &request_id);
    response.headers_mut().insert(X_REQUEST_ID, request_id.into_header());
    for (name, value) in SURFACE {
        response.headers_mut().insert(name, value);
    }
    if side == Side::Clients {
        edge.origins.sign(request.headers(), &mut response);
        edge.closing.leave(&mut response);
    }
    close_after(request.headers(), response, payload)
}

/// Answers are data and nobody's page, and nobody's to keep: they differ with the key that is shown.
const SURFACE: [(HeaderName, HeaderValue); 4] = [
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// One call on a path that is known.
async fn answer(
    edge: &Edge,
    side: Side,
    request: &HttpRequest,
    payload: &mut Payload,
    found: &Found<'_>,
    request_id: &str,
) -> Answer {
    let allow = || found.route.allow();
    if side == Side::Clients
        && let Some(response) = edge.origins.preflight(request.method(), request.headers(), allow)
    {
        return Ok(response);
    }
    let call = found.call(request.method())?;
    let Pass { shown, reading: _reading, headers } = match side {
        Side::Clients => edge.guard.admit(edge, call, request, found.names, request_id).await?,
        Side::Operator => Pass::of_operator(call)?,
    };
    let ask = Ask::new(edge, request, payload, found.names, shown);
    match dispatch(call, side, ask).await {
        Ok(mut response) => {
            for (name, value) in headers {
                response.headers_mut().insert(name, value);
            }
            Ok(response)
        }
        Err(problem) => Err(problem.with(headers)),
    }
}

/// A panic in a handler is the end of that request only. The panic hook has said where it was.
/// Handlers are large, and stay where they are.
fn contained(mut handler: Pin<&mut impl Future<Output = Answer>>) -> impl Future<Output = Answer> {
    poll_fn(move |context| {
        let polled = catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(context)));
        polled.unwrap_or_else(|_| Poll::Ready(Err(Problem::internal())))
    })
}

/// Labels are few, whatever clients send: unknown methods and paths are one each.
fn measure(method: &Method, route: &'static str, status: StatusCode, started: Instant) {
    let method = route::Verb::of(method).map_or("OTHER", route::Verb::name);
    let requests = RequestLabels { method, route, status: status.as_u16() };
    METRICS.requests.get_or_create(&requests).inc();
    METRICS
        .request_seconds
        .get_or_create(&CallLabels { method, route })
        .observe(started.elapsed().as_secs_f64());
}

/// Never a body, and no path as it was sent: it holds tokens.
fn record(request: &HttpRequest, path: &str, status: StatusCode, started: Instant, request_id: &RequestId) {
    let method = request.method().as_str();
    let elapsed_us = started.elapsed().as_micros();
    let request_id = request_id.as_str();
    let status = status.as_u16();
    // What clients do wrong, or an engine that is away, must not fill the log: a flood of it is one line's work.
    if status == 500 {
        tracing::error!(method, path, status, elapsed_us, request_id, "answered");
    } else {
        tracing::debug!(method, path, status, elapsed_us, request_id, "answered");
    }
}
