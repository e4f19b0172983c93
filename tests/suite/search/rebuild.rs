use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::chat::Chat;
use crate::support::{Client, Reply, Service, eventually};

/// A small index is built anew within this.
pub const BUILT_WITHIN: Duration = Duration::from_secs(60);

/// A service with some messages, all of them found, at rest.
struct Rested {
    service: Service,
    path: String,
    expected: Vec<Found>,
}

/// A query and its hits.
type Found = (&'static str, Vec<(u64, String)>);

const QUERIES: [&str; 5] = ["stone", "ston", "réunion", "上海", "deleted"];

impl Rested {
    async fn start() -> Self {
        let service = Service::start();
        let chat = Chat::new(&service).await;
        for place in 0..40 {
            let word = ["stone", "milestones", "la réunion", "我在上海工作", "nothing"][place % 5];
            chat.say(&format!("{word}, line {place}")).await;
        }
        let deleted = chat.say("a deleted stone").await;
        chat.client.delete(&chat.message(deleted)).await.expect(204);
        let edited = chat.say("before the stone").await;
        chat.client.put(&chat.message(edited), &json!({"body": "after the réunion"})).await.expect(200);
        chat.settle().await;
        let mut expected = Vec::new();
        for query in QUERIES {
            expected.push((query, chat.shown(query).await));
        }
        assert_eq!(expected.iter().map(|(_, hits)| hits.len()).collect::<Vec<_>>(), [16, 16, 9, 8, 0]);
        Self { path: chat.path, expected, service: rested(service) }
    }

    fn index(&self) -> PathBuf {
        self.service.folder().join("search")
    }

    /// Starts again and waits until everything is found as before.
    async fn start_again_and_expect_all(self, damage: &str, old_index: Option<PathBuf>) -> Self {
        let service = self.service.start_again();
        let folder = service.folder().join("search");
        eventually(BUILT_WITHIN, &format!("{damage}: another index"), async || {
            let present = named(&folder);
            if Some(&present) == old_index.as_ref() { Err(format!("{present:?}")) } else { Ok(()) }
        })
        .await;
        let chat = Chat { client: service.client(), path: self.path };
        for (query, hits) in &self.expected {
            eventually(BUILT_WITHIN, &format!("{damage}: {query}"), async || {
                let answer = search(&chat, query).await;
                if answer.status.as_u16() == 503 {
                    return Err(answer.text);
                }
                let found = answer.expect(200).json();
                let numbers: Vec<u64> =
                    found["data"].as_array().expect("a list").iter().map(super::chat::number).collect();
                let right = numbers.iter().eq(hits.iter().map(|(number, _)| number))
                    && found["number_of_messages"] == hits.len();
                if right { Ok(()) } else { Err(found.to_string()) }
            })
            .await;
        }
        ready_with(&service, "up").await;
        for (query, hits) in &self.expected {
            assert_eq!(&chat.shown(query).await, hits, "{damage}: {query}");
        }
        // And it goes on: a new message is found, and found again after the next start.
        let word = "afterwards";
        let number = chat.say(word).await;
        chat.found_within(Duration::from_secs(2), word, number).await;
        chat.client.delete(&chat.message(number)).await.expect(204);
        Self { service: rested(service), path: chat.path, expected: self.expected }
    }
}

/// An answer, or a 503 that says when to come again.
pub async fn search(chat: &Chat, query: &str) -> Reply {
    let answer = chat
        .client
        .post(&format!("{}/messages/search", chat.path), &json!({"query": query, "limit": 100}))
        .await;
    if answer.status.as_u16() == 503 {
        assert_eq!(answer.code(), "not_taken");
        assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{answer:?}");
    }
    answer
}

pub async fn search_state(client: &Client) -> Value {
    client.get("/health/ready").await.expect(200).json()["engines"]["search"]["state"].clone()
}

pub async fn ready_with(client: &Client, state: &str) {
    eventually(BUILT_WITHIN, &format!("search is {state}"), async || {
        let now = search_state(client).await;
        if now == state { Ok(()) } else { Err(now.to_string()) }
    })
    .await;
}

/// Stopped in order.
fn rested(mut service: Service) -> Service {
    service.terminate();
    assert!(service.wait().success());
    service
}

/// All files below, the lists of what there is aside.
fn data_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        if entry.path().is_dir() {
            files.extend(data_files(&entry.path()));
        } else if entry.path().extension().is_some_and(|ending| ending != "json" && ending != "lock") {
            files.push(entry.path());
        }
    }
    files.retain(|file| fs::metadata(file).is_ok_and(|found| found.len() > 0));
    assert!(!files.is_empty());
    files
}

fn every_file(folder: &Path, change: impl Fn(Vec<u8>) -> Vec<u8>) {
    for file in data_files(folder) {
        let whole = fs::read(&file).expect("a file");
        fs::write(&file, change(whole)).expect("a file");
    }
}

/// One byte in the middle of each file of this kind: only a checksum can tell.
fn flip_in(folder: &Path, ending: &str) {
    let files: Vec<_> = data_files(folder)
        .into_iter()
        .filter(|file| file.extension().is_some_and(|found| found == ending))
        .collect();
    assert!(!files.is_empty(), "no .{ending}");
    for file in files {
        let mut bytes = fs::read(&file).expect("a file");
        let middle = bytes.len() / 3;
        bytes[middle] ^= 0x5A;
        fs::write(&file, bytes).expect("a file");
    }
}

