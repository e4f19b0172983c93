//! What the search index has yet to learn.

use async_trait::async_trait;
use rusqlite::{Row as SqlRow, Transaction, params};

use super::SqliteStore;
use super::look::is_there;
use super::row::unsigned;
use crate::domain::{ApplicationId, Body, ChatPlace, MessagePlace, Number, Parent, Timestamp};
use crate::store::backlog::{in_turn, share};
use crate::store::{
    Backlog, Claim, ClaimId, PAGE_LIMIT_BYTES, Range, Row, RowsOf, StoreError, TURN_APPLICATIONS, Task,
};

#[async_trait]
impl Backlog for SqliteStore {
    async fn claim(
        &self,
        after: Option<ApplicationId>,
        limit: u64,
        until: Timestamp,
    ) -> Result<Vec<Claim>, StoreError> {
        // Looking first spares the writer, and every idle look at an empty backlog.
        if self.read(|rows| Ok(rows.prepare_cached("SELECT 1 FROM search_backlog")?.exists([])?)).await? {
            return self.write(move |rows| claim(rows, after, limit, until)).await;
        }
        Ok(Vec::new())
    }

    async fn rows(&self, ranges: &[Range]) -> Result<RowsOf, StoreError> {
        let ranges = ranges.to_vec();
        self.read(move |rows| rows_of(rows, &ranges)).await
    }

    async fn release(&self, claims: &[Claim]) -> Result<(), StoreError> {
        let claims = claims.to_vec();
        self.write(move |rows| {
            let mut free = rows.prepare_cached(
                "UPDATE search_backlog SET claimed_until = NULL, first_number = coalesce(?2, first_number) WHERE id = ?1",
            )?;
            for Claim { id, task } in claims {
                let first = match task {
                    Task::Index(range) => Some(range.first),
                    Task::Forget(_) => None,
                };
                free.execute(params![id.0, first])?;
            }
            Ok(())
        })
        .await
    }

    async fn finish(&self, claims: &[ClaimId]) -> Result<(), StoreError> {
        let claims = claims.to_vec();
        self.write(move |rows| {
            let mut delete = rows.prepare_cached("DELETE FROM search_backlog WHERE id = ?1")?;
            for ClaimId(id) in claims {
                delete.execute([id])?;
            }
            Ok(())
        })
        .await
    }

    async fn walk(&self, after: Option<MessagePlace>, limit: usize) -> Result<Vec<Row>, StoreError> {
        self.read(move |rows| walk(rows, after, limit)).await
    }

    async fn known_index(&self) -> Result<Option<String>, StoreError> {
        self.read(|rows| Ok(rows.query_row("SELECT search_index FROM followers", [], |row| row.get(0))?))
            .await
    }

    async fn remember_index(&self, index: &str) -> Result<(), StoreError> {
        let index = index.to_owned();
        self.write(move |rows| {
            rows.execute("UPDATE followers SET search_index = ?1", [index])?;
            Ok(())
        })
        .await
    }
}

fn claim(
    rows: &Transaction<'_>,
    after: Option<ApplicationId>,
    limit: u64,
    until: Timestamp,
) -> Result<Vec<Claim>, StoreError> {
    let applications = applications_in_turn(rows, after)?;
    let share = i64::try_from(share(limit, applications.len())).unwrap_or(i64::MAX);
    let now = Timestamp::now();
    let mut select = rows.prepare_cached(
        "SELECT id, application_id, chat_number, first_number, last_number, kind FROM search_backlog
         WHERE application_id = ?1 AND (claimed_until IS NULL OR claimed_until < ?2) ORDER BY id LIMIT ?3",
    )?;
    let mut offered = Vec::with_capacity(applications.len());
    for application in applications {
        let found = select.query_map(params![application, now, share], read_claim)?;
        offered.push(found.collect::<Result<Vec<Claim>, _>>()?);
    }
    let claims = in_turn(offered, limit);
    let mut update = rows.prepare_cached("UPDATE search_backlog SET claimed_until = ?2 WHERE id = ?1")?;
    for claim in &claims {
        update.execute(params![claim.id.0, until])?;
    }
    Ok(claims)
}

