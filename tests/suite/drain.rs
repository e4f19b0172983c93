//! Law 9: on a signal the door closes and nothing that was accepted is lost. And what a start refuses.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::gated::start_gated;
use crate::support::history::{End, History, Line, creation, end_of};
use crate::support::signal::signal;
use crate::support::{Service, eventually};

/// Far less than the deadline of a drain, which is 20 s: who needs it held up.
const SOON: Duration = Duration::from_secs(5);
/// As the service has it where nobody says.
const DRAIN_DEADLINE: Duration = Duration::from_secs(20);

/// Waits for the end of a process, but not forever.
async fn end_of_process(service: &mut Service, within: Duration) -> ExitStatus {
    let process = service.process_id();
    eventually(within, "the end of the process", async || {
        // A process that ended and was not waited for is a zombie.
        let state = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        if state.contains(") Z ") { Ok(()) } else { Err(state) }
    })
    .await;
    service.wait()
}

/// A signal in the middle of a load: what was kept is exactly what was answered.
async fn drains_under_load(name: &str) {
    let mut service = Service::start();
    let application = service.new_application().await;
    let history = History::default();
    let mut clients = JoinSet::new();
    for number in 0..4 {
        assert_eq!(service.new_chat(&application).await, format!("{application}/chats/{}", number + 1));
    }
    for client in 0..32 {
        let (service, history) = (service.client(), history.clone());
        let parent = format!("{application}/chats/{}/messages", 1 + client % 4);
        clients.spawn(async move {
            for turn in 0.. {
                let body = format!("{client} {turn}");
                let operation = history.invoke(client, &parent, Some(&body));
                match service.try_send(creation(&service, &parent, Some(&body))).await {
                    Ok(reply) => history.end(operation, end_of(Ok(reply))),
                    // The door had closed: what is not answered must not be there.
                    Err(_) => return history.end(operation, End::Fail),
                }
            }
        });
    }
    let answered = || history.operations().iter().filter(|done| matches!(done.end, End::Ok(_))).count();
    eventually(SOON * 2, "a load", async || if answered() > 200 { Ok(()) } else { Err("too few".into()) })
        .await;

    let asked_at = Instant::now();
    signal(service.process_id(), name);
    let status = end_of_process(&mut service, SOON * 2).await;
    assert_eq!(status.code(), Some(0), "{name}: {status} after {:?}", asked_at.elapsed());
    while let Some(client) = clients.join_next().await {
        client.expect("no panic");
    }
    let service = service.start_again();
    assert_eq!(history.faults(&service, Line::Dense).await, []);
    assert!(service.stop().success());
}

#[tokio::test]
async fn sigterm_under_load_keeps_exactly_what_was_answered() {
    drains_under_load("TERM").await;
}

#[tokio::test]
async fn ctrl_c_under_load_keeps_exactly_what_was_answered() {
    drains_under_load("INT").await;
}

/// A connection of its own, on which a test says when which byte is sent.
fn connect(service: &Service) -> TcpStream {
    let address = service.url.strip_prefix("http://").expect("a URL");
    let connection = TcpStream::connect(address).expect("a connection");
    connection.set_read_timeout(Some(Duration::from_secs(15))).expect("a timeout");
    connection
}

/// All that comes until the other side closes.
fn read_to_close(connection: &mut TcpStream) -> String {
    let mut text = String::new();
    connection.read_to_string(&mut text).expect("an answer, then the end of the connection");
    text
}

/// The head of a request whose body is still to come, taken by the service.
async fn begin_upload(service: &Service, chat: &str, length: usize) -> TcpStream {
    let mut connection = connect(service);
    // The 100 shows that the request is in the hands of its handler.
    write!(
        connection,
        "POST {chat}/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
    )
    .expect("a head");
    let mut hundred = [0; 25];
    connection.read_exact(&mut hundred).expect("a go-ahead");
    assert_eq!(&hundred, b"HTTP/1.1 100 Continue\r\n\r\n");
    connection
}

