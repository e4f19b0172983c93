//! What the search index has yet to learn. An entry is claimed by a moment on the server's clock: no lock outlives
//! the call, writers add beside claimers, and claimers pass each other.

use std::ops::ControlFlow;
use std::sync::Arc;

use async_trait::async_trait;

use super::row::{Columns, Fault};
use super::sql::{fill, one_of};
use super::{MysqlStore, NOW, commit, next_rows, select};
use crate::connections::Session;
use crate::domain::{ApplicationId, ChatPlace, MessagePlace, Number, Parent, Timestamp};
use crate::store::backlog::{in_turn, share};
use crate::store::{
    Backlog, Claim, ClaimId, PAGE_LIMIT_BYTES, Range, Row, RowsOf, StoreError, TURN_APPLICATIONS, Task,
};

/// Entries of one application that one claimer looks at; others pass them in that moment.
const LOOK_ENTRIES: u64 = 1_000;
/// Ranges asked for in one round trip.
const ASK_RANGES: usize = 200;

#[async_trait]
impl Backlog for MysqlStore {
    async fn claim(
        &self,
        after: Option<ApplicationId>,
        limit: u64,
        until: Timestamp,
    ) -> Result<Vec<Claim>, StoreError> {
        // Looking first spares the locks, and every idle look at an empty backlog.
        let look = format!("SELECT 1 FROM search_backlog WHERE claimed_until < {NOW} LIMIT 1");
        let found = self.read(move |session| Box::pin(async move { select(session, &look).await }));
        if found.await?.is_empty() {
            return Ok(Vec::new());
        }
        self.write(move |session, _tried| Box::pin(async move { claim(session, after, limit, until).await }))
            .await
    }

    async fn rows(&self, ranges: &[Range]) -> Result<RowsOf, StoreError> {
        let ranges: Arc<[Range]> = ranges.into();
        self.read(move |session| Box::pin(async move { rows_of(session, &ranges).await })).await
    }

    async fn release(&self, claims: &[Claim]) -> Result<(), StoreError> {
        let ids: Vec<ClaimId> = claims.iter().map(|claim| claim.id).collect();
        let firsts: String = claims.iter().filter_map(first_of).collect();
        let first = if firsts.is_empty() {
            "first_number".to_owned()
        } else {
            format!("CASE id {firsts} ELSE first_number END")
        };
        let claims = one_of("id", &ids);
        self.change(format!(
            "UPDATE search_backlog SET claimed_until = 0, first_number = {first} WHERE {claims}"
        ))
        .await
    }

    async fn finish(&self, claims: &[ClaimId]) -> Result<(), StoreError> {
        let claims = one_of("id", claims);
        self.change(format!("DELETE FROM search_backlog WHERE {claims}")).await
    }

    async fn walk(&self, after: Option<MessagePlace>, limit: usize) -> Result<Vec<Row>, StoreError> {
        self.read(move |session| Box::pin(async move { walk(session, after, limit).await })).await
    }

    async fn known_index(&self) -> Result<Option<String>, StoreError> {
        self.read(|session| {
            Box::pin(async move {
                let found = select(session, "SELECT search_index FROM followers").await?.pop();
                Ok(found.map(|mut row| row.take()).transpose()?.flatten())
            })
        })
        .await
    }

    async fn remember_index(&self, index: &str) -> Result<(), StoreError> {
        self.change(fill("UPDATE followers SET search_index = ?", &[&index])).await
    }
}

/// Where what is given back begins.
fn first_of(claim: &Claim) -> Option<String> {
    match claim.task {
        Task::Index(range) => Some(fill(" WHEN ? THEN ?", &[&claim.id, &range.first])),
        Task::Forget(_) => None,
    }
}

