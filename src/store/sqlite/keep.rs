//! New rows: one transaction a batch, inserts only.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Transaction, params};

use super::SqliteStore;
use super::keys::{recall, remember_key};
use super::look::{greatest, has_row, high_water, is_there, kept_before};
use super::quotas::Accounts;
use crate::domain::{ChatPlace, Content, DraftId, KeyUse, Number, Numbered, Parent, Timestamp};
use crate::store::{HighWater, Keep, Kept, Made, Range, Recalled, StoreError};

#[async_trait]
impl Keep for SqliteStore {
    async fn recall(&self, uses: &[KeyUse]) -> Result<Vec<Option<Recalled>>, StoreError> {
        let uses = uses.to_vec();
        self.read(move |rows| uses.iter().map(|key| recall(rows, key)).collect()).await
    }

    async fn high_water(&self, parents: &[Parent]) -> Result<Vec<HighWater>, StoreError> {
        let parents = parents.to_vec();
        self.read(move |rows| parents.iter().map(|parent| high_water(rows, *parent)).collect()).await
    }

    async fn keep(&self, batch: Arc<[Numbered]>) -> Result<Vec<Kept>, StoreError> {
        self.write(move |rows| {
            let mut keeper =
                Keeper { rows, parents: HashMap::new(), accounts: Accounts::default(), ranges: Vec::new() };
            let kept = batch.iter().map(|numbered| keeper.keep(numbered)).collect::<Result<_, _>>()?;
            for range in &keeper.ranges {
                add_to_backlog(rows, *range)?;
            }
            keeper.accounts.write(rows)?;
            Ok(kept)
        })
        .await
    }

    async fn bury(&self, numbers: &[(Parent, Number)]) -> Result<(), StoreError> {
        let numbers = numbers.to_vec();
        self.write(move |rows| {
            for (parent, number) in numbers {
                if matches!(high_water(rows, parent)?, HighWater::At(_)) {
                    bury(rows, parent, number, DraftId::fresh())?;
                }
            }
            Ok(())
        })
        .await
    }
}

/// One batch on its way into its transaction.
struct Keeper<'a> {
    rows: &'a Transaction<'a>,
    /// Whether each parent met so far is there.
    parents: HashMap<Parent, bool>,
    accounts: Accounts,
    ranges: Vec<Range>,
}

impl Keeper<'_> {
    fn keep(&mut self, numbered: &Numbered) -> Result<Kept, StoreError> {
        let draft = &numbered.draft;
        if !self.has_parent(draft.parent)? {
            return Ok(Kept::NoParent);
        }
        if let Some(key) = &draft.key
            && let Some(recalled) = recall(self.rows, key)?
        {
            if let Some(before) = self.kept_before(numbered)? {
                return Ok(before);
            }
            bury(self.rows, draft.parent, numbered.number, DraftId::fresh())?;
            return Ok(Kept::Replay(recalled));
        }
        if self.accounts.has(self.rows, draft.parent.application())? {
            return self.keep_within_quota(numbered);
        }
        if self.insert(numbered, numbered.number)? {
            return self.kept_as(numbered, numbered.number);
        }
        if let Some(before) = self.kept_before(numbered)? {
            return Ok(before);
        }
        let free = self.next_free(draft.parent)?;
        self.insert(numbered, free)?;
        self.kept_as(numbered, free)
    }

    /// What is refused leaves a tombstone under its own id, so that it is refused for good.
    fn keep_within_quota(&mut self, numbered: &Numbered) -> Result<Kept, StoreError> {
        let Numbered { draft, number } = numbered;
        if let Some(before) = self.kept_before(numbered)? {
            return Ok(before);
        }
        let is_taken = has_row(self.rows, draft.parent, *number)?;
        let place = if is_taken { self.next_free(draft.parent)? } else { *number };
        if !self.accounts.admit(draft, place) {
            bury(self.rows, draft.parent, *number, draft.id)?;
            return Ok(Kept::OverQuota);
        }
        self.insert(numbered, place)?;
        self.kept_as(numbered, place)
    }

    fn next_free(&self, parent: Parent) -> Result<Number, StoreError> {
        Ok(greatest(self.rows, parent)?.map_or(Number::FIRST, Number::next))
    }

    fn has_parent(&mut self, parent: Parent) -> Result<bool, StoreError> {
        if let Some(known) = self.parents.get(&parent) {
            return Ok(*known);
        }
        let found = is_there(self.rows, parent)?;
        self.parents.insert(parent, found);
        Ok(found)
    }

    /// Where this draft was kept before, if it was; a surplus number becomes a tombstone.
    fn kept_before(&self, numbered: &Numbered) -> Result<Option<Kept>, StoreError> {
        let draft = &numbered.draft;
        let Some((number, refused)) = kept_before(self.rows, draft.parent, draft.id)? else {
            return Ok(None);
        };
        if number != numbered.number {
            bury(self.rows, draft.parent, numbered.number, DraftId::fresh())?;
        }
        Ok(Some(if refused { Kept::OverQuota } else { Kept::Before(number) }))
    }

    /// Whether the row went in; not when the number or the draft has a row already.
    fn insert(&self, numbered: &Numbered, number: Number) -> Result<bool, StoreError> {
        let draft = &numbered.draft;
        let inserted = match (draft.parent, &draft.content) {
            (Parent::Application(application), Content::Chat) => self
                .rows
                .prepare_cached(
                    "INSERT INTO chats (application_id, number, id, created_at, updated_at)
                     VALUES (?1, ?2, ?3, ?4, ?4) ON CONFLICT DO NOTHING",
                )?
                .execute(params![application, number, draft.id, draft.created_at])?,
            (Parent::Chat(place), Content::Message(body)) => self
                .rows
                .prepare_cached(
                    "INSERT INTO messages
                         (application_id, chat_number, number, id, body, version, created_at, updated_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?6) ON CONFLICT DO NOTHING",
                )?
                .execute(params![
                    place.application,
                    place.chat,
                    number,
                    draft.id,
                    body.as_str(),
                    draft.created_at
                ])?,
            (Parent::Application(_), Content::Message(_)) | (Parent::Chat(_), Content::Chat) => {
                return Err(StoreError::Broken("a draft under a parent of the wrong kind".into()));
            }
        };
        Ok(inserted == 1)
    }

    fn kept_as(&mut self, numbered: &Numbered, number: Number) -> Result<Kept, StoreError> {
        if let Some(key) = &numbered.draft.key {
            remember_key(self.rows, key, &Made::Numbered(number), numbered.draft.created_at)?;
        }
        if let Parent::Chat(chat) = numbered.draft.parent {
            self.extend_range(chat, number);
        }
        Ok(Kept::As(number))
    }

    /// Joins a number to its chat's last range where it follows it.
    fn extend_range(&mut self, chat: ChatPlace, number: Number) {
        match self.ranges.iter_mut().rev().take(RANGES_LOOKED_BACK).find(|range| range.chat == chat) {
            Some(range) if range.last.next() == number => range.last = number,
            _ => self.ranges.push(Range { chat, first: number, last: number }),
        }
    }
}

