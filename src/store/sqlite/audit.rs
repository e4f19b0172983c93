//! What the rows say against their counters, and numbers without a row.

use rusqlite::{OptionalExtension, Transaction, params};

use super::count::count;
use super::keep::{greatest, is_there};
use super::row::unsigned;
use crate::domain::{ApplicationId, ChatPlace, Number, Parent};
use crate::store::{AuditPlace, HOLES_LIMIT, Hole, Reached, StoreError};

/// Coming to a chat costs as much as looking at so many rows.
const CHAT_ROWS: usize = 100;

/// What one step of the audit saw.
pub(super) struct Seen {
    pub(super) wrong: Vec<Wrong>,
    /// Parents whose count is behind their rows.
    pub(super) behind: Vec<Parent>,
    pub(super) holes: Vec<Hole>,
    pub(super) next: Option<AuditPlace>,
}

/// A parent whose counter of deleted children is off by so many.
pub(super) struct Wrong {
    parent: Parent,
    off_by: i64,
}

/// Looks at about so many rows.
pub(super) fn look(
    rows: &Transaction<'_>,
    after: Option<AuditPlace>,
    limit: usize,
) -> Result<Seen, StoreError> {
    let seen = Seen { wrong: Vec::new(), behind: Vec::new(), holes: Vec::new(), next: after };
    let mut auditor = Auditor { rows, rows_left: limit, seen };
    loop {
        let place = match auditor.seen.next {
            Some(place @ AuditPlace { reached: Reached::Number { .. }, .. }) => Some(place),
            Some(AuditPlace { chat, reached: Reached::End }) => auditor.next_chat(Some(chat))?,
            None => auditor.next_chat(None)?,
        };
        auditor.seen.next = match place {
            Some(place) => Some(auditor.look_at_chat(place)?),
            None => None,
        };
        if auditor.rows_left == 0 || auditor.seen.next.is_none() {
            return Ok(auditor.seen);
        }
    }
}

struct Auditor<'a> {
    rows: &'a Transaction<'a>,
    rows_left: usize,
    seen: Seen,
}

impl Auditor<'_> {
    /// The beginning of the chat after that one; its application is looked at when it comes to its first.
    fn next_chat(&mut self, after: Option<ChatPlace>) -> Result<Option<AuditPlace>, StoreError> {
        let (application, number) = after.map_or((0, 0), |place| (place.application.0, signed(place.chat)));
        let next = self
            .rows
            .prepare_cached(
                "SELECT application_id, number FROM chats WHERE (application_id, number) > (?1, ?2)
                 ORDER BY application_id, number LIMIT 1",
            )?
            .query_row(params![application, number], |row| {
                Ok(ChatPlace { application: row.get(0)?, chat: row.get(1)? })
            })
            .optional()?;
        let Some(chat) = next else { return Ok(None) };
        self.rows_left = self.rows_left.saturating_sub(CHAT_ROWS);
        if after.is_none_or(|last| last.application != chat.application) {
            self.look_at_application(chat.application)?;
        }
        let counted = counted_deleted(self.rows, Parent::Chat(chat))?;
        Ok(Some(AuditPlace { chat, reached: Reached::Number { last: 0, tombstones: 0, counted } }))
    }

    fn look_at_application(&mut self, application: ApplicationId) -> Result<(), StoreError> {
        let parent = Parent::Application(application);
        if !is_there(self.rows, parent)? {
            return Ok(());
        }
        let (chats, tombstones): (i64, i64) = self
            .rows
            .prepare_cached("SELECT count(*), count(deleted_at) FROM chats WHERE application_id = ?1")?
            .query_row([application], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if greatest(self.rows, parent)?.map_or(0, signed) != chats {
            add_holes(self.rows, parent, &mut self.seen.holes)?;
        }
        self.compare(parent, unsigned(tombstones), counted_deleted(self.rows, parent)?)
    }

    /// As far as rows are left to look at, and at least at one.
    fn look_at_chat(&mut self, place: AuditPlace) -> Result<AuditPlace, StoreError> {
        let AuditPlace { chat, reached: Reached::Number { mut last, mut tombstones, counted } } = place
        else {
            return Ok(place);
        };
        let parent = Parent::Chat(chat);
        let end = AuditPlace { chat, reached: Reached::End };
        if !is_there(self.rows, parent)? {
            return Ok(end);
        }
        let limit = self.rows_left.max(1);
        let mut select = self.rows.prepare_cached(
            "SELECT number, deleted_at IS NOT NULL FROM messages
             WHERE application_id = ?1 AND chat_number = ?2 AND number > ?3 ORDER BY number LIMIT ?4",
        )?;
        let after = i64::try_from(last).unwrap_or(i64::MAX);
        let rows_limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut found = select.query(params![chat.application, chat.chat, after, rows_limit])?;
        let mut looked_at = 0;
        while let Some(row) = found.next()? {
            let (number, is_tombstone): (Number, bool) = (row.get(0)?, row.get(1)?);
            if let (Some(first), Some(hole_last)) = (Number::new(last + 1), Number::new(number.get() - 1))
                && first <= hole_last
                && self.seen.holes.len() < HOLES_LIMIT
            {
                self.seen.holes.push(Hole { parent, first, last: hole_last });
            }
            last = number.get();
            tombstones += u64::from(is_tombstone);
            looked_at += 1;
        }
        self.rows_left = self.rows_left.saturating_sub(looked_at);
        if looked_at == limit {
            return Ok(AuditPlace { chat, reached: Reached::Number { last, tombstones, counted } });
        }
        self.compare(parent, tombstones, counted)?;
        Ok(end)
    }

    /// Holds the tombstones that were found against the counter, which was at `counted` when the look began.
    fn compare(&mut self, parent: Parent, tombstones: u64, counted: u64) -> Result<(), StoreError> {
        let deleted = counted_deleted(self.rows, parent)?;
        if deleted == counted && deleted != tombstones {
            self.seen.wrong.push(Wrong { parent, off_by: tombstones.cast_signed() - deleted.cast_signed() });
        }
        let greatest = greatest(self.rows, parent)?.map_or(0, signed);
        if counted_there(self.rows, parent)? != greatest - deleted.cast_signed() {
            self.seen.behind.push(parent);
        }
        Ok(())
    }
}

