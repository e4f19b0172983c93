//! How the door closes: whoever is inside is served and shown out.

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
    /// One request comes in.
    pub(super) fn enter(&self) {
        self.begun.fetch_add(1, Ordering::SeqCst);
    }

    /// Its answer goes out. While the door closes, it ends its connection.
    pub(super) fn leave(&self, response: &mut HttpResponse) {
        if self.closing.load(Ordering::SeqCst) {
            response.head_mut().set_connection_type(ConnectionType::Close);
        }
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
