//! The load tests by k6 (`load-tests/`): here in their short form, in `load-tests/run` as long as they are written. A
//! threshold that is missed fails k6, and the test.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::Service;
use crate::support::servers::{engines, given};

/// What a short form is told. The long one (`CHAT_LOAD=long`) leaves it to the scripts.
/// Seconds on a machine that does other things say less of how well it is kept up: what collapses falls far below that.
const SHORT: [(&str, &str); 6] = [
    ("CHAT_LOAD_SECONDS", "3"),
    ("CHAT_LOAD_USERS", "16"),
    ("CHAT_LOAD_MESSAGES", "500"),
    ("CHAT_LOAD_ANSWER_MS", "10000"),
    ("CHAT_LOAD_GOODPUT", "0.4"),
    ("CHAT_LOAD_REFUSAL_MS", "5000"),
];
/// What a service may take at most, in the middle of everything.
const MEMORY_LIMIT_MIB: u64 = 512;

/// None where k6 is not installed, which is said, and is a failure in CI.
fn k6() -> Option<PathBuf> {
    let k6 = engines().join("k6/bin/k6");
    if k6.exists() {
        return Some(k6);
    }
    assert!(given("CI").is_none(), "k6 is missing; tests/engines installs it");
    eprintln!("SKIPPED: k6 is missing; tests/engines installs it");
    None
}

/// One run of a script against a service, and what k6 measured.
fn run(k6: &Path, service: &Service, script: &str, told: &[(&str, String)]) -> Summary {
    let summary = service.folder().join(format!("{script}.json"));
    let mut command = Command::new(k6);
    command.args(["run", "--quiet", "--no-usage-report", "--summary-trend-stats", "med,p(95),p(99),max"]);
    command.arg("--summary-export").arg(&summary);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("load-tests").join(script).with_extension("js"));
    command.env("CHAT_URL", &service.url);
    if given("CHAT_LOAD").as_deref() != Some("long") {
        command.envs(SHORT);
    }
    command.envs(told.iter().map(|(name, value)| (name, value)));
    let done = command.output().expect("k6");
    let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    let text = std::fs::read_to_string(summary).unwrap_or_else(|_none| panic!("{script}: {said}"));
    let summary = Summary(serde_json::from_str(&text).expect("a summary"));
    summary.tell(script, done.status.success());
    assert!(done.status.success(), "{script}: {said}");
    let (log, most_mib) = (service.log(), service.most_resident_kib() / 1024);
    assert!(!log.contains("panicked"), "{log}");
    assert!(most_mib < MEMORY_LIMIT_MIB, "{most_mib} MiB");
    summary
}

struct Summary(Value);

impl Summary {
    /// A value of a metric; 0 where nothing was measured.
    fn value(&self, metric: &str, value: &str) -> f64 {
        self.0["metrics"][metric][value].as_f64().unwrap_or_default()
    }

    /// As many things were found at the end as were answered 201.
    fn nothing_is_lost(&self, things: &str) {
        let count = |what: &str| self.value(&format!("{things}_{what}"), "count");
        assert!(count("kept") > 0.0, "no {things}");
        assert!(count("kept") == count("found"), "{} {things} kept, {} found", count("kept"), count("found"));
    }

    /// A row of the table.
    fn tell(&self, script: &str, passed: bool) {
        let time = |value: &str| self.value("http_req_duration", value);
        let row = format!(
            "| {script} | {:.0} | {:.0} | {:.1} | {:.1} | {:.1} | {:.0} | {} |\n",
            self.value("http_reqs", "count"),
            self.value("http_reqs", "rate"),
            time("med"),
            time("p(95)"),
            time("p(99)"),
            self.value("checks", "fails"),
            if passed { "passed" } else { "FAILED" }
        );
        print!("{row}");
        if let Some(table) = given("CHAT_LOAD_TABLE") {
            let mut table = std::fs::File::options().append(true).open(table).expect("the table");
            table.write_all(row.as_bytes()).expect("a row");
        }
    }
}

/// What k6 measured; none where it is not installed.
fn passes(script: &str) -> Option<Summary> {
    k6().map(|k6| run(&k6, &Service::start(), script, &[]))
}

#[test]
fn smoke() {
    passes("smoke");
}

#[test]
fn numbering() {
    let Some(summary) = passes("numbering") else { return };
    summary.nothing_is_lost("messages");
    summary.nothing_is_lost("chats");
}

#[test]
fn mixed() {
    passes("mixed");
}

#[test]
fn search() {
    passes("search");
}

#[test]
fn soak() {
    let Some(summary) = passes("soak") else { return };
    summary.nothing_is_lost("messages");
}

/// Its own peak first, by users who wait for their answers; then twice as much, by users who do not.
#[test]
fn overload() {
    let Some(k6) = k6() else { return };
    // As many as the users of the peak: k6 shares the machine, and has no more than a few hundred on their way at once.
    let service = Service::start_with(&["--queue-limit", "64"]);
    let peak = run(&k6, &service, "overload", &[]).value("kept", "rate");
    assert!(peak >= 1.0, "{peak} creates a second");
    let flood = run(&k6, &service, "overload", &[("CHAT_LOAD_PEAK", peak.floor().to_string())]);
    println!(
        "peak {peak:.0}/s; at twice that: {:.0}/s kept, {:.0}/s refused in {:.1} ms (95th), {:.0} never sent",
        flood.value("kept", "rate"),
        flood.value("refused", "rate"),
        flood.value("refusing", "p(95)"),
        flood.value("dropped_iterations", "count"),
    );
}