async fn door_closes(service: &Service) {
    let address = service.url.strip_prefix("http://").expect("a URL").to_owned();
    eventually(SOON, "the door is closed", async || match TcpStream::connect(&address) {
        Ok(_) => Err("a connection".to_owned()),
        Err(_) => Ok(()),
    })
    .await;
}

#[tokio::test]
async fn a_request_that_was_begun_before_the_signal_is_answered_and_kept() {
    let mut service = Service::start();
    let chat = service.new_chat(&service.new_application().await).await;
    let body = r#"{"body":"slowly"}"#;
    let mut upload = begin_upload(&service, &chat, body.len()).await;
    service.terminate();
    door_closes(&service).await;
    upload.write_all(body.as_bytes()).expect("a body");
    let answer = read_to_close(&mut upload);
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert_eq!(end_of_process(&mut service, SOON).await.code(), Some(0));
    let service = service.start_again();
    assert_eq!(service.get(&format!("{chat}/messages/1")).await.expect(200).json()["data"]["body"], "slowly");
    assert!(service.stop().success());
}

/// One request on a connection that stays open, answered with this status line.
fn ask(connection: &mut TcpStream, request: &str, expected: &str) {
    connection.write_all(request.as_bytes()).expect("a request");
    let mut head = vec![0; expected.len()];
    connection.read_exact(&mut head).expect("an answer");
    assert_eq!(head, expected.as_bytes());
}

