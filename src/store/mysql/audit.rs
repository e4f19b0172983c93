//! What the rows say against their counters, and numbers without a row. Nothing is locked by looking.

use super::keep::live;
use super::row::Fault;
use super::sql::{children_of, fill, greatest_of};
use super::{next_rows, select};
use crate::connections::Session;
use crate::domain::{ApplicationId, ChatPlace, Number, Parent};
use crate::store::audit::{Counters, Look, Seen, Wrong};
use crate::store::{AuditPlace, HOLES_LIMIT, Hole};

/// Coming to a parent costs as much as looking at so many rows.
const PARENT_ROWS: usize = 100;
/// Numbers read in one round trip where all of a parent's are looked at.
const PORTION_ROWS: usize = 20_000;

pub(super) struct Auditor<'a> {
    session: &'a mut Session,
    rows_left: usize,
    seen: Seen,
}

impl<'a> Auditor<'a> {
    /// Looks at about so many rows.
    pub(super) async fn look(
        session: &'a mut Session,
        after: Option<AuditPlace>,
        limit: usize,
    ) -> Result<Seen, Fault> {
        let mut auditor = Self { session, rows_left: limit, seen: Seen { next: after, ..Seen::default() } };
        loop {
            let look = match auditor.seen.next {
                Some(AuditPlace { look: Some(look), .. }) => Some(look),
                Some(AuditPlace { parent, look: None }) => auditor.next_parent(Some(parent)).await?,
                None => auditor.next_parent(None).await?,
            };
            auditor.seen.next = match look {
                Some(look) => Some(AuditPlace { parent: look.parent, look: auditor.go_on(look).await? }),
                None => None,
            };
            if auditor.rows_left == 0 || auditor.seen.next.is_none() {
                return Ok(auditor.seen);
            }
        }
    }

    /// An application comes before its chats. One without chats has nothing to look at.
    async fn next_parent(&mut self, after: Option<Parent>) -> Result<Option<Look>, Fault> {
        let (application, chat) = after.map_or((ApplicationId(0), 0), Parent::place);
        let ask = fill(
            "SELECT application_id, number FROM chats FORCE INDEX (PRIMARY)
             WHERE (application_id = ? AND number > ?) OR application_id > ?
             ORDER BY application_id, number LIMIT 1",
            &[&application, &chat, &application],
        );
        let Some(mut next) = select(self.session, &ask).await?.pop() else { return Ok(None) };
        let next = ChatPlace { application: next.take()?, chat: next.take()? };
        let parent = match next.application == application {
            true => Parent::Chat(next),
            false => Parent::Application(next.application),
        };
        self.rows_left = self.rows_left.saturating_sub(PARENT_ROWS);
        let (counters, _greatest) = self.known(parent).await?;
        Ok(Some(Look::begin(parent, counters)))
    }

    /// As far as rows are left to look at, and at least at one; says where the look goes on.
    async fn go_on(&mut self, mut look: Look) -> Result<Option<Look>, Fault> {
        let limit = self.rows_left.max(1);
        if live(self.session, &[look.parent]).await?.is_empty() {
            return Ok(None);
        }
        let looked_at = see(self.session, &mut look, limit, &mut self.seen.holes).await?;
        self.rows_left = self.rows_left.saturating_sub(looked_at);
        if looked_at == limit {
            return Ok(Some(look));
        }
        let (counters, greatest) = self.known(look.parent).await?;
        self.seen.compare(look, counters, greatest);
        Ok(None)
    }

    /// The counters of a parent, and its greatest number.
    async fn known(&mut self, parent: Parent) -> Result<(Counters, Option<Number>), Fault> {
        let counters = match parent {
            Parent::Application(application) => fill(
                "SELECT chats_count, deleted_chats FROM application_counters WHERE application_id = ?; ",
                &[&application],
            ),
            Parent::Chat(ChatPlace { application, chat }) => fill(
                "SELECT messages_count, deleted_messages FROM chat_counters
                 WHERE application_id = ? AND number = ?; ",
                &[&application, &chat],
            ),
        };
        let mut answers = self.session.run(&(counters + &greatest_of(parent))).await?.into_iter();
        let counters = match next_rows(&mut answers)?.pop() {
            Some(mut row) => Counters { there: row.take()?, deleted: row.take()? },
            None => Counters::default(),
        };
        let greatest = next_rows(&mut answers)?.pop().map(|mut row| row.take()).transpose()?;
        Ok((counters, greatest.flatten()))
    }
}

/// Goes on with a look at no more than so many rows; says at how many.
async fn see(
    session: &mut Session,
    look: &mut Look,
    limit: usize,
    holes: &mut Vec<Hole>,
) -> Result<usize, Fault> {
    let children = children_of(look.parent);
    let ask = format!(
        "SELECT number, deleted_at IS NOT NULL FROM {children} AND number > ? ORDER BY number LIMIT ?"
    );
    let rows = select(session, &fill(&ask, &[&look.last, &limit])).await?;
    let looked_at = rows.len();
    for mut row in rows {
        look.see(row.take()?, row.take()?, holes);
    }
    Ok(looked_at)
}

/// Adds the holes below a parent, until there are [`HOLES_LIMIT`].
pub(super) async fn gaps(session: &mut Session, parent: Parent, holes: &mut Vec<Hole>) -> Result<(), Fault> {
    let mut look = Look::begin(parent, Counters::default());
    while see(session, &mut look, PORTION_ROWS, holes).await? == PORTION_ROWS && holes.len() < HOLES_LIMIT {}
    Ok(())
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
