use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chat_system::domain::{BatchId, Draft, Number, Parent};
use chat_system::intake::{Adopted, Durability, EntryId, Intake, IntakeError, Place, Receipt};

use super::planted;
use crate::contract::intake::{IntakeEngine, IntakePlace, LAWS, REDIS_8, RIGHT};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    None,
    /// Two batches in a row begin at the same number.
    ReusesANumber,
    LeavesAGap,
    ForgetsReceipts,
    ForgetsKeys,
    ForgetsTheKeysOfItsBatch,
    FreesKeysAtOnce,
    NumbersUnderARetiredParent,
    RaisesTooFar,
    StopsAtTheFirstUnseeded,
    LetsTheBatchWaitForItsUnseeded,
    SettlesAnother,
}

/// The same bugs around each right engine.
macro_rules! around {
    ($($name:ident = $engine:ident),* $(,)?) => {$(
        mod $name {
            use super::*;

            planted! {
                LAWS, Bug, $engine;
                an_intake_that_reuses_a_number_is_caught: ReusesANumber by numbers_of_one_parent_are_dense_in_the_order_of_acceptance;
                an_intake_that_reuses_a_number_under_load_is_caught: ReusesANumber by numbers_are_dense_when_many_accept_at_once;
                an_intake_that_leaves_a_gap_is_caught: LeavesAGap by numbers_of_one_parent_are_dense_in_the_order_of_acceptance;
                an_intake_that_forgets_receipts_is_caught: ForgetsReceipts by the_same_batch_again_gives_the_same_receipt_and_takes_no_number;
                an_intake_that_forgets_keys_is_caught: ForgetsKeys by of_drafts_with_one_key_only_the_first_is_numbered;
                an_intake_that_forgets_the_keys_of_its_own_batch_is_caught: ForgetsTheKeysOfItsBatch by of_drafts_with_one_key_only_the_first_is_numbered;
                an_intake_that_frees_keys_at_once_is_caught: FreesKeysAtOnce by a_key_is_held_for_a_while_after_its_entry_was_settled;
                an_intake_that_numbers_under_a_retired_parent_is_caught: NumbersUnderARetiredParent by a_retired_parent_refuses_and_no_other;
                an_intake_that_raises_a_counter_too_far_is_caught: RaisesTooFar by a_counter_is_only_ever_raised;
                an_intake_that_stops_at_the_first_unseeded_is_caught: StopsAtTheFirstUnseeded by a_parent_without_a_counter_is_handed_back_and_the_rest_of_its_batch_is_numbered;
                an_intake_that_refuses_a_batch_for_its_unseeded_is_caught: LetsTheBatchWaitForItsUnseeded by a_parent_without_a_counter_is_handed_back_and_the_rest_of_its_batch_is_numbered;
                an_intake_that_settles_another_entry_is_caught: SettlesAnother by settling_is_idempotent_and_unknown_entries_are_harmless;
            }
        }
    )*};
}

around!(memory = in_memory, redis_8 = on_redis);

fn in_memory(bug: Bug) -> Bent {
    Bent(bug, RIGHT)
}

fn on_redis(bug: Bug) -> Bent {
    Bent(bug, &REDIS_8)
}

struct Bent(Bug, &'static dyn IntakeEngine);

struct BentPlace(Bug, Box<dyn IntakePlace>);

struct BentIntake {
    bug: Bug,
    right: Arc<dyn Intake>,
    entries: Mutex<Vec<EntryId>>,
}

impl IntakeEngine for Bent {
    fn fresh(&self, key_hold: Duration) -> Box<dyn IntakePlace> {
        let key_hold = if self.0 == Bug::FreesKeysAtOnce { Duration::ZERO } else { key_hold };
        Box::new(BentPlace(self.0, self.1.fresh(key_hold)))
    }

    fn is_there(&self) -> bool {
        self.1.is_there()
    }
}

#[async_trait]
impl IntakePlace for BentPlace {
    async fn node(&self) -> Arc<dyn Intake> {
        Arc::new(BentIntake { bug: self.0, right: self.1.node().await, entries: Mutex::default() })
    }
}

/// Which drafts reach the right engine, and under which batch.
impl BentIntake {
    fn bend(&self, drafts: &[Draft]) -> Vec<Draft> {
        let mut met = HashMap::new();
        let mut drafts = drafts.to_vec();
        for draft in &mut drafts {
            let copies = draft.key.as_ref().map_or(0, |key| {
                let copies = met.entry(key.key.clone()).or_insert(0);
                *copies += 1;
                *copies
            });
            if self.bug == Bug::ForgetsKeys || (self.bug == Bug::ForgetsTheKeysOfItsBatch && copies > 1) {
                draft.key = None;
            }
        }
        drafts
    }
}

#[async_trait]
impl Intake for BentIntake {
    fn durability(&self) -> Durability {
        self.right.durability()
    }

    async fn accept(&self, batch: BatchId, drafts: &[Draft]) -> Result<Receipt, IntakeError> {
        let batch = if self.bug == Bug::ForgetsReceipts { BatchId::fresh() } else { batch };
        let mut receipt = self.right.accept(batch, &self.bend(drafts)).await?;
        self.entries.lock().expect("entries").push(receipt.entry.clone());
        let unseeded = receipt.places.iter().position(|place| *place == Place::Unseeded);
        match (self.bug, unseeded) {
            (Bug::StopsAtTheFirstUnseeded, Some(first)) => receipt.places[first..].fill(Place::Unseeded),
            (Bug::LetsTheBatchWaitForItsUnseeded, Some(_)) => receipt.places.fill(Place::Unseeded),
            _ => {}
        }
        for place in &mut receipt.places {
            let Place::Numbered(number) = place else { continue };
            let other = match self.bug {
                Bug::ReusesANumber if number.get() > 1 => Number::new(number.get() - number.get() % 2),
                Bug::LeavesAGap if number.get() > 5 => Some(number.next()),
                _ => continue,
            };
            *number = other.unwrap_or(Number::FIRST);
        }
        Ok(receipt)
    }

    async fn raise(&self, marks: &[(Parent, Option<Number>)]) -> Result<(), IntakeError> {
        if self.bug == Bug::RaisesTooFar {
            let beyond: Vec<_> =
                marks.iter().map(|&(parent, mark)| (parent, mark.map(Number::next))).collect();
            return self.right.raise(&beyond).await;
        }
        self.right.raise(marks).await
    }

    async fn settle(&self, entries: &[EntryId]) -> Result<(), IntakeError> {
        if self.bug == Bug::SettlesAnother {
            let others = self.entries.lock().expect("entries").clone();
            self.right.settle(&others).await?;
        }
        self.right.settle(entries).await
    }

    async fn retire(&self, parent: Parent) -> Result<(), IntakeError> {
        if self.bug == Bug::NumbersUnderARetiredParent { Ok(()) } else { self.right.retire(parent).await }
    }

    async fn adopt(&self) -> Result<Vec<Adopted>, IntakeError> {
        self.right.adopt().await
    }

    async fn oldest(&self) -> Result<Option<Duration>, IntakeError> {
        self.right.oldest().await
    }

    async fn leave(&self) -> Result<(), IntakeError> {
        self.right.leave().await
    }
}
