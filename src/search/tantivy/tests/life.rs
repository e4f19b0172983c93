use std::fs;
use std::path::PathBuf;

use super::super::schema::INDEX_VERSION;
use super::*;

const CHAT: (i64, u64) = (7, 3);

#[tokio::test]
async fn what_was_indexed_is_found_after_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let chat = chat(CHAT.0, CHAT.1);
    let first = open(folder.path());
    first.index(vec![row(chat, 1, 1, "hello world"), row(chat, 2, 1, "hello moon")]).await.unwrap();
    let (name, before) = (name_of(&first).await, hits(&first, chat, "hello").await);
    drop(first);
    let again = open(folder.path());
    assert_eq!(name_of(&again).await, name);
    assert_eq!(hits(&again, chat, "hello").await, before);
    assert_eq!(before, [(8, 2), (8, 1)]);
    again.verify().await.unwrap();
    again.index(vec![row(chat, 3, 1, "hello")]).await.unwrap();
    assert_eq!(numbers(&again, chat, "hello").await, [3, 2, 1]);
}

#[tokio::test]
async fn an_index_made_anew_is_empty_has_another_name_and_leaves_nothing_of_the_old() {
    let folder = tempfile::tempdir().unwrap();
    let chat = chat(CHAT.0, CHAT.1);
    let search = open(folder.path());
    search.index(vec![row(chat, 1, 1, "hello")]).await.unwrap();
    let name = name_of(&search).await;
    search.renew().await.unwrap();
    let renewed = name_of(&search).await;
    assert_ne!(renewed, name);
    assert!(renewed.starts_with(&format!("tantivy-v{INDEX_VERSION}-")), "{renewed}");
    assert_eq!(numbers(&search, chat, "hello").await, NONE);
    search.index(vec![row(chat, 1, 1, "hello")]).await.unwrap();
    assert_eq!(numbers(&search, chat, "hello").await, [1]);
    assert!(!folder.path().join(&name).exists());
    drop(search);
    let again = open(folder.path());
    assert_eq!(name_of(&again).await, renewed);
    assert_eq!(numbers(&again, chat, "hello").await, [1]);
}

#[tokio::test]
async fn what_was_answered_is_in_the_files_without_a_good_bye() {
    let folder = tempfile::tempdir().unwrap();
    let chat = chat(CHAT.0, CHAT.1);
    let search = open(folder.path());
    for value in 1..12 {
        search
            .index(vec![row(chat, value, 1, "hello"), tombstone(chat, value - value / 2, 2)])
            .await
            .unwrap();
        let copy = copied(folder.path());
        let killed = open(copy.path());
        assert_eq!(name_of(&killed).await, name_of(&search).await);
        assert_eq!(numbers(&killed, chat, "hello").await, numbers(&search, chat, "hello").await);
    }
}

#[tokio::test]
async fn segments_stay_few_however_many_commits_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let chat = chat(CHAT.0, CHAT.1);
    let search = open(folder.path());
    let mut most = 0;
    for value in 1..=100 {
        search.index(vec![row(chat, value, 1, "hello")]).await.unwrap();
        most = most.max(search.shelf.present().reader.searcher().segment_readers().len());
    }
    assert!(most <= 32, "{most} segments");
    assert_eq!(numbers(&search, chat, "hello").await.len(), 100);
}

/// The folder as a process that is killed leaves it.
fn copied(folder: &Path) -> tempfile::TempDir {
    let name = fs::read_to_string(folder.join("name")).unwrap();
    let list = || fs::read(folder.join(&name).join("meta.json")).unwrap();
    loop {
        let copy = tempfile::tempdir().unwrap();
        fs::create_dir(copy.path().join(&name)).unwrap();
        fs::write(copy.path().join("name"), &name).unwrap();
        let listed = list();
        for part in files(folder) {
            // A merge takes files away that are no longer needed.
            let _ = fs::copy(&part, copy.path().join(&name).join(part.file_name().unwrap()));
        }
        // A copy takes a while, a death none: what changed meanwhile makes it a picture of two moments.
        if list() == listed {
            return copy;
        }
    }
}

/// The files of the present index.
fn files(folder: &Path) -> Vec<PathBuf> {
    let name = fs::read_to_string(folder.join("name")).unwrap();
    fs::read_dir(folder.join(name)).unwrap().map(|entry| entry.unwrap().path()).collect()
}

