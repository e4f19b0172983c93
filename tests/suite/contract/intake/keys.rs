use super::*;

pub(crate) async fn of_drafts_with_one_key_only_the_first_is_numbered(engine: &dyn IntakeEngine) {
    let intake = &*fresh(engine).await;
    let (chat, application) = (Parent::Chat(chat_of(1, 1)), Parent::Application(ApplicationId(1)));
    for parent in [chat, application] {
        seed(intake, &[parent]).await;
        let copy = || with_key(child(parent), "once");
        let drafts = [copy(), child(parent), copy(), copy(), child(parent)];
        let expected = [at(1), at(2), Place::Held, Place::Held, at(3)];
        assert_eq!(places(intake, &drafts).await, expected, "in one batch");
        let drafts = [copy(), with_key(child(parent), "another"), copy()];
        assert_eq!(places(intake, &drafts).await, [Place::Held, at(4), Place::Held], "in the next");
    }
}

pub(crate) async fn a_key_is_held_for_a_while_after_its_entry_was_settled(engine: &dyn IntakeEngine) {
    let intake = &*fresh(engine).await;
    let parent = Parent::Chat(chat_of(1, 1));
    seed(intake, &[parent]).await;
    let first = accept(intake, &[with_key(child(parent), "once")]).await;
    intake.settle(std::slice::from_ref(&first.entry)).await.expect("settled");
    let drafts = [with_key(child(parent), "once"), child(parent)];
    assert_eq!(places(intake, &drafts).await, [Place::Held, at(2)]);
}

pub(crate) async fn a_key_is_free_again_when_it_is_no_longer_held(engine: &dyn IntakeEngine) {
    let intake = engine.fresh(Duration::from_millis(1)).node().await;
    let parent = Parent::Chat(chat_of(1, 1));
    seed(&*intake, &[parent]).await;
    for round in 1..=3 {
        let receipt = eventually(Duration::from_secs(5), "a number", async || {
            let receipt = accept(&*intake, &[with_key(child(parent), "again")]).await;
            if receipt.places == [Place::Held] { Err("held".to_owned()) } else { Ok(receipt) }
        })
        .await;
        assert_eq!(receipt.places, [at(round)]);
        assert_eq!(places(&*intake, &[with_key(child(parent), "again")]).await, [Place::Held], "on its way");
        intake.settle(std::slice::from_ref(&receipt.entry)).await.expect("settled");
    }
}

pub(crate) async fn the_same_key_of_another_application_or_path_is_another_key(engine: &dyn IntakeEngine) {
    let intake = &*fresh(engine).await;
    let parents = [
        Parent::Chat(chat_of(1, 1)),
        Parent::Chat(chat_of(1, 2)),
        Parent::Chat(chat_of(2, 1)),
        Parent::Application(ApplicationId(1)),
    ];
    seed(intake, &parents).await;
    let drafts = parents.map(|parent| with_key(child(parent), "once"));
    assert_eq!(places(intake, &drafts).await, [at(1); 4]);
    let mut elsewhere = child(parents[0]);
    elsewhere.key =
        Some(chat_system::domain::KeyUse { application: ApplicationId(77), ..key(parents[0], "once") });
    assert_eq!(places(intake, &[elsewhere]).await, [at(2)], "the application is part of it");
    let mut other_body = with_key(child(parents[0]), "once");
    other_body.key.as_mut().expect("a key").body = chat_system::domain::Digest::of(&["another body"]);
    assert_eq!(places(intake, &[other_body]).await, [Place::Held], "the body is not");
}

pub(crate) async fn a_draft_that_got_no_number_holds_no_key(engine: &dyn IntakeEngine) {
    let intake = &*fresh(engine).await;
    let parent = Parent::Chat(chat_of(1, 1));
    assert_eq!(places(intake, &[with_key(child(parent), "once")]).await, [Place::Unseeded]);
    seed(intake, &[parent]).await;
    assert_eq!(places(intake, &[with_key(child(parent), "once")]).await, [at(1)]);
}
