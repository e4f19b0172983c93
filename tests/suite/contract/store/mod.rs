/// New rows.
mod keep;
/// Looking things up.
mod read;
/// Changes that readers asked for.
mod edit;
/// What the search index has yet to learn.
mod backlog;
/// Counters, audit, and the end of what was deleted.
mod count;
/// Keys of applications, and how fast they may be used.
mod access;
/// How much applications may hold.
mod quotas;
/// What holds for all calls together.
mod whole;
/// The store of many nodes.
mod mysql;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chat_system::domain::{
    ApplicationId, ChatPlace, Draft, Message, MessagePlace, Name, NewApplication, Number, Numbered, Order,
    Page, Parent, Tenant, Timestamp, Token,
};
use chat_system::store::sqlite::SqliteStore;
use chat_system::store::{Claim, Founded, HighWater, Hole, Kept, Missing, Store, Task};
use tempfile::TempDir;

use super::things::{message, new_chat, number, numbered};
use access::*;
use backlog::*;
use count::*;
use edit::*;
use keep::*;
pub(crate) use mysql::MARIADB_10;
use mysql::MYSQL_9;
use quotas::*;
use read::*;
use whole::*;

/// A kind of store.
pub(crate) trait StoreEngine: Sync {
    /// A new one, with nothing in it.
    fn fresh(&self) -> Box<dyn StorePlace>;

    /// Where its server is not installed it is not tried, which was said.
    fn is_there(&self) -> bool {
        true
    }
}

/// Where the rows are.
#[async_trait]
pub(crate) trait StorePlace: Send + Sync {
    /// Opens it; once, or again after the one before was dropped.
    async fn open(&self) -> Arc<dyn Store>;

    /// What a crash at this moment would leave; `None` where the rows are another process's.
    fn after_crash(&self) -> Option<Box<dyn StorePlace>>;

    /// The bodies that the history of a message still holds, read past the store.
    async fn history(&self, message: MessagePlace) -> Vec<Option<String>>;
}

struct Sqlite;

struct InFolder(TempDir);

impl StoreEngine for Sqlite {
    fn fresh(&self) -> Box<dyn StorePlace> {
        Box::new(InFolder(tempfile::tempdir().expect("a folder")))
    }
}

impl InFolder {
    fn file(&self) -> std::path::PathBuf {
        self.0.path().join("chat.db")
    }
}

#[async_trait]
impl StorePlace for InFolder {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(SqliteStore::open(&self.file(), Duration::from_secs(2)).expect("a store"))
    }

    fn after_crash(&self) -> Option<Box<dyn StorePlace>> {
        let copy = InFolder(tempfile::tempdir().expect("a folder"));
        for entry in std::fs::read_dir(self.0.path()).expect("files") {
            let file = entry.expect("a file").path();
            // Readers of the log keep it in memory that dies with them.
            let gone = file.extension().is_some_and(|end| end == "db-shm" || end == "lock");
            if !gone {
                std::fs::copy(&file, copy.0.path().join(file.file_name().expect("a name"))).expect("a copy");
            }
        }
        Some(Box::new(copy))
    }

    async fn history(&self, message: MessagePlace) -> Vec<Option<String>> {
        history(&self.file(), message).expect("a history")
    }
}

