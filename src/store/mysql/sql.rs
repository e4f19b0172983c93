//! Statements as text. Values are written into them here and nowhere else: the session's text is UTF-8 and its
//! `sql_mode` knows backslashes, so that a quoted text ends where it is said to end.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use uuid::Uuid;

use crate::domain::{ApplicationId, ChatPlace, Digest, DraftId, Number, Parent, Timestamp, Token};
use crate::store::ClaimId;

/// A value as it stands in a statement.
pub(super) trait Value: Sync {
    fn write(&self, sql: &mut String);
}

/// The statement with a value for each question mark.
pub(super) fn fill(statement: &str, values: &[&dyn Value]) -> String {
    let mut sql = String::with_capacity(statement.len() + values.len() * 16);
    let mut values = values.iter();
    for piece in statement.split_inclusive('?') {
        match piece.strip_suffix('?') {
            Some(before) => {
                sql.push_str(before);
                if let Some(value) = values.next() {
                    value.write(&mut sql);
                }
            }
            None => sql.push_str(piece),
        }
    }
    debug_assert!(values.next().is_none(), "a value without a place in {statement}");
    sql
}

/// Writes `(…), (…)` or `…, …`: what `write` writes for each, with commas between.
pub(super) fn list<T>(items: impl IntoIterator<Item = T>, write: impl Fn(&T, &mut String)) -> String {
    let mut sql = String::new();
    for item in items {
        if !sql.is_empty() {
            sql.push(',');
        }
        write(&item, &mut sql);
    }
    sql
}

/// A condition that holds for these chats, by the primary key: equal applications together, so that each is a range
/// for either kind of server. Never empty text, though it may hold for none.
pub(super) fn among(application: &str, number: &str, places: impl IntoIterator<Item = ChatPlace>) -> String {
    let mut by_application: BTreeMap<ApplicationId, Vec<Number>> = BTreeMap::new();
    for place in places {
        by_application.entry(place.application).or_default().push(place.chat);
    }
    let mut sql = String::from("(FALSE");
    for (id, mut numbers) in by_application {
        numbers.sort_unstable();
        numbers.dedup();
        let numbers = list(numbers, |number, sql| number.write(sql));
        sql.push_str(&fill(&format!(" OR ({application} = ? AND {number} IN ({numbers}))"), &[&id]));
    }
    sql.push(')');
    sql
}

/// Applications and chats apart.
pub(super) fn apart(parents: impl IntoIterator<Item = Parent>) -> (Vec<ApplicationId>, Vec<ChatPlace>) {
    let (mut applications, mut chats) = (Vec::new(), Vec::new());
    for parent in parents {
        match parent {
            Parent::Application(application) => applications.push(application),
            Parent::Chat(place) => chats.push(place),
        }
    }
    applications.sort_unstable();
    applications.dedup();
    chats.sort_unstable();
    chats.dedup();
    (applications, chats)
}

/// `IN (…)` of ids; holds for none where there are none.
pub(super) fn one_of<T: Value>(column: &str, values: &[T]) -> String {
    if values.is_empty() {
        return "FALSE".to_owned();
    }
    format!("{column} IN ({})", list(values, |value, sql| value.write(sql)))
}

/// Chats that are there, whose application is there.
pub(super) const LIVE_CHATS: &str = "chats c JOIN applications a ON a.id = c.application_id
     WHERE c.deleted_at IS NULL AND a.deleted_at IS NULL";

/// The numbers used under a parent for which a condition on `number` holds.
pub(super) fn numbers_of(parent: Parent, condition: &str) -> String {
    format!("SELECT number FROM {} AND {condition}", children_of(parent))
}

/// The greatest number used under a parent.
pub(super) fn greatest_of(parent: Parent) -> String {
    format!("SELECT MAX(number) FROM {}", children_of(parent))
}

/// A table, and the condition that leaves the children of a parent.
pub(super) fn children_of(parent: Parent) -> String {
    match parent {
        Parent::Application(application) => fill("chats WHERE application_id = ?", &[&application]),
        Parent::Chat(ChatPlace { application, chat }) => {
            fill("messages WHERE application_id = ? AND chat_number = ?", &[&application, &chat])
        }
    }
}

impl Value for i64 {
    fn write(&self, sql: &mut String) {
        // Writing to a String does not fail.
        let _ = write!(sql, "{self}");
    }
}

impl Value for u64 {
    fn write(&self, sql: &mut String) {
        let _ = write!(sql, "{self}");
    }
}

impl Value for usize {
    fn write(&self, sql: &mut String) {
        let _ = write!(sql, "{self}");
    }
}

impl Value for Number {
    fn write(&self, sql: &mut String) {
        self.get().write(sql);
    }
}

impl Value for ApplicationId {
    fn write(&self, sql: &mut String) {
        self.0.write(sql);
    }
}

impl Value for Timestamp {
    fn write(&self, sql: &mut String) {
        self.micros().write(sql);
    }
}

impl Value for &str {
    fn write(&self, sql: &mut String) {
        sql.push('\'');
        let mut rest = *self;
        while let Some(at) = rest.find(['\'', '\\', '\0']) {
            let (plain, special) = rest.split_at(at);
            sql.push_str(plain);
            sql.push('\\');
            let (special, later) = special.split_at(1);
            sql.push_str(if special == "\0" { "0" } else { special });
            rest = later;
        }
        sql.push_str(rest);
        sql.push('\'');
    }
}

impl Value for Token {
    fn write(&self, sql: &mut String) {
        self.as_str().write(sql);
    }
}

impl Value for [u8] {
    fn write(&self, sql: &mut String) {
        sql.push_str("x'");
        for byte in self {
            let _ = write!(sql, "{byte:02x}");
        }
        sql.push('\'');
    }
}

impl Value for Digest {
    fn write(&self, sql: &mut String) {
        self.0.as_slice().write(sql);
    }
}

impl Value for ClaimId {
    fn write(&self, sql: &mut String) {
        self.0.write(sql);
    }
}

impl Value for Uuid {
    fn write(&self, sql: &mut String) {
        let _ = write!(sql, "x'{}'", self.simple());
    }
}

impl Value for DraftId {
    fn write(&self, sql: &mut String) {
        self.0.write(sql);
    }
}

impl<T: Value> Value for Option<T> {
    fn write(&self, sql: &mut String) {
        match self {
            Some(value) => value.write(sql),
            None => sql.push_str("NULL"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ApplicationId;

    #[test]
    fn a_text_ends_where_it_is_said_to_end() {
        assert_eq!(fill("SELECT ?, ?", &[&"it's \\ \0?", &7_i64]), r"SELECT 'it\'s \\ \0?', 7");
        assert_eq!(fill("?", &[&None::<i64>]), "NULL");
    }

    #[test]
    fn chats_of_one_application_are_one_range() {
        let place = |application, chat| ChatPlace {
            application: ApplicationId(application),
            chat: Number::new(chat).unwrap(),
        };
        let sql = among("a", "n", [place(2, 9), place(1, 5), place(2, 3), place(2, 9)]);
        assert_eq!(sql, "(FALSE OR (a = 1 AND n IN (5)) OR (a = 2 AND n IN (3,9)))");
        assert_eq!(among("a", "n", []), "(FALSE)");
    }
}