/// Where the one index in the folder is.
fn named(folder: &Path) -> PathBuf {
    folder.join(fs::read_to_string(folder.join("name")).expect("a name"))
}

type Harm = (&'static str, fn(&Path));

const HARMS: &[Harm] = &[
    ("the folder is missing", |folder| fs::remove_dir_all(folder).expect("removed")),
    ("the folder is empty", |folder| {
        fs::remove_dir_all(folder).expect("removed");
        fs::create_dir(folder).expect("made");
    }),
    ("the index in it is missing", |folder| fs::remove_dir_all(named(folder)).expect("removed")),
    ("the name is missing", |folder| fs::remove_file(folder.join("name")).expect("removed")),
    ("all files are empty", |folder| every_file(folder, |_| Vec::new())),
    ("all files are cut in half", |folder| {
        every_file(folder, |whole| whole[..whole.len() / 2].to_vec());
    }),
    ("all files are garbled", |folder| {
        every_file(folder, |whole| whole.iter().map(|byte| byte ^ 0xA5).collect());
    }),
    ("all files are zeroes", |folder| every_file(folder, |whole| vec![0; whole.len()])),
    ("all files are longer", |folder| every_file(folder, |whole| [whole, vec![7; 100]].concat())),
    ("the list of segments is garbled", |folder| {
        fs::write(named(folder).join("meta.json"), b"{ nonsense").expect("written");
    }),
    ("a byte of the terms is another", |folder| flip_in(folder, "term")),
    ("a byte of the postings is another", |folder| flip_in(folder, "idx")),
    ("a byte of the numbers is another", |folder| flip_in(folder, "fast")),
    ("it is of an older version", |folder| {
        let old = named(folder);
        let (_, id) = old.to_str().expect("text").rsplit_once('-').expect("a name");
        let name = format!("tantivy-v0-{id}");
        fs::rename(&old, folder.join(&name)).expect("renamed");
        fs::write(folder.join("name"), name).expect("written");
    }),
];

#[tokio::test]
async fn an_index_that_is_missing_damaged_or_old_is_built_anew_on_start() {
    let mut rested = Rested::start().await;
    for (harm, harm_folder) in HARMS {
        let old_index = named(&rested.index());
        harm_folder(&rested.index());
        rested = rested.start_again_and_expect_all(harm, Some(old_index)).await;
    }
}

#[tokio::test]
async fn an_index_of_another_store_is_not_built_upon() {
    let mine = Rested::start().await;
    // The same places with other texts, and with later versions.
    let other = Service::start();
    let chat = Chat::new(&other).await;
    let texts: Vec<String> = (0..60).map(|place| format!("stone of another store {place}")).collect();
    for number in chat.say_all(&texts).await {
        chat.client
            .put(&chat.message(number), &json!({"body": format!("stones elsewhere {number}")}))
            .await
            .expect(200);
    }
    chat.settle().await;
    let other = rested(other);
    let (here, there) = (mine.index(), other.folder().join("search"));
    let aside = mine.service.folder().join("aside");
    fs::rename(&here, &aside).expect("moved");
    fs::rename(&there, &here).expect("moved");
    fs::rename(&aside, &there).expect("moved");
    mine.start_again_and_expect_all("the index of another store", None).await;
    let other = other.start_again();
    let chat = Chat { client: other.client(), path: chat.path };
    ready_with(&other, "up").await;
    let mut found = chat.numbers("elsewhere").await;
    found.sort_unstable();
    assert_eq!(found, (1..=60).collect::<Vec<_>>());
    assert!(chat.numbers("milestones").await.is_empty());
}

#[tokio::test]
async fn an_index_without_its_store_leaves_nothing_in_a_new_store() {
    let rested = Rested::start().await;
    for entry in fs::read_dir(rested.service.folder()).expect("a folder").flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with("chat.db")) {
            fs::remove_file(entry.path()).expect("removed");
        }
    }
    let service = rested.service.start_again();
    let chat = Chat::new(&service).await;
    for number in 1..=50 {
        assert_eq!(chat.say(&format!("quarry {number}")).await, number);
    }
    chat.settle().await;
    assert_eq!(chat.numbers("quarry").await, (1..=50).rev().collect::<Vec<_>>());
    assert!(chat.hits("stone").await.is_empty());
}

#[tokio::test]
async fn an_index_whose_files_go_away_while_it_is_used_is_built_anew() {
    let Rested { service, path, .. } = Rested::start().await;
    let service = service.start_again();
    let chat = Chat { client: service.client(), path };
    fs::remove_dir_all(named(&service.folder().join("search"))).expect("gone");
    let new = chat.say("a giraffe among stones").await;
    eventually(BUILT_WITHIN, "the new message", async || {
        let answer = search(&chat, "giraffe").await;
        let found = answer.status.as_u16() == 200
            && answer.json()["data"].as_array().expect("a list").iter().map(super::chat::number).eq([new]);
        if found { Ok(()) } else { Err(answer.text) }
    })
    .await;
    assert_eq!(chat.shown("stone").await.len(), 16 + 1, "the old ones and the new one");
}
