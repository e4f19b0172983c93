//! One page of a list, read row by row.

use rusqlite::{Params, Row as SqlRow, Transaction};

use super::look::greatest;
use super::row;
use crate::domain::{Application, Chat, Listed, Message, Number, Order, Page, Parent, Token};
use crate::store::{PAGE_LIMIT_BYTES, StoreError, json_bytes};

pub(super) fn order_by(column: &str, order: Order) -> String {
    match order {
        Order::Ascending => format!("ORDER BY {column}"),
        Order::Descending => format!("ORDER BY {column} DESC"),
    }
}

/// Both ends excluded; numbers fit SQLite's integers by their type.
pub(super) fn bounds(page: &Page<u64>) -> (i64, i64) {
    let clamp = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    (page.after.map_or(0, clamp), page.before.map_or(i64::MAX, clamp))
}

/// Rows read at most for one page, tombstones included: a page of a list with a long deleted stretch ends early.
const SCAN_LIMIT_ROWS: usize = 50_000;

/// How the rows of one list are read.
pub(super) struct Shape<T, C> {
    item: fn(&SqlRow<'_>) -> rusqlite::Result<T>,
    /// What names a row's place in the list.
    place: fn(&SqlRow<'_>) -> rusqlite::Result<C>,
    /// The column that tells a tombstone.
    deleted: usize,
    weigh_bytes: fn(&T) -> usize,
    /// Whether nothing can come between these two places any more (law 10).
    adjoins: fn(Option<&C>, &C) -> bool,
}

pub(super) const CHAT_SHAPE: Shape<Chat, u64> =
    Shape { item: row::chat, place: number_of, deleted: 4, weigh_bytes: |_chat| 0, adjoins: is_next_number };
pub(super) const MESSAGE_SHAPE: Shape<Message, u64> = Shape {
    item: row::message,
    place: number_of,
    deleted: 5,
    weigh_bytes: |message| json_bytes(message.body.as_str()),
    adjoins: is_next_number,
};
pub(super) const APPLICATION_SHAPE: Shape<Application, Token> = Shape {
    item: row::application,
    place: |row| row.get(0),
    deleted: 5,
    weigh_bytes: |application| json_bytes(application.name.as_str()),
    // One writer numbers and commits in one order: what is seen has nothing still to come before it.
    adjoins: |_before, _place| true,
};

fn number_of(row: &SqlRow<'_>) -> rusqlite::Result<u64> {
    row.get(0).map(row::unsigned)
}

fn is_next_number(before: Option<&u64>, place: &u64) -> bool {
    *place == before.copied().unwrap_or(0) + 1
}

/// What is still to come is never passed, not even by asking for what comes after it.
pub(super) fn within_its_rows<T>(
    rows: &Transaction<'_>,
    parent: Parent,
    mut listed: Listed<T, u64>,
) -> Result<Listed<T, u64>, StoreError> {
    if listed.items.is_empty() && listed.cursor.is_some() {
        let greatest = greatest(rows, parent)?.map_or(0, Number::get);
        listed.cursor = listed.cursor.map(|cursor| cursor.min(greatest));
    }
    Ok(listed)
}

/// Reads one page: until it is full, heavy, or has been looked for long enough.
pub(super) fn list<T, C: Clone>(
    rows: &Transaction<'_>,
    sql: &str,
    params: impl Params,
    page: &Page<C>,
    shape: &Shape<T, C>,
) -> Result<Listed<T, C>, StoreError> {
    let mut statement = rows.prepare_cached(sql)?;
    let mut found = statement.query(params)?;
    let mut listed = Listed { items: Vec::new(), next: None, cursor: page.after.clone() };
    let (mut scanned, mut bytes) = (0, 0);
    let (mut dense, mut last_item, mut last_passed) = (true, None, None);
    while let Some(row) = found.next()? {
        let tombstone: bool = row.get(shape.deleted)?;
        if !tombstone && (listed.items.len() >= page.limit || bytes >= PAGE_LIMIT_BYTES) {
            listed.next = last_item;
            break;
        }
        if scanned >= SCAN_LIMIT_ROWS {
            listed.next = last_passed;
            break;
        }
        scanned += 1;
        let place = (shape.place)(row)?;
        dense = dense && (shape.adjoins)(listed.cursor.as_ref(), &place);
        if dense {
            listed.cursor = Some(place.clone());
        }
        if !tombstone {
            let item = (shape.item)(row)?;
            bytes += (shape.weigh_bytes)(&item);
            listed.items.push(item);
            last_item = Some(place.clone());
        }
        last_passed = Some(place);
    }
    Ok(listed)
}
