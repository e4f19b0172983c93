//! How the door closes: whoever is inside is served and shown out.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::ConnectionType;

/// No request was begun for so long: what clients had sent before has been read. Much longer than a worker takes
/// for one turn, and nothing beside a deadline.
const QUIET: Duration = Duration::from_millis(50);

#[derive(Default)]
pub(super) struct Closing {
    begun: AtomicU64,
    closing: AtomicBool,
}

impl Closing {
    /// One request. While the door closes, its answer ends its connection.
    pub(super) async fn serve(&self, answer: impl Future<Output = HttpResponse>) -> HttpResponse {
        self.begun.fetch_add(1, Ordering::SeqCst);
        let mut response = answer.await;
        if self.closing.load(Ordering::SeqCst) {
            response.head_mut().set_connection_type(ConnectionType::Close);
        }
        response
    }

    /// Returns once everything that clients had sent is in the hands of its handler. It comes to an end because no
    /// connection has more than one request left.
    pub(super) async fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        let mut begun = self.begun.load(Ordering::SeqCst);
        loop {
            tokio::time::sleep(QUIET).await;
            let begun_before = std::mem::replace(&mut begun, self.begun.load(Ordering::SeqCst));
            if begun == begun_before {
                return;
            }
        }
    }
}
