use std::sync::Arc;

use chat_system::domain::{
    AccessKey, Digest, Holder, Key, KeyUse, Name, NewAccessKey, NewApplication, Rate, Scope, Scopes, Secret,
    Tenant, Timestamp,
};
use chat_system::store::{ACCESS_KEYS_LIMIT, Founded, KeyMade, Made, Missing, NoKey, Recalled, Store};

use super::super::side_by_side;
use super::super::things::number;
use super::{Desk, StoreEngine, new_application};

fn new_key(name: &str, scopes: Scopes) -> (Secret, NewAccessKey) {
    let secret = Secret::fresh().expect("bits");
    let name = Name::parse(name).expect("a name");
    let (digest, created_at) = (secret.digest(), Timestamp::now());
    (secret, NewAccessKey { name, scopes, digest, key: None, created_at })
}

/// A key that was made now.
fn fresh(made: KeyMade) -> AccessKey {
    match made {
        KeyMade::New(key) => key,
        KeyMade::Replay(recalled) => panic!("{recalled:?}"),
    }
}

async fn add(store: &dyn Store, tenant: &Tenant, name: &str, scopes: Scopes) -> (Secret, AccessKey) {
    let (secret, new) = new_key(name, scopes);
    (secret, fresh(store.add_access_key(tenant, new).await.expect("an answer").expect("a key")))
}

async fn holder(store: &dyn Store, secret: &Secret) -> Option<Holder> {
    store.holder(&secret.digest()).await.expect("an answer")
}

async fn names(store: &dyn Store, tenant: &Tenant) -> Vec<String> {
    let keys = store.access_keys(tenant).await.expect("an answer").expect("keys");
    keys.into_iter().map(|key| key.name.as_str().to_owned()).collect()
}

pub(crate) async fn a_key_opens_its_application_until_it_is_revoked(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let (one, other) = (desk.application("one").await, desk.application("other").await);
    let reading = Scopes::parse(["read"]).expect("scopes");
    let (first, made) = add(&*desk.store, &one, "first", Scopes::ALL).await;
    let (second, _) = add(&*desk.store, &one, "second", reading).await;
    let (of_other, _) = add(&*desk.store, &other, "other's", Scopes::ALL).await;
    assert_eq!((made.number, made.scopes, made.name.as_str()), (number(1), Scopes::ALL, "first"));
    let held = holder(&*desk.store, &second).await.expect("a holder");
    assert_eq!((&held.tenant, held.key, held.rate), (&one, number(2), None));
    assert!(held.scopes.allow(Scope::Read) && !held.scopes.allow(Scope::Write));
    assert_eq!(holder(&*desk.store, &of_other).await.expect("a holder").tenant, other);
    assert_eq!(holder(&*desk.store, &Secret::fresh().expect("bits")).await, None);
    assert_eq!(desk.store.holder(&Digest([0; 32])).await.expect("an answer"), None);

    let revoke = async |tenant: &Tenant, at| {
        desk.store.revoke_access_key(tenant, number(at)).await.expect("an answer")
    };
    assert_eq!(revoke(&other, 2).await, Err(Missing::Key), "another's");
    assert_eq!(revoke(&one, 2).await, Ok(()));
    assert_eq!(revoke(&one, 2).await, Err(Missing::Key), "again");
    assert_eq!(holder(&*desk.store, &second).await, None);
    assert!(holder(&*desk.store, &first).await.is_some());
    assert_eq!(names(&*desk.store, &one).await, ["first"]);
    let (_, third) = add(&*desk.store, &one, "third", reading).await;
    assert_eq!(third.number, number(3), "a number is not used again");
    let desk = desk.reopen().await;
    assert_eq!(names(&*desk.store, &one).await, ["first", "third"]);
    assert_eq!(names(&*desk.store, &other).await, ["other's"]);
}

pub(crate) async fn an_application_is_made_with_its_first_key_and_its_keys_go_with_it(
    engine: &dyn StoreEngine,
) {
    let desk = Desk::fresh(engine).await;
    let (secret, first) = new_key("first", Scopes::ALL);
    let new = NewApplication { access: Some(first), ..new_application("with a key") };
    let token = new.token.clone();
    assert!(matches!(desk.store.create_application(new).await.expect("created"), Founded::New(_)));
    let held = holder(&*desk.store, &secret).await.expect("a holder");
    assert_eq!((held.tenant.token.clone(), held.key, held.scopes), (token, number(1), Scopes::ALL));
    let tenant = held.tenant;
    let (second, _) = add(&*desk.store, &tenant, "second", Scopes::ALL).await;
    desk.store.delete_application(&tenant).await.expect("an answer").expect("deleted");
    for secret in [&secret, &second] {
        assert_eq!(holder(&*desk.store, secret).await, None);
    }
    let (_, late) = new_key("late", Scopes::ALL);
    let late = desk.store.add_access_key(&tenant, late).await.expect("an answer");
    assert_eq!(late, Err(NoKey::Missing(Missing::Application)));
    let store = &desk.store;
    assert_eq!(store.access_keys(&tenant).await.expect("an answer"), Err(Missing::Application));
    let revoked = store.revoke_access_key(&tenant, number(1)).await.expect("an answer");
    assert_eq!(revoked, Err(Missing::Application));
    while desk.store.purge(100).await.expect("purged") > 0 {}
    assert_eq!(holder(&*desk.store, &secret).await, None);
}

