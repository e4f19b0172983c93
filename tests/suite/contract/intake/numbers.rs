use super::*;

pub(crate) async fn numbers_of_one_parent_are_dense_in_the_order_of_acceptance(engine: &dyn IntakeEngine) {
    let intake = &*fresh(engine).await;
    for parent in [Parent::Application(ApplicationId(1)), Parent::Chat(chat_of(1, 1))] {
        seed(intake, &[parent]).await;
        let mut taken = Vec::new();
        for size in [1, 7, 1, 500, 2, 3_000] {
            let receipt = accept(intake, &children(parent, size)).await;
            taken.extend(numbered(&receipt.places));
            intake.settle(std::slice::from_ref(&receipt.entry)).await.expect("settled");
        }
        assert_eq!(taken, (1..=3_511).collect::<Vec<_>>(), "{parent:?}");
    }
}

pub(crate) async fn numbers_are_dense_when_many_accept_at_once(engine: &dyn IntakeEngine) {
    const THREADS: u64 = 16;
    const BATCHES: usize = 60;
    let intake = fresh(engine).await;
    let parents = [Parent::Chat(chat_of(1, 1)), Parent::Chat(chat_of(1, 2))];
    seed(&*intake, &parents).await;
    let answers = side_by_side(THREADS, move |_thread| {
        let intake = Arc::clone(&intake);
        async move {
            let mut batches = Vec::new();
            for size in (1..=7).cycle().take(BATCHES) {
                let drafts = [children(parents[0], size), children(parents[1], 1)].concat();
                let receipt = accept(&*intake, &drafts).await;
                let mut own = numbered(&receipt.places);
                let other = own.pop().expect("the other parent's");
                batches.push((own, other));
                if size % 2 == 0 {
                    intake.settle(std::slice::from_ref(&receipt.entry)).await.expect("settled");
                }
            }
            batches
        }
    })
    .await;
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for batches in answers {
        for (own, _) in &batches {
            assert!(own.windows(2).all(|pair| pair[0] + 1 == pair[1]), "one step: {own:?}");
        }
        let in_order: Vec<u64> = batches.iter().flat_map(|(own, _)| own.clone()).collect();
        assert!(in_order.is_sorted(), "who comes later gets a greater number");
        first.extend(in_order);
        second.extend(batches.iter().map(|(_, other)| *other));
    }
    for mut numbers in [first, second] {
        numbers.sort_unstable();
        let all: Vec<u64> = (1..).take(numbers.len()).collect();
        assert_eq!(numbers, all, "1 to N, each once");
    }
}

pub(crate) async fn counters_of_many_parents_are_independent(engine: &dyn IntakeEngine) {
    let intake = &*fresh(engine).await;
    let mut parents: Vec<Parent> = (1..=20).map(|id| Parent::Application(ApplicationId(id))).collect();
    for application in 1..=20 {
        parents.extend((1..=20).map(|chat| Parent::Chat(chat_of(application, chat))));
    }
    seed(intake, &parents).await;
    let mut expected: HashMap<Parent, u64> = HashMap::new();
    for round in 1..=4 {
        let chosen: Vec<Parent> = parents.iter().copied().step_by(round).collect();
        let drafts: Vec<Draft> = chosen.iter().map(|&parent| child(parent)).collect();
        for (parent, got) in chosen.iter().zip(numbered(&places(intake, &drafts).await)) {
            let last = expected.entry(*parent).or_default();
            *last += 1;
            assert_eq!(got, *last, "{parent:?}");
        }
    }
}

