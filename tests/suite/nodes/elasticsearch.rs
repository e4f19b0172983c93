use super::*;
use crate::support::stack::ELASTICSEARCH;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_elasticsearch_writes_go_on_and_search_converges_when_it_is_back_or_lost_its_index() {
    let (Some(redis), Some(mysql)) = (REDIS.start(&[]), MYSQL.start(&[])) else { return };
    let Some(server) = ELASTICSEARCH.start(&[]) else { return };
    let stack = Stack::on(&redis.url(), &mysql.url(), &server.url());
    let fleet = Fleet::start(&stack, 2, &["--lease", "1s"]);
    let node = fleet.addresses.node(0);
    let chat = fleet.new_chat().await;
    let list = format!("{chat}/messages");
    let history = History::default();
    for turn in 0..5 {
        create(&fleet.addresses, &history, turn, &list, &format!("pebble-before-{turn}")).await;
    }
    found(&node, &chat, "pebble", 5).await;

    server.kill();
    let refused =
        node.post(&format!("{chat}/messages/search"), &json!({"query": "pebble"})).await.expect(503);
    assert_eq!((refused.code().as_str(), refused.header("Retry-After")), ("not_taken", "1"));
    Load::start(&fleet.addresses, &history, vec![list.clone()], 16, Until::Created(500)).finish().await;
    for operation in history.operations() {
        assert!(matches!(operation.end, End::Ok(_)), "{operation:?}");
    }
    // Search does not count: creates are durable without it.
    becomes(&node, true).await;
    node.put(&format!("{list}/1"), &json!({"body": "a boulder"})).await.expect(200);
    node.delete(&format!("{list}/2")).await.expect(204);
    let server = block_in_place(|| server.start_again());
    found(&node, &chat, "message", 500).await;
    found(&node, &chat, "pebble", 3).await;
    found(&node, &chat, "boulder", 1).await;

    // Somebody deletes the index.
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let indices = format!("{}/suite-*", server.url());
    let names: Value = http.get(&indices).send().await.expect("an answer").json().await.expect("JSON");
    for name in names.as_object().expect("indices").keys() {
        let deleted = http.delete(format!("{}/{name}", server.url())).send().await.expect("an answer");
        assert!(deleted.status().is_success(), "{deleted:?}");
    }
    create(&fleet.addresses, &history, 0, &list, "pebble-afterwards").await;
    found(&node, &chat, "pebble", 4).await;
    found(&node, &chat, "message", 500).await;
    fleet.stop();
}