/// Those with entries: first those behind that one. A step of the index each, however many entries they have.
fn applications_in_turn(
    rows: &Transaction<'_>,
    after: Option<ApplicationId>,
) -> Result<Vec<ApplicationId>, StoreError> {
    let mut select = rows.prepare_cached(
        "WITH RECURSIVE turn (id) AS (
             SELECT min(application_id) FROM search_backlog WHERE application_id > ?1
             UNION ALL
             SELECT (SELECT min(application_id) FROM search_backlog WHERE application_id > turn.id)
             FROM turn WHERE turn.id IS NOT NULL
         )
         SELECT id FROM turn WHERE id IS NOT NULL AND id <= ?2 LIMIT ?3",
    )?;
    let after = after.map_or(0, |application| application.0);
    let mut applications = Vec::new();
    for (behind, through) in [(after, i64::MAX), (0, after)] {
        let places = i64::try_from(TURN_APPLICATIONS - applications.len()).unwrap_or(0);
        let found = select.query_map(params![behind, through, places], |row| row.get(0))?;
        applications.extend(found.collect::<Result<Vec<ApplicationId>, _>>()?);
    }
    Ok(applications)
}

fn read_claim(row: &SqlRow<'_>) -> rusqlite::Result<Claim> {
    let application = ApplicationId(row.get(1)?);
    let chat = Number::new(unsigned(row.get(2)?));
    let task = match (row.get_ref(5)?.as_str().unwrap_or_default(), chat) {
        ("index", Some(chat)) => Task::Index(Range {
            chat: ChatPlace { application, chat },
            first: row.get(3)?,
            last: row.get(4)?,
        }),
        (_, Some(chat)) => Task::Forget(Parent::Chat(ChatPlace { application, chat })),
        (_, None) => Task::Forget(Parent::Application(application)),
    };
    Ok(Claim { id: ClaimId(row.get(0)?), task })
}

fn rows_of(rows: &Transaction<'_>, ranges: &[Range]) -> Result<RowsOf, StoreError> {
    let mut found = Vec::new();
    let mut bytes = 0;
    for (index, range) in ranges.iter().enumerate() {
        if !is_there(rows, Parent::Chat(range.chat))? {
            continue;
        }
        let mut select = rows.prepare_cached(
            "SELECT application_id, chat_number, number, version, body, deleted_at IS NOT NULL FROM messages
             WHERE application_id = ?1 AND chat_number = ?2 AND number BETWEEN ?3 AND ?4 ORDER BY number",
        )?;
        let mut selected =
            select.query(params![range.chat.application, range.chat.chat, range.first, range.last])?;
        while let Some(row) = selected.next()? {
            let row = read_row(row)?;
            if bytes >= PAGE_LIMIT_BYTES {
                let rest = Range { first: row.place.number, ..*range };
                let later = ranges.iter().skip(index + 1).copied();
                return Ok(RowsOf { rows: found, rest: std::iter::once(rest).chain(later).collect() });
            }
            bytes += row.body.as_ref().map_or(0, |body| body.as_str().len());
            found.push(row);
        }
    }
    Ok(RowsOf { rows: found, rest: Vec::new() })
}

fn walk(rows: &Transaction<'_>, after: Option<MessagePlace>, limit: usize) -> Result<Vec<Row>, StoreError> {
    let start = after.map_or((0, 0, 0), |place| {
        let signed = |number: Number| i64::try_from(number.get()).unwrap_or(i64::MAX);
        (place.chat.application.0, signed(place.chat.chat), signed(place.number))
    });
    let mut select = rows.prepare_cached(
        "SELECT application_id, chat_number, number, version, body, 0 FROM messages
         WHERE (application_id, chat_number, number) > (?1, ?2, ?3) AND deleted_at IS NULL
           AND EXISTS (
               SELECT 1 FROM chats JOIN applications ON applications.id = chats.application_id
               WHERE chats.application_id = messages.application_id AND chats.number = messages.chat_number
                 AND chats.deleted_at IS NULL AND applications.deleted_at IS NULL)
         ORDER BY application_id, chat_number, number",
    )?;
    let mut selected = select.query(params![start.0, start.1, start.2])?;
    let mut found = Vec::new();
    let mut bytes = 0;
    while let Some(row) = selected.next()? {
        let row = read_row(row)?;
        bytes += row.body.as_ref().map_or(0, |body| body.as_str().len());
        found.push(row);
        if found.len() >= limit || bytes >= PAGE_LIMIT_BYTES {
            break;
        }
    }
    Ok(found)
}

/// `application_id, chat_number, number, version, body, deleted`
fn read_row(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    let chat = ChatPlace { application: row.get(0)?, chat: row.get(1)? };
    let deleted: bool = row.get(5)?;
    let body = if deleted { None } else { Some(Body::kept(row.get_ref(4)?.as_str()?)) };
    Ok(Row { place: MessagePlace { chat, number: row.get(2)? }, version: unsigned(row.get(3)?), body })
}