pub(crate) async fn a_parent_without_a_counter_is_handed_back_and_the_rest_of_its_batch_is_numbered(
    engine: &dyn IntakeEngine,
) {
    let intake = &*fresh(engine).await;
    let (known, unknown) = (Parent::Chat(chat_of(1, 1)), Parent::Chat(chat_of(1, 2)));
    seed(intake, &[known]).await;
    let drafts = [child(known), child(unknown), child(known), child(unknown), child(known)];
    let expected = [at(1), Place::Unseeded, at(2), Place::Unseeded, at(3)];
    assert_eq!(places(intake, &drafts).await, expected);
    raise(intake, unknown, 41).await;
    assert_eq!(places(intake, &[drafts[1].clone(), drafts[3].clone()]).await, [at(42), at(43)]);
    assert_eq!(places(intake, &[child(known)]).await, [at(4)]);
}

pub(crate) async fn a_counter_is_only_ever_raised(engine: &dyn IntakeEngine) {
    let intake = &*fresh(engine).await;
    let parent = Parent::Chat(chat_of(3, 9));
    raise(intake, parent, 10).await;
    assert_eq!(places(intake, &[child(parent)]).await, [at(11)]);
    raise(intake, parent, 5).await;
    seed(intake, &[parent]).await;
    assert_eq!(places(intake, &[child(parent)]).await, [at(12)], "a low mark changes nothing");
    raise(intake, parent, 12).await;
    assert_eq!(places(intake, &[child(parent)]).await, [at(13)], "nor does the present one");
    intake
        .raise(&[(parent, Some(number(20))), (parent, Some(number(17))), (parent, None)])
        .await
        .expect("raised");
    assert_eq!(places(intake, &[child(parent)]).await, [at(21)]);
}

pub(crate) async fn many_parents_do_no_harm_and_an_idle_one_can_be_seeded_again(engine: &dyn IntakeEngine) {
    const PARENTS: u64 = 300_000;
    const THREADS: u64 = 16;
    let shared = fresh(engine).await;
    let intake = &*shared;
    let mark = Some(number(5));
    let (busy, retired) = (Parent::Chat(chat_of(1, 1)), Parent::Chat(chat_of(1, 2)));
    raise(intake, busy, 5).await;
    let on_the_way = accept(intake, &[child(busy)]).await;
    assert_eq!(on_the_way.places, [at(6)]);
    let idle: Vec<(Parent, Option<Number>)> =
        (1..=PARENTS).map(|chat| (Parent::Chat(chat_of(2, chat)), mark)).collect();
    for marks in idle.chunks(1_000) {
        intake.raise(marks).await.expect("raised");
        let drafts: Vec<Draft> = marks.iter().step_by(250).map(|&(parent, _)| child(parent)).collect();
        let receipt = accept(intake, &drafts).await;
        assert_eq!(receipt.places, vec![at(6); drafts.len()], "just seeded");
        intake.settle(std::slice::from_ref(&receipt.entry)).await.expect("settled");
    }
    assert_eq!(places(intake, &[child(busy)]).await, [at(7)], "what is on its way is not forgotten");
    intake.retire(retired).await.expect("retired");
    assert_eq!(places(intake, &[child(retired)]).await, [Place::Retired]);
    let retiring = Arc::clone(&shared);
    side_by_side(THREADS, move |thread| {
        let retiring = Arc::clone(&retiring);
        async move {
            for chat in (1 + thread..=PARENTS).step_by(usize::try_from(THREADS).expect("few")) {
                retiring.retire(Parent::Chat(chat_of(3, chat))).await.expect("retired");
            }
        }
    })
    .await;
    intake.retire(Parent::Chat(chat_of(3, PARENTS))).await.expect("retired");
    assert_eq!(places(intake, &[child(Parent::Chat(chat_of(3, PARENTS)))]).await, [Place::Retired]);
    assert_eq!(places(intake, &[child(busy)]).await, [at(8)], "nor by retiring others");
    for &(parent, _) in idle.iter().skip(1).step_by(29_998) {
        let draft = child(parent);
        let mut place = places(intake, std::slice::from_ref(&draft)).await;
        if place == [Place::Unseeded] {
            intake.raise(&[(parent, mark)]).await.expect("raised");
            place = places(intake, &[draft]).await;
        }
        assert_eq!(place, [at(6)], "{parent:?}");
    }
}