/// The caller's span, from the server's now: clocks that are apart do not shorten it.
async fn claim(
    session: &mut Session,
    after: Option<ApplicationId>,
    limit: u64,
    until: Timestamp,
) -> Result<Vec<Claim>, Fault> {
    let span_micros = until.micros() - Timestamp::now().micros();
    let applications = applications_in_turn(session, after).await?;
    let offer = share(limit, applications.len()).min(LOOK_ENTRIES);
    let mut look = String::from("START TRANSACTION");
    for application in &applications {
        look.push_str(&fill(
            &format!(
                "; SELECT id, application_id, chat_number, first_number, last_number, kind FROM search_backlog
                 FORCE INDEX (search_backlog_by_application)
                 WHERE application_id = ? AND claimed_until < {NOW} ORDER BY id LIMIT ? FOR UPDATE SKIP LOCKED"
            ),
            &[application, &offer],
        ));
    }
    let mut answers = session.run(&look).await?.into_iter().skip(1);
    let mut offered = Vec::with_capacity(applications.len());
    for _application in &applications {
        let found = next_rows(&mut answers)?;
        offered.push(found.into_iter().map(|mut row| read_claim(&mut row)).collect::<Result<_, _>>()?);
    }
    let claims = in_turn(offered, limit);
    let ids: Vec<ClaimId> = claims.iter().map(|claim| claim.id).collect();
    let take = fill(&format!("UPDATE search_backlog SET claimed_until = {NOW} + ? WHERE "), &[&span_micros]);
    commit(session, &format!("{take}{}; COMMIT", one_of("id", &ids))).await?;
    Ok(claims)
}

/// Those with entries: first those behind that one. A step of the index each, however many entries they have.
async fn applications_in_turn(
    session: &mut Session,
    after: Option<ApplicationId>,
) -> Result<Vec<ApplicationId>, Fault> {
    let after = after.map_or(0, |application| application.0);
    let ask = [(after, i64::MAX), (0, after)].map(|(behind, through)| {
        fill(
            "WITH RECURSIVE turn (id, place) AS (
                 SELECT (SELECT MIN(application_id) FROM search_backlog WHERE application_id > ?), 1
                 UNION ALL
                 SELECT (SELECT MIN(b.application_id) FROM search_backlog b WHERE b.application_id > turn.id), place + 1
                 FROM turn WHERE turn.id IS NOT NULL AND place < ?
             )
             SELECT id FROM turn WHERE id IS NOT NULL AND id <= ?",
            &[&ApplicationId(behind), &TURN_APPLICATIONS, &ApplicationId(through)],
        )
    });
    let mut answers = session.run(&ask.join(";")).await?.into_iter();
    let mut applications: Vec<ApplicationId> = Vec::new();
    for _half in ask {
        for mut row in next_rows(&mut answers)? {
            applications.push(row.take()?);
        }
    }
    applications.truncate(TURN_APPLICATIONS);
    Ok(applications)
}

/// `id, application_id, chat_number, first_number, last_number, kind`
fn read_claim(row: &mut Columns) -> Result<Claim, Fault> {
    let id = ClaimId(row.take()?);
    let application: ApplicationId = row.take()?;
    let chat = Number::new(row.take()?);
    let (first, last): (u64, u64) = (row.take()?, row.take()?);
    let kind: String = row.take()?;
    let task = match (kind.as_str(), chat, Number::new(first), Number::new(last)) {
        ("index", Some(chat), Some(first), Some(last)) => {
            Task::Index(Range { chat: ChatPlace { application, chat }, first, last })
        }
        ("forget", Some(chat), ..) => Task::Forget(Parent::Chat(ChatPlace { application, chat })),
        ("forget", None, ..) => Task::Forget(Parent::Application(application)),
        _ => return Err(Fault::broken("a backlog entry that this program does not write")),
    };
    Ok(Claim { id, task })
}

