//! The house rules, held by reading the source.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Rooms in the order of dependence: each uses only itself and those before it.
const FLOORS: [&str; 12] = [
    "domain",
    "blocking",
    "metrics",
    "connections",
    "intake",
    "store",
    "search",
    "actors",
    "http",
    "config",
    "telemetry",
    "app",
];
/// Lines of a source file, tests left out.
const FILE_LIMIT_LINES: usize = 300;

#[test]
fn rooms_depend_on_the_floors_below_only() {
    for (room, text) in sources() {
        let Some(floor) = floor_of(&room) else { continue };
        for used in used_rooms(&text) {
            assert!(!text.contains("use crate::{"), "{room} hides what it uses in one brace");
            // What an engine's error is made of is said once, at the root.
            let Some(used_floor) = FLOORS.iter().position(|name| *name == used) else { continue };
            assert!(used_floor <= floor, "{room} uses crate::{used}, which stands above it");
        }
    }
}

#[test]
fn search_alone_looks_into_the_store_for_the_shape_of_a_row() {
    for (room, text) in sources().into_iter().filter(|(room, _)| room.starts_with("search/")) {
        for line in text.lines().filter(|line| line.contains("crate::store")) {
            assert!(line.contains("crate::store::Row"), "{room}: {line}");
        }
    }
}

#[test]
fn only_the_composition_root_names_an_engine() {
    const ENGINES: [(&str, &str); 6] = [
        ("MemoryIntake", "intake/memory"),
        ("RedisIntake", "intake/redis/"),
        ("SqliteStore", "store/sqlite/"),
        ("MysqlStore", "store/mysql/"),
        ("TantivySearch", "search/tantivy/"),
        ("ElasticsearchSearch", "search/elasticsearch/"),
    ];
    for (room, text) in sources() {
        for (engine, home) in ENGINES {
            let allowed = room == "app/engines.rs" || room.starts_with(home);
            assert!(allowed || !text.contains(engine), "{room} names {engine}");
        }
    }
}

#[test]
fn only_the_configuration_reads_the_environment() {
    for (room, text) in sources() {
        let allowed = room == "config.rs" || room.starts_with("config/");
        for reading in ["env::var", "env ="] {
            assert!(allowed || !text.contains(reading), "{room} reads the environment");
        }
    }
}

#[test]
fn only_the_edge_knows_status_codes_and_only_the_actors_know_actix() {
    for (room, text) in sources() {
        let edge = room.starts_with("http/") || room.starts_with("app/");
        assert!(edge || !text.contains("actix_web"), "{room} knows actix-web");
        let actors = room.starts_with("actors/") || room.starts_with("app/") || room == "main.rs";
        assert!(actors || !text.contains("use actix::"), "{room} knows actix");
    }
}

#[test]
fn files_stay_short() {
    for (room, text) in sources() {
        let lines = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().lines().count();
        assert!(lines <= FILE_LIMIT_LINES, "{room} has {lines} lines");
    }
}

#[test]
fn every_file_of_code_says_what_it_is_for() {
    for (room, text) in sources() {
        let said_here = text.starts_with("//!");
        assert!(said_here || described_by_its_mod_line(&room), "{room} says nowhere what it is for");
    }
}

#[test]
fn nothing_is_left_undone() {
    for (room, text) in sources() {
        for mark in ["TODO", "FIXME", "XXX", "todo!", "unimplemented!", "#[allow(", "#[ignore"] {
            assert!(!text.contains(mark), "{room} holds {mark}");
        }
    }
}

#[test]
fn migrations_are_all_listed() {
    for (folder, list) in [("sqlite", "src/store/sqlite/mod.rs"), ("mysql", "src/store/mysql/schema.rs")] {
        let listed = std::fs::read_to_string(root().join(list)).expect("the store");
        let files = std::fs::read_dir(root().join("migrations").join(folder)).expect("migrations");
        for file in files.map(|entry| entry.expect("an entry").file_name()) {
            let file = format!("{folder}/{}", file.into_string().expect("a name of text"));
            assert!(listed.contains(&file), "{file} is not run");
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every source file by its path below `src`, without those that hold only tests.
fn sources() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    collect(&root().join("src"), &mut found);
    assert!(found.len() > 40, "the source was not found");
    found
}

fn collect(folder: &Path, found: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            if !path.ends_with("tests") {
                collect(&path, found);
            }
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
            let name =
                path.strip_prefix(root().join("src")).expect("below src").to_str().expect("text").to_owned();
            found.insert(name, std::fs::read_to_string(&path).expect("a file"));
        }
    }
}

fn floor_of(room: &str) -> Option<usize> {
    let name = room.split('/').next()?.trim_end_matches(".rs");
    FLOORS.iter().position(|floor| *floor == name)
}

/// The rooms that stand behind `crate::` in code; prose may name any room.
fn used_rooms(text: &str) -> Vec<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| rest.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect())
        .collect()
}

/// Whether the `mod` line of a file stands below a comment.
fn described_by_its_mod_line(room: &str) -> bool {
    let path = Path::new(room);
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let mut above = path.parent().unwrap_or(Path::new("")).to_owned();
    let mut name = stem.to_owned();
    if stem == "mod" {
        name = above.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        above.pop();
    }
    let parents = [above.join("mod.rs"), above.join("lib.rs")];
    parents.iter().filter_map(|parent| std::fs::read_to_string(root().join("src").join(parent)).ok()).any(
        |text| {
            let lines: Vec<&str> = text.lines().collect();
            lines.windows(2).any(|pair| {
                let declares =
                    [format!("mod {name};"), format!("pub mod {name};")].contains(&pair[1].to_owned());
                declares && pair[0].starts_with("//")
            })
        },
    )
}
