//! Fuzzing, for the unit tests of every parser that meets bytes from outside. A target replays its corpus,
//! `tests/fuzz/TARGET/*`, and then feeds its check with mutations of it, for `CHAT_FUZZ_SECONDS` (1 where nothing is said).
//!
//! What fails is printed with its bytes: put them into a file of the corpus, and they are tried first for ever after.
//! `CHAT_FUZZ_SEED` repeats a run.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Every parser that meets bytes from outside. Who adds one adds its name, a corpus and a test that calls [`fuzz`].
pub(crate) const TARGETS: [&str; 14] = [
    "access_keys",
    "bodies",
    "bulk_answers",
    "content_types",
    "entity_tags",
    "entries",
    "forwarded_for",
    "got_answers",
    "hits_answers",
    "idempotency",
    "outcomes",
    "pages",
    "queries",
    "rates",
];

/// What parsers are known to stumble over.
const TRAPS: [&[u8]; 40] = [
    b"\0",
    b"\r\n",
    b"\n",
    b"\t",
    b" ",
    b"\"",
    b"'",
    b"\\",
    b"%",
    b"%00",
    b"%ff",
    b"%2",
    b"+",
    b"&",
    b"=",
    b",",
    b";",
    b"/",
    b"*",
    b"W/\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b"null",
    b"\\u0000",
    b"\\ud800",
    b"-1",
    b"0",
    b"1e999",
    b"9223372036854775807",
    b"9223372036854775808",
    b"18446744073709551616",
    b"\xff",
    b"\xc3",
    b"\xef\xbb\xbf",
    "\u{202e}".as_bytes(),
    "e\u{301}\u{fb01}\u{df}\u{130}".as_bytes(),
    "\u{1f469}\u{200d}\u{1f469}\u{200d}\u{1f467}".as_bytes(),
];
/// No input is longer: what is longer is another parser's to refuse.
const INPUT_LIMIT_BYTES: usize = 4 * 1024;

/// Feeds one target.
pub(crate) fn fuzz(target: &str, check: impl Fn(&[u8])) {
    assert!(TARGETS.contains(&target), "{target} is not in the list of targets");
    let corpus = corpus(target);
    assert!(!corpus.is_empty(), "{target} has no corpus");
    for input in &corpus {
        tried(target, "its corpus", input, &check);
    }
    let seed = setting("CHAT_FUZZ_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let mut dice = Dice(seed);
    let end = Instant::now() + Duration::from_secs(setting("CHAT_FUZZ_SECONDS").unwrap_or(1));
    let mut inputs = 0_u64;
    while Instant::now() < end {
        for _ in 0..64 {
            let input = dice.input(&corpus);
            tried(target, &format!("seed {seed}"), &input, &check);
            inputs += 1;
        }
    }
    println!("{target}: {} files of its corpus, {inputs} mutations of seed {seed}", corpus.len());
}

fn tried(target: &str, origin: &str, input: &[u8], check: &impl Fn(&[u8])) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(input))) {
        eprintln!("{target} fails, from {origin}, with: {}", input.escape_ascii());
        resume_unwind(panic);
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz")
}

/// In the order of the names of the files.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let files = std::fs::read_dir(folder().join(target)).expect("a corpus");
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).expect("an input")).collect()
}

#[expect(clippy::disallowed_methods, reason = "how long a test takes is no knob of the program")]
fn setting(name: &str) -> Option<u64> {
    let given = std::env::var(name).ok()?;
    Some(given.parse().unwrap_or_else(|_not_a_number| panic!("{name} is not a number: {given}")))
}

/// `SplitMix64` (Steele, Lea and Flood, 2014): the same seed rolls the same, for ever.
struct Dice(u64);

impl Dice {
    /// Less than this.
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % sides.max(1) as u64) as usize
    }

    fn input(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut input = corpus[self.roll(corpus.len())].clone();
        for _ in 0..=self.roll(6) {
            self.mutate(&mut input, corpus);
        }
        input.truncate(INPUT_LIMIT_BYTES);
        input
    }

    fn mutate(&mut self, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let at = self.roll(input.len() + 1);
        let end = at + self.roll(input.len() - at + 1);
        match self.roll(9) {
            0 if at < input.len() => input[at] ^= 1 << self.roll(8),
            1 if at < input.len() => input[at] = self.roll(256) as u8,
            2 => input.truncate(at),
            3 => drop(input.drain(at..end)),
            4 => {
                let again = input[at..end].to_vec();
                let times = 1 + self.roll(8);
                input.splice(at..at, again.repeat(times));
            }
            5 => {
                let other = &corpus[self.roll(corpus.len())];
                let from = self.roll(other.len() + 1);
                input.splice(at..end, other[from..].iter().copied());
            }
            6 => drop(input.splice(at..at, TRAPS[self.roll(TRAPS.len())].iter().copied())),
            7 => {
                let letter = char::from_u32(self.roll(0x11_0000) as u32).unwrap_or('\u{fffd}');
                drop(input.splice(at..at, letter.to_string().into_bytes()));
            }
            _ => input.push(self.roll(256) as u8),
        }
        input.truncate(INPUT_LIMIT_BYTES);
    }
}

#[test]
fn every_target_has_a_corpus_and_a_test() {
    let folders = std::fs::read_dir(folder()).expect("corpora");
    let mut folders: Vec<String> =
        folders.map(|entry| entry.expect("a folder").file_name().into_string().expect("text")).collect();
    folders.sort();
    assert_eq!(folders, TARGETS);
    let mut code = String::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut code);
    for target in TARGETS {
        assert!(code.contains(&format!("fuzz(\"{target}\"")), "{target} is never fed");
    }
}

fn collect(folder: &Path, code: &mut String) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, code);
        } else if path.extension().is_some_and(|end| end == "rs") {
            code.push_str(&std::fs::read_to_string(&path).expect("a file"));
        }
    }
}