#[tokio::test]
async fn every_request_that_was_sent_before_the_signal_gets_a_whole_answer() {
    let mut service = Service::start();
    let chat = service.new_chat(&service.new_application().await).await;
    let mut connections: Vec<TcpStream> = (0..100).map(|_| connect(&service)).collect();
    for connection in &mut connections {
        // Once used, it has been accepted for sure. The rest of this answer comes before the next one.
        ask(connection, "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\n");
    }
    for (turn, connection) in connections.iter_mut().enumerate() {
        let body = format!("{{\"body\":\"{turn}\"}}");
        let length = body.len();
        // In one piece: what was sent is a whole request.
        let request = format!(
            "POST {chat}/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        connection.write_all(request.as_bytes()).expect("a request");
    }
    service.terminate();
    let answers: Vec<String> = connections.iter_mut().map(read_to_close).collect();
    assert_eq!(end_of_process(&mut service, SOON).await.code(), Some(0));
    let unanswered: Vec<&String> =
        answers.iter().filter(|answer| !answer.contains("HTTP/1.1 201 Created\r\n")).collect();
    assert!(unanswered.is_empty(), "{} have no answer, like {:?}", unanswered.len(), unanswered[0]);
    let service = service.start_again();
    assert_eq!(service.all(&format!("{chat}/messages")).await.len(), 100);
    assert!(service.stop().success());
}

#[tokio::test]
async fn a_write_that_the_store_holds_is_waited_for() {
    let (app, gate) = start_gated(&["--ack-wait", "20s"]);
    let client = app.client.clone();
    let messages = format!("{}/messages", client.new_chat(&client.new_application().await).await);
    gate.shut();
    let held = tokio::spawn(async move { client.post(&messages, &json!({"body": "held"})).await });
    gate.holds().await;
    let health = app.client.request(Method::GET, "/health/live");
    let client = app.client.clone();
    let drained = tokio::task::spawn_blocking(move || app.stop());
    // Once the door is closed, the drain is on its way.
    let closed = async || match client.try_send(health.try_clone().expect("a request")).await {
        Ok(reply) if reply.header("connection") != "close" => Err(reply.text),
        Ok(_) | Err(_) => Ok(()),
    };
    eventually(SOON, "the door is closed", closed).await;
    assert!(!drained.is_finished() && !held.is_finished());
    gate.open();
    assert_eq!(held.await.expect("no panic").expect(201).json()["message_number"], 1);
    assert_eq!(drained.await.expect("no panic"), Ok(()));
}

#[tokio::test]
async fn a_write_that_the_store_never_lets_go_ends_the_drain_at_its_deadline_by_name() {
    let (app, gate) = start_gated(&["--ack-wait", "200ms", "--drain-deadline", "1s"]);
    let messages = format!("{}/messages", app.client.new_chat(&app.client.new_application().await).await);
    gate.shut();
    app.client.post(&messages, &json!({"body": "held"})).await.expect(503);
    let asked_at = Instant::now();
    let end = tokio::task::spawn_blocking(move || app.stop()).await.expect("no panic");
    assert!(end.is_err_and(|why| why.contains("PersistenceActor")));
    assert!(asked_at.elapsed() < SOON, "{:?}", asked_at.elapsed());
}

#[tokio::test]
async fn idle_connections_do_not_hold_a_drain_up() {
    let mut service = Service::start();
    let silent: Vec<TcpStream> = (0..20).map(|_| connect(&service)).collect();
    let mut used: Vec<TcpStream> = (0..20).map(|_| connect(&service)).collect();
    for connection in &mut used {
        ask(connection, "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\n");
    }
    service.terminate();
    assert_eq!(end_of_process(&mut service, SOON).await.code(), Some(0));
    drop((silent, used));
}

#[tokio::test]
async fn a_request_that_never_ends_is_given_up_at_the_deadline_and_what_was_answered_stays() {
    let mut service = Service::start_with(&["--drain-deadline", "1s"]);
    let chat = service.new_chat(&service.new_application().await).await;
    let upload = begin_upload(&service, &chat, 1_000).await;
    assert_eq!(service.say(&chat, "kept").await, 1);
    service.terminate();
    assert_eq!(end_of_process(&mut service, SOON).await.code(), Some(1));
    assert!(service.log().contains("the listener"), "who still worked is named");
    drop(upload);
    let service = service.start_again();
    assert_eq!(service.say(&chat, "next").await, 2);
    assert!(service.stop().success());
}

#[tokio::test]
async fn a_client_that_does_not_take_its_answer_is_let_go_and_does_not_hold_a_drain_up() {
    let mut service = Service::start_with(&["--request-timeout", "2s"]);
    let chat = service.new_chat(&service.new_application().await).await;
    for _ in 0..64 {
        service.say(&chat, &"m".repeat(128 * 1024)).await;
    }
    let mut stalled = Vec::new();
    for _ in 0..8 {
        let mut connection = connect(&service);
        let request = format!("GET {chat}/messages?limit=1000 HTTP/1.1\r\nHost: test\r\n\r\n");
        connection.write_all(request.as_bytes()).expect("sent");
        // The answer has begun, and the rest of its 8 MiB is never taken.
        connection.read_exact(&mut [0; 12]).expect("a status");
        stalled.push(connection);
    }
    service.terminate();
    let status = end_of_process(&mut service, Duration::from_secs(12)).await;
    assert!(status.success(), "{status}: {}", service.log());
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    for (first, second) in [("TERM", "TERM"), ("TERM", "INT"), ("INT", "TERM")] {
        let mut service = Service::start();
        let chat = service.new_chat(&service.new_application().await).await;
        assert_eq!(service.say(&chat, "kept").await, 1);
        let upload = begin_upload(&service, &chat, 1_000).await;
        signal(service.process_id(), first);
        door_closes(&service).await;
        signal(service.process_id(), second);
        let status = end_of_process(&mut service, Duration::from_secs(2)).await;
        assert!(status.code().is_some_and(|code| code != 0), "{first}, {second}: {status}");
        drop(upload);
        let service = service.start_again();
        assert_eq!(service.say(&chat, "next").await, 2);
        assert!(service.stop().success());
    }
}

#[tokio::test]
async fn a_second_process_on_the_same_folder_is_refused_in_one_line() {
    let service = Service::start();
    let chat = service.new_chat(&service.new_application().await).await;
    let said = service.start_second().err().expect("a refusal");
    let complaint = one_complaint(&said);
    assert!(complaint.contains("another process") && complaint.contains("chat.db"), "{complaint}");
    // The same file by another name is the same file.
    let (link, folder) = (service.folder().join("link.db"), tempfile::tempdir().expect("a folder"));
    std::os::unix::fs::symlink(service.folder().join("chat.db"), &link).expect("a link");
    let output = std::process::Command::new(crate::support::service::program())
        .args(["--listen", "127.0.0.1:0", "--data-dir"])
        .arg(folder.path())
        .args(["--store", &format!("sqlite:{}", link.display())])
        .output()
        .expect("the program");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("another process"), "{said}");
    assert_eq!(service.say(&chat, "undisturbed").await, 1);
    assert!(service.stop().success());
}

