//! What follows from the rows by itself: counters, and the end of what was deleted.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::audit::{Auditor, gaps, repair};
use super::insert::begin;
use super::keep::{greatest, live};
use super::nodes::{dead, remember_counted};
use super::quotas::release_rows;
use super::row::Fault;
use super::sql::{LIVE_CHATS, among, apart, fill, one_of};
use super::{Desk, MysqlStore, commit, next_rows, select};
use crate::connections::Session;
use crate::domain::{ApplicationId, ChatPlace, DraftId, Number, Parent, Timestamp};
use crate::store::audit::Seen;
use crate::store::{AuditPlace, Audited, Count, HOLES_LIMIT, Hole, StoreError, Uncounted};

/// A draft is older than its commit by the time it waited.
const UNCOUNTED_SLACK: Duration = Duration::from_secs(60);

#[async_trait]
impl Count for MysqlStore {
    async fn count(&self, parents: &[Parent], through: Timestamp) -> Result<(), StoreError> {
        let remember = if through > Timestamp::from_micros(0) {
            remember_counted(&self.desk.node, through)
        } else {
            String::new()
        };
        self.count_now(parents.into(), String::new(), remember).await?;
        self.desk.node.counted(through);
        Ok(())
    }

    async fn uncounted(&self, after: Option<DraftId>, limit: usize) -> Result<Uncounted, StoreError> {
        let desk = Arc::clone(&self.desk);
        self.read(move |session| Box::pin(async move { uncounted(session, &desk, after, limit).await })).await
    }

    async fn audit(&self, after: Option<AuditPlace>, limit: usize) -> Result<Audited, StoreError> {
        let seen =
            self.read(move |session| Box::pin(async move { Auditor::look(session, after, limit).await }));
        let Seen { wrong, behind, holes, next } = seen.await?;
        let audited = Audited { next, repaired: wrong.len(), counted: behind.len(), holes };
        if !wrong.is_empty() || !behind.is_empty() {
            let repaired: Vec<Parent> = wrong.iter().map(|wrong| wrong.parent).chain(behind).collect();
            self.count_now(repaired.into(), wrong.iter().map(repair).collect(), String::new()).await?;
        }
        Ok(audited)
    }

    async fn holes(&self, parents: &[Parent]) -> Result<Vec<Hole>, StoreError> {
        let parents = parents.to_vec();
        self.read(move |session| {
            Box::pin(async move {
                let mut holes = Vec::new();
                for parent in parents {
                    gaps(session, parent, &mut holes).await?;
                }
                holes.truncate(HOLES_LIMIT);
                Ok(holes)
            })
        })
        .await
    }

    async fn purge(&self, limit: usize) -> Result<usize, StoreError> {
        let next = self.read(|session| Box::pin(async move { next_purge(session).await })).await?;
        let Some((application, chat)) = next else { return Ok(0) };
        self.write(move |session, _tried| {
            Box::pin(async move { purge(session, application, chat, limit).await })
        })
        .await
    }

    async fn sweep_keys(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let sweep = fill("DELETE FROM idempotency_keys WHERE created_at < ? LIMIT ?", &[&before, &limit]);
        self.write(move |session, _tried| {
            let sweep = sweep.clone();
            Box::pin(async move { delete(session, &sweep).await })
        })
        .await
    }
}

impl MysqlStore {
    async fn count_now(
        &self,
        parents: Arc<[Parent]>,
        repair: String,
        remember: String,
    ) -> Result<(), StoreError> {
        let statements = Arc::new((repair, remember));
        self.write(move |session, _tried| {
            let (parents, statements) = (Arc::clone(&parents), Arc::clone(&statements));
            Box::pin(async move { count(session, &parents, &statements.0, &statements.1).await })
        })
        .await
    }
}

/// One transaction: repairs counters, brings those of these parents up to their rows, and remembers that. The counters
/// are locked before the rows are looked at: whoever counts later has looked later, so that no count goes back.
async fn count(session: &mut Session, parents: &[Parent], repair: &str, remember: &str) -> Result<(), Fault> {
    let (applications, chats) = apart(parents.iter().copied());
    let applications = one_of("id", &applications);
    let chats = among("c.application_id", "c.number", chats);
    let lock = format!(
        "START TRANSACTION; {repair}
         INSERT INTO application_counters (application_id)
         SELECT id FROM applications WHERE {applications} AND deleted_at IS NULL ORDER BY id
         ON DUPLICATE KEY UPDATE deleted_chats = deleted_chats;
         INSERT INTO chat_counters (application_id, number)
         SELECT c.application_id, c.number FROM {LIVE_CHATS} AND {chats} ORDER BY c.application_id, c.number
         ON DUPLICATE KEY UPDATE deleted_messages = deleted_messages"
    );
    session.run(&lock).await?;
    let live: Vec<Parent> = live(session, parents).await?.into_iter().collect();
    let (mut of_applications, mut of_chats) = (Vec::new(), Vec::new());
    for (parent, greatest) in live.iter().zip(greatest(session, &live).await?) {
        let greatest = greatest.map_or(0, Number::get);
        match parent {
            Parent::Application(application) => {
                of_applications.push(fill("(?, ?)", &[application, &greatest]))
            }
            Parent::Chat(ChatPlace { application, chat }) => {
                of_chats.push(fill("(?, ?, ?)", &[application, chat, &greatest]));
            }
        }
    }
    let mut write = String::new();
    if !of_applications.is_empty() {
        write.push_str(&format!(
            "INSERT INTO application_counters (application_id, chats_count) VALUES {}
             ON DUPLICATE KEY UPDATE chats_count = VALUES(chats_count) - deleted_chats; ",
            of_applications.join(",")
        ));
    }
    if !of_chats.is_empty() {
        write.push_str(&format!(
            "INSERT INTO chat_counters (application_id, number, messages_count) VALUES {}
             ON DUPLICATE KEY UPDATE messages_count = VALUES(messages_count) - deleted_messages; ",
            of_chats.join(",")
        ));
    }
    commit(session, &format!("{write}{remember}COMMIT")).await?;
    Ok(())
}

