use std::fs;

use super::*;

/// What happens to Redis in the middle of a load.
type Harm = (&'static str, fn(&mut Servers));

const HARMS: [Harm; 4] = [
    ("all its data is deleted", |servers| operate(servers.redis(), &["FLUSHALL"])),
    ("it dies and starts again", |servers| {
        servers.redis().kill();
        servers.start_redis_again();
    }),
    ("it dies and starts again with nothing", |servers| {
        servers.redis().kill();
        fs::remove_dir_all(servers.redis().folder().join(DATA)).expect("removed");
        servers.start_redis_again();
    }),
    ("it starts again with an old copy", |servers| {
        servers.redis().kill();
        let folder = servers.redis().folder();
        fs::remove_dir_all(folder.join(DATA)).expect("removed");
        fs::rename(folder.join(COPY), folder.join(DATA)).expect("restored");
        servers.start_redis_again();
    }),
];

/// Where Redis keeps its data, and where an old copy of it is.
const DATA: &str = "appendonlydir";
const COPY: &str = "copy";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_redis_loses_no_number_is_used_twice_and_nothing_that_was_answered_is_lost() {
    let Some(mut servers) = Servers::start() else { return };
    // What is answered 202 is as durable as Redis, so nobody is answered before the commit here.
    let arguments = ["--lease", "1s", "--ack-wait", "30s", "--counter-interval", "200ms"];
    let fleet = Fleet::start(&servers.stack, 2, &arguments);
    for (harm, does) in HARMS {
        println!("{harm}");
        let history = History::default();
        let busy = format!("{}/messages", fleet.new_chat().await);
        let lists = vec![busy.clone(), busy.clone(), busy, format!("{}/messages", fleet.new_chat().await)];
        let load = Load::start(&fleet.addresses, &history, lists, 24, Until::Stopped);
        answered(&history, 150).await;
        copy_data(servers.redis());
        answered(&history, 300).await;
        does(&mut servers);
        answered(&history, 600).await;
        load.stop().await;
        for node in fleet.addresses.all() {
            becomes(&node, true).await;
        }
        fleet.agrees_with(&history, Line::WithTombstones).await;
    }
    fleet.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_creates_at_once_right_after_a_flush_get_the_next_two_numbers() {
    let Some(servers) = Servers::start() else { return };
    let fleet = Fleet::start(&servers.stack, 2, &[]);
    let chat = fleet.new_chat().await;
    let list = format!("{chat}/messages");
    let history = History::default();
    let create = |place: usize, body: &str| {
        let (addresses, history, list, body) =
            (fleet.addresses.clone(), history.clone(), list.clone(), body.to_owned());
        async move { create(&addresses, &history, place, &list, &body).await }
    };
    for flush in 0..10_u64 {
        assert_eq!(create(0, &format!("before-{flush}")).await, 3 * flush + 1);
        operate(servers.redis(), &["FLUSHALL"]);
        let (one, other) = (format!("one-{flush}"), format!("other-{flush}"));
        let (one, other) = tokio::join!(create(0, &one), create(1, &other));
        assert_eq!([one.min(other), one.max(other)], [3 * flush + 2, 3 * flush + 3], "flush {flush}");
    }
    fleet.agrees_with(&history, Line::Dense).await;
    fleet.stop();
}

/// How Redis stops answering as it should, and how it is mended.
type Trouble = (&'static str, fn(&mut Servers), fn(&mut Servers));

const TROUBLES: [Trouble; 3] = [
    ("gone", |servers| servers.redis().kill(), Servers::start_redis_again),
    ("paused", |servers| servers.redis().pause(), |servers| servers.redis().wake()),
    (
        "full",
        |servers| operate(servers.redis(), &["CONFIG", "SET", "maxmemory", "1"]),
        |servers| operate(servers.redis(), &["CONFIG", "SET", "maxmemory", "0"]),
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_creates_are_refused_all_else_goes_on_and_the_next_number_is_the_next_one() {
    let Some(mut servers) = Servers::start() else { return };
    let fleet = Fleet::start(&servers.stack, 1, &["--engine-timeout", "1s", "--ack-wait", "1s"]);
    let node = fleet.addresses.node(0);
    for (trouble, begins, ends) in TROUBLES {
        println!("{trouble}");
        let chat = fleet.new_chat().await;
        let list = format!("{chat}/messages");
        assert_eq!(node.say(&chat, "a stone").await, 1);
        found(&node, &chat, "stone", 1).await;
        begins(&mut servers);
        // One whose answer got lost may be there all the same; those after it are refused.
        let first = node.post(&list, &json!({"body": "lost"})).await.expect(503);
        let taken = u64::from(first.code() == "outcome_unknown");
        let refused = node.post(&list, &json!({"body": "refused"})).await.expect(503);
        assert_eq!((refused.code().as_str(), refused.header("Retry-After")), ("not_taken", "1"), "{trouble}");
        becomes(&node, false).await;
        node.get("/health/live").await.expect(200);
        node.get(&format!("{list}/1")).await.expect(200);
        node.get(&list).await.expect(200);
        node.put(&format!("{list}/1"), &json!({"body": "a rock"})).await.expect(200);
        found(&node, &chat, "rock", 1).await;
        ends(&mut servers);
        becomes(&node, true).await;
        let next = node.say(&chat, "next").await;
        assert!((2..=2 + taken).contains(&next), "{trouble}: {next}");
        let there = node.all(&list).await.len() as u64;
        assert_eq!(there, next, "{trouble}: dense");
    }
    fleet.stop();
}

/// So many creates have been answered.
async fn answered(history: &History, count: usize) {
    eventually(PATIENCE, "answers", async || {
        let answered = history.operations().iter().filter(|done| matches!(done.end, End::Ok(_))).count();
        if answered >= count { Ok(()) } else { Err(format!("{answered}")) }
    })
    .await;
}

fn copy_data(server: &Server) {
    let (from, to) = (server.folder().join(DATA), server.folder().join(COPY));
    let _ = fs::remove_dir_all(&to);
    fs::create_dir(&to).expect("a folder");
    for entry in fs::read_dir(from).expect("its data").flatten() {
        fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
    }
}
