use super::*;
use crate::support::servers::{free_port, unique};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_comes_up_before_its_servers_becomes_ready_when_they_do() {
    let Some(mut servers) = Servers::start() else { return };
    servers.redis().kill();
    servers.mysql().kill();
    let fleet = Fleet::start(&servers.stack, 2, &["--lease", "1s"]);
    for node in fleet.addresses.all() {
        node.get("/health/live").await.expect(200);
        becomes(&node, false).await;
        let refused = node.post("/api/v1/applications", &json!({"name": "early"})).await.expect(503);
        assert_eq!(refused.header("Retry-After"), "1");
    }
    servers.start_redis_again();
    servers.start_mysql_again();
    for node in fleet.addresses.all() {
        becomes(&node, true).await;
        let chat = node.new_chat(&node.new_application().await).await;
        assert_eq!(node.say(&chat, "hello").await, 1);
        found(&node, &chat, "hello", 1).await;
    }
    fleet.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_set_up_wrong_is_said_in_one_clear_line() {
    let Some(servers) = Servers::start() else { return };
    let Stack { intake, store, search } = servers.stack.clone();
    operate(servers.redis(), &["CONFIG", "SET", "requirepass", "secret"]);
    let (server, _database) = store.rsplit_once('/').expect("a database");
    let wrong = [
        (
            "a wrong password of Redis",
            intake.replace("redis://", "redis://:guess@"),
            store.clone(),
            "assword",
        ),
        ("no password for Redis", intake.clone(), store.clone(), "uthentication"),
        ("nobody at this port", format!("redis://127.0.0.1:{}", free_port()), store.clone(), "refused"),
        (
            "an unknown database",
            intake.clone(),
            format!("{server}/{}", unique("nowhere_")),
            "nknown database",
        ),
        ("a wrong password of MySQL", intake.clone(), store.replace("root@", "root:guess@"), "ccess denied"),
    ];
    for (what, intake, store, said) in wrong {
        println!("{what}");
        let stack = Stack { intake, store, search: search.clone() };
        let fleet = Fleet::start(&stack, 1, &["--lease", "1s"]);
        becomes(&fleet.addresses.node(0), false).await;
        eventually(SETTLED_WITHIN, what, async || {
            let log = fleet.node(0).log();
            let lines: Vec<&str> = log.lines().filter(|line| line.contains(said)).collect();
            if lines.is_empty() { Err(log) } else { Ok(()) }
        })
        .await;
        let log = fleet.node(0).log();
        assert!(!log.contains("guess") && !log.contains("panicked"), "{log}");
        fleet.stop();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_lose_what_was_answered_are_said() {
    let redis =
        REDIS.start(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru", "--appendonly", "no"]);
    let mysql = MYSQL.start(&["--innodb-flush-log-at-trx-commit=2"]);
    let (Some(redis), Some(mysql)) = (redis, mysql) else { return };
    let Some(stack) = Stack::of(&redis, &mysql) else { return };
    let fleet = Fleet::start(&stack, 1, &[]);
    let node = fleet.addresses.node(0);
    eventually(SETTLED_WITHIN, "warnings", async || {
        let said = node.get("/health/ready").await.expect(200).json()["warnings"].to_string();
        let settings = ["maxmemory-policy", "appendonly", "innodb_flush_log_at_trx_commit"];
        if settings.iter().all(|setting| said.contains(setting)) { Ok(()) } else { Err(said) }
    })
    .await;
    let log = fleet.node(0).log();
    assert!(log.contains("innodb_flush_log_at_trx_commit") && log.contains("maxmemory-policy"), "{log}");
    fleet.stop();
}
