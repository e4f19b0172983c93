//! What the rows say against their counters, and numbers without a row.

use rusqlite::{OptionalExtension, Transaction, params};

use super::count::count;
use super::look::{greatest, is_there};
use super::row::unsigned;
use crate::domain::{ApplicationId, ChatPlace, Parent};
use crate::store::audit::{Counters, Look, Seen, Wrong};
use crate::store::{AuditPlace, Hole, StoreError};

/// Coming to a parent costs as much as looking at so many rows.
const PARENT_ROWS: usize = 100;

/// Looks at about so many rows.
pub(super) fn look(
    rows: &Transaction<'_>,
    after: Option<AuditPlace>,
    limit: usize,
) -> Result<Seen, StoreError> {
    let mut auditor = Auditor { rows, rows_left: limit, seen: Seen { next: after, ..Seen::default() } };
    loop {
        let look = match auditor.seen.next {
            Some(AuditPlace { look: Some(look), .. }) => Some(look),
            Some(AuditPlace { parent, look: None }) => auditor.next_parent(Some(parent))?,
            None => auditor.next_parent(None)?,
        };
        auditor.seen.next = match look {
            Some(look) => Some(AuditPlace { parent: look.parent, look: auditor.go_on(look)? }),
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
    /// An application comes before its chats. One without chats has nothing to look at.
    fn next_parent(&mut self, after: Option<Parent>) -> Result<Option<Look>, StoreError> {
        let (application, chat) = after.map_or((ApplicationId(0), 0), Parent::place);
        let next = self
            .rows
            .prepare_cached(
                "SELECT application_id, number FROM chats WHERE (application_id, number) > (?1, ?2)
                 ORDER BY application_id, number LIMIT 1",
            )?
            .query_row(params![application, chat.cast_signed()], |row| {
                Ok(ChatPlace { application: row.get(0)?, chat: row.get(1)? })
            })
            .optional()?;
        let Some(next) = next else { return Ok(None) };
        let parent = match next.application == application {
            true => Parent::Chat(next),
            false => Parent::Application(next.application),
        };
        self.rows_left = self.rows_left.saturating_sub(PARENT_ROWS);
        Ok(Some(Look::begin(parent, counters(self.rows, parent)?)))
    }

    /// As far as rows are left to look at, and at least at one; says where the look goes on.
    fn go_on(&mut self, mut look: Look) -> Result<Option<Look>, StoreError> {
        let limit = self.rows_left.max(1);
        if !is_there(self.rows, look.parent)? {
            return Ok(None);
        }
        let looked_at = see(self.rows, &mut look, limit, &mut self.seen.holes)?;
        self.rows_left = self.rows_left.saturating_sub(looked_at);
        if looked_at == limit {
            return Ok(Some(look));
        }
        let (counters, greatest) = (counters(self.rows, look.parent)?, greatest(self.rows, look.parent)?);
        self.seen.compare(look, counters, greatest);
        Ok(None)
    }
}

fn counters(rows: &Transaction<'_>, parent: Parent) -> Result<Counters, StoreError> {
    let read = |row: &rusqlite::Row<'_>| Ok(Counters { there: row.get(0)?, deleted: unsigned(row.get(1)?) });
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

/// Goes on with a look at no more than so many rows; says at how many.
fn see(
    rows: &Transaction<'_>,
    look: &mut Look,
    limit: usize,
    holes: &mut Vec<Hole>,
) -> Result<usize, StoreError> {
    let children = match look.parent {
        Parent::Application(_) => "chats WHERE application_id = ?1 AND ?2 = 0",
        Parent::Chat(_) => "messages WHERE application_id = ?1 AND chat_number = ?2",
    };
    let mut select = rows.prepare_cached(&format!(
        "SELECT number, deleted_at IS NOT NULL FROM {children} AND number > ?3 ORDER BY number LIMIT ?4"
    ))?;
    let (application, chat) = look.parent.place();
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut found = select.query(params![application, chat.cast_signed(), look.last.cast_signed(), limit])?;
    let mut looked_at = 0;
    while let Some(row) = found.next()? {
        look.see(row.get(0)?, row.get(1)?, holes);
        looked_at += 1;
    }
    Ok(looked_at)
}

/// Adds the holes below a parent, until there are [`crate::store::HOLES_LIMIT`].
pub(super) fn add_holes(
    rows: &Transaction<'_>,
    parent: Parent,
    holes: &mut Vec<Hole>,
) -> Result<(), StoreError> {
    see(rows, &mut Look::begin(parent, Counters::default()), usize::MAX, holes)?;
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