/// A batch that mixes more chats than this gets shorter ranges, not wrong ones.
const RANGES_LOOKED_BACK: usize = 64;

/// Closes a number with a tombstone, unless it has a row.
fn bury(rows: &Transaction<'_>, parent: Parent, number: Number, id: DraftId) -> Result<(), StoreError> {
    let now = Timestamp::now();
    let buried = match parent {
        Parent::Application(application) => rows
            .prepare_cached(
                "INSERT INTO chats (application_id, number, id, created_at, updated_at, deleted_at)
                 VALUES (?1, ?2, ?3, ?4, ?4, ?4) ON CONFLICT DO NOTHING",
            )?
            .execute(params![application, number, id, now])?,
        Parent::Chat(place) => rows
            .prepare_cached(
                "INSERT INTO messages
                     (application_id, chat_number, number, id, body, version, created_at, updated_at, deleted_at)
                 VALUES (?1, ?2, ?3, ?4, '', 1, ?5, ?5, ?5) ON CONFLICT DO NOTHING",
            )?
            .execute(params![place.application, place.chat, number, id, now])?,
    };
    if buried == 1 {
        count_one_deleted(rows, parent)?;
    }
    Ok(())
}

/// Count and deleted together stay the greatest number counted, so that after a crash only what was kept is to be
/// counted. What is deleted before it was counted takes the count below zero until then, which reads as none.
pub(super) fn count_one_deleted(rows: &Transaction<'_>, parent: Parent) -> Result<(), StoreError> {
    match parent {
        Parent::Application(application) => rows
            .prepare_cached(
                "INSERT INTO application_counters (application_id, chats_count, deleted_chats) VALUES (?1, -1, 1)
                 ON CONFLICT DO UPDATE SET chats_count = chats_count - 1, deleted_chats = deleted_chats + 1",
            )?
            .execute([application])?,
        Parent::Chat(place) => rows
            .prepare_cached(
                "INSERT INTO chat_counters (application_id, number, messages_count, deleted_messages)
                 VALUES (?1, ?2, -1, 1)
                 ON CONFLICT DO UPDATE
                 SET messages_count = messages_count - 1, deleted_messages = deleted_messages + 1",
            )?
            .execute(params![place.application, place.chat])?,
    };
    Ok(())
}

pub(super) fn add_to_backlog(rows: &Transaction<'_>, range: Range) -> Result<(), StoreError> {
    rows.prepare_cached(
        "INSERT INTO search_backlog (application_id, chat_number, first_number, last_number, kind)
         VALUES (?1, ?2, ?3, ?4, 'index')",
    )?
    .execute(params![range.chat.application, range.chat.chat, range.first, range.last])?;
    Ok(())
}
