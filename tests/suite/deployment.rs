//! The image, the compose files and the gateway, held against the program and the tools that read them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::support::Service;
use crate::support::servers::given;
use crate::support::service::program;

const COMPOSE_FILES: [&str; 2] = ["docker-compose.yml", "docker-compose.dev.yml"];

#[test]
fn every_variable_that_is_written_down_is_known_to_the_program() {
    let help = Command::new(program()).arg("--help").output().expect("the program");
    let help = String::from_utf8(help.stdout).expect("text");
    let mut known: BTreeSet<&str> = variables(&help).collect();
    assert!(known.contains("CHAT_INTAKE_URL"), "{help}");
    // What the whole stack asks of whoever starts it: `${NAME:-…}`.
    let stack = read("docker-compose.yml");
    known.extend(stack.split("${").skip(1).flat_map(|rest| variables(rest).next()));
    for file in
        ["Dockerfile", "docker-compose.yml", "docker-compose.dev.yml", "docs/operations.md", "README.md"]
    {
        let text = read(file);
        for variable in variables(&text).filter(|variable| !variable.starts_with("CHAT_TEST_")) {
            assert!(known.contains(variable), "{file}: {variable}");
        }
    }
}

#[test]
fn nothing_is_published_beyond_loopback_unless_the_operator_says_so() {
    for file in COMPOSE_FILES {
        let text = read(file);
        let ports: Vec<&str> = text.lines().filter(|line| line.contains("ports:")).collect();
        assert!(!ports.is_empty(), "{file}");
        for port in ports {
            let loopback = port.contains("[\"127.0.0.1:") || port.contains("[\"${CHAT_BIND:-127.0.0.1}:");
            assert!(loopback, "{file}: {port}");
        }
    }
}

#[test]
fn docker_compose_takes_both_files() {
    for file in COMPOSE_FILES {
        checked("docker-compose", &["-f", file, "config"]);
    }
}

#[test]
fn the_gateway_takes_its_configuration() {
    checked("haproxy", &["-c", "-f", "docker/haproxy.cfg"]);
}

#[test]
fn health_says_with_its_exit_code_whether_the_service_is_ready() {
    let service = Service::start();
    let address = service.url.trim_start_matches("http://").to_owned();
    let ask =
        || Command::new(program()).args(["health", "--listen", &address]).output().expect("the program");
    let ready = ask();
    assert!(ready.status.success(), "{ready:?}");
    assert!(String::from_utf8_lossy(&ready.stdout).contains(r#""status":"ready""#), "{ready:?}");
    assert!(service.stop().success());
    let gone = ask();
    assert!(!gone.status.success(), "{gone:?}");
    assert!(String::from_utf8_lossy(&gone.stderr).contains("nobody listens"), "{gone:?}");
}

/// Runs a tool of Debian's package of the same name.
fn checked(tool: &str, arguments: &[&str]) {
    match Command::new(tool).args(arguments).current_dir(home()).output() {
        Ok(output) => {
            assert!(output.status.success(), "{tool}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Err(error) => {
            assert!(given("CI").is_none(), "{tool}: {error}");
            eprintln!("SKIPPED: apt-get install {tool}");
        }
    }
}

/// Names of environment variables in a text.
fn variables(text: &str) -> impl Iterator<Item = &str> {
    let letter = |letter: char| letter.is_ascii_uppercase() || letter == '_';
    text.split(move |character| !letter(character)).filter(|word| word.starts_with("CHAT_") && word.len() > 5)
}

fn read(file: &str) -> String {
    std::fs::read_to_string(home().join(file)).expect("a file")
}

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