pub(crate) async fn keys_made_at_once_have_numbers_of_their_own_up_to_the_limit(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let tenant = desk.application("busy").await;
    let other = desk.application("idle").await;
    let (store, of) = (Arc::clone(&desk.store), tenant.clone());
    let made = Arc::new(std::sync::Mutex::new((Vec::new(), 0)));
    let seen = Arc::clone(&made);
    side_by_side(4, move |_| {
        let (store, tenant, seen) = (Arc::clone(&store), of.clone(), Arc::clone(&seen));
        async move {
            for _ in 0..ACCESS_KEYS_LIMIT / 4 + 3 {
                let (_, new) = new_key("one of many", Scopes::ALL);
                let made = store.add_access_key(&tenant, new).await.expect("an answer");
                let mut seen = seen.lock().expect("no panic");
                match made {
                    Ok(made) => seen.0.push(fresh(made).number.get()),
                    Err(NoKey::Full) => seen.1 += 1,
                    Err(NoKey::Missing(missing)) => panic!("{missing:?}"),
                }
            }
        }
    })
    .await;
    let (mut numbers, refused) = std::mem::take(&mut *made.lock().expect("no panic"));
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=ACCESS_KEYS_LIMIT as u64).collect::<Vec<_>>());
    assert_eq!(refused, 12);
    desk.store.revoke_access_key(&tenant, number(7)).await.expect("an answer").expect("revoked");
    let (_, next) = add(&*desk.store, &tenant, "in its place", Scopes::ALL).await;
    assert_eq!(next.number, number(ACCESS_KEYS_LIMIT as u64 + 1));
    add(&*desk.store, &other, "another's", Scopes::ALL).await;
}

pub(crate) async fn a_key_of_idempotency_makes_one_access_key(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let (one, other) = (desk.application("one").await, desk.application("other").await);
    let body = Digest::of(&["a body"]);
    let once = move |tenant: &Tenant| KeyUse {
        application: tenant.id,
        key: Key::parse(b"once").expect("a key"),
        path: Digest::of(&["keys"]),
        body,
    };
    let (store, of) = (Arc::clone(&desk.store), one.clone());
    let made = side_by_side(4, move |_| {
        let (store, tenant) = (Arc::clone(&store), of.clone());
        async move {
            let (_, new) = new_key("once", Scopes::ALL);
            let new = NewAccessKey { key: Some(once(&tenant)), ..new };
            store.add_access_key(&tenant, new).await.expect("an answer").expect("a key")
        }
    })
    .await;
    let replay = KeyMade::Replay(Recalled { body, made: Made::Numbered(number(1)) });
    assert_eq!(made.iter().filter(|made| **made == replay).count(), 3, "{made:?}");
    assert_eq!(names(&*desk.store, &one).await, ["once"]);
    let (_, new) = new_key("another's", Scopes::ALL);
    let new = NewAccessKey { key: Some(once(&other)), ..new };
    fresh(desk.store.add_access_key(&other, new).await.expect("an answer").expect("a key"));
}

pub(crate) async fn a_rate_is_set_for_one_application_and_taken_back(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let (one, other) = (desk.application("one").await, desk.application("other").await);
    let (key, _) = add(&*desk.store, &one, "key", Scopes::ALL).await;
    let (of_other, _) = add(&*desk.store, &other, "key", Scopes::ALL).await;
    let rate = |text: &str| -> Rate { text.parse().expect("a rate") };
    for set in [Some(rate("60/min")), Some(rate("5/s")), None] {
        desk.store.set_rate(&one, set.clone()).await.expect("an answer").expect("set");
        assert_eq!(desk.store.rate(&one).await.expect("an answer"), Ok(set.clone()));
        assert_eq!(holder(&*desk.store, &key).await.expect("a holder").rate, set);
        assert_eq!(holder(&*desk.store, &of_other).await.expect("a holder").rate, None);
    }
    assert_eq!(desk.store.rate(&other).await.expect("an answer"), Ok(None));
    desk.store.delete_application(&one).await.expect("an answer").expect("deleted");
    let set = desk.store.set_rate(&one, Some(rate("1/s"))).await.expect("an answer");
    assert_eq!(set, Err(Missing::Application));
    assert_eq!(desk.store.rate(&one).await.expect("an answer"), Err(Missing::Application));
}
