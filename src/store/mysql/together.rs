//! Messages that are asked for one by one are looked up together: what comes while others are under way shares the next
//! round trip. Nobody joins what was sent already, so that a reader sees what was committed before it asked.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::keep::live;
use super::row::{self, Fault};
use super::sql::{fill, one_of};
use super::{Desk, select};
use crate::connections::{NoAnswer, Session, start_on_engines};
use crate::domain::{ChatPlace, Message, MessagePlace, Number, Parent};
use crate::store::{Missing, StoreError};

/// Round trips side by side.
const LANES: usize = 2;
/// Messages of one round trip at most.
const LIMIT: usize = 64;

/// Those who ask.
#[derive(Default)]
pub(super) struct Line {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    waiting: Vec<Asked>,
    under_way: usize,
}

struct Asked {
    place: MessagePlace,
    reply: oneshot::Sender<Result<Found, StoreError>>,
}

type Found = Result<Message, Missing>;

impl Line {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    /// A message, as it was when this was called or later.
    pub(super) async fn message(self: &Arc<Self>, place: MessagePlace) -> Result<Found, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.line.inner().waiting.push(Asked { place, reply });
        self.start_next()?;
        answer.await.map_err(|_panicked| NoAnswer)?
    }

    /// Asks for those who wait, unless all lanes are taken.
    fn start_next(self: &Arc<Self>) -> Result<(), NoAnswer> {
        let mut line = self.line.inner();
        if line.under_way == LANES {
            return Ok(());
        }
        // Who has gone asks no more.
        line.waiting.retain(|asked| !asked.reply.is_closed());
        if line.waiting.is_empty() {
            return Ok(());
        }
        let batch = match line.waiting.len() {
            ..=LIMIT => std::mem::take(&mut line.waiting),
            _ => line.waiting.drain(..LIMIT).collect(),
        };
        line.under_way += 1;
        drop(line);
        let turn = Turn(Arc::clone(self));
        start_on_engines(async move { turn.0.answer(batch).await }).map(|_started| ())
    }

    async fn answer(self: &Arc<Self>, batch: Vec<Asked>) {
        let places: BTreeSet<MessagePlace> = batch.iter().map(|asked| asked.place).collect();
        let found = self.read(|session| Box::pin(async move { look_up(session, &places).await })).await;
        let found = found.map_err(Arc::new);
        for Asked { place, reply } in batch {
            let end = match &found {
                Ok(found) => found.get(&place).cloned().ok_or_else(|| NoAnswer.into()),
                Err(error) => Err(shared(error)),
            };
            // Whoever asked may have gone.
            let _ = reply.send(end);
        }
    }
}

/// A lane taken. Dropping it, also in a panic, lets the next go.
struct Turn(Arc<Desk>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.line.inner().under_way -= 1;
        if let Err(error) = self.0.start_next() {
            tracing::error!(%error, "nobody looks messages up");
        }
    }
}

/// One error for all who asked.
fn shared(error: &Arc<StoreError>) -> StoreError {
    let source = Box::new(Arc::clone(error));
    match **error {
        StoreError::Away(_) => StoreError::Away(source),
        StoreError::Unknown(_) => StoreError::Unknown(source),
        StoreError::Broken(_) => StoreError::Broken(source),
    }
}

/// What is there takes one round trip. Why something is not is asked in a second.
async fn look_up(
    session: &mut Session,
    places: &BTreeSet<MessagePlace>,
) -> Result<HashMap<MessagePlace, Found>, Fault> {
    let mut found = HashMap::with_capacity(places.len());
    for mut row in select(session, &messages(places)).await? {
        let chat = ChatPlace { application: row.take()?, chat: row.take()? };
        let message = row::message(&mut row)?;
        found.insert(MessagePlace { chat, number: message.number }, Ok(message));
    }
    let missing: Vec<MessagePlace> =
        places.iter().copied().filter(|place| !found.contains_key(place)).collect();
    if missing.is_empty() {
        return Ok(found);
    }
    let parents =
        |place: &MessagePlace| [Parent::Application(place.chat.application), Parent::Chat(place.chat)];
    let live = live(session, &missing.iter().flat_map(parents).collect::<Vec<_>>()).await?;
    found.extend(missing.into_iter().map(|place| {
        let [application, chat] = parents(&place).map(|parent| live.contains(&parent));
        let why = match (application, chat) {
            (false, _) => Missing::Application,
            (true, false) => Missing::Chat,
            (true, true) => Missing::Message,
        };
        (place, Err(why))
    }));
    Ok(found)
}

/// Those of these messages that are there, whose chat and application are: a range of the primary key each chat, for
/// either kind of server.
fn messages(places: &BTreeSet<MessagePlace>) -> String {
    let mut of_chats: BTreeMap<ChatPlace, Vec<Number>> = BTreeMap::new();
    for place in places {
        of_chats.entry(place.chat).or_default().push(place.number);
    }
    let of_chats = of_chats.into_iter().map(|(ChatPlace { application, chat }, numbers)| {
        let range = "(m.application_id = ? AND m.chat_number = ? AND ";
        fill(range, &[&application, &chat]) + &one_of("m.number", &numbers) + ")"
    });
    let of_chats: Vec<String> = of_chats.collect();
    format!(
        "SELECT m.application_id, m.chat_number, m.number, m.body, m.version, m.created_at, m.updated_at
         FROM messages m FORCE INDEX (PRIMARY)
         STRAIGHT_JOIN chats c ON c.application_id = m.application_id AND c.number = m.chat_number
         STRAIGHT_JOIN applications a ON a.id = m.application_id
         WHERE ({}) AND m.deleted_at IS NULL AND c.deleted_at IS NULL AND a.deleted_at IS NULL",
        of_chats.join(" OR ")
    )
}
