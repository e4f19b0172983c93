//! Laws 1 to 3 under concurrency and sudden death: numbers are dense, never used twice, and what was answered is
//! there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::support::history::{End, History, Line, OperationId, creation, end_of};
use crate::support::{Client, Random, Service};

const CLIENTS: usize = 64;

#[tokio::test]
async fn ten_thousand_messages_of_64_clients_in_one_chat_are_numbered_without_gap_or_repeat() {
    let service = Service::start();
    let chat = service.new_chat(&service.new_application().await).await;
    let messages = format!("{chat}/messages");
    let history = History::default();
    create_all(&service, &history, 10_000, Some("hello"), move |_| messages.clone()).await;
    assert_dense(&service, &history, 10_000).await;
    assert!(service.stop().success());
}

#[tokio::test]
async fn a_thousand_chats_of_64_clients_are_numbered_without_gap_or_repeat() {
    let service = Service::start();
    let chats = format!("{}/chats", service.new_application().await);
    let history = History::default();
    create_all(&service, &history, 1_000, None, move |_| chats.clone()).await;
    assert_dense(&service, &history, 1_000).await;
    assert!(service.stop().success());
}

#[tokio::test]
async fn messages_of_64_clients_over_500_chats_are_numbered_without_gap_or_repeat_in_each() {
    let service = Service::start();
    let application = service.new_application().await;
    let chats = History::default();
    let list = format!("{application}/chats");
    create_all(&service, &chats, 500, None, move |_| list.clone()).await;
    let history = History::default();
    // Chats differ in how busy they are: some get three times as much as others.
    let chat = move |turn: usize| format!("{application}/chats/{}/messages", 1 + turn * turn % 500);
    create_all(&service, &history, 5_000, Some("hello"), chat).await;
    assert_dense(&service, &history, 5_000).await;
    assert!(service.stop().success());
}

/// Creates this many children, each client one after the other.
async fn create_all(
    service: &Service,
    history: &History,
    count: usize,
    body: Option<&'static str>,
    parent_of: impl Fn(usize) -> String + Send + Sync + 'static,
) {
    let (parent_of, turns) = (Arc::new(parent_of), Arc::new(AtomicUsize::new(0)));
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (service, history) = (service.client(), history.clone());
        let (parent_of, turns) = (Arc::clone(&parent_of), Arc::clone(&turns));
        clients.spawn(async move {
            loop {
                let turn = turns.fetch_add(1, Ordering::Relaxed);
                if turn >= count {
                    return;
                }
                let body = body.map(|body| format!("{body} {turn}"));
                history.create(client, &service, &parent_of(turn), body.as_deref()).await;
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client.expect("no panic");
    }
}

/// Everything was answered, and each parent is 1..N.
async fn assert_dense(service: &Service, history: &History, count: usize) {
    let answered = history.operations().iter().filter(|done| matches!(done.end, End::Ok(_))).count();
    assert_eq!(answered, count, "every creation is answered 201");
    assert_eq!(history.faults(service, Line::Dense).await, []);
}

/// What a client asks for again after the service died: the same request with the same key.
struct Unsettled {
    operation: OperationId,
    parent: String,
    body: String,
    key: String,
}

#[tokio::test]
async fn twenty_sudden_deaths_lose_nothing_that_was_answered_and_leave_no_gap() {
    let random = Random::seeded();
    let mut service = Service::start();
    let application = service.new_application().await;
    let history = History::default();
    for _ in 0..8 {
        history.create(CLIENTS, &service, &format!("{application}/chats"), None).await.1.number();
    }
    let mut unsettled: BTreeMap<usize, Unsettled> = BTreeMap::new();
    let mut settled = 0;
    for _death in 0..20 {
        settled += unsettled.len();
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS / 2 {
            let talker = Talker {
                client,
                application: application.clone(),
                service: service.client(),
                history: history.clone(),
                random: random.fork(),
            };
            clients.spawn(talker.talk_until_the_end(unsettled.remove(&client)));
        }
        tokio::time::sleep(Duration::from_millis(random.below(400))).await;
        service = service.kill_and_start_again();
        while let Some(left) = clients.join_next().await {
            let (client, left) = left.expect("no panic");
            unsettled.extend(left.map(|left| (client, left)));
        }
    }
    for left in unsettled.into_values() {
        settle(&service, &history, &left).await.number();
    }
    let answered = history.operations().iter().filter(|done| matches!(done.end, End::Ok(_))).count();
    assert!(answered > 1_000 && settled > 20, "the load was no load: {answered} answered, {settled} settled");
    assert_eq!(history.faults(&service, Line::Dense).await, [], "{random:?}");
    assert!(service.stop().success());
}

/// A client of the mixed load.
struct Talker {
    client: usize,
    application: String,
    service: Client,
    history: History,
    random: Random,
}

impl Talker {
    /// Creates until there is no answer. First asks again for what got no answer the last time; says what gets
    /// none now, where a key allows to ask again.
    async fn talk_until_the_end(self, unsettled: Option<Unsettled>) -> (usize, Option<Unsettled>) {
        if let Some(unsettled) = unsettled
            && settle(&self.service, &self.history, &unsettled).await == End::Unknown
        {
            return (self.client, Some(unsettled));
        }
        loop {
            let (operation, parent, body, key) = self.next();
            let mut request = creation(&self.service, &parent, body.as_deref());
            if let Some(key) = &key {
                request = request.header("Idempotency-Key", key);
            }
            let answer = self.service.try_send(request).await;
            let gone = answer.is_err();
            self.history.end(operation, end_of(answer));
            if gone {
                let unsettled = body.zip(key).map(|(body, key)| Unsettled { operation, parent, body, key });
                return (self.client, unsettled);
            }
        }
    }

    /// Half of all goes to one busy chat, most of the rest to seven others, and now and then a chat is made.
    fn next(&self) -> (OperationId, String, Option<String>, Option<String>) {
        let chats = format!("{}/chats", self.application);
        let word = self.random.word();
        let (parent, body) = match self.random.below(16) {
            0 => (chats, None),
            1..=8 => (format!("{chats}/1/messages"), Some(format!("busy {word:x}"))),
            quiet => (format!("{chats}/{}/messages", 1 + quiet % 8), Some(format!("quiet {word:x}"))),
        };
        let operation = self.history.invoke(self.client, &parent, body.as_deref());
        let key = (self.client.is_multiple_of(2) && body.is_some()).then(|| format!("{word:x}"));
        (operation, parent, body, key)
    }
}

/// Asks again with the same key.
async fn settle(service: &Client, history: &History, unsettled: &Unsettled) -> End {
    let again = creation(service, &unsettled.parent, Some(&unsettled.body));
    let end = match end_of(service.try_send(again.header("Idempotency-Key", &unsettled.key)).await) {
        // The first request may have been kept before the service died again.
        End::Fail => End::Unknown,
        end => end,
    };
    history.end(unsettled.operation, end);
    end
}
