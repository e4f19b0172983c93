use std::path::{Path, PathBuf};

use super::*;

on_servers! {
    after_a_flush_every_counter_is_seeded_again_and_two_nodes_get_exactly_the_next_two,
    after_an_older_copy_was_restored_the_first_who_comes_gets_no_number_twice,
    after_a_lost_last_second_the_first_who_comes_gets_no_number_twice,
    after_a_kill_that_lost_nothing_numbers_go_on_behind_those_in_the_streams,
    data_that_goes_back_under_a_running_server_is_noticed_by_who_accepted_since,
    a_node_that_enters_again_after_data_went_back_notices_it,
    after_a_restart_the_same_batch_gives_its_first_receipt,
}

async fn after_a_flush_every_counter_is_seeded_again_and_two_nodes_get_exactly_the_next_two(server: Server) {
    let (first, second) = (node(&server), node(&server));
    seed(&first, &[chat()]).await;
    assert_eq!(places(&first, &children(chat(), 2)).await, [at(1), at(2)]);
    assert_eq!(places(&second, &[child(chat())]).await, [at(3)]);
    operate::<()>(&server, "FLUSHALL");
    for intake in [&first, &second] {
        assert_eq!(places(intake, &[child(chat())]).await, [Place::Unseeded], "the store has the last word");
    }
    tokio::join!(raise(&first, chat(), 3), raise(&second, chat(), 3));
    let (drafts, others) = ([child(chat())], [child(chat())]);
    let (one, other) = tokio::join!(places(&first, &drafts), places(&second, &others));
    let mut next = numbered(&[one, other].concat());
    next.sort_unstable();
    assert_eq!(next, [4, 5]);
}

async fn after_an_older_copy_was_restored_the_first_who_comes_gets_no_number_twice(server: Server) {
    let (busy, idle) = (node(&server), node(&server));
    seed(&busy, &[chat()]).await;
    assert_eq!(places(&busy, &children(chat(), 3)).await, [at(1), at(2), at(3)]);
    assert!(idle.adopt().await.expect("adopted").is_empty(), "it is in, and has accepted nothing");
    let copy = copy_log(&server);
    assert_eq!(places(&busy, &children(chat(), 2)).await, [at(4), at(5)]);
    server.kill();
    let server = start_from(server, &copy);
    let draft = [child(chat())];
    let receipt = accept_again(&idle, batch(), &draft).await;
    assert_eq!(receipt.places, [Place::Unseeded], "4 is not handed out again");
    raise(&idle, chat(), 5).await;
    assert_eq!(places(&idle, &draft).await, [at(6)]);
    let again = accept_again(&busy, batch(), &draft).await;
    assert_eq!(again.places, [Place::Unseeded], "it misses what it accepted since the copy");
    raise(&busy, chat(), 6).await;
    assert_eq!(places(&busy, &draft).await, [at(7)]);
    drop(server);
}

async fn after_a_lost_last_second_the_first_who_comes_gets_no_number_twice(server: Server) {
    let (busy, idle) = (node(&server), node(&server));
    seed(&busy, &[chat()]).await;
    seed(&idle, &[Parent::Application(ApplicationId(1))]).await;
    assert_eq!(places(&busy, &children(chat(), 3)).await, [at(1), at(2), at(3)]);
    let written = log_bytes(&server);
    assert_eq!(places(&busy, &children(chat(), 2)).await, [at(4), at(5)]);
    server.kill();
    let log = std::fs::OpenOptions::new().write(true).open(log_file(&server)).expect("the log");
    log.set_len(written).expect("a shorter log");
    let server = server.start_again();
    let draft = [child(chat())];
    assert_eq!(accept_again(&idle, batch(), &draft).await.places, [Place::Unseeded]);
    raise(&idle, chat(), 5).await;
    assert_eq!(places(&idle, &draft).await, [at(6)]);
    drop(server);
}

