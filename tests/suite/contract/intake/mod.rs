/// How numbers follow each other.
mod numbers;
/// What a key holds off.
mod keys;
/// What becomes of a batch.
mod entries;
/// The intake of many nodes.
mod on_redis;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chat_system::domain::{ApplicationId, Draft, Number, Parent};
use chat_system::intake::memory::MemoryIntake;
use chat_system::intake::{Durability, EntryId, Intake, Place, Receipt};

use crate::contract::side_by_side;
use crate::contract::things::{batch, chat_of, child, children, key, new_chat, number, with_key};
use crate::support::eventually;
use entries::*;
use keys::*;
use numbers::*;
use on_redis::REDIS_7;
pub(crate) use on_redis::REDIS_8;

/// A kind of intake.
pub(crate) trait IntakeEngine: Sync {
    /// A new one, with nothing in it.
    fn fresh(&self, key_hold: Duration) -> Box<dyn IntakePlace>;

    /// Where its server is not installed it is not tried, which was said.
    fn is_there(&self) -> bool {
        true
    }
}

/// Where the nodes of one intake meet.
#[async_trait]
pub(crate) trait IntakePlace: Send + Sync {
    /// Another node; it outlives this handle.
    async fn node(&self) -> Arc<dyn Intake>;
}

struct Memory;

struct InMemory(Duration);

impl IntakeEngine for Memory {
    fn fresh(&self, key_hold: Duration) -> Box<dyn IntakePlace> {
        Box::new(InMemory(key_hold))
    }
}

#[async_trait]
impl IntakePlace for InMemory {
    async fn node(&self) -> Arc<dyn Intake> {
        Arc::new(MemoryIntake::new(self.0))
    }
}

/// An intake that the laws hold for, to plant bugs in.
pub(crate) const RIGHT: &dyn IntakeEngine = &Memory;

laws! {
    dyn IntakeEngine;
    engines [memory = Memory, redis_7 = REDIS_7, redis_8 = REDIS_8];
    laws [
        numbers_of_one_parent_are_dense_in_the_order_of_acceptance,
        numbers_are_dense_when_many_accept_at_once,
        counters_of_many_parents_are_independent,
        a_parent_without_a_counter_is_handed_back_and_the_rest_of_its_batch_is_numbered,
        a_counter_is_only_ever_raised,
        the_same_batch_again_gives_the_same_receipt_and_takes_no_number,
        the_same_batch_many_times_at_once_is_accepted_once,
        of_drafts_with_one_key_only_the_first_is_numbered,
        a_key_is_held_for_a_while_after_its_entry_was_settled,
        a_key_is_free_again_when_it_is_no_longer_held,
        the_same_key_of_another_application_or_path_is_another_key,
        a_draft_that_got_no_number_holds_no_key,
        a_retired_parent_refuses_and_no_other,
        settling_is_idempotent_and_unknown_entries_are_harmless,
        what_a_durable_intake_accepted_is_adopted_until_it_is_settled,
        many_parents_do_no_harm_and_an_idle_one_can_be_seeded_again,
    ]
}

const LONG: Duration = Duration::from_secs(3_600);

async fn fresh(engine: &dyn IntakeEngine) -> Arc<dyn Intake> {
    engine.fresh(LONG).node().await
}

async fn accept(intake: &dyn Intake, drafts: &[Draft]) -> Receipt {
    let receipt = intake.accept(batch(), drafts).await.expect("a receipt");
    assert_eq!(receipt.places.len(), drafts.len(), "a place for each draft");
    receipt
}

async fn places(intake: &dyn Intake, drafts: &[Draft]) -> Vec<Place> {
    accept(intake, drafts).await.places
}

async fn seed(intake: &dyn Intake, parents: &[Parent]) {
    let marks: Vec<_> = parents.iter().map(|&parent| (parent, None)).collect();
    intake.raise(&marks).await.expect("raised");
}

async fn raise(intake: &dyn Intake, parent: Parent, mark: u64) {
    intake.raise(&[(parent, Some(number(mark)))]).await.expect("raised");
}

fn at(value: u64) -> Place {
    Place::Numbered(number(value))
}

fn numbered(places: &[Place]) -> Vec<u64> {
    let value = |place: &Place| match place {
        Place::Numbered(number) => number.get(),
        other => panic!("{other:?} instead of a number"),
    };
    places.iter().map(value).collect()
}
