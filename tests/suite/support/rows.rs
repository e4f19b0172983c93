use std::path::Path;
use std::time::Duration;

use rusqlite::types::Value;
use rusqlite::{Connection, Params};

/// The file of the embedded store. A service may be at work on it meanwhile.
pub struct Rows(Connection);

impl Rows {
    pub fn of(folder: &Path) -> Self {
        let connection = Connection::open(folder.join("chat.db")).expect("the store's file");
        connection.busy_timeout(Duration::from_secs(5)).expect("a timeout");
        Self(connection)
    }

    /// One number.
    pub fn number(&self, sql: &str, params: impl Params) -> i64 {
        self.0.query_row(sql, params, |row| row.get(0)).expect("a number")
    }

    /// Changes rows behind the service's back; says how many.
    pub fn change(&self, sql: &str, params: impl Params) -> usize {
        self.0.execute(sql, params).expect("a change")
    }

    /// Lets nobody write until the answer is dropped.
    pub fn hold_writes(&self) -> rusqlite::Transaction<'_> {
        rusqlite::Transaction::new_unchecked(&self.0, rusqlite::TransactionBehavior::Immediate)
            .expect("the lock")
    }

    /// The tables in which some value of some row holds this text.
    pub fn holding(&self, text: &str) -> Vec<String> {
        let mut tables =
            self.0.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").expect("tables");
        let tables = tables.query_map([], |row| row.get(0)).expect("tables");
        let tables: Vec<String> = tables.collect::<Result<_, _>>().expect("tables");
        tables.into_iter().filter(|table| self.table_holds(table, text)).collect()
    }

    fn table_holds(&self, table: &str, text: &str) -> bool {
        let mut select = self.0.prepare(&format!("SELECT * FROM {table}")).expect("a table");
        let columns = select.column_count();
        let mut rows = select.query([]).expect("rows");
        while let Some(row) = rows.next().expect("a row") {
            for column in 0..columns {
                let bytes = match row.get(column).expect("a value") {
                    Value::Text(text) => text.into_bytes(),
                    Value::Blob(bytes) => bytes,
                    Value::Null | Value::Integer(_) | Value::Real(_) => continue,
                };
                if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                    return true;
                }
            }
        }
        false
    }
}
