//! A `klamm` process under test: its directory, its port, what it prints, and its death.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use klamm_net::Client;
use klamm_protocol::messages::ApiVersionsRequest;
use tempfile::TempDir;

use crate::client::Connection;

/// Longer than any start takes, also of a debug build on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Longer than any clean end takes.
const ENDED_WITHIN: Duration = Duration::from_secs(60);

/// A command that runs `klamm` with a home of its own, so that no test can meet the data of the person who runs it.
pub(crate) fn klamm(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_klamm"));
    command
        .env("HOME", home)
        .env_remove("XDG_DATA_HOME")
        .env_remove("RUST_LOG");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A port that is free, and the next one too, below the range from which the system takes ports for connections.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = (std::process::id() % 500) as u16 * 40;
    for _ in 0..10_000 {
        let step = NEXT.fetch_add(2, Ordering::Relaxed);
        let port = 12_000 + start.wrapping_add(step) % 20_000;
        let free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if free(port) && free(port + 1) {
            return port;
        }
    }
    panic!("no free port");
}

/// A process and what it has printed so far.
pub(crate) struct Process {
    child: Child,
    stdout: Output,
    stderr: Output,
}

impl Process {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("klamm runs");
        let stdout = collect(child.stdout.take().unwrap());
        let stderr = collect(child.stderr.take().unwrap());
        Process { child, stdout, stderr }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn stdout(&self) -> String {
        self.stdout.text.lock().unwrap().clone()
    }

    pub(crate) fn stderr(&self) -> String {
        self.stderr.text.lock().unwrap().clone()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.child.id() as i32).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for the end, or kills it and says that it did not end by itself.
    pub(crate) fn end(&mut self) -> Result<ExitStatus, String> {
        let give_up = Instant::now() + ENDED_WITHIN;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.stdout.read_to_end();
                self.stderr.read_to_end();
                return Ok(status);
            }
            if Instant::now() > give_up {
                self.kill();
                return Err(format!("still running after {ENDED_WITHIN:?}\n{}", self.stderr()));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub(crate) fn kill(&mut self) {
        let _already_ended = self.child.kill();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let stderr = self.stderr();
            let lines: Vec<&str> = stderr.lines().collect();
            let last = lines[lines.len().saturating_sub(40)..].join("\n");
            eprintln!("--- the node's last lines on stderr\n{last}\n---");
        }
    }
}

/// What comes out of a pipe, collected by a thread of its own.
struct Output {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Output {
    /// Of a process that has ended: what it wrote last may still be in the pipe.
    fn read_to_end(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
    }
}

fn collect(mut from: impl Read + Send + 'static) -> Output {
    let text = Arc::new(Mutex::new(String::new()));
    let into = Arc::clone(&text);
    let reader = std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            into.lock()
                .unwrap()
                .push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    });
    Output {
        text,
        reader: Some(reader),
    }
}

/// A node on a port and a directory of its own, which it keeps over restarts. Killed when dropped.
pub(crate) struct Node {
    process: Process,
    arguments: Vec<OsString>,
    directory: TempDir,
    address: SocketAddr,
    ready_after: Duration,
}

impl Node {
    /// Starts a node and waits until it answers.
    pub(crate) async fn start() -> Node {
        Node::start_with(&[]).await
    }

    /// As [`Node::start`], with `--override`s.
    pub(crate) async fn start_with(overrides: &[&str]) -> Node {
        Node::start_in(tempfile::tempdir().unwrap(), overrides).await
    }

    /// As [`Node::start_with`], with its data below a directory that is there.
    pub(crate) async fn start_in(directory: TempDir, overrides: &[&str]) -> Node {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let mut arguments: Vec<OsString> = vec!["start".into()];
        arguments.extend(["--listen".into(), address.to_string().into()]);
        arguments.extend(["--data-dir".into(), directory.path().join("data").into()]);
        for text in overrides {
            arguments.extend(["--override".into(), text.into()]);
        }
        let spawned = Instant::now();
        let process = Process::spawn(klamm(directory.path()).args(&arguments));
        let mut node = Node {
            process,
            arguments,
            directory,
            address,
            ready_after: Duration::ZERO,
        };
        node.wait_until_ready(spawned).await;
        node
    }

