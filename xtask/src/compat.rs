//! `cargo xtask compat [CLIENT]…`: the suites of `tests/compat/` against a real `klamm` process.
//!
//! Each client's suite gets a node of its own on a free port and an empty directory. A suite prints a row per feature
//! (`ok NAME` or `FAIL NAME: reason`) and may ask for a restart of the node by the line `restart`, which is answered with
//! `done` on its standard input when the node serves again. What the clients need comes from their registries.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The most that one suite may take.
const SUITE_LIMIT: Duration = Duration::from_secs(400);
/// The most that a node may take to start or to stop.
const NODE_LIMIT: Duration = Duration::from_secs(20);

/// A client library with its suite.
struct Client {
    name: &'static str,
    /// Installs what the suite needs, and gives the command that runs it without its arguments.
    prepare: fn(root: &Path) -> Result<Vec<String>, String>,
}

const CLIENTS: &[Client] = &[
    Client {
        name: "java",
        prepare: java,
    },
    Client {
        name: "librdkafka",
        prepare: |root| python(root, "confluent.py"),
    },
    Client {
        name: "kafka-python",
        prepare: |root| python(root, "kafka_python.py"),
    },
];

/// Runs the named suites, or all of them; returns what failed, one line each.
pub(crate) fn run(root: &Path, only: &[&str]) -> Result<Vec<String>, String> {
    if let Some(unknown) = only
        .iter()
        .find(|name| CLIENTS.iter().all(|client| client.name != **name))
    {
        let known: Vec<&str> = CLIENTS.iter().map(|client| client.name).collect();
        return Err(format!("unknown client `{unknown}`, known are: {}", known.join(", ")));
    }
    let target = crate::target_dir(root);
    crate::cargo(root, &["build", "--release", "--package", "klamm"])?;
    let klamm = target.join("release/klamm");
    let work = work_dir(root);
    let mut failures = Vec::new();
    for client in CLIENTS
        .iter()
        .filter(|client| only.is_empty() || only.contains(&client.name))
    {
        println!("== {}", client.name);
        let command = (client.prepare)(root)?;
        let data = work.join(format!("data-{}", client.name));
        match std::fs::remove_dir_all(&data) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(format!("{}: {error}", data.display()));
            }
            _ => {}
        }
        let mut node = Node::start(&klamm, &data)?;
        failures.extend(
            suite(&command, &mut node)?
                .into_iter()
                .map(|row| format!("{}: {row}", client.name)),
        );
        node.stop()?;
    }
    Ok(failures)
}

/// Runs one suite to its end; returns the rows that failed.
fn suite(command: &[String], node: &mut Node) -> Result<Vec<String>, String> {
    let mut child = Command::new(&command[0])
        .args(&command[1..])
        .arg(node.bootstrap())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{}: {error}", command[0]))?;
    let mut answers = child.stdin.take().expect("stdin is piped");
    let rows = BufReader::new(child.stdout.take().expect("stdout is piped"));
    let (sender, lines) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        rows.lines()
            .map_while(Result::ok)
            .try_for_each(|line| sender.send(line))
    });
    let deadline = Instant::now() + SUITE_LIMIT;
    let (mut passed, mut failed) = (0, Vec::new());
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) if line == "restart" => {
                node.restart()?;
                writeln!(answers, "done").map_err(|error| format!("the suite is gone: {error}"))?;
            }
            Ok(line) => {
                println!("{line}");
                passed += usize::from(line.starts_with("ok "));
                if line.starts_with("FAIL ") {
                    failed.push(line);
                }
            }
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                failed.push(format!("not finished after {} s", SUITE_LIMIT.as_secs()));
                child.kill().map_err(|error| error.to_string())?;
                break;
            }
        }
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    let _ = reader.join(); // ends with the suite's output; its result says nothing more
    if failed.is_empty() && (!status.success() || passed == 0) {
        failed.push(format!("the suite ended with {status} after {passed} features"));
    }
    Ok(failed)
}

/// A `klamm` process that the suites can have restarted.
struct Node {
    klamm: PathBuf,
    data: PathBuf,
    port: u16,
    process: Child,
}

impl Node {
    fn start(klamm: &Path, data: &Path) -> Result<Self, String> {
        let port = free_ports()?;
        let process = Self::spawn(klamm, data, port)?;
        let mut node = Node {
            klamm: klamm.to_owned(),
            data: data.to_owned(),
            port,
            process,
        };
        node.wait_until_it_serves()?;
        Ok(node)
    }