fn signed(number: Number) -> i64 {
    number.get().cast_signed()
}

fn counted_deleted(rows: &Transaction<'_>, parent: Parent) -> Result<u64, StoreError> {
    let (_there, deleted) = counters(rows, parent)?;
    Ok(unsigned(deleted))
}

fn counted_there(rows: &Transaction<'_>, parent: Parent) -> Result<i64, StoreError> {
    let (there, _deleted) = counters(rows, parent)?;
    Ok(there)
}

fn counters(rows: &Transaction<'_>, parent: Parent) -> Result<(i64, i64), StoreError> {
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let found = match parent {
        Parent::Application(application) => rows
            .prepare_cached(
                "SELECT chats_count, deleted_chats FROM application_counters WHERE application_id = ?1",
            )?
            .query_row([application], read)
            .optional()?,
        Parent::Chat(place) => rows
            .prepare_cached(
                "SELECT messages_count, deleted_messages FROM chat_counters
                 WHERE application_id = ?1 AND number = ?2",
            )?
            .query_row(params![place.application, place.chat], read)
            .optional()?,
    };
    Ok(found.unwrap_or_default())
}

/// Adds the holes below a parent, until there are [`HOLES_LIMIT`].
pub(super) fn add_holes(
    rows: &Transaction<'_>,
    parent: Parent,
    holes: &mut Vec<Hole>,
) -> Result<(), StoreError> {
    let (numbers, chat) = match parent {
        Parent::Application(_) => ("SELECT number FROM chats WHERE application_id = ?1 AND ?2 = 0", 0),
        Parent::Chat(place) => {
            ("SELECT number FROM messages WHERE application_id = ?1 AND chat_number = ?2", signed(place.chat))
        }
    };
    let mut select = rows.prepare_cached(&format!(
        "SELECT number + 1, next - 1 FROM (
             SELECT number, lead(number) OVER (ORDER BY number) AS next
             FROM (SELECT 0 AS number UNION ALL {numbers}))
         WHERE next > number + 1"
    ))?;
    let found = select.query_map(params![parent.application(), chat], |row| {
        Ok(Hole { parent, first: row.get(0)?, last: row.get(1)? })
    })?;
    for hole in found.take(HOLES_LIMIT.saturating_sub(holes.len())) {
        holes.push(hole?);
    }
    Ok(())
}

/// Corrects the counters of a parent by what they are off, so that nothing that was deleted meanwhile is forgotten.
pub(super) fn repair(rows: &Transaction<'_>, wrong: &Wrong) -> Result<(), StoreError> {
    let Wrong { parent, off_by } = *wrong;
    if !is_there(rows, parent)? {
        return Ok(());
    }
    match parent {
        Parent::Application(application) => rows
            .prepare_cached(
                "INSERT INTO application_counters (application_id, deleted_chats) VALUES (?1, ?2)
                 ON CONFLICT DO UPDATE SET deleted_chats = deleted_chats + ?2",
            )?
            .execute(params![application, off_by])?,
        Parent::Chat(place) => rows
            .prepare_cached(
                "INSERT INTO chat_counters (application_id, number, deleted_messages) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET deleted_messages = deleted_messages + ?3",
            )?
            .execute(params![place.application, place.chat, off_by])?,
    };
    count(rows, parent)
}
