//! One change of a message, under the next revision of its chat: the counters are locked, then the message, in one
//! round trip; the second writes and commits.

use super::insert::{add_to_backlog, begin, count_deleted, present};
use super::quotas::{lock_accounts, read_accounts, release_message, write};
use super::row::{self, Columns, Fault};
use super::sql::fill;
use super::{commit, next_rows};
use crate::connections::{Answer, Session};
use crate::domain::{Account, Body, ChatPlace, Message, MessagePlace, Parent, Timestamp};
use crate::store::{Expected, Missing, Range, Unchanged};

pub(super) async fn edit_message(
    session: &mut Session,
    place: MessagePlace,
    body: Body,
    expected: &Expected,
) -> Result<Result<Message, Unchanged>, Fault> {
    let Locked { current, revision, account } = match lock(session, place, expected).await? {
        Ok(locked) => locked,
        Err(unchanged) => return roll_back(session, Err(unchanged)).await,
    };
    if current.body == body {
        return roll_back(session, Ok(current)).await;
    }
    let mut room = String::new();
    if let Some(mut account) = account {
        if !account.replace(place, &current.body, &body) {
            return roll_back(session, Err(Unchanged::OverQuota)).await;
        }
        room = write(place.chat.application, &account.used) + "; ";
    }
    let edited = Message { body, version: current.version + 1, updated_at: Timestamp::now(), ..current };
    let ChatPlace { application, chat } = place.chat;
    let edit = fill(
        "INSERT INTO message_changes (application_id, chat_number, revision, number, kind, body, at)
         VALUES (?, ?, ?, ?, 'edited', ?, ?);
         UPDATE messages SET body = ?, version = version + 1, updated_at = ?
         WHERE application_id = ? AND chat_number = ? AND number = ?; ",
        &[
            &application,
            &chat,
            &revision,
            &place.number,
            &current.body.as_str(),
            &edited.updated_at,
            &edited.body.as_str(),
            &edited.updated_at,
            &application,
            &chat,
            &place.number,
        ],
    );
    commit(session, &(edit + &room + &announce(place) + "; COMMIT")).await?;
    Ok(Ok(edited))
}

pub(super) async fn delete_message(
    session: &mut Session,
    place: MessagePlace,
    expected: &Expected,
) -> Result<Result<(), Unchanged>, Fault> {
    let Locked { current, revision, .. } = match lock(session, place, expected).await? {
        Ok(locked) => locked,
        Err(unchanged) => return roll_back(session, Err(unchanged)).await,
    };
    let now = Timestamp::now();
    let ChatPlace { application, chat } = place.chat;
    let number = place.number;
    let delete = fill(
        "UPDATE messages SET body = '', version = version + 1, updated_at = ?, deleted_at = ?
         WHERE application_id = ? AND chat_number = ? AND number = ?;
         DELETE FROM message_changes WHERE application_id = ? AND chat_number = ? AND number = ?;
         INSERT INTO message_changes (application_id, chat_number, revision, number, kind, body, at)
         VALUES (?, ?, ?, ?, 'deleted', NULL, ?); ",
        &[
            &now,
            &now,
            &application,
            &chat,
            &number,
            &application,
            &chat,
            &number,
            &application,
            &chat,
            &revision,
            &number,
            &now,
        ],
    );
    let count = count_deleted([Parent::Chat(place.chat)]).join(";");
    let release = release_message(place, current.body.as_str().len());
    commit(session, &format!("{delete}{count}; {release}{}; COMMIT", announce(place))).await?;
    Ok(Ok(()))
}

async fn roll_back<T>(session: &mut Session, answer: T) -> Result<T, Fault> {
    session.run("ROLLBACK").await?;
    Ok(answer)
}

/// What a change begins with.
struct Locked {
    current: Message,
    /// The chat's next.
    revision: i64,
    /// Of the application, where it has a quota.
    account: Option<Account>,
}

/// Begins: the parents stay, the chat's next revision is taken, and the message is locked as it is, if it is there
/// and at the version expected. All in one round trip; who finds nothing to change rolls back.
async fn lock(
    session: &mut Session,
    place: MessagePlace,
    expected: &Expected,
) -> Result<Result<Locked, Unchanged>, Fault> {
    let ChatPlace { application, chat } = place.chat;
    let parent = Parent::Chat(place.chat);
    let lock = begin(&[parent])
        + &lock_accounts(&[parent])
        + &fill(
            "INSERT INTO chat_counters (application_id, number, revision) VALUES (?, ?, 1)
             ON DUPLICATE KEY UPDATE revision = revision + 1;
             SELECT revision FROM chat_counters WHERE application_id = ? AND number = ?;
             SELECT number, body, version, created_at, updated_at FROM messages
             WHERE application_id = ? AND chat_number = ? AND number = ? AND deleted_at IS NULL FOR UPDATE",
            &[&application, &chat, &application, &chat, &application, &chat, &place.number],
        );
    let mut answers = session.run(&lock).await?.into_iter().skip(1);
    let present = present(&mut answers)?;
    let account = read_accounts(&mut answers)?.into_values().next();
    if !present.contains(&parent) {
        let application = present.contains(&Parent::Application(application));
        let missing = if application { Missing::Chat } else { Missing::Application };
        return Ok(Err(Unchanged::Missing(missing)));
    }
    let mut answers = answers.skip(1);
    let revision = next_row(&mut answers)?.map(|mut row| row.take()).transpose()?.unwrap_or_default();
    let Some(mut current) = next_row(&mut answers)? else {
        return Ok(Err(Unchanged::Missing(Missing::Message)));
    };
    let current = row::message(&mut current)?;
    let stale = match expected {
        Expected::Any => false,
        Expected::OneOf(versions) => !versions.contains(&current.version),
    };
    Ok(if stale { Err(Unchanged::Stale) } else { Ok(Locked { current, revision, account }) })
}

fn next_row(answers: &mut impl Iterator<Item = Answer>) -> Result<Option<Columns>, Fault> {
    Ok(next_rows(answers)?.pop())
}

fn announce(place: MessagePlace) -> String {
    add_to_backlog(&[Range { chat: place.chat, first: place.number, last: place.number }])
}