    fn spawn(klamm: &Path, data: &Path, port: u16) -> Result<Child, String> {
        Command::new(klamm)
            .args(["start", "--listen", &format!("127.0.0.1:{port}"), "--data-dir"])
            .arg(data)
            .args(["--override", "group.initial.rebalance.delay.ms=0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| format!("{}: {error}", klamm.display()))
    }

    fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn wait_until_it_serves(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + NODE_LIMIT;
        while TcpStream::connect(self.bootstrap()).is_err() {
            if let Some(status) = self.process.try_wait().map_err(|error| error.to_string())? {
                return Err(format!("the node ended with {status} instead of serving"));
            }
            if Instant::now() > deadline {
                return Err(format!("the node does not serve after {} s", NODE_LIMIT.as_secs()));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    fn restart(&mut self) -> Result<(), String> {
        self.stop()?;
        self.process = Self::spawn(&self.klamm, &self.data, self.port)?;
        self.wait_until_it_serves()
    }

    fn stop(&mut self) -> Result<(), String> {
        let pid = self.process.id().to_string();
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .map_err(|error| format!("kill: {error}"))?;
        let deadline = Instant::now() + NODE_LIMIT;
        loop {
            match self.process.try_wait().map_err(|error| error.to_string())? {
                Some(status) => return stopped_cleanly(status),
                None if Instant::now() > deadline => return Err("the node does not stop after SIGTERM".to_owned()),
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }
}

fn stopped_cleanly(status: ExitStatus) -> Result<(), String> {
    if status.success() {
        Ok(())
    } else {
        Err(format!("the node ended with {status} after SIGTERM"))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill(); // already gone after `stop`
        let _ = self.process.wait();
    }
}

/// A port that is free together with the next one, which the controller takes.
pub(crate) fn free_ports() -> Result<u16, String> {
    for _ in 0..100 {
        let first = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
        let port = first.local_addr().map_err(|error| error.to_string())?.port();
        if port < u16::MAX && TcpListener::bind(("127.0.0.1", port + 1)).is_ok() {
            return Ok(port);
        }
    }
    Err("no two neighbouring ports are free".to_owned())
}

/// Where the clients and their data go.
fn work_dir(root: &Path) -> PathBuf {
    crate::target_dir(root).join("compat")
}

fn java(root: &Path) -> Result<Vec<String>, String> {
    let source = root.join("tests/compat/java");
    let (libs, classes) = (work_dir(root).join("java/libs"), work_dir(root).join("java/classes"));
    let pom = source.join("pom.xml");
    crate::succeed(
        Command::new("mvn")
            .args(["--quiet", "--batch-mode", "--file"])
            .arg(&pom)
            .arg("dependency:copy-dependencies")
            .arg(format!("-DoutputDirectory={}", libs.display())),
    )?;
    let sources = source.join("src/main/java");
    let classpath = format!("{}/*", libs.display());
    crate::succeed(
        Command::new("javac")
            .arg("-d")
            .arg(&classes)
            .args(["-cp", &classpath])
            .args(files(&sources, "java")?),
    )?;
    Ok([
        "java",
        "-cp",
        &format!("{}:{classpath}", classes.display()),
        "JavaClients",
    ]
    .map(str::to_owned)
    .to_vec())
}

fn python(root: &Path, script: &str) -> Result<Vec<String>, String> {
    let interpreter = python_environment(root)?.join("bin/python");
    let script = root.join("tests/compat/python").join(script);
    Ok([interpreter, script].map(|path| path.display().to_string()).to_vec())
}

/// A Python environment with the clients in it; installs what is missing.
pub(crate) fn python_environment(root: &Path) -> Result<PathBuf, String> {
    let venv = work_dir(root).join("venv");
    let interpreter = venv.join("bin/python");
    if !interpreter.exists() {
        crate::succeed(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    }
    let requirements = root.join("tests/compat/python/requirements.txt");
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
    crate::succeed(Command::new(&interpreter).args(pip).arg(&requirements))?;
    Ok(venv)
}

fn files(dir: &Path, extension: &str) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    found.retain(|path| path.extension().is_some_and(|found| found == extension));
    found.sort();
    Ok(found)
}