#[tokio::test]
async fn a_store_that_is_newer_than_the_program_is_refused_in_one_line_and_left_alone() {
    let mut service = Service::start();
    service.terminate();
    service.wait();
    let file = service.folder().join("chat.db");
    {
        let rows = rusqlite::Connection::open(&file).expect("a store");
        rows.execute(
            "INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
             VALUES (9999, 'from_the_future', '2100-01-01T00:00:00Z', '1')",
            [],
        )
        .expect("a newer migration");
    }
    let before = std::fs::read(&file).expect("a store");
    let said = service.start_second().err().expect("a refusal");
    let complaint = one_complaint(&said);
    assert!(complaint.contains("newer") && complaint.contains("chat.db"), "{complaint}");
    assert!(std::fs::read(&file).expect("a store") == before, "a refused store was changed");
}

/// The one line with which the program refused to start.
#[track_caller]
fn one_complaint(log: &str) -> &str {
    let complaints: Vec<&str> = log.lines().filter(|line| line.starts_with("chat-system: ")).collect();
    assert_eq!(complaints.len(), 1, "{log}");
    assert!(log.ends_with(&format!("{}\n", complaints[0])), "more was said after it: {log}");
    assert!(!log.contains("panicked"), "{log}");
    complaints[0]
}

/// A file system of a few MiB, for a disk that is full. Dropping it takes it away.
struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    /// `None`, after saying why, where it cannot be mounted.
    #[expect(clippy::disallowed_methods, reason = "whether this is CI is no knob of the program")]
    fn mount(mebibytes: usize) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "tmpfs"]).arg(folder.path());
        let why = match mount.output() {
            Ok(done) if done.status.success() => return Some(Self { folder }),
            Ok(done) => String::from_utf8_lossy(&done.stderr).trim().to_owned(),
            Err(error) => error.to_string(),
        };
        assert!(std::env::var_os("CI").is_none(), "no small disk in CI: {why}");
        // Straight to the terminal: the harness shows nothing else of a test that passes.
        let _ = writeln!(std::io::stderr(), "SKIPPED: a full disk needs the right to mount a tmpfs: {why}");
        None
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A file that takes what is left.
    fn fill(&self) {
        let mut ballast = std::fs::File::create(self.path().join("ballast")).expect("a file");
        let block = [0xff; 4096];
        while ballast.write_all(&block).is_ok() {}
    }

    fn make_room(&self) {
        std::fs::remove_file(self.path().join("ballast")).expect("the ballast");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("--lazy").arg(self.path()).status();
        if !std::thread::panicking() {
            assert!(unmounted.expect("umount").success(), "the small disk is still mounted");
        }
    }
}

