use std::io::{BufRead, BufReader};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;

use tempfile::TempDir;

use super::servers::given;
use super::signal::signal;
use super::{Client, Stack};

/// The program in a process of its own, on a free port of loopback and a folder of its own. Dropping it kills it.
pub struct Service {
    child: Child,
    client: Client,
    operator: Client,
    folder: Arc<TempDir>,
    told: Told,
}

/// What a service is told each time it starts.
#[derive(Clone)]
struct Told {
    /// `None`: everything embedded, in its folder.
    stack: Option<Stack>,
    arguments: Vec<String>,
    /// Files that it may have open, at first and at most; as many as this suite may, where nothing is said.
    files: Option<(u32, u32)>,
}

/// A server that starts on a busy machine is slow, which is no law.
const PATIENCE: (&str, &str) = ("CHAT_ENGINE_TIMEOUT", "10s");

impl Told {
    fn new(stack: Option<Stack>, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        Self { stack, arguments, files: None }
    }

    fn command(&self) -> Command {
        let Some((at_first, at_most)) = self.files else { return Command::new(program()) };
        // It becomes the program, and keeps its process id.
        let mut command = Command::new("prlimit");
        command.arg(format!("--nofile={at_first}:{at_most}")).arg("--").arg(program());
        command
    }
}

impl Service {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    pub fn start_with(arguments: &[&str]) -> Self {
        Self::start_told(Told::new(Stack::of_this_run(), arguments))
    }

    /// In a process that may have so many files open at first, and so many at most.
    pub fn start_with_files(at_first: u32, at_most: u32, arguments: &[&str]) -> Self {
        let files = Some((at_first, at_most));
        Self::start_told(Told { files, ..Told::new(Stack::of_this_run(), arguments) })
    }

    /// A node on these servers.
    pub fn start_on(stack: &Stack, arguments: &[&str]) -> Self {
        Self::start_told(Told::new(Some(stack.clone()), arguments))
    }

    fn start_told(told: Told) -> Self {
        Self::start_in(Arc::new(tempfile::tempdir().expect("a folder")), told)
    }

    fn start_in(folder: Arc<TempDir>, told: Told) -> Self {
        match Self::try_start_in(folder, told) {
            Ok(service) => service,
            Err(said) => panic!("the service did not start: {said}"),
        }
    }

    fn try_start_in(folder: Arc<TempDir>, told: Told) -> Result<Self, String> {
        let mut child = told
            .command()
            .args(["--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder.path())
            .args(told.stack.iter().flat_map(Stack::arguments))
            .args(&told.arguments)
            .envs(told.stack.iter().map(|_stack| PATIENCE))
            .stdout(Stdio::piped())
            .stderr(
                std::fs::File::options()
                    .create(true)
                    .append(true)
                    .open(log_of(folder.path()))
                    .expect("a log"),
            )
            .spawn()
            .expect("the program");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("stdout")).read_line(&mut line).expect("a first line");
        let words = line.split([' ', ')']);
        let mut urls = words.filter(|word| word.starts_with("http") && !word.contains("/api/"));
        let Some(url) = urls.next() else {
            child.wait().expect("its end");
            return Err(std::fs::read_to_string(log_of(folder.path())).expect("a log"));
        };
        let operator = Client::new(urls.next().unwrap_or(url));
        Ok(Self { client: Client::new(url), operator, child, folder, told })
    }

    /// Starts another process on the same folder; its complaint, if it refuses.
    pub fn start_second(&self) -> Result<Self, String> {
        Self::try_start_in(Arc::clone(&self.folder), self.told.clone())
    }

    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Where the operator reads health and metrics.
    pub fn operator(&self) -> &Client {
        &self.operator
    }

    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Memory that it takes now.
    pub fn resident_kib(&self) -> u64 {
        self.memory_kib("VmRSS:")
    }

    /// The most that it has taken so far.
    pub fn most_resident_kib(&self) -> u64 {
        self.memory_kib("VmHWM:")
    }

    fn memory_kib(&self, what: &str) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix(what)).expect("its memory");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(log_of(self.folder.path())).expect("a log")
    }

    /// kill -9, and a new process on the same files.
    pub fn kill_and_start_again(mut self) -> Self {
        self.kill();
        self.start_again()
    }

    /// A new process on the same files, once this one is gone.
    pub fn start_again(mut self) -> Self {
        self.child.wait().expect("its end");
        Self::start_in(Arc::clone(&self.folder), self.told.clone())
    }

    /// A new process on the same files, told something else, once this one is gone.
    pub fn start_again_with(mut self, arguments: &[&str]) -> Self {
        self.child.wait().expect("its end");
        Self::start_in(Arc::clone(&self.folder), Told::new(self.told.stack.clone(), arguments))
    }

    pub fn kill(&mut self) {
        self.child.kill().expect("a kill");
        self.child.wait().expect("its end");
    }

    /// SIGTERM, without waiting.
    pub fn terminate(&self) {
        signal(self.child.id(), "TERM");
    }

    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("its end")
    }

    /// SIGTERM, and how it ended.
    pub fn stop(mut self) -> ExitStatus {
        self.terminate();
        self.wait()
    }
}

impl Deref for Service {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- its log ---\n{}", self.log());
        }
    }
}

/// The program that was built with this suite, or that of `CHAT_TEST_PROGRAM`: the released one, to measure it.
pub fn program() -> PathBuf {
    given("CHAT_TEST_PROGRAM").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_chat-system")), PathBuf::from)
}

fn log_of(folder: &Path) -> PathBuf {
    folder.join("log")
}
