//! Letting go of a chunked body that the handler did not read to its end.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::header::{HeaderMap, TRANSFER_ENCODING};
use actix_web::web::{Bytes, Payload};

/// Ends the connection after the answer if a chunked body has not arrived in full by then: the server reads one
/// that was dropped to its end, which need not come, and closes where one is still held.
pub(super) fn close_after(request: &HeaderMap, response: HttpResponse, payload: Payload) -> HttpResponse {
    if request.contains_key(TRANSFER_ENCODING) {
        response.map_body(|_, body| Holding { body, _payload: payload }.boxed())
    } else {
        response
    }
}

/// An answer's body that keeps the request's until it is sent.
struct Holding {
    body: BoxBody,
    _payload: Payload,
}

impl MessageBody for Holding {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}
