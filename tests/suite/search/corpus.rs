use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::chat::{Chat, body, check_snippet, highlights, kind, number};
use super::model::{Dice, distance, fold};
use crate::support::Service;

const FORTUNES: &str = "/usr/share/games/fortunes";
/// Messages of one language, and words looked for in them.
const MESSAGES: usize = 600;
const WORDS: usize = 40;

/// Where a package of Debian puts its texts: a folder, or files among those of others.
struct Language {
    package: &'static str,
    places: &'static [&'static str],
}

const LANGUAGES: &[Language] = &[
    Language { package: "fortunes", places: &["computers", "literature", "science", "people", "food"] },
    Language { package: "fortunes-de", places: &["de"] },
    Language { package: "fortunes-es", places: &["es"] },
    Language { package: "fortunes-it", places: &["it"] },
    Language { package: "fortunes-ru", places: &["ru"] },
    Language { package: "fortunes-pl", places: &["pl"] },
    Language { package: "fortunes-cs", places: &["cs"] },
    Language { package: "fortunes-zh", places: &["chinese", "tang300", "song100"] },
];

impl Language {
    /// Its texts, some of each file.
    fn texts(&self, dice: &Dice) -> Vec<String> {
        let mut files: Vec<PathBuf> =
            self.places.iter().flat_map(|place| files(&Path::new(FORTUNES).join(place))).collect();
        files.sort();
        let mut texts: Vec<String> = files.iter().flat_map(|file| entries(file)).collect();
        // Some of all, in a new order.
        for place in 0..texts.len() {
            let other = place + dice.below(texts.len() - place);
            texts.swap(place, other);
        }
        texts.truncate(MESSAGES);
        texts
    }
}

/// A file itself, or those in a folder; neither links nor what is no text.
fn files(place: &Path) -> Vec<PathBuf> {
    if place.is_file() {
        return vec![place.to_owned()];
    }
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    let texts = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    let texts = texts.map(|entry| entry.path());
    texts.filter(|file| file.extension().is_none_or(|ending| ending != "dat" && ending != "u8")).collect()
}

/// Entries stand between lines of a percent sign. A file in another encoding has none.
fn entries(file: &Path) -> Vec<String> {
    let text = String::from_utf8(fs::read(file).unwrap_or_default()).unwrap_or_default();
    let entries =
        text.split("\n%\n").map(str::trim).filter(|entry| !entry.is_empty() && entry.len() < 16_000);
    entries.map(str::to_owned).collect()
}

/// A word of letters between spaces or plain punctuation, which no rule cuts otherwise.
fn words(text: &str) -> Vec<&str> {
    let between = |letter: char| {
        letter.is_whitespace() || letter.is_ascii_punctuation() || "，。、！？；：《》「」".contains(letter)
    };
    // Where a script with spaces meets one without, a word ends.
    let unspaced = |letter: char| letter >= '\u{2E80}';
    let sound = |word: &&str| {
        word.chars().all(char::is_alphabetic)
            && (word.chars().all(unspaced) || !word.contains(unspaced))
            && fold(word).chars().all(char::is_alphanumeric)
            && (4..=40).contains(&fold(word).chars().count())
    };
    text.split(between).filter(sound).collect()
}

/// What a person might type who looks for this word, and the kinds that it may be found as.
fn ways(dice: &Dice, word: &str) -> Vec<(String, &'static [&'static str])> {
    let letters: Vec<char> = fold(word).chars().collect();
    let text = |from: usize, to: usize| letters[from..to].iter().collect::<String>();
    let length = letters.len();
    let start = 1 + dice.below(length - 2);
    let end = start + 2 + dice.below(length - start - 1);
    let mut ways: Vec<(String, &[&str])> = vec![
        (word.to_owned(), &["exact"]),
        (word.to_uppercase(), &["exact"]),
        (text(0, 2 + dice.below(length - 2)), &["exact", "prefix"]),
        (text(start, end.min(length)), &["exact", "prefix", "part"]),
    ];
    let folded = text(0, length);
    if distance(&folded) > 0 {
        ways.push((dice.typo(&folded), &["exact", "prefix", "part", "typo"]));
    }
    ways
}

#[tokio::test]
async fn words_beginnings_parts_and_typos_of_real_text_find_it_in_every_language() {
    let dice = Dice::seeded();
    let service = Service::start();
    let mut loaded = 0;
    for language in LANGUAGES {
        let texts = language.texts(&dice);
        if texts.is_empty() {
            skip(language.package);
            continue;
        }
        assert!(texts.len() >= 100, "{} has {} texts only", language.package, texts.len());
        let chat = Chat::new(&service).await;
        let numbers = chat.say_all(&texts).await;
        chat.settle().await;
        loaded += texts.len();
        let mut asked = Vec::new();
        while asked.len() < WORDS * 4 {
            let place = dice.below(texts.len());
            let words = words(&texts[place]);
            if words.is_empty() {
                continue;
            }
            let word = *dice.one_of(&words);
            let ways = ways(&dice, word);
            asked.extend(ways.into_iter().map(|(query, kinds)| (query, kinds, place)));
        }
        let queries = asked.len();
        let find = |chat: Chat, (query, kinds, place): (String, &'static [&'static str], usize)| async move {
            (chat.hits(&query).await, query, kinds, place)
        };
        for (hits, query, kinds, place) in chat.each(asked, find).await {
            let hit = hits.iter().find(|hit| number(hit) == numbers[place]);
            let hit = hit.unwrap_or_else(|| panic!("{query:?} is not found in {:?}", texts[place]));
            assert!(kinds.contains(&kind(hit).as_str()), "{query:?} as {kinds:?}: {hit}");
            assert_eq!(body(hit), texts[place]);
            for hit in &hits {
                check_snippet(hit);
                let sought = fold(&query);
                for highlight in highlights(hit) {
                    let marked = fold(&highlight.text);
                    let near = strsim::osa_distance(&marked, &sought) <= distance(&sought);
                    // A letter that folds to two is marked whole, though one of them was asked for.
                    let claimed = if highlight.kind == "typo" { near } else { marked.contains(&sought) };
                    assert!(claimed, "{highlight:?} for {query:?}: {hit}");
                }
            }
        }
        println!("{}: {} messages, {queries} queries", language.package, texts.len());
    }
    println!("{loaded} messages of real text");
}

/// Visible also where the output of tests is kept back.
fn skip(package: &str) {
    writeln!(std::io::stderr(), "SKIPPED: apt-get install {package}").expect("a place to say so");
    assert!(!in_ci(), "in CI nothing is skipped: apt-get install {package}");
}

#[expect(clippy::disallowed_methods, reason = "whether this is CI is no knob of the program")]
fn in_ci() -> bool {
    std::env::var_os("CI").is_some()
}
