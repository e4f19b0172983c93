//! What the rows say against their counters, and numbers without a row. Nothing is locked by looking.

use super::keep::greatest;
use super::row::Fault;
use super::sql::{children_of, fill};
use super::{next_rows, select};
use crate::connections::{Answer, Session};
use crate::domain::{ApplicationId, ChatPlace, Number, Parent};
use crate::store::{AuditPlace, HOLES_LIMIT, Hole, Reached};

/// Coming to a chat costs as much as looking at so many rows.
const CHAT_ROWS: usize = 100;
/// Numbers read in one round trip where all of a parent's are looked at.
const PORTION_ROWS: usize = 20_000;

/// What one step of the audit saw.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) wrong: Vec<Wrong>,
    /// Parents whose count is behind their rows.
    pub(super) behind: Vec<Parent>,
    pub(super) holes: Vec<Hole>,
    pub(super) next: Option<AuditPlace>,
}

/// A parent whose counter of deleted children is off by so many.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) parent: Parent,
    off_by: i64,
}

pub(super) struct Auditor<'a> {
    session: &'a mut Session,
    rows_left: usize,
    seen: Seen,
}

/// Counters of a parent; none while it has no row of them.
#[derive(Debug, Clone, Copy, Default)]
struct Counters {
    there: i64,
    deleted: u64,
}

impl<'a> Auditor<'a> {
    /// Looks at about so many rows.
    pub(super) async fn look(
        session: &'a mut Session,
        after: Option<AuditPlace>,
        limit: usize,
    ) -> Result<Seen, Fault> {
        let seen = Seen { wrong: Vec::new(), behind: Vec::new(), holes: Vec::new(), next: after };
        let mut auditor = Self { session, rows_left: limit, seen };
        loop {
            let place = match auditor.seen.next {
                Some(place @ AuditPlace { reached: Reached::Number { .. }, .. }) => Some(place),
                Some(AuditPlace { chat, reached: Reached::End }) => auditor.next_chat(Some(chat)).await?,
                None => auditor.next_chat(None).await?,
            };
            auditor.seen.next = match place {
                Some(place) => Some(auditor.look_at_chat(place).await?),
                None => None,
            };
            if auditor.rows_left == 0 || auditor.seen.next.is_none() {
                return Ok(auditor.seen);
            }
        }
    }

    /// The beginning of the chat after that one; its application is looked at when it comes to its first.
    async fn next_chat(&mut self, after: Option<ChatPlace>) -> Result<Option<AuditPlace>, Fault> {
        let behind = after.map_or_else(
            || "TRUE".to_owned(),
            |ChatPlace { application, chat }| {
                fill(
                    "((application_id = ? AND number > ?) OR application_id > ?)",
                    &[&application, &chat, &application],
                )
            },
        );
        let ask = format!(
            "SELECT application_id, number FROM chats FORCE INDEX (PRIMARY) WHERE {behind}
             ORDER BY application_id, number LIMIT 1"
        );
        let Some(mut next) = select(self.session, &ask).await?.pop() else { return Ok(None) };
        let chat = ChatPlace { application: next.take()?, chat: next.take()? };
        self.rows_left = self.rows_left.saturating_sub(CHAT_ROWS);
        if after.is_none_or(|last| last.application != chat.application) {
            self.look_at_application(chat.application).await?;
        }
        let counted = self.counters(Parent::Chat(chat)).await?.deleted;
        Ok(Some(AuditPlace { chat, reached: Reached::Number { last: 0, tombstones: 0, counted } }))
    }

    async fn look_at_application(&mut self, application: ApplicationId) -> Result<(), Fault> {
        let parent = Parent::Application(application);
        let counted = self.counters(parent).await?.deleted;
        let ask = fill(
            "SELECT 1 FROM applications WHERE id = ? AND deleted_at IS NULL;
             SELECT COUNT(*), COUNT(deleted_at), COALESCE(MAX(number), 0) FROM chats WHERE application_id = ?",
            &[&application, &application],
        );
        let mut answers = self.session.run(&ask).await?.into_iter();
        let is_there = !next_rows(&mut answers)?.is_empty();
        let Some(mut row) = next_rows(&mut answers)?.pop().filter(|_row| is_there) else { return Ok(()) };
        let (chats, tombstones, greatest): (u64, u64, u64) = (row.take()?, row.take()?, row.take()?);
        if greatest != chats {
            gaps(self.session, parent, &mut self.seen.holes).await?;
        }
        self.compare(parent, tombstones, counted).await
    }

