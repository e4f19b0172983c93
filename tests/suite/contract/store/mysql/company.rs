use std::time::Duration;

use chat_system::connections::MysqlOptions;
use chat_system::domain::{Parent, Timestamp};
use chat_system::store::mysql::MysqlStore;
use chat_system::store::{Backlog as _, Company, Count as _, Entered, Nodes as _, Uncounted};

use super::{InDatabase, options};
use crate::support::eventually;
use crate::support::servers::Kind;

on_servers! {
    a_node_that_has_to_be_alone_is_refused_beside_another_and_welcome_after_it,
    what_a_dead_node_left_uncounted_is_found_once,
    one_node_leads_until_it_is_silent_for_a_lease,
    nodes_that_claim_at_once_get_each_entry_once,
}

const LEASE: Duration = Duration::from_secs(1);
const SOON: Duration = Duration::from_secs(20);

fn short() -> MysqlOptions {
    MysqlOptions { lease: LEASE, ..options() }
}

async fn enter(node: &MysqlStore, company: Company) -> Entered {
    node.enter(company).await.expect("an answer")
}

const WELCOME: Entered = Entered::In { uncounted: false };

async fn a_node_that_has_to_be_alone_is_refused_beside_another_and_welcome_after_it(kind: Kind) {
    let Some(place) = InDatabase::shared(kind).await else { return };
    let (first, second, alone) = (place.node(options()), place.node(options()), place.node(options()));
    assert_eq!(enter(&first, Company::Many).await, WELCOME);
    assert_eq!(enter(&second, Company::Many).await, WELCOME);
    assert_eq!(enter(&alone, Company::Alone).await, Entered::Refused);
    first.leave().await.expect("gone");
    assert_eq!(enter(&alone, Company::Alone).await, Entered::Refused, "another is still there");
    second.leave().await.expect("gone");
    assert_eq!(enter(&alone, Company::Alone).await, WELCOME);
    assert_eq!(enter(&alone, Company::Alone).await, WELCOME, "it is in");
    assert_eq!(enter(&first, Company::Many).await, Entered::Refused);
    assert_eq!(enter(&second, Company::Alone).await, Entered::Refused);
    alone.leave().await.expect("gone");
    assert_eq!(enter(&first, Company::Many).await, WELCOME);
}

async fn what_a_dead_node_left_uncounted_is_found_once(kind: Kind) {
    let Some(place) = InDatabase::shared(kind).await else { return };
    let (dies, lives) = (place.node(short()), place.node(short()));
    assert_eq!(enter(&dies, Company::Many).await, WELCOME);
    assert_eq!(enter(&lives, Company::Many).await, WELCOME);
    let desk = place.desk(dies).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    desk.say(chat, &["one", "two"]).await;
    // It says no more that it lives.
    let hears = async || match enter(&lives, Company::Many).await {
        Entered::In { uncounted: true } => Ok(()),
        other => Err(format!("{other:?}")),
    };
    eventually(SOON, "a death is heard of", hears).await;
    let Uncounted { parents: found, next } = lives.uncounted(None, 100).await.expect("parents");
    assert_eq!(next, None);
    assert!(
        found.contains(&Parent::Chat(chat)) && found.contains(&Parent::Application(tenant.id)),
        "{found:?}"
    );
    lives.count(&found, Timestamp::from_micros(0)).await.expect("counted");
    assert_eq!(
        enter(&lives, Company::Many).await,
        Entered::In { uncounted: true },
        "not before all of it is counted"
    );
    lives.count(&[], Timestamp::now()).await.expect("counted");
    assert_eq!(enter(&lives, Company::Many).await, WELCOME);
    assert_eq!((desk.messages_count(chat).await, desk.chats_count(&tenant).await), (2, 1));
    assert_eq!(desk.store.enter(Company::Many).await.expect("an answer"), WELCOME, "it was only asleep");
}

async fn one_node_leads_until_it_is_silent_for_a_lease(kind: Kind) {
    let Some(place) = InDatabase::shared(kind).await else { return };
    let (first, second) = (place.node(short()), place.node(short()));
    assert!(first.lead().await.expect("an answer"));
    assert!(!second.lead().await.expect("an answer"));
    assert!(first.lead().await.expect("an answer"), "again, by whoever does");
    let takes_over = async || match second.lead().await.expect("an answer") {
        true => Ok(()),
        false => Err("not yet"),
    };
    eventually(SOON, "the lead is taken over", async || takes_over().await.map_err(str::to_owned)).await;
    assert!(!first.lead().await.expect("an answer"));
}

async fn nodes_that_claim_at_once_get_each_entry_once(kind: Kind) {
    const ENTRIES: u64 = 60;
    let Some(place) = InDatabase::shared(kind).await else { return };
    let desk = place.desk(place.node(options())).await;
    let (_, chat) = desk.tenant_and_chat().await;
    for _ in 0..ENTRIES {
        desk.say(chat, &["hello"]).await;
    }
    let claimers: Vec<_> = (0..4)
        .map(|_| {
            let node = place.node(options());
            tokio::spawn(async move {
                let mut claimed = Vec::new();
                loop {
                    let until = Timestamp::now().after(super::LONG);
                    let claims = node.claim(None, 5, until).await.expect("claims");
                    if claims.is_empty() {
                        return claimed;
                    }
                    claimed.extend(claims.into_iter().map(|claim| claim.id.0));
                }
            })
        })
        .collect();
    let mut all = Vec::new();
    for claimer in claimers {
        all.extend(claimer.await.expect("claimed"));
    }
    // Whoever looked while others held the rest may have ended early; the rest is for whoever comes next.
    all.extend(desk.claim(1_000, super::LONG).await.into_iter().map(|claim| claim.id.0));
    all.sort_unstable();
    let entries = all.len() as u64;
    all.dedup();
    assert_eq!((all.len() as u64, entries), (ENTRIES, ENTRIES), "each once");
}