async fn rows_of(session: &mut Session, ranges: &[Range]) -> Result<RowsOf, Fault> {
    let mut gathered = Gathered::default();
    for (portion, asked) in ranges.chunks(ASK_RANGES).enumerate() {
        let ask = asked.iter().map(rows_of_range).collect::<Vec<_>>().join(";");
        let mut broke_off = None;
        let read = session.each(&ask, |range, row| {
            let see = gathered.see(row);
            if see.is_break() {
                broke_off = Some(portion * ASK_RANGES + range);
            }
            see
        });
        read.await?;
        let (Some(index), Some(first)) = (broke_off, gathered.end()?) else { continue };
        let rest = ranges.iter().skip(index).enumerate();
        let rest = rest.map(|(at, range)| if at == 0 { Range { first, ..*range } } else { *range });
        return Ok(RowsOf { rest: rest.collect(), rows: gathered.rows });
    }
    Ok(RowsOf { rows: gathered.rows, rest: Vec::new() })
}

fn rows_of_range(range: &Range) -> String {
    fill(
        "SELECT m.application_id, m.chat_number, m.number, m.version, m.body, m.deleted_at IS NOT NULL
         FROM applications a
         JOIN chats c ON c.application_id = a.id AND c.number = ?
         JOIN messages m ON m.application_id = c.application_id AND m.chat_number = c.number
         WHERE a.id = ? AND a.deleted_at IS NULL AND c.deleted_at IS NULL AND m.number BETWEEN ? AND ?
         ORDER BY m.number",
        &[&range.chat.chat, &range.chat.application, &range.first, &range.last],
    )
}

async fn walk(session: &mut Session, after: Option<MessagePlace>, limit: usize) -> Result<Vec<Row>, Fault> {
    // One range of the key each: to a server, a comparison of whole rows is none.
    let behind = after.map_or_else(
        || "TRUE".to_owned(),
        |MessagePlace { chat: ChatPlace { application, chat }, number }| {
            fill(
                "((m.application_id = ? AND m.chat_number = ? AND m.number > ?)
                  OR (m.application_id = ? AND m.chat_number > ?) OR m.application_id > ?)",
                &[&application, &chat, &number, &application, &chat, &application],
            )
        },
    );
    let ask = fill(
        &format!(
            "SELECT STRAIGHT_JOIN m.application_id, m.chat_number, m.number, m.version, m.body, 0
             FROM messages m FORCE INDEX (PRIMARY)
             JOIN chats c ON c.application_id = m.application_id AND c.number = m.chat_number
             JOIN applications a ON a.id = m.application_id
             WHERE {behind} AND m.deleted_at IS NULL AND c.deleted_at IS NULL AND a.deleted_at IS NULL
             ORDER BY m.application_id, m.chat_number, m.number LIMIT ?"
        ),
        &[&limit],
    );
    let mut gathered = Gathered::default();
    session.each(&ask, |_statement, row| gathered.see(row)).await?;
    gathered.end()?;
    Ok(gathered.rows)
}

/// Rows for the index, until they are heavy.
#[derive(Default)]
struct Gathered {
    rows: Vec<Row>,
    bytes: usize,
    /// The first row too many, or what could not be read.
    end: Option<Result<Number, Fault>>,
}

impl Gathered {
    fn see(&mut self, row: mysql_async::Row) -> ControlFlow<()> {
        match read_row(&mut Columns::from(row)) {
            Ok(row) if self.bytes < PAGE_LIMIT_BYTES => {
                self.bytes += row.body.as_ref().map_or(0, |body| body.as_str().len());
                self.rows.push(row);
                return ControlFlow::Continue(());
            }
            Ok(row) => self.end = Some(Ok(row.place.number)),
            Err(fault) => self.end = Some(Err(fault)),
        }
        ControlFlow::Break(())
    }

    fn end(&mut self) -> Result<Option<Number>, Fault> {
        self.end.take().transpose()
    }
}

/// `application_id, chat_number, number, version, body, deleted`
fn read_row(row: &mut Columns) -> Result<Row, Fault> {
    let chat = ChatPlace { application: row.take()?, chat: row.take()? };
    let place = MessagePlace { chat, number: row.take()? };
    let (version, body) = (row.take()?, row.take()?);
    let deleted: bool = row.take()?;
    Ok(Row { place, version, body: if deleted { None } else { Some(body) } })
}
