//! The cheapest client there is, and the cheapest server: what both take is the same on either side of a ratio.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use actix_web::{App, HttpResponse, HttpServer, web};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::LocalSet;

use super::BODY;

/// The lengths of bare answers: that of a message, and of a page of 50.
const ANSWER_BYTES: usize = 260;
const PAGE_BYTES: usize = 10_700;

pub fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n")
}

pub fn post(path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A message, at this path of a chat's messages.
pub fn create(path: &str) -> String {
    post(path, &format!("{{\"body\":\"{BODY}\"}}"))
}

/// A handler that takes as long a request as [`create`] at `/create`, or [`get`] at `/read` and `/list`, and gives as long an
/// answer as a message is, or a page of 50. It serves until the process ends.
pub fn start_bare() -> SocketAddr {
    let (started, address) = mpsc::channel();
    std::thread::spawn(move || {
        actix::System::new().block_on(async move {
            let server = HttpServer::new(|| {
                let answer = || async { HttpResponse::Created().body("x".repeat(ANSWER_BYTES)) };
                let taken = move |_body: web::Json<serde_json::Value>| answer();
                let page = || async { HttpResponse::Ok().body("x".repeat(PAGE_BYTES)) };
                App::new()
                    .route("/create", web::post().to(taken))
                    .route("/read", web::get().to(answer))
                    .route("/list", web::get().to(page))
            });
            let server = server.bind("127.0.0.1:0").expect("a port");
            started.send(server.addrs()[0]).expect("someone waits");
            server.run().await.expect("served");
        });
    });
    address.recv().expect("an address")
}

/// The path of the chats of a new application.
pub async fn new_application(address: SocketAddr) -> String {
    let mut connection = Connection::open(address).await;
    let made = connection.ask(&post("/api/v1/applications", "{\"name\":\"bench\"}")).await;
    let token = made.split("\"token\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a token");
    format!("/api/v1/applications/{token}/chats")
}

/// When a load ends.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    /// Each connection has asked so often.
    Times(u64),
    /// It is this late.
    Moment(Instant),
}

impl Until {
    fn is_over(self, asked: u64) -> bool {
        match self {
            Self::Times(times) => asked >= times,
            Self::Moment(moment) => Instant::now() >= moment,
        }
    }
}

/// How many requests were answered in how long, so many connections asking these in turn.
pub async fn load(
    address: SocketAddr,
    requests: &[String],
    connections: usize,
    until: Until,
) -> (u64, Duration) {
    let requests: Rc<[String]> = requests.into();
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(Connection::open(address).await);
    }
    let local = LocalSet::new();
    let started = Instant::now();
    let mut askers = Vec::new();
    for (place, mut connection) in open.into_iter().enumerate() {
        let requests = Rc::clone(&requests);
        askers.push(local.spawn_local(async move {
            // Each begins elsewhere.
            let first = place * requests.len() / connections;
            let mut asked = 0;
            while !until.is_over(asked) {
                connection.ask(&requests[(first + asked as usize) % requests.len()]).await;
                asked += 1;
            }
            asked
        }));
    }
    local.await;
    let elapsed = started.elapsed();
    let mut answered = 0;
    for asker in askers {
        answered += asker.await.expect("answers");
    }
    (answered, elapsed)
}

/// What became of requests that came at their own pace.
#[derive(Default)]
pub struct Flood {
    /// How long each that was kept took, in seconds.
    pub kept: Vec<f64>,
    /// How long each refusal took.
    pub refused: Vec<f64>,
    /// How many were answered before they were kept.
    pub queued: u64,
    /// How many should have been sent, also where no connection was free to send it.
    pub due: u64,
    /// Until the last was answered.
    pub elapsed: Duration,
}

impl Flood {
    /// How much of what should have been sent was sent.
    pub fn sent_share(&self) -> f64 {
        ((self.kept.len() + self.refused.len()) as u64 + self.queued) as f64 / self.due as f64
    }
}

/// So many requests a second for so long, whatever becomes of them (an open model), as far as so many connections send them.
pub async fn flood(
    address: SocketAddr,
    request: &str,
    connections: usize,
    rate: f64,
    time: Duration,
) -> Flood {
    let (tickets, request) = (Rc::new(Semaphore::new(0)), Rc::<str>::from(request));
    let seen = Rc::new(RefCell::new(Flood::default()));
    let local = LocalSet::new();
    for _ in 0..connections {
        let mut connection = Connection::open(address).await;
        let (tickets, request, seen) = (Rc::clone(&tickets), Rc::clone(&request), Rc::clone(&seen));
        local.spawn_local(async move {
            while let Ok(ticket) = tickets.acquire().await {
                ticket.forget();
                let asked = Instant::now();
                let answer = connection.send(&request).await;
                let seconds = asked.elapsed().as_secs_f64();
                match answer.as_bytes().get(9..12) {
                    Some(b"202") => seen.borrow_mut().queued += 1,
                    Some(b"201") => seen.borrow_mut().kept.push(seconds),
                    Some(b"503") => seen.borrow_mut().refused.push(seconds),
                    _ => panic!("{answer}"),
                }
            }
        });
    }
    let hand_out = async {
        let (began, mut handed_out) = (Instant::now(), 0_u64);
        let mut ticks = tokio::time::interval(Duration::from_millis(1));
        while began.elapsed() < time {
            ticks.tick().await;
            let due = (began.elapsed().as_secs_f64() * rate) as u64;
            // Whoever could be served by no connection is gone.
            let room = connections.saturating_sub(tickets.available_permits());
            tickets.add_permits(room.min((due - handed_out) as usize));
            handed_out = due;
        }
        tickets.close();
        handed_out
    };
    let began = Instant::now();
    let due = local.run_until(hand_out).await;
    local.await;
    Flood { due, elapsed: began.elapsed(), ..seen.take() }
}

/// It finds the end of an answer by its length.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        Self { stream, buffer: Vec::with_capacity(64 * 1024) }
    }

    /// What is answered, which has to be a success.
    pub async fn ask(&mut self, request: &str) -> &str {
        let answer = self.send(request).await;
        assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
        answer
    }

    /// Whatever is answered.
    pub async fn send(&mut self, request: &str) -> &str {
        self.stream.write_all(request.as_bytes()).await.expect("sent");
        self.buffer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await.expect("read");
            assert_ne!(read, 0, "the connection was closed");
            let text = std::str::from_utf8(&self.buffer).expect("text");
            if let Some((head, body)) = text.split_once("\r\n\r\n")
                && body.len() >= length(head)
            {
                break;
            }
        }
        std::str::from_utf8(&self.buffer).expect("text")
    }
}

fn length(head: &str) -> usize {
    let line = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    line.parse().expect("a number")
}