/// Ids are ordered by time, so that what was kept last is found without an index on time.
async fn uncounted(
    session: &mut Session,
    desk: &Desk,
    after: Option<DraftId>,
    limit: usize,
) -> Result<Uncounted, Fault> {
    let after = match after {
        Some(after) => after,
        None => uncounted_since(session, desk).await?,
    };
    let ask = fill(
        "(SELECT id, application_id, 0 FROM chats FORCE INDEX (chats_by_id) WHERE id > ? ORDER BY id LIMIT ?)
         UNION ALL
         (SELECT id, application_id, chat_number FROM messages FORCE INDEX (messages_by_id) WHERE id > ?
          ORDER BY id LIMIT ?)
         ORDER BY 1 LIMIT ?",
        &[&after, &limit, &after, &limit, &limit],
    );
    let rows = select(session, &ask).await?.into_iter();
    Uncounted::of(rows.map(|mut row| Ok((row.take()?, Parent::at(row.take()?, row.take()?)))), limit)
}

/// Before the first draft that may not have been counted. The nodes that are dead by now are gone through with it.
async fn uncounted_since(session: &mut Session, desk: &Desk) -> Result<DraftId, Fault> {
    let ask = dead(&desk.node)
        + ";SELECT COALESCE((SELECT MIN(counted_through) FROM nodes), (SELECT counted_through FROM followers))";
    let mut answers = session.run(&ask).await?.into_iter();
    let dead = next_rows(&mut answers)?.into_iter().map(|mut row| row.take()).collect::<Result<_, _>>()?;
    // Those that die meanwhile are looked at when this is asked for the next time.
    *desk.node.dead.lock().unwrap_or_else(PoisonError::into_inner) = dead;
    let through: Option<Timestamp> = next_rows(&mut answers)?.pop().map(|mut row| row.take()).transpose()?;
    let through = through.unwrap_or(Timestamp::from_micros(0));
    Ok(DraftId::earliest_at(through.before(UNCOUNTED_SLACK)))
}

/// Of a whole application where the chat is 0.
async fn next_purge(session: &mut Session) -> Result<Option<(ApplicationId, u64)>, Fault> {
    let next = select(session, "SELECT application_id, chat_number FROM purges LIMIT 1").await?.pop();
    next.map(|mut row| Ok((row.take()?, row.take()?))).transpose()
}

/// Where the rows of a deleted chat are, and the column of the chat's number.
const OF_CHAT: [(&str, &str); 4] = [
    ("messages", "chat_number"),
    ("message_changes", "chat_number"),
    ("chat_counters", "number"),
    ("purges", "chat_number"),
];
/// Where the rows of a deleted application are. Its own row stays, so that its token is never given again.
const OF_APPLICATION: [&str; 10] = [
    "messages",
    "message_changes",
    "chat_counters",
    "chats",
    "application_counters",
    "access_keys",
    "application_limits",
    "quotas",
    "idempotency_keys",
    "purges",
];

/// Deletes up to `limit` rows of a deleted parent, table by table and each for itself, so that no lock is held for
/// long; the entry that names the parent is the last of them.
async fn purge(
    session: &mut Session,
    application: ApplicationId,
    chat: u64,
    limit: usize,
) -> Result<usize, Fault> {
    let of_application = OF_APPLICATION.map(|table| (table, String::new()));
    let of_chat = OF_CHAT.map(|(table, column)| (table, fill(&format!(" AND {column} = ?"), &[&chat])));
    let tables = if chat == 0 { of_application.as_slice() } else { of_chat.as_slice() };
    let mut deleted = 0;
    for (table, filter) in tables {
        if deleted >= limit {
            break;
        }
        let left = limit - deleted;
        deleted += if *table == "messages" && chat != 0 {
            purge_messages(session, application, chat, left).await?
        } else {
            let rows = format!("DELETE FROM {table} WHERE application_id = ?{filter} LIMIT ?");
            delete(session, &fill(&rows, &[&application, &left])).await?
        };
    }
    Ok(deleted)
}

/// The first of them, and their room in the account of the application, which nobody opens meanwhile.
async fn purge_messages(
    session: &mut Session,
    application: ApplicationId,
    chat: u64,
    limit: usize,
) -> Result<usize, Fault> {
    let purge = begin(&[Parent::Application(application)])
        + &release_rows(application, chat, limit)
        + &fill(
            "DELETE FROM messages WHERE application_id = ? AND chat_number = ? ORDER BY number LIMIT ?; COMMIT",
            &[&application, &chat, &limit],
        );
    let answers = commit(session, &purge).await?;
    let deleted = answers.iter().rev().nth(1).map_or(0, |answer| answer.affected);
    Ok(usize::try_from(deleted).unwrap_or(usize::MAX))
}

async fn delete(session: &mut Session, statement: &str) -> Result<usize, Fault> {
    let answers = commit(session, statement).await?;
    let deleted = answers.first().map_or(0, |answer| answer.affected);
    Ok(usize::try_from(deleted).unwrap_or(usize::MAX))
}