fn history(file: &Path, message: MessagePlace) -> rusqlite::Result<Vec<Option<String>>> {
    let rows = rusqlite::Connection::open_with_flags(file, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut select = rows.prepare(
        "SELECT body FROM message_changes WHERE application_id = ?1 AND chat_number = ?2 AND number = ?3
         ORDER BY revision",
    )?;
    let place = (message.chat.application.0, message.chat.chat.get(), message.number.get());
    select.query_map((place.0, place.1 as i64, place.2 as i64), |row| row.get(0))?.collect()
}

/// A store that the laws hold for, to plant bugs in.
pub(crate) const RIGHT: &dyn StoreEngine = &Sqlite;

laws! {
    dyn StoreEngine;
    engines [sqlite = Sqlite, mysql_9 = MYSQL_9, mariadb_10 = MARIADB_10];
    laws [
        what_is_kept_is_read_at_once_as_it_was_written,
        a_batch_is_kept_whole_or_not_at_all,
        a_draft_delivered_again_is_kept_once,
        a_draft_delivered_again_under_another_number_leaves_a_tombstone_there,
        a_number_that_is_taken_gives_way_to_the_next_free_one_and_nothing_is_overwritten,
        what_has_no_parent_is_not_kept_and_the_rest_of_its_batch_is,
        a_key_makes_one_thing,
        the_same_key_elsewhere_is_another_key,
        a_key_is_forgotten_after_a_day,
        the_high_water_mark_never_falls,
        burying_closes_what_has_no_row_and_nothing_else,
        lists_are_in_number_order_page_by_page,
        a_cursor_never_passes_a_number_that_is_still_to_come,
        a_page_ends_early_when_it_is_heavy,
        applications_are_listed_oldest_first,
        picking_gives_those_that_are_there_in_the_order_asked_for,
        what_is_missing_first_is_named,
        who_reads_at_the_same_time_is_answered_what_each_asked,
        an_edit_makes_a_new_version_and_the_same_body_none,
        a_change_for_another_version_is_refused,
        a_deleted_message_is_gone_with_its_history_and_its_number_stays_taken,
        renaming_changes_the_name_and_the_same_name_nothing,
        an_application_is_created_once_a_key,
        a_deleted_chat_is_gone_at_once,
        a_deleted_application_is_gone_at_once_and_its_token_unknown,
        all_that_changes_a_message_leaves_a_backlog_entry,
        a_claimed_entry_is_handed_out_again_only_when_its_moment_has_passed,
        claims_hold_about_as_many_messages_as_asked_for,
        applications_take_turns,
        more_applications_than_one_claim_serves_are_served_by_the_next,
        rows_are_as_they_are_now_without_deleted_chats,
        heavy_rows_come_in_parts,
        a_walk_meets_every_live_row_once_in_order,
        the_known_index_is_remembered,
        counting_brings_counters_up_to_their_rows_and_looks_at_no_other_parent,
        what_a_crash_left_uncounted_is_found,
        what_was_counted_is_not_looked_for_again,
        counters_converge_after_a_crash_between_a_delete_and_its_count,
        the_audit_closes_holes_and_corrects_counters,
        the_audit_leaves_what_was_deleted_alone,
        the_audit_looks_at_so_many_rows_at_a_time_and_misses_none,
        what_is_given_back_is_handed_out_again,
        a_purge_comes_to_its_end_in_portions_and_takes_nothing_else,
        old_keys_are_swept_in_portions,
        a_key_opens_its_application_until_it_is_revoked,
        an_application_is_made_with_its_first_key_and_its_keys_go_with_it,
        keys_made_at_once_have_numbers_of_their_own_up_to_the_limit,
        a_key_of_idempotency_makes_one_access_key,
        a_rate_is_set_for_one_application_and_taken_back,
        a_quota_is_exact_however_many_write_at_once,
        chats_messages_and_bytes_have_quotas_and_what_is_deleted_makes_room,
        what_a_quota_refused_stays_refused_and_what_it_let_in_stays,
        what_was_there_before_a_quota_is_counted_while_writers_go_on,
        no_call_with_one_tenant_sees_or_changes_anothers,
        all_of_it_survives_closing_and_a_crash,
        whatever_happens_at_once_numbers_are_dense_and_versions_add_up,
    ]
}

/// An open store, and what laws do with it over and over.
pub(super) struct Desk {
    pub(super) store: Arc<dyn Store>,
    pub(super) place: Box<dyn StorePlace>,
}

impl Desk {
    async fn fresh(engine: &dyn StoreEngine) -> Self {
        let place = engine.fresh();
        Self { store: place.open().await, place }
    }

    /// Closes the store and opens it again.
    async fn reopen(self) -> Self {
        let Self { store, place } = self;
        assert_eq!(Arc::strong_count(&store), 1, "nobody else has it open");
        drop(store);
        Self { store: place.open().await, place }
    }

    async fn application(&self, name: &str) -> Tenant {
        let new = new_application(name);
        let token = new.token.clone();
        let founded = self.store.create_application(new).await.expect("created");
        assert!(matches!(founded, Founded::New(_)), "{founded:?}");
        self.store.tenant(&token).await.expect("an answer").expect("a tenant")
    }

    /// The application's next chat.
    async fn chat(&self, tenant: &Tenant) -> ChatPlace {
        let next = self.greatest(Parent::Application(tenant.id)).await + 1;
        assert_eq!(self.keep(vec![numbered(new_chat(tenant.id), next)]).await, [Kept::As(number(next))]);
        ChatPlace { application: tenant.id, chat: number(next) }
    }

    async fn tenant_and_chat(&self) -> (Tenant, ChatPlace) {
        let tenant = self.application("an application").await;
        let chat = self.chat(&tenant).await;
        (tenant, chat)
    }

    /// The chat's next messages, in one batch.
    async fn say(&self, chat: ChatPlace, bodies: &[&str]) -> Vec<Draft> {
        let first = self.greatest(Parent::Chat(chat)).await + 1;
        let drafts: Vec<Draft> = bodies.iter().map(|body| message(chat, body)).collect();
        let batch: Vec<_> = (first..).zip(&drafts).map(|(at, draft)| numbered(draft.clone(), at)).collect();
        let expected: Vec<Kept> = batch.iter().map(|it| Kept::As(it.number)).collect();
        assert_eq!(self.keep(batch).await, expected);
        drafts
    }

    async fn keep(&self, batch: Vec<Numbered>) -> Vec<Kept> {
        self.store.keep(batch.into()).await.expect("kept")
    }

    /// The greatest number ever used under a parent that is there; 0 before the first.
    async fn greatest(&self, parent: Parent) -> u64 {
        match self.high_water(parent).await {
            HighWater::At(greatest) => greatest.map_or(0, Number::get),
            HighWater::NoParent => panic!("{parent:?} is not there"),
        }
    }

    async fn high_water(&self, parent: Parent) -> HighWater {
        let marks = self.store.high_water(&[parent]).await.expect("marks");
        assert_eq!(marks.len(), 1);
        marks[0]
    }

    /// All live messages of a chat.
    async fn messages(&self, chat: ChatPlace) -> Vec<Message> {
        let tenant = tenant_of(chat.application);
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let page = Page { after, before: None, order: Order::Ascending, limit: 1_000 };
            let listed =
                self.store.messages(&tenant, chat.chat, &page).await.expect("an answer").expect("a chat");
            all.extend(listed.items);
            after = listed.next;
            if after.is_none() {
                return all;
            }
        }
    }

    async fn bodies(&self, chat: ChatPlace) -> Vec<(u64, String)> {
        let messages = self.messages(chat).await;
        messages.iter().map(|it| (it.number.get(), it.body.as_str().to_owned())).collect()
    }

    async fn message(&self, place: MessagePlace) -> Result<Message, Missing> {
        let tenant = tenant_of(place.chat.application);
        self.store.message(&tenant, place.chat.chat, place.number).await.expect("an answer")
    }

    async fn messages_count(&self, chat: ChatPlace) -> u64 {
        let tenant = tenant_of(chat.application);
        self.store.chat(&tenant, chat.chat).await.expect("an answer").expect("a chat").messages_count
    }

    async fn chats_count(&self, tenant: &Tenant) -> u64 {
        self.store.application(tenant).await.expect("an answer").expect("an application").chats_count
    }

    async fn count(&self, parents: &[Parent]) {
        self.store.count(parents, Timestamp::now()).await.expect("counted");
    }

    /// Claims the whole backlog and finishes it.
    async fn drain(&self) -> Vec<Task> {
        let mut tasks = Vec::new();
        loop {
            let claims = self.claim(1_000_000, LONG).await;
            if claims.is_empty() {
                return tasks;
            }
            let ids: Vec<_> = claims.iter().map(|claim| claim.id).collect();
            tasks.extend(claims.into_iter().map(|claim| claim.task));
            self.store.finish(&ids).await.expect("finished");
        }
    }

    async fn claim(&self, limit: u64, span: Duration) -> Vec<Claim> {
        self.store.claim(None, limit, Timestamp::now().after(span)).await.expect("claims")
    }

    /// Audits from the beginning to the end and closes every hole; says how much was repaired.
    async fn audit(&self, limit: usize) -> usize {
        let (mut after, mut repaired) = (None, 0);
        loop {
            let audited = self.store.audit(after, limit).await.expect("audited");
            repaired += audited.repaired + audited.counted;
            let numbers: Vec<(Parent, Number)> = audited.holes.iter().flat_map(numbers_of).collect();
            self.store.bury(&numbers).await.expect("buried");
            repaired += numbers.len();
            assert!(audited.next.is_none() || audited.next != after, "it goes on");
            after = audited.next;
            if after.is_none() {
                return repaired;
            }
        }
    }
}

fn numbers_of(hole: &Hole) -> impl Iterator<Item = (Parent, Number)> {
    let parent = hole.parent;
    (hole.first.get()..=hole.last.get()).map(move |at| (parent, number(at)))
}

const LONG: Duration = Duration::from_secs(3_600);
const ALL: Page<u64> = Page { after: None, before: None, order: Order::Ascending, limit: 1_000 };

/// As a handler holds it who looked it up before.
fn tenant_of(id: ApplicationId) -> Tenant {
    Tenant { id, token: Token::parse(&"0".repeat(32)).expect("a token") }
}

fn new_application(name: &str) -> NewApplication {
    NewApplication {
        token: Token::fresh().expect("random bits"),
        name: Name::parse(name).expect("a name"),
        key: None,
        access: None,
        created_at: Timestamp::now(),
    }
}

fn pairs(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
    expected.iter().map(|&(at, body)| (at, body.to_owned())).collect()
}