async fn after_a_kill_that_lost_nothing_numbers_go_on_behind_those_in_the_streams(server: Server) {
    let first = node(&server);
    seed(&first, &[chat()]).await;
    let receipt = accept(&first, &children(chat(), 3)).await;
    server.kill();
    let server = server.start_again();
    let second = node(&server);
    let draft = [child(chat())];
    assert_eq!(accept_again(&second, batch(), &draft).await.places, [Place::Unseeded]);
    seed(&second, &[chat()]).await;
    assert_eq!(places(&second, &draft).await, [at(4)], "the store knows of none, the stream of three");
    accept_again(&first, batch(), &draft).await;
    first.leave().await.expect("left");
    let left = adopted(&second).await;
    assert!(left.iter().any(|entry| entry.entry == receipt.entry && entry.drafts.len() == 3), "{left:?}");
}

async fn data_that_goes_back_under_a_running_server_is_noticed_by_who_accepted_since(server: Server) {
    let intake = node(&server);
    seed(&intake, &[chat()]).await;
    assert_eq!(places(&intake, &children(chat(), 3)).await, [at(1), at(2), at(3)]);
    let copy = dump(&server);
    assert_eq!(places(&intake, &children(chat(), 2)).await, [at(4), at(5)]);
    restore(&server, &copy);
    let draft = [child(chat())];
    assert_eq!(places(&intake, &draft).await, [Place::Unseeded]);
    raise(&intake, chat(), 5).await;
    assert_eq!(places(&intake, &draft).await, [at(6)], "noticed once");
}

async fn a_node_that_enters_again_after_data_went_back_notices_it(server: Server) {
    let (stayed, intake) = (node(&server), node(&server));
    seed(&stayed, &[chat()]).await;
    let copy = dump(&server);
    assert_eq!(places(&intake, &children(chat(), 2)).await, [at(1), at(2)]);
    restore(&server, &copy);
    let draft = [child(chat())];
    assert_eq!(places(&intake, &draft).await, [Place::Unseeded]);
    assert_eq!(places(&stayed, &draft).await, [Place::Unseeded], "for all");
}

async fn after_a_restart_the_same_batch_gives_its_first_receipt(server: Server) {
    let intake = node(&server);
    seed(&intake, &[chat()]).await;
    let (id, drafts) = (batch(), children(chat(), 3));
    let first = intake.accept(id, &drafts).await.expect("a receipt");
    server.kill();
    let server = server.start_again();
    assert_eq!(accept_again(&intake, id, &drafts).await, first);
    drop(server);
}

/// The part of the log that is being written.
fn log_file(server: &Server) -> PathBuf {
    let files = std::fs::read_dir(server.folder().join("appendonlydir")).expect("a log");
    let mut files = files.map(|file| file.expect("a file").path());
    files.find(|file| file.to_string_lossy().ends_with(".incr.aof")).expect("the log")
}

fn log_bytes(server: &Server) -> u64 {
    std::fs::metadata(log_file(server)).expect("the log").len()
}

/// The whole log as it is now.
fn copy_log(server: &Server) -> PathBuf {
    let copy = server.folder().join("copy");
    copy_files(&server.folder().join("appendonlydir"), &copy);
    copy
}

fn start_from(server: Server, copy: &Path) -> Server {
    let log = server.folder().join("appendonlydir");
    std::fs::remove_dir_all(&log).expect("removed");
    copy_files(copy, &log);
    server.start_again()
}

fn copy_files(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for file in std::fs::read_dir(from).expect("files") {
        let file = file.expect("a file");
        std::fs::copy(file.path(), to.join(file.file_name())).expect("copied");
    }
}

/// Every key with its value and the rest of its life.
fn dump(server: &Server) -> Vec<(Vec<u8>, Vec<u8>, i64)> {
    let mut connection = connection(&server.url());
    let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query(&mut connection).expect("keys");
    let dump = |key: Vec<u8>| {
        let value = redis::cmd("DUMP").arg(&key).query(&mut connection).expect("a value");
        let life: i64 = redis::cmd("PTTL").arg(&key).query(&mut connection).expect("a life");
        (key, value, life.max(0))
    };
    keys.into_iter().map(dump).collect()
}

fn restore(server: &Server, copy: &[(Vec<u8>, Vec<u8>, i64)]) {
    let mut replace = redis::pipe();
    replace.atomic().cmd("FLUSHALL").ignore();
    for (key, value, life) in copy {
        replace.cmd("RESTORE").arg(key).arg(life).arg(value).ignore();
    }
    replace.exec(&mut connection(&server.url())).expect("restored");
}
