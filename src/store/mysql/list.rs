//! One page of a list, read row by row: what is too heavy for a page is not read, and long deleted stretches are
//! passed in portions.

use std::ops::ControlFlow;

use mysql_async::Row as SqlRow;

use super::keep::read_greatest;
use super::read::{is_live, missing};
use super::row::{self, Column, Columns, Fault};
use super::sql::greatest_of;
use crate::connections::Session;
use crate::domain::{Application, Chat, Listed, Message, Number, Order, Page, Parent, Token};
use crate::store::{Missing, PAGE_LIMIT_BYTES, json_bytes};

/// Rows read at most for one page, tombstones included: a page of a list with a long deleted stretch ends early.
const SCAN_LIMIT_ROWS: usize = 50_000;
/// Rows of a portion after the first, at least. So many are read to the end where the page has ended: to break off costs
/// the connection.
const SMALL_PORTION_ROWS: usize = 32;
/// Rows of a portion at most, unless the page itself is larger: portions grow as long as all their rows are deleted.
const LARGE_PORTION_ROWS: usize = 1_000;

/// What a list holds, and how its rows are read. A row is its position, whether it is a tombstone, what names its
/// place, and the item.
pub(super) struct Shape<T, C> {
    /// Has a parameter for each id of what the list belongs to, finds nothing where that is not there, and ends where a
    /// condition may follow.
    select: &'static str,
    /// The column of the position.
    position: &'static str,
    item: fn(&mut Columns) -> Result<T, Fault>,
    weigh_bytes: fn(&T) -> usize,
    /// Whether nothing can come between these two places any more (law 10).
    adjoins: fn(Option<&C>, &C) -> bool,
}

pub(super) static CHATS: Shape<Chat, u64> = Shape {
    select: "SELECT c.number, c.deleted_at IS NOT NULL, c.number,
                    c.number, COALESCE(k.messages_count, 0), c.created_at, c.updated_at
             FROM chats c JOIN applications a ON a.id = c.application_id
             LEFT JOIN chat_counters k ON k.application_id = c.application_id AND k.number = c.number
             WHERE c.application_id = ? AND a.deleted_at IS NULL",
    position: "c.number",
    item: row::chat,
    weigh_bytes: |_chat| 0,
    adjoins: is_next_number,
};
pub(super) static MESSAGES: Shape<Message, u64> = Shape {
    select: "SELECT m.number, m.deleted_at IS NOT NULL, m.number,
                    m.number, m.body, m.version, m.created_at, m.updated_at
             FROM messages m JOIN chats c ON c.application_id = m.application_id AND c.number = m.chat_number
             JOIN applications a ON a.id = m.application_id
             WHERE m.application_id = ? AND m.chat_number = ? AND c.deleted_at IS NULL AND a.deleted_at IS NULL",
    position: "m.number",
    item: row::message,
    weigh_bytes: |message| json_bytes(message.body.as_str()),
    adjoins: is_next_number,
};
pub(super) static APPLICATIONS: Shape<Application, Token> = Shape {
    select: "SELECT id, deleted_at IS NOT NULL, token,
                    token, name, COALESCE(chats_count, 0), created_at, updated_at
             FROM applications LEFT JOIN application_counters ON application_id = id
             WHERE TRUE",
    position: "id",
    item: row::application,
    weigh_bytes: |application| json_bytes(application.name.as_str()),
    // Ids are dense and given in the order of commits: what is seen has nothing still to come before it.
    adjoins: |_before, _place| true,
};

fn is_next_number(before: Option<&u64>, place: &u64) -> bool {
    *place == before.copied().unwrap_or(0) + 1
}

impl<T: Send> Shape<T, u64> {
    /// Children of a parent. What is still to come is never passed, not even by asking for what comes after it.
    pub(super) async fn of(
        &'static self,
        parent: Parent,
        session: &mut Session,
        page: &Page<u64>,
    ) -> Result<Result<Listed<T, u64>, Missing>, Fault> {
        let clamp = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let of = match parent {
            Parent::Application(application) => vec![application.0],
            Parent::Chat(place) => vec![place.application.0, clamp(place.chat.get())],
        };
        let bounds = (page.after.map_or(0, clamp), page.before.map_or(i64::MAX, clamp));
        let (mut listed, looks) = self.page(&of, session, page, bounds).await?;
        // Where nothing came, also in a later look at what may have been deleted since the one before.
        if listed.items.is_empty() || (looks > 1 && listed.next.is_none()) {
            let ask = format!("{}; {}", is_live(parent), greatest_of(parent));
            let mut answers = session.run(&ask).await?.into_iter();
            if let Some(missing) = missing(&mut answers)? {
                return Ok(Err(missing));
            }
            let greatest = read_greatest(&mut answers)?.map_or(0, Number::get);
            listed.cursor = listed.cursor.map(|cursor| cursor.min(greatest));
        }
        Ok(Ok(listed))
    }
}