async fn with_messages(folder: &Path) -> String {
    let search = open(folder);
    let chat = chat(CHAT.0, CHAT.1);
    search.index((1..50).map(|number| row(chat, number, 1, "hello world")).collect()).await.unwrap();
    name_of(&search).await
}

type Damage = (&'static str, fn(&Path));

#[tokio::test]
async fn a_damaged_folder_opens_as_a_new_index_that_works() {
    let damages: [Damage; 6] = [
        ("no meta.json", |folder| {
            let meta = files(folder).into_iter().find(|file| file.ends_with("meta.json"));
            fs::remove_file(meta.unwrap()).unwrap();
        }),
        ("a garbled meta.json", |folder| {
            let meta = files(folder).into_iter().find(|file| file.ends_with("meta.json"));
            fs::write(meta.unwrap(), b"{ nonsense").unwrap();
        }),
        ("truncated files", |folder| {
            for file in
                files(folder).iter().filter(|file| file.extension().is_some_and(|ending| ending != "json"))
            {
                let whole = fs::read(file).unwrap();
                fs::write(file, whole.get(..whole.len() / 2).unwrap()).unwrap();
            }
        }),
        ("missing segments", |folder| {
            for file in
                files(folder).iter().filter(|file| file.extension().is_some_and(|ending| ending == "term"))
            {
                fs::remove_file(file).unwrap();
            }
        }),
        ("another version", |folder| {
            fs::write(folder.join("name"), "tantivy-v0-0198f5a0000070008000000000000000").unwrap();
        }),
        ("a nonsense name", |folder| fs::write(folder.join("name"), b"\xFF\xFE../..").unwrap()),
    ];
    let chat = chat(CHAT.0, CHAT.1);
    for (damage, harm) in damages {
        let folder = tempfile::tempdir().unwrap();
        let name = with_messages(folder.path()).await;
        harm(folder.path());
        let search = open(folder.path());
        assert_ne!(name_of(&search).await, name, "{damage}");
        assert_eq!(numbers(&search, chat, "hello").await, NONE, "{damage}");
        search.index(vec![row(chat, 1, 1, "hello")]).await.unwrap();
        assert_eq!(numbers(&search, chat, "hello").await, [1], "{damage}");
        search.verify().await.unwrap();
    }
}

#[tokio::test]
async fn garbled_files_are_found_by_their_checksums_and_never_end_the_process() {
    let whole = tempfile::tempdir().unwrap();
    with_messages(whole.path()).await;
    for file in
        files(whole.path()).iter().filter(|file| file.extension().is_some_and(|ending| ending != "json"))
    {
        let before = fs::read(file).unwrap();
        if before.is_empty() {
            continue;
        }
        for place in [0, before.len() / 3, before.len() / 2] {
            let mut garbled = before.clone();
            garbled[place] ^= 0x55;
            fs::write(file, garbled).unwrap();
            let name = fs::read_to_string(whole.path().join("name")).unwrap();
            let copy = copied(whole.path());
            let search = open(copy.path());
            let started_anew = name_of(&search).await != name;
            let _ = search.find(chat(CHAT.0, CHAT.1), &Query::parse("hello").unwrap(), FIRST_PAGE).await;
            let verified = search.verify().await;
            assert!(started_anew || matches!(verified, Err(SearchError::Damaged(_))), "{file:?} at {place}");
            search.renew().await.unwrap();
            search.verify().await.unwrap();
        }
        fs::write(file, &before).unwrap();
    }
}

#[tokio::test]
async fn a_second_process_on_the_folder_is_refused_and_harms_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let name = with_messages(folder.path()).await;
    let first = open(folder.path());
    assert!(matches!(TantivySearch::open(folder.path()), Err(SearchError::Away(_))));
    assert_eq!(name_of(&first).await, name);
    first.verify().await.unwrap();
    drop(first);
    assert_eq!(name_of(&open(folder.path())).await, name);
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "in the way").unwrap();
    assert!(matches!(TantivySearch::open(&file), Err(SearchError::Away(_))));
}

async fn name_of(search: &TantivySearch) -> String {
    search.name().await.unwrap().unwrap()
}