    /// Starts the node again, on the same data and port, after [`Node::kill`] or [`Node::terminate`].
    pub(crate) async fn start_again(&mut self) {
        assert!(!self.process.is_running());
        let spawned = Instant::now();
        self.process = Process::spawn(klamm(self.directory.path()).args(&self.arguments));
        self.wait_until_ready(spawned).await;
    }

    async fn wait_until_ready(&mut self, spawned: Instant) {
        while !answers(self.address).await {
            if !self.process.is_running() {
                let status = self.process.end();
                panic!("the node ended: {status:?}\n{}", self.process.stderr());
            }
            let waited = spawned.elapsed();
            assert!(
                waited < READY_WITHIN,
                "no answer in {waited:?}\n{}",
                self.process.stderr()
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.ready_after = spawned.elapsed();
    }

    /// From spawning the process to its first reply, when it started last.
    pub(crate) fn ready_after(&self) -> Duration {
        self.ready_after
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its data lies.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    pub(crate) async fn connect(&self) -> Connection {
        Connection::open(self.address).await
    }

    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        assert!(
            self.process.is_running(),
            "the node ended by itself\n{}",
            self.process.stderr()
        );
        self.process.kill();
    }

    /// SIGTERM, and waits for the end.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.process.signal(rustix::process::Signal::TERM);
        self.process.end().unwrap()
    }

    /// Resident memory in bytes.
    pub(crate) fn resident_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        kib * 1024
    }
}

async fn answers(address: SocketAddr) -> bool {
    let asked = async {
        let mut client = Client::connect(address).await.ok()?;
        client.call(&ApiVersionsRequest::default(), 0).await.ok()
    };
    // Whatever accepts a connection without an answer is not ready.
    tokio::time::timeout(Duration::from_secs(2), asked)
        .await
        .is_ok_and(|reply| reply.is_some())
}

/// What the tests of protocol and answers talk to: a node of ours, or a broker that somebody started.
pub(crate) enum Broker {
    Ours(Node),
    External(SocketAddr),
}

impl Broker {
    pub(crate) async fn start() -> Broker {
        match std::env::var("KLAMM_TEST_BOOTSTRAP") {
            Ok(address) => Broker::External(address.parse().expect("KLAMM_TEST_BOOTSTRAP is HOST:PORT")),
            Err(_) => Broker::Ours(Node::start().await),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Broker::Ours(node) => node.address(),
            Broker::External(address) => *address,
        }
    }

    /// By convention the controller listens on the next port.
    pub(crate) fn controller(&self) -> SocketAddr {
        let broker = self.address();
        SocketAddr::new(broker.ip(), broker.port() + 1)
    }

    pub(crate) async fn connect(&self) -> Connection {
        Connection::open(self.address()).await
    }

    /// Whether it is a node of ours.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self, Broker::Ours(_))
    }
}

/// A directory's files with what is in them, to see whether anybody touched it.
pub(crate) fn tree(directory: &Path) -> String {
    fn visit(directory: &Path, depth: usize, out: &mut String) {
        let mut entries: Vec<_> = std::fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        entries.sort();
        for path in entries {
            let name = path.file_name().unwrap().to_string_lossy();
            let metadata = std::fs::symlink_metadata(&path).unwrap();
            let modified = metadata
                .modified()
                .unwrap()
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap()
                .as_nanos();
            if metadata.is_dir() {
                writeln!(out, "{:depth$}{name}/", "").unwrap();
                visit(&path, depth + 2, out);
            } else {
                let content = std::fs::read(&path).unwrap_or_default();
                let crc = klamm_records::crc32c(&content);
                writeln!(out, "{:depth$}{name} {} bytes {crc:08x} {modified}", "", content.len()).unwrap();
            }
        }
    }
    let mut out = String::new();
    if directory.exists() {
        visit(directory, 0, &mut out);
    }
    out
}
