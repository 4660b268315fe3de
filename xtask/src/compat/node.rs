//! A `klamm` process that a suite can have restarted.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The most that a node may take to start or to stop.
const NODE_LIMIT: Duration = Duration::from_secs(20);
/// Of the log of a node whose suite fails, this much is shown: its end.
const LOG_LINES: usize = 40;

/// A `klamm` process that the suites can have restarted.
pub(super) struct Node {
    klamm: PathBuf,
    data: PathBuf,
    port: u16,
    process: Child,
}

impl Node {
    pub(super) fn start(klamm: &Path, data: &Path) -> Result<Self, String> {
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

    /// Where the node writes its log: beside its data, through all its restarts.
    pub(super) fn log(data: &Path) -> PathBuf {
        data.with_extension("log")
    }

    /// The last lines of the node's log.
    pub(super) fn end_of_log(&self) -> String {
        let log = std::fs::read(Self::log(&self.data)).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n") + "\n"
    }

    fn spawn(klamm: &Path, data: &Path, port: u16) -> Result<Child, String> {
        let log = Self::log(data);
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(|error| format!("{}: {error}", log.display()))?;
        Command::new(klamm)
            .args(["start", "--listen", &format!("127.0.0.1:{port}"), "--data-dir"])
            .arg(data)
            .args(["--override", "group.initial.rebalance.delay.ms=0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("{}: {error}", klamm.display()))
    }

    pub(super) fn bootstrap(&self) -> String {
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

    pub(super) fn restart(&mut self) -> Result<(), String> {
        self.stop()?;
        self.process = Self::spawn(&self.klamm, &self.data, self.port)?;
        self.wait_until_it_serves()
    }

    pub(super) fn stop(&mut self) -> Result<(), String> {
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

/// A port that is free together with the next one, which the controller takes. It lies below those that the system gives
/// to outgoing connections: none of them takes it while the node restarts.
pub(crate) fn free_ports() -> Result<u16, String> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..1000 {
        let at = std::process::id().wrapping_mul(40) + NEXT.fetch_add(2, Ordering::Relaxed);
        let port = 20_000 + (at % 12_000) as u16;
        if [port, port + 1]
            .iter()
            .all(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        {
            return Ok(port);
        }
    }
    Err("no two neighbouring ports are free".to_owned())
}