impl<T: Send, C: Column + Clone + Send> Shape<T, C> {
    /// Reads one page: until it is full, heavy, or has been looked for long enough; and says in how many looks, each at
    /// a state of its own. Both bounds are excluded.
    pub(super) async fn page(
        &'static self,
        of: &[i64],
        session: &mut Session,
        page: &Page<C>,
        bounds: (i64, i64),
    ) -> Result<(Listed<T, C>, usize), Fault> {
        let (mut lowest, mut highest) = bounds;
        let mut reader = Reader::new(self, page);
        let mut portion = page.limit + 1;
        let statement = self.statement(page.order);
        let mut looks = 0;
        loop {
            looks += 1;
            let rows = i64::try_from(portion).unwrap_or(i64::MAX);
            let parameters = [of, &[lowest, highest, rows]].concat();
            let (mut seen, mut fault) = (0, None);
            let items_before = reader.listed.items.len();
            let read = session.each_prepared(&statement, &parameters, |row| {
                seen += 1;
                if !reader.is_done && fault.is_none() {
                    fault = reader.see(row).err();
                }
                let is_over = reader.is_done || fault.is_some();
                match is_over && portion - seen > SMALL_PORTION_ROWS {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            });
            read.await?;
            if let Some(fault) = fault {
                return Err(fault);
            }
            if reader.is_done || seen < portion {
                return Ok((reader.listed, looks));
            }
            match page.order {
                Order::Ascending => lowest = reader.position,
                Order::Descending => highest = reader.position,
            }
            let items = reader.listed.items.len();
            let longer = if items == items_before { (portion * 4).min(LARGE_PORTION_ROWS) } else { 0 };
            portion = (page.limit - items + 1).max(SMALL_PORTION_ROWS).max(longer);
        }
    }

    /// Its parameters: what the list belongs to, both bounds, and how many rows.
    fn statement(&self, order: Order) -> String {
        let Self { select, position, .. } = self;
        let direction = match order {
            Order::Ascending => "",
            Order::Descending => "DESC",
        };
        format!("{select} AND {position} > ? AND {position} < ? ORDER BY {position} {direction} LIMIT ?")
    }
}

/// Makes a page of rows.
struct Reader<T: 'static, C: 'static> {
    shape: &'static Shape<T, C>,
    limit: usize,
    listed: Listed<T, C>,
    scanned: usize,
    bytes: usize,
    /// Nothing is missing so far.
    dense: bool,
    last_item: Option<C>,
    last_passed: Option<C>,
    /// Of the last row seen.
    position: i64,
    is_done: bool,
}

impl<T, C: Column + Clone> Reader<T, C> {
    fn new(shape: &'static Shape<T, C>, page: &Page<C>) -> Self {
        let listed = Listed { items: Vec::new(), next: None, cursor: page.after.clone() };
        Self {
            shape,
            limit: page.limit,
            listed,
            scanned: 0,
            bytes: 0,
            dense: true,
            last_item: None,
            last_passed: None,
            position: 0,
            is_done: false,
        }
    }

    fn see(&mut self, row: SqlRow) -> Result<(), Fault> {
        let mut row = Columns::from(row);
        self.position = row.take()?;
        let tombstone: bool = row.take()?;
        let full = self.listed.items.len() >= self.limit || self.bytes >= PAGE_LIMIT_BYTES;
        if !tombstone && full {
            self.end(self.last_item.clone());
            return Ok(());
        }
        if self.scanned >= SCAN_LIMIT_ROWS {
            self.end(self.last_passed.clone());
            return Ok(());
        }
        self.scanned += 1;
        let place: C = row.take()?;
        self.dense = self.dense && (self.shape.adjoins)(self.listed.cursor.as_ref(), &place);
        if self.dense {
            self.listed.cursor = Some(place.clone());
        }
        if !tombstone {
            let item = (self.shape.item)(&mut row)?;
            self.bytes += (self.shape.weigh_bytes)(&item);
            self.listed.items.push(item);
            self.last_item = Some(place.clone());
        }
        self.last_passed = Some(place);
        Ok(())
    }

    fn end(&mut self, next: Option<C>) {
        self.listed.next = next;
        self.is_done = true;
    }
}
