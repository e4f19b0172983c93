//! Statements of a transaction that makes rows.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::next_rows;
use super::plan::{Plan, Use};
use super::quotas::write;
use super::row::{Columns, Fault};
use super::sql::{Value, among, apart, fill, list, one_of};
use crate::connections::Answer;
use crate::domain::{ApplicationId, ChatPlace, Content, Number, Parent, Timestamp, Token};
use crate::store::{KEY_LIFETIME, Made, Range, Recalled};

/// Begins a transaction in which these parents stay what they are. Locks are taken in the order of the keys, so that
/// no two who take them wait for each other. See [`present`].
pub(super) fn begin(parents: &[Parent]) -> String {
    let (applications, chats) = locked(parents);
    let applications = one_of("id", &applications);
    let chats = among("application_id", "number", chats);
    format!(
        "START TRANSACTION;
         SELECT id FROM applications FORCE INDEX (PRIMARY) WHERE {applications} AND deleted_at IS NULL
         ORDER BY id LOCK IN SHARE MODE;
         SELECT application_id, number FROM chats FORCE INDEX (PRIMARY) WHERE {chats} AND deleted_at IS NULL
         ORDER BY application_id, number LOCK IN SHARE MODE; "
    )
}

/// Begins a transaction as [`begin`] does, and fails where a parent is not there or an application has a quota: by a row
/// that no table takes ([`Fault::is_guarded`]). What follows in the same packet is then not looked at.
///
/// Whether there is a quota is asked by a statement behind that which locked the applications: a statement sees what was
/// committed when it began, which for the first was before it waited for whoever was setting one.
pub(super) fn begin_guarded(parents: &[Parent]) -> String {
    let (applications, chats) = locked(parents);
    let (all_applications, all_chats) = (applications.len(), chats.len());
    let has_quota = one_of("application_id", &applications);
    let applications = one_of("id", &applications);
    let chats = among("application_id", "number", chats);
    let fail = "INSERT INTO messages (application_id, chat_number, number, id, body, version, created_at, updated_at)
         SELECT NULL, 1, 1, '', '', 1, 0, 0 FROM DUAL WHERE";
    format!(
        "START TRANSACTION;
         {fail} {all_applications} <> (SELECT COUNT(*) FROM applications FORCE INDEX (PRIMARY)
             WHERE {applications} AND deleted_at IS NULL LOCK IN SHARE MODE);
         {fail} {all_chats} <> (SELECT COUNT(*) FROM chats FORCE INDEX (PRIMARY)
                 WHERE {chats} AND deleted_at IS NULL LOCK IN SHARE MODE)
             OR EXISTS (SELECT 1 FROM quotas WHERE {has_quota}); "
    )
}

/// The applications and the chats that stay what they are beside these parents, each once.
fn locked(parents: &[Parent]) -> (Vec<ApplicationId>, Vec<ChatPlace>) {
    let (mut applications, mut chats) = apart(parents.iter().copied());
    applications.extend(chats.iter().map(|place| place.application));
    applications.sort_unstable();
    applications.dedup();
    chats.sort_unstable();
    chats.dedup();
    (applications, chats)
}

/// The parents that are there, from the answers to [`begin`] after the first.
pub(super) fn present(answers: &mut impl Iterator<Item = Answer>) -> Result<HashSet<Parent>, Fault> {
    let mut applications: HashSet<ApplicationId> = HashSet::new();
    for mut row in next_rows(answers)? {
        applications.insert(row.take()?);
    }
    let mut present: HashSet<Parent> = applications.iter().copied().map(Parent::Application).collect();
    for mut row in next_rows(answers)? {
        let place = ChatPlace { application: row.take()?, chat: row.take()? };
        if applications.contains(&place.application) {
            present.insert(Parent::Chat(place));
        }
    }
    Ok(present)
}

