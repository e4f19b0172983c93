use super::*;

pub(crate) async fn the_same_batch_again_gives_the_same_receipt_and_takes_no_number(
    engine: &dyn IntakeEngine,
) {
    let intake = &*fresh(engine).await;
    let (parent, unknown, retired) =
        (Parent::Chat(chat_of(1, 1)), Parent::Chat(chat_of(1, 2)), Parent::Chat(chat_of(1, 3)));
    seed(intake, &[parent]).await;
    intake.retire(retired).await.expect("retired");
    let keyed = with_key(child(parent), "once");
    let drafts =
        [child(parent), keyed.clone(), child(unknown), with_key(child(parent), "once"), child(retired)];
    let id = batch();
    let first = intake.accept(id, &drafts).await.expect("a receipt");
    assert_eq!(first.places, [at(1), at(2), Place::Unseeded, Place::Held, Place::Retired]);
    assert_eq!(intake.accept(id, &drafts).await.expect("a receipt"), first);
    for next in 3..=20 {
        assert_eq!(places(intake, &[child(parent)]).await, [at(next)]);
    }
    seed(intake, &[unknown]).await;
    assert_eq!(intake.accept(id, &drafts).await.expect("a receipt"), first, "also when more is known");
    intake.settle(std::slice::from_ref(&first.entry)).await.expect("settled");
    assert_eq!(intake.accept(id, &drafts).await.expect("a receipt"), first, "also when it is settled");
    assert_eq!(places(intake, &[child(parent)]).await, [at(21)]);
}

pub(crate) async fn the_same_batch_many_times_at_once_is_accepted_once(engine: &dyn IntakeEngine) {
    let intake = fresh(engine).await;
    let parent = Parent::Chat(chat_of(1, 1));
    seed(&*intake, &[parent]).await;
    for round in 0..20 {
        let (id, drafts, intake) = (batch(), children(parent, 5), Arc::clone(&intake));
        let receipts = side_by_side(8, move |_thread| {
            let (intake, drafts) = (Arc::clone(&intake), drafts.clone());
            async move { intake.accept(id, &drafts).await.expect("a receipt") }
        })
        .await;
        assert!(receipts.iter().all(|receipt| receipt == &receipts[0]), "{receipts:?}");
        assert_eq!(numbered(&receipts[0].places), (1..=5).map(|n| round * 5 + n).collect::<Vec<_>>());
    }
}

pub(crate) async fn a_retired_parent_refuses_and_no_other(engine: &dyn IntakeEngine) {
    let intake = &*fresh(engine).await;
    let chat = Parent::Chat(chat_of(1, 1));
    let application = Parent::Application(ApplicationId(2));
    let never_seen = Parent::Chat(chat_of(5, 5));
    let others =
        [Parent::Chat(chat_of(1, 2)), Parent::Chat(chat_of(2, 1)), Parent::Application(ApplicationId(1))];
    seed(intake, &others).await;
    seed(intake, &[chat, application]).await;
    let on_the_way = accept(intake, &[child(chat), child(application)]).await;
    for parent in [chat, application, never_seen] {
        intake.retire(parent).await.expect("retired");
    }
    intake.retire(chat).await.expect("retiring again is harmless");
    let drafts = [child(chat), child(application), child(others[0]), child(never_seen)];
    assert_eq!(places(intake, &drafts).await, [Place::Retired, Place::Retired, at(1), Place::Retired]);
    intake.settle(std::slice::from_ref(&on_the_way.entry)).await.expect("settled");
    raise(intake, chat, 9).await;
    raise(intake, application, 9).await;
    assert_eq!(places(intake, &[child(chat), new_chat(ApplicationId(2))]).await, [Place::Retired; 2]);
    assert_eq!(places(intake, &others.map(child)).await, [at(2), at(1), at(1)]);
}

pub(crate) async fn settling_is_idempotent_and_unknown_entries_are_harmless(engine: &dyn IntakeEngine) {
    let intake = &*engine.fresh(Duration::ZERO).node().await;
    let parent = Parent::Chat(chat_of(1, 1));
    seed(intake, &[parent]).await;
    let first = accept(intake, &[child(parent)]).await;
    let second = accept(intake, &[with_key(child(parent), "second")]).await;
    assert_ne!(first.entry, second.entry, "each batch is an entry of its own");
    for _ in 0..3 {
        intake.settle(std::slice::from_ref(&first.entry)).await.expect("settled");
        intake.settle(&[EntryId("9999999999999-0".to_owned())]).await.expect("harmless");
    }
    assert_eq!(places(intake, &[with_key(child(parent), "second")]).await, [Place::Held], "still on its way");
    assert_eq!(places(intake, &[child(parent)]).await, [at(3)]);
}

pub(crate) async fn what_a_durable_intake_accepted_is_adopted_until_it_is_settled(engine: &dyn IntakeEngine) {
    const LEASE: Duration = Duration::from_secs(15);
    let place = engine.fresh(LONG);
    let first = place.node().await;
    let parent = Parent::Chat(chat_of(1, 1));
    seed(&*first, &[parent]).await;
    let drafts = [child(parent), with_key(child(parent), "once"), child(Parent::Chat(chat_of(1, 2)))];
    let left = accept(&*first, &drafts).await;
    let settled = accept(&*first, &[child(parent)]).await;
    first.settle(std::slice::from_ref(&settled.entry)).await.expect("settled");
    drop(first);
    let second = place.node().await;
    match second.durability() {
        Durability::Volatile => {
            assert!(second.adopt().await.expect("adopted").is_empty(), "nothing outlives its process");
            assert_eq!(
                places(&*second, &[child(parent)]).await,
                [Place::Unseeded],
                "the store has the last word"
            );
        }
        Durability::Durable => {
            let mut adopted = eventually(LEASE, "the entry of the dead node", async || {
                let adopted = second.adopt().await.expect("adopted");
                if adopted.is_empty() { Err("nothing yet".to_owned()) } else { Ok(adopted) }
            })
            .await;
            let entry = adopted.pop().expect("one entry");
            assert!(adopted.is_empty(), "only what was not settled");
            assert_eq!(entry.entry, left.entry);
            let found: Vec<_> = entry.drafts.iter().map(|it| (it.draft.id, it.number.get())).collect();
            assert_eq!(found, [(drafts[0].id, 1), (drafts[1].id, 2)]);
            assert_eq!(places(&*second, &[child(parent)]).await, [at(4)]);
            second.settle(std::slice::from_ref(&entry.entry)).await.expect("settled");
            assert!(second.adopt().await.expect("adopted").is_empty());
        }
    }
}
