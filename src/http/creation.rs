//! Sending a draft through the door, and the head of the answer.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, LOCATION};
use actix_web::{HttpResponse, HttpResponseBuilder};

use super::allowance::has_room;
use super::ask::Ask;
use super::idempotency::{IDEMPOTENT_REPLAYED, PREFERENCE_APPLIED, RESPOND_ASYNC, patience};
use super::problem::Problem;
use crate::actors::Created;
use crate::actors::door::Patience;
use crate::domain::{Draft, Number, Parent};
use crate::store::{Made, Missing};

/// What became of a draft.
pub(super) enum Outcome {
    /// It is kept under this number.
    Kept(Number),
    /// It will be kept under this number. Holds whether that was what the client preferred.
    Queued(Number, Patience),
    /// An earlier draft with its key was kept under this number.
    Replayed(Number),
}

pub(super) async fn create(ask: &Ask<'_>, draft: Draft) -> Result<Outcome, Problem> {
    let parent = match draft.parent {
        Parent::Application(_) => Missing::Application,
        Parent::Chat(_) => Missing::Chat,
    };
    has_room(ask, &draft).await?;
    let patience = patience(ask.headers());
    let created = ask.edge.limits.create(ask.edge.door.create(draft, patience)).await;
    match created.map_err(|error| Problem::not_created(error, parent))? {
        Created::Kept(number) => Ok(Outcome::Kept(number)),
        Created::Queued(number) => Ok(Outcome::Queued(number, patience)),
        Created::Replay(recalled) => number_of(&recalled.made).map(Outcome::Replayed),
    }
}

/// What a key of a numbered thing made before.
pub(super) fn number_of(made: &Made) -> Result<Number, Problem> {
    match made {
        Made::Numbered(number) => Ok(*number),
        Made::Application(_) => {
            tracing::error!("a key of a numbered thing recalled an application");
            Err(Problem::internal())
        }
    }
}

impl Outcome {
    pub(super) fn number(&self) -> Number {
        match self {
            Self::Kept(number) | Self::Queued(number, _) | Self::Replayed(number) => *number,
        }
    }

    /// Status, `Location` and what the preferences and keys ask for.
    pub(super) fn head(&self, location: String) -> HttpResponseBuilder {
        match self {
            Self::Kept(_) => created(location),
            Self::Replayed(_) => replayed(location),
            Self::Queued(_, patience) => {
                let mut head = HttpResponse::build(StatusCode::ACCEPTED);
                head.insert_header((LOCATION, location));
                if *patience == Patience::UntilQueued {
                    head.insert_header((PREFERENCE_APPLIED, HeaderValue::from_static(RESPOND_ASYNC)));
                }
                head
            }
        }
    }
}

pub(super) fn created(location: String) -> HttpResponseBuilder {
    let mut head = HttpResponse::build(StatusCode::CREATED);
    head.insert_header((LOCATION, location));
    head
}

pub(super) fn replayed(location: String) -> HttpResponseBuilder {
    let mut head = created(location);
    head.insert_header((IDEMPOTENT_REPLAYED, HeaderValue::from_static("true")));
    head
}