/// What uses of keys made before.
#[derive(Debug, Default)]
pub(super) struct RecalledUses {
    pub(super) fresh: HashMap<Use, Recalled>,
    /// Uses that are forgotten, whose rows are still there.
    pub(super) stale: Vec<Use>,
}

/// Asks for the uses of these keys, of which there is at least one. See [`read_recalled`].
pub(super) fn recall(uses: &[Use]) -> String {
    format!(
        "SELECT application_id, `key`, path_hash, body_hash, token, number, created_at FROM idempotency_keys
         WHERE {}",
        these(uses)
    )
}

/// Each by its whole key, so that each is one look-up for either kind of server.
fn these(uses: &[Use]) -> String {
    let each = |(application, key, path): &Use| {
        fill("(application_id = ? AND `key` = ? AND path_hash = ?)", &[application, &key.as_str(), path])
    };
    uses.iter().map(each).collect::<Vec<_>>().join(" OR ")
}

pub(super) fn read_recalled(answers: &mut impl Iterator<Item = Answer>) -> Result<RecalledUses, Fault> {
    let oldest = Timestamp::now().before(KEY_LIFETIME);
    let mut recalled = RecalledUses::default();
    for mut row in next_rows(answers)? {
        let key = (row.take()?, read_key(&mut row)?, row.take()?);
        let body = row.take()?;
        let (token, number): (Option<Token>, Option<Number>) = (row.take()?, row.take()?);
        let made = match (token, number) {
            (Some(token), _) => Made::Application(token),
            (None, Some(number)) => Made::Numbered(number),
            (None, None) => return Err(Fault::broken("a key that made nothing")),
        };
        let created_at: Timestamp = row.take()?;
        if created_at >= oldest {
            recalled.fresh.insert(key, Recalled { body, made });
        } else {
            recalled.stale.push(key);
        }
    }
    Ok(recalled)
}

fn read_key(row: &mut Columns) -> Result<crate::domain::Key, Fault> {
    let text: Vec<u8> = row.take()?;
    crate::domain::Key::parse(&text).ok_or_else(|| Fault::broken("a key that no client could send"))
}

const MESSAGES: &str =
    "INSERT INTO messages (application_id, chat_number, number, id, body, version, created_at,
     updated_at, deleted_at) VALUES ";
const CHATS: &str =
    "INSERT INTO chats (application_id, number, id, created_at, updated_at, deleted_at) VALUES ";
const KEYS: &str = "INSERT INTO idempotency_keys (application_id, `key`, path_hash, body_hash, token, number,
     created_at) VALUES ";

/// Everything that a plan writes, in statements of about so many bytes at most.
pub(super) fn insert(plan: &Plan<'_>, stale: &[Use], limit_bytes: usize) -> Vec<String> {
    let now = Timestamp::now();
    let mut chats = Insert::new(CHATS, limit_bytes);
    let mut messages = Insert::new(MESSAGES, limit_bytes);
    for (draft, number) in &plan.rows {
        let at = draft.created_at;
        match (draft.parent, &draft.content) {
            (Parent::Application(application), _) => {
                chats.add("(?, ?, ?, ?, ?, NULL)", &[&application, number, &draft.id, &at, &at]);
            }
            (Parent::Chat(ChatPlace { application, chat }), Content::Message(body)) => messages.add(
                "(?, ?, ?, ?, ?, 1, ?, ?, NULL)",
                &[&application, &chat, number, &draft.id, &body.as_str(), &at, &at],
            ),
            (Parent::Chat(_), Content::Chat) => {}
        }
    }
    for (parent, number, id) in &plan.tombstones {
        match parent {
            Parent::Application(application) => {
                chats.add("(?, ?, ?, ?, ?, ?)", &[application, number, id, &now, &now, &now]);
            }
            Parent::Chat(ChatPlace { application, chat }) => messages
                .add("(?, ?, ?, ?, '', 1, ?, ?, ?)", &[application, chat, number, id, &now, &now, &now]),
        }
    }
    let mut keys = Insert::new(KEYS, limit_bytes);
    for (key, number, draft) in &plan.keys {
        keys.add(
            "(?, ?, ?, ?, NULL, ?, ?)",
            &[&key.application, &key.key.as_str(), &key.path, &key.body, number, &draft.created_at],
        );
    }
    let forget = (!stale.is_empty()).then(|| format!("DELETE FROM idempotency_keys WHERE {}", these(stale)));
    let backlog = (!plan.ranges.is_empty()).then(|| add_to_backlog(&plan.ranges));
    let mut statements = chats.done();
    statements.extend(messages.done());
    statements.extend(forget.into_iter().chain(keys.done()).chain(backlog));
    statements.extend(count_deleted(plan.tombstones.iter().map(|(parent, ..)| *parent)));
    statements.extend(plan.accounts.iter().map(|(application, account)| write(*application, &account.used)));
    statements
}

