//! Accepting: a batch is numbered and queued once, however often its answer gets lost.

use std::time::Duration;

use super::door::CreateError;
use super::vitals::{EngineState, INTAKE, Vitals};
use crate::connections::Backoff;
use crate::domain::{BatchId, Draft};
use crate::intake::{Intake, IntakeError, Receipt};
use crate::metrics::{METRICS, PortLabels};

/// An accept whose answer got lost is repeated this often before its clients are told that nobody knows.
const ACCEPT_TRIES: usize = 3;

/// Accepts until there is an answer: the batch's id makes repeating harmless.
pub(super) async fn accept_surely(
    intake: &dyn Intake,
    vitals: &Vitals,
    drafts: &[Draft],
) -> Result<Receipt, CreateError> {
    let batch = BatchId::fresh();
    let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(200));
    let mut lost = false;
    for _ in 0..ACCEPT_TRIES {
        match intake.accept(batch, drafts).await {
            Ok(receipt) => {
                vitals.set(INTAKE, EngineState::Up);
                return Ok(receipt);
            }
            Err(IntakeError::Away(error)) if !lost => {
                vitals.set(INTAKE, EngineState::Away);
                tracing::warn!(error, "the intake took nothing");
                return Err(CreateError::Away);
            }
            // That nothing was taken now says nothing of the time before.
            Err(IntakeError::Away(error) | IntakeError::Unknown(error)) => {
                lost = true;
                tracing::warn!(error, "the intake's answer got lost; accepting again");
                METRICS.retries.get_or_create(&PortLabels { port: INTAKE }).inc();
                backoff.wait().await;
            }
        }
    }
    vitals.set(INTAKE, EngineState::Away);
    Err(CreateError::Unknown)
}
