/// The calls, one of them bent.
mod bent;
/// Those that say who may do what.
mod bent_access;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chat_system::domain::MessagePlace;
use chat_system::store::Store;

use self::bent::BentStore;
use crate::contract::planted::planted;
use crate::contract::store::{LAWS, MARIADB_10, RIGHT, StoreEngine, StorePlace};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    None,
    LosesTheTailOfABatch,
    KeepsHalfABatch,
    KeepsTwice,
    LeavesSurplusNumbersOpen,
    Overwrites,
    ForgetsTombstonesInTheHighWaterMark,
    DropsKeys,
    RemembersKeysForEver,
    KeepsUnderADeletedParent,
    LeaksAcrossTenants,
    LeavesOutABacklogEntry,
    FinishesWhatItHandsOut,
    CountsWrong,
    CountsEverything,
    IgnoresExpectedVersions,
    PassesHolesWithItsCursor,
    LosesItsLastWriteWhenItCloses,
    SkipsARowOnItsWalk,
    LeavesHolesOpen,
    PurgesWithoutEnd,
    ForgetsQuotas,
    OpensWithRevokedKeys,
    ListsAnothersKeys,
    ForgetsRates,
}

/// The bugs, around the right store that `$bent` takes.
macro_rules! on_a_right_store {
    ($name:ident = $bent:ident) => {
        mod $name {
            use super::*;

            planted! {
                LAWS, Bug, $bent;
                a_store_that_loses_the_tail_of_a_batch_is_caught: LosesTheTailOfABatch by what_is_kept_is_read_at_once_as_it_was_written;
                a_store_that_keeps_half_a_batch_is_caught: KeepsHalfABatch by a_batch_is_kept_whole_or_not_at_all;
                a_store_that_keeps_twice_is_caught: KeepsTwice by a_draft_delivered_again_is_kept_once;
                a_store_that_leaves_surplus_numbers_open_is_caught: LeavesSurplusNumbersOpen by a_draft_delivered_again_under_another_number_leaves_a_tombstone_there;
                a_store_that_overwrites_on_a_conflict_is_caught: Overwrites by a_number_that_is_taken_gives_way_to_the_next_free_one_and_nothing_is_overwritten;
                a_store_that_overwrites_under_load_is_caught: Overwrites by whatever_happens_at_once_numbers_are_dense_and_versions_add_up;
                a_store_that_forgets_tombstones_in_the_high_water_mark_is_caught: ForgetsTombstonesInTheHighWaterMark by the_high_water_mark_never_falls;
                a_store_that_drops_keys_is_caught: DropsKeys by a_key_makes_one_thing;
                a_store_that_remembers_keys_for_ever_is_caught: RemembersKeysForEver by a_key_is_forgotten_after_a_day;
                a_store_that_keeps_under_a_deleted_parent_is_caught: KeepsUnderADeletedParent by what_has_no_parent_is_not_kept_and_the_rest_of_its_batch_is;
                a_store_that_leaks_across_tenants_is_caught: LeaksAcrossTenants by no_call_with_one_tenant_sees_or_changes_anothers;
                a_store_that_leaves_out_a_backlog_entry_is_caught: LeavesOutABacklogEntry by all_that_changes_a_message_leaves_a_backlog_entry;
                a_store_that_finishes_what_it_hands_out_is_caught: FinishesWhatItHandsOut by a_claimed_entry_is_handed_out_again_only_when_its_moment_has_passed;
                a_store_that_counts_wrong_is_caught: CountsWrong by counting_brings_counters_up_to_their_rows_and_looks_at_no_other_parent;
                a_store_that_counts_everything_is_caught: CountsEverything by counting_brings_counters_up_to_their_rows_and_looks_at_no_other_parent;
                a_store_that_ignores_expected_versions_is_caught: IgnoresExpectedVersions by a_change_for_another_version_is_refused;
                a_store_whose_cursor_passes_holes_is_caught: PassesHolesWithItsCursor by a_cursor_never_passes_a_number_that_is_still_to_come;
                a_store_that_loses_its_last_write_when_it_closes_is_caught: LosesItsLastWriteWhenItCloses by all_of_it_survives_closing_and_a_crash;
                a_store_that_skips_a_row_on_its_walk_is_caught: SkipsARowOnItsWalk by a_walk_meets_every_live_row_once_in_order;
                a_store_that_leaves_holes_open_is_caught: LeavesHolesOpen by the_audit_closes_holes_and_corrects_counters;
                a_store_that_purges_without_portions_is_caught: PurgesWithoutEnd by a_purge_comes_to_its_end_in_portions_and_takes_nothing_else;
                a_store_that_forgets_quotas_is_caught: ForgetsQuotas by a_quota_is_exact_however_many_write_at_once;
                a_store_that_opens_with_revoked_keys_is_caught: OpensWithRevokedKeys by a_key_opens_its_application_until_it_is_revoked;
                a_store_that_lists_anothers_keys_is_caught: ListsAnothersKeys by a_key_opens_its_application_until_it_is_revoked;
                a_store_that_forgets_rates_is_caught: ForgetsRates by a_rate_is_set_for_one_application_and_taken_back;
            }
        }
    };
}

on_a_right_store!(sqlite = bent_sqlite);
on_a_right_store!(mariadb_10 = bent_mariadb);

struct Bent {
    bug: Bug,
    right: &'static dyn StoreEngine,
}

fn bent_sqlite(bug: Bug) -> Bent {
    Bent { bug, right: RIGHT }
}

fn bent_mariadb(bug: Bug) -> Bent {
    Bent { bug, right: &MARIADB_10 }
}

struct BentPlace {
    bug: Bug,
    right: Box<dyn StorePlace>,
    opened: AtomicBool,
}

impl StoreEngine for Bent {
    fn is_there(&self) -> bool {
        self.right.is_there()
    }

    fn fresh(&self) -> Box<dyn StorePlace> {
        Box::new(BentPlace { bug: self.bug, right: self.right.fresh(), opened: AtomicBool::new(false) })
    }
}

#[async_trait]
impl StorePlace for BentPlace {
    async fn open(&self) -> Arc<dyn Store> {
        let right = self.right.open().await;
        let again = self.opened.swap(true, Ordering::SeqCst);
        if again && self.bug == Bug::LosesItsLastWriteWhenItCloses {
            right.remember_index("an older one").await.expect("remembered");
        }
        Arc::new(BentStore { bug: self.bug, right, tenants: Mutex::default(), holders: Mutex::default() })
    }

    fn after_crash(&self) -> Option<Box<dyn StorePlace>> {
        let right = self.right.after_crash()?;
        Some(Box::new(BentPlace { bug: self.bug, right, opened: AtomicBool::new(false) }))
    }

    async fn history(&self, message: MessagePlace) -> Vec<Option<String>> {
        self.right.history(message).await
    }
}