/// Many rows, in statements of about so many bytes at most.
struct Insert {
    head: &'static str,
    limit_bytes: usize,
    done: Vec<String>,
    current: String,
}

impl Insert {
    fn new(head: &'static str, limit_bytes: usize) -> Self {
        Self { head, limit_bytes, done: Vec::new(), current: String::new() }
    }

    fn add(&mut self, row: &str, values: &[&dyn Value]) {
        let row = fill(row, values);
        if self.current.is_empty() {
            self.current.push_str(self.head);
        } else if self.current.len() + row.len() > self.limit_bytes {
            self.done.push(std::mem::replace(&mut self.current, self.head.to_owned()));
        } else {
            self.current.push(',');
        }
        self.current.push_str(&row);
    }

    fn done(mut self) -> Vec<String> {
        if !self.current.is_empty() {
            self.done.push(self.current);
        }
        self.done
    }
}

pub(super) fn add_to_backlog(ranges: &[Range]) -> String {
    let ranges = list(ranges, |range, sql| {
        let ChatPlace { application, chat } = range.chat;
        sql.push_str(&fill("(?, ?, ?, ?, 'index')", &[&application, &chat, &range.first, &range.last]));
    });
    format!(
        "INSERT INTO search_backlog (application_id, chat_number, first_number, last_number, kind) VALUES {ranges}"
    )
}

/// Counts a deleted child for each time that a parent is named. Count and deleted together stay the greatest number
/// counted, so that after a crash only what was kept is to be counted. What is deleted before it was counted takes
/// the count below zero until then, which reads as none.
pub(super) fn count_deleted(parents: impl IntoIterator<Item = Parent>) -> Vec<String> {
    let (mut applications, mut chats) = (BTreeMap::new(), BTreeMap::new());
    for parent in parents {
        match parent {
            Parent::Application(application) => *applications.entry(application).or_insert(0_i64) += 1,
            Parent::Chat(place) => *chats.entry(place).or_insert(0_i64) += 1,
        }
    }
    let mut statements = Vec::new();
    if !applications.is_empty() {
        let rows = list(applications, |(application, deleted), sql| {
            sql.push_str(&fill("(?, ?, ?)", &[application, &-deleted, deleted]));
        });
        statements.push(format!(
            "INSERT INTO application_counters (application_id, chats_count, deleted_chats) VALUES {rows}
             ON DUPLICATE KEY UPDATE chats_count = chats_count + VALUES(chats_count),
                 deleted_chats = deleted_chats + VALUES(deleted_chats)"
        ));
    }
    if !chats.is_empty() {
        let rows = list(chats, |(place, deleted), sql| {
            sql.push_str(&fill("(?, ?, ?, ?)", &[&place.application, &place.chat, &-deleted, deleted]));
        });
        statements.push(format!(
            "INSERT INTO chat_counters (application_id, number, messages_count, deleted_messages) VALUES {rows}
             ON DUPLICATE KEY UPDATE messages_count = messages_count + VALUES(messages_count),
                 deleted_messages = deleted_messages + VALUES(deleted_messages)"
        ));
    }
    statements
}
