//! From an application to a search hit, as the README tells it.

use std::process::Command;
use std::time::Duration;

use crate::support::{Service, eventually};

/// What the README expects of one of its commands.
struct Step {
    command: String,
    expected: Option<String>,
}

#[tokio::test]
async fn the_journey_of_the_readme_goes_as_it_says() {
    let service = Service::start();
    let mut variables = String::new();
    let mut expectations = 0;
    for Step { command, expected } in steps() {
        let command = command.replace("http://127.0.0.1:8080", &service.url);
        if command.starts_with("sleep ") {
            bash(&command);
            continue;
        }
        let Some(expected) = expected else {
            let (name, _value) =
                command.split_once('=').expect("a command without an expectation sets a variable");
            let value = bash(&format!("{variables}{command}\nprintf %s \"${name}\""));
            variables += &format!("{name}='{value}'\n");
            continue;
        };
        expectations += 1;
        // On a busy machine, what follows within a second may take longer; nothing else may be asked twice.
        let follows = command.contains("/search") || expected.contains("_count");
        let within = if follows { Duration::from_secs(10) } else { Duration::ZERO };
        eventually(within, &command, async || {
            let said = bash(&format!("{variables}{command}"));
            if said.contains(&expected) { Ok(()) } else { Err(format!("expected {expected}, got {said}")) }
        })
        .await;
    }
    assert!(expectations >= 8, "the README has lost its journey");
    assert!(service.stop().success());
}

/// The commands of the README's journey, each with what its comment expects.
fn steps() -> Vec<Step> {
    let readme =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("the README");
    let journey = readme.split("## A journey").nth(1).expect("a journey");
    let block = journey.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block");
    let mut steps: Vec<Step> = Vec::new();
    for line in block.lines().filter(|line| !line.is_empty()) {
        match line.strip_prefix("# → ") {
            Some(expected) => steps.last_mut().expect("a command").expected = Some(expected.to_owned()),
            None => steps.push(Step { command: line.to_owned(), expected: None }),
        }
    }
    steps
}

fn bash(script: &str) -> String {
    let ran = Command::new("bash").args(["-euc", script]).env("no_proxy", "*").output().expect("bash");
    String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr)
}