    /// As far as rows are left to look at, and at least at one.
    async fn look_at_chat(&mut self, place: AuditPlace) -> Result<AuditPlace, Fault> {
        let AuditPlace { chat, reached: Reached::Number { mut last, mut tombstones, counted } } = place
        else {
            return Ok(place);
        };
        let parent = Parent::Chat(chat);
        let end = AuditPlace { chat, reached: Reached::End };
        let limit = self.rows_left.max(1);
        let ask = fill(
            "SELECT 1 FROM chats c JOIN applications a ON a.id = c.application_id
             WHERE c.application_id = ? AND c.number = ? AND c.deleted_at IS NULL AND a.deleted_at IS NULL; ",
            &[&chat.application, &chat.chat],
        ) + &numbers_after(parent, last, limit);
        let mut answers = self.session.run(&ask).await?.into_iter();
        if next_rows(&mut answers)?.is_empty() {
            return Ok(end);
        }
        let looked_at = see_numbers(&mut answers, parent, &mut last, &mut tombstones, &mut self.seen.holes)?;
        self.rows_left = self.rows_left.saturating_sub(looked_at);
        if looked_at == limit {
            return Ok(AuditPlace { chat, reached: Reached::Number { last, tombstones, counted } });
        }
        self.compare(parent, tombstones, counted).await?;
        Ok(end)
    }

    /// Holds the tombstones that were found against the counter, which was at `counted` when the look began.
    async fn compare(&mut self, parent: Parent, tombstones: u64, counted: u64) -> Result<(), Fault> {
        let greatest = greatest(self.session, &[parent]).await?.pop().flatten().map_or(0, Number::get);
        let Counters { there, deleted } = self.counters(parent).await?;
        if deleted == counted && deleted != tombstones {
            let off_by = tombstones.cast_signed() - deleted.cast_signed();
            self.seen.wrong.push(Wrong { parent, off_by });
        }
        if there != greatest.cast_signed() - deleted.cast_signed() {
            self.seen.behind.push(parent);
        }
        Ok(())
    }

    async fn counters(&mut self, parent: Parent) -> Result<Counters, Fault> {
        let ask = match parent {
            Parent::Application(application) => fill(
                "SELECT chats_count, deleted_chats FROM application_counters WHERE application_id = ?",
                &[&application],
            ),
            Parent::Chat(ChatPlace { application, chat }) => fill(
                "SELECT messages_count, deleted_messages FROM chat_counters
                 WHERE application_id = ? AND number = ?",
                &[&application, &chat],
            ),
        };
        let Some(mut row) = select(self.session, &ask).await?.pop() else { return Ok(Counters::default()) };
        Ok(Counters { there: row.take()?, deleted: row.take()? })
    }
}

/// The next numbers of a parent, and which of them are tombstones. See [`see_numbers`].
fn numbers_after(parent: Parent, last: u64, limit: usize) -> String {
    let children = children_of(parent);
    let ask = format!(
        "SELECT number, deleted_at IS NOT NULL FROM {children} AND number > ? ORDER BY number LIMIT ?"
    );
    fill(&ask, &[&last, &limit])
}

/// Reads on from the number `last`; says at how many rows it looked.
fn see_numbers(
    answers: &mut impl Iterator<Item = Answer>,
    parent: Parent,
    last: &mut u64,
    tombstones: &mut u64,
    holes: &mut Vec<Hole>,
) -> Result<usize, Fault> {
    let rows = next_rows(answers)?;
    let looked_at = rows.len();
    for mut row in rows {
        let (number, is_tombstone): (Number, bool) = (row.take()?, row.take()?);
        if let (Some(first), Some(hole_last)) = (Number::new(*last + 1), Number::new(number.get() - 1))
            && first <= hole_last
            && holes.len() < HOLES_LIMIT
        {
            holes.push(Hole { parent, first, last: hole_last });
        }
        *last = number.get();
        *tombstones += u64::from(is_tombstone);
    }
    Ok(looked_at)
}

/// Adds the holes below a parent, until there are [`HOLES_LIMIT`].
pub(super) async fn gaps(session: &mut Session, parent: Parent, holes: &mut Vec<Hole>) -> Result<(), Fault> {
    let (mut last, mut tombstones) = (0, 0);
    loop {
        let mut answers = session.run(&numbers_after(parent, last, PORTION_ROWS)).await?.into_iter();
        let looked_at = see_numbers(&mut answers, parent, &mut last, &mut tombstones, holes)?;
        if looked_at < PORTION_ROWS || holes.len() >= HOLES_LIMIT {
            return Ok(());
        }
    }
}

/// Corrects the counter of deleted children by what it is off, so that nothing that was deleted meanwhile is
/// forgotten. The counters of a parent that is gone are gone, or will be.
pub(super) fn repair(wrong: &Wrong) -> String {
    let Wrong { parent, off_by } = *wrong;
    match parent {
        Parent::Application(application) => fill(
            "INSERT INTO application_counters (application_id, deleted_chats) VALUES (?, ?)
             ON DUPLICATE KEY UPDATE deleted_chats = deleted_chats + VALUES(deleted_chats); ",
            &[&application, &off_by],
        ),
        Parent::Chat(ChatPlace { application, chat }) => fill(
            "INSERT INTO chat_counters (application_id, number, deleted_messages) VALUES (?, ?, ?)
             ON DUPLICATE KEY UPDATE deleted_messages = deleted_messages + VALUES(deleted_messages); ",
            &[&application, &chat, &off_by],
        ),
    }
}