#[tokio::test]
async fn a_full_disk_is_answered_503_and_writes_go_on_when_there_is_room_again() {
    let Some(disk) = SmallDisk::mount(24) else { return };
    let store = format!("sqlite:{}", disk.path().join("chat.db").display());
    let index = format!("tantivy:{}", disk.path().join("search").display());
    let service = Service::start_with(&["--store", &store, "--search", &index, "--ack-wait", "500ms"]);
    let application = service.new_application().await;
    let chat = service.new_chat(&application).await;
    let messages = format!("{chat}/messages");
    let history = History::default();
    history.create(0, &service, &messages, Some("before")).await.1.number();

    disk.fill();
    // The log of the store may have a little room left within its pages.
    let mut refusals = 0;
    for turn in 0..200 {
        let body = format!("{turn} {}", "x".repeat(16 * 1024));
        let operation = history.invoke(0, &messages, Some(&body));
        let reply = service.send(creation(&service, &messages, Some(&body))).await;
        if reply.status != 201 {
            let reply = reply.clone().expect(503);
            assert_eq!(reply.header("retry-after"), "1");
            assert!(["not_taken", "outcome_unknown"].contains(&&*reply.code()), "{}", reply.text);
            refusals += 1;
        }
        history.end(operation, end_of(Ok(reply)));
        if refusals == 5 {
            break;
        }
    }
    assert_eq!(refusals, 5, "the disk was not full");
    let refused = service.post("/api/v1/applications", &json!({"name": "x".repeat(255)})).await;
    assert_eq!((refused.clone().expect(503).header("retry-after"), &*refused.code()), ("1", "not_taken"));
    service.get("/health/live").await.expect(200);
    service.get("/health/ready").await.expect(503);
    service.get(&format!("{messages}/1")).await.expect(200);

    disk.make_room();
    eventually(SOON, "writes go on", async || {
        let (_, end) = history.create(0, &service, &messages, Some("after wards")).await;
        if matches!(end, End::Ok(_)) { Ok(()) } else { Err(format!("{end:?}")) }
    })
    .await;
    service.get("/health/ready").await.expect(200);
    assert_eq!(history.faults(&service, Line::Dense).await, []);
    eventually(SOON * 2, "the search index goes on", async || {
        let found = service.post(&format!("{messages}/search"), &json!({"query": "wards"})).await;
        if found.status == 200 && found.json()["number_of_messages"] == 1 { Ok(()) } else { Err(found.text) }
    })
    .await;
    let service = service.kill_and_start_again();
    assert_eq!(history.faults(&service, Line::Dense).await, []);
    assert!(service.stop().success());
}

#[tokio::test]
async fn a_drain_on_a_full_disk_ends_by_its_deadline_and_loses_nothing_that_was_answered() {
    let Some(disk) = SmallDisk::mount(24) else { return };
    let store = format!("sqlite:{}", disk.path().join("chat.db").display());
    let mut service =
        Service::start_with(&["--store", &store, "--ack-wait", "300ms", "--drain-deadline", "1s"]);
    let chat = service.new_chat(&service.new_application().await).await;
    let messages = format!("{chat}/messages");
    let history = History::default();
    disk.fill();
    for turn in 0..200 {
        let body = format!("{turn} {}", "x".repeat(16 * 1024));
        if history.create(0, &service, &messages, Some(&body)).await.1 == End::Unknown {
            break;
        }
    }
    service.terminate();
    let status = end_of_process(&mut service, SOON).await;
    assert_eq!(status.code(), Some(1), "what was not kept is said by the exit code");
    assert!(service.log().contains("PersistenceActor"), "who still worked is named");
    match service.start_second() {
        Ok(on_a_full_disk) => drop(on_a_full_disk.get(&chat).await.expect(200)),
        Err(said) => drop(one_complaint(&said).to_owned()),
    }
    disk.make_room();
    let service = service.start_again();
    history.create(0, &service, &messages, Some("next")).await.1.number();
    assert_eq!(history.faults(&service, Line::Dense).await, []);
    assert!(service.stop().success());
}

#[tokio::test]
async fn a_backlog_of_long_messages_is_left_to_the_next_start() {
    const MESSAGES: usize = 16;
    let mut service = Service::start();
    let chat = service.new_chat(&service.new_application().await).await;
    let list = format!("{chat}/messages");
    // Of the longest that there are, and of a script that is cut into many words.
    let han: String = (0..43_000_u32).filter_map(|at| char::from_u32(0x4e00 + at * 7_919 % 20_000)).collect();
    for _ in 0..MESSAGES {
        service.post(&list, &json!({"body": han})).await.expect(201);
    }
    let asked = Instant::now();
    service.terminate();
    assert!(service.wait().success());
    assert!(asked.elapsed() < DRAIN_DEADLINE, "{:?}", asked.elapsed());
    let service = service.start_again();
    assert_eq!(service.all(&list).await.len(), MESSAGES);
}
